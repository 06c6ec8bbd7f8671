// SPDX-License-Identifier: Apache-2.0
// Token ids to text, one at a time, whole characters only.
// Source: tokenizer-and-chat.md §4.
#pragma once

#include <string>

#include <lamina/core/types.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/tokenizer/utf8_assembler.hpp>

namespace lamina {

/// Decodes a stream of ids; everything it emits is valid UTF-8, and the concatenation equals
/// `Tokenizer::decode`.
class StreamDecoder {
 public:
  /// The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer, SpecialText special = SpecialText::clean) noexcept
      : tokenizer_(&tokenizer), special_(special) {}

  /// Appends the text that is certain after `id`; may be nothing while a character is incomplete.
  void push(TokenId id, std::string& out) { tokenizer_->decode_next(id, special_, assembler_, out); }

  /// Appends U+FFFD if the stream ended within a character, and starts anew.
  void finish(std::string& out) { assembler_.flush(out); }

 private:
  const Tokenizer* tokenizer_;
  SpecialText special_;
  Utf8Assembler assembler_;
};

}  // namespace lamina
