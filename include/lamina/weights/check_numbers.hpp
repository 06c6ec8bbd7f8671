// SPDX-License-Identifier: Apache-2.0
// The search for damaged numbers: scales and elements of whole tensors that are infinite or NaN.
// Source: weight-files.md §1.9 rule 19.
#pragma once

#include <cstddef>

#include <lamina/blocks/decode.hpp>
#include <lamina/blocks/interleave.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

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
  const InterleavedOrder order = order_of(tensor, file.interleave_height);
  for (std::size_t row = 0; row < rows; row += step) {
    const std::size_t row_in_matrix = interleaved ? row % order.rows : 0;
    const std::byte* at = tensor.bytes.data() + (row - row_in_matrix) * row_size;
    const bool bad = interleaved ? has_non_finite_scale_interleaved(order, row_in_matrix, at)
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
