// SPDX-License-Identifier: Apache-2.0
// What a picture, a frame of a video or a piece of sound is to a model, kept for as many turns as it is
// needed. Source: vision.md §5.3, audio.md §3.11.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/pass/soft_rows.hpp>

namespace lamina {

/// Rows of embeddings, made once by an encoder. Immutable; a copy is another owner of the same rows.
///
/// Every row has an id, made of its bits, that no vocabulary has: equal ids stand for equal rows. So a prompt
/// is compared with what a sequence has read as if it were text, and another picture is never taken for the
/// same.
class SoftTokens {
 public:
  /// Takes `rows` [count, hidden]. Errors: bad_argument (no whole rows), out_of_memory
  [[nodiscard]] static Result<SoftTokens> create(Medium kind, std::vector<float> rows, std::uint32_t hidden) {
    if (hidden == 0 || rows.empty() || rows.size() % hidden != 0) {
      return Error{ErrorCode::bad_argument,  "soft tokens",
                   "are no whole rows",      text("a multiple of %u numbers", hidden),
                   text("%zu", rows.size()), ""};
    }
    std::vector<TokenId> ids(rows.size() / hidden);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = id_of(std::span(rows).subspan(i * hidden, hidden));
    SoftTokens made;
    made.shared_ = Counted<Shared>::make(kind, hidden, std::move(rows), std::move(ids));
    if (!made.shared_)
      return Error{ErrorCode::out_of_memory, "soft tokens", "the system refused memory", "", "", ""};
    return made;
  }

  [[nodiscard]] Medium kind() const noexcept { return shared_->kind; }
  [[nodiscard]] std::uint32_t count() const noexcept {
    return static_cast<std::uint32_t>(shared_->ids.size());
  }
  [[nodiscard]] std::uint32_t hidden() const noexcept { return shared_->hidden; }
  [[nodiscard]] std::span<const float> rows() const noexcept { return shared_->rows; }  ///< [count, hidden]
  [[nodiscard]] std::span<const TokenId> ids() const noexcept { return shared_->ids; }  ///< [count]
  /// Where they stand in a prompt; views this object's rows.
  [[nodiscard]] SoftRows at(std::uint32_t first) const noexcept {
    return {first, count(), shared_->rows.data(), kind() != Medium::audio};
  }

 private:
  struct Shared {
    Medium kind;
    std::uint32_t hidden;
    std::vector<float> rows;
    std::vector<TokenId> ids;
  };
  SoftTokens() noexcept = default;

  /// The upper half of the ids belongs to soft tokens; 31 bits of a row's digest tell them apart.
  [[nodiscard]] static TokenId id_of(std::span<const float> row) noexcept {
    std::uint64_t digest = 0x9E37'79B9'7F4A'7C15;
    for (const float value : row) {
      digest = (digest ^ std::bit_cast<std::uint32_t>(value)) * 0xBF58'476D'1CE4'E5B9;
      digest ^= digest >> 29;
    }
    return soft_id_begin | static_cast<TokenId>(digest >> 33);
  }

  Counted<Shared> shared_;
};

/// "MM:SS", how prompts write when a frame is shown (vision.md §6.3); minutes go on over 59.
[[nodiscard]] inline FixedText<160> timestamp_text(double seconds) noexcept {
  const double whole = std::isfinite(seconds) && seconds > 0 ? std::min(std::floor(seconds), 1e9) : 0;
  const auto value = static_cast<unsigned long long>(whole);
  return text("%02llu:%02llu", value / 60, value % 60);
}

/// Everything that one part of a message is: one picture, the frames of a video, the pieces of a long sound.
struct EncodedMedia {
  std::vector<SoftTokens> pieces{};  ///< in order; none: nothing was encoded
  std::vector<double> seconds{};     ///< of a video: when each frame is shown
};

}  // namespace lamina
