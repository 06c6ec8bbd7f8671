// SPDX-License-Identifier: Apache-2.0
// Which tensors a described model must have, and the check that a file has them in exactly these shapes.
// Source: weight-files.md §3.2 to §3.4 (names, shapes), §1.9 rule 16, §7 items 4 to 9.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/blocks/decode.hpp>
#include <lamina/blocks/interleave.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/schedule/slots.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// A tensor that a described model has, by canonical name.
struct ExpectedTensor {
  std::string_view name;
  std::int64_t columns;
  std::int64_t rows = 1;
  std::int64_t stack = 1;
  SlotUse use = SlotUse::matrix;
  Presence presence = Presence::required;
};

/// Writes a tensor's shape as files list it: "{64, 512}".
[[nodiscard]] inline FixedText<160> shape_text(std::uint64_t columns, std::uint64_t rows, std::uint64_t stack,
                                               std::uint64_t fourth = 1) noexcept {
  const std::uint64_t dims[] = {columns, rows, stack, fourth};
  std::size_t last = 3;
  while (last > 0 && dims[last] == 1) --last;
  FixedText<160> line("{");
  for (std::size_t i = 0; i <= last; ++i) {
    line.append(text("%s%llu", i == 0 ? "" : ", ", static_cast<unsigned long long>(dims[i])));
  }
  line.append("}");
  return line;
}

/// Checks that a tensor's encoding is compiled. Errors: unsupported (LAMINA_FORMATS leaves it out).
///
/// A template of what is built in, so that the linker cannot take it from a unit that has other encodings.
template <std::uint64_t BuiltIn = built_in_formats>
[[nodiscard]] Status check_built_in(const TensorView& tensor, std::string_view file) noexcept {
  if (is_built_in(tensor.format, BuiltIn)) return Done{};
  FixedText<160> names;
  for (const FormatInfo& info : all_formats) {
    if (!is_built_in(info.format, BuiltIn)) continue;
    if (!names.empty()) names.append(", ");
    names.append(info.name);
  }
  return file_error(ErrorCode::unsupported, place(file, tensor.name),
                    "tensor encoding is not in this program", names, info_of(tensor.format).name,
                    "add it to LAMINA_FORMATS and compile the program");
}

/// Checks one tensor against what is expected of it; null is an absent one.
///
/// Errors   mismatch (missing, other shape), unsupported (an encoding that its use does not allow, or that was
///          left out)
template <std::uint64_t BuiltIn = built_in_formats>
[[nodiscard]] Status check_tensor(const TensorView* tensor, const ExpectedTensor& expected,
                                  std::string_view file) noexcept {
  const auto columns = static_cast<std::uint64_t>(expected.columns);
  const auto rows = static_cast<std::uint64_t>(expected.rows);
  const auto stack = static_cast<std::uint64_t>(expected.stack);
  if (tensor == nullptr) {
    if (expected.presence != Presence::required) return Done{};
    return file_error(ErrorCode::mismatch, place(file, expected.name), "tensor is missing",
                      shape_text(columns, rows, stack), "nothing");
  }
  const auto& d = tensor->dims;
  if (d[0] != columns || d[1] != rows || d[2] != stack || d[3] != 1) {
    return file_error(ErrorCode::mismatch, place(file, expected.name), "tensor has another shape",
                      shape_text(columns, rows, stack), shape_text(d[0], d[1], d[2], d[3]));
  }
  const bool fits =
      expected.use == SlotUse::vector ? is_float(tensor->format) : tensor->format != Format::i32;
  if (!fits) {
    return file_error(ErrorCode::unsupported, place(file, expected.name),
                      "tensor has an encoding its use does not allow",
                      expected.use == SlotUse::vector ? "F32, F16 or BF16" : "a float or block encoding",
                      info_of(tensor->format).name);
  }
  return check_built_in<BuiltIn>(*tensor, file);
}

