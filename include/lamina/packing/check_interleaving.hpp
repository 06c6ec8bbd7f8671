// SPDX-License-Identifier: Apache-2.0
// Weights and kernels must agree on how many rows lie interleaved: checked wherever weights are bound.
#pragma once

#include <cstdint>

#include <lamina/core/error.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Checks that the interleaved tensors of `file`, if there are any, are so for `kernels`.
///
/// Errors   mismatch: with another number of rows in a group, products would take weights for others
[[nodiscard]] inline Status check_interleaving(const WeightFile& file,
                                               const LinearKernels& kernels) noexcept {
  const std::uint32_t height = kernels.interleave_height;
  if (file.interleave_height == 0 || file.interleave_height == height) return Done{};
  return Error{ErrorCode::mismatch,
               file.path.c_str(),
               "weights are packed for another target",
               height == 0 ? text("weights that are not packed, for %s", kernels.target)
                           : text("groups of %u rows, for %s", height, kernels.target),
               text("groups of %u rows", file.interleave_height),
               "open the original file, or pack it again on this machine"};
}

}  // namespace lamina
