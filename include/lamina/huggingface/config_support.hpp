// SPDX-License-Identifier: Apache-2.0
// What of a config.json can be run at all: model type, quantisation, activation, rotation.
// Source: weight-files.md §6.5 to §6.7, text-decoder.md §1.2.
#pragma once

#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/huggingface/json.hpp>
#include <lamina/weights/file_error.hpp>

namespace lamina::detail {

[[nodiscard]] inline Error unsupported_field(const JsonObject& part, std::string_view key,
                                             std::string_view what, std::string_view expected,
                                             std::string_view found, std::string_view hint = {}) {
  return file_error(ErrorCode::unsupported, part.where(key), what, expected, found, hint);
}

/// The object that holds the text model's fields: text-only exports have them at top level, all others under
/// `text_config`. Errors: unsupported (another model type), bad_file.
[[nodiscard]] inline Result<JsonObject> find_text_config(const JsonObject& root, std::string_view source) {
  if (!root.node()->is_object()) {
    return bad_file(place(source), "configuration is no object", "an object", root.node()->type_name());
  }
  const auto type = root.string_or_empty("model_type");
  if (!type) return type.error();
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

/// Refuses what this library has no kind or format for.
[[nodiscard]] inline Status refuse_unsupported(const JsonObject& root, const JsonObject& text_config) {
  for (const JsonObject* part : {&root, &text_config}) {
    const auto quantised = part->object("quantization_config");
    if (!quantised) return quantised.error();
    if (quantised->node() == nullptr) continue;
    const auto method = quantised->string_or_empty("quant_method");
    if (!method) return method.error();
    return file_error(ErrorCode::unsupported, part->where("quantization_config"),
                      "quantised Hugging Face checkpoints are not supported", "BF16, F16 or F32 weights",
                      method->empty() ? "another method" : *method,
                      "use the GGUF of this model, or the -unquantized one");
  }
  for (const char* key : {"hidden_activation", "hidden_act"}) {
    const auto activation = text_config.string_or_empty(key);
    if (!activation) return activation.error();
    if (!activation->empty() && *activation != "gelu_pytorch_tanh") {
      return unsupported_field(text_config, key, "activation is not supported", "gelu_pytorch_tanh",
                               *activation);
    }
  }
  const auto bias = text_config.boolean_or("attention_bias", false);
  if (!bias) return bias.error();
  if (*bias)
    return unsupported_field(text_config, "attention_bias", "attention with a bias is not supported", "false",
                             "true");
  const auto both_ways = text_config.string_or_empty("use_bidirectional_attention");
  if (!both_ways) return both_ways.error();
  if (!both_ways->empty() && *both_ways != "vision") {
    return unsupported_field(text_config, "use_bidirectional_attention",
                             "bidirectional attention is not supported", "null or vision", *both_ways);
  }
  return Done{};
}

/// Reads the rotation of one kind of layer; `base` keeps its value where the file is silent.
[[nodiscard]] inline Status read_rope(const JsonObject& all, std::string_view kind,
                                      std::string_view rope_type, float& base) {
  const auto rope = all.object(kind);
  if (!rope) return rope.error();
  if (rope->node() == nullptr) return Done{};  // published values, set by ModelDescription
  const auto type = rope->string_or_empty("rope_type");
  if (!type) return type.error();
  if (!type->empty() && *type != rope_type) {
    return file_error(ErrorCode::unsupported, rope->where("rope_type"), "rotation is not supported",
                      rope_type, *type);
  }
  const auto theta = rope->real("rope_theta");
  if (!theta) return theta.error();
  base = theta->value_or(base);
  const auto factor = rope->real("factor");
  if (!factor) return factor.error();
  const auto part = rope->real("partial_rotary_factor");
  if (!part) return part.error();
  const float expected_part = rope_type == "proportional" ? 0.25F : 1.0F;
  if (factor->value_or(1.0F) != 1.0F || part->value_or(1.0F) != expected_part) {
    return file_error(ErrorCode::unsupported, rope->where("partial_rotary_factor"),
                      "rotation is not supported",
                      text("partial_rotary_factor %g, factor 1", double{expected_part}),
                      text("%g, factor %g", double{part->value_or(1.0F)}, double{factor->value_or(1.0F)}));
  }
  return Done{};
}

}  // namespace lamina::detail
