// SPDX-License-Identifier: Apache-2.0
// The texts of a vocabulary in one block of bytes, found by id and, through a flat hash index, by text.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/core/unicode.hpp>

namespace lamina {

/// The id that no vocabulary has: "not found", "not in this vocabulary".
inline constexpr TokenId no_token = 0xFFFF'FFFF;

inline constexpr std::size_t most_tokens = std::size_t{1}
                                           << 22;      ///< 16 times the largest published vocabulary
inline constexpr std::size_t most_token_bytes = 4096;  ///< longest text of one token
inline constexpr std::size_t most_vocabulary_bytes = std::size_t{1} << 30;

namespace detail {

[[nodiscard]] constexpr std::uint64_t mix_bits(std::uint64_t x) noexcept {
  x ^= x >> 32;
  x *= 0xD6E8'FEB8'6659'FD93;
  x ^= x >> 32;
  x *= 0xD6E8'FEB8'6659'FD93;
  return x ^ (x >> 32);
}

[[nodiscard]] inline std::uint64_t hash_text(std::string_view text) noexcept {
  std::uint64_t hash = 0x9E37'79B9'7F4A'7C15 * (text.size() + 1);
  std::size_t at = 0;
  std::uint64_t word = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::memcpy(&word, text.data() + at, 8);
    hash = mix_bits(hash ^ word);
  }
  word = 0;
  if (at < text.size()) std::memcpy(&word, text.data() + at, text.size() - at);
  return mix_bits(hash ^ word);
}

/// Buckets of an open-addressing table for `count` entries: a power of two, at most half full, one empty.
[[nodiscard]] constexpr std::size_t buckets_for(std::size_t count) noexcept {
  return std::bit_ceil(count > 0 ? count * 2 : 1);
}

/// Longest probe that an honest file needs is some dozens at half load; a longer one is made to be slow.
inline constexpr std::size_t most_probes = 1024;

}  // namespace detail

/// Texts by id, one after another in one block of bytes; a view.
struct TextColumn {
  std::span<const char> bytes;
  std::span<const std::uint32_t> offsets;  ///< [texts + 1]

  [[nodiscard]] std::size_t size() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
  /// Requires `id < size()`.
  [[nodiscard]] std::string_view operator[](TokenId id) const noexcept {
    return {bytes.data() + offsets[id], offsets[id + 1] - offsets[id]};
  }
};

/// Place in the index from texts to ids.
struct TextBucket {
  std::uint32_t tag;  ///< upper half of the hash
  TokenId id;
};

/// The texts of a vocabulary and the way from text to id, wherever they lie; a view.
/// Threads  safe to read from any number of threads.
class TokenTexts {
 public:
  TextColumn texts;
  std::span<const TextBucket> buckets;  ///< [power of two]

  [[nodiscard]] std::size_t size() const noexcept { return texts.size(); }

  /// The text of a token as the file has it (U+2581 for spaces). Requires `id < size()`.
  [[nodiscard]] std::string_view text_of(TokenId id) const noexcept { return texts[id]; }

  /// Finds a token by its text; `no_token` if there is none. Cost: one hash, usually one probe.
  [[nodiscard]] TokenId find(std::string_view text) const noexcept {
    return find(text, detail::hash_text(text));
  }

  /// Finds a text whose hash is known; `prefetch` of the same hash some look-ups earlier hides the cache
  /// miss. Buckets may come from a file: no content of theirs leads outside the texts, or on without end.
  [[nodiscard]] TokenId find(std::string_view text, std::uint64_t hash) const noexcept {
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    const std::size_t mask = buckets.size() - 1;
    for (std::size_t probe = 0; probe <= detail::most_probes && !buckets.empty(); ++probe) {
      const TextBucket& bucket = buckets[(hash + probe) & mask];
      if (bucket.id >= size()) return no_token;
      if (bucket.tag == tag && text_of(bucket.id) == text) return bucket.id;
    }
    return no_token;
  }

  void prefetch(std::uint64_t hash) const noexcept {
    if (!buckets.empty()) __builtin_prefetch(&buckets[hash & (buckets.size() - 1)]);
  }
};

/// Texts by id, ids by text: what a reader of vocabularies fills.
///
/// Fill with `append` in id order, then call `index` once. Texts are unique, not empty and valid UTF-8.
/// Threads  safe to read from any number of threads.
class TokenTable {
 public:
  /// Valid until the table is changed or moved.
  [[nodiscard]] TokenTexts view() const noexcept { return {{bytes_, offsets_}, buckets_}; }

  [[nodiscard]] std::size_t size() const noexcept { return offsets_.size() - 1; }
  // As of `TokenTexts`.
  [[nodiscard]] std::string_view text_of(TokenId id) const noexcept { return view().text_of(id); }
  [[nodiscard]] TokenId find(std::string_view text) const noexcept { return view().find(text); }
  [[nodiscard]] TokenId find(std::string_view text, std::uint64_t hash) const noexcept {
    return view().find(text, hash);
  }
  void prefetch(std::uint64_t hash) const noexcept { view().prefetch(hash); }

  void reserve(std::size_t tokens, std::size_t bytes) {
    offsets_.reserve(tokens + 1);
    bytes_.reserve(bytes);
  }

  /// Gives `text` the next id. Errors: bad_file (empty, too long, not UTF-8, too many tokens).
  [[nodiscard]] Status append(std::string_view text) {
    if (text.empty() || text.size() > most_token_bytes) {
      return entry_error("length of a token's text", lamina::text("1 to %zu bytes", most_token_bytes),
                         lamina::text("%zu", text.size()));
    }
    if (size() >= most_tokens || bytes_.size() + text.size() > most_vocabulary_bytes) {
      return entry_error("vocabulary is too large", lamina::text("at most %zu tokens", most_tokens), "more");
    }
    if (!is_valid_utf8(text)) return entry_error("token's text is not valid UTF-8", "", "");
    bytes_.append(text);
    offsets_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    return Done{};
  }

  /// Builds the way from text to id. Errors: bad_file (a text occurs twice).
  [[nodiscard]] Status index() {
    buckets_.assign(detail::buckets_for(size()), TextBucket{0, no_token});
    for (TokenId id = 0; id < size(); ++id) {
      const std::string_view text = text_of(id);
      const std::uint64_t hash = detail::hash_text(text);
      const auto tag = static_cast<std::uint32_t>(hash >> 32);
      std::size_t at = hash & (buckets_.size() - 1);
      std::size_t probes = 0;
      for (; buckets_[at].id != no_token; at = (at + 1) & (buckets_.size() - 1)) {
        if (buckets_[at].tag == tag && text_of(buckets_[at].id) == text) {
          return Error{ErrorCode::bad_file,
                       lamina::text("token %u", id).view(),
                       "token's text occurs twice",
                       "unique texts",
                       lamina::text("the text of token %u", buckets_[at].id),
                       ""};
        }
        if (++probes > detail::most_probes) {
          return Error{ErrorCode::bad_file,
                       lamina::text("token %u", id).view(),
                       "token texts collide on purpose",
                       "",
                       "",
                       ""};
        }
      }
      buckets_[at] = {tag, id};
    }
    return Done{};
  }

 private:
  [[nodiscard]] Error entry_error(std::string_view what, std::string_view expected,
                                  std::string_view found) const {
    return Error{ErrorCode::bad_file, lamina::text("token %zu", size()).view(), what, expected, found, ""};
  }

  std::string bytes_;
  std::vector<std::uint32_t> offsets_{0};  ///< [tokens + 1]
  std::vector<TextBucket> buckets_;        ///< [power of two]
};

}  // namespace lamina
