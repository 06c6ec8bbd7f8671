// SPDX-License-Identifier: Apache-2.0
// RMS norms against the oracle: odd sizes, misaligned rows, with and without weight, fused residual.
#define HWY_TARGET_INCLUDE "unit/rows/norm_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include <lamina/rows/norm-inl.hpp>
#include <lamina/testing/reference.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

// The sum of squares carries about 1e-7 · √n / lanes, the root halves it, three roundings follow.
constexpr double norm_tolerance = 6e-7;

void check_norm(std::size_t n, std::size_t offset, bool weighted) {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", n ", n, ", offset ", offset, ", weighted ",
       weighted);
  const auto memory = test::normal_vector(n + offset, 11 + n, 3.0F);
  const auto weights = test::normal_vector(n + offset, 12 + n);
  const float* x = memory.data() + offset;
  const float* weight = weighted ? weights.data() + offset : nullptr;
  const auto expected = reference::rms_norm(x, weight, n, 1e-6);
  // One float before and behind must stay as they are.
  std::vector<float> out(n + offset + 1, 77.0F);
  rms_norm(x, weight, out.data() + offset, n, 1e-6F);
  double worst = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double error = std::fabs(static_cast<double>(out[offset + i]) - expected[i]);
    worst = std::max(worst, error / (std::fabs(expected[i]) + 1e-30));
  }
  CHECK(worst < norm_tolerance);
  CHECK(out[n + offset] == 77.0F);
  if (offset > 0) CHECK(out[offset - 1] == 77.0F);

  // The parts make the whole, and in place gives the same bits.
  std::vector<float> parts(memory);
  apply_norm(parts.data() + offset, weight, inverse_rms(x, n, 1e-6F), parts.data() + offset, n);
  CHECK(std::memcmp(parts.data() + offset, out.data() + offset, n * sizeof(float)) == 0);

  // Residual: one rounding of the sum, then one of the factor.
  const auto stream = test::normal_vector(n + offset, 13 + n);
  std::vector<float> sum(stream);
  add_rms_norm(sum.data() + offset, x, weight, n, 1e-6F, 0.625F);
  worst = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double exact = (static_cast<double>(stream[offset + i]) + expected[i]) * 0.625;
    const double size = std::fabs(static_cast<double>(stream[offset + i])) + std::fabs(expected[i]);
    worst = std::max(worst, std::fabs(static_cast<double>(sum[offset + i]) - exact) / size);
  }
  CHECK(worst < norm_tolerance);
}

void test_rms_norm() {
  for (const std::size_t n :
       {1U, 2U, 3U, 7U, 8U, 9U, 15U, 16U, 17U, 31U, 33U, 64U, 65U, 127U, 256U, 1536U, 5376U}) {
    for (const std::size_t offset : {0U, 1U, 3U}) {
      check_norm(n, offset, true);
      check_norm(n, offset, false);
    }
  }
}

void test_rms_norm_heads() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  constexpr std::size_t heads = 5;
  constexpr std::size_t dim = 48;
  const auto x = test::normal_vector(heads * dim, 21);
  const auto weight = test::normal_vector(dim, 22);
  std::vector<float> out(x);
  rms_norm_heads(out.data(), weight.data(), out.data(), heads, dim, 1e-6F);
  for (std::size_t h = 0; h < heads; ++h) {
    std::vector<float> one(dim);
    rms_norm(x.data() + h * dim, weight.data(), one.data(), dim, 1e-6F);
    CHECK(std::memcmp(one.data(), out.data() + h * dim, dim * sizeof(float)) == 0);
  }
}

/// Damage at any place, and squares whose sum overflows, make all of the result NaN.
void test_not_finite() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  std::vector<float> damages(std::begin(test::not_finite), std::end(test::not_finite));
  damages.push_back(2e19F);
  int wrong = 0;
  for (const std::size_t n : {1U, 3U, 8U, 17U, 70U}) {
    const auto x = test::normal_vector(n, 31);
    const auto stream = test::normal_vector(n, 32);
    std::vector<float> out(n);
    std::vector<float> sum(stream);
    wrong += !rms_norm(x.data(), nullptr, out.data(), n, 1e-6F);
    wrong += !add_rms_norm(sum.data(), x.data(), nullptr, n, 1e-6F);
    for (const float damage : damages) {
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<float> damaged(x);
        damaged[at] = damage;
        sum = stream;
        wrong += rms_norm(damaged.data(), nullptr, out.data(), n, 1e-6F);
        wrong += add_rms_norm(sum.data(), damaged.data(), nullptr, n, 1e-6F);
        for (std::size_t i = 0; i < n; ++i) wrong += !std::isnan(out[i]) + !std::isnan(sum[i]);
      }
    }
  }
  // Heads: the first, and the last one alone.
  auto heads = test::normal_vector(3 * 16, 33);
  CHECK(rms_norm_heads(heads.data(), nullptr, heads.data(), 3, 16, 1e-6F));
  for (const std::size_t at : {0U, 47U}) {
    auto damaged = heads;
    damaged[at] = std::nanf("");
    wrong += rms_norm_heads(damaged.data(), nullptr, damaged.data(), 3, 16, 1e-6F);
    wrong += std::isnan(damaged[20]);
  }
  CHECK(wrong == 0);
}

/// Epsilon stands inside the root: it decides alone when x is 0, and shows when x is small.
void test_epsilon() {
  const std::vector<float> zero(20, 0.0F);
  CHECK(inverse_rms(zero.data(), 20, 1e-6F) == doctest::Approx(1000.0).epsilon(1e-6));
  const std::vector<float> small(20, 1e-3F);
  CHECK(inverse_rms(small.data(), 20, 1e-6F) == doctest::Approx(707.1067811865).epsilon(1e-6));
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_rms_norm);
HWY_EXPORT(test_rms_norm_heads);
HWY_EXPORT(test_not_finite);
HWY_EXPORT(test_epsilon);
TEST_CASE("rms norms equal the oracle") { CHECK(LAMINA_ON_EACH_TARGET(test_rms_norm) > 0); }
TEST_CASE("head-wise norm treats every head by itself") {
  CHECK(LAMINA_ON_EACH_TARGET(test_rms_norm_heads) > 0);
}
TEST_CASE("norms find and spread NaN, infinities and overflow") {
  CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0);
}
TEST_CASE("epsilon is added to the mean") { CHECK(LAMINA_ON_EACH_TARGET(test_epsilon) > 0); }
}  // namespace lamina
#endif
