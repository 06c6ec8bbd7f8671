// SPDX-License-Identifier: Apache-2.0
// Matrix products of a pass: ranges of input and output against plain code, and no effect without them.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/core/threads.hpp>
#include <lamina/linear/linear-inl.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/testing/random_matrix.hpp>
#include <lamina/testing/random_weights.hpp>

namespace {

using namespace lamina;

constexpr std::uint32_t columns = 64;
constexpr std::uint32_t height = 40;
constexpr std::uint32_t rows = 9;

/// A pass with the scratch memory that products use.
struct Products {
  explicit Products(Precision precision, Executor* executor = nullptr)
      : codes(rows * prepared_row_bytes(columns)),
        scratch(4 * matmul_scratch_bytes(rows)),
        clamped(rows * columns),
        pass{.linear = lamina::HWY_NAMESPACE::linear_kernels(),
             .team = Team(executor),
             .precision = precision,
             .work = work,
             .rotaries = {}} {
    work.codes = codes.data();
    work.products = scratch.data();
    work.product_bytes = matmul_scratch_bytes(rows);
    work.clamped = clamped.data();
    testing::RandomNumbers random(3);
    for (float& value : input) value = random.next_float();
  }

  /// Results of matrices that are multiplied together, [count, rows, height].
  std::vector<float> run(const std::vector<Linear>& weights) {
    REQUIRE(weights.size() <= 3);
    std::vector<float> out(weights.size() * rows * height);
    const auto product = [&](std::size_t i) {
      return Product{weights[i], out.data() + i * rows * height, height};
    };
    ProductInput in(pass, work.codes, input.data(), rows, columns, columns);
    if (weights.size() == 1) multiply(pass, in, {product(0)});
    if (weights.size() == 2) multiply(pass, in, {product(0), product(1)});
    if (weights.size() == 3) multiply(pass, in, {product(0), product(1), product(2)});
    return out;
  }