/// Calls `visit(const ExpectedTensor&) -> Status` for every tensor of a model until one is an error.
///
/// Tensors that may be absent (tied head, scales of 1, synthesised frequencies, one of the two expert
/// layouts) are visited as optional. Unused K/V of shared layers are not visited.
template <class Visitor>
[[nodiscard]] Status for_each_expected(const ModelDescription& model, Visitor visit) {
  const std::int64_t hidden = model.hidden;
  const std::int64_t per_layer = model.per_layer_input;
  const std::int64_t per_layer_columns = model.layer_count * per_layer;
  constexpr SlotUse vector = SlotUse::vector;
  constexpr Presence optional = Presence::optional;

  LAMINA_TRY(visit(ExpectedTensor{"token_embd.weight", hidden, model.vocab}));
  LAMINA_TRY(visit(ExpectedTensor{"output.weight", hidden, model.vocab, 1, SlotUse::matrix, optional}));
  LAMINA_TRY(visit(ExpectedTensor{"output_norm.weight", hidden, 1, 1, vector}));
  if (per_layer > 0) {
    LAMINA_TRY(visit(
        ExpectedTensor{"per_layer_token_embd.weight", per_layer_columns, model.vocab, 1, SlotUse::table}));
    LAMINA_TRY(visit(ExpectedTensor{"per_layer_model_proj.weight", hidden, per_layer_columns}));
    LAMINA_TRY(visit(ExpectedTensor{"per_layer_proj_norm.weight", per_layer, 1, 1, vector}));
  }
  bool rope_visited = false;
  for (int index = 0; index < model.layer_count; ++index) {
    const LayerDescription& layer = model.layers[static_cast<std::size_t>(index)];
    if (layer.attention == AttentionClass::global && !rope_visited) {
      rope_visited = true;
      LAMINA_TRY(visit(ExpectedTensor{"rope_freqs.weight", layer.head_dim / 2, 1, 1, vector, optional}));
    }
    char name[64];
    const auto in_layer = [&](const char* suffix, std::int64_t columns, std::int64_t rows, std::int64_t stack,
                              SlotUse use, Presence presence) -> Status {
      const int size = std::snprintf(name, sizeof name, "blk.%d.%s", index, suffix);
      return visit(
          ExpectedTensor{{name, static_cast<std::size_t>(size)}, columns, rows, stack, use, presence});
    };
    const auto matrix = [&](const char* suffix, std::int64_t columns, std::int64_t rows) -> Status {
      return in_layer(suffix, columns, rows, 1, SlotUse::matrix, Presence::required);
    };
    const auto norm = [&](const char* suffix, std::int64_t columns) -> Status {
      return in_layer(suffix, columns, 1, 1, vector, Presence::required);
    };
    const std::int64_t queries = std::int64_t{layer.heads} * layer.head_dim;
    const std::int64_t keys = std::int64_t{layer.kv_heads} * layer.head_dim;
    LAMINA_TRY(norm("attn_norm.weight", hidden));
    LAMINA_TRY(matrix("attn_q.weight", hidden, queries));
    if (layer.owns_kv) {
      LAMINA_TRY(matrix("attn_k.weight", hidden, keys));
      if (!layer.key_is_value) LAMINA_TRY(matrix("attn_v.weight", hidden, keys));
      LAMINA_TRY(norm("attn_k_norm.weight", layer.head_dim));
    }
    LAMINA_TRY(matrix("attn_output.weight", queries, hidden));
    LAMINA_TRY(norm("attn_q_norm.weight", layer.head_dim));
    LAMINA_TRY(norm("post_attention_norm.weight", hidden));
    LAMINA_TRY(norm("ffn_norm.weight", hidden));
    LAMINA_TRY(matrix("ffn_gate.weight", hidden, layer.ffn_width));
    LAMINA_TRY(matrix("ffn_up.weight", hidden, layer.ffn_width));
    LAMINA_TRY(matrix("ffn_down.weight", layer.ffn_width, hidden));
    LAMINA_TRY(norm("post_ffw_norm.weight", hidden));
    LAMINA_TRY(in_layer("layer_output_scale.weight", 1, 1, 1, vector, optional));
    if (per_layer > 0) {
      LAMINA_TRY(matrix("inp_gate.weight", hidden, per_layer));
      LAMINA_TRY(matrix("proj.weight", per_layer, hidden));
      LAMINA_TRY(norm("post_norm.weight", hidden));
    }
    if (layer.experts > 0) {
      const std::int64_t width = layer.expert_width;
      const auto expert = [&](const char* suffix, std::int64_t columns, std::int64_t rows,
                              Presence presence) -> Status {
        return in_layer(suffix, columns, rows, layer.experts, SlotUse::matrix, presence);
      };
      LAMINA_TRY(in_layer("ffn_gate_inp.weight", hidden, layer.experts, 1, vector, Presence::required));
      LAMINA_TRY(norm("ffn_gate_inp.scale", hidden));
      LAMINA_TRY(norm("pre_ffw_norm_2.weight", hidden));
      LAMINA_TRY(norm("post_ffw_norm_1.weight", hidden));
      LAMINA_TRY(norm("post_ffw_norm_2.weight", hidden));
      LAMINA_TRY(expert("ffn_gate_up_exps.weight", hidden, 2 * width, Presence::alternative));
      LAMINA_TRY(expert("ffn_gate_exps.weight", hidden, width, Presence::alternative));
      LAMINA_TRY(expert("ffn_up_exps.weight", hidden, width, Presence::alternative));
      LAMINA_TRY(expert("ffn_down_exps.weight", width, hidden, Presence::required));
      LAMINA_TRY(in_layer("ffn_down_exps.scale", layer.experts, 1, 1, vector, optional));
    }
  }
  return Done{};
}

