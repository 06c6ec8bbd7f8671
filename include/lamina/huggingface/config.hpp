// SPDX-License-Identifier: Apache-2.0
// config.json of a Hugging Face directory -> the model's structure, completed from tensor shapes where it is
// silent. Source: weight-files.md §6.5, text-decoder.md §1.3 (derived values; never hard-coded).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/huggingface/config_support.hpp>
#include <lamina/json/json.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/weights/description_rules.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Whose rows the head multiplies by, as a configuration says it.
enum class HeadKind : std::uint8_t {
  tied,       ///< the embedding's; a stored `lm_head` is a copy
  own,        ///< those of `lm_head`
  as_stored,  ///< its two levels contradict each other: `lm_head` if there is one
};

/// What config.json says about a text model.
struct HuggingFaceConfig {
  ModelDescription description;
  HeadKind head = HeadKind::tied;
  std::vector<TokenId> eos_tokens;  ///< generation_config.json is the better source if it is there
};

/// Reads config.json, as published or as saved again by newer transformers (`per_layer_config`).
///
/// Head sizes, key/value heads and the per-layer width that the file does not state are taken from `tensors`
/// (sorted, canonical names); without tensors, from the defaults of the configuration class. Settings that
/// change what is computed are applied or refused, those of earlier Gemma models too; keys that no version
/// reads are ignored.
///
/// Errors   out_of_memory;
///          bad_file (JSON, a missing field, a number out of range), unsupported (another model type, a
///          quantised checkpoint, an activation, rotation or attention this library has no kind for); names
///          the field
[[nodiscard]] Result<HuggingFaceConfig> read_config(std::span<const std::byte> json, std::string_view source,
                                                    std::span<const TensorView> tensors = {});

/// As above, of a drafter (mtp-assistant.md §2.1).
[[nodiscard]] Result<HuggingFaceConfig> read_drafter_config(std::span<const std::byte> json,
                                                            std::string_view source,
                                                            std::span<const TensorView> tensors = {});

namespace detail {

/// Reads the fields of one configuration, part by part.
class ConfigReader {
 public:
  ConfigReader(const nlohmann::json& root, std::string_view source, std::span<const TensorView> tensors,
               bool drafts = false)
      : root_(&root, source), text_(root_), source_(source), tensors_(tensors), drafts_(drafts) {}

  [[nodiscard]] Result<HuggingFaceConfig> read() {
    const auto inner = find_text_config(root_, source_, drafts_);
    if (!inner) return inner.error();
    text_ = inner->node() == root_.node() ? *inner : inner->with_outer(root_.node());
    LAMINA_TRY(refuse_contradictions(root_, text_));
    LAMINA_TRY(refuse_unsupported(text_));
    ModelDescription& model = config_.description;
    LAMINA_TRY(text_.required("num_hidden_layers", {1, max_layers}, model.layer_count));
    LAMINA_TRY(text_.required("hidden_size", {1, max_width}, model.hidden));
    if (drafts_) LAMINA_TRY(read_drafting());
    LAMINA_TRY(read_vocab());
    LAMINA_TRY(text_.required("max_position_embeddings", {1, max_positions}, model.max_context));
    LAMINA_TRY(read_scalars());
    LAMINA_TRY(read_layer_types());
    LAMINA_TRY(read_attention());
    LAMINA_TRY(read_feed_forward());
    LAMINA_TRY(read_overrides());
    derive_from_tensors();
    LAMINA_TRY(read_per_layer_input());
    LAMINA_TRY(read_tokens());
    for (std::size_t i = 0; i < layers(); ++i) {
      if (model.layers[i].head_dim > 0 && model.layers[i].kv_heads > 0) continue;
      return bad_file(place(source_, text("layer %zu", i)), "head size and key/value heads cannot be told",
                      "them in the configuration or the tensors", "neither");
    }
    LAMINA_TRY(check_description(model, source_));
    inherit_key_is_value(model);
    return std::move(config_);
  }

 private:
  [[nodiscard]] std::size_t layers() const noexcept {
    return static_cast<std::size_t>(config_.description.layer_count);
  }

  /// What only drafters state, at top level.
  [[nodiscard]] Status read_drafting() {
    ModelDescription& model = config_.description;
    LAMINA_TRY(root_.required("backbone_hidden_size", {1, max_width}, model.target_hidden));
    const auto ordered = root_.boolean_or("use_ordered_embeddings", false);
    if (!ordered) return ordered.error();
    if (!*ordered) return Done{};
    LAMINA_TRY(root_.required("num_centroids", {1, max_vocab}, model.clusters));
    return root_.required("centroid_intermediate_top_k", {1, model.clusters}, model.selected_clusters);
  }

