// SPDX-License-Identifier: Apache-2.0
// Attention with rows for distances against plain arithmetic in double, and damage that the cap would hide.
#define HWY_TARGET_INCLUDE "unit/attention/attend_relative_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <lamina/attention/attend_relative-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

constexpr std::size_t most_rows = 13;

struct Data {
  std::vector<float> q, keys, values, distances;
  std::size_t n, stride, count;

  Data(std::size_t width, std::size_t rows, float scale) : n(width), stride(width + 5), count(rows) {
    q = test::normal_vector(n, 61 + n, scale);
    keys = test::normal_vector(count * stride, 62 + n);
    values = test::normal_vector(count * stride, 63 + n);
    distances = test::normal_vector(count * n, 64 + n);
  }
  [[nodiscard]] RelativeKeys rows() const {
    return {keys.data(), values.data(), distances.data(), stride, n, count};
  }
};

std::vector<double> plain(const Data& data, double key_scale, double cap) {
  std::vector<double> weights(data.count);
  double sum = 0;
  for (std::size_t j = 0; j < data.count; ++j) {
    double score = 0;
    for (std::size_t i = 0; i < data.n; ++i) {
      const double key = static_cast<double>(data.keys[j * data.stride + i]);
      const double distance = static_cast<double>(data.distances[(data.count - 1 - j) * data.n + i]);
      score += static_cast<double>(data.q[i]) * (key_scale * key + distance);
    }
    weights[j] = std::exp(cap * std::tanh(score / cap));
    sum += weights[j];
  }
  std::vector<double> out(data.n);
  for (std::size_t j = 0; j < data.count; ++j) {
    for (std::size_t i = 0; i < data.n; ++i) {
      out[i] += weights[j] / sum * static_cast<double>(data.values[j * data.stride + i]);
    }
  }
  return out;
}

void test_attend() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  double worst = 0;
  int wrong = 0;
  for (const std::size_t n : {1U, 3U, 16U, 17U, 64U, 128U}) {
    for (const std::size_t count : {1U, 2U, 5U, 8U, 12U, 13U}) {
      // The larger scale lets scores reach the cap.
      for (const float scale : {0.1F, 4.0F}) {
        const Data data(n, count, scale);
        std::vector<float> out(n + 1, 77.0F);
        const bool finite = attend_relative<most_rows>(data.q.data(), data.rows(), 1.9F, 5.0F, out.data(), n);
        const auto expected = plain(data, static_cast<double>(1.9F), 5.0);
        for (std::size_t i = 0; i < n; ++i) {
          worst = std::max(worst, std::fabs(static_cast<double>(out[i]) - expected[i]));
        }
        wrong += !finite + (out[n] != 77.0F);
      }
    }
  }
  CHECK(worst < 2e-5);
  CHECK(wrong == 0);
}

void test_not_finite() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  int wrong = 0;
  std::vector<float> out(17);
  for (const float damage : test::not_finite) {
    for (int where = 0; where < 3; ++where) {
      Data data(17, 12, 1.0F);
      (where == 0 ? data.q : where == 1 ? data.keys : data.distances)[16] = damage;
      wrong += attend_relative<most_rows>(data.q.data(), data.rows(), 1.9F, 50.0F, out.data(), 17);
    }
    // The norm behind attention finds what values bring.
    Data data(17, 12, 1.0F);
    data.values[3] = damage;
    (void)attend_relative<most_rows>(data.q.data(), data.rows(), 1.9F, 50.0F, out.data(), 17);
    wrong += std::isfinite(out[3]);
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_attend);
HWY_EXPORT(test_not_finite);
TEST_CASE("relative attention equals plain arithmetic") { CHECK(LAMINA_ON_EACH_TARGET(test_attend) > 0); }
TEST_CASE("relative attention finds what is not finite") {
  CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0);
}
}  // namespace lamina
#endif
