// SPDX-License-Identifier: Apache-2.0
// The plain interface of matrix products: kinds of activations, sizes, kernels of another translation
// unit.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/linear/define_linear.hpp>

#include "support/kernel_data.hpp"

namespace {

using lamina::ActivationKind;
using lamina::Format;
using lamina::Precision;

static_assert(lamina::activation_kind(Format::q4_0, Precision::fast) == ActivationKind::int8);
static_assert(lamina::activation_kind(Format::q4_0, Precision::exact) == ActivationKind::f32);
static_assert(lamina::activation_kind(Format::bf16, Precision::fast) == ActivationKind::f32);
static_assert(lamina::activation_kind(Format::i32, Precision::fast) == ActivationKind::f32);

static_assert(lamina::quantized_row_bytes(160) == 5 * (32 + 4 * 4));

TEST_CASE("extern_linear_kernels: the table that define_linear.hpp defines works") {
  const lamina::LinearKernels& kernels = lamina::extern_linear_kernels();
  CHECK(std::strlen(kernels.target) > 0);
  CHECK(kernels.target[0] != 'N');
  CHECK(std::strlen(kernels.products) > 0);

  const std::vector<float> weights = {1, 2, 3, -4, 5, 6};  // [2, 3]
  lamina::WeightMatrix w;
  w.data = reinterpret_cast<const std::byte*>(weights.data());
  w.rows = 2;
  w.columns = 3;
  const std::vector<float> values = {1, 10, 100};
  lamina::ActivationRows x;
  x.values = values.data();
  x.stride = 3;
  x.rows = 1;
  x.columns = 3;
  std::vector<std::byte> scratch(lamina::matmul_scratch_bytes(1));
  float out[2] = {};
  kernels.matmul(w, x, Precision::fast, out, 2, 0, 2, scratch);
  CHECK(out[0] == 321.0F);
  CHECK(out[1] == 646.0F);
}

}  // namespace