  [[nodiscard]] Status read_vocab() {
    ModelDescription& model = config_.description;
    LAMINA_TRY(text_.required("vocab_size", {1, max_vocab}, model.vocab));
    const TensorView* embedding = find_tensor(tensors_, "token_embd.weight");
    if (embedding == nullptr || embedding->dims[1] == static_cast<std::uint64_t>(model.vocab)) return Done{};
    return file_error(ErrorCode::mismatch, text_.where("vocab_size"), "vocabulary does not fit the embedding",
                      text("%llu, its rows", static_cast<unsigned long long>(embedding->dims[1])),
                      text("%d", model.vocab));
  }

  [[nodiscard]] Status read_scalars() {
    ModelDescription& model = config_.description;
    const auto epsilon = text_.positive("rms_norm_eps");
    if (!epsilon) return epsilon.error();
    model.norm_epsilon = epsilon->value_or(1e-6F);
    const auto cap = text_.positive("final_logit_softcapping");
    if (!cap) return cap.error();
    model.final_softcap = cap->value_or(0.0F);  // the configuration class has no cap by default
    return RopeReader(root_, text_).read(model);
  }

  [[nodiscard]] Status read_layer_types() {
    ModelDescription& model = config_.description;
    const nlohmann::json* types = text_.find("layer_types");
    if (types != nullptr && !types->is_array()) return text_.wrong("layer_types", "an array", *types);
    if (types != nullptr && types->size() != layers()) {
      return bad_file(text_.where("layer_types"), "list does not fit num_hidden_layers",
                      text("an array of %zu", layers()), text("%zu", types->size()));
    }
    // The older way of saying it: every so many layers one is global.
    constexpr std::string_view pattern_keys[] = {"sliding_window_pattern", "_sliding_window_pattern"};
    std::array<std::size_t, 2> patterns{};
    for (std::size_t k = 0; k < patterns.size(); ++k) {
      const auto pattern = text_.integer(pattern_keys[k], {1, INT32_MAX});
      if (!pattern) return pattern.error();
      patterns[k] = static_cast<std::size_t>(pattern->value_or(0));
    }
    for (std::size_t i = 0; i < layers(); ++i) {
      const std::size_t pattern = patterns[0] != 0 ? patterns[0] : patterns[1] != 0 ? patterns[1] : 6;
      bool global = (i + 1) % pattern == 0;
      if (types != nullptr) {
        const nlohmann::json& type = (*types)[i];
        global = is_string(type, "full_attention");
        if (!global && !is_string(type, "sliding_attention")) {
          return unsupported_field(
              text_, "layer_types", "layer type is not supported", "sliding_attention or full_attention",
              type.is_string() ? std::string_view(type.get_ref<const std::string&>()) : type.type_name());
        }
      }
      if (i + 1 == layers()) global = true;  // the reference forces it
      for (std::size_t k = 0; k < patterns.size(); ++k) {
        if (patterns[k] == 0 || i + 1 == layers() || ((i + 1) % patterns[k] == 0) == global) continue;
        return bad_file(text_.where(pattern_keys[k]), "pattern contradicts the type of a layer",
                        global ? "full attention" : "sliding attention", text("the other at layer %zu", i));
      }
      model.layers[i].attention = global ? AttentionClass::global : AttentionClass::local;
    }
    return Done{};
  }

  [[nodiscard]] Status read_attention() {
    ModelDescription& model = config_.description;
    std::int32_t heads = 0, window = 0;
    LAMINA_TRY(text_.required("num_attention_heads", {1, max_heads}, heads));
    const auto is_local = [](const LayerDescription& layer) {
      return layer.attention == AttentionClass::local;
    };
    if (std::any_of(model.layers.begin(), model.layers.begin() + model.layer_count, is_local))
      LAMINA_TRY(text_.required("sliding_window", {1, max_positions}, window));
    // A drafter shares the keys and values of its target in all layers.
    const auto shared =
        text_.integer("num_kv_shared_layers", {0, drafts_ ? model.layer_count : model.layer_count - 1});
    if (!shared) return shared.error();
    const auto k_eq_v = text_.boolean_or("attention_k_eq_v", false);
    if (!k_eq_v) return k_eq_v.error();
    const auto kv = text_.integer("num_key_value_heads", {1, max_heads});
    if (!kv) return kv.error();
    const auto global_kv = text_.integer("num_global_key_value_heads", {1, max_heads});
    if (!global_kv) return global_kv.error();
    const auto local_dim = text_.integer("head_dim", {1, max_head_dim});
    if (!local_dim) return local_dim.error();
    const auto global_dim = text_.integer("global_head_dim", {1, max_head_dim});
    if (!global_dim) return global_dim.error();
    first_shared_ = drafts_ ? 0 : layers() - static_cast<std::size_t>(shared->value_or(0));
    for (std::size_t i = 0; i < layers(); ++i) {
      LayerDescription& layer = model.layers[i];
      const bool global = layer.attention == AttentionClass::global;
      layer.owns_kv = i < first_shared_;
      layer.heads = heads;
      layer.window = global ? 0 : window;
      layer.key_is_value = layer.owns_kv && global && *k_eq_v;
      // 0 stands for "not stated"; derive_from_tensors fills it.
      layer.head_dim = (global ? *global_dim : *local_dim).value_or(0);
      layer.kv_heads = kv->value_or(0);
      if (global && *k_eq_v) layer.kv_heads = global_kv->value_or(0);
      default_head_dim_[i] = global ? 512 : 256;
      default_kv_heads_[i] = kv->value_or(0);
    }
    has_global_head_dim_ = global_dim->has_value();
    base_head_dim_ = local_dim->value_or(0);
    return Done{};
  }

