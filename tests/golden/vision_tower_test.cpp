// SPDX-License-Identifier: Apache-2.0
// The encoders of pictures against the reference implementation: inner values and soft tokens, from both
// kinds of files. Tolerances: golden/vision/README.md; never wider.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/core/threads.hpp>

#include "support/expect_error.hpp"
#include "support/loaded_encoder.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::PassValue;
using lamina::Precision;

struct Stored {
  const char* name;
  PassValue what;
  std::uint32_t layer;
  double tolerance;
};

constexpr double front_tolerance = 2e-5;
constexpr double layer_tolerance = 2e-4;
constexpr double pooled_tolerance = 4e-4;
constexpr double soft_tolerance = 1e-4;
constexpr double unified_tolerance = 6e-4;

const std::vector<Stored> tower_values{
    {"patch_embed", PassValue::input_rows, 0, front_tolerance},
    {"layer_0", PassValue::layer_output, 0, layer_tolerance},
    {"layer_1", PassValue::layer_output, 1, layer_tolerance},
    {"layer_2", PassValue::layer_output, 2, layer_tolerance},
    {"pooled", PassValue::pooled, 0, pooled_tolerance},
    {"tower_out", PassValue::encoded, 0, pooled_tolerance},
    {"soft", PassValue::soft_tokens, 0, soft_tolerance},
};

lamina::EncodeOptions exact() {
  lamina::EncodeOptions options;
  options.precision = Precision::exact;
  return options;
}

/// Both files of a model: the directory and the projector file.
std::vector<std::string> files_of(const std::string& model) {
  const std::string directory = golden_path("vision/" + model);
  return {directory, directory + "/mmproj.gguf"};
}

void check_tower(const std::string& model, const std::string& stored) {
  const ReferenceArrays arrays(golden_path("vision/" + model + "/" + stored + ".safetensors"));
  REQUIRE(arrays.valid());
  for (const std::string& path : files_of(model)) {
    CAPTURE(path);
    const LoadedEncoder encoder(path);
    std::size_t images = 0;
    for (; arrays.index().contains("image" + std::to_string(images) + ".patches"); ++images) {
      const std::string prefix = "image" + std::to_string(images) + ".";
      const ReferencePicture picture(arrays, prefix + "patches", prefix + "positions", 16);
      EncoderRecorder recorder;
      lamina::EncodeOptions options = exact();
      options.chunk = 64;
      options.observer = &recorder;
      const auto soft = encoder.encode(picture.input(), options);
      for (const Stored& one : tower_values) {
        CAPTURE(prefix + one.name);
        const auto want = arrays.get<float>(prefix + one.name);
        CHECK(distance(recorder.get(one.what, one.layer), want).largest <= one.tolerance);
      }
      CHECK(recorder.get(PassValue::soft_tokens) == soft);
    }
    CHECK(images == (stored == "tower_two" ? 2 : 1));
  }
}

TEST_CASE("towers: every stored value is within its tolerance, from safetensors and from a projector file") {
  for (const char* model : {"e2b", "moe"}) {
    check_tower(model, "tower_one");
    check_tower(model, "tower_two");
  }
}

TEST_CASE("encoder-free pictures: every stored value is within its tolerance, from both files") {
  const ReferenceArrays arrays(golden_path("vision/unified/embedder.safetensors"));
  REQUIRE(arrays.valid());
  const std::vector<Stored> values{{"dense", PassValue::input_rows, 0, unified_tolerance},
                                   {"ln2", PassValue::row_norm, 0, unified_tolerance},
                                   {"pos_norm", PassValue::position_norm, 0, unified_tolerance},
                                   {"soft", PassValue::soft_tokens, 0, unified_tolerance}};
  for (const std::string& path : files_of("unified")) {
    CAPTURE(path);
    const LoadedEncoder encoder(path);
    std::size_t images = 0;
    for (; arrays.index().contains("image" + std::to_string(images) + ".blocks"); ++images) {
      const std::string prefix = "image" + std::to_string(images) + ".";
      const ReferencePicture picture(arrays, prefix + "blocks", prefix + "positions", 48);
      EncoderRecorder recorder;
      lamina::EncodeOptions options = exact();
      options.chunk = 2;
      options.observer = &recorder;
      encoder.encode(picture.input(), options);
      for (const Stored& one : values) {
        CAPTURE(prefix + one.name);
        CHECK(distance(recorder.get(one.what), arrays.get<float>(prefix + one.name)).largest <=
              one.tolerance);
      }
      // The first two blocks; a projector file has them channel by channel.
      const auto want = arrays.get<float>(prefix + "ln1");
      auto got = recorder.get(PassValue::input_norm);
      got.resize(want.size());
      if (encoder.file->layout == lamina::MediaLayout::gguf) {
        const auto planar = got;
        for (std::size_t i = 0; i < got.size(); ++i)
          got[i] = planar[i / 6912 * 6912 + i % 3 * 2304 + i % 6912 / 3];
      }
      CHECK(distance(got, want).largest <= unified_tolerance);
    }
    CHECK(images >= 2);
  }
}

}  // namespace
