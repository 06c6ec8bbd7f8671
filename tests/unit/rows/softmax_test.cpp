// SPDX-License-Identifier: Apache-2.0
// Softmax, log-sum-exp and soft cap against double precision.
#define HWY_TARGET_INCLUDE "unit/rows/softmax_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <lamina/testing/reference.hpp>
#include <lamina/rows/softmax-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

void check_softmax(std::size_t n, float spread, float shift) {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", n ", n, ", spread ", spread, ", shift ",
       shift);
  std::vector<float> z = test::normal_vector(n + 1, 51 + n, spread);
  for (float& value : z) value += shift;
  const std::vector<double> wide(z.begin() + 1, z.end());
  const auto expected = reference::softmax(wide.data(), n);
  double largest = wide[0];
  for (const double value : wide) largest = std::max(largest, value);
  double sum = 0.0;
  for (const double value : wide) sum += std::exp(value - largest);
  CHECK(largest_of(z.data() + 1, n) == static_cast<float>(largest));
  CHECK(std::fabs(static_cast<double>(log_sum_exp(z.data() + 1, n)) - (largest + std::log(sum))) <
        3e-7 * std::max(1.0, std::fabs(largest)) + 1e-6);
  const float before = z[0];
  softmax(z.data() + 1, n);
  CHECK(z[0] == before);
  double worst = 0.0;
  double total = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(z[i + 1]) - expected[i]));
    total += static_cast<double>(z[i + 1]);
  }
  CHECK(worst < 4e-7);  // a weight of at most 1: exponential, sum and quotient, about 2 ulp
  CHECK(std::fabs(total - 1.0) < 2e-6);
}

void test_softmax() {
  for (const std::size_t n : {1U, 2U, 3U, 7U, 8U, 9U, 17U, 64U, 100U, 1025U}) {
    check_softmax(n, 1.0F, 0.0F);
    check_softmax(n, 30.0F, 500.0F);
    check_softmax(n, 0.0F, -80.0F);
  }
}

/// NaN and +∞ spread; -∞ is a weight of 0 while anything else is finite.
void test_not_finite() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  int wrong = 0;
  for (const std::size_t n : {1U, 5U, 8U, 19U, 64U}) {
    const auto clean = test::normal_vector(n, 61);
    wrong += !all_finite(clean.data(), n);
    std::vector<float> capped(clean);
    wrong += !soft_cap(capped.data(), n, 30.0F);
    for (const float damage : test::not_finite) {
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<float> z(clean);
        z[at] = damage;
        wrong += all_finite(z.data(), n);
        const bool is_masked = damage < 0.0F && n > 1;
        wrong += std::isfinite(log_sum_exp(z.data(), n)) != is_masked;
        capped = z;
        wrong += soft_cap(capped.data(), n, 30.0F);
        softmax(z.data(), n);
        for (const float weight : z) wrong += is_masked ? !std::isfinite(weight) : !std::isnan(weight);
        if (is_masked) wrong += z[at] != 0.0F;
      }
    }
  }
  CHECK(wrong == 0);
}

void test_soft_cap() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  std::vector<float> z;
  for (int i = -20'000; i <= 20'000; ++i) z.push_back(static_cast<float>(i) * 0.01F);
  const std::vector<float> before(z);
  soft_cap(z.data(), z.size(), 30.0F);
  double worst = 0.0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double exact = 30.0 * std::tanh(static_cast<double>(before[i]) / 30.0);
    worst = std::max(worst, std::fabs(static_cast<double>(z[i]) - exact) / std::max(1.0, std::fabs(exact)));
  }
  CHECK(worst < 5e-7);  // Highway's tanh: 4 ulp
  float far[] = {0.0F, 1e30F, -1e30F};
  soft_cap(far, 3, 30.0F);
  CHECK(far[0] == 0.0F);
  CHECK(far[1] == 30.0F);
  CHECK(far[2] == -30.0F);
  // The same bits wherever an element stands.
  for (std::size_t begin = 0; begin < 20; ++begin) {
    std::vector<float> part(before.begin() + 777, before.begin() + 777 + 40);
    soft_cap(part.data() + begin, 40 - begin, 30.0F);
    CHECK(std::memcmp(part.data() + begin, z.data() + 777 + begin, (40 - begin) * sizeof(float)) == 0);
  }
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_softmax);
HWY_EXPORT(test_not_finite);
HWY_EXPORT(test_soft_cap);
TEST_CASE("softmax and log-sum-exp equal the oracle") { CHECK(LAMINA_ON_EACH_TARGET(test_softmax) > 0); }
TEST_CASE("softmax spreads NaN and infinity, the soft cap finds them") {
  CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0);
}
TEST_CASE("soft cap equals 30 tanh(z / 30)") { CHECK(LAMINA_ON_EACH_TARGET(test_soft_cap) > 0); }
}  // namespace lamina
#endif
