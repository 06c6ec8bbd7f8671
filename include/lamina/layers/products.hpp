// SPDX-License-Identifier: Apache-2.0
// Matrix products of one input with several weights, split over threads by output rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include <lamina/formats/weight_matrix.hpp>
#include <lamina/kernels/linear.hpp>
#include <lamina/layers/pass.hpp>

namespace lamina {

/// Rows entering matrix products; quantised once, when the first integer weight asks for it.
class ProductInput {
 public:
  /// `codes` is memory for the quantised copy; values [rows, columns] with `stride` floats between rows.
  ProductInput(const Pass& pass, std::byte* codes, const float* values, std::uint32_t rows, std::uint32_t columns,
               std::size_t stride) noexcept
      : pass_(pass), codes_(codes) {
    input_.values = values;
    input_.stride = stride;
    input_.rows = rows;
    input_.columns = columns;
  }

  /// The rows in the form that `format` multiplies with.
  [[nodiscard]] const ActivationRows& for_format(Format format) noexcept {
    if (activation_kind(format, pass_.precision) == ActivationKind::int8 && input_.codes == nullptr) quantize();
    return input_;
  }

 private:
  void quantize() noexcept {
    const QuantizedRows quantized = place_quantized(codes_, input_.rows, input_.columns);
    pass_.team.split(input_.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      pass_.linear.quantize_rows(input_.values, input_.stride, input_.columns, quantized, range.first, range.count);
    });
    attach(input_, quantized);
  }

  const Pass& pass_;
  std::byte* codes_;
  ActivationRows input_{};
};

/// One product: out[t * stride + r] = Σ_k weight[r, k] · input[t, k].
struct Product {
  const WeightMatrix& weight;
  float* out;
  std::size_t stride;
};

/// Output rows are handed to threads in multiples of this.
inline constexpr std::uint32_t output_rows_per_share = 16;

/// Multiplies `input` with every weight; one hand-over to the threads for all of them.
///
/// Each thread takes an equal share of the bytes of all weights, in order, so that small matrices do not leave threads
/// idle. Requires weights with `stack` 1 and `columns` equal to the input's.
inline void multiply(const Pass& pass, ProductInput& input, std::initializer_list<Product> products) noexcept {
  std::size_t total_bytes = 0;
  for (const Product& product : products) {
    total_bytes += product.weight.bytes();
    input.for_format(product.weight.format);  // quantise before the threads start
  }
  if (total_bytes == 0) return;
  pass.team.run(pass.team.width(), [&](std::uint32_t part, std::uint32_t parts) noexcept {
    const std::span<std::byte> scratch(pass.work.products + part * pass.work.product_bytes, pass.work.product_bytes);
    const std::size_t first_byte = total_bytes / parts * part;
    const std::size_t last_byte = part + 1 == parts ? total_bytes : total_bytes / parts * (part + 1);
    std::size_t begin = 0;
    for (const Product& product : products) {
      const std::size_t bytes = product.weight.bytes();
      const auto cut = [&](std::size_t byte) -> std::uint32_t {
        if (byte <= begin) return 0;
        if (byte >= begin + bytes) return product.weight.rows;
        const auto row = static_cast<std::uint32_t>((byte - begin) / product.weight.bytes_per_row());
        return row / output_rows_per_share * output_rows_per_share;
      };
      const std::uint32_t first = cut(first_byte);
      const std::uint32_t last = cut(last_byte);
      if (last > first) {
        pass.linear.matmul(product.weight, input.for_format(product.weight.format), pass.precision, product.out,
                           product.stride, first, last - first, scratch);
      }
      begin += bytes;
    }
  });
}

}  // namespace lamina
