// SPDX-License-Identifier: Apache-2.0
// Makes a recording fit for a model: channels averaged, 16 000 samples a second by a windowed sinc (ADR 9).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/media/buffer.hpp>
#include <lamina/media/sound/recording.hpp>

namespace lamina {

namespace detail {

/// Modified Bessel function of the first kind and order 0, by its power series.
[[nodiscard]] inline double bessel_i0(double x) noexcept {
  double sum = 1, term = 1;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

/// A low-pass filter as a function of time, the unit of which is a sample of the lower rate: a sinc under a
/// Kaiser window. It passes up to 93 % of half that rate and stops above the half.
class ResampleKernel {
 public:
  static constexpr int half_width = 96;       ///< units on either side
  static constexpr double attenuation = 100;  ///< dB, of what lies above half the lower rate
  /// Cycles a unit between pass and stop band, by Kaiser's formula.
  static constexpr double transition = (attenuation - 7.95) / (14.36 * 2 * half_width);
  static constexpr double cutoff = 0.5 - transition / 2;  ///< cycles a unit; the middle of the transition

  ResampleKernel() : table_(static_cast<std::size_t>(half_width * steps + 4)) {
    constexpr double beta = 0.1102 * (attenuation - 8.7);
    const double scale = 2 * cutoff / bessel_i0(beta);
    for (int i = 0; i <= half_width * steps; ++i) {
      const double x = static_cast<double>(i) / steps;
      const double angle = 2 * std::numbers::pi * cutoff * x;
      const double ratio = x / half_width;
      const double window = bessel_i0(beta * std::sqrt(1 - ratio * ratio));
      table_[static_cast<std::size_t>(i + 1)] = (i == 0 ? 1 : std::sin(angle) / angle) * window * scale;
    }
    table_[0] = table_[2];  // it is even; behind its end it is 0
  }

  /// The filter at a time of either sign. Between the points of the table a cubic is off by 1e-11 at most.
  [[nodiscard]] double operator()(double x) const noexcept {
    const double place = std::abs(x) * steps;
    if (!(place < half_width * steps)) return 0;
    const auto i = static_cast<std::size_t>(place);
    const double t = place - static_cast<double>(i);
    const double* p = table_.data() + i;  // p[1] lies at or before x
    return -t * (t - 1) * (t - 2) / 6 * p[0] + (t + 1) * (t - 1) * (t - 2) / 2 * p[1] -
           (t + 1) * t * (t - 2) / 2 * p[2] + (t + 1) * t * (t - 1) / 6 * p[3];
  }

 private:
  static constexpr int steps = 512;  ///< points a unit
  std::vector<double> table_;        ///< of -1/steps, 0, 1/steps, ...
};

/// Σ weights[j]·samples[j] in one fixed order, four sums at a time.
[[nodiscard]] inline double weighted_sum(const double* weights, const float* samples,
                                         std::size_t count) noexcept {
  double sums[4] = {};
  std::size_t j = 0;
  for (; j + 4 <= count; j += 4) {
    for (std::size_t i = 0; i < 4; ++i) sums[i] += weights[j + i] * static_cast<double>(samples[j + i]);
  }
  for (; j < count; ++j) sums[0] += weights[j] * static_cast<double>(samples[j]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Steps from one rate to another: output n lies `n·M/L` inputs after the first, as a whole number and one of
/// L phases.
class Resampler {
 public:
  Resampler(int from, int to)
      : down_(from / std::gcd(from, to)),
        up_(to / std::gcd(from, to)),
        scale_(std::min(1.0, static_cast<double>(to) / from)),
        reach_(static_cast<std::int64_t>(std::ceil(ResampleKernel::half_width / scale_))) {
    // Rates that share few divisors have too many phases to be kept: theirs are computed as they come.
    constexpr std::int64_t most_kept = 1 << 19;
    const bool keeps = up_ * taps() <= most_kept;
    kept_.resize(static_cast<std::size_t>((keeps ? up_ : 1) * taps()));
    for (std::int64_t phase = 0; keeps && phase < up_; ++phase) compute(phase, row(phase));
    is_kept_ = keeps;
  }

  void run(std::span<const float> in, std::span<float> out) noexcept {
    const auto count = static_cast<std::int64_t>(in.size());
    for (std::size_t n = 0; n < out.size(); ++n) {
      const std::int64_t at = static_cast<std::int64_t>(n) * down_;
      double* const weights = row(is_kept_ ? at % up_ : 0);
      if (!is_kept_) compute(at % up_, weights);
      // Silence lies before the first input and after the last.
      const std::int64_t first = at / up_ - reach_ + 1;
      const std::int64_t skipped = std::max<std::int64_t>(0, -first);
      const std::int64_t end = std::min(taps(), count - first);
      out[n] = end <= skipped
                   ? 0.0F
                   : static_cast<float>(weighted_sum(weights + skipped, in.data() + first + skipped,
                                                     static_cast<std::size_t>(end - skipped)));
    }
  }

 private:
  [[nodiscard]] std::int64_t taps() const noexcept { return 2 * reach_; }
  [[nodiscard]] double* row(std::int64_t phase) noexcept { return kept_.data() + phase * taps(); }
  void compute(std::int64_t phase, double* weights) const noexcept {
    const double offset = static_cast<double>(phase) / static_cast<double>(up_);
    for (std::int64_t j = 0; j < taps(); ++j) {
      weights[j] = scale_ * kernel_((static_cast<double>(j - reach_ + 1) - offset) * scale_);
    }
  }

  ResampleKernel kernel_;
  std::int64_t down_, up_;
  double scale_;        ///< units of the kernel an input
  std::int64_t reach_;  ///< inputs on either side
  std::vector<double> kept_;
  bool is_kept_ = false;
};

}  // namespace detail

/// Samples that `count` samples of one rate become at another: all times before the end of the last one.
[[nodiscard]] constexpr std::uint64_t resampled_size(std::uint64_t count, int from, int to) noexcept {
  return (count * static_cast<std::uint64_t>(to) + static_cast<std::uint64_t>(from) - 1) /
         static_cast<std::uint64_t>(from);
}

/// Resamples one channel, shifted by nothing, with silence before and after it.
///
/// Requires  rates within `detail::least_sound_rate` and `most_sound_rate`, fewer than 2^40 samples
/// Errors    out_of_memory
/// Cost      about 206·max(1, from/to) multiplications an output, a few ms for the filter
[[nodiscard]] inline Result<Buffer<float>> resample(std::span<const float> samples, int from,
                                                    int to) noexcept {
  auto out = Buffer<float>::make(static_cast<std::size_t>(resampled_size(samples.size(), from, to)), "sound");
  if (out) detail::Resampler(from, to).run(samples, out->span());
  return out;
}

/// Averages the channels of a recording (audio.md §2.2), in place: one channel stays as it is, bit for bit.
inline void down_mix(Recording& recording) noexcept {
  const auto channels = static_cast<std::size_t>(recording.channels);
  if (channels <= 1) return;
  const std::size_t frames = recording.frames();
  const std::span<float> values = recording.samples.span();
  for (std::size_t i = 0; i < frames; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < channels; ++c) sum += static_cast<double>(values[i * channels + c]);
    values[i] = static_cast<float>(sum / static_cast<double>(channels));
  }
  recording.samples.shrink(frames);
  recording.channels = 1;
}

/// Makes a recording into what a model hears. One channel of 16 kHz stays as it is, bit for bit.
///
/// Errors   bad_argument (channels or rate out of range), out_of_memory
/// Cost     that of `resample`; the recording's memory is used again or freed
[[nodiscard]] inline Result<Sound> make_sound(Recording recording) noexcept {
  if (auto shape = detail::check_sound_shape(static_cast<std::uint64_t>(recording.channels),
                                             static_cast<std::uint64_t>(recording.rate), "sound");
      !shape) {
    Error error = shape.error();
    error.code = ErrorCode::bad_argument;
    return error;
  }
  down_mix(recording);
  if (recording.rate == sound_rate) return Sound{std::move(recording.samples)};
  auto resampled = resample(recording.samples.span(), recording.rate, sound_rate);
  if (!resampled) return resampled.error();
  return Sound{std::move(*resampled)};
}

}  // namespace lamina
