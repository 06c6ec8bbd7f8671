// SPDX-License-Identifier: Apache-2.0
// Log-mel features of sound files against the reference, and the specification's own test vectors.
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/sound/decode.hpp>
#include <lamina/media/sound/log_mel.hpp>

#include "support/expect_error.hpp"
#include "support/reference.hpp"
#include "support/wav_builder.hpp"

namespace {

TEST_CASE("features of sound files are the reference's") {
  const nlohmann::json cases = read_json(golden_path("audio/features.json"));
  REQUIRE(cases.is_object());
  const ReferenceArrays reference(golden_path("audio/features.safetensors"));
  REQUIRE(reference.valid());
  std::size_t compared = 0;
  for (const nlohmann::json& one : cases["cases"]) {
    const auto wave = one["wave"].get<std::string>();
    CAPTURE(wave);
    const std::string file = read_bytes(golden_path("audio/" + wave));
    const auto sound = lamina::read_sound(builder::bytes_of(file), wave);
    REQUIRE(message_of(sound) == "");
    const auto samples = sound->samples.span();
    CHECK(samples.size() == one["samples"].get<std::size_t>());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      std::int16_t value = 0;
      std::memcpy(&value, file.data() + 44 + 2 * i, sizeof value);
      if (samples[i] != static_cast<float>(value) / 32'768) FAIL_CHECK("sample ", i);
    }
    const auto features = lamina::log_mel(samples);
    REQUIRE(message_of(features) == "");
    CHECK(features->frames() == one["frames"].get<std::size_t>());
    CHECK(lamina::audio_tokens(samples.size()) == one["soft_tokens"].get<std::size_t>());
    const auto want = reference.get<float>(one["tensor"].get<std::string>());
    CHECK(distance(features->values.span(), want).largest <= 1e-5);
    ++compared;
  }
  CHECK(compared == 4);
}

float at(const lamina::LogMel& features, std::size_t frame, std::size_t bin) {
  return features.values.span()[frame * lamina::mel_bins + bin];
}

TEST_CASE("test vector A: a sine of 1 kHz") {
  const std::vector<float> samples = tone(1000, 16'000, 16'000, 1);
  const auto features = lamina::log_mel(samples);
  REQUIRE(message_of(features) == "");
  REQUIRE(features->frames() == 99);
  const double first[] = {-6.90776, 0.65748, -0.52725, 0.45571, -0.05201};
  for (std::size_t m = 0; m < 5; ++m) CHECK(std::abs(at(*features, 0, m) - first[m]) < 1e-3);
  CHECK(std::abs(at(*features, 0, 64) - 0.57459) < 1e-3);
  CHECK(std::abs(at(*features, 0, 127) + 0.63515) < 1e-3);
  CHECK(std::abs(at(*features, 0, 44) - 3.70607) < 1e-3);
  for (std::size_t m = 0; m < lamina::mel_bins; ++m) CHECK(at(*features, 0, m) <= at(*features, 0, 44));
  for (std::size_t t = 1; t < 99; ++t) CHECK(std::abs(at(*features, t, 44) - 4.32362) < 1e-3);
}

TEST_CASE("test vector B: noise of a congruential generator") {
  std::vector<float> samples(16'000);
  std::uint32_t state = 1;
  for (float& sample : samples) {
    state = (1'103'515'245U * state + 12'345U) & 0x7FFF'FFFFU;
    const auto unit = static_cast<float>(2.0 * state / 2'147'483'648.0 - 1.0);
    sample = static_cast<float>(0.1 * static_cast<double>(unit));
  }
  CHECK(samples[1] == doctest::Approx(-0.06485174).epsilon(1e-6));
  const auto features = lamina::log_mel(samples);
  REQUIRE(message_of(features) == "");
  REQUIRE(features->frames() == 99);
  const std::size_t bins[] = {0, 1, 2, 10, 63, 64, 100, 127};
  struct Row {
    std::size_t frame;
    double values[8];
  };
  for (const Row& row :
       {Row{0, {-6.90776, -1.72936, -2.90253, -1.51304, -0.34135, -0.49206, -0.39242, 0.94224}},
        Row{1, {-6.90776, -1.25470, -2.43266, -1.59357, 0.10036, -0.09475, 0.19266, 1.03887}},
        Row{50, {-6.90776, -0.64716, -1.82873, -1.37910, 0.02338, -0.05942, 0.79425, 0.93458}},
        Row{98, {-6.90776, -0.09202, -1.27544, -1.38892, -0.72532, -0.76569, 0.72615, 1.37362}}}) {
    for (std::size_t i = 0; i < 8; ++i) {
      CAPTURE(row.frame);
      CAPTURE(bins[i]);
      CHECK(std::abs(at(*features, row.frame, bins[i]) - row.values[i]) < 1e-3);
    }
  }
}

TEST_CASE("silence is the logarithm of the floor in every bin") {
  const auto features = lamina::log_mel(std::vector<float>(1'000));
  REQUIRE(message_of(features) == "");
  CHECK(features->frames() == 6);
  for (const float value : features->values.span()) CHECK(value == doctest::Approx(-6.9077554));
}

TEST_CASE("the last frame ends with the last sample that it needs") {
  // 160·(t+1) + 1 samples make t + 1 frames; the sample behind the last window changes nothing.
  std::vector<float> samples = tone(500, 16'000, 481);
  const auto three = lamina::log_mel(samples);
  REQUIRE(message_of(three) == "");
  CHECK(three->frames() == 3);
  samples.back() = 1;
  const auto changed = lamina::log_mel(samples);
  REQUIRE(message_of(changed) == "");
  CHECK(distance(changed->values.span(), three->values.span()).largest == 0);
  const auto shorter = lamina::log_mel(std::span(samples).first(480));
  REQUIRE(message_of(shorter) == "");
  CHECK(shorter->frames() == 2);
}

TEST_CASE("what has no features is refused") {
  expect_error(lamina::log_mel(std::vector<float>(160)), lamina::ErrorCode::bad_argument, "sound",
               "too short");
  std::vector<float> samples(200);
  samples[199] = std::numeric_limits<float>::infinity();
  expect_error(lamina::log_mel(samples), lamina::ErrorCode::bad_argument, "sound", "not a finite number");
}

}  // namespace
