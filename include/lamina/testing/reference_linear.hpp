// SPDX-License-Identifier: Apache-2.0
// Matrix products in plain C++ with double sums: the oracle of the kernels in linear-inl.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/blocks/decode.hpp>
#include <lamina/linear/linear.hpp>

namespace lamina {

/// A product of a row of weights with a row of activations, and the sum of the magnitudes of all terms that a
/// kernel adds up: its rounding error is a small multiple of 2^-24 of that.
struct ReferenceProduct {
  double value = 0;
  double magnitude = 0;

  void add(double term) noexcept {
    value += term;
    magnitude += std::fabs(term);
  }
};

/// A quantised activation, widened: step * code.
[[nodiscard]] inline double quantized_activation(const ActivationRows& x, std::uint32_t row,
                                                 std::size_t column) noexcept {
  const std::uint32_t first = row / activation_tile * activation_tile;
  const std::size_t tile_rows = std::min(activation_tile, x.rows - first);
  const std::size_t in_tile = row - first;
  const std::size_t block = column / code_block_elements;
  const std::byte* at =
      x.quantized + first * quantized_row_bytes(x.columns) + block * tile_rows * sizeof(ActivationBlock<1>);
  const std::size_t quad = column % code_block_elements / 4;
  std::int8_t code = 0;
  std::memcpy(&code, at + (quad * tile_rows + in_tile) * 4 + column % 4, 1);
  float step = 0;
  std::memcpy(&step, at + (code_block_elements / 4 * tile_rows + in_tile) * 4, sizeof step);
  return double{step} * double{static_cast<float>(code)};
}

/// Multiplies row `row` of `w` with row `token` of `x`, in the form of activations that `kind` names.
///
/// Requires  w.stack == 1, w.columns == x.columns
/// Cost      decodes every element by its scalar reader
[[nodiscard]] inline ReferenceProduct reference_product(const WeightMatrix& w, std::uint32_t row,
                                                        const ActivationRows& x, std::uint32_t token,
                                                        ActivationKind kind) noexcept {
  constexpr std::size_t block_size = code_block_elements;
  ReferenceProduct sum;
  const double second_scale = w.scales != nullptr ? double{*w.scales} : 1.0;
  const auto activation = [&](std::size_t column) noexcept -> double {
    if (kind == ActivationKind::f32) return double{x.values[token * x.stride + column]};
    return quantized_activation(x, token, column);
  };
  if (has_codes(w.format)) {
    for (std::size_t b = 0; b < w.columns / block_size; ++b) {
      CodeBlock block;
      decode_codes(w.format, w.row(row), b, block);
      for (std::size_t e = 0; e < block_size; ++e) {
        const std::size_t half = e / (block_size / 2);
        const double factor = activation(b * block_size + e) * second_scale;
        sum.add(double{block.scale[half]} * static_cast<double>(block.code[e]) * factor);
        sum.add(-double{block.offset[half]} * factor);
      }
    }
  } else {
    const std::size_t element_bytes = info_of(w.format).block_bytes;
    for (std::size_t k = 0; k < w.columns; ++k) {
      float weight = 0;
      decode_row(w.format, w.row(row) + k * element_bytes, 1, &weight);
      sum.add(double{weight} * activation(k) * second_scale);
    }
  }
  return sum;
}

}  // namespace lamina
