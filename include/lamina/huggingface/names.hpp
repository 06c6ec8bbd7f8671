// SPDX-License-Identifier: Apache-2.0
// Hugging Face tensor names -> canonical (GGUF) names.
// Source: weight-files.md §3.2 to §3.4, §3.8; text-decoder.md §3 (prefixes).
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/schedule/description.hpp>

namespace lamina {

namespace detail {

struct NamePair {
  std::string_view hugging_face;
  std::string_view canonical;
};

inline constexpr std::array<NamePair, 5> global_names{{
    {"embed_tokens.weight", "token_embd.weight"},
    {"norm.weight", "output_norm.weight"},
    {"embed_tokens_per_layer.weight", "per_layer_token_embd.weight"},
    {"per_layer_model_projection.weight", "per_layer_model_proj.weight"},
    {"per_layer_projection_norm.weight", "per_layer_proj_norm.weight"},
}};

/// Of drafters; these have no prefix.
inline constexpr std::array<NamePair, 4> drafter_names{{
    {"pre_projection.weight", "nextn.pre_projection.weight"},
    {"post_projection.weight", "nextn.post_projection.weight"},
    {"masked_embedding.centroids.weight", "masked_embd_centroids.weight"},
    {"masked_embedding.token_ordering", "masked_embd_ordering"},
}};

inline constexpr std::array<NamePair, 25> layer_names{{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
    {"layer_scalar", "layer_output_scale.weight"},
    {"per_layer_input_gate.weight", "inp_gate.weight"},
    {"per_layer_projection.weight", "proj.weight"},
    {"post_per_layer_input_norm.weight", "post_norm.weight"},
    {"router.proj.weight", "ffn_gate_inp.weight"},
    {"router.scale", "ffn_gate_inp.scale"},
    {"router.per_expert_scale", "ffn_down_exps.scale"},
    {"experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"experts.down_proj", "ffn_down_exps.weight"},
    {"pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight"},
    {"post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight"},
    {"post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight"},
}};

template <std::size_t N>
[[nodiscard]] constexpr std::string_view look_up(const std::array<NamePair, N>& names,
                                                 std::string_view name) noexcept {
  for (const NamePair& pair : names) {
    if (pair.hugging_face == name) return pair.canonical;
  }
  return {};
}

/// Splits "12.rest" into 12 and "rest"; false unless the number is plain and below `max_layers`.
[[nodiscard]] constexpr bool take_layer_index(std::string_view& name, int& index) noexcept {
  std::size_t digits = 0;
  index = 0;
  while (digits < name.size() && name[digits] >= '0' && name[digits] <= '9') {
    index = index * 10 + (name[digits++] - '0');
    if (index >= max_layers) return false;
  }
  if (digits == 0 || (digits > 1 && name[0] == '0') || digits >= name.size() || name[digits] != '.')
    return false;
  name.remove_prefix(digits + 1);
  return true;
}

}  // namespace detail

/// Canonical name of a Hugging Face tensor of a text model or a drafter; empty for all others (media towers,
/// unknown ones).
///
/// The prefix may be `model.language_model.` (official files), `language_model.model.` (MLX-style) or
/// `model.` (text only).
[[nodiscard]] inline std::string canonical_name(std::string_view name) {
  if (name == "lm_head.weight" || name == "language_model.lm_head.weight") return "output.weight";
  bool is_text = false;
  for (const std::string_view prefix : {"model.language_model.", "language_model.model.", "model."}) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    is_text = true;
    break;
  }
  if (!is_text) return std::string(detail::look_up(detail::drafter_names, name));
  if (!name.starts_with("layers.")) return std::string(detail::look_up(detail::global_names, name));
  name.remove_prefix(std::string_view("layers.").size());
  int index = 0;
  if (!detail::take_layer_index(name, index)) return {};
  const std::string_view suffix = detail::look_up(detail::layer_names, name);
  if (suffix.empty()) return {};
  std::string canonical(text("blk.%d.", index).view());
  canonical += suffix;
  return canonical;
}

}  // namespace lamina
