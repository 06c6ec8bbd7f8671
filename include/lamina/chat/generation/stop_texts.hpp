// SPDX-License-Identifier: Apache-2.0
// Texts that end an answer where they appear in it, found while it comes in pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>

namespace lamina {

/// Passes text on up to the first of several texts; holds back what may be the beginning of one.
class StopTexts {
 public:
  /// Empty texts are left out.
  explicit StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {
    texts_.erase(std::remove(texts_.begin(), texts_.end(), std::string()), texts_.end());
  }

  /// Takes a piece; appends what is sure to `out`. True once a text was found: nothing after it comes out.
  bool push(std::string_view piece, std::string& out) {
    if (found_) return true;
    held_ += piece;
    std::size_t first = held_.npos;
    for (const std::string& text : texts_) first = std::min(first, held_.find(text));
    found_ = first != held_.npos;
    const std::size_t sure = found_ ? first : held_.size() - possible_beginning();
    out.append(held_, 0, sure);
    held_.erase(0, sure);
    return found_;
  }
  /// Appends what was held back: no more comes.
  void finish(std::string& out) {
    if (!found_) out += held_;
    held_.clear();
  }
  [[nodiscard]] bool found() const noexcept { return found_; }

 private:
  /// Bytes at the end that some text begins with.
  [[nodiscard]] std::size_t possible_beginning() const noexcept {
    std::size_t most = 0;
    for (const std::string& text : texts_) {
      for (std::size_t size = std::min(text.size() - 1, held_.size()); size > most; --size) {
        if (std::string_view(held_).ends_with(std::string_view(text).substr(0, size))) most = size;
      }
    }
    return most;
  }

  std::vector<std::string> texts_;
  std::string held_;
  bool found_ = false;
};

}  // namespace lamina
