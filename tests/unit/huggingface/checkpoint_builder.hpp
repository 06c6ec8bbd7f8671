// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files and Hugging Face directories for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/schedule/description.hpp>
#include <lamina/weights/expected_tensors.hpp>
#include <lamina/huggingface/names.hpp>

#include "support/gguf_builder.hpp"

namespace builder {

/// A safetensors file: header text and data. Offsets are given by the order of `add`.
struct Safetensors {
  struct Tensor {
    std::string name, dtype;
    std::vector<std::uint64_t> shape;
    std::string data;
  };
  std::vector<Tensor> tensors;

  Safetensors& add(std::string name, std::string dtype, std::vector<std::uint64_t> shape, std::string data) {
    tensors.push_back({std::move(name), std::move(dtype), std::move(shape), std::move(data)});
    return *this;
  }

  [[nodiscard]] std::string build() const {
    std::string header = R"({"__metadata__":{"format":"pt"})", data;
    for (const Tensor& tensor : tensors) {
      header += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":[";
      for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        header += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
      }
      header += "],\"data_offsets\":[" + std::to_string(data.size()) + ",";
      data += tensor.data;
      header += std::to_string(data.size()) + "]}";
    }
    return raw_file(header + "}", data);
  }

  /// A file of a header as it is written.
  static std::string raw_file(std::string header, std::string_view data) {
    while (header.size() % 8 != 0) header += ' ';
    return raw(std::uint64_t{header.size()}) + header + std::string(data);
  }
};

/// Hugging Face name of a canonical one; only what the small models need.
inline std::string hugging_face_name(std::string_view canonical, std::string_view prefix) {
  const auto pairs_of = [](const auto& names, std::string_view wanted) {
    for (const auto& pair : names) {
      if (pair.canonical == wanted) return std::string(pair.hugging_face);
    }
    return std::string();
  };
  if (!canonical.starts_with("blk."))
    return std::string(prefix) + pairs_of(lamina::detail::global_names, canonical);
  canonical.remove_prefix(4);
  const std::size_t dot = canonical.find('.');
  return std::string(prefix) + "layers." + std::string(canonical.substr(0, dot)) + "." +
         pairs_of(lamina::detail::layer_names, canonical.substr(dot + 1));
}

/// All weights of a model in BF16, under Hugging Face names.
inline Safetensors checkpoint(const lamina::ModelDescription& model,
                              std::string_view prefix = "model.language_model.") {
  Safetensors file;
  const auto add = [&](const lamina::ExpectedTensor& tensor) -> lamina::Status {
    const bool fused = tensor.name.ends_with("ffn_gate_up_exps.weight");
    if (tensor.presence != lamina::Presence::required && !fused) return lamina::Done{};
    std::vector<std::uint64_t> shape{static_cast<std::uint64_t>(tensor.columns)};
    if (tensor.rows > 1 || tensor.stack > 1)
      shape.insert(shape.begin(), static_cast<std::uint64_t>(tensor.rows));
    if (tensor.stack > 1) shape.insert(shape.begin(), static_cast<std::uint64_t>(tensor.stack));
    const auto elements = static_cast<std::size_t>(tensor.columns * tensor.rows * tensor.stack);
    std::string data;
    for (std::size_t i = 0; i < elements; ++i) data += raw(static_cast<std::uint16_t>(0x3F80 + i % 16));
    file.add(hugging_face_name(tensor.name, prefix), "BF16", std::move(shape), std::move(data));
    return lamina::Done{};
  };
  (void)lamina::for_each_expected(model, add);
  return file;
}

/// config.json of `small_description()`, as published.
inline constexpr std::string_view small_config = R"({
 "architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "tie_word_embeddings": true,
 "eos_token_id": [1, 3], "vision_config": null,
 "text_config": {
  "model_type": "gemma4_text", "vocab_size": 6, "hidden_size": 8, "intermediate_size": 8,
  "hidden_activation": "gelu_pytorch_tanh", "num_attention_heads": 2, "num_key_value_heads": 1,
  "num_global_key_value_heads": null, "head_dim": 4, "global_head_dim": 8, "sliding_window": 16,
  "max_position_embeddings": 64, "rms_norm_eps": 1e-06, "final_logit_softcapping": 30.0, "attention_bias": false,
  "attention_k_eq_v": false, "num_kv_shared_layers": 1, "use_double_wide_mlp": true, "hidden_size_per_layer_input": 4,
  "vocab_size_per_layer_input": 6, "enable_moe_block": false, "num_experts": null, "num_hidden_layers": 3,
  "layer_types": ["sliding_attention", "full_attention", "full_attention"], "eos_token_id": 1,
  "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
   "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0, "partial_rotary_factor": 0.25}}
 }
})";

/// config.json of `small_moe_description()`, text-only layout.
inline constexpr std::string_view small_moe_config = R"({
 "model_type": "gemma4_text", "vocab_size": 6, "hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 4,
 "num_key_value_heads": 2, "num_global_key_value_heads": 1, "head_dim": 4, "global_head_dim": 8, "sliding_window": 16,
 "max_position_embeddings": 64, "attention_k_eq_v": true, "enable_moe_block": true, "num_experts": 3,
 "top_k_experts": 2, "moe_intermediate_size": 4, "num_hidden_layers": 2, "final_logit_softcapping": 30,
 "layer_types": ["sliding_attention", "full_attention"]
})";

/// `text` with the first `from` replaced; empty if it is not there, so that a test cannot pass by a typing
/// error.
inline std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result(text);
  const std::size_t at = result.find(from);
  return at == std::string::npos ? std::string() : result.replace(at, from.size(), to);
}

}  // namespace builder
