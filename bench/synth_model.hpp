// SPDX-License-Identifier: Apache-2.0
// What a synthetic model file holds: the mix of encodings published files have, metadata, and each tensor's
// numbers. Source: weight-files.md §2 (keys), §3 (tensors), §5.1 to §5.3 (mixes).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/formats/format.hpp>
#include <lamina/schedule/describe.hpp>
#include <lamina/schedule/weight_totals.hpp>
#include <lamina/weights/check_tensors.hpp>

#include "gguf_writer.hpp"
#include "synth_vocabulary.hpp"

namespace bench {

using lamina::Format;

/// The encodings of a published file "in format X": the matrices in X, some tensors in others (§5.1).
struct PublishedMix {
  Format format;
  int layers;
  bool has_experts;

  [[nodiscard]] Format operator()(const lamina::WeightFact& weight) const noexcept {
    if (weight.use == lamina::SlotUse::vector) return Format::f32;
    return lamina::stored_format(wanted(weight), weight.columns);
  }

 private:
  [[nodiscard]] Format wanted(const lamina::WeightFact& weight) const noexcept {
    if (lamina::is_float(format)) return format;
    if (weight.name == "per_layer_model_proj.weight")
      return Format::f16;  // quantisers keep the source's type
    if (weight.layer < 0) return table_format();
    if (format == Format::mxfp4 && has_experts && weight.stack == 1) return Format::q8_0;
    const bool is_medium_mix = format == Format::q4_k || format == Format::q5_k;
    const bool may_be_raised = weight.name == "attn_v.weight" || weight.name.starts_with("ffn_down");
    return is_medium_mix && may_be_raised && uses_more_bits(weight.layer) ? Format::q6_k : format;
  }

  /// The token embedding (it is the head, too) and the per-layer embedding.
  [[nodiscard]] Format table_format() const noexcept {
    switch (format) {
      case Format::q8_0:
      case Format::mxfp4:
        return Format::q8_0;
      case Format::nvfp4:
        return Format::bf16;
      case Format::iq1_s:
      case Format::iq1_m:
      case Format::iq2_xxs:
      case Format::iq2_xs:
      case Format::iq2_s:
      case Format::iq3_xxs:
        return Format::q5_k;
      default:
        return Format::q6_k;
    }
  }

  /// The layers whose attn_v and ffn_down "M" mixes raise to Q6_K.
  [[nodiscard]] bool uses_more_bits(int layer) const noexcept {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
  }
};

/// How a tensor's numbers are made.
struct Numbers {
  float mean = 0;
  float deviation = 0;  ///< of random numbers; 0: rotation divisors
};

/// One tensor to write.
struct SynthTensor {
  GgufTensor tensor;
  Numbers numbers;
};

namespace detail {

/// "blk.12.attn_q.weight" -> 12 and "attn_q.weight"; -1 and the whole name outside the layers.
struct TensorPlace {
  int layer = -1;
  std::string_view name;

