// SPDX-License-Identifier: Apache-2.0
// Sigmoid gates: accuracy over the whole range of inputs, damage, and bits that do not depend on the place.
#define HWY_TARGET_INCLUDE "unit/rows/silu_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <lamina/rows/silu-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

void test_accuracy() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  std::vector<float> gates;
  for (int i = -400'000; i <= 400'000; i += 3) gates.push_back(static_cast<float>(i) * 1e-4F);
  std::vector<float> values(gates.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? 1.0F : -3.0F;
  std::vector<float> gated(gates.size());
  glu(values.data(), gates.data(), gated.data(), gates.size());
  std::vector<float> own(gates);
  silu(own.data(), own.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const double x = static_cast<double>(gates[i]);
    const double sigmoid = 1 / (1 + std::exp(-x));
    const double of_value = static_cast<double>(values[i]) * sigmoid;
    worst = std::max(worst, std::fabs(static_cast<double>(gated[i]) - of_value) / std::fabs(of_value));
    if (x != 0)
      worst = std::max(worst, std::fabs(static_cast<double>(own[i]) - x * sigmoid) / std::fabs(x * sigmoid));
  }
  // The exponential's rounding of an exponent of 40 (half an ulp, 2e-6) is that of the result.
  CHECK(worst < 4e-6);
}

void test_limits() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  float x[] = {0.0F, -0.0F, 1e4F, -1e4F, 3e38F, -3e38F, 88.0F, -200.0F, 1.0F};
  silu(x, 9);
  CHECK(x[0] == 0.0F);
  CHECK(x[1] == 0.0F);
  CHECK(x[2] == 1e4F);
  CHECK(std::fabs(x[3]) < 1e-30F);
  CHECK(x[4] == 3e38F);
  CHECK(std::fabs(x[5]) <= 3.0F);  // x / exp(88): finite, and far below |x|
  CHECK(x[6] == 88.0F);
  CHECK(std::fabs(x[7]) < 1e-30F);
  CHECK(x[8] == doctest::Approx(0.7310585786300049));
}

void test_not_finite() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  int wrong = 0;
  test::for_each_damaged_pair(
      [&](std::vector<float>& damaged, const std::vector<float>& others, std::size_t at) {
        std::vector<float> out(damaged.size());
        glu(damaged.data(), others.data(), out.data(), out.size());
        wrong += std::isfinite(out[at]);
        glu(others.data(), damaged.data(), out.data(), out.size());
        wrong += std::isfinite(out[at]);
        silu(damaged.data(), damaged.size());
        wrong += std::isfinite(damaged[at]);
      });
  CHECK(wrong == 0);
}

void test_place() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  test::check_places([](const float* a, const float* b, float* out, std::size_t n) { glu(a, b, out, n); });
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_accuracy);
HWY_EXPORT(test_limits);
HWY_EXPORT(test_not_finite);
HWY_EXPORT(test_place);
TEST_CASE("sigmoid gates are accurate over the range of activations") {
  CHECK(LAMINA_ON_EACH_TARGET(test_accuracy) > 0);
}
TEST_CASE("silu stays finite at the limits") { CHECK(LAMINA_ON_EACH_TARGET(test_limits) > 0); }
TEST_CASE("sigmoid gates do not hide NaN and infinities") {
  CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0);
}
TEST_CASE("sigmoid gates give an element the same bits wherever it stands") {
  CHECK(LAMINA_ON_EACH_TARGET(test_place) > 0);
}
}  // namespace lamina
#endif
