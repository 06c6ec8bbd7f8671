// SPDX-License-Identifier: Apache-2.0
// Repeatable random vectors for kernel tests.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

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

}  // namespace lamina::test
