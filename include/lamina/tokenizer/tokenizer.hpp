// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back: special tokens, byte-pair merges over Unicode characters, byte fallback.
// Source: tokenizer-and-chat.md §3 (encoding), §4 (decoding), §9 (stop and suppressed tokens).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/tokenizer/encode.hpp>
#include <lamina/tokenizer/merge_word.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/tables/build.hpp>
#include <lamina/tokenizer/tables/image.hpp>
#include <lamina/tokenizer/tables/tables.hpp>
#include <lamina/tokenizer/utf8_assembler.hpp>
#include <lamina/tokenizer/vocabulary.hpp>

namespace lamina {

/// How special tokens are written when decoding.
enum class SpecialText : std::uint8_t {
  raw,    ///< as their literal text
  clean,  ///< not at all
};

inline constexpr std::size_t most_text_bytes = std::size_t{1}
                                               << 30;  ///< longest text that is encoded at once

/// Translates between text and token ids.
///
/// Threads  all functions are const and safe to call from any number of threads, each with its own scratch.
class Tokenizer {
 public:
  /// Builds the tables.
  ///
  /// Errors   bad_file (repeated merges; neither byte tokens nor `<unk>` for characters without a token);
  ///          out_of_memory; what readers of files check (`check_complete`) is not asked again
  /// Cost     about 0.1 s and 32 MB for the published vocabulary
  [[nodiscard]] static Result<Tokenizer> create(VocabularyData data);

  /// Uses the tables of an image where they lie (those of packed files do); where they are not aligned, a
  /// copy. The bytes of the image must outlive the tokenizer.
  ///
  /// Errors   bad_file, as `read_image`; out_of_memory
  /// Cost     a few milliseconds for the published vocabulary
  [[nodiscard]] static Result<Tokenizer> from_image(std::span<const std::byte> image, std::string_view where);

  Tokenizer(Tokenizer&&) noexcept = default;
  Tokenizer& operator=(Tokenizer&&) noexcept = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  ~Tokenizer() = default;

  /// What it looks up; valid as long as the tokenizer, moved or not, and what an image lies in.
  [[nodiscard]] const TokenizerTables& tables() const noexcept { return tables_; }

  /// Bytes that a token takes in the tables, about: 32 MB for the published vocabulary of 262 144.
  static constexpr std::size_t bytes_per_token = 128;

  // --- Encoding ---

  /// Appends the ids of `text` to `out`.
  ///
  /// Spaces become U+2581, nothing else is changed; invalid UTF-8 becomes U+FFFD, one per maximal ill-formed
  /// part.
  ///
  /// Errors   bad_argument (text of more than 1 GiB), unsupported (trusted text with a control token that the
  ///          vocabulary has not), out_of_memory; `out` is unchanged then
  /// Cost     O(n log n) however long words are; allocates only while `out` and `scratch` grow
  [[nodiscard]] Status encode(std::string_view text, Special special, std::vector<TokenId>& out,
                              MergeScratch& scratch) const {
    const TextSpan span{text, special};
    return encode(std::span(&span, 1), out, scratch);
  }
  [[nodiscard]] Status encode(std::string_view text, Special special, std::vector<TokenId>& out) const {
    MergeScratch scratch;
    return encode(text, special, out, scratch);
  }

  /// Appends the ids of a prompt made of spans: special texts count in `Special::match` spans only, and
  /// ordinary text between two special tokens is merged as a whole, across the borders of spans (§3.2).
  [[nodiscard]] Status encode(std::span<const TextSpan> spans, std::vector<TokenId>& out,
                              MergeScratch& scratch, Bos bos = Bos::as_written) const;
  [[nodiscard]] Status encode(std::span<const TextSpan> spans, std::vector<TokenId>& out,
                              Bos bos = Bos::as_written) const {
    MergeScratch scratch;
    return encode(spans, out, scratch, bos);
  }

  // --- Decoding ---

  /// Appends what one more token adds to a text; `assembler` carries unfinished characters from call to call.
  /// A token that is no byte token ends the run of bytes. Ids outside the vocabulary add nothing.
  void decode_next(TokenId id, SpecialText special, Utf8Assembler& assembler, std::string& out) const {
    if (is_byte(id)) return assembler.push(byte_of(id), out);
    assembler.flush(out);
    if (!is_special(id) || special == SpecialText::raw) out.append(piece(id));
  }

  /// The text of a sequence, always valid UTF-8; equal to what `StreamDecoder` emits piece by piece.
  [[nodiscard]] std::string decode(std::span<const TokenId> ids,
                                   SpecialText special = SpecialText::raw) const {
    std::string out;
    Utf8Assembler assembler;
    for (const TokenId id : ids) decode_next(id, special, assembler, out);
    assembler.flush(out);
    return out;
  }

  /// One token's text with spaces; empty for ids outside the vocabulary. Byte tokens show as "<0x0A>".
  [[nodiscard]] std::string_view piece(TokenId id) const noexcept { return tables_.piece(id); }

  // --- The vocabulary ---

