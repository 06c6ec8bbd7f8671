// SPDX-License-Identifier: Apache-2.0
// How many soft tokens a sound becomes, and what is done with one that is longer than a clip.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/media/sound/recording.hpp>

namespace lamina {

/// The way from samples to soft tokens; models have one of them.
enum class AudioFrontEnd : std::uint8_t {
  log_mel,  ///< E2B, E4B: log-mel features and a conformer (audio.md §2, §3)
  frames,   ///< 12B: 640 samples are one soft token (audio.md §7)
};

/// What to do with a sound that is longer than a clip may be.
enum class TooLong : std::uint8_t {
  refuse,  ///< an error
  split,   ///< consecutive clips of 30 s, each encoded alone (audio.md §5.3)
};

inline constexpr std::size_t most_clip_samples = 480'000;  ///< 30 s
inline constexpr int most_clip_tokens = 750;

inline constexpr std::size_t mel_window = 320;        ///< samples of a frame of features, 20 ms
inline constexpr std::size_t mel_hop = 160;           ///< samples from frame to frame, 10 ms
inline constexpr std::size_t audio_frame_size = 640;  ///< samples of a frame without features, 40 ms

/// The shortest clip that becomes a token.
[[nodiscard]] constexpr std::size_t least_clip_samples(AudioFrontEnd front) noexcept {
  return front == AudioFrontEnd::log_mel ? mel_hop + 1 : 1;
}

/// Frames of log-mel features of a clip (audio.md §2.3).
[[nodiscard]] constexpr std::size_t mel_frames(std::size_t samples) noexcept {
  return samples > mel_hop ? (samples - 1) / mel_hop : 0;
}

/// Soft tokens of one clip; 0 when it is too short (audio.md §5.2, §7).
[[nodiscard]] constexpr std::size_t audio_tokens(std::size_t samples,
                                                 AudioFrontEnd front = AudioFrontEnd::log_mel) noexcept {
  return front == AudioFrontEnd::log_mel ? (mel_frames(samples) + 3) / 4
                                         : (samples + audio_frame_size - 1) / audio_frame_size;
}
static_assert(audio_tokens(most_clip_samples) == most_clip_tokens);
static_assert(audio_tokens(most_clip_samples, AudioFrontEnd::frames) == most_clip_tokens);

/// Cuts a sound into clips that a model takes, as views of it: one if it fits. No sample is left out and none
/// is in two clips; where the last one would be too short, the one before it ends earlier.
///
/// Errors   bad_argument (shorter than the shortest clip, which says how short; longer than the longest, and
///          `too_long` is refuse)
[[nodiscard]] inline Result<std::vector<std::span<const float>>> cut_clips(std::span<const float> samples,
                                                                           AudioFrontEnd front,
                                                                           TooLong too_long = TooLong::refuse,
                                                                           std::string_view name = "sound") {
  const std::size_t least = least_clip_samples(front);
  if (samples.size() < least) {
    return file_error(ErrorCode::bad_argument, place(name), "the sound is too short to be heard",
                      text("%zu samples or more at 16 kHz", least), text("%zu", samples.size()));
  }
  if (samples.size() > most_clip_samples && too_long == TooLong::refuse) {
    return file_error(ErrorCode::bad_argument, place(name), "the sound is longer than a clip may be",
                      text("at most %zu s", most_clip_samples / sound_rate),
                      text("%.3f s", static_cast<double>(samples.size()) / sound_rate),
                      "cut it, or let it be split into clips of 30 s");
  }
  std::vector<std::span<const float>> clips;
  while (samples.size() > most_clip_samples) {
    const std::size_t size = std::min(most_clip_samples, samples.size() - least);
    clips.push_back(samples.first(size));
    samples = samples.subspan(size);
  }
  clips.push_back(samples);
  return clips;
}

}  // namespace lamina
