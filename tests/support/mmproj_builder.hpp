// SPDX-License-Identifier: Apache-2.0
// A small projector file in memory for tests: a tower of one layer, or pictures without a tower.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/gguf_builder.hpp"

namespace builder {

/// A float32 tensor of ones.
inline Gguf& ones(Gguf& file, std::string name, std::vector<std::uint64_t> dims) {
  std::uint64_t count = 1;
  for (const std::uint64_t size : dims) count *= size;
  std::string data;
  for (std::uint64_t i = 0; i < count; ++i) data += raw(1.0F);
  return file.tensor(std::move(name), std::move(dims), 0, std::move(data));
}

inline Gguf mmproj_keys(const char* projector, std::uint32_t hidden, std::uint32_t layers) {
  Gguf file;
  file.string("general.architecture", "clip").string("general.type", "mmproj");
  file.boolean("clip.has_vision_encoder", true).boolean("clip.has_audio_encoder", false);
  file.string("clip.vision.projector_type", projector);
  file.u32("clip.vision.patch_size", 16).u32("clip.vision.embedding_length", hidden);
  file.u32("clip.vision.feed_forward_length", layers > 0 ? 16 : 0).u32("clip.vision.block_count", layers);
  file.u32("clip.vision.attention.head_count", layers > 0 ? 2 : 0).u32("clip.vision.projection_dim", 12);
  file.f32("clip.vision.attention.layer_norm_epsilon", 1e-6F);
  file.array<float>("clip.vision.image_mean", 6, {0, 0, 0})
      .array<float>("clip.vision.image_std", 6, {1, 1, 1});
  return file;
}

/// A tower: one layer, hidden 8, 2 heads of 4, feed-forward 16, text hidden 12.
inline Gguf mmproj_file() {
  Gguf file = mmproj_keys("gemma4v", 8, 1);
  ones(file, "v.patch_embd.weight", {16, 16, 3, 8});
  ones(file, "v.position_embd.weight", {8, 6, 2});
  ones(file, "mm.input_projection.weight", {8, 12});
  const std::string layer = "v.blk.0.";
  for (const char* norm : {"ln1", "attn_post_norm", "ln2", "ffn_post_norm"})
    ones(file, layer + norm + ".weight", {8});
  for (const char* norm : {"attn_q_norm", "attn_k_norm"}) ones(file, layer + norm + ".weight", {4});
  for (const char* matrix : {"attn_q", "attn_k", "attn_v", "attn_out"})
    ones(file, layer + matrix + ".weight", {8, 8});
  for (const char* matrix : {"ffn_gate", "ffn_up"}) ones(file, layer + matrix + ".weight", {8, 16});
  ones(file, layer + "ffn_down.weight", {16, 8});
  return file;
}

/// Pictures without a tower, whose norms are numbered from `first_norm`.
inline Gguf mmproj_file_without_tower(int first_norm) {
  Gguf file = mmproj_keys("gemma4uv", 4, 0);
  ones(file, "v.patch_embd.weight", {6912, 4});
  ones(file, "v.patch_embd.bias", {4});
  for (int i = 0; i < 3; ++i) {
    const std::string norm = "v.patch_norm." + std::to_string(first_norm + i);
    const std::uint64_t width = i == 0 ? 6912 : 4;
    ones(file, norm + ".weight", {width});
    ones(file, norm + ".bias", {width});
  }
  ones(file, "v.position_embd.weight", {4, 6, 2});
  ones(file, "mm.input_projection.weight", {4, 12});
  return file;
}

}  // namespace builder
