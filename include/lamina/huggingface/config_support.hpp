// SPDX-License-Identifier: Apache-2.0
// What of a config.json can be run at all: model type, quantisation, activation, attention.
// Source: weight-files.md §6.5 to §6.7, text-decoder.md §1.2.
#pragma once

#include <algorithm>
#include <string_view>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/json/json.hpp>
#include <lamina/huggingface/rope_config.hpp>
#include <lamina/core/file_error.hpp>

namespace lamina::detail {

[[nodiscard]] inline Error unsupported_field(const JsonObject& part, std::string_view key,
                                             std::string_view what, std::string_view expected,
                                             std::string_view found, std::string_view hint = {}) {
  return file_error(ErrorCode::unsupported, part.where(key), what, expected, found, hint);
}

/// The object that holds the text model's fields: text-only exports have them at top level, all others under
/// `text_config`. `drafts` asks for a drafter's. Errors: unsupported (another model type), bad_file.
[[nodiscard]] inline Result<JsonObject> find_text_config(const JsonObject& root, std::string_view source,
                                                         bool drafts = false) {
  if (!root.node()->is_object()) {
    return bad_file(place(source), "configuration is no object", "an object", root.node()->type_name());
  }
  const auto type = root.string_or_empty("model_type");
  if (!type) return type.error();
  if (drafts) {
    if (*type != "gemma4_assistant" && *type != "gemma4_unified_assistant") {
      return unsupported_field(
          root, "model_type", "directory holds no drafter", "gemma4_assistant or gemma4_unified_assistant",
          type->empty() ? "nothing" : *type, "name the directory of the model's -assistant");
    }
    auto inner = root.object("text_config");
    if (inner && inner->node() == nullptr)
      return bad_file(root.where("text_config"), "field is missing", "an object", "nothing");
    return inner;
  }
  if (*type == "gemma4_text" || *type == "gemma4_unified_text") return root;
  if (type->find("assistant") != std::string_view::npos) {
    return unsupported_field(root, "model_type",
                             "directory holds a multi-token-prediction drafter, no model of its own",
                             "gemma4", *type, "name the model that the drafter belongs to");
  }
  if (*type != "gemma4" && *type != "gemma4_unified") {
    return unsupported_field(root, "model_type", "model is of another type",
                             "gemma4, gemma4_unified or gemma4_text", type->empty() ? "nothing" : *type);
  }
  const auto inner = root.object("text_config");
  if (!inner) return inner.error();
  if (inner->node() == nullptr) {
    return bad_file(root.where("text_config"), "field is missing", "an object", "nothing");
  }
  const auto inner_type = inner->string_or_empty("model_type");
  if (!inner_type) return inner_type.error();
  if (inner_type->empty() || *inner_type == "gemma4_text" || *inner_type == "gemma4_unified_text")
    return *inner;
  return unsupported_field(*inner, "model_type", "text model is of another type", "gemma4_text", *inner_type);
}

/// A setting at top level speaks for a text_config that is silent; the two must not contradict each other.
/// Sizes are not compared: tensors tell which is right.
[[nodiscard]] inline Status refuse_contradictions(const JsonObject& root, const JsonObject& text_config) {
  const auto compare = [&](std::string_view key) -> Status {
    const nlohmann::json* outside = root.find(key);
    const nlohmann::json* inside = text_config.find(key);
    if (!JsonObject::says_something(outside) || outside == inside || *outside == *inside) return Done{};
    return bad_file(root.where(key), "setting contradicts the one of text_config", inside->dump(),
                    outside->dump());
  };
  for (const std::string_view key : rope_keys) LAMINA_TRY(compare(key));
  for (const char* key : {"hidden_activation", "hidden_act", "rms_norm_eps", "final_logit_softcapping",
                          "sliding_window", "layer_types", "attention_k_eq_v", "num_kv_shared_layers"}) {
    LAMINA_TRY(compare(key));
  }
  return Done{};
}

/// Refuses quantised checkpoints; what a tool leaves behind when nothing is quantised is no such thing.
[[nodiscard]] inline Status refuse_quantised(const JsonObject& text_config) {
  // The second key is that of MLX's repacks.
  for (const char* key : {"quantization_config", "quantization"}) {
    const auto quantised = text_config.object(key);
    if (!quantised) return quantised.error();
    const nlohmann::json* fields = quantised->node();
    if (fields == nullptr || std::none_of(fields->begin(), fields->end(), [](const nlohmann::json& field) {
          return JsonObject::says_something(&field);
        })) {
      continue;
    }
    const auto method = quantised->string_or_empty("quant_method");
    if (!method) return method.error();
    if (*method == "none") continue;
    return file_error(ErrorCode::unsupported, text_config.where(key),
                      "quantised Hugging Face checkpoints are not supported", "BF16, F16 or F32 weights",
                      method->empty() ? "another method" : *method,
                      "use the GGUF of this model, or the -unquantized one");
  }
  return Done{};
}

/// Refuses what this library has no kind or format for. `text_config` sees through to the top level.
[[nodiscard]] inline Status refuse_unsupported(const JsonObject& text_config) {
  LAMINA_TRY(refuse_quantised(text_config));
  for (const char* key : {"hidden_activation", "hidden_act"}) {
    const auto activation = text_config.string_or_empty(key);
    if (!activation) return activation.error();
    if (!activation->empty() && *activation != "gelu_pytorch_tanh") {
      return unsupported_field(text_config, key, "activation is not supported", "gelu_pytorch_tanh",
                               *activation);
    }
  }
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    const auto bias = text_config.boolean_or(key, false);
    if (!bias) return bias.error();
    if (*bias) return unsupported_field(text_config, key, "bias is not supported", "false", "true");
  }
  // Earlier Gemma models cap attention scores and scale queries; Gemma 4 does neither.
  if (const nlohmann::json* cap = text_config.find("attn_logit_softcapping")) {
    return unsupported_field(text_config, "attn_logit_softcapping",
                             "cap of attention scores is not supported", "null", cap->dump());
  }
  const auto scalar = text_config.real("query_pre_attn_scalar");
  if (!scalar) return scalar.error();
  if (scalar->value_or(1.0F) != 1.0F) {
    return unsupported_field(text_config, "query_pre_attn_scalar", "scale of attention is not supported", "1",
                             text("%g", double{**scalar}));
  }
  constexpr std::string_view both_ways = "use_bidirectional_attention";
  const nlohmann::json* direction = text_config.find(both_ways);
  if (direction == nullptr || *direction == false || is_string(*direction, "") ||
      is_string(*direction, "vision"))
    return Done{};
  if (!direction->is_string() && !direction->is_boolean())
    return text_config.wrong(both_ways, "null or a string", *direction);
  return unsupported_field(text_config, both_ways, "bidirectional attention is not supported",
                           "null, false or vision", direction->dump());
}

}  // namespace lamina::detail
