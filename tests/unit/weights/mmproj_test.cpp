// SPDX-License-Identifier: Apache-2.0
// Projector files: what they say of themselves must be what their tensors say, and what this library
// computes.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <lamina/encoders/encoder_entry.hpp>
#include <lamina/weights/media/mmproj.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"
#include "support/mmproj_builder.hpp"

using builder::bytes_of;
using builder::Gguf;
using lamina::ErrorCode;
using lamina::MediaKind;

namespace {

void refuse(Gguf file, ErrorCode code, const char* where, const char* what) {
  const std::string bytes = file.build();
  expect_error(lamina::read_mmproj(bytes_of(bytes), "p.gguf"), code, where, what);
}

}  // namespace

TEST_CASE("mmproj: a tower is described by its tensors") {
  const std::string bytes = builder::mmproj_file().build();
  const auto media = lamina::read_mmproj(bytes_of(bytes), "p.gguf");
  REQUIRE_MESSAGE(static_cast<bool>(media), message_of(media));
  REQUIRE(media->vision.has_value());
  CHECK_FALSE(media->audio.has_value());
  const lamina::EncoderDescription& tower = *media->vision;
  CHECK(tower.input == MediaKind::picture);
  CHECK(tower.input_width == 768);
  CHECK(tower.hidden == 8);
  CHECK(tower.layers == 1);
  CHECK(tower.heads == 2);
  CHECK(tower.head_dim == 4);
  CHECK(tower.ffn_width == 16);
  CHECK(tower.output_width == 8);
  CHECK(tower.clipped == 0);
  CHECK(tower.standardised == 0);
  CHECK(tower.sizes.text_hidden == 12);
  CHECK(tower.sizes.positions == 6);
  CHECK(tower.norm_epsilon == 1e-6F);
  CHECK(media->encoder_of(MediaKind::picture) == &tower);
  CHECK(media->encoder_of(MediaKind::log_mel) == nullptr);
}

TEST_CASE("mmproj: norms of pictures without a tower may be numbered from 0 or from 1") {
  for (const int first : {0, 1}) {
    const std::string bytes = builder::mmproj_file_without_tower(first).build();
    const auto media = lamina::read_mmproj(bytes_of(bytes), "p.gguf");
    REQUIRE_MESSAGE(static_cast<bool>(media), message_of(media));
    CHECK(media->vision->layers == 0);
    CHECK(media->vision->input_width == 6912);
    for (const char* norm : {"v.patch_norm.1.weight", "v.patch_norm.2.weight", "v.patch_norm.3.weight"})
      CHECK(media->weights.find(norm) != nullptr);
    CHECK(media->weights.find("v.patch_norm.0.weight") == nullptr);
    CHECK(media->weights.find("v.patch_norm.1.weight")->dims[0] == 6912);
  }
}

TEST_CASE("mmproj: flags and ranges are inferred from the tensors") {
  Gguf file = builder::mmproj_file();
  builder::ones(file, "v.std_bias", {8});
  builder::ones(file, "v.std_scale", {8});
  builder::ones(file, "v.blk.0.attn_q.input_max", {1});
  const std::string bytes = file.build();
  const auto media = lamina::read_mmproj(bytes_of(bytes), "p.gguf");
  REQUIRE_MESSAGE(static_cast<bool>(media), message_of(media));
  CHECK(media->vision->standardised == 1);
  CHECK(media->vision->clipped == 1);
}

TEST_CASE("mmproj: other kinds of files are refused") {
  Gguf file = builder::mmproj_file();
  refuse(file.without("general.architecture").string("general.architecture", "gemma4"),
         ErrorCode::unsupported, "general.architecture", "no vision/audio projector");
  refuse(builder::mmproj_file().without("general.architecture"), ErrorCode::unsupported,
         "general.architecture", "no vision/audio projector");
  refuse(builder::mmproj_file().without("general.type").string("general.type", "model"),
         ErrorCode::unsupported, "general.architecture", "no vision/audio projector");
  for (const char* type : {"gemma3", "qwen2vl_merger"}) {
    refuse(builder::mmproj_file()
               .without("clip.vision.projector_type")
               .string("clip.vision.projector_type", type),
           ErrorCode::unsupported, "projector_type", "another model");
  }
  refuse(builder::mmproj_file().string("clip.projector_type", "mlp"), ErrorCode::unsupported,
         "clip.projector_type", "another model");
  refuse(builder::mmproj_file()
             .without("clip.vision.projector_type")
             .string("clip.vision.projector_type", "gemma4uv"),
         ErrorCode::mismatch, "projector_type", "another type");
}

