// SPDX-License-Identifier: Apache-2.0
// The codebooks of the IQ1, IQ2 and IQ3 encodings, expanded at compile time to one signed byte per value.
// Source: weight-files.md §4.7 and Appendix A.
#pragma once

#include <cstdint>

#include <lamina/blocks/codebook_entries.hpp>

namespace lamina {

/// `Entries` groups of `Width` consecutive values.
template <int Entries, int Width>
struct Codebook {
  std::int8_t value[Entries][Width];
};

namespace detail {

/// Expands entries of eight 2-bit codes, element 0 lowest; code c stands for `values[c]` (3 does not occur).
template <int Entries>
[[nodiscard]] consteval Codebook<Entries, 8> expand_pairs(const std::uint16_t (&entries)[Entries],
                                                          const std::int8_t (&values)[3]) noexcept {
  Codebook<Entries, 8> book{};
  for (int i = 0; i < Entries; ++i) {
    for (int j = 0; j < 8; ++j) book.value[i][j] = values[entries[i] >> (2 * j) & 3];
  }
  return book;
}

/// Expands entries of four octal digits, element 0 highest; digit o stands for `values[o]`.
template <int Entries>
[[nodiscard]] consteval Codebook<Entries, 4> expand_octal(const std::uint16_t (&entries)[Entries],
                                                          const std::int8_t (&values)[8]) noexcept {
  Codebook<Entries, 4> book{};
  for (int i = 0; i < Entries; ++i) {
    for (int j = 0; j < 4; ++j) book.value[i][j] = values[entries[i] >> (9 - 3 * j) & 7];
  }
  return book;
}

inline constexpr std::int8_t g1_values[3] = {-1, 0, 1};
inline constexpr std::int8_t g2_values[3] = {8, 25, 43};
inline constexpr std::int8_t g3xxs_values[8] = {4, 12, 20, 28, 36, 44, 52, 62};
inline constexpr std::int8_t g3s_values[8] = {1, 3, 5, 7, 9, 11, 13, 15};

}  // namespace detail

/// 16 KiB: IQ1_S and IQ1_M, values -1, 0, 1.
inline constexpr Codebook<2048, 8> codebook_g1 = detail::expand_pairs(detail::g1_entries, detail::g1_values);
/// 2 KiB: IQ2_XXS, values 8, 25, 43.
inline constexpr Codebook<256, 8> codebook_g2xxs =
    detail::expand_pairs(detail::g2xxs_entries, detail::g2_values);
/// 4 KiB: IQ2_XS, values 8, 25, 43.
inline constexpr Codebook<512, 8> codebook_g2xs =
    detail::expand_pairs(detail::g2xs_entries, detail::g2_values);
/// 8 KiB: IQ2_S, values 8, 25, 43.
inline constexpr Codebook<1024, 8> codebook_g2s =
    detail::expand_pairs(detail::g2s_entries, detail::g2_values);
/// 1 KiB: IQ3_XXS, values 4 to 62.
inline constexpr Codebook<256, 4> codebook_g3xxs =
    detail::expand_octal(detail::g3xxs_entries, detail::g3xxs_values);
/// 2 KiB: IQ3_S, odd values 1 to 15.
inline constexpr Codebook<512, 4> codebook_g3s =
    detail::expand_octal(detail::g3s_entries, detail::g3s_values);

}  // namespace lamina
