// SPDX-License-Identifier: Apache-2.0
// Resizing in fixed point, the same bytes as the reference's (vision.md §2.3): bicubic with a stretched
// kernel, along the rows first, then along the columns.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <lamina/core/file_error.hpp>
#include <lamina/media/buffer.hpp>
#include <lamina/media/picture/picture.hpp>

namespace lamina {

/// Which of the reference's two ways to round the weights of a resize is followed.
enum class Resampling : std::uint8_t {
  resize16,  ///< 16-bit weights, as many bits of them as the axis allows: torchvision's; always used for
             ///< video
  pil,       ///< 22-bit weights: Pillow's
};

namespace detail {

/// Rounds to a double here: the compiler must not fuse the product before into what follows, which would
/// compute other bits on machines that can (`-ffp-contract` is on by default).
[[nodiscard]] inline double rounded(double value) noexcept {
  asm("" : "+m"(value));
  return value;
}

/// Keys' cubic with a = -1/2.
[[nodiscard]] inline double bicubic(double x) noexcept {
  x = std::fabs(x);
  if (x < 1) return rounded(rounded((rounded(1.5 * x) - 2.5) * x) * x) + 1;
  if (x < 2) return rounded((rounded((rounded(-0.5 * x) + 2.5) * x) - 4) * x) + 2;
  return 0;
}

/// The integer weights of one axis: output `o` is the sum over `count` inputs from `first`.
struct AxisWeights {
  struct Range {
    std::uint32_t first;
    std::uint32_t count;
  };
  Buffer<Range> ranges;          ///< [outputs]
  Buffer<std::int32_t> weights;  ///< [outputs, taps]
  std::size_t taps = 0;
  int shift = 0;
};

/// The inputs of output `o` along an axis that goes from `from` to `to` pixels.
struct Axis {
  double scale;
  double stretch;
  double support;
  std::size_t from;

