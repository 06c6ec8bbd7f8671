// SPDX-License-Identifier: Apache-2.0
// Adding up slots: how many weights a layer or a model has, their bytes, and what one token reads and
// multiplies. Source: text-decoder.md §3, weight-files.md §3, §5.1 (fall-back encodings).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/formats/format.hpp>
#include <lamina/schedule/slots.hpp>

namespace lamina {

/// One weight as a format function sees it: `[stack, rows, columns]`, in layer `layer` (-1: outside the
/// layers).
struct WeightFact {
  std::string_view name;  ///< GGUF name without "blk.<layer>."
  int layer;
  int rows;
  int columns;
  int stack;
  SlotUse use;
};

/// Sums over weights.
struct WeightTotals {
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;
  std::int64_t active_bytes = 0;   ///< bytes one decoded token reads: chosen experts only, one row of a table
  std::int64_t multiply_adds = 0;  ///< of one token with the weights; the head is not in it

  constexpr WeightTotals& operator+=(const WeightTotals& other) noexcept {
    tensors += other.tensors;
    parameters += other.parameters;
    bytes += other.bytes;
    active_bytes += other.active_bytes;
    multiply_adds += other.multiply_adds;
    return *this;
  }
  [[nodiscard]] constexpr WeightTotals times(std::int64_t count) const noexcept {
    return {tensors * count, parameters * count, bytes * count, active_bytes * count, multiply_adds * count};
  }
  friend constexpr bool operator==(const WeightTotals&, const WeightTotals&) = default;
};

/// The encoding a quantiser puts in place of `wanted` when rows of `columns` elements are no whole number of
/// blocks.
[[nodiscard]] constexpr Format stored_format(Format wanted, int columns) noexcept {
  if (columns % info_of(wanted).block_elements == 0) return wanted;
  Format smaller = Format::f16;
  switch (wanted) {
    case Format::q2_k:
    case Format::q3_k:
      smaller = Format::q4_0;
      break;
    case Format::q4_k:
      smaller = Format::q5_0;
      break;
    case Format::q5_k:
      smaller = Format::q5_1;
      break;
    case Format::q6_k:
      smaller = Format::q8_0;
      break;
    case Format::iq2_xxs:
    case Format::iq2_xs:
    case Format::iq2_s:
    case Format::iq3_xxs:
    case Format::iq3_s:
    case Format::iq1_s:
    case Format::iq1_m:
    case Format::iq4_xs:
      smaller = Format::iq4_nl;
      break;
    default:
      break;
  }
  return columns % info_of(smaller).block_elements == 0 ? smaller : Format::f16;
}

/// The format function of a file that has every matrix and table in one encoding, and vectors in float32.
struct UniformFormat {
  Format format;
  [[nodiscard]] constexpr Format operator()(const WeightFact& weight) const noexcept {
    return weight.use == SlotUse::vector ? Format::f32 : stored_format(format, weight.columns);
  }
};

namespace detail {

/// True for weights that files have: not the second way to write the experts, not the untied head that no
/// published file has, not the per-layer tables of a model without them.
template <class Weights>
constexpr bool is_counted(const Slot<Weights>& slot) noexcept {
  const bool untied_head = slot.use == SlotUse::matrix && slot.presence == Presence::optional;
  return slot.set == 0 && !untied_head && slot.rows > 0 && slot.columns > 0;
}

/// Adds up one list of slots. `active` is how many members of a stack one token uses.
template <class List, class FormatOf>
constexpr WeightTotals total_of(const List& slots, int layer, int active, const FormatOf& format_of) {
  WeightTotals sum;
  for (const auto& slot : slots) {
    if (!is_counted(slot)) continue;
    const WeightFact weight{slot.name, layer, slot.rows, slot.columns, slot.stack, slot.use};
    const auto row =
        static_cast<std::int64_t>(row_bytes(format_of(weight), static_cast<std::size_t>(slot.columns)));
    const std::int64_t rows = slot.rows;
    const std::int64_t used = slot.stack > 1 ? active : 1;
    const bool multiplies = slot.use != SlotUse::table && slot.rows > 1 && slot.columns > 1;
    sum +=
        {1, rows * slot.columns * slot.stack, row * rows * slot.stack,
         slot.use == SlotUse::table ? row : row * rows * used, multiplies ? rows * slot.columns * used : 0};
  }
  return sum;
}

/// The weights outside the layers. The embedding counts as read whole (it is the head), not as multiplied.
template <class FormatOf>
constexpr WeightTotals global_total(const Dims& dims, int per_layer, int layers, int global_head_dim,
                                    const FormatOf& format_of) {
  WeightTotals sum = total_of(global_slots(dims, per_layer, layers, global_head_dim), -1, 1, format_of);
  sum.multiply_adds -= std::int64_t{dims.vocab} * dims.hidden;
  return sum;
}

}  // namespace detail
}  // namespace lamina
