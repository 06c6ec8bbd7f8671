// SPDX-License-Identifier: Apache-2.0
// Choice of experts against the book's order of operations; ties and odd inputs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <lamina/testing/reference.hpp>
#include <lamina/rows/router.hpp>
#include <support/kernel_data.hpp>

namespace lamina {

TEST_CASE("routing equals softmax, top-k, renormalisation, scale") {
  for (std::size_t round = 0; round < 50; ++round) {
    const std::size_t experts = round % 2 == 0 ? 128 : 7;
    const std::size_t count = round % 3 == 0 ? 1 : round % 3 == 1 ? 4 : 7;
    const auto logits = test::normal_vector(experts, 91 + round, 3.0F);
    const auto scale = test::normal_vector(experts, 191 + round);
    std::vector<RoutedExpert> chosen(count);
    route(logits, scale.data(), chosen);
    const auto expected = reference::route(logits.data(), scale.data(), experts, count);
    REQUIRE(expected.size() == count);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(chosen[i].expert == expected[i].expert);
      // The float32 difference to the largest logit is off by half an ulp, which the exponential keeps; 4
      // more roundings.
      const double difference = static_cast<double>(logits[chosen[0].expert] - logits[chosen[i].expert]);
      const double tolerance = (difference + 4.0) * 0x1p-24;
      CHECK(std::fabs(static_cast<double>(chosen[i].weight) - expected[i].weight) <=
            tolerance * std::fabs(expected[i].weight));
    }
  }
}

TEST_CASE("weights without scale sum to 1") {
  const auto logits = test::normal_vector(128, 5, 5.0F);
  std::vector<RoutedExpert> chosen(8);
  route(logits, nullptr, chosen);
  float sum = 0.0F;
  for (const RoutedExpert& one : chosen) sum += one.weight;
  CHECK(sum == doctest::Approx(1.0).epsilon(1e-6));
}

TEST_CASE("equal logits go to the lower index") {
  const std::vector<float> logits = {1.0F, 2.0F, 2.0F, 0.0F, 2.0F, 2.0F};
  std::vector<RoutedExpert> chosen(3);
  route(logits, nullptr, chosen);
  CHECK(chosen[0].expert == 1);
  CHECK(chosen[1].expert == 2);
  CHECK(chosen[2].expert == 4);
  CHECK(chosen[0].weight == doctest::Approx(1.0 / 3.0));
}

TEST_CASE("a logit that is not finite makes all weights NaN, chosen or not") {
  for (const float damage : test::not_finite) {
    for (std::size_t at = 0; at < 5; ++at) {
      std::vector<float> logits = {0.5F, 1.0F, -4.0F, 2.0F, -3.0F};
      logits[at] = damage;
      std::vector<RoutedExpert> chosen(2);
      route(logits, nullptr, chosen);
      CHECK(std::isnan(chosen[0].weight));
      CHECK(std::isnan(chosen[1].weight));
    }
  }
}

TEST_CASE("a NaN logit never displaces a number, and indices stay distinct") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits = {nan, 1.0F, nan, 2.0F, -3.0F};
  std::vector<RoutedExpert> chosen(3);
  route(logits, nullptr, chosen);
  CHECK(chosen[0].expert == 3);
  CHECK(chosen[1].expert == 1);
  CHECK(chosen[2].expert == 4);
  const std::vector<float> none(4, nan);
  route(none, nullptr, chosen);
  CHECK(chosen[0].expert == 0);
  CHECK(chosen[1].expert == 1);
  CHECK(chosen[2].expert == 2);
}

}  // namespace lamina
