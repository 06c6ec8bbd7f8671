// SPDX-License-Identifier: Apache-2.0
// Which frames of a video are taken (vision.md §6.1).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <lamina/core/error.hpp>

namespace lamina {

/// How many frames are taken.
struct FrameSampling {
  std::size_t frames = 32;  ///< with `per_second`: the most
  double per_second = 0;    ///< 0: `frames`, spread over the whole video
};

/// Frames a second of a list of frames that says nothing about it.
inline constexpr double assumed_frame_rate = 24;

/// The indices of the frames to take of `total`, the first one always among them, evenly spaced.
///
/// `frame_rate` is that of the source; only `per_second` needs it.
///
/// Errors   bad_argument (no frames, a rate that is not positive and finite)
[[nodiscard]] inline Result<std::vector<std::size_t>> sample_frames(std::size_t total, double frame_rate,
                                                                    const FrameSampling& sampling = {}) {
  constexpr std::size_t most = std::size_t{1} << 24;  // indices that a float holds
  if (total == 0 || total > most || sampling.frames == 0) {
    return Error{ErrorCode::bad_argument,
                 "video frames",
                 "no number of frames to choose from",
                 "1 to 2^24, of which at least 1 is taken",
                 text("%zu, %zu taken", total, sampling.frames),
                 ""};
  }
  const auto is_rate = [](double rate) { return std::isfinite(rate) && rate > 0; };
  if (!is_rate(frame_rate) || (sampling.per_second != 0 && !is_rate(sampling.per_second))) {
    return Error{ErrorCode::bad_argument,
                 "video rate",
                 "no rate",
                 "frames a second, over 0",
                 text("%g, sampled at %g", frame_rate, sampling.per_second),
                 ""};
  }
  double wanted = static_cast<double>(std::min(sampling.frames, total));
  if (sampling.per_second != 0) {
    wanted = std::min(wanted, static_cast<double>(total) / frame_rate * sampling.per_second);
  }
  const auto count = std::max<std::size_t>(static_cast<std::size_t>(wanted), 1);
  const double step = static_cast<double>(total) / static_cast<double>(count);
  std::vector<std::size_t> indices(count);
  for (std::size_t j = 0; j < count; ++j) {
    // Rounded to float as the reference's range is, which turns 2.9999999999999996 into 3.
    const auto position = static_cast<float>(static_cast<double>(j) * step);
    indices[j] = std::min(static_cast<std::size_t>(position), total - 1);
  }
  return indices;
}

}  // namespace lamina
