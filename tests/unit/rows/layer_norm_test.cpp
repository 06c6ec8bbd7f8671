// SPDX-License-Identifier: Apache-2.0
// Layer norm against a plain twin in double: odd sizes, misaligned rows, rows that are almost flat, damage.
#define HWY_TARGET_INCLUDE "unit/rows/layer_norm_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <lamina/rows/layer_norm-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

/// The definition, in double.
std::vector<double> plain_layer_norm(const float* x, const float* weight, const float* bias, std::size_t n,
                                     double epsilon) {
  double mean = 0;
  for (std::size_t i = 0; i < n; ++i) mean += x[i];
  mean /= static_cast<double>(n);
  double variance = 0;
  for (std::size_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  variance /= static_cast<double>(n);
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = (x[i] - mean) / std::sqrt(variance + epsilon) * weight[i] +
             (bias != nullptr ? static_cast<double>(bias[i]) : 0.0);
  }
  return out;
}

void check(std::size_t n, std::size_t offset, float spread, bool biased) {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", n ", n, ", offset ", offset, ", spread ",
       spread);
  auto memory = test::normal_vector(n + offset + 1, 21 + n);
  for (float& value : memory) value = 0.7F + spread * value;
  const auto weights = test::normal_vector(n + offset, 22 + n);
  const auto biases = test::normal_vector(n + offset, 23 + n);
  const float* bias = biased ? biases.data() + offset : nullptr;
  const auto expected = plain_layer_norm(memory.data() + offset, weights.data() + offset, bias, n, 1e-5);
  memory[n + offset] = 77.0F;
  CHECK(layer_norm(memory.data() + offset, weights.data() + offset, bias, n, 1e-5F));
  double worst = 0.0;
  for (std::size_t i = 0; i < n; ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(memory[offset + i]) - expected[i]));
  CHECK(worst < 2e-5);
  CHECK(memory[n + offset] == 77.0F);
}

void check_all() {
  for (const std::size_t n : {1U, 3U, 15U, 16U, 17U, 64U, 100U, 768U, 6912U}) {
    for (const std::size_t offset : {0U, 1U}) {
      for (const float spread : {1.0F, 0.0F, 2e-4F}) check(n, offset, spread, n % 2 == 0);
    }
  }
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(100, 1.0F);
    x[57] = bad;
    const std::vector<float> weight(100, 1.0F);
    CHECK_FALSE(layer_norm(x.data(), weight.data(), nullptr, 100, 1e-5F));
    for (const float value : x) CHECK(std::isnan(value));
  }
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(check_all);
TEST_CASE("layer_norm is the definition, also of rows that are almost flat, and finds damage") {
  CHECK(LAMINA_ON_EACH_TARGET(check_all) > 0);
}
}  // namespace lamina
#endif
