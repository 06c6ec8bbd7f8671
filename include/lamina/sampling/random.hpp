// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same on every platform: xoshiro256**, seeded through SplitMix64.
// Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021); both are public
// domain.
#pragma once

#include <bit>
#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina {

/// SplitMix64: moves `state` on and returns 64 random bits.
constexpr std::uint64_t split_mix_64(std::uint64_t& state) noexcept {
  state += 0x9E37'79B9'7F4A'7C15;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
  z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
  return z ^ (z >> 31);
}

/// A stream of random numbers that one 64-bit seed determines.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = split_mix_64(seed);
  }

  /// 64 random bits.
  constexpr std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// A number in [0, 1): the upper 53 bits as multiples of 2^-53.
  constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_[4] = {};
};

}  // namespace lamina
