// SPDX-License-Identifier: Apache-2.0
// GGUF metadata -> the model's structure, checked value by value, with distinct errors for files of other
// kinds. Source: weight-files.md §2.2 (keys), §2.5 and §2.6 (other kinds of files), §1.9 rules 17 and 18.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/weights/description_rules.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/metadata.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Checks that the file is a Gemma 4 text model, by `general.architecture` and `general.type`, never by name.
///
/// Errors   unsupported, with a message of its own for drafters, projectors, adapters, imatrix and other
///          models
[[nodiscard]] inline Status require_gemma4(const GgufMetadata& metadata) {
  constexpr std::string_view expected = "a Gemma 4 text model (architecture gemma4)";
  const auto named_architecture = metadata.string_or_empty("general.architecture");
  if (!named_architecture) return named_architecture.error();
  const auto named_type = metadata.string_or_empty("general.type");
  if (!named_type) return named_type.error();
  const std::string_view architecture = *named_architecture;
  const std::string_view type = *named_type;
  const auto refuse = [&](std::string_view what, std::string_view found, std::string_view hint) -> Error {
    return file_error(ErrorCode::unsupported, place(metadata.source(), "general.architecture"), what,
                      expected, found, hint);
  };
  if (type == "imatrix" || (architecture.empty() && metadata.find("imatrix.chunk_count") != nullptr)) {
    return refuse("file holds quantisation statistics, no model", "an imatrix file", "name the model itself");
  }
  if (type == "adapter")
    return refuse("file is a LoRA adapter, no model", "an adapter", "name the base model");
  if (type == "mmproj" || architecture == "clip") {
    return refuse("file is a vision/audio projector, no text model", "a projector (mmproj)",
                  "name the text model; the projector goes beside it");
  }
  if (architecture == "gemma4-assistant" || architecture == "gemma4_mtp" ||
      architecture == "gemma4_assistant") {
    return refuse("file is a multi-token-prediction drafter, no model of its own", architecture,
                  "name the model that the drafter belongs to");
  }
  if (architecture.empty()) {
    return bad_file(place(metadata.source(), "general.architecture"), "metadata key is missing", "gemma4",
                    "nothing", metadata.find("split.no") != nullptr ? "name the first shard" : "");
  }
  if (architecture != "gemma4") return refuse("model is of another architecture", architecture, "");
  return Done{};
}

/// Builds the description of a Gemma 4 model from GGUF metadata; K=V and the vocabulary come from the
/// tensors.
///
/// Requires  `tensors` is sorted by name
/// Errors    bad_file (a key is missing, of the wrong type, or out of range), unsupported (other architecture
///           or rotation); names the key
[[nodiscard]] Result<ModelDescription> describe_gguf(const GgufMetadata& metadata,
                                                     std::span<const TensorView> tensors);

/// Reads the sampling defaults and stop tokens of a GGUF file (§2.1, §2.4; rule 18).
///
/// Errors   bad_file (a token id outside the vocabulary, a value of the wrong type); names the key
[[nodiscard]] Result<GenerationDefaults> generation_defaults(const GgufMetadata& metadata,
                                                             std::int32_t vocab);

namespace detail {

/// Reads the keys of one model, part by part.
class GgufDescriber {
 public:
  /// `prefix` is that of the keys.
  GgufDescriber(const GgufMetadata& metadata, std::span<const TensorView> tensors,
                std::string_view prefix = "gemma4")
      : metadata_(metadata), tensors_(tensors), prefix_(prefix) {}

  [[nodiscard]] Result<ModelDescription> describe() {
    LAMINA_TRY(require_gemma4(metadata_));
    return read_all();
  }

 protected:
  [[nodiscard]] FixedText<160> key(std::string_view name) const noexcept {
    FixedText<160> whole(prefix_);
    whole.append(".");
    whole.append(name);
    return whole;
  }

  [[nodiscard]] Status read(std::string_view key, std::int32_t most, std::int32_t& out) const {
    const auto value = metadata_.integer(key, {1, most});
    if (!value) return value.error();
    out = static_cast<std::int32_t>(*value);
    return Done{};
  }

  /// All but what only drafters have.
  [[nodiscard]] Result<ModelDescription> read_all() {
    if (tensors_.empty()) {
      return file_error(ErrorCode::unsupported, place(metadata_.source()), "file holds no tensors", "a model",
                        "metadata only", "a file with only a vocabulary serves to tokenize, not to run");
    }
    LAMINA_TRY(read(key("block_count"), max_layers, model_.layer_count));
    LAMINA_TRY(read(key("context_length"), max_positions, model_.max_context));
    LAMINA_TRY(read(key("embedding_length"), max_width, model_.hidden));
    const auto per_layer = metadata_.integer_or(key("embedding_length_per_layer_input"), {0, max_width}, 0);
    if (!per_layer) return per_layer.error();
    model_.per_layer_input = static_cast<std::int32_t>(*per_layer);
    LAMINA_TRY(read_attention());
    LAMINA_TRY(read_feed_forward());
    LAMINA_TRY(read_scalars());
    LAMINA_TRY(read_vocab());
    LAMINA_TRY(check_description(model_, metadata_.source()));
    inherit_key_is_value(model_);
    return model_;
  }

