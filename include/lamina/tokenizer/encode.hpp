// SPDX-License-Identifier: Apache-2.0
// Text to token ids: special tokens, byte-pair merges over Unicode characters, byte fallback; into any list.
// Source: tokenizer-and-chat.md §3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include <lamina/core/types.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/merge_word.hpp>
#include <lamina/tokenizer/tables/tables.hpp>

namespace lamina {

/// Whether texts such as "<turn|>" become control tokens.
enum class Special : std::uint8_t {
  ignore,  ///< untrusted text: control tokens cannot be produced (added tokens that are not special can)
  match,   ///< trusted text: the longest special text at each position becomes its token
};

/// Whether the ids begin with the begin-of-sequence token.
enum class Bos : std::uint8_t {
  as_written,  ///< only if the text says so
  once,        ///< exactly once, whether the text says so or not
};

/// A piece of a prompt and who wrote it.
struct TextSpan {
  std::string_view text;
  Special special = Special::ignore;
};

/// Encodes spans of text with the tables of a vocabulary. `Scratch` is a `MergeScratchOf`, `Ids` a list of
/// ids that grows as std::vector does, or notes that it cannot (`FixedList`).
template <class Scratch, class Ids>
class TextEncoder {
 public:
  /// All of them must outlive it. Ids are appended to `out`.
  TextEncoder(const TokenizerTables& tables, Scratch& scratch, Ids& out) noexcept
      : tables_(tables), scratch_(scratch), out_(out) {}

  void append(std::span<const TextSpan> spans, Bos bos) {
    const std::size_t begin = out_.size();
    scratch_.word.clear();
    const auto on_text = [&](std::string_view text) {
      if (tables_.add_space_prefix && last_ == 0 && !text.empty()) feed(space_symbol);
      feed(text);
    };
    const auto on_token = [&](TokenId id) {
      flush();
      last_ = 0;
      out_.push_back(id);
    };
    for (const TextSpan& span : spans) {
      tables_.kinds.split(tables_.tokens, span.text, span.special == Special::match, on_text, on_token);
    }
    flush();
    const TokenId first = tables_.special.bos;
    if (bos == Bos::once && first != no_token && (out_.size() == begin || out_[begin] != first)) {
      out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(begin), first);
    }
  }

 private:
  static constexpr char32_t space_scalar = 0x2581;

  /// Adds ordinary text to the current word, one symbol a character; merges the word wherever it may end.
  void feed(std::string_view text) {
    auto& word = scratch_.word;
    while (!text.empty()) {
      const Utf8Step step = decode_utf8(text);
      char32_t scalar = step.status == Utf8Status::valid ? step.scalar : char32_t{0xFFFD};
      if (scalar == ' ') scalar = space_scalar;
      const bool newline_border = tables_.splits_at_newlines && (scalar == '\n') != (last_ == '\n');
      const bool space_border = tables_.splits_at_spaces && scalar == space_scalar && last_ != space_scalar;
      if ((newline_border || space_border) && !word.empty()) flush();
      last_ = scalar;

      std::string_view character = head_of(text, step.size);
      if (step.status != Utf8Status::valid) character = replacement_character;
      if (scalar == space_scalar) character = space_symbol;
      const TokenId id =
          scalar < tables_.characters.size() ? tables_.characters[scalar] : tables_.tokens.find(character);
      if (id != no_token) {
        word.push_back(id);
      } else if (!tables_.scores.empty()) {
        word.push_back(tables_.scores.symbol_of(scalar));
      } else {
        feed_bytes(character, 0, word);
      }
      text.remove_prefix(step.size);
    }
  }

  /// Adds a character that has no token as its bytes; adjacent unknown bytes become one `<unk>`, from place
  /// `begin` on.
  template <class List>
  void feed_bytes(std::string_view character, std::size_t begin, List& list) const {
    for (const char c : character) {
      const TokenId byte = tables_.kinds.of_byte(static_cast<std::uint8_t>(c));
      if (byte != no_token) {
        list.push_back(byte);
      } else if (list.size() == begin || list.back() != tables_.special.unknown) {
        list.push_back(tables_.special.unknown);
      }
    }
  }

  /// Merges the current word and adds it to the output.
  void flush() {
    auto& word = scratch_.word;
    if (tables_.scores.empty()) {
      merge_word(tables_.merges, scratch_);
      out_.insert(out_.end(), word.begin(), word.end());
    } else {
      flush_scored();
    }
    word.clear();
  }

  void flush_scored() {
    auto& joined = scratch_.joined;
    using Finder = ScoreMerges::Finder<std::remove_reference_t<decltype(joined)>>;
    merge_word(Finder{tables_.scores, tables_.tokens, joined}, scratch_);
    const std::size_t begin = out_.size();
    for (const TokenId symbol : scratch_.word) {
      if (tables_.scores.is_token(symbol)) {
        out_.push_back(symbol);
        continue;
      }
      joined.clear();
      append_utf8(joined, tables_.scores.character_of(symbol));
      feed_bytes(std::string_view(joined.data(), joined.size()), begin, out_);
    }
  }

  const TokenizerTables& tables_;
  Scratch& scratch_;
  Ids& out_;
  char32_t last_ = 0;  ///< the character before, across the borders of spans; 0 at the beginning
};

}  // namespace lamina
