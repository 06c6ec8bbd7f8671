// SPDX-License-Identifier: Apache-2.0
// The gate: accuracy over the whole range of inputs, and bits that do not depend on an element's place.
#define HWY_TARGET_INCLUDE "unit/rows/geglu_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <lamina/rows/geglu-inl.hpp>
#include <lamina/testing/reference.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

void test_accuracy() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  std::vector<float> gate;
  for (int i = -120'000; i <= 120'000; ++i) gate.push_back(static_cast<float>(i) * 1e-4F);
  const std::vector<float> up(gate.size(), 1.0F);
  std::vector<float> out(gate.size());
  geglu(gate.data(), up.data(), out.data(), gate.size());
  double relative = 0.0;
  double absolute = 0.0;
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double z = static_cast<double>(gate[i]);
    const double exact = reference::gelu_tanh(z);
    const double error = std::fabs(static_cast<double>(out[i]) - exact);
    absolute = std::max(absolute, error / std::max(1.0, std::fabs(z)));
    if (z > -4.0 && exact != 0.0) relative = std::max(relative, error / std::fabs(exact));
  }
  CHECK(absolute < 2e-7);
  // Below 0 the exponent reaches 2·u(4) = 11: its rounding (half an ulp of 11, 5e-7) is that of the result.
  CHECK(relative < 2e-6);
}

void test_limits() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const float gate[] = {0.0F, -0.0F, 1e4F, -1e4F, 3e38F, -3e38F, 88.0F, -88.0F, 20.0F};
  const float up[] = {2.0F, 2.0F, 2.0F, 2.0F, 1.0F, 1.0F, 1.0F, 1.0F, -1.0F};
  float out[9];
  geglu(gate, up, out, 9);
  CHECK(out[0] == 0.0F);
  CHECK(out[1] == 0.0F);
  CHECK(out[2] == 2e4F);
  CHECK(std::fabs(out[3]) < 1e-30F);
  CHECK(out[4] == 3e38F);
  CHECK(std::fabs(out[5]) <= 3.0F);  // z / exp(88): finite, and far below |z|
  CHECK(out[6] == 88.0F);
  CHECK(std::fabs(out[7]) < 1e-30F);
  CHECK(out[8] == -20.0F);
}

void test_not_finite() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  int wrong = 0;
  test::for_each_damaged_pair(
      [&](const std::vector<float>& damaged, const std::vector<float>& others, std::size_t at) {
        std::vector<float> out(damaged.size());
        geglu(damaged.data(), others.data(), out.data(), out.size());
        wrong += std::isfinite(out[at]);
        geglu(others.data(), damaged.data(), out.data(), out.size());
        wrong += std::isfinite(out[at]);
      });
  CHECK(wrong == 0);
}

void test_place() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  test::check_places([](const float* a, const float* b, float* out, std::size_t n) { geglu(a, b, out, n); });
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
TEST_CASE("geglu is accurate over the range of activations") {
  CHECK(LAMINA_ON_EACH_TARGET(test_accuracy) > 0);
}
TEST_CASE("geglu stays finite at the limits") { CHECK(LAMINA_ON_EACH_TARGET(test_limits) > 0); }
TEST_CASE("geglu does not hide NaN and infinities") { CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0); }
TEST_CASE("geglu gives an element the same bits wherever it stands") {
  CHECK(LAMINA_ON_EACH_TARGET(test_place) > 0);
}
}  // namespace lamina
#endif
