// SPDX-License-Identifier: Apache-2.0
// A weight file for a user's own model type: from a GGUF of any architecture, or from tensors in memory.
// Source: weight-files.md §2.2 (keys), §3.2 (names); the structure is what the type says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/schedule/describe.hpp>
#include <lamina/schedule/facts.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/description_rules.hpp>
#include <lamina/weights/expected_tensors.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Numbers that a model needs, and neither its type nor its tensors state.
struct ModelScalars {
  float norm_epsilon = 1e-6F;
  float rope_base_local = 10'000.0F;
  float rope_base_global = 1'000'000.0F;
  float final_softcap = 0;       ///< 0: off; Gemma 4 has 30
  std::int32_t max_context = 0;  ///< tokens; 0: what the type says
};

/// Calls `visit(std::string_view prefix, const auto& slots) -> Status` for every slot list of a model type,
/// in the order of `visit_slot_lists`, until one is an error.
template <Variant V, class Visitor>
[[nodiscard]] Status for_each_slot_list(Visitor&& visit) {
  Status status = Done{};
  visit_slot_lists<V>([&](int layer, const auto& slots) {
    const FixedText<160> prefix = layer < 0 ? FixedText<160>() : text("blk.%d.", layer);
    status = visit(prefix.view(), slots);
    return static_cast<bool>(status);
  });
  return status;
}

namespace detail {

/// Checks that `file` has every tensor of model `V`, and gives it the description of the type.
template <Variant V>
[[nodiscard]] Status complete_weight_file(const ModelScalars& scalars, std::string_view name,
                                          WeightFile& file) {
  file.description = describe<V>();
  file.description.norm_epsilon = scalars.norm_epsilon;
  file.description.rope_base_local = scalars.rope_base_local;
  file.description.rope_base_global = scalars.rope_base_global;
  file.description.final_softcap = scalars.final_softcap;
  if (scalars.max_context > 0) file.description.max_context = scalars.max_context;
  LAMINA_TRY(check_scalars(file.description, name));
  std::size_t used = 0;
  const auto find = [&](std::string_view tensor) { return file.find(tensor); };
  LAMINA_TRY(for_each_slot_list<V>([&](std::string_view prefix, const auto& slots) -> Status {
    return check_slots(prefix, slots, find, name, used);
  }));
  LAMINA_TRY(check_rope_factors(file.find("rope_freqs.weight"), name));
  file.ignored_tensors = file.tensors.size() - used;
  return Done{};
}

/// The keys `<architecture>.…` of a GGUF file.
class ArchitectureKeys {
 public:
  ArchitectureKeys(const GgufMetadata& metadata, std::string_view architecture)
      : metadata_(metadata), architecture_(architecture) {}

  /// What shapes of tensors do not tell must be what the type says, where the file states it.
  [[nodiscard]] Status check_structure(const ModelDescription& model) const {
    const std::size_t layers = static_cast<std::size_t>(model.layer_count);
    std::vector<std::int32_t> expected(layers);
    const auto check = [&](std::string_view key, auto number_of) -> Status {
      for (std::size_t i = 0; i < layers; ++i) expected[i] = number_of(model.layers[i]);
      return require(key, expected);
    };
    const std::int32_t count[] = {model.layer_count};
    LAMINA_TRY(require("block_count", count));
    LAMINA_TRY(check("attention.head_count", [](const LayerDescription& layer) { return layer.heads; }));
    LAMINA_TRY(
        check("attention.head_count_kv", [](const LayerDescription& layer) { return layer.kv_heads; }));
    std::int32_t window[] = {0};
    for (std::size_t i = 0; i < layers && window[0] == 0; ++i) window[0] = model.layers[i].window;
    return window[0] == 0 ? Status(Done{}) : require("attention.sliding_window", window);
  }

  /// Reads the scalars that the file states. Errors: bad_file, unsupported (scaled rotation).
  [[nodiscard]] Result<ModelScalars> scalars() const {
    ModelScalars scalars;
    if (architecture_ == "gemma4") scalars.final_softcap = 30;
    LAMINA_TRY(read("attention.layer_norm_rms_epsilon", scalars.norm_epsilon));
    LAMINA_TRY(read("rope.freq_base", scalars.rope_base_global));
    LAMINA_TRY(read("rope.freq_base_swa", scalars.rope_base_local));
    LAMINA_TRY(read("final_logit_softcapping", scalars.final_softcap));
    const auto context = metadata_.integer_or(key("context_length"), {1, max_positions}, 0);
    if (!context) return context.error();
    scalars.max_context = static_cast<std::int32_t>(*context);
    float factor = 1;
    LAMINA_TRY(read("rope.scaling.factor", factor));
    if (factor == 1) return scalars;
    return file_error(ErrorCode::unsupported, place(metadata_.source(), key("rope.scaling.factor")),
                      "rotation is scaled", "a factor of 1", text("%g", double{factor}),
                      "give the factors as the tensor rope_freqs.weight");
  }

