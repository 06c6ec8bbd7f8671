// SPDX-License-Identifier: Apache-2.0
// What the filter lets through and what it stops (ADR 9), lengths, and what is left untouched.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/sound/resample.hpp>

#include "support/expect_error.hpp"
#include "support/wav_builder.hpp"

namespace {

lamina::Recording recording_of(const std::vector<float>& samples, int channels, int rate) {
  auto buffer = lamina::Buffer<float>::make(samples.size(), "test");
  std::copy(samples.begin(), samples.end(), buffer->data());
  return {std::move(*buffer), channels, rate};
}

std::vector<float> resampled(const std::vector<float>& samples, int rate) {
  const auto sound = lamina::make_sound(recording_of(samples, 1, rate));
  CHECK(message_of(sound) == "");
  if (!sound) return {};
  return {sound->samples.span().begin(), sound->samples.span().end()};
}

/// The largest difference of what a tone becomes from the same tone at 16 kHz, away from the clip's ends.
double error_of_tone(double hertz, int rate, double amplitude) {
  const std::vector<float> got = resampled(tone(hertz, rate, static_cast<std::size_t>(rate) / 2), rate);
  const std::vector<float> expected = tone(hertz, 16'000, got.size(), amplitude);
  double worst = 0;
  for (std::size_t i = 800; i + 800 < got.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i])));
  }
  return worst;
}

TEST_CASE("tones below 93 percent of half the lower rate pass") {
  for (const int rate : {8'000, 11'025, 22'050, 32'000, 44'100, 44'056, 48'000, 96'000, 192'000}) {
    const double half = std::min(rate, 16'000) / 2.0;
    for (const double part : {0.01, 0.1, 0.5, 0.8, 0.93}) {
      CAPTURE(rate);
      CAPTURE(part);
      CHECK(error_of_tone(half * part, rate, 0.5) < 0.5 * 2e-5);
    }
  }
}

TEST_CASE("tones above 8 kHz are stopped by 90 dB and more") {
  for (const int rate : {22'050, 32'000, 44'100, 44'056, 48'000, 96'000, 192'000}) {
    for (const double hertz : {8'010.0, 8'500.0, 9'000.0, 10'900.0, 15'000.0, 21'000.0, 40'000.0, 90'000.0}) {
      if (hertz > rate / 2.0) continue;
      CAPTURE(rate);
      CAPTURE(hertz);
      CHECK(error_of_tone(hertz, rate, 0) < 0.5 * std::pow(10.0, -90 / 20.0));
    }
  }
}

TEST_CASE("a lower rate gets no images above its half") {
  // 3 kHz at 8 kHz would appear at 5 kHz too; that it passes unchanged says that it does not.
  CHECK(error_of_tone(3'000, 8'000, 0.5) < 0.5 * std::pow(10.0, -90 / 20.0));
}

TEST_CASE("the length is that of the same time, rounded up") {
  CHECK(resampled(std::vector<float>(44'100), 44'100).size() == 16'000);
  CHECK(resampled(std::vector<float>(44'101), 44'100).size() == 16'001);
  CHECK(resampled(std::vector<float>(3), 48'000).size() == 1);
  CHECK(resampled(std::vector<float>(4), 48'000).size() == 2);
  CHECK(resampled(std::vector<float>(10), 8'000).size() == 20);
  CHECK(resampled(std::vector<float>(1), 768'000).size() == 1);
  CHECK(resampled(std::vector<float>(1), 1'000).size() == 16);
  CHECK(resampled({}, 48'000).empty());
}

TEST_CASE("a constant stays one, also at rates that share no divisor with 16 kHz") {
  for (const int rate : {1'000, 7'919, 44'101, 767'999}) {
    CAPTURE(rate);
    const std::vector<float> got =
        resampled(std::vector<float>(static_cast<std::size_t>(rate) / 4, 0.5F), rate);
    // The filter reaches 96 samples of the lower rate.
    const auto edge = static_cast<std::size_t>(96 * std::max(1, 16'000 / rate) + 2);
    REQUIRE(got.size() > 2 * edge);
    for (std::size_t i = edge; i + edge < got.size(); ++i) {
      if (std::abs(got[i] - 0.5F) > 1e-5F) FAIL_CHECK("at ", i, ": ", got[i]);
    }
  }
}

TEST_CASE("nothing is shifted") {
  std::vector<float> click(4'410);
  click[2'205] = 1;  // 50 ms
  const std::vector<float> got = resampled(click, 44'100);
  CHECK(std::max_element(got.begin(), got.end()) - got.begin() == 800);
}

TEST_CASE("one channel of 16 kHz is left bit for bit") {
  const std::vector<float> samples = tone(1'234.5, 16'000, 1'000, 1.7);
  CHECK(resampled(samples, 16'000) == samples);
}

TEST_CASE("channels are averaged") {
  auto sound = lamina::make_sound(recording_of({1, 0.5F, -1, 1, 0.25F, 0.25F}, 2, 16'000));
  REQUIRE(message_of(sound) == "");
  CHECK(std::vector<float>(sound->samples.span().begin(), sound->samples.span().end()) ==
        std::vector<float>{0.75F, 0.0F, 0.25F});
  sound = lamina::make_sound(recording_of({0.9F, 0.3F, 0.0F}, 3, 16'000));
  REQUIRE(message_of(sound) == "");
  CHECK(sound->samples.size() == 1);
  CHECK(sound->samples.span()[0] == doctest::Approx(0.4));
}

TEST_CASE("recordings that a program makes are checked, too") {
  for (const int rate : {0, -16'000, 999, 1'000'000}) {
    expect_error(lamina::make_sound(recording_of({0, 0}, 1, rate)), lamina::ErrorCode::bad_argument, "sound",
                 "sample rate");
  }
  for (const int channels : {0, -1, 65}) {
    expect_error(lamina::make_sound(recording_of({0, 0}, channels, 16'000)), lamina::ErrorCode::bad_argument,
                 "sound", "channels");
  }
}

}  // namespace
