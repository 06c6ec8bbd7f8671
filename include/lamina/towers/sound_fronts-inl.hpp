// SPDX-License-Identifier: Apache-2.0
// From features or samples of a sound to rows of the stream, and from the stream to the rows that are
// projected. Source: audio.md §3.3, §3.9, §7.
#if defined(LAMINA_TOWERS_SOUND_FRONTS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TOWERS_SOUND_FRONTS_INL_HPP
#undef LAMINA_TOWERS_SOUND_FRONTS_INL_HPP
#else
#define LAMINA_TOWERS_SOUND_FRONTS_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/encoders/media_input.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/layer_norm-inl.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>
#include <lamina/towers/backs-inl.hpp>
#include <lamina/towers/fronts-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

namespace detail {

/// Half of a number of rows, rounded up: what a convolution with step 2 makes of them.
constexpr std::size_t half_of(std::size_t rows) noexcept { return (rows + 1) / 2; }

/// An image of a time axis, a mel axis and channels, the channel fast. Rows `first .. first + count` are
/// there, the others are 0.
struct SoundImage {
  const float* values;  ///< [count, bins, channels]
  std::int64_t first;
  std::int64_t count;
  std::int64_t bins;
  std::int64_t channels;

  /// The nine neighbours of every channel around (time, bin): [channels, 3, 3] as filters lie.
  void gather(std::int64_t time, std::int64_t bin, float* out) const noexcept {
    for (std::int64_t tap = 0; tap < 9; ++tap) {
      const std::int64_t t = time - 1 + tap / 3 - first;
      const std::int64_t b = bin - 1 + tap % 3;
      const bool is_there = t >= 0 && t < count && b >= 0 && b < bins;
      const float* from = is_there ? values + (t * bins + b) * channels : nullptr;
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        out[channel * 9 + tap] = is_there ? from[channel] : 0.0F;
      }
    }
  }
};

/// Normalises the channels of every cell and cuts off what is negative. Returns whether all were finite.
HWY_INLINE bool norm_and_relu(float* cells, std::size_t count, std::size_t channels, const float* weight,
                              float epsilon) noexcept {
  bool finite = true;
  for (float* cell = cells; cell < cells + count * channels; cell += channels) {
    finite &= layer_norm(cell, weight, nullptr, channels, epsilon);
    for (std::size_t c = 0; c < channels; ++c) cell[c] = cell[c] < 0.0F ? 0.0F : cell[c];
  }
  return finite;
}

}  // namespace detail

template <int Channels, int MoreChannels>
struct FrontKernel<SubsampleFront<Channels, MoreChannels>> {
  using Front = SubsampleFront<Channels, MoreChannels>;
  static constexpr float epsilon = 1e-6F;  ///< of the norms over channels (§1)

  static Result<MediaShape> shape_of(const MediaInput& input, std::uint32_t) noexcept {
    if (input.kind != MediaKind::log_mel)
      return media_error("encoder takes log-mel features of sounds", "features", "another input");
    const std::size_t frames = input.values.size() / sound_features;
    const std::size_t tokens = detail::half_of(detail::half_of(frames));
    if (frames == 0 || input.values.size() % sound_features != 0 || tokens > most_soft_tokens) {
      return media_error("features have an impossible size",
                         text("1 to %u frames of %d numbers", 4 * most_soft_tokens, sound_features),
                         text("%zu numbers", input.values.size()));
    }
    const auto rows = static_cast<std::uint32_t>(tokens);
    return MediaShape{rows, 0, rows};
  }
  static constexpr MediaShape shape_for(std::uint32_t tokens, std::uint32_t) noexcept {
    return {tokens, 0, tokens};
  }
  static Status check(const MediaInput&, const MediaShape&, const EncoderSizes&) noexcept { return Done{}; }

  /// stream = W flatten(relu(norm(conv(relu(norm(conv(features))))))), of the rows of `pass` from `first` on.
  static void run(const Pass& pass, const SubsampleFrontWeights& weights, const FrontInput& input,
                  std::uint32_t first) noexcept {
    constexpr auto width = static_cast<std::uint32_t>(Front::product_width);
    float* flat = input.scratch.input;
    const auto step = static_cast<std::uint32_t>(Front::step);
    pass.team.deal((pass.rows + step - 1) / step, [&](std::uint32_t unit, std::uint32_t part) noexcept {
      const std::uint32_t begin = unit * step;
      const std::uint32_t count = std::min(step, pass.rows - begin);
      if (!reduce(pass, weights, input, part, first + begin, count, flat + std::size_t{begin} * width)) {
        pass.report_not_finite(PassFault::inside);
      }
    });
    ProductInput product(pass, pass.work.codes, flat, pass.rows, width, width);
    multiply(pass, product, {{weights.matrix, pass.work.stream, pass.hidden}});
    pass.show(PassValue::input_rows, pass.work.stream, pass.hidden);
  }

