// SPDX-License-Identifier: Apache-2.0
// What a sound file holds (a recording) and what the models hear (a sound: one channel, 16 kHz), and how
// large either may be.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/media/buffer.hpp>

namespace lamina {

/// Samples a second that the models hear (audio.md §2.1).
inline constexpr int sound_rate = 16'000;

/// What a file holds, before it is made fit for a model.
struct Recording {
  Buffer<float> samples;  ///< [frames, channels], full scale 1
  int channels = 0;       ///< at least 1
  int rate = 0;           ///< frames a second

  [[nodiscard]] std::size_t frames() const noexcept {
    return channels > 0 ? samples.size() / static_cast<std::size_t>(channels) : 0;
  }
};

/// What a model hears: one channel of `sound_rate` samples a second, full scale 1, no gain applied.
struct Sound {
  Buffer<float> samples;

  [[nodiscard]] double seconds() const noexcept { return static_cast<double>(samples.size()) / sound_rate; }
};

/// The largest recording that is read; checked by what a file's header says, before memory is taken.
struct SoundLimits {
  double max_seconds = 3600;
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  ///< of decoded samples, all channels, 4 bytes each
};

namespace detail {

inline constexpr int least_sound_rate = 1'000;
inline constexpr int most_sound_rate = 768'000;
inline constexpr int most_sound_channels = 64;

/// Checks what a header says of channels and rate.
[[nodiscard]] inline Status check_sound_shape(std::uint64_t channels, std::uint64_t rate,
                                              const FixedText<192>& where) noexcept {
  if (channels == 0 || channels > most_sound_channels) {
    return bad_file(where, "the number of channels is out of range", text("1 to %d", most_sound_channels),
                    text("%llu", static_cast<unsigned long long>(channels)));
  }
  if (rate < least_sound_rate || rate > most_sound_rate) {
    return bad_file(where, "the sample rate is out of range",
                    text("%d to %d Hz", least_sound_rate, most_sound_rate),
                    text("%llu Hz", static_cast<unsigned long long>(rate)));
  }
  return Done{};
}

/// Checks the length that a header says. Requires a shape that `check_sound_shape` passed.
[[nodiscard]] inline Status check_sound_length(std::uint64_t frames, int channels, int rate,
                                               const SoundLimits& limits,
                                               const FixedText<192>& where) noexcept {
  const double seconds = static_cast<double>(frames) / rate;
  if (!(seconds <= limits.max_seconds)) {
    return file_error(ErrorCode::unsupported, where, "the sound is longer than the limit",
                      text("at most %g s", limits.max_seconds), text("%.1f s", seconds),
                      "cut it, or raise SoundLimits::max_seconds");
  }
  const double bytes = static_cast<double>(frames) * channels * sizeof(float);
  if (bytes > static_cast<double>(limits.max_bytes)) {
    return file_error(ErrorCode::unsupported, where, "the decoded sound is larger than the limit",
                      text("at most %llu bytes", static_cast<unsigned long long>(limits.max_bytes)),
                      text("%.0f bytes (%.1f s, %d channels, %d Hz)", bytes, seconds, channels, rate),
                      "cut it or save it with fewer channels, or raise SoundLimits::max_bytes");
  }
  return Done{};
}

/// Checks that samples are numbers; the error names the first that is not.
[[nodiscard]] inline Status check_finite_samples(std::span<const float> samples, int channels, int rate,
                                                 const FixedText<192>& where) noexcept {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (std::isfinite(samples[i])) continue;
    const std::size_t frame = i / static_cast<std::size_t>(channels);
    return bad_file(
        where, "a sample is not a finite number", "finite samples",
        text("%s in sample %zu of channel %zu (at %.3f s)", std::isnan(samples[i]) ? "NaN" : "infinity",
             frame, i % static_cast<std::size_t>(channels), static_cast<double>(frame) / rate));
  }
  return Done{};
}

}  // namespace detail

/// Checks what a program hands over as a clip: numbers, all of them finite.
///
/// Errors   bad_argument, which names the first sample that is not
[[nodiscard]] inline Status check_samples(std::span<const float> samples) noexcept {
  const auto status = detail::check_finite_samples(samples, 1, sound_rate, "sound");
  if (status) return Done{};
  Error error = status.error();
  error.code = ErrorCode::bad_argument;
  return error;
}

}  // namespace lamina