  [[nodiscard]] std::size_t size() const noexcept { return tables_.size(); }
  /// Finds a token by its exact text in the file (U+2581 for spaces); `no_token` if there is none.
  [[nodiscard]] TokenId find(std::string_view text) const noexcept { return tables_.tokens.find(text); }
  [[nodiscard]] const SpecialTokens& special() const noexcept { return tables_.special; }
  [[nodiscard]] bool is_special(TokenId id) const noexcept { return tables_.is_special(id); }
  [[nodiscard]] bool is_byte(TokenId id) const noexcept { return tables_.is_byte(id); }
  /// The byte that a byte token stands for. Requires: `is_byte(id)`.
  [[nodiscard]] std::uint8_t byte_of(TokenId id) const noexcept { return tables_.kinds.byte_of(id); }
  /// Tokens that end an answer, ascending: `<eos>`, `<turn|>`, `<|tool_response>` and what the file adds.
  [[nodiscard]] std::span<const TokenId> stop_tokens() const noexcept { return tables_.stop; }
  [[nodiscard]] bool is_stop(TokenId id) const noexcept { return tables_.is_stop(id); }
  /// Tokens that must never be sampled, ascending: the media tokens and what the file adds.
  [[nodiscard]] std::span<const TokenId> suppressed_tokens() const noexcept { return tables_.suppressed; }
  /// The chat template text that came with the file; empty if none. lamina renders version 2 itself.
  [[nodiscard]] std::string_view chat_template() const noexcept { return tables_.chat_template; }
  /// Whether words are cut at newlines, and in front of spaces: only if no merge crosses such a border.
  [[nodiscard]] bool splits_at_newlines() const noexcept { return tables_.splits_at_newlines; }
  [[nodiscard]] bool splits_at_spaces() const noexcept { return tables_.splits_at_spaces; }

 private:
  Tokenizer() = default;
  [[nodiscard]] static Result<Tokenizer> copy_image(std::size_t bytes, std::string_view where,
                                                    const auto& write);
  [[nodiscard]] Status check_text(std::span<const TextSpan> spans) const;

  std::vector<std::uint64_t> image_;  // unless somebody else has it
  TokenizerTables tables_;
};

// --- Building ---

/// Makes a tokenizer whose image is its own: `write(std::byte*)` writes it.
Result<Tokenizer> Tokenizer::copy_image(std::size_t bytes, std::string_view where, const auto& write) {
  Tokenizer made;
  made.image_.resize((bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
  const auto image = std::as_writable_bytes(std::span(made.image_)).first(bytes);
  write(image.data());
  const auto tables = read_image(image, where);
  if (!tables) return tables.error();
  made.tables_ = *tables;
  return made;
}

inline Result<Tokenizer> Tokenizer::from_image(std::span<const std::byte> image, std::string_view where) {
  return guard_memory(where, [&]() -> Result<Tokenizer> {
    if (reinterpret_cast<std::uintptr_t>(image.data()) % tables_alignment != 0) {
      if (!memory_is_there(image.size())) return refused_memory(where);
      return copy_image(image.size(), where,
                        [&](std::byte* to) { std::memcpy(to, image.data(), image.size()); });
    }
    const auto tables = read_image(image, where);
    if (!tables) return tables.error();
    Tokenizer made;
    made.tables_ = *tables;
    return made;
  });
}

inline Result<Tokenizer> Tokenizer::create(VocabularyData data) {
  return guard_memory("tokenizer", [&]() -> Result<Tokenizer> {
    if (!memory_is_there(data.tokens.size() * bytes_per_token)) return refused_memory("tokenizer");
    const auto built = TableBuilder::create(data);
    if (!built) return detail::located(built.error(), data.source);
    const TokenizerTables& tables = built->tables();
    return copy_image(image_bytes(tables), "tokenizer", [&](std::byte* to) { write_image(tables, to); });
  });
}

// --- Encoding ---

inline Status Tokenizer::encode(std::span<const TextSpan> spans, std::vector<TokenId>& out,
                                MergeScratch& scratch, Bos bos) const {
  LAMINA_TRY(check_text(spans));
  const std::size_t before = out.size();
  const Status status = guard_memory("text", [&]() -> Status {
    TextEncoder(tables_, scratch, out).append(spans, bos);
    return Done{};
  });
  if (status) return Done{};
  out.resize(before);
  return status.error();
}

/// Text of a possible size; and trusted text must not lose the meaning that only a control token gives it.
inline Status Tokenizer::check_text(std::span<const TextSpan> spans) const {
  std::size_t bytes = 0;
  for (const TextSpan& span : spans) {
    bytes += span.text.size();
    if (span.text.size() > most_text_bytes || bytes > most_text_bytes) {
      return Error{ErrorCode::bad_argument, "text", "text is too long to encode",
                   "at most 1 GiB",         "more", ""};
    }
    if (span.special == Special::ignore) continue;
    if (const std::string_view absent = absent_token_in(special(), span.text); !absent.empty()) {
      return Error{
          ErrorCode::unsupported,   absent, "prompt needs a control token that the vocabulary has not",
          "a token with this text", "none", "this model was not made for what the prompt asks"};
    }
  }
  return Done{};
}

}  // namespace lamina
