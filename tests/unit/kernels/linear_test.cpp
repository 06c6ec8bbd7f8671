// SPDX-License-Identifier: Apache-2.0
// The plain interface of matrix products: kinds of activations, memory layout, kernels of another translation
// unit.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/kernels/define_linear.hpp>

#include "support/kernel_data.hpp"

namespace {

using lamina::ActivationKind;
using lamina::Format;
using lamina::Precision;

static_assert(lamina::activation_kind(Format::q4_0, Precision::fast) == ActivationKind::int8);
static_assert(lamina::activation_kind(Format::q4_0, Precision::exact) == ActivationKind::f32);
static_assert(lamina::activation_kind(Format::bf16, Precision::fast) == ActivationKind::f32);
static_assert(lamina::activation_kind(Format::i32, Precision::fast) == ActivationKind::f32);

TEST_CASE("quantized_layout: aligned parts inside the memory, none overlapping") {
  std::vector<std::byte> memory(lamina::quantized_bytes(3, 160) + 64);
  int layouts = 0;
  for (std::size_t shift = 0; shift < 64; ++shift, ++layouts) {
    std::byte* begin = memory.data() + shift;
    const lamina::QuantizedRows parts = lamina::quantized_layout(begin, 3, 160);
    const auto* codes = reinterpret_cast<std::byte*>(parts.codes);
    const auto* blocks = reinterpret_cast<std::byte*>(parts.blocks);
    CHECK(codes >= begin);
    CHECK(blocks >= codes + 3 * 160);
    CHECK(blocks + 3 * 5 * sizeof(lamina::ActivationBlock) <= begin + lamina::quantized_bytes(3, 160));
    for (const std::byte* part : {codes, blocks}) CHECK(reinterpret_cast<std::uintptr_t>(part) % 64 == 0);
  }
  CHECK(layouts == 64);
}

TEST_CASE("extern_linear_kernels: the table that define_linear.hpp defines works") {
  const lamina::LinearKernels& kernels = lamina::extern_linear_kernels();
  CHECK(std::strlen(kernels.target) > 0);
  CHECK(kernels.target[0] != 'N');

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
  std::vector<std::byte> scratch(lamina::matmul_scratch_bytes(3));
  float out[2] = {};
  kernels.matmul(w, x, Precision::fast, out, 2, 0, 2, scratch);
  CHECK(out[0] == 321.0F);
  CHECK(out[1] == 646.0F);
}

}  // namespace
