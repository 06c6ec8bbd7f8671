// SPDX-License-Identifier: Apache-2.0
// Which compiled-in model a file is: exact structural match, or an error with the numbers that differ.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/schedule/encoders/description.hpp>
#include <lamina/core/file_error.hpp>

namespace lamina {

/// A compiled-in model type, as far as recognition needs it.
template <class Description>
struct CandidateOf {
  std::string_view name;
  const Description* description;
};
using Candidate = CandidateOf<ModelDescription>;
using EncoderCandidate = CandidateOf<EncoderDescription>;

/// One number that differs between two descriptions; neighbouring layers with the same difference are one
/// entry.
struct Difference {
  std::string_view field;     ///< "hidden", "heads", ...
  std::int32_t expected = 0;  ///< of the candidate
  std::int32_t found = 0;     ///< of the file
  int first_layer = -1;       ///< -1: not of a layer
  int last_layer = -1;

  /// "layers 0-14 ffn_width" or "hidden".
  [[nodiscard]] FixedText<160> place_text() const noexcept {
    const int size = static_cast<int>(field.size());
    if (first_layer < 0) return text("%.*s", size, field.data());
    if (first_layer == last_layer) return text("layer %d %.*s", first_layer, size, field.data());
    return text("layers %d-%d %.*s", first_layer, last_layer, size, field.data());
  }
};

namespace detail {

struct LayerField {
  std::string_view name;
  std::int32_t (*get)(const LayerDescription&) noexcept;
};

inline constexpr std::array<LayerField, 11> layer_fields{{
    {"global",
     [](const LayerDescription& l) noexcept -> std::int32_t {
       return l.attention == AttentionClass::global;
     }},
    {"owns_kv", [](const LayerDescription& l) noexcept -> std::int32_t { return l.owns_kv; }},
    {"key_is_value", [](const LayerDescription& l) noexcept -> std::int32_t { return l.key_is_value; }},
    {"heads", [](const LayerDescription& l) noexcept { return l.heads; }},
    {"kv_heads", [](const LayerDescription& l) noexcept { return l.kv_heads; }},
    {"head_dim", [](const LayerDescription& l) noexcept { return l.head_dim; }},
    {"window", [](const LayerDescription& l) noexcept { return l.window; }},
    {"ffn_width", [](const LayerDescription& l) noexcept { return l.ffn_width; }},
    {"experts", [](const LayerDescription& l) noexcept { return l.experts; }},
    {"active_experts", [](const LayerDescription& l) noexcept { return l.active_experts; }},
    {"expert_width", [](const LayerDescription& l) noexcept { return l.expert_width; }},
}};

}  // namespace detail

/// Lists what differs in structure between a candidate and a file, model numbers first, then layer by layer.
[[nodiscard]] inline std::vector<Difference> differences(const ModelDescription& expected,
                                                         const ModelDescription& found) {
  std::vector<Difference> list;
  const auto model = [&](std::string_view field, std::int32_t a, std::int32_t b) {
    if (a != b) list.push_back({field, a, b});
  };
  model("hidden", expected.hidden, found.hidden);
  model("vocab", expected.vocab, found.vocab);
  model("per_layer_input", expected.per_layer_input, found.per_layer_input);
  model("target_hidden", expected.target_hidden, found.target_hidden);
  model("layers", expected.layer_count, found.layer_count);
  const int common = expected.layer_count < found.layer_count ? expected.layer_count : found.layer_count;
  for (const detail::LayerField& field : detail::layer_fields) {
    const std::size_t own = list.size();
    for (int i = 0; i < common; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int32_t a = field.get(expected.layers[at]);
      const std::int32_t b = field.get(found.layers[at]);
      if (a == b) continue;
      Difference* last = list.size() > own ? &list.back() : nullptr;
      if (last != nullptr && last->last_layer == i - 1 && last->expected == a && last->found == b) {
        last->last_layer = i;
      } else {
        list.push_back({field.name, a, b, i, i});
      }
    }
  }
  return list;
}

/// Lists what differs in structure between an encoder type and an encoder of a file.
[[nodiscard]] inline std::vector<Difference> differences(const EncoderDescription& expected,
                                                         const EncoderDescription& found) {
  std::vector<Difference> list;
  for (const detail::EncoderField& field : detail::encoder_fields) {
    const std::int32_t a = expected.*field.value;
    const std::int32_t b = found.*field.value;
    if (!detail::field_serves(field, a, b)) list.push_back({field.name, a, b});
  }
  return list;
}

namespace detail {

/// Finds the candidate from which nothing differs; returns its index. `what` is it that fits no candidate.
template <class Description>
[[nodiscard]] Result<std::size_t> find_candidate(const Description& found,
                                                 std::span<const CandidateOf<Description>> candidates,
                                                 std::string_view path, std::string_view what) {
  std::size_t nearest = 0;
  std::vector<Difference> least;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    std::vector<Difference> list = differences(*candidates[i].description, found);
    if (list.empty()) return i;
    if (i == 0 || list.size() < least.size()) {
      nearest = i;
      least = std::move(list);
    }
  }
  const int length = static_cast<int>(what.size());
  Error error = file_error(ErrorCode::mismatch, place(file_name_of(path)),
                           text("no compiled-in %.*s fits this file", length, what.data()));
  if (candidates.empty()) {
    error.what = text("no %.*s is compiled in", length, what.data());
    return error;
  }
  error.what.append("; nearest is ");
  error.what.append(candidates[nearest].name);
  for (const Difference& difference : least) {
    if (!error.expected.empty()) {
      error.expected.append(", ");
      error.found.append(", ");
    }
    const auto where = difference.place_text();
    error.expected.append(text("%s %d", where.c_str(), difference.expected));
    error.found.append(text("%s %d", where.c_str(), difference.found));
  }
  return error;
}

}  // namespace detail

/// Finds the candidate whose structure is exactly that of the file; returns its index.
///
/// Errors   mismatch: names the nearest candidate (fewest differences), lists the numbers that differ on both
///          sides, and hints at how to define a variant
[[nodiscard]] inline Result<std::size_t> recognise(const ModelDescription& found,
                                                   std::span<const Candidate> candidates,
                                                   std::string_view path) {
  auto index = detail::find_candidate<ModelDescription>(found, candidates, path, "model");
  if (index) return index;
  Error error = index.error();
  error.hint = "define it as a variant: `lamina::as_header` writes the header, ready to include, of ";
  error.hint.append(path);
  return error;
}

/// The same for an encoder of a file. Candidates for other inputs differ.
[[nodiscard]] inline Result<std::size_t> recognise(const EncoderDescription& found,
                                                   std::span<const EncoderCandidate> candidates,
                                                   std::string_view path) {
  auto index = detail::find_candidate<EncoderDescription>(found, candidates, path, "encoder");
  if (index) return index;
  Error error = index.error();
  error.hint = "define it as an encoder type: `Front`, `Layers` and `Back` as in variants/encoders/";
  return error;
}

}  // namespace lamina