namespace detail {

/// A layer's experts must come fused, or as separate gate and up matrices.
[[nodiscard]] inline Status check_expert_layout(const ModelDescription& model,
                                                std::span<const TensorView> tensors,
                                                std::string_view file) noexcept {
  for (int index = 0; index < model.layer_count; ++index) {
    if (model.layers[static_cast<std::size_t>(index)].experts == 0) continue;
    const auto has = [&](const char* suffix) {
      return find_tensor(tensors, text("blk.%d.%s", index, suffix).view()) != nullptr;
    };
    if (has("ffn_gate_up_exps.weight") || (has("ffn_gate_exps.weight") && has("ffn_up_exps.weight")))
      continue;
    return file_error(ErrorCode::mismatch, place(file, text("blk.%d.ffn_gate_up_exps.weight", index)),
                      "expert matrices are missing",
                      "ffn_gate_up_exps, or both ffn_gate_exps and ffn_up_exps", "neither set complete");
  }
  return Done{};
}

/// Frequency factors divide angles (§3.5): each must be finite and > 0.
[[nodiscard]] inline Status check_rope_factors(const TensorView& factors, std::string_view file) noexcept {
  const std::size_t element_bytes = info_of(factors.format).block_bytes;
  for (std::size_t i = 0; i < factors.dims[0]; ++i) {
    float factor = 0;
    decode_row(factors.format, factors.bytes.data() + i * element_bytes, 1, &factor);
    if (!(std::isfinite(factor) && factor > 0)) {
      return bad_file(place(file, factors.name), "frequency factor is not usable", "finite numbers above 0",
                      text("%g at index %zu", double{factor}, i));
    }
  }
  return Done{};
}

}  // namespace detail

/// Checks that a file has every tensor of `model`, each with its exact shape and an encoding its use allows.
///
/// Requires  `tensors` is sorted by name
/// Effects   `ignored` counts the tensors that the model does not ask for
/// Errors    mismatch (missing, other shape), unsupported (encoding), bad_file (frequency factors); names the
/// tensor
[[nodiscard]] inline Status check_tensors(const ModelDescription& model, std::span<const TensorView> tensors,
                                          std::string_view file, std::size_t& ignored) {
  std::size_t used = 0;
  LAMINA_TRY(for_each_expected(model, [&](const ExpectedTensor& expected) -> Status {
    const TensorView* tensor = find_tensor(tensors, expected.name);
    used += tensor != nullptr ? 1 : 0;
    return check_tensor(tensor, expected, file);
  }));
  LAMINA_TRY(detail::check_expert_layout(model, tensors, file));
  if (const TensorView* factors = find_tensor(tensors, "rope_freqs.weight")) {
    LAMINA_TRY(detail::check_rope_factors(*factors, file));
  }
  ignored = tensors.size() - used;
  return Done{};
}

/// Looks for damage in the numbers of one tensor of `file`: infinite or NaN scales and elements (§1.9 rule
/// 19).
///
/// Errors   bad_file, naming the tensor and its first bad row
/// Cost     reads every block's scales: the whole tensor, for plain floats
[[nodiscard]] inline Status check_numbers(const WeightFile& file, const TensorView& tensor) noexcept {
  if (!is_built_in(tensor.format)) return Done{};  // no tensor of the model: `check_tensors` refuses those
  const auto columns = static_cast<std::size_t>(tensor.dims[0]);
  const std::size_t row_size = row_bytes(tensor.format, columns);
  if (row_size == 0) return Done{};  // an unused tensor of a safetensors file may be empty
  const std::size_t rows = tensor.bytes.size() / row_size;
  const bool interleaved = tensor.packing == Packing::interleaved;
  const std::size_t step = interleaved ? file.interleave_height : 1;
  for (std::size_t row = 0; row < rows; row += step) {
    const std::byte* at = tensor.bytes.data() + row * row_size;
    const bool bad =
        interleaved ? has_non_finite_scale_interleaved(tensor.format, file.interleave_height, at, columns)
                    : has_non_finite_scale(tensor.format, at, columns);
    if (!bad) continue;
    return bad_file(
        place(file_name_of(file.path), tensor.name), "tensor holds an infinite or NaN number",
        "finite numbers",
        interleaved ? text("one in rows %zu to %zu", row, row + step - 1) : text("one in row %zu", row),
        "the file is damaged: download it again");
  }
  return Done{};
}

/// The same for all tensors of a file.
[[nodiscard]] inline Status check_numbers(const WeightFile& file) noexcept {
  for (const TensorView& tensor : file.tensors) LAMINA_TRY(check_numbers(file, tensor));
  return Done{};
}

}  // namespace lamina
