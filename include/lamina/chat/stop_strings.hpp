// SPDX-License-Identifier: Apache-2.0
// Ends an answer at a text of the user's choice, and holds text back while it may be the beginning of one.
// Source: tokenizer-and-chat.md §4 (last paragraph).
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>

namespace lamina {

/// Watches a stream of text for stop strings.
///
/// The first stop string to become complete wins; of several that end at the same byte, the longest. What
/// comes out does not depend on how the text is cut into pieces. Pieces that are whole characters give whole
/// characters.
class StopStrings {
 public:
  /// Empty strings are ignored; without any string, all text passes at once.
  explicit StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
    strings_.erase(std::remove(strings_.begin(), strings_.end(), std::string()), strings_.end());
  }

  /// Adds text; appends to `out` what can no longer belong to a stop string.
  ///
  /// Returns  true once a stop string was found: `out` ends just before it, and later text is dropped
  /// Cost     proportional to text · strings · their length
  bool push(std::string_view text, std::string& out) {
    if (stopped_) return true;
    for (const char c : text) {
      held_.push_back(c);
      std::size_t longest = 0;
      for (const std::string& stop : strings_) {
        if (held_.ends_with(stop)) longest = std::max(longest, stop.size());
      }
      if (longest > 0) {
        out.append(held_, 0, held_.size() - longest);
        held_.clear();
        stopped_ = true;
        return true;
      }
      release(out);
    }
    return false;
  }

  /// Appends what was held back: the stream ended without a stop string.
  void finish(std::string& out) {
    out.append(held_);
    held_.clear();
  }

  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

 private:
  /// Passes on all but the longest end of the held text that a stop string begins with.
  void release(std::string& out) {
    std::size_t keep = 0;
    for (const std::string& stop : strings_) {
      std::size_t length = std::min(held_.size(), stop.size() - 1);
      while (length > keep && !held_.ends_with(std::string_view(stop).substr(0, length))) --length;
      keep = std::max(keep, length);
    }
    out.append(held_, 0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
  }

  std::vector<std::string> strings_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace lamina
