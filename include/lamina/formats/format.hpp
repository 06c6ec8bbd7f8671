// SPDX-License-Identifier: Apache-2.0
// The encodings a stored tensor can have: one tag each, with block size and name.
// Source: weight-files.md §1.5 (GGUF encoding ids), §6.1 (safetensors dtypes map onto F32, F16, BF16).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/config.hpp>

namespace lamina {

/// Encoding of a stored tensor. The values are the ids that GGUF files use.
enum class Format : std::uint8_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  i32 = 26,
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
  q1_0 = 41,
  q2_0 = 42,
};

/// Layout facts of one encoding.
struct FormatInfo {
  Format format;
  std::string_view name;         ///< as in GGUF tools: "Q4_0"
  std::uint16_t block_elements;  ///< elements that share one block
  std::uint16_t block_bytes;     ///< bytes of that block
  [[nodiscard]] constexpr double bits_per_weight() const noexcept {
    return 8.0 * block_bytes / block_elements;
  }
};

inline constexpr std::array<FormatInfo, 29> all_formats{{
    {Format::f32, "F32", 1, 4},
    {Format::f16, "F16", 1, 2},
    {Format::q4_0, "Q4_0", 32, 18},
    {Format::q4_1, "Q4_1", 32, 20},
    {Format::q5_0, "Q5_0", 32, 22},
    {Format::q5_1, "Q5_1", 32, 24},
    {Format::q8_0, "Q8_0", 32, 34},
    {Format::q2_k, "Q2_K", 256, 84},
    {Format::q3_k, "Q3_K", 256, 110},
    {Format::q4_k, "Q4_K", 256, 144},
    {Format::q5_k, "Q5_K", 256, 176},
    {Format::q6_k, "Q6_K", 256, 210},
    {Format::iq2_xxs, "IQ2_XXS", 256, 66},
    {Format::iq2_xs, "IQ2_XS", 256, 74},
    {Format::iq3_xxs, "IQ3_XXS", 256, 98},
    {Format::iq1_s, "IQ1_S", 256, 50},
    {Format::iq4_nl, "IQ4_NL", 32, 18},
    {Format::iq3_s, "IQ3_S", 256, 110},
    {Format::iq2_s, "IQ2_S", 256, 82},
    {Format::iq4_xs, "IQ4_XS", 256, 136},
    {Format::i32, "I32", 1, 4},
    {Format::iq1_m, "IQ1_M", 256, 56},
    {Format::bf16, "BF16", 1, 2},
    {Format::tq1_0, "TQ1_0", 256, 54},
    {Format::tq2_0, "TQ2_0", 256, 66},
    {Format::mxfp4, "MXFP4", 32, 17},
    {Format::nvfp4, "NVFP4", 64, 36},
    {Format::q1_0, "Q1_0", 128, 18},
    {Format::q2_0, "Q2_0", 64, 18},
}};

/// Finds the facts of an encoding id read from a file; null for ids this library does not implement.
[[nodiscard]] constexpr const FormatInfo* find_format(std::uint32_t id) noexcept {
  for (const FormatInfo& info : all_formats) {
    if (static_cast<std::uint32_t>(info.format) == id) return &info;
  }
  return nullptr;
}

/// Finds an encoding by its name ("Q4_0", case as in `FormatInfo::name`); null if there is none.
[[nodiscard]] constexpr const FormatInfo* find_format(std::string_view name) noexcept {
  for (const FormatInfo& info : all_formats) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

namespace detail {

/// Position of every id in `all_formats`, so that finding a format's facts is one load; 0 for ids that are
/// none.
inline constexpr auto format_positions = [] {
  std::array<std::uint8_t, 64> positions{};
  for (std::size_t i = 0; i < all_formats.size(); ++i) {
    positions[static_cast<std::size_t>(all_formats[i].format)] = static_cast<std::uint8_t>(i);
  }
  return positions;
}();

}  // namespace detail

/// The facts of an encoding. Requires a declared enumerator.
[[nodiscard]] constexpr const FormatInfo& info_of(Format format) noexcept {
  return all_formats[detail::format_positions[static_cast<std::size_t>(format) %
                                              detail::format_positions.size()]];
}

/// Bytes of one row of `columns` elements. Requires `columns` to be a multiple of the block size.
[[nodiscard]] constexpr std::size_t row_bytes(Format format, std::size_t columns) noexcept {
  const FormatInfo& info = info_of(format);
  return columns / info.block_elements * info.block_bytes;
}

/// True for encodings whose elements are plain floats; the others are blocks of integer codes with scales.
[[nodiscard]] constexpr bool is_float(Format format) noexcept {
  return format == Format::f32 || format == Format::f16 || format == Format::bf16;
}

/// Whether rows of `format` have an interleaved form (blocks/interleave.hpp).
[[nodiscard]] constexpr bool can_interleave(Format format) noexcept {
  return format == Format::q4_0 || format == Format::iq4_nl || format == Format::q8_0 ||
         format == Format::q4_k || format == Format::q5_k || format == Format::q6_k;
}

/// Set of encodings that are compiled, bit n for the enumerator of value n: LAMINA_FORMATS and F32, or all.
inline constexpr std::uint64_t built_in_formats = [] {
  std::uint64_t set = 0;
#if defined(LAMINA_FORMATS)
  using enum Format;
  for (const Format format : {f32, LAMINA_FORMATS}) set |= std::uint64_t{1} << static_cast<unsigned>(format);
#else
  for (const FormatInfo& info : all_formats) set |= std::uint64_t{1} << static_cast<unsigned>(info.format);
#endif
  return set;
}();

/// Whether an encoding is compiled. What is not must not be decoded: `check_tensor` refuses it.
[[nodiscard]] constexpr bool is_built_in(Format format, std::uint64_t set = built_in_formats) noexcept {
  return (set >> static_cast<unsigned>(format) % 64 & 1) != 0;
}

/// `F`, or F32 if `F` was left out: code for what nobody can reach is not instantiated.
template <Format F>
inline constexpr Format built_in_or_f32 = is_built_in(F) ? F : Format::f32;

static_assert(info_of(Format::q4_0).bits_per_weight() == 4.5);
static_assert(row_bytes(Format::q6_k, 512) == 420);

}  // namespace lamina
