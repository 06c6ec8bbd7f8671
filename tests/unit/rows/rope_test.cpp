// SPDX-License-Identifier: Apache-2.0
// Rotary embedding: the specification's frequencies, and rotation against the oracle.
#define HWY_TARGET_INCLUDE "unit/rows/rope_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <lamina/testing/reference.hpp>
#include <lamina/rows/rope-inl.hpp>
#include <lamina/rows/rope.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

void check_rotation(std::size_t head_dim, std::size_t pairs, std::uint32_t position) {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", head_dim ", head_dim, ", pairs ", pairs,
       ", position ", position);
  constexpr std::size_t heads = 3;
  const std::size_t offset = 1;  // misaligned
  std::vector<float> frequencies(pairs), cosines(pairs), sines(pairs);
  rope_frequencies(frequencies.data(), static_cast<int>(pairs), static_cast<int>(head_dim), 1e4);
  rope_angles(frequencies.data(), static_cast<int>(pairs), position, cosines.data(), sines.data());
  std::vector<double> angles;
  for (const float f : frequencies) angles.push_back(static_cast<double>(static_cast<float>(position) * f));
  const auto x = test::normal_vector(offset + heads * head_dim + 1, 31);
  std::vector<float> out(x);
  rotate_heads(out.data() + offset, heads, head_dim, pairs, cosines.data(), sines.data());
  double worst = 0.0;
  std::size_t changed = 0;
  for (std::size_t h = 0; h < heads; ++h) {
    const std::size_t begin = offset + h * head_dim;
    const auto expected = reference::rotate(x.data() + begin, head_dim, pairs, angles.data());
    for (std::size_t i = 0; i < head_dim; ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(out[begin + i]) - expected[i]));
      changed += out[begin + i] != x[begin + i];
      if (i % (head_dim / 2) >= pairs) CHECK(out[begin + i] == x[begin + i]);
    }
  }
  CHECK(worst < 5e-7);  // elements up to 4: three roundings of half an ulp (2^-22)
  CHECK(out.front() == x.front());
  CHECK(out.back() == x.back());
  if (position == 0) CHECK(changed == 0);
  if (position > 100) CHECK(changed > heads * pairs);
}

void test_rotate_heads() {
  for (const std::uint32_t position : {0U, 1U, 511U, 131'071U}) {
    check_rotation(256, 128, position);
    check_rotation(512, 64, position);
    check_rotation(16, 2, position);
    check_rotation(16, 8, position);
    check_rotation(24, 3, position);
    check_rotation(80, 40, position);
  }
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_rotate_heads);
TEST_CASE("rotation equals the oracle and leaves the other elements alone") {
  CHECK(LAMINA_ON_EACH_TARGET(test_rotate_heads) > 0);
}

TEST_CASE("frequencies have the values of text-decoder.md 2.4.1") {
  float global[64];
  rope_frequencies(global, 64, 512, 1e6);
  CHECK(global[0] == 1.0F);
  CHECK(std::fabs(global[1] - 0.9474635F) < 1e-7F);
  CHECK(std::fabs(global[2] - 0.8976871F) < 1e-7F);
  CHECK(std::fabs(global[63] - 0.03337625F) < 1e-8F);
  float local[128];
  rope_frequencies(local, 128, 256, 1e4);
  CHECK(std::fabs(local[1] - 0.9305720F) < 1e-7F);
  CHECK(std::fabs(local[64] - 0.01F) < 1e-9F);
  CHECK(std::fabs(local[127] - 1.0746e-4F) < 1e-8F);
}

TEST_CASE("a factor and a file's factors divide the frequencies") {
  const float factors[3] = {1.0F, 2.0F, 1e30F};
  float f[3];
  rope_frequencies(f, 3, 6, 1e4, 8.0, factors);
  CHECK(f[0] == 0.125F);
  CHECK(f[1] == doctest::Approx(std::pow(1e4, -1.0 / 3.0) / 16.0).epsilon(1e-6));
  CHECK(f[2] < 1e-30F);
}

TEST_CASE("angles are float32 products, as in the reference implementation") {
  const float frequency = 0.9305720F;
  float cosine = 0.0F;
  float sine = 0.0F;
  rope_angles(&frequency, 1, 262'143, &cosine, &sine);
  const float angle = 262'143.0F * frequency;
  CHECK(cosine == static_cast<float>(std::cos(static_cast<double>(angle))));
  CHECK(sine == static_cast<float>(std::sin(static_cast<double>(angle))));
}
}  // namespace lamina
#endif