  explicit TensorPlace(std::string_view full) : name(full) {
    if (!full.starts_with("blk.")) return;
    const std::size_t dot = full.find('.', 4);
    layer = std::stoi(std::string(full.substr(4, dot - 4)));
    name = full.substr(dot + 1);
  }
};

/// Sizes that keep activations finite and attention, routing and layers in the range of trained models.
inline Numbers numbers_of(const lamina::ModelDescription& model, const TensorPlace& place,
                          const lamina::ExpectedTensor& tensor) {
  const auto root = [](std::int64_t n) { return std::sqrt(static_cast<float>(n)); };
  if (place.name == "rope_freqs.weight") return {1.0F, 0.0F};
  if (place.name == "layer_output_scale.weight") return {0.85F, 0.05F};
  // Scores are not divided by sqrt(head_dim): the norm keeps them modest.
  if (place.name == "attn_k_norm.weight") return {2.0F / root(tensor.columns), 0.2F / root(tensor.columns)};
  // The router divides by sqrt(hidden): undone here, or it would choose by chance.
  if (place.name == "ffn_gate_inp.scale") return {1.5F * root(tensor.columns), 0.15F * root(tensor.columns)};
  if (place.name == "per_layer_token_embd.weight") return {0.0F, 1.0F / root(model.per_layer_input)};
  const bool is_vector = tensor.use == lamina::SlotUse::vector && tensor.rows == 1;
  return is_vector ? Numbers{1.0F, 0.1F} : Numbers{0.0F, 1.0F / root(tensor.columns)};
}

/// `general.file_type` of a mix (§1.5).
inline std::uint32_t file_type(Format format) {
  switch (format) {
    case Format::f32:
      return 0;
    case Format::f16:
      return 1;
    case Format::q4_0:
      return 2;
    case Format::q4_1:
      return 3;
    case Format::q8_0:
      return 7;
    case Format::q5_0:
      return 8;
    case Format::q5_1:
      return 9;
    case Format::q2_k:
      return 10;
    case Format::q3_k:
      return 12;
    case Format::q4_k:
      return 15;
    case Format::q5_k:
      return 17;
    case Format::q6_k:
      return 18;
    case Format::iq2_xxs:
      return 19;
    case Format::iq2_xs:
      return 20;
    case Format::iq3_xxs:
      return 23;
    case Format::iq1_s:
      return 24;
    case Format::iq4_nl:
      return 25;
    case Format::iq3_s:
      return 26;
    case Format::iq2_s:
      return 28;
    case Format::iq4_xs:
      return 30;
    case Format::iq1_m:
      return 31;
    case Format::bf16:
      return 32;
    case Format::mxfp4:
      return 38;
    default:
      return 1024;  // "guessed": no number is defined for the mix
  }
}

inline constexpr std::string_view chat_template =
    "{{ bos_token }}{% for m in messages %}<|turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] }}<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}";

}  // namespace detail

/// All tensors of a file of `model`, in the order in which they are written.
template <class FormatOf>
[[nodiscard]] lamina::Result<std::vector<SynthTensor>> synth_tensors(const lamina::ModelDescription& model,
                                                                     const FormatOf& format_of) {
  std::vector<SynthTensor> tensors;
  LAMINA_TRY(lamina::for_each_expected(model, [&](const lamina::ExpectedTensor& tensor) -> lamina::Status {
    const detail::TensorPlace place(tensor.name);
    // Published files tie the head, and have the experts' gate and up matrices fused.
    if (place.name == "output.weight" || place.name == "ffn_gate_exps.weight" ||
        place.name == "ffn_up_exps.weight") {
      return lamina::Done{};
    }
    const auto size = [](std::int64_t n) { return static_cast<int>(n); };
    const lamina::WeightFact fact{place.name,           place.layer,        size(tensor.rows),
                                  size(tensor.columns), size(tensor.stack), tensor.use};
    std::vector<std::uint64_t> dims{static_cast<std::uint64_t>(tensor.columns)};
    if (tensor.rows > 1 || tensor.stack > 1) dims.push_back(static_cast<std::uint64_t>(tensor.rows));
    if (tensor.stack > 1) dims.push_back(static_cast<std::uint64_t>(tensor.stack));
    tensors.push_back({{std::string(tensor.name), format_of(fact), std::move(dims)},
                       detail::numbers_of(model, place, tensor)});
    return lamina::Done{};
  }));
  if (model.clusters > 0) {
    tensors.push_back(
        {{"masked_embd_ordering", Format::i32, {static_cast<std::uint64_t>(model.vocab)}}, {0.0F, 1.0F}});
  }
  return tensors;
}

/// The metadata of a file of `model`, vocabulary included.
[[nodiscard]] inline GgufEntries synth_entries(const lamina::ModelDescription& model, Format format,
                                               std::string_view name, std::uint64_t seed) {
  GgufEntries entries;
  const bool drafts = model.target_hidden > 0;
  const std::string architecture = drafts ? "gemma4-assistant" : "gemma4";
  const auto key = [&](std::string_view field) { return architecture + "." + std::string(field); };
  entries.string("general.architecture", architecture);
  entries.string("general.type", "model");
  entries.string("general.name",
                 "Synthetic " + std::string(name) + " (random weights, seed " + std::to_string(seed) + ")");
  entries.u32("general.quantization_version", 2);
  entries.u32("general.file_type", detail::file_type(format));
  entries.u32("general.alignment", gguf_alignment);

  std::vector<std::int32_t> widths, kv_heads;
  std::vector<std::uint8_t> is_local;
  lamina::LayerDescription local, global;
  int shared = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(model.layer_count); ++i) {
    const lamina::LayerDescription& layer = model.layers[i];
    widths.push_back(layer.ffn_width);
    kv_heads.push_back(layer.kv_heads);
    is_local.push_back(layer.attention == lamina::AttentionClass::local ? 1 : 0);
    (is_local.back() != 0 ? local : global) = layer;
    shared += layer.owns_kv ? 0 : 1;
  }
  const lamina::LayerDescription& first = model.layers[0];
  entries.u32(key("block_count"), model.layer_count);
  entries.u32(key("context_length"), model.max_context);
  entries.u32(key("embedding_length"), model.hidden);
  entries.list(key("feed_forward_length"), widths);
  entries.u32(key("attention.head_count"), first.heads);
  entries.list(key("attention.head_count_kv"), kv_heads);
  entries.u32(key("attention.key_length"), global.head_dim);
  entries.u32(key("attention.value_length"), global.head_dim);
  entries.u32(key("attention.key_length_swa"), local.head_dim);
  entries.u32(key("attention.value_length_swa"), local.head_dim);
  entries.u32(key("attention.sliding_window"), local.window);
  entries.booleans(key("attention.sliding_window_pattern"), is_local);
  entries.u32(key("attention.shared_kv_layers"), shared);
  entries.f32(key("attention.layer_norm_rms_epsilon"), model.norm_epsilon);
  entries.f32(key("rope.freq_base"), model.rope_base_global);
  entries.f32(key("rope.freq_base_swa"), model.rope_base_local);
  entries.u32(key("rope.dimension_count"), global.head_dim);
  entries.u32(key("rope.dimension_count_swa"), local.head_dim);
  entries.u32(key("embedding_length_per_layer_input"), model.per_layer_input);
  if (drafts) {
    entries.u32(key("embedding_length_out"), model.target_hidden);
    entries.u32(key("nextn_predict_layers"), model.layer_count);
    entries.boolean(key("use_ordered_embeddings"), model.clusters > 0);
    entries.u32(key("n_centroids"), model.clusters);
    entries.u32(key("centroid_top_k"), model.selected_clusters);
    return entries;  // the vocabulary is the target's
  }
  entries.f32(key("final_logit_softcapping"), model.final_softcap);
  if (first.experts > 0) {
    entries.u32(key("expert_count"), first.experts);
    entries.u32(key("expert_used_count"), first.active_experts);
    entries.u32(key("expert_feed_forward_length"), first.expert_width);
  }

  const SynthVocabulary vocabulary = VocabularyBuilder(static_cast<std::size_t>(model.vocab), seed).build();
  entries.string("tokenizer.ggml.model", "gemma4");
  entries.list("tokenizer.ggml.tokens", vocabulary.tokens);
  entries.list("tokenizer.ggml.scores", std::vector<float>(vocabulary.tokens.size(), -1000.0F));
  entries.list("tokenizer.ggml.token_type", vocabulary.types);
  entries.list("tokenizer.ggml.merges", vocabulary.merges);
  entries.u32("tokenizer.ggml.bos_token_id", 2);
  entries.u32("tokenizer.ggml.eos_token_id", 1);
  entries.u32("tokenizer.ggml.unknown_token_id", 3);
  entries.u32("tokenizer.ggml.padding_token_id", 0);
  entries.u32("tokenizer.ggml.mask_token_id", 4);
  entries.boolean("tokenizer.ggml.add_space_prefix", false);
  entries.boolean("tokenizer.ggml.add_bos_token", true);
  entries.string("tokenizer.chat_template", detail::chat_template);
  return entries;
}

}  // namespace bench