 private:
  /// Both convolutions for rows `row .. row + count` of the stream: out [count, bins, channels].
  HWY_NOINLINE static bool reduce(const Pass& pass, const SubsampleFrontWeights& weights,
                                  const FrontInput& input, std::uint32_t part, std::int64_t row,
                                  std::int64_t count, float* out) noexcept {
    constexpr std::int64_t bins = Front::bins, more_bins = Front::more_bins;
    constexpr std::int64_t taps = Front::taps;
    float* gathered = input.scratch.front + part * Front::thread_floats;
    float* cells = gathered + Front::time_rows * bins * taps;
    float* more_gathered = cells + Front::time_rows * bins * Channels;

    const auto frames = static_cast<std::int64_t>(input.media.values.size() / sound_features);
    const detail::SoundImage features{input.media.values.data(), 0, frames, sound_features, 1};
    const std::int64_t begin = std::max<std::int64_t>(0, 2 * row - 1);
    const std::int64_t end = std::min<std::int64_t>(2 * (row + count), (frames + 1) / 2);
    const std::int64_t first_cells = (end - begin) * bins;
    for (std::int64_t cell = 0; cell < first_cells; ++cell) {
      features.gather(2 * (begin + cell / bins), 2 * (cell % bins), gathered + cell * taps);
    }
    multiply_cells(pass, part, weights.filters, gathered, first_cells, cells);
    bool finite = detail::norm_and_relu(cells, static_cast<std::size_t>(first_cells), Channels,
                                        weights.norm.f32(), epsilon);

    const detail::SoundImage image{cells, begin, end - begin, bins, Channels};
    for (std::int64_t cell = 0; cell < count * more_bins; ++cell) {
      image.gather(2 * (row + cell / more_bins), 2 * (cell % more_bins),
                   more_gathered + cell * taps * Channels);
    }
    multiply_cells(pass, part, weights.more_filters, more_gathered, count * more_bins, out);
    finite &= detail::norm_and_relu(out, static_cast<std::size_t>(count * more_bins), MoreChannels,
                                    weights.more_norm.f32(), epsilon);
    return finite;
  }

  /// A convolution as a product, in float32: threads share the cells, not the few channels.
  static void multiply_cells(const Pass& pass, std::uint32_t part, const WeightMatrix& filters,
                             const float* gathered, std::int64_t count, float* out) noexcept {
    const ActivationRows rows{gathered, filters.columns, nullptr, static_cast<std::uint32_t>(count),
                              filters.columns};
    pass.linear.matmul(filters, rows, Precision::exact, out, filters.rows, 0, filters.rows,
                       {pass.work.products + part * pass.work.product_bytes, pass.work.product_bytes});
  }
};

template <>
struct FrontKernel<SampleFront> {
  static Result<MediaShape> shape_of(const MediaInput& input, std::uint32_t) noexcept {
    if (input.kind != MediaKind::samples)
      return media_error("encoder takes samples of sounds", "samples", "another input");
    const std::size_t tokens =
        (input.values.size() + SampleFront::input_width - 1) / SampleFront::input_width;
    if (tokens == 0 || tokens > most_soft_tokens) {
      return media_error("the sound has an impossible length",
                         text("1 to %u samples", most_soft_tokens * SampleFront::input_width),
                         text("%zu", input.values.size()));
    }
    const auto rows = static_cast<std::uint32_t>(tokens);
    return MediaShape{rows, 0, rows};
  }
  static constexpr MediaShape shape_for(std::uint32_t tokens, std::uint32_t) noexcept {
    return {tokens, 0, tokens};
  }
  static Status check(const MediaInput&, const MediaShape&, const EncoderSizes&) noexcept { return Done{}; }

  /// stream = samples of the rows of `pass` from `first` on, zeros behind the last one.
  static void run(const Pass& pass, const NoWeights&, const FrontInput& input, std::uint32_t first) noexcept {
    const std::size_t begin = std::size_t{first} * pass.hidden;
    const std::size_t floats = std::size_t{pass.rows} * pass.hidden;
    const std::size_t there = std::min(floats, input.media.values.size() - begin);
    std::copy_n(input.media.values.begin() + static_cast<std::ptrdiff_t>(begin), there, pass.work.stream);
    std::fill(pass.work.stream + there, pass.work.stream + floats, 0.0F);
    pass.show(PassValue::input_rows, pass.work.stream, pass.hidden);
  }
};

template <int Width>
struct BackKernel<MatrixBack<Width>> {
  /// encoded = W stream + bias, chunk by chunk. `pass` has all rows.
  static void run(Pass& pass, const MatrixBackWeights& weights, const MediaShape& shape, std::uint32_t chunk,
                  float* encoded) noexcept {
    constexpr std::size_t width = Width;
    for (std::uint32_t first = 0; first < shape.tokens; first += chunk) {
      const std::uint32_t rows = std::min(chunk, shape.tokens - first);
      ProductInput product(pass, pass.work.codes, pass.work.stream + std::size_t{first} * pass.hidden, rows,
                           pass.hidden, pass.hidden);
      multiply(pass, product, {{weights.matrix, encoded + first * width, width}});
    }
    pass.team.split(shape.tokens, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      for (std::size_t row = range.first; row < range.first + range.count; ++row) {
        add(encoded + row * width, weights.bias.f32(), width);
      }
    });
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
