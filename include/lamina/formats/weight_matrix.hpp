// SPDX-License-Identifier: Apache-2.0
// A view of one stored weight: a vector, a matrix, or a stack of equal matrices (experts).
#pragma once

#include <cstddef>
#include <cstdint>

#include <lamina/core/config.hpp>
#include <lamina/formats/format.hpp>

namespace lamina {

/// How the rows of a matrix lie in memory.
enum class Packing : std::uint8_t {
  rows,         ///< as in the file: one row after the other
  interleaved,  ///< in groups of as many rows as kernels ask for: see blocks/interleave.hpp
};

/// A view of a stored weight `[stack, rows, columns]`, row-major, `y = W x` with x over columns. Owns
/// nothing.
///
/// Nothing in `data` is aligned beyond one byte: block encodings have odd sizes and files pack them back to
/// back.
struct WeightMatrix {
  const std::byte* data = nullptr;  ///< first byte of the first row; null when the tensor is absent
  const float* scales = nullptr;    ///< NVFP4 second scale, one per matrix of the stack; null means 1
  Format format = Format::f32;
  Packing packing = Packing::rows;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t stack = 1;

  [[nodiscard]] explicit operator bool() const noexcept { return data != nullptr; }
  [[nodiscard]] std::size_t bytes_per_row() const noexcept { return row_bytes(format, columns); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_per_row() * rows * stack; }
  /// Row `index`; of interleaved rows the slab that begins with it (blocks/interleave.hpp).
  [[nodiscard]] const std::byte* row(std::size_t index) const noexcept {
    return data + index * bytes_per_row();
  }

  /// The matrix at `index` of a stack.
  [[nodiscard]] WeightMatrix at(std::uint32_t index) const noexcept {
    LAMINA_DCHECK(index < stack);
    WeightMatrix one = *this;
    one.data = data + std::size_t{index} * rows * bytes_per_row();
    one.scales = scales != nullptr ? scales + index : nullptr;
    one.stack = 1;
    return one;
  }

  /// Rows `first .. first + count` of a single matrix; of interleaved ones whole slabs.
  [[nodiscard]] WeightMatrix slice(std::uint32_t first, std::uint32_t count) const noexcept {
    LAMINA_DCHECK(stack == 1 && first + count <= rows);
    WeightMatrix part = *this;
    part.data = row(first);
    part.rows = count;
    return part;
  }

  /// The elements of a vector that was widened at load time. Requires F32 and alignment of a float.
  [[nodiscard]] const float* f32() const noexcept {
    LAMINA_DCHECK(format == Format::f32);
    return reinterpret_cast<const float*>(data);
  }
};

}  // namespace lamina
