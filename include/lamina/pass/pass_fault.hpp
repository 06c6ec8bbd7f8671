// SPDX-License-Identifier: Apache-2.0
// The first place of a pass where a number was not finite, or could not be read.
#pragma once

#include <atomic>
#include <cstdint>

#include <lamina/core/error.hpp>

namespace lamina {

/// A step of a pass; those of a layer are its blocks.
enum class PassStep : std::uint8_t {
  embedding,
  attention,
  feed_forward,
  per_layer_input,
  logits,
  convolution,  ///< of a conformer
  input_rows,   ///< of an encoder: from its input to its first layer
  soft_tokens,  ///< of an encoder: from its last layer on
};

/// Remembers where a pass first met a NaN or an infinity, or failed to read; later reports of the pass change
/// nothing.
///
/// Blocks report at their norms and where logits are made: what is not finite anywhere else reaches one of
/// these, because no kernel makes a finite number of it. An own kind of layer must not either.
/// Threads  `report` is safe from all threads of the pass; the rest between passes, or between its blocks
class PassFault {
 public:
  /// In the step's input, or in what it computes; or it could not read what it needs.
  enum Where : std::uint8_t { before, inside, unread };

  void report(std::uint32_t layer, PassStep step, Where where) noexcept {
    std::uint32_t none = 0;
    const std::uint32_t place =
        layer << 9 | static_cast<std::uint32_t>(step) << 3 | static_cast<std::uint32_t>(where) << 1 | 1U;
    place_.compare_exchange_strong(none, place, std::memory_order_relaxed);
  }
  void clear() noexcept { place_.store(0, std::memory_order_relaxed); }

  /// True if something was reported.
  [[nodiscard]] explicit operator bool() const noexcept {
    return place_.load(std::memory_order_relaxed) != 0;
  }

  /// What was reported first, as an error. Requires that something was.
  [[nodiscard]] Error error() const noexcept {
    const std::uint32_t place = place_.load(std::memory_order_relaxed);
    const auto step = static_cast<PassStep>(place >> 3 & 0x3F);
    if ((place >> 1 & 3U) == unread) {
      return {
          ErrorCode::io,
          where_of(place, "").view(),
          step == PassStep::feed_forward ? "experts could not be read" : "rows of a table could not be read",
          "",
          "",
          "the file of the model was changed, or its disk fails"};
    }
    const bool is_before = (place >> 1 & 3U) == before;
    const FixedText<160> where = where_of(place, is_before ? "before " : "");
    return {ErrorCode::not_finite,
            where.view(),
            "a number became infinite or NaN",
            "",
            "",
            "the weights are damaged, or too large to compute with: scan them with check_numbers"};
  }

 private:
  [[nodiscard]] static FixedText<160> where_of(std::uint32_t place, const char* preposition) noexcept {
    const auto step = static_cast<PassStep>(place >> 3 & 0x3F);
    if (step == PassStep::attention || step == PassStep::feed_forward || step == PassStep::per_layer_input ||
        step == PassStep::convolution)
      return text("layer %u: %s%s", place >> 9, preposition, name_of(step));
    return text("%s%s", preposition, name_of(step));
  }

  [[nodiscard]] static const char* name_of(PassStep step) noexcept {
    switch (step) {
      case PassStep::embedding:
        return "per-layer inputs";
      case PassStep::attention:
        return "attention";
      case PassStep::feed_forward:
        return "feed-forward";
      case PassStep::per_layer_input:
        return "per-layer input";
      case PassStep::logits:
        return "logits";
      case PassStep::convolution:
        return "convolution";
      case PassStep::input_rows:
        return "input rows";
      case PassStep::soft_tokens:
        return "soft tokens";
    }
    return "";
  }

  std::atomic<std::uint32_t> place_{0};
};

}  // namespace lamina
