// SPDX-License-Identifier: Apache-2.0
// The soft cap against double precision, and what it does with numbers that are not finite.
#define HWY_TARGET_INCLUDE "unit/rows/soft_cap_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <lamina/rows/soft_cap-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

/// The cap tells of every number that is not finite, also of infinities, which it makes finite.
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
        capped = z;
        wrong += soft_cap(capped.data(), n, 30.0F);
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
HWY_EXPORT(test_not_finite);
HWY_EXPORT(test_soft_cap);
TEST_CASE("the soft cap finds NaN and infinities") { CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0); }
TEST_CASE("soft cap equals 30 tanh(z / 30)") { CHECK(LAMINA_ON_EACH_TARGET(test_soft_cap) > 0); }
}  // namespace lamina
#endif
