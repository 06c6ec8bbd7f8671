// SPDX-License-Identifier: Apache-2.0
// Puts single bytes back together to characters and never lets half a character out.
// Source: tokenizer-and-chat.md §4 (streaming of partial UTF-8).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/unicode.hpp>

namespace lamina {

/// Collects the bytes of byte tokens; at most 3 wait for the rest of their character.
class Utf8Assembler {
 public:
  /// Appends what is certain after one more byte: a character, U+FFFD for each ill-formed part, or nothing
  /// yet.
  void push(std::uint8_t byte, std::string& out) {
    pending_[size_++] = static_cast<char>(byte);
    // Half a surrogate is known to be ill-formed at its second byte, but the reference, Python's incremental
    // decoder, waits for the third: the same text, one byte later.
    if (size_ == 2 && pending_[0] == '\xED' && byte >= 0xA0 && byte <= 0xBF) return;
    while (size_ > 0) {
      const Utf8Step step = decode_utf8({pending_, size_});
      if (step.status == Utf8Status::incomplete) return;
      emit(step, out);
    }
  }

  /// Ends the run of bytes: what is incomplete becomes U+FFFD, one for each ill-formed part.
  void flush(std::string& out) {
    while (size_ > 0) emit(decode_utf8({pending_, size_}), out);
  }

 private:
  void emit(Utf8Step step, std::string& out) {
    out.append(step.status == Utf8Status::valid ? std::string_view(pending_, step.size)
                                                : replacement_character);
    size_ = static_cast<std::uint8_t>(size_ - step.size);
    for (std::uint8_t i = 0; i < size_; ++i) pending_[i] = pending_[i + step.size];
  }

  char pending_[4] = {};
  std::uint8_t size_ = 0;
};

}  // namespace lamina
