// SPDX-License-Identifier: Apache-2.0
// The depthwise convolution against a plain sum: odd widths, misaligned rows, fewer rows at a clip's
// beginning.
#define HWY_TARGET_INCLUDE "unit/rows/depthwise_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <lamina/rows/depthwise-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

void test_depthwise() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  double worst = 0;
  int wrong = 0;
  for (const std::size_t n : {1U, 2U, 3U, 7U, 8U, 9U, 16U, 17U, 33U, 64U, 65U, 1024U}) {
    for (const std::size_t taps : {1U, 2U, 4U, 5U}) {
      const std::size_t stride = n + 3;
      const auto memory = test::normal_vector(taps * stride + 1, 50 + n);
      const auto weights = test::normal_vector(taps * n, 51 + n);
      const float* x = memory.data() + 1;
      std::vector<float> out(n + 1, 77.0F);
      depthwise(x, stride, weights.data(), taps, out.data(), n);
      for (std::size_t c = 0; c < n; ++c) {
        double sum = 0, size = 0;
        for (std::size_t k = 0; k < taps; ++k) {
          const double term =
              static_cast<double>(weights[k * n + c]) * static_cast<double>(x[k * stride + c]);
          sum += term;
          size += std::fabs(term);
        }
        worst = std::max(worst, std::fabs(static_cast<double>(out[c]) - sum) / (size + 1e-30));
      }
      wrong += out[n] != 77.0F;
      // One channel alone has the bits that it has among the others.
      for (std::size_t c = 0; c < n && c < 40; ++c) {
        std::vector<float> column(taps), tap(taps);
        for (std::size_t k = 0; k < taps; ++k) {
          column[k] = x[k * stride + c];
          tap[k] = weights[k * n + c];
        }
        float alone = 0;
        depthwise(column.data(), 1, tap.data(), taps, &alone, 1);
        wrong += alone != out[c];
      }
    }
  }
  CHECK(worst < 3e-7);
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_depthwise);
TEST_CASE("each channel is convolved with its own taps") { CHECK(LAMINA_ON_EACH_TARGET(test_depthwise) > 0); }
}  // namespace lamina
#endif