  [[nodiscard]] Status read_feed_forward() {
    ModelDescription& model = config_.description;
    std::int32_t width = 0;
    LAMINA_TRY(text_.required("intermediate_size", {1, max_width / 2}, width));
    const auto double_wide = text_.boolean_or("use_double_wide_mlp", false);
    if (!double_wide) return double_wide.error();
    const auto moe = text_.boolean_or("enable_moe_block", false);
    if (!moe) return moe.error();
    std::int32_t experts = 0, active = 0, expert_width = 0;
    if (*moe) {
      LAMINA_TRY(text_.required("num_experts", {1, max_experts}, experts));
      LAMINA_TRY(text_.required("top_k_experts", {1, experts}, active));
      LAMINA_TRY(text_.required("moe_intermediate_size", {1, max_width}, expert_width));
    }
    for (std::size_t i = 0; i < layers(); ++i) {
      LayerDescription& layer = model.layers[i];
      layer.ffn_width = *double_wide && i >= first_shared_ ? 2 * width : width;
      layer.experts = experts;
      layer.active_experts = active;
      layer.expert_width = expert_width;
    }
    return Done{};
  }

  // Newer transformers write, per full-attention layer, what differs from the top level, and drop the
  // global_* fields.
  [[nodiscard]] Status read_overrides() {
    const auto overrides = text_.object("per_layer_config");
    if (!overrides) return overrides.error();
    if (overrides->node() == nullptr) return Done{};
    if (!has_global_head_dim_) {
      for (std::size_t i = 0; i < layers(); ++i) {
        LayerDescription& layer = config_.description.layers[i];
        if (layer.attention != AttentionClass::global) continue;
        layer.head_dim = base_head_dim_;
        if (layer.kv_heads == 0) layer.kv_heads = default_kv_heads_[i];
      }
    }
    std::array<bool, max_layers> seen{};
    for (const auto& [key, fields] : overrides->node()->items()) {
      std::size_t index = 0;
      for (const char c : key)
        index = c >= '0' && c <= '9' && index < layers() ? index * 10 + static_cast<std::size_t>(c - '0')
                                                         : layers();
      if (key.empty() || index >= layers() || std::exchange(seen[index], true)) {
        return bad_file(text_.where("per_layer_config"), "key is no layer number",
                        text("0 to %zu, each once", layers() - 1), key);
      }
      LAMINA_TRY(read_override(JsonObject(&fields, source_, "per_layer_config." + key), index));
    }
    return Done{};
  }

  [[nodiscard]] Status read_override(const JsonObject& fields, std::size_t index) {
    if (!fields.node()->is_object()) {
      return bad_file(place(source_, text("per_layer_config.%zu", index)), "field has the wrong type",
                      "an object", fields.node()->type_name());
    }
    LayerDescription& layer = config_.description.layers[index];
    struct Known {
      std::string_view key;
      std::int32_t* value;
      std::int32_t most;
    };
    const Known known[] = {{"head_dim", &layer.head_dim, max_head_dim},
                           {"num_key_value_heads", &layer.kv_heads, max_heads},
                           {"num_attention_heads", &layer.heads, max_heads},
                           {"intermediate_size", &layer.ffn_width, max_width}};
    for (const auto& [key, value] : fields.node()->items()) {
      std::int32_t* out = nullptr;
      std::int32_t most = 0;
      for (const Known& field : known) {
        if (field.key == key) std::tie(out, most) = std::pair(field.value, field.most);
      }
      if (out == nullptr) {
        return file_error(ErrorCode::unsupported, fields.where(key), "per-layer field is not supported",
                          "head_dim, num_key_value_heads, num_attention_heads or intermediate_size", key);
      }
      LAMINA_TRY(fields.required(key, {1, most}, *out));
    }
    return Done{};
  }

