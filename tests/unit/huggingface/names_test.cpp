// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

#include <lamina/huggingface/names.hpp>
#include <lamina/schedule/slots.hpp>

using lamina::canonical_name;

TEST_CASE("names: all prefixes") {
  CHECK(canonical_name("model.language_model.embed_tokens.weight") == "token_embd.weight");
  CHECK(canonical_name("language_model.model.embed_tokens.weight") == "token_embd.weight");
  CHECK(canonical_name("model.embed_tokens.weight") == "token_embd.weight");
  CHECK(canonical_name("embed_tokens.weight").empty());
  CHECK(canonical_name("lm_head.weight") == "output.weight");
  CHECK(canonical_name("language_model.lm_head.weight") == "output.weight");
  CHECK(canonical_name("model.norm.weight") == "output_norm.weight");
  CHECK(canonical_name("model.language_model.embed_tokens_per_layer.weight") ==
        "per_layer_token_embd.weight");
}

TEST_CASE("names: layers, with the numbering of the mixture-of-experts norms") {
  const std::string p = "model.language_model.layers.12.";
  CHECK(canonical_name(p + "self_attn.q_proj.weight") == "blk.12.attn_q.weight");
  CHECK(canonical_name(p + "input_layernorm.weight") == "blk.12.attn_norm.weight");
  CHECK(canonical_name(p + "post_attention_layernorm.weight") == "blk.12.post_attention_norm.weight");
  CHECK(canonical_name(p + "pre_feedforward_layernorm.weight") == "blk.12.ffn_norm.weight");
  CHECK(canonical_name(p + "post_feedforward_layernorm.weight") == "blk.12.post_ffw_norm.weight");
  CHECK(canonical_name(p + "pre_feedforward_layernorm_2.weight") == "blk.12.pre_ffw_norm_2.weight");
  CHECK(canonical_name(p + "post_feedforward_layernorm_1.weight") == "blk.12.post_ffw_norm_1.weight");
  CHECK(canonical_name(p + "post_feedforward_layernorm_2.weight") == "blk.12.post_ffw_norm_2.weight");
  CHECK(canonical_name(p + "layer_scalar") == "blk.12.layer_output_scale.weight");
  CHECK(canonical_name(p + "router.per_expert_scale") == "blk.12.ffn_down_exps.scale");
  CHECK(canonical_name(p + "router.scale") == "blk.12.ffn_gate_inp.scale");
  CHECK(canonical_name(p + "experts.gate_up_proj") == "blk.12.ffn_gate_up_exps.weight");
  CHECK(canonical_name(p + "experts.down_proj") == "blk.12.ffn_down_exps.weight");
  CHECK(canonical_name(p + "per_layer_projection.weight") == "blk.12.proj.weight");
}

TEST_CASE("names: what is no text tensor has none") {
  for (const char* name :
       {"model.vision_tower.layers.0.self_attn.q_proj.weight",
        "model.embed_vision.embedding_projection.weight", "model.audio_tower.norm.weight",
        "model.language_model.layers.0.self_attn.k_cache_scale",
        "model.language_model.layers.512.layer_scalar", "model.language_model.layers.01.layer_scalar",
        "model.language_model.layers.-1.layer_scalar", "model.language_model.layers..layer_scalar",
        "model.language_model.layers.99999999999999999999.layer_scalar", "model.language_model.layers.3",
        "model.language_model.layers.3.", "model.language_model.layers.", "model.language_model.", "model.",
        "", "token_embd.weight"}) {
    CAPTURE(name);
    CHECK(canonical_name(name).empty());
  }
  CHECK(canonical_name("model.layers.511.layer_scalar") == "blk.511.layer_output_scale.weight");
}

TEST_CASE("names: they translate to slots, all of them, and to nothing else") {
  constexpr lamina::Dims dims{.hidden = 8, .vocab = 8};
  constexpr lamina::AttnShape attention{.heads = 2, .kv_heads = 1, .head_dim = 8, .window = 4};
  constexpr lamina::MoeShape experts{.experts = 2, .active = 1, .expert_width = 4, .shared_width = 4};
  std::set<std::string_view> layer, global;
  const auto add = [](std::set<std::string_view>& names, const auto& slots) {
    for (const auto& slot : slots) names.insert(slot.name);
  };
  add(layer, lamina::attention_slots(attention, true, dims));
  add(layer, lamina::dense_ffn_slots(4, dims));
  add(layer, lamina::moe_ffn_slots(experts, dims));
  add(layer, lamina::per_layer_input_slots(4, dims));
  add(layer, lamina::layer_scale_slots);
  add(global, lamina::global_slots(dims, 4, 2, 8));
  for (const auto& pair : lamina::detail::layer_names) CHECK(layer.erase(pair.canonical) == 1);
  for (const auto& pair : lamina::detail::global_names) CHECK(global.erase(pair.canonical) == 1);
  for (const auto& pair : lamina::detail::drafter_names) {
    CHECK(canonical_name(pair.hugging_face) == pair.canonical);
    global.erase(pair.canonical);  // the order of the vocabulary is in no list: it is integers
  }
  // What is left has no name there: experts come fused, factors are synthesised, the head has a name of its
  // own.
  CHECK(layer == std::set<std::string_view>{"ffn_gate_exps.weight", "ffn_up_exps.weight"});
  CHECK(global == std::set<std::string_view>{"rope_freqs.weight", "output.weight"});
}