  const GgufMetadata& metadata_;
  std::span<const TensorView> tensors_;
  ModelDescription model_;

 private:
  using PerLayer = std::array<std::int32_t, max_layers>;

  [[nodiscard]] bool is_drafter() const noexcept { return model_.target_hidden > 0; }

  [[nodiscard]] Status read_per_layer(std::string_view key, std::int64_t low, std::int64_t high,
                                      PerLayer& out) const {
    return metadata_.integers(key, {low, high},
                              std::span(out).first(static_cast<std::size_t>(model_.layer_count)));
  }

  [[nodiscard]] Status read_equal(std::string_view key, std::string_view other_key,
                                  std::int32_t value) const {
    std::int32_t other = 0;
    LAMINA_TRY(read(other_key, max_head_dim, other));
    if (other == value) return Done{};
    return bad_file(place(metadata_.source(), other_key), "head sizes of keys and values differ",
                    text("%d, as %.*s", value, static_cast<int>(key.size()), key.data()), text("%d", other));
  }

  // The published models rotate by the whole head size; anything else would need another layer kind.
  [[nodiscard]] Status check_rotation(std::string_view key, std::int32_t head_dim) const {
    const auto value = metadata_.integer_or(key, {1, max_head_dim}, head_dim);
    if (!value) return value.error();
    if (*value == head_dim) return Done{};
    return file_error(ErrorCode::unsupported, place(metadata_.source(), key),
                      "rotated size is not the head size", text("%d", head_dim),
                      text("%d", static_cast<int>(*value)));
  }

  [[nodiscard]] Status read_attention() {
    PerLayer heads{}, kv_heads{}, sliding{};
    LAMINA_TRY(read_per_layer(key("attention.head_count"), 1, max_heads, heads));
    kv_heads = heads;
    if (metadata_.find(key("attention.head_count_kv")) != nullptr) {
      LAMINA_TRY(read_per_layer(key("attention.head_count_kv"), 1, max_heads, kv_heads));
    }
    LAMINA_TRY(read_per_layer(key("attention.sliding_window_pattern"), 0, 1, sliding));
    std::int32_t global_dim = 0, local_dim = 0, window = 0;
    LAMINA_TRY(read(key("attention.key_length"), max_head_dim, global_dim));
    LAMINA_TRY(read_equal(key("attention.key_length"), key("attention.value_length"), global_dim));
    LAMINA_TRY(read(key("attention.key_length_swa"), max_head_dim, local_dim));
    LAMINA_TRY(read_equal(key("attention.key_length_swa"), key("attention.value_length_swa"), local_dim));
    LAMINA_TRY(check_rotation(key("rope.dimension_count"), global_dim));
    LAMINA_TRY(check_rotation(key("rope.dimension_count_swa"), local_dim));
    LAMINA_TRY(read(key("attention.sliding_window"), max_positions, window));
    const auto shared =
        metadata_.integer_or(key("attention.shared_kv_layers"),
                             {0, is_drafter() ? model_.layer_count : model_.layer_count - 1}, 0);
    if (!shared) return shared.error();
    const auto first_shared = static_cast<std::size_t>(is_drafter() ? 0 : model_.layer_count - *shared);
    for (std::size_t i = 0; i < static_cast<std::size_t>(model_.layer_count); ++i) {
      LayerDescription& layer = model_.layers[i];
      const bool is_local = sliding[i] != 0;
      layer.attention = is_local ? AttentionClass::local : AttentionClass::global;
      layer.heads = heads[i];
      layer.kv_heads = kv_heads[i];
      layer.head_dim = is_local ? local_dim : global_dim;
      layer.window = is_local ? window : 0;
      layer.owns_kv = i < first_shared;
      // There is no key for K=V: the value projection is simply not there (§2.2). Sliding layers always have
      // one.
      layer.key_is_value = layer.owns_kv && !is_local &&
                           find_tensor(tensors_, text("blk.%zu.attn_v.weight", i).view()) == nullptr;
    }
    return Done{};
  }

  [[nodiscard]] Status read_feed_forward() {
    PerLayer widths{};
    LAMINA_TRY(read_per_layer(key("feed_forward_length"), 1, max_width, widths));
    const auto experts = metadata_.integer_or(key("expert_count"), {0, max_experts}, 0);
    if (!experts) return experts.error();
    std::int32_t active = 0, expert_width = 0;
    if (*experts > 0) {
      LAMINA_TRY(read(key("expert_used_count"), static_cast<std::int32_t>(*experts), active));
      LAMINA_TRY(read(key("expert_feed_forward_length"), max_width, expert_width));
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(model_.layer_count); ++i) {
      LayerDescription& layer = model_.layers[i];
      layer.ffn_width = widths[i];
      layer.experts = static_cast<std::int32_t>(*experts);
      layer.active_experts = active;
      layer.expert_width = expert_width;
    }
    return Done{};
  }

