// SPDX-License-Identifier: Apache-2.0
// Counts of frames and tokens, and sounds that are too long or too short.
#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/sound/clips.hpp>

#include "support/expect_error.hpp"

namespace {

using lamina::audio_tokens;
using lamina::AudioFrontEnd;
using lamina::cut_clips;
using lamina::ErrorCode;
using lamina::TooLong;

TEST_CASE("frames and tokens of the lengths of the specification") {
  struct Row {
    std::size_t samples, frames, tokens;
  };
  for (const Row row :
       {Row{0, 0, 0}, Row{160, 0, 0}, Row{161, 1, 1}, Row{320, 1, 1}, Row{321, 2, 1}, Row{801, 5, 2},
        Row{16'000, 99, 25}, Row{38'560, 240, 60}, Row{48'000, 299, 75}, Row{48'800, 304, 76},
        Row{99'360, 620, 155}, Row{160'000, 999, 250}, Row{480'000, 2999, 750}}) {
    CAPTURE(row.samples);
    CHECK(lamina::mel_frames(row.samples) == row.frames);
    CHECK(audio_tokens(row.samples) == row.tokens);
  }
  CHECK(audio_tokens(0, AudioFrontEnd::frames) == 0);
  CHECK(audio_tokens(1, AudioFrontEnd::frames) == 1);
  CHECK(audio_tokens(640, AudioFrontEnd::frames) == 1);
  CHECK(audio_tokens(641, AudioFrontEnd::frames) == 2);
}

TEST_CASE("a sound that fits is one clip") {
  const std::vector<float> samples(480'000);
  for (const std::size_t size : {std::size_t{161}, std::size_t{480'000}}) {
    const auto clips = cut_clips(std::span(samples).first(size), AudioFrontEnd::log_mel);
    REQUIRE(message_of(clips) == "");
    REQUIRE(clips->size() == 1);
    CHECK(clips->front().data() == samples.data());
    CHECK(clips->front().size() == size);
  }
}

TEST_CASE("what is too short is refused") {
  const std::vector<float> samples(160);
  const auto clips = cut_clips(samples, AudioFrontEnd::log_mel, TooLong::split, "a.wav");
  expect_error(clips, ErrorCode::bad_argument, "a.wav", "too short");
  if (!clips) CHECK(clips.error().expected.view() == "161 samples or more at 16 kHz");
  CHECK(cut_clips(std::span(samples).first(1), AudioFrontEnd::frames));
  expect_error(cut_clips({}, AudioFrontEnd::frames), ErrorCode::bad_argument, "sound", "too short");
}

TEST_CASE("what is too long is refused, or split without losing a sample, as the caller chooses") {
  const std::vector<float> samples(1'000'000);
  for (const std::size_t size : {std::size_t{480'001}, std::size_t{480'160}, std::size_t{480'161},
                                 std::size_t{960'000}, std::size_t{960'001}, std::size_t{1'000'000}}) {
    for (const AudioFrontEnd front : {AudioFrontEnd::log_mel, AudioFrontEnd::frames}) {
      CAPTURE(size);
      const std::span sound = std::span(samples).first(size);
      expect_error(cut_clips(sound, front), ErrorCode::bad_argument, "sound", "longer than a clip");
      const auto clips = cut_clips(sound, front, TooLong::split);
      REQUIRE(message_of(clips) == "");
      CHECK(clips->size() == (size + 479'999) / 480'000);
      const float* next = samples.data();
      for (const std::span<const float> clip : *clips) {
        CHECK(clip.data() == next);
        CHECK(clip.size() <= lamina::most_clip_samples);
        CHECK(clip.size() >= lamina::least_clip_samples(front));
        next += clip.size();
      }
      CHECK(next == samples.data() + size);
    }
  }
}

}  // namespace
