// SPDX-License-Identifier: Apache-2.0
// Hugging Face names of towers' tensors -> names of projector files (mmproj).
// Source: vision.md §4.1, §4.2, §4.4, §4.5.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/huggingface/names.hpp>

namespace lamina {

namespace detail {

/// Tensors outside the layers, without "model.".
inline constexpr std::array<NamePair, 33> media_names{{
    {"vision_tower.patch_embedder.input_proj.weight", "v.patch_embd.weight"},
    {"vision_tower.patch_embedder.position_embedding_table", "v.position_embd.weight"},
    {"vision_tower.std_bias", "v.std_bias"},
    {"vision_tower.std_scale", "v.std_scale"},
    {"vision_embedder.patch_ln1.weight", "v.patch_norm.1.weight"},
    {"vision_embedder.patch_ln1.bias", "v.patch_norm.1.bias"},
    {"vision_embedder.patch_dense.weight", "v.patch_embd.weight"},
    {"vision_embedder.patch_dense.bias", "v.patch_embd.bias"},
    {"vision_embedder.patch_ln2.weight", "v.patch_norm.2.weight"},
    {"vision_embedder.patch_ln2.bias", "v.patch_norm.2.bias"},
    {"vision_embedder.pos_embedding", "v.position_embd.weight"},
    {"vision_embedder.pos_norm.weight", "v.patch_norm.3.weight"},
    {"vision_embedder.pos_norm.bias", "v.patch_norm.3.bias"},
    {"embed_vision.embedding_projection.weight", "mm.input_projection.weight"},
    {"embed_vision.multimodal_embedder.embedding_projection.weight", "mm.input_projection.weight"},
    {"audio_tower.subsample_conv_projection.layer0.conv.weight", "a.conv1d.0.weight"},
    {"audio_tower.subsample_conv_projection.layer0.norm.weight", "a.conv1d.0.norm.weight"},
    {"audio_tower.subsample_conv_projection.layer1.conv.weight", "a.conv1d.1.weight"},
    {"audio_tower.subsample_conv_projection.layer1.norm.weight", "a.conv1d.1.norm.weight"},
    {"audio_tower.subsample_conv_projection.input_proj_linear.weight", "a.input_projection.weight"},
    {"audio_tower.output_proj.weight", "a.pre_encode.out.weight"},
    {"audio_tower.output_proj.bias", "a.pre_encode.out.bias"},
    {"embed_audio.embedding_projection.weight", "mm.a.input_projection.weight"},
    {"embed_audio.multimodal_embedder.embedding_projection.weight", "mm.a.input_projection.weight"},
    // As Transformers holds them in memory.
    {"embed_vision.patch_dense.weight", "v.patch_embd.weight"},
    {"embed_vision.patch_dense.bias", "v.patch_embd.bias"},
    {"embed_vision.pos_embedding", "v.position_embd.weight"},
    {"embed_vision.pos_norm.weight", "v.patch_norm.3.weight"},
    {"embed_vision.pos_norm.bias", "v.patch_norm.3.bias"},
    {"embed_vision.patch_ln1.weight", "v.patch_norm.1.weight"},
    {"embed_vision.patch_ln1.bias", "v.patch_norm.1.bias"},
    {"embed_vision.patch_ln2.weight", "v.patch_norm.2.weight"},
    {"embed_vision.patch_ln2.bias", "v.patch_norm.2.bias"},
}};

/// Tensors of a layer of the vision tower; `vision_matrices` without ".linear.weight" or the name of a bound.
inline constexpr std::array<NamePair, 6> vision_names{{
    {"input_layernorm.weight", "ln1.weight"},
    {"post_attention_layernorm.weight", "attn_post_norm.weight"},
    {"pre_feedforward_layernorm.weight", "ln2.weight"},
    {"post_feedforward_layernorm.weight", "ffn_post_norm.weight"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
}};
inline constexpr std::array<NamePair, 7> vision_matrices{{
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_out"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
}};

/// The same of the audio tower. The names of the two norms of its convolution are crossed in projector files.
inline constexpr std::array<NamePair, 12> audio_names{{
    {"feed_forward1.pre_layer_norm.weight", "ffn_norm.weight"},
    {"feed_forward1.post_layer_norm.weight", "ffn_post_norm.weight"},
    {"feed_forward2.pre_layer_norm.weight", "ffn_norm_1.weight"},
    {"feed_forward2.post_layer_norm.weight", "ffn_post_norm_1.weight"},
    {"norm_pre_attn.weight", "attn_pre_norm.weight"},
    {"norm_post_attn.weight", "attn_post_norm.weight"},
    {"norm_out.weight", "ln2.weight"},
    {"self_attn.relative_k_proj.weight", "attn_k_rel.weight"},
    {"self_attn.per_dim_scale", "per_dim_scale.weight"},
    {"lconv1d.pre_layer_norm.weight", "conv_norm.weight"},
    {"lconv1d.conv_norm.weight", "norm_conv.weight"},
    {"lconv1d.depthwise_conv1d.weight", "conv_dw.weight"},
}};
inline constexpr std::array<NamePair, 10> audio_matrices{{
    {"feed_forward1.ffw_layer_1", "ffn_up"},
    {"feed_forward1.ffw_layer_2", "ffn_down"},
    {"feed_forward2.ffw_layer_1", "ffn_up_1"},
    {"feed_forward2.ffw_layer_2", "ffn_down_1"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.post", "attn_out"},
    {"lconv1d.linear_start", "conv_pw1"},
    {"lconv1d.linear_end", "conv_pw2"},
}};

/// What stands behind the name of a matrix: its weight, or a bound of its ranges.
inline constexpr std::array<NamePair, 5> matrix_parts{{
    {".linear.weight", ".weight"},
    {".input_min", ".input_min"},
    {".input_max", ".input_max"},
    {".output_min", ".output_min"},
    {".output_max", ".output_max"},
}};

/// Canonical name of a tensor of a layer, "12.rest"; empty if there is none.
template <class Names, class Matrices>
[[nodiscard]] std::string media_layer_name(std::string_view prefix, std::string_view name, const Names& names,
                                           const Matrices& matrices) {
  int index = 0;
  if (!take_layer_index(name, index)) return {};
  std::string_view stem = look_up(names, name);
  std::string_view part;
  for (const NamePair& end : matrix_parts) {
    if (!stem.empty() || !name.ends_with(end.hugging_face)) continue;
    stem = look_up(matrices, name.substr(0, name.size() - end.hugging_face.size()));
    part = end.canonical;
  }
  if (stem.empty()) return {};
  std::string canonical(prefix);
  canonical += text("%d.", index).view();
  canonical += stem;
  canonical += part;
  return canonical;
}

}  // namespace detail

/// Canonical name of a Hugging Face tensor of a vision or audio tower; empty for all others. The prefix may
/// be `model.` (official files) or nothing (MLX-style).
[[nodiscard]] inline std::string canonical_media_name(std::string_view name) {
  constexpr std::string_view model = "model.";
  if (name.starts_with(model)) name.remove_prefix(model.size());
  constexpr std::string_view vision = "vision_tower.encoder.layers.";
  constexpr std::string_view audio = "audio_tower.layers.";
  if (name.starts_with(vision)) {
    name.remove_prefix(vision.size());
    return detail::media_layer_name("v.blk.", name, detail::vision_names, detail::vision_matrices);
  }
  if (name.starts_with(audio)) {
    name.remove_prefix(audio.size());
    return detail::media_layer_name("a.blk.", name, detail::audio_names, detail::audio_matrices);
  }
  return std::string(detail::look_up(detail::media_names, name));
}

}  // namespace lamina
