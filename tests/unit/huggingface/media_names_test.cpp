// SPDX-License-Identifier: Apache-2.0
// Names of towers' tensors: both kinds of files of the reference data have the same ones.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include <lamina/huggingface/media/directory.hpp>
#include <lamina/huggingface/media/names.hpp>
#include <lamina/weights/media/mmproj.hpp>

#include "support/expect_error.hpp"
#include "support/golden.hpp"

using lamina::canonical_media_name;

TEST_CASE("media names: towers, ranges, projections; with and without prefix") {
  const std::string layer = "model.vision_tower.encoder.layers.12.";
  CHECK(canonical_media_name(layer + "input_layernorm.weight") == "v.blk.12.ln1.weight");
  CHECK(canonical_media_name(layer + "pre_feedforward_layernorm.weight") == "v.blk.12.ln2.weight");
  CHECK(canonical_media_name(layer + "self_attn.o_proj.linear.weight") == "v.blk.12.attn_out.weight");
  CHECK(canonical_media_name(layer + "self_attn.o_proj.input_min") == "v.blk.12.attn_out.input_min");
  CHECK(canonical_media_name(layer + "mlp.down_proj.output_max") == "v.blk.12.ffn_down.output_max");
  CHECK(canonical_media_name("vision_tower.std_bias") == "v.std_bias");
  CHECK(canonical_media_name("model.embed_vision.embedding_projection.weight") ==
        "mm.input_projection.weight");
  CHECK(canonical_media_name("model.embed_audio.embedding_projection.weight") ==
        "mm.a.input_projection.weight");
  const std::string sound = "model.audio_tower.layers.3.";
  // The names of these two are crossed.
  CHECK(canonical_media_name(sound + "lconv1d.pre_layer_norm.weight") == "a.blk.3.conv_norm.weight");
  CHECK(canonical_media_name(sound + "lconv1d.conv_norm.weight") == "a.blk.3.norm_conv.weight");
  CHECK(canonical_media_name(sound + "feed_forward2.ffw_layer_1.input_max") == "a.blk.3.ffn_up_1.input_max");
  CHECK(canonical_media_name(sound + "self_attn.per_dim_scale") == "a.blk.3.per_dim_scale.weight");
}

TEST_CASE("media names: nothing else has one") {
  for (const char* name :
       {"model.language_model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight",
        "lm_head.weight", "model.vision_tower.encoder.layers.01.input_layernorm.weight",
        "model.vision_tower.encoder.layers.512.input_layernorm.weight",
        "model.vision_tower.encoder.layers.0.self_attn.q_proj.weight",
        "model.vision_tower.encoder.layers.0.self_attn.q_proj.linear.bias",
        "model.vision_tower.encoder.layers.0.input_min", "model.vision_tower.", "", "model."}) {
    CAPTURE(name);
    CHECK(canonical_media_name(name).empty());
  }
}

TEST_CASE("media names: in-memory names of the encoder-free model") {
  for (const char* part :
       {"patch_ln1.weight", "patch_ln1.bias", "patch_dense.weight", "patch_dense.bias", "patch_ln2.weight",
        "patch_ln2.bias", "pos_norm.weight", "pos_norm.bias", "pos_embedding"}) {
    CAPTURE(part);
    const std::string written = canonical_media_name(std::string("model.vision_embedder.") + part);
    CHECK_FALSE(written.empty());
    CHECK(canonical_media_name(std::string("model.embed_vision.") + part) == written);
  }
  CHECK(canonical_media_name("model.embed_vision.multimodal_embedder.embedding_projection.weight") ==
        "mm.input_projection.weight");
}

TEST_CASE("directories and projector files: the same tensors, shapes and encoders") {
  for (const char* model : {"e2b", "moe", "unified"}) {
    CAPTURE(model);
    const std::string directory = golden_path(std::string("vision/") + model);
    const auto from_directory = lamina::open_media(directory);
    const auto from_file = lamina::open_media(directory + "/mmproj.gguf");
    REQUIRE_MESSAGE(static_cast<bool>(from_directory), message_of(from_directory));
    REQUIRE_MESSAGE(static_cast<bool>(from_file), message_of(from_file));
    std::set<std::string> names;
    std::set<std::string> others;
    for (const auto& tensor : from_directory->weights.tensors) names.insert(tensor.name);
    for (const auto& tensor : from_file->weights.tensors) others.insert(tensor.name);
    CHECK(names == others);
    for (const auto& tensor : from_directory->weights.tensors) {
      const auto* other = from_file->weights.find(tensor.name);
      const bool is_transposed = std::string(model) == "unified" && tensor.name == "v.position_embd.weight";
      CAPTURE(tensor.name);
      if (other != nullptr && !is_transposed) CHECK(tensor.dims == other->dims);
    }
    REQUIRE(from_directory->vision.has_value());
    REQUIRE(from_file->vision.has_value());
    CHECK(from_directory->vision->serves(*from_file->vision));
    CHECK(from_file->vision->serves(*from_directory->vision));
    CHECK(from_directory->vision->sizes.positions == from_file->vision->sizes.positions);
    CHECK(from_directory->vision->sizes.text_hidden == 64);
    CHECK(from_directory->audio.has_value() == (std::string(model) != "moe"));
    CHECK(from_directory->audio.has_value() == from_file->audio.has_value());
    if (!from_directory->audio) continue;
    CHECK(from_directory->audio->serves(*from_file->audio));
    CHECK(from_file->audio->serves(*from_directory->audio));
  }
}

TEST_CASE("a directory without towers has no encoders, which is no error") {
  const auto media = lamina::open_media(golden_path("text/tiny-e2b"));
  REQUIRE_MESSAGE(static_cast<bool>(media), message_of(media));
  CHECK_FALSE(media->vision.has_value());
  CHECK_FALSE(media->audio.has_value());
}
