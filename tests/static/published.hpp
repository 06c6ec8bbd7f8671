// SPDX-License-Identifier: Apache-2.0
// What the static tests share: the five published models, and questions about slots and cache sizes.
#pragma once

#include <cstdint>
#include <string_view>

#include <lamina/schedule.hpp>
#include <lamina/variants/gemma4_12b.hpp>
#include <lamina/variants/gemma4_26b_a4b.hpp>
#include <lamina/variants/gemma4_31b.hpp>
#include <lamina/variants/gemma4_e2b.hpp>
#include <lamina/variants/gemma4_e4b.hpp>

namespace published {

namespace la = lamina;
using E2b = la::Gemma4E2b;
using E4b = la::Gemma4E4b;
using M12b = la::Gemma4_12b;
using M26b = la::Gemma4_26bA4b;
using M31b = la::Gemma4_31b;

/// Rows of the weight `name` in the attention, feed-forward or per-layer part of layer `Index`; 0 if it has
/// none.
template <class V, int Index>
constexpr int rows_of(std::string_view name) {
  using L = la::layer_at<V, Index>;
  int rows = 0;
  const auto look = [&](const auto& slots) {
    for (const auto& slot : slots) rows = slot.name == name ? slot.rows : rows;
  };
  look(la::Slots<typename L::attention>::list(V::dims));
  look(la::Slots<typename L::ffn>::list(V::dims));
  look(la::Slots<typename L::per_layer>::list(V::dims));
  return rows;
}

/// Tensors of a GGUF file that are used as vectors (norms, scales, router; all float32).
template <class V>
constexpr int vector_count() {
  int count = 0;
  static_cast<void>(la::weight_totals<V>([&](const la::WeightFact& weight) {
    count += weight.use == la::SlotUse::vector ? 1 : 0;
    return la::Format::f32;
  }));
  return count;
}

/// True if `bytes` is `milli_gib` thousandths of a GiB, rounded.
constexpr bool rounds_to(std::int64_t bytes, std::int64_t milli_gib) {
  constexpr std::int64_t gib = std::int64_t{1} << 30;
  const std::int64_t difference = bytes * 1000 - milli_gib * gib;
  return (difference < 0 ? -difference : difference) * 2 <= gib;
}

}  // namespace published