TEST_CASE("mmproj: metadata that disagree with the tensors are refused") {
  for (const char* key :
       {"clip.vision.embedding_length", "clip.vision.feed_forward_length", "clip.vision.block_count",
        "clip.vision.attention.head_count", "clip.vision.projection_dim", "clip.vision.patch_size"}) {
    refuse(builder::mmproj_file().without(key).u32(key, 7), ErrorCode::mismatch, key, "disagree");
    refuse(builder::mmproj_file().without(key).string(key, "7"), ErrorCode::bad_file, key, "wrong type");
  }
  refuse(builder::mmproj_file().u32("clip.vision.projector.scale_factor", 2), ErrorCode::mismatch,
         "scale_factor", "disagree");
  refuse(builder::mmproj_file()
             .without("clip.vision.image_mean")
             .array<float>("clip.vision.image_mean", 6, {0.5F, 0, 0}),
         ErrorCode::unsupported, "image_mean", "normalised");
  refuse(builder::mmproj_file()
             .without("clip.vision.image_std")
             .array<float>("clip.vision.image_std", 6, {1, 1, 0.5F}),
         ErrorCode::unsupported, "image_std", "normalised");
  constexpr const char* epsilon = "clip.vision.attention.layer_norm_epsilon";
  for (const float value : {0.0F, -1.0F, 2.0F})
    refuse(builder::mmproj_file().without(epsilon).f32(epsilon, value), ErrorCode::bad_file, epsilon,
           "range");
}

TEST_CASE("mmproj: towers that are stated and not there, or there and not stated") {
  refuse(builder::mmproj_file().without("clip.has_audio_encoder").boolean("clip.has_audio_encoder", true),
         ErrorCode::mismatch, "p.gguf", "holds none");
  refuse(builder::mmproj_file().without("clip.has_vision_encoder").boolean("clip.has_vision_encoder", false),
         ErrorCode::unsupported, "p.gguf", "no tower");
  // Without the keys, the tensors tell.
  const std::string bytes =
      builder::mmproj_file().without("clip.has_vision_encoder").without("clip.has_audio_encoder").build();
  CHECK(static_cast<bool>(lamina::read_mmproj(bytes_of(bytes), "p.gguf")));
  for (const char* tensor : {"v.patch_embd.weight", "v.position_embd.weight", "mm.input_projection.weight"}) {
    Gguf file = builder::mmproj_file();
    refuse(file.without_tensor(tensor), ErrorCode::mismatch, tensor, "missing");
  }
}

TEST_CASE("mmproj: every cut of a file is an error, never a crash") {
  const std::string bytes = builder::mmproj_file().build();
  for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 16) {
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(static_cast<bool>(lamina::read_mmproj(std::as_bytes(std::span(cut)), "p.gguf")));
  }
}

TEST_CASE("mmproj: an encoder that is not compiled in is an error that lists the numbers") {
  const std::string bytes = builder::mmproj_file().build();
  const auto media = lamina::read_mmproj(bytes_of(bytes), "p.gguf");
  REQUIRE(static_cast<bool>(media));
  static constexpr lamina::EncoderDescription other = [] {
    lamina::EncoderDescription description;
    description.input_width = 768;
    description.hidden = description.output_width = 8;
    description.layers = 2;
    description.heads = 2;
    description.head_dim = 4;
    description.ffn_width = 32;
    return description;
  }();
  lamina::EncoderEntry entry{};
  entry.name = "two-layers";
  entry.describe = []() noexcept -> const lamina::EncoderDescription& { return other; };
  const lamina::EncoderEntry* const entries[] = {&entry};
  const auto found = lamina::encoder_entry_of(*media, MediaKind::picture, entries);
  expect_error(found, ErrorCode::mismatch, "p.gguf", "nearest is two-layers");
  CHECK(found.error().expected.view() == "layers 2, ffn_width 32");
  CHECK(found.error().found.view() == "layers 1, ffn_width 16");
  expect_error(lamina::encoder_entry_of(*media, MediaKind::picture, {}), ErrorCode::mismatch, "p.gguf",
               "no encoder is compiled in");
  expect_error(lamina::encoder_entry_of(*media, MediaKind::log_mel, entries), ErrorCode::unsupported,
               "p.gguf", "no encoder for sounds");
}
