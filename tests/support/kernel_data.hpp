// SPDX-License-Identifier: Apache-2.0
// Repeatable random vectors for kernel tests.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/sampling/random.hpp>

namespace lamina::test {

/// SplitMix64: the same numbers on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() { return split_mix_64(state_); }
  /// Uniform in [-1, 1).
  float uniform() { return static_cast<float>(static_cast<std::int64_t>(bits()) >> 40) * 0x1p-23F; }
  /// Roughly normal with deviation 1: the sum of 12 uniforms over [-1, 1) has variance 4.
  float normal() {
    float sum = 0.0F;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum * 0.5F;
  }

 private:
  std::uint64_t state_;
};

/// `count` roughly normal numbers times `scale`.
inline std::vector<float> normal_vector(std::size_t count, std::uint64_t seed, float scale = 1.0F) {
  Random random(seed);
  std::vector<float> out(count);
  for (float& value : out) value = random.normal() * scale;
  return out;
}

/// Numbers that are not finite: infinities, and NaN of either sign with the smallest and the largest
/// payloads.
inline const float not_finite[] = {std::bit_cast<float>(0x7F800000U), std::bit_cast<float>(0xFF800000U),
                                   std::bit_cast<float>(0x7F800001U), std::bit_cast<float>(0xFF800001U),
                                   std::bit_cast<float>(0x7FC00000U), std::bit_cast<float>(0xFFFFFFFFU)};

/// Calls check(damaged, others, at) for rows of 19 elements, one of which is not finite, beside finite ones
/// of every size: `at` is the place of the damage. They are the caller's to change.
template <class Check>
void for_each_damaged_pair(Check check) {
  for (const float damage : not_finite) {
    for (const float other : {-1e30F, -200.0F, -20.0F, -0.5F, 0.0F, 1.0F, 1e30F}) {
      for (std::size_t at = 0; at < 19; ++at) {
        std::vector<float> damaged(19, 0.25F);
        damaged[at] = damage;
        check(damaged, std::vector<float>(19, other), at);
      }
    }
  }
}

/// Checks that gate(a, b, out, n) gives an element the same bits wherever it stands, and touches nothing
/// behind n.
template <class Gate>
void check_places(Gate gate) {
  constexpr std::size_t count = 70;
  const auto a = normal_vector(count, 41, 2.0F);
  const auto b = normal_vector(count, 42);
  std::vector<float> whole(count);
  gate(a.data(), b.data(), whole.data(), count);
  std::size_t checked = 0;
  for (std::size_t begin = 0; begin < count; ++begin) {
    for (const std::size_t n : {1U, 3U, 8U, 17U}) {
      if (begin + n > count) continue;
      std::vector<float> part(n + 1, 5.0F);
      gate(a.data() + begin, b.data() + begin, part.data(), n);
      CHECK(std::memcmp(part.data(), whole.data() + begin, n * sizeof(float)) == 0);
      CHECK(part[n] == 5.0F);
      ++checked;
    }
  }
  CHECK(checked > 200);
}

}  // namespace lamina::test