 private:
  [[nodiscard]] FixedText<160> key(std::string_view suffix) const noexcept {
    FixedText<160> whole(architecture_);
    whole.append(".");
    whole.append(suffix);
    return whole;
  }

  [[nodiscard]] Status read(std::string_view suffix, float& out) const {
    const auto value = metadata_.real_or(key(suffix), out);
    if (!value) return value.error();
    out = *value;
    return Done{};
  }

  [[nodiscard]] Status require(std::string_view suffix, std::span<const std::int32_t> expected) const {
    const FixedText<160> name = key(suffix);
    if (metadata_.find(name) == nullptr) return Done{};
    std::vector<std::int32_t> found(expected.size());
    LAMINA_TRY(metadata_.integers(name, {0, INT32_MAX}, found));
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i] == expected[i]) continue;
      return file_error(ErrorCode::mismatch, place(metadata_.source(), name),
                        "the file is no model of this type",
                        text("%d%s", expected[i], found.size() > 1 ? text(" in layer %zu", i).c_str() : ""),
                        text("%d", found[i]));
    }
    return Done{};
  }

  const GgufMetadata& metadata_;
  std::string_view architecture_;
};

}  // namespace detail

/// Makes the weight file of a user's own model `V` from a GGUF file of any architecture.
///
/// The type states the structure; names and shapes come from the slots of its kinds. Read from the file,
/// where it has them: the keys `<architecture>.` followed by `attention.layer_norm_rms_epsilon`,
/// `rope.freq_base` (global layers), `rope.freq_base_swa` (local layers), `final_logit_softcapping`,
/// `context_length`; what is absent has the values of `ModelScalars`. Tokens, template and sampling defaults
/// as in `make_weight_file`.
///
/// Errors   mismatch (a tensor is missing or has another shape; heads, layers or window differ), unsupported
///          (an encoding; scaled rotation), bad_file (metadata), out_of_memory
template <Variant V>
[[nodiscard]] Result<WeightFile> make_weight_file(GgufFile file) {
  return guard_memory(place(file.metadata.source()), [&]() -> Result<WeightFile> {
    const auto architecture = file.metadata.string("general.architecture");
    if (!architecture) return architecture.error();
    const detail::ArchitectureKeys keys(file.metadata, *architecture);
    LAMINA_TRY(keys.check_structure(describe<V>()));
    const auto scalars = keys.scalars();
    if (!scalars) return scalars.error();
    const std::string source(file.metadata.source());
    WeightFile weights;
    LAMINA_TRY(detail::take_gguf_parts(std::move(file), V::dims.vocab, weights));
    LAMINA_TRY(detail::complete_weight_file<V>(*scalars, source, weights));
    return weights;
  });
}

/// Makes the weight file of a user's own model `V` from tensors in memory, whose bytes must outlive it.
///
/// `tensors` come in any order, under the names of slots: "token_embd.weight", "blk.0.attn_q.weight".
/// Dimensions are columns, rows, stack. `name` stands in messages.
///
/// Errors   mismatch (a tensor is missing, or has another shape), bad_file (a name twice, bytes that are not
///          what format and dimensions ask for, scalars that are not usable), unsupported (an encoding),
///          out_of_memory
template <Variant V>
[[nodiscard]] Result<WeightFile> make_weight_file(std::vector<TensorView> tensors, std::string_view name,
                                                  const ModelScalars& scalars) {
  return guard_memory(name, [&]() -> Result<WeightFile> {
    WeightFile weights;
    weights.path = name;
    weights.tensors = std::move(tensors);
    LAMINA_TRY(sort_tensors(weights.tensors, name));
    for (const TensorView& tensor : weights.tensors) {
      std::uint64_t bytes = 0;
      if (tensor_bytes(tensor, bytes) && bytes == tensor.bytes.size() && tensor.packing == Packing::rows)
        continue;
      return bad_file(place(name, tensor.name), "bytes do not fit the format and the dimensions",
                      text("%llu bytes in rows of whole blocks", static_cast<unsigned long long>(bytes)),
                      text("%zu bytes", tensor.bytes.size()));
    }
    LAMINA_TRY(detail::complete_weight_file<V>(scalars, name, weights));
    return weights;
  });
}

}  // namespace lamina
