// SPDX-License-Identifier: Apache-2.0
// A weight matrix as it enters products: with the range its input and output are clamped to, and a number by
// which others find it.
#pragma once

#include <cstdint>
#include <limits>

#include <lamina/formats/weight_matrix.hpp>

namespace lamina {

/// Numbers from `min` to `max`; all of them unless said otherwise.
struct ClipRange {
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();
  /// Whether it leaves anything out.
  [[nodiscard]] constexpr explicit operator bool() const noexcept {
    return min > -std::numeric_limits<float>::infinity() || max < std::numeric_limits<float>::infinity();
  }
  friend constexpr bool operator==(const ClipRange&, const ClipRange&) = default;
};

/// y = clamp(W clamp(x; input); output). Text models have no ranges; those of towers for pictures and sound
/// come with the weights.
struct Linear : WeightMatrix {
  constexpr Linear() noexcept = default;
  /// A matrix without ranges and number.
  constexpr Linear(const WeightMatrix& matrix) noexcept : WeightMatrix(matrix) {}

  ClipRange input;   ///< of every element of x
  ClipRange output;  ///< of every element of y
  std::uint32_t id =
      0;  ///< 1, 2, ... in the order of the model's slot lists, by which adapters find it; 0: none

  /// The matrix at `index` of a stack, with the stack's ranges and number.
  [[nodiscard]] Linear at(std::uint32_t index) const noexcept { return with(WeightMatrix::at(index)); }

  /// Rows `first .. first + count` of a single matrix, with its ranges and number.
  [[nodiscard]] Linear slice(std::uint32_t first, std::uint32_t count) const noexcept {
    return with(WeightMatrix::slice(first, count));
  }

 private:
  [[nodiscard]] Linear with(const WeightMatrix& matrix) const noexcept {
    Linear part = *this;
    static_cast<WeightMatrix&>(part) = matrix;
    return part;
  }
};

}  // namespace lamina
