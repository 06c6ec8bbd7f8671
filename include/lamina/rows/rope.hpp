// SPDX-License-Identifier: Apache-2.0
// Frequencies and angles of rotary position embedding, computed once per model and once per position.
// Source: text-decoder.md §2.4.1.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina {

/// Fills the frequencies f_i = base^(-2i/head_dim) / factor of the first `pairs` pairs.
///
/// The exponent's denominator is the whole head_dim also where only some pairs turn (p-RoPE). Local layers
/// turn pairs = head_dim / 2, global ones head_dim / 8.
///
/// Shapes    frequencies [pairs] · factors [pairs] or null: a file's own divisors (GGUF rope_freqs)
/// Requires  2 * pairs <= head_dim
inline void rope_frequencies(float* frequencies, int pairs, int head_dim, double base, double factor = 1.0,
                             const float* factors = nullptr) noexcept {
  for (int i = 0; i < pairs; ++i) {
    const double divisor = factors != nullptr ? factor * static_cast<double>(factors[i]) : factor;
    frequencies[i] = static_cast<float>(std::pow(base, -2.0 * i / head_dim) / divisor);
  }
}

/// Computes cosine and sine of all angles of one position; shared by all heads and layers of one kind.
///
/// The angle is the float32 product of position and frequency, as in the reference implementation (an exact
/// angle would differ from it by up to 0.016 near position 2^18); its cosine and sine are then rounded once.
///
/// Shapes    frequencies, cosines, sines [pairs]
/// Cost      about 30 ns per pair: fill once per position, not once per layer
inline void rope_angles(const float* frequencies, int pairs, std::uint32_t position, float* cosines,
                        float* sines) noexcept {
  for (int i = 0; i < pairs; ++i) {
    const float angle = static_cast<float>(position) * frequencies[i];
    cosines[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
    sines[i] = static_cast<float>(std::sin(static_cast<double>(angle)));
  }
}

}  // namespace lamina