  // The robust source for what the file does not state (§6.5); what it states is checked against the shapes
  // later.
  void derive_from_tensors() {
    for (std::size_t i = 0; i < layers(); ++i) {
      LayerDescription& layer = config_.description.layers[i];
      const auto size_of_dimension = [&](const char* name, std::size_t d) -> std::uint64_t {
        const TensorView* tensor = find_tensor(tensors_, text("blk.%zu.%s", i, name).view());
        return tensor == nullptr ? 0 : tensor->dims[d];
      };
      const auto fits = [](std::uint64_t value, std::int32_t most) {
        return value > 0 && value <= static_cast<std::uint64_t>(most);
      };
      if (layer.head_dim == 0) {
        const std::uint64_t norm = size_of_dimension("attn_q_norm.weight", 0);
        layer.head_dim = fits(norm, max_head_dim) ? static_cast<std::int32_t>(norm) : default_head_dim_[i];
      }
      if (layer.kv_heads == 0) {
        const std::uint64_t heads =
            size_of_dimension("attn_k.weight", 1) / static_cast<std::uint64_t>(layer.head_dim);
        layer.kv_heads = fits(heads, max_heads) ? static_cast<std::int32_t>(heads) : default_kv_heads_[i];
      }
    }
  }

  [[nodiscard]] Status read_per_layer_input() {
    ModelDescription& model = config_.description;
    const auto stated = text_.integer("hidden_size_per_layer_input", {0, max_width});
    if (!stated) return stated.error();
    const TensorView* norm = find_tensor(tensors_, "per_layer_proj_norm.weight");
    const std::uint64_t shown = norm == nullptr ? 0 : norm->dims[0];
    model.per_layer_input = stated->value_or(
        shown <= static_cast<std::uint64_t>(max_width) ? static_cast<std::int32_t>(shown) : 0);
    const auto vocab = text_.integer("vocab_size_per_layer_input", {0, max_vocab});
    if (!vocab) return vocab.error();
    if (model.per_layer_input == 0 || vocab->value_or(model.vocab) == model.vocab) return Done{};
    return file_error(ErrorCode::mismatch, text_.where("vocab_size_per_layer_input"),
                      "per-layer embedding has another vocabulary", text("%d", model.vocab),
                      text("%d", **vocab));
  }

  [[nodiscard]] Status read_tokens() {
    const auto inner = text_.boolean_or("tie_word_embeddings", true);
    if (!inner) return inner.error();
    const auto outer = root_.boolean_or("tie_word_embeddings", *inner);
    if (!outer) return outer.error();
    config_.head = *outer != *inner ? HeadKind::as_stored : *inner ? HeadKind::tied : HeadKind::own;
    for (const JsonObject* part : {&root_, &text_}) {
      const auto eos = part->integers("eos_token_id", {0, config_.description.vocab - 1});
      if (!eos) return eos.error();
      if (!config_.eos_tokens.empty()) continue;
      for (const std::int32_t id : *eos) config_.eos_tokens.push_back(static_cast<TokenId>(id));
    }
    return Done{};
  }

  JsonObject root_;
  JsonObject text_;
  std::string_view source_;
  std::span<const TensorView> tensors_;
  bool drafts_;
  HuggingFaceConfig config_;
  std::size_t first_shared_ = 0;
  bool has_global_head_dim_ = false;
  std::int32_t base_head_dim_ = 0;
  std::array<std::int32_t, max_layers> default_head_dim_{};
  std::array<std::int32_t, max_layers> default_kv_heads_{};
};

}  // namespace detail

namespace detail {

[[nodiscard]] inline Result<HuggingFaceConfig> read_config_of(std::span<const std::byte> json,
                                                              std::string_view source,
                                                              std::span<const TensorView> tensors,
                                                              bool drafts) {
  return guard_memory(source, [&]() -> Result<HuggingFaceConfig> {
    const auto root = parse_json(json, source);
    if (!root) return root.error();
    return ConfigReader(*root, source, tensors, drafts).read();
  });
}

}  // namespace detail

inline Result<HuggingFaceConfig> read_config(std::span<const std::byte> json, std::string_view source,
                                             std::span<const TensorView> tensors) {
  return detail::read_config_of(json, source, tensors, false);
}

inline Result<HuggingFaceConfig> read_drafter_config(std::span<const std::byte> json, std::string_view source,
                                                     std::span<const TensorView> tensors) {
  return detail::read_config_of(json, source, tensors, true);
}

}  // namespace lamina