  [[nodiscard]] Status read_scalars() {
    const auto epsilon = metadata_.real(key("attention.layer_norm_rms_epsilon"));
    if (!epsilon) return epsilon.error();
    const auto base = metadata_.real(key("rope.freq_base"));
    if (!base) return base.error();
    const auto local_base = metadata_.real_or(key("rope.freq_base_swa"), 10'000.0F);
    if (!local_base) return local_base.error();
    const auto cap = metadata_.real_or(key("final_logit_softcapping"), is_drafter() ? 0.0F : 30.0F);
    if (!cap) return cap.error();
    model_.norm_epsilon = *epsilon;
    model_.rope_base_global = *base;
    model_.rope_base_local = *local_base;
    model_.final_softcap = *cap;
    return Done{};
  }

  // The embedding decides; the other places that state the vocabulary's size must agree (rules 16, 18).
  [[nodiscard]] Status read_vocab() {
    const TensorView* embedding = find_tensor(tensors_, "token_embd.weight");
    if (embedding == nullptr) {
      return file_error(ErrorCode::mismatch, place(metadata_.source(), "token_embd.weight"),
                        "tensor is missing", "the token embedding", "nothing");
    }
    const std::uint64_t rows = embedding->dims[1];
    if (rows < 1 || rows > max_vocab) {
      return bad_file(place(metadata_.source(), "token_embd.weight"), "vocabulary is too large",
                      text("at most %d", max_vocab), text("%llu", static_cast<unsigned long long>(rows)));
    }
    model_.vocab = static_cast<std::int32_t>(rows);
    LAMINA_TRY(require_size(key("vocab_size"), metadata_.integer_or(key("vocab_size"), {1, max_vocab}, 0)));
    LAMINA_TRY(require_size("tokenizer.ggml.tokens", metadata_.strings_count("tokenizer.ggml.tokens")));
    for (const char* key : {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
      LAMINA_TRY(require_size(key, metadata_.numbers_count(key)));
    }
    return Done{};
  }

  template <class Size>
  [[nodiscard]] Status require_size(std::string_view key, const Result<Size>& size) const {
    if (!size) return size.error();
    if (metadata_.find(key) == nullptr || *size == static_cast<Size>(model_.vocab)) return Done{};
    return bad_file(place(metadata_.source(), key), "size differs from the rows of token_embd.weight",
                    text("%d", model_.vocab), text("%lld", static_cast<long long>(*size)));
  }

  std::string_view prefix_;
};

}  // namespace detail

inline Result<ModelDescription> describe_gguf(const GgufMetadata& metadata,
                                              std::span<const TensorView> tensors) {
  return detail::GgufDescriber(metadata, tensors).describe();
}

inline Result<GenerationDefaults> generation_defaults(const GgufMetadata& metadata, std::int32_t vocab) {
  GenerationDefaults defaults;
  const IntegerRange ids{0, vocab - 1};
  for (const char* key : {"bos", "unknown", "padding", "mask"}) {
    const auto id = metadata.integer_or(text("tokenizer.ggml.%s_token_id", key).view(), ids, 0);
    if (!id) return id.error();
  }
  if (metadata.find("tokenizer.ggml.eos_token_id") != nullptr) {
    const auto eos = metadata.integer("tokenizer.ggml.eos_token_id", ids);
    if (!eos) return eos.error();
    defaults.eos_tokens.push_back(static_cast<TokenId>(*eos));
  }
  const auto more_eos = metadata.integer_list("tokenizer.ggml.eos_token_ids", ids);
  if (!more_eos) return more_eos.error();
  for (const std::int32_t id : *more_eos) defaults.eos_tokens.push_back(static_cast<TokenId>(id));
  const auto suppressed = metadata.integer_list("tokenizer.ggml.suppress_tokens", ids);
  if (!suppressed) return suppressed.error();
  for (const std::int32_t id : *suppressed) defaults.suppress_tokens.push_back(static_cast<TokenId>(id));
  const auto top_k = metadata.integer_or("general.sampling.top_k", {0, max_vocab}, defaults.top_k);
  if (!top_k) return top_k.error();
  defaults.top_k = static_cast<std::int32_t>(*top_k);
  const auto top_p = metadata.real_or("general.sampling.top_p", defaults.top_p);
  if (!top_p) return top_p.error();
  defaults.top_p = *top_p;
  const auto temperature = metadata.real_or("general.sampling.temp", defaults.temperature);
  if (!temperature) return temperature.error();
  defaults.temperature = *temperature;
  return defaults;
}

}  // namespace lamina