  std::vector<std::byte> codes;
  std::vector<std::byte> scratch;
  std::vector<float> clamped;
  std::vector<float> input = std::vector<float>(rows * columns);
  Workspace work;
  Pass pass;
};

std::vector<float> clamped(std::vector<float> values, ClipRange range) {
  for (float& value : values) value = std::clamp(value, range.min, range.max);
  return values;
}

/// What one product must be: plain clamping around the product of a matrix without ranges.
std::vector<float> expected(Precision precision, const Linear& weight) {
  Products plain(precision);
  plain.input = clamped(plain.input, weight.input);
  return clamped(plain.run({static_cast<const WeightMatrix&>(weight)}), weight.output);
}

TEST_CASE("units of work: all of it once, the same units for every thread, long ones before short ones") {
  constexpr std::uint64_t least = std::uint64_t{1} << 18;  // a short unit
  for (const std::uint32_t width : {1U, 2U, 3U, 4U, 7U, 16U, 64U}) {
    for (const std::uint64_t total : {std::uint64_t{1}, least - 1, least * 4, least * 37, least * 1000 + 5,
                                      least * 100000, std::uint64_t{1} << 42}) {
      CAPTURE(width);
      CAPTURE(total);
      const UnitPlan plan = UnitPlan::of(total, width);
      REQUIRE(plan.units() >= 1);
      CHECK(plan.begin_of(0) == 0);
      CHECK(plan.begin_of(plan.units()) == total);
      const std::uint32_t of_each = plan.longs + plan.shorts;
      CHECK(of_each * plan.width == plan.units());
      for (std::uint32_t unit = 0; unit < plan.units(); ++unit) {
        const std::uint64_t work = plan.begin_of(unit + 1) - plan.begin_of(unit);
        const std::uint64_t pieces = unit % of_each < plan.longs ? 4 : 1;
        const std::uint64_t piece = total / (plan.width * (plan.longs * std::uint64_t{4} + plan.shorts));
        CHECK(work >= pieces * piece);
        CHECK(work <= pieces * (piece + 1));
        if (plan.units() > 1) CHECK(work >= pieces * least);
      }
      if (width == 1) CHECK(plan.units() == 1);
      if (width > 1 && total > least * 64 * width) CHECK(plan.shorts == 16);
      if (width > 1 && total > least * 64 * width) CHECK(plan.longs == 12);
      if (plan.units() > 1 && plan.units() < width) CHECK(of_each == 1);
    }
  }
}

TEST_CASE("products clamp input and output to the ranges of each matrix, in any company and precision") {
  const testing::RandomMatrix f32(Format::f32, height, columns, 1);
  const testing::RandomMatrix q8(Format::q8_0, height, columns, 2);
  const auto pool = ThreadPool::create(3);
  REQUIRE(static_cast<bool>(pool));
  for (const Precision precision : {Precision::fast, Precision::exact}) {
    for (const testing::RandomMatrix* matrix : {&f32, &q8}) {
      Linear none = matrix->matrix();
      Linear both = none, only_input = none, only_output = none;
      both.input = only_input.input = {-0.25F, 0.5F};
      both.output = {-0.1F, 0.02F};
      only_output.output = {-0.05F, 0.3F};
      Linear other = none;
      other.input = {-std::numeric_limits<float>::infinity(), 0.1F};
      for (Executor* executor : {static_cast<Executor*>(nullptr), static_cast<Executor*>(pool->get())}) {
        for (const auto& weights : {std::vector<Linear>{none},
                                    {both},
                                    {only_input, both},
                                    {none, both, only_output},
                                    {other, none, both},
                                    {both, other, only_input}}) {
          const std::vector<float> out = Products(precision, executor).run(weights);
          for (std::size_t i = 0; i < weights.size(); ++i) {
            const std::vector<float> want = expected(precision, weights[i]);
            CHECK(std::equal(want.begin(), want.end(),
                             out.begin() + static_cast<std::ptrdiff_t>(i) * rows * height));
          }
        }
      }
      CHECK(expected(precision, both) != expected(precision, none));
      CHECK(expected(precision, only_input) != expected(precision, none));
      CHECK(expected(precision, only_output) != expected(precision, none));
    }
  }
}

TEST_CASE("matrices of one product may take quantised, rounded and plain rows in any order") {
  const testing::RandomMatrix q8(Format::q8_0, height, columns, 2);
  const testing::RandomMatrix bf16(Format::bf16, height, columns, 3);
  const testing::RandomMatrix f32(Format::f32, height, columns, 4);
  const Linear all[] = {q8.matrix(), bf16.matrix(), f32.matrix()};
  std::array<std::size_t, 3> order{0, 1, 2};
  do {
    const std::vector<float> out =
        Products(Precision::fast).run({all[order[0]], all[order[1]], all[order[2]]});
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::vector<float> alone = Products(Precision::fast).run({all[order[i]]});
      CHECK(std::equal(alone.begin(), alone.end(),
                       out.begin() + static_cast<std::ptrdiff_t>(i) * rows * height));
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a NaN passes through ranges, and a matrix without them needs no memory for clamping") {
  const testing::RandomMatrix matrix(Format::f32, height, columns, 1);
  Linear weight = matrix.matrix();
  weight.input = {-1, 1};
  weight.output = {-1, 1};
  Products products(Precision::exact);
  products.input[3 * columns + 7] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> out = products.run({weight});
  CHECK(std::isnan(out[3 * height]));
  CHECK(std::isfinite(out[2 * height]));

  Products text(Precision::exact);
  text.work.clamped = nullptr;
  CHECK(text.run({matrix.matrix()}) == Products(Precision::exact).run({matrix.matrix()}));
}

TEST_CASE("parts of a matrix keep its ranges and its number") {
  const std::array<float, 2 * 8 * 4> elements{};
  Linear stack;
  stack.data = reinterpret_cast<const std::byte*>(elements.data());
  stack.stack = 2;
  stack.rows = 8;
  stack.columns = 4;
  stack.input = {-1, 1};
  stack.output = {-2, 2};
  stack.id = 5;
  for (const Linear& part : {stack.at(1), stack.at(0).slice(2, 3)}) {
    CHECK(part.stack == 1);
    CHECK(part.input == stack.input);
    CHECK(part.output == stack.output);
    CHECK(part.id == 5);
  }
  CHECK(stack.at(0).slice(2, 3).rows == 3);
  CHECK_FALSE(static_cast<bool>(ClipRange{}));
  CHECK(static_cast<bool>(ClipRange{.max = 1}));
}

}  // namespace
