// SPDX-License-Identifier: Apache-2.0
// The encoders of sounds against the reference implementation: inner values and soft tokens, from both kinds
// of files. Tolerances: golden/audio/README.md; never wider.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/core/threads.hpp>
#include <lamina/media/sound/decode.hpp>
#include <lamina/media/sound/log_mel.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"
#include "support/loaded_encoder.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::AudioKeys;
using lamina::MediaInput;
using lamina::MediaKind;
using lamina::PassValue;
using lamina::Precision;

constexpr double front_tolerance = 2e-5;
constexpr double layer_tolerance = 1e-4;
constexpr double unified_tolerance = 6e-4;

/// Root mean square change of soft tokens where the inputs of all products are rounded to bf16, and the bound
/// that golden/quant/README.md sets for such figures: a maximum is set by few numbers.
constexpr double bf16_rounding = 0.0087;
constexpr double rounding_bound = 3 * bf16_rounding;

const std::vector<StoredValue> tower_values{
    {"subsample", PassValue::input_rows, 0, front_tolerance},
    {"layer_0", PassValue::layer_output, 0, layer_tolerance},
    {"layer_1", PassValue::layer_output, 1, layer_tolerance},
    {"layer_2", PassValue::layer_output, 2, layer_tolerance},
    {"tower_out", PassValue::encoded, 0, layer_tolerance},
    {"soft", PassValue::soft_tokens, 0, layer_tolerance},
};

const std::array clips{"chirp_0.35s", "tones_1.0s", "voice_2.03s", "short_0.02s"};

std::vector<float> features_of(const std::string& clip) {
  const ReferenceArrays arrays(golden_path("audio/features.safetensors"));
  REQUIRE(arrays.valid());
  return arrays.get<float>(clip + ".input_features");
}

lamina::Sound sound_of(const std::string& wave) {
  const std::string file = read_bytes(golden_path("audio/" + wave));
  auto sound = lamina::read_sound(builder::bytes_of(file), wave);
  REQUIRE(message_of(sound) == "");
  return std::move(*sound);
}

TEST_CASE(
    "audio towers: every stored value is within its tolerance, from safetensors and from a projector file") {
  const ReferenceArrays arrays(golden_path("audio/tower.safetensors"));
  REQUIRE(arrays.valid());
  for (const std::string& path : tower_files("e2b")) {
    CAPTURE(path);
    const LoadedEncoder encoder(path, MediaKind::log_mel);
    for (const char* clip : clips) {
      const std::vector<float> features = features_of(clip);
      check_stored(encoder, MediaInput::log_mel(features), lamina::EncodeOptions{}.chunk, arrays,
                   std::string(clip) + ".", tower_values);
    }
  }
}

TEST_CASE("audio towers: from the sound file to soft tokens") {
  const ReferenceArrays arrays(golden_path("audio/tower.safetensors"));
  const LoadedEncoder encoder(tower_files("e2b")[0], MediaKind::log_mel);
  for (const std::string clip : clips) {
    CAPTURE(clip);
    const auto features = lamina::log_mel(sound_of("wav/" + clip + ".wav").samples.span());
    REQUIRE(message_of(features) == "");
    const auto soft = encoder.encode(MediaInput::log_mel(features->values.span()), exact_encoding());
    CHECK(distance(soft, arrays.get<float>(clip + ".soft")).largest <= layer_tolerance);
  }
}