  Axis(std::size_t from_size, std::size_t to_size) noexcept
      : scale(static_cast<double>(from_size) / static_cast<double>(to_size)),
        stretch(std::max(scale, 1.0)),
        support(2 * stretch),
        from(from_size) {}
  [[nodiscard]] double centre(std::size_t output) const noexcept {
    return rounded((static_cast<double>(output) + 0.5) * scale);
  }
  [[nodiscard]] AxisWeights::Range range(double centre) const noexcept {
    const auto first = static_cast<std::int64_t>(rounded(centre - support) + 0.5);
    const auto end = static_cast<std::int64_t>(rounded(centre + support) + 0.5);
    const auto low = static_cast<std::uint32_t>(std::max<std::int64_t>(first, 0));
    return {low, static_cast<std::uint32_t>(std::min(end, static_cast<std::int64_t>(from))) - low};
  }
  /// Weights that sum to 1. Shape: weights [range.count]
  void fill(AxisWeights::Range range, double centre, std::span<double> weights) const noexcept {
    const double inverse = 1 / stretch;
    double sum = 0;
    for (std::size_t j = 0; j < range.count; ++j) {
      const double distance = rounded(static_cast<double>(range.first + j) - centre) + 0.5;
      weights[j] = bicubic(rounded(distance * inverse));
      sum += weights[j];
    }
    for (std::size_t j = 0; j < range.count; ++j) weights[j] /= sum;
  }
};

/// Bits behind the point of weights of at most `largest`, so that they stay in 16 bits. No weight is far
/// above 1, so there are always 13 or more.
[[nodiscard]] inline int bits_of_16(double largest) noexcept {
  for (int bits = 1; bits < 22; ++bits) {
    if (std::floor(0.5 + rounded(std::ldexp(largest, bits + 1))) >= 32768) return bits;
  }
  return 22;
}

/// Makes the weights of one axis.
///
/// Errors   out_of_memory
[[nodiscard]] inline Result<AxisWeights> axis_weights(std::size_t from, std::size_t to, Resampling rule,
                                                      const FixedText<192>& where) noexcept {
  const Axis axis(from, to);
  AxisWeights made;
  made.taps = std::min(from, static_cast<std::size_t>(std::ceil(axis.support)) * 2 + 1);
  auto ranges = Buffer<AxisWeights::Range>::make(to, where);
  auto exact = Buffer<double>::make(to * made.taps, where);
  auto weights = Buffer<std::int32_t>::make(to * made.taps, where);
  if (!ranges) return ranges.error();
  if (!exact) return exact.error();
  if (!weights) return weights.error();
  double largest = 0;
  for (std::size_t o = 0; o < to; ++o) {
    const double centre = axis.centre(o);
    const AxisWeights::Range range = axis.range(centre);
    LAMINA_DCHECK(range.count <= made.taps);
    const auto row = exact->span().subspan(o * made.taps, made.taps);
    axis.fill(range, centre, row);
    largest = std::max(largest, *std::max_element(row.begin(), row.begin() + range.count));
    ranges->span()[o] = range;
  }
  made.shift = rule == Resampling::pil ? 22 : bits_of_16(largest);
  for (std::size_t o = 0; o < to; ++o) {
    for (std::size_t j = 0; j < ranges->span()[o].count; ++j) {
      const std::size_t i = o * made.taps + j;
      const double scaled = std::ldexp(exact->span()[i], made.shift);  // exact
      weights->span()[i] = static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
  }
  made.ranges = *std::move(ranges);
  made.weights = *std::move(weights);
  return made;
}

[[nodiscard]] inline std::uint8_t to_byte(std::int32_t sum, int shift) noexcept {
  return static_cast<std::uint8_t>(std::clamp(sum >> shift, 0, 255));
}

/// Shapes   from [rows, ., 3] · to [rows, outputs, 3]
///
/// Errors   out_of_memory
[[nodiscard]] inline Status resize_rows(const AxisWeights& axis, const Picture& from, Picture& to,
                                        const FixedText<192>& where) noexcept {
  // A row as four 32-bit numbers a pixel: what compilers turn into one vector a pixel.
  auto wide = Buffer<std::int32_t>::make(4 * from.width(), where);
  if (!wide) return wide.error();
  const std::int32_t half = 1 << (axis.shift - 1);
  const std::uint8_t* row = from.rgb().data();
  std::uint8_t* out = to.rgb().data();
  for (std::size_t y = 0; y < to.height(); ++y) {
    std::int32_t* pixel = wide->data();
    for (std::size_t x = 0; x < from.width(); ++x, pixel += 4, row += 3) {
      for (std::size_t c = 0; c < 3; ++c) pixel[c] = row[c];
      pixel[3] = 0;
    }
    for (std::size_t o = 0; o < to.width(); ++o, out += 3) {
      const AxisWeights::Range range = axis.ranges.data()[o];
      const std::int32_t* weights = axis.weights.data() + o * axis.taps;
      const std::int32_t* in = wide->data() + 4 * std::size_t{range.first};
      std::int32_t sums[4] = {half, half, half, half};
      for (std::size_t j = 0; j < range.count; ++j, in += 4) {
        for (std::size_t c = 0; c < 4; ++c) sums[c] += weights[j] * in[c];
      }
      for (std::size_t c = 0; c < 3; ++c) out[c] = to_byte(sums[c], axis.shift);
    }
  }
  return Done{};
}

/// Shapes   from [., columns, 3] · to [outputs, columns, 3]
///
/// Errors   out_of_memory
[[nodiscard]] inline Status resize_columns(const AxisWeights& axis, const Picture& from, Picture& to,
                                           const FixedText<192>& where) noexcept {
  const std::size_t row = 3 * from.width();
  auto sums = Buffer<std::int32_t>::make(row, where);
  if (!sums) return sums.error();
  std::int32_t* sum = sums->data();
  const std::int32_t half = 1 << (axis.shift - 1);
  std::uint8_t* out = to.rgb().data();
  for (std::size_t o = 0; o < to.height(); ++o, out += row) {
    const AxisWeights::Range range = axis.ranges.span()[o];
    std::fill_n(sum, row, half);
    for (std::size_t j = 0; j < range.count; ++j) {
      const std::int32_t weight = axis.weights.data()[o * axis.taps + j];
      const std::uint8_t* in = from.rgb().data() + (range.first + j) * row;
      for (std::size_t i = 0; i < row; ++i) sum[i] += weight * in[i];
    }
    for (std::size_t i = 0; i < row; ++i) out[i] = to_byte(sum[i], axis.shift);
  }
  return Done{};
}

}  // namespace detail

/// Resizes a picture; a side that does not change is left alone, and so is the picture if both do not.
///
/// Requires  a picture with pixels, `width` and `height` of at least 1
/// Errors    out_of_memory
/// Cost      about 3·(w'·h·(4·max(w/w', 1) + 1) + w'·h'·(4·max(h/h', 1) + 1)) multiplications; memory for a
///           picture of w'·h pixels beside the result
[[nodiscard]] inline Result<Picture> resize(Picture picture, std::size_t width, std::size_t height,
                                            Resampling rule = Resampling::resize16,
                                            const FixedText<192>& where = "picture") noexcept {
  LAMINA_DCHECK(!picture.empty() && width > 0 && height > 0);
  if (picture.width() != width) {
    auto axis = detail::axis_weights(picture.width(), width, rule, where);
    if (!axis) return axis.error();
    auto resized = Picture::make(width, picture.height(), where);
    if (!resized) return resized.error();
    LAMINA_TRY(detail::resize_rows(*axis, picture, *resized, where));
    picture = *std::move(resized);
  }
  if (picture.height() != height) {
    auto axis = detail::axis_weights(picture.height(), height, rule, where);
    if (!axis) return axis.error();
    auto resized = Picture::make(width, height, where);
    if (!resized) return resized.error();
    LAMINA_TRY(detail::resize_columns(*axis, picture, *resized, where));
    picture = *std::move(resized);
  }
  return picture;
}

}  // namespace lamina
