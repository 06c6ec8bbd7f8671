// SPDX-License-Identifier: Apache-2.0
// Log-mel features of a clip: what the conformer sees of it. Needs Eigen (its FFT).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include <unsupported/Eigen/FFT>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/media/buffer.hpp>
#include <lamina/media/sound/clips.hpp>
#include <lamina/media/sound/recording.hpp>

namespace lamina {

inline constexpr std::size_t mel_bins = 128;

/// Features of one clip.
struct LogMel {
  Buffer<float> values;  ///< [frames, mel_bins]

  [[nodiscard]] std::size_t frames() const noexcept { return values.size() / mel_bins; }
};

namespace detail {

inline constexpr std::size_t mel_fft_size = 512;
inline constexpr std::size_t mel_spectrum = mel_fft_size / 2 + 1;

/// The periodic Hann window, rounded to float32 as the reference does.
[[nodiscard]] inline std::array<float, mel_window> hann_window() noexcept {
  std::array<float, mel_window> window;
  for (std::size_t n = 0; n < mel_window; ++n) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(n) / mel_window;
    window[n] = static_cast<float>(0.5 - 0.5 * std::cos(angle));
  }
  return window;
}

/// Triangles over the spectrum, HTK scale, 0 to 8000 Hz (audio.md §2.4). Of each filter only the bins between
/// its feet are kept.
class MelFilters {
 public:
  MelFilters() {
    std::array<double, mel_bins + 2> corners;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const double top = 2595 * std::log10(1 + 8000.0 / 700);
      const double mel = static_cast<double>(i) * top / (mel_bins + 1);
      corners[i] = 700 * (std::pow(10.0, mel / 2595) - 1);
    }
    for (std::size_t m = 0; m < mel_bins; ++m) {
      Filter& filter = filters_[m];
      filter.begin = weights_.size();
      for (std::size_t k = 0; k < mel_spectrum; ++k) {
        const double hertz = sound_rate / static_cast<double>(mel_fft_size) * static_cast<double>(k);
        const double up = (hertz - corners[m]) / (corners[m + 1] - corners[m]);
        const double down = (corners[m + 2] - hertz) / (corners[m + 2] - corners[m + 1]);
        const double weight = std::min(up, down);
        if (!(weight > 0)) continue;
        if (weights_.size() == filter.begin) filter.first_bin = k;
        weights_.push_back(weight);
      }
      filter.size = weights_.size() - filter.begin;
    }
  }

  /// Energy under filter `m`.
  [[nodiscard]] double energy(std::size_t m, std::span<const double> spectrum) const noexcept {
    const Filter& filter = filters_[m];
    double sum = 0;
    for (std::size_t i = 0; i < filter.size; ++i) {
      sum += spectrum[filter.first_bin + i] * weights_[filter.begin + i];
    }
    return sum;
  }

 private:
  struct Filter {
    std::size_t begin = 0, size = 0;  ///< in `weights_`
    std::size_t first_bin = 0;
  };
  std::array<Filter, mel_bins> filters_;
  std::vector<double> weights_;
};

}  // namespace detail

/// Computes the log-mel features of one clip with the reference's arithmetic: the windowed samples are
/// rounded to float32, all that follows is double.
///
/// Shapes    samples [L] at 16 kHz · result [mel_frames(L), mel_bins]
/// Requires  a clip of `cut_clips`
/// Errors    bad_argument (too short; samples that are no finite numbers), out_of_memory
/// Cost      about 5 µs a frame
/// Source    audio.md §2.3, §2.4
[[nodiscard]] inline Result<LogMel> log_mel(std::span<const float> samples) {
  const std::size_t frames = mel_frames(samples.size());
  if (frames == 0) {
    return file_error(ErrorCode::bad_argument, "sound", "the sound is too short to be heard",
                      text("%zu samples or more", least_clip_samples(AudioFrontEnd::log_mel)),
                      text("%zu", samples.size()));
  }
  LAMINA_TRY(check_samples(samples));
  auto values = Buffer<float>::make(frames * mel_bins, "log-mel features");
  if (!values) return values.error();
  return guard_memory("log-mel features", [&]() -> Result<LogMel> {
    const auto window = detail::hann_window();
    const detail::MelFilters filters;
    Eigen::FFT<double> fft;
    fft.SetFlag(Eigen::FFT<double>::HalfSpectrum);
    std::array<double, detail::mel_fft_size> frame{};             // zeros behind the window
    std::array<std::complex<double>, detail::mel_fft_size> bins;  // the upper half is not used
    std::array<double, detail::mel_spectrum> spectrum;
    float* out = values->span().data();
    for (std::size_t t = 0; t < frames; ++t) {
      for (std::size_t j = 0; j < mel_window; ++j) {
        // Half a window of silence lies before the clip.
        const std::size_t at = mel_hop * t + j;
        frame[j] = at < mel_hop ? 0.0 : static_cast<double>(samples[at - mel_hop] * window[j]);
      }
      fft.fwd(bins.data(), frame.data(), static_cast<Eigen::Index>(frame.size()));
      for (std::size_t k = 0; k < spectrum.size(); ++k) {
        spectrum[k] = std::sqrt(bins[k].real() * bins[k].real() + bins[k].imag() * bins[k].imag());
      }
      for (std::size_t m = 0; m < mel_bins; ++m) {
        *out++ = static_cast<float>(std::log(filters.energy(m, spectrum) + 0.001));
      }
    }
    return LogMel{std::move(*values)};
  });
}

}  // namespace lamina
