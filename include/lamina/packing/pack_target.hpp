// SPDX-License-Identifier: Apache-2.0
// A compiled-in model as packing sees it: which tensors its code multiplies, and with which kernels.
#pragma once

#include <string_view>

#include <lamina/linear/linear.hpp>
#include <lamina/schedule/description.hpp>

namespace lamina {

/// Name, structure and matrix products of code that is compiled for one model.
struct PackTarget {
  std::string_view name;                           ///< "gemma4-e2b"
  const ModelDescription& (*describe)() noexcept;  ///< structure as the type states it
  const LinearKernels& (*kernels)() noexcept;      ///< of the target that it is compiled for
  /// Calls visit(context, name) for every tensor that enters matrix products, whether a file has it or not.
  void (*visit_matrices)(void (*visit)(void* context, std::string_view name), void* context);
};

}  // namespace lamina