TEST_CASE("audio towers: the same bits for every chunk and every number of threads") {
  const std::vector<float> features = features_of("voice_2.03s");
  const MediaInput input = MediaInput::log_mel(features);
  for (const std::string& path : tower_files("e2b")) {
    CAPTURE(path);
    const LoadedEncoder encoder(path, MediaKind::log_mel);
    for (const Precision precision : {Precision::fast, Precision::exact}) {
      lamina::EncodeOptions options;
      options.precision = precision;
      const auto whole = encoder.encode(input, options);
      for (const std::uint32_t chunk : {1U, 3U, 4U, 5U, 12U, 13U, 50U, 51U}) {
        for (const unsigned threads : {1U, 2U, 3U}) {
          CAPTURE(chunk);
          CAPTURE(threads);
          const auto pool = make_pool(threads);
          options.chunk = chunk;
          options.executor = pool.get();
          const auto part = encoder.encode(input, options);
          CHECK(std::memcmp(part.data(), whole.data(), whole.size() * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST_CASE("audio towers: fast stays within the reference's figure for rounding") {
  const ReferenceArrays arrays(golden_path("audio/tower.safetensors"));
  for (const std::string& path : tower_files("e2b")) {
    const LoadedEncoder encoder(path, MediaKind::log_mel);
    for (const std::string clip : clips) {
      CAPTURE(path);
      CAPTURE(clip);
      const auto soft = encoder.encode(MediaInput::log_mel(features_of(clip)), {});
      CHECK(distance(soft, arrays.get<float>(clip + ".soft")).rms <= rounding_bound);
    }
  }
}

TEST_CASE("audio towers: the thirteenth key is a switch") {
  const LoadedEncoder encoder(tower_files("e2b")[0], MediaKind::log_mel);
  lamina::EncodeOptions thirteen = exact_encoding();
  thirteen.audio_keys = AudioKeys::thirteen;
  // Nine rows have no twelfth one before them; of 25 it changes soft tokens by 0.94 (golden/audio/README.md).
  const std::vector<float> few = features_of("chirp_0.35s");
  CHECK(encoder.encode(MediaInput::log_mel(few), thirteen) ==
        encoder.encode(MediaInput::log_mel(few), exact_encoding()));
  const std::vector<float> many = features_of("tones_1.0s");
  const auto changed = encoder.encode(MediaInput::log_mel(many), thirteen);
  const auto plain = encoder.encode(MediaInput::log_mel(many), exact_encoding());
  CHECK(distance(changed, plain).largest == doctest::Approx(0.94).epsilon(0.01));
}

TEST_CASE("encoder-free sounds: soft tokens are the reference's, from both files") {
  const nlohmann::json cases = read_json(golden_path("audio/cases.json"))["unified"]["cases"];
  std::size_t compared = 0;
  for (const std::string& path : tower_files("unified")) {
    CAPTURE(path);
    const LoadedEncoder encoder(path, MediaKind::samples);
    for (const nlohmann::json& one : cases) {
      const auto name = one["name"].get<std::string>();
      if (name == "image_and_audio") continue;
      CAPTURE(name);
      std::vector<float> soft;
      for (const nlohmann::json& medium : one["media"]) {
        const lamina::Sound sound = sound_of(medium["file"].get<std::string>());
        CHECK(lamina::audio_tokens(sound.samples.size(), lamina::AudioFrontEnd::frames) ==
              medium["soft_tokens"].get<std::size_t>());
        lamina::EncodeOptions options = exact_encoding();
        options.chunk = 7;
        const auto rows = encoder.encode(MediaInput::samples(sound.samples.span()), options);
        soft.insert(soft.end(), rows.begin(), rows.end());
      }
      const ReferenceArrays arrays(golden_path("audio/unified/" + one["tensors"].get<std::string>()));
      REQUIRE(arrays.valid());
      CHECK(distance(soft, arrays.get<float>("soft_tokens")).largest <= unified_tolerance);
      ++compared;
    }
  }
  CHECK(compared == 4);
}

TEST_CASE("encoder-free sounds: silence is nothing, and the last frame is filled with it") {
  const LoadedEncoder encoder(tower_files("unified")[0], MediaKind::samples);
  std::vector<float> samples(641, 0.0F);
  samples[640] = 0.5F;
  const auto soft = encoder.encode(MediaInput::samples(samples), exact_encoding());
  REQUIRE(soft.size() == 2 * encoder.text_hidden());
  for (std::size_t i = 0; i < encoder.text_hidden(); ++i) CHECK(soft[i] == 0.0F);
  samples.resize(1280, 0.0F);
  CHECK(encoder.encode(MediaInput::samples(samples), exact_encoding()) == soft);
}

TEST_CASE("audio towers: tensors that would change the result are refused, not left out") {
  const std::string file = read_bytes(tower_files("e2b")[1]);
  const auto renamed = [&](std::string_view from, std::string_view to) {
    REQUIRE(from.size() == to.size());
    std::string other = file;
    const std::size_t at = other.find(from);
    REQUIRE(at != std::string::npos);
    other.replace(at, to.size(), to);
    return other;
  };
  const auto refuses = [&](std::string_view from, const std::string& to) {
    const std::string other = renamed(from, to);
    expect_error(lamina::read_mmproj(builder::bytes_of(other), "a.gguf"), lamina::ErrorCode::unsupported,
                 "a.gguf: " + to, "not supported");
  };
  refuses("a.blk.0.ffn_post_norm_1.weight", "a.blk.0.per_dim_k_scale.weight");
  refuses("a.blk.0.attn_k.output_max", "mm.a.soft_emb_norm.weight");
}

TEST_CASE("audio towers: input that is none is refused") {
  const LoadedEncoder encoder(tower_files("e2b")[0], MediaKind::log_mel);
  const std::vector<float> numbers(128 * 4 + 1);
  const auto shape_of = encoder.entry->shape_of;
  using lamina::ErrorCode;
  expect_error(shape_of(MediaInput::samples(numbers)), ErrorCode::bad_argument, "encode", "encoder takes");
  expect_error(shape_of(MediaInput::log_mel(numbers)), ErrorCode::bad_argument, "encode", "impossible size");
  expect_error(shape_of(MediaInput::log_mel({})), ErrorCode::bad_argument, "encode", "impossible size");
  std::vector<float> damaged(128 * 8, -1.0F);
  damaged[500] = std::numeric_limits<float>::quiet_NaN();
  const auto input = MediaInput::log_mel(damaged);
  std::vector<float> out(2 * encoder.text_hidden());
  std::vector<std::byte> scratch(encoder.entry->scratch_bytes({}, 2));
  const auto status = encoder.core->encode(input, {}, scratch, out);
  expect_error(status, ErrorCode::not_finite, "", "");
}

}  // namespace
