// SPDX-License-Identifier: Apache-2.0
// A rendered prompt: one text, cut into what the template wrote and what the caller's data holds.
// Source: tokenizer-and-chat.md §3.2 (injection safety), vision.md §6.3 (times of frames).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/pass/soft_tokens.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

namespace lamina {

/// Text with a note on who wrote which part of it.
class Prompt {
 public:
  /// Appends text of the template, in which special texts count.
  void trusted(std::string_view text) { append(text, Special::match); }
  /// Appends text of the caller, which can never become a special token.
  void untrusted(std::string_view text) { append(text, Special::ignore); }

  /// Appends the place of a picture, sound or video as the template marks it, `mark`, and what belongs there:
  /// videos frame by frame, with their times.
  void media(std::string_view mark, const EncodedMedia& media) {
    if (media.pieces.empty()) return trusted(mark);  // a place that stays empty
    if (media.pieces.front().kind() != SoftKind::video) {
      trusted(mark);
      media_.push_back(media.pieces);
      return;
    }
    for (std::size_t i = 0; i < media.pieces.size(); ++i) {
      const auto whole = static_cast<std::uint64_t>(i < media.seconds.size() ? media.seconds[i] : 0.0);
      trusted(lamina::text("%s%02llu:%02llu ", i > 0 ? " " : "", static_cast<unsigned long long>(whole / 60),
                           static_cast<unsigned long long>(whole % 60)));
      trusted(mark);
      media_.push_back({media.pieces[i]});
    }
  }

  /// What belongs to the marks that `media` wrote, in their order.
  [[nodiscard]] const std::vector<std::vector<SoftTokens>>& media_pieces() const noexcept { return media_; }

  /// The whole prompt as one string; encode `spans`, not this.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  /// The parts in order, neighbours of one kind joined; they view this prompt.
  [[nodiscard]] std::vector<TextSpan> spans() const {
    std::vector<TextSpan> spans;
    std::size_t begin = 0;
    for (const Part& part : parts_) {
      spans.push_back({std::string_view(text_).substr(begin, part.end - begin), part.special});
      begin = part.end;
    }
    return spans;
  }

 private:
  struct Part {
    std::size_t end;
    Special special;
  };

  void append(std::string_view text, Special special) {
    if (text.empty()) return;
    text_.append(text);
    if (parts_.empty() || parts_.back().special != special) parts_.push_back({0, special});
    parts_.back().end = text_.size();
  }

  std::string text_;
  std::vector<Part> parts_;
  std::vector<std::vector<SoftTokens>> media_;
};

}  // namespace lamina
