// SPDX-License-Identifier: Apache-2.0
// Unpacks rows of Q4_K, Q5_K and Q6_K into a panel; everything is the same for each row, so it runs on all at
// once. Source: weight-files.md §4.3.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_UNPACK_K_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_UNPACK_K_INL_HPP_
#undef LAMINA_KERNELS_UNPACK_K_INL_HPP_
#else
#define LAMINA_KERNELS_UNPACK_K_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/kernels/unpack-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if !LAMINA_ONE_LANE

/// Blocks of 32 in a block of the K types.
inline constexpr int super_block_parts = 8;

/// Widens f16 bits in the lower half of every lane.
HWY_INLINE compat::VecF32 widen_halves(VecWords bits) noexcept {
  const hn::Rebind<std::uint16_t, TagWords> d16;
  const hn::Rebind<hwy::float16_t, TagWords> d_half;
  const auto words = hn::BitCast(compat::TagI32(), hn::And(bits, hn::Set(TagWords(), 0xFFFFu)));
  return hn::PromoteTo(compat::TagF32(), hn::BitCast(d_half, hn::DemoteTo(d16, words)));
}

/// Byte `index` of every lane as a float.
HWY_INLINE compat::VecF32 unsigned_byte(VecWords v, int index) noexcept {
  const auto byte = hn::And(hn::ShiftRightSame(v, 8 * index), hn::Set(TagWords(), 0xFFu));
  return hn::ConvertTo(compat::TagF32(), hn::BitCast(compat::TagI32(), byte));
}
HWY_INLINE compat::VecF32 signed_byte(VecWords v, int index) noexcept {
  const auto at_top = hn::BitCast(compat::TagI32(), hn::ShiftLeftSame(v, 24 - 8 * index));
  return hn::ConvertTo(compat::TagF32(), hn::ShiftRight<24>(at_top));
}

/// `v` moved left by `bits`, right if negative; then only the bits of `mask` in every byte.
HWY_INLINE VecWords shifted_bits(VecWords v, int bits, std::uint32_t mask) noexcept {
  const VecWords moved = bits >= 0 ? hn::ShiftLeftSame(v, bits) : hn::ShiftRightSame(v, -bits);
  return hn::And(moved, hn::Set(TagWords(), mask * 0x01010101u));
}

/// Unpacks the scales and offsets of Q4_K and Q5_K, whose first 16 bytes are alike: d, dmin, 12 bytes of
/// 6-bit pairs.
HWY_INLINE void unpack_pairs_of_scales(CodeClass shape, const RowPointers& rows, std::size_t at,
                                       const Panel& panel, int v, std::size_t first_block) noexcept {
  const compat::TagF32 df;
  const Quads header = load_interleaved(rows, at);
  const auto d = widen_halves(header.quad[0]);
  const auto dmin =
      hn::Mul(widen_halves(hn::ShiftRight<16>(header.quad[0])), hn::Set(df, 1.0f / offset_divisor));
  const VecWords s0 = header.quad[1];
  const VecWords s1 = header.quad[2];
  const VecWords s2 = header.quad[3];
  // Scales and minima 0..3 are six bits of a byte; of 4..7 the upper two bits stand above those.
  const VecWords scale[2] = {shifted_bits(s0, 0, 63), hn::Or(low_nibbles(s2), shifted_bits(s0, -2, 0x30))};
  const VecWords minimum[2] = {shifted_bits(s1, 0, 63), hn::Or(high_nibbles(s2), shifted_bits(s1, -2, 0x30))};
  HWY_UNROLL(8)
  for (int part = 0; part < super_block_parts; ++part) {
    const PanelSlot slot = panel_slot(panel, shape, v, first_block + static_cast<std::size_t>(part));
    hn::Store(hn::Mul(d, unsigned_byte(scale[part / 4], part % 4)), df, slot.scales);
    hn::Store(hn::Mul(dmin, unsigned_byte(minimum[part / 4], part % 4)), df, slot.scales + compat::lanes32);
  }
}

/// Unpacks Q4_K or Q5_K.
template <Format F>
HWY_INLINE void unpack_q4_or_q5_k(const RowPointers& rows, std::size_t blocks, const Panel& panel,
                                  int v) noexcept {
  constexpr CodeClass shape = code_class(F);
  constexpr std::size_t nibbles_at = F == Format::q5_k ? 48 : 16;
  constexpr std::size_t fifth_bits_at = 16;
  for (std::size_t b = 0; b < blocks; b += super_block_parts) {
    const std::size_t at = b / super_block_parts * info_of(F).block_bytes;
    unpack_pairs_of_scales(shape, rows, at, panel, v, b);
    for (int half = 0; half < 2; ++half) {  // 16 of the 32 elements of every part
      const std::size_t half_at = at + 16 * static_cast<std::size_t>(half);
      Quads fifth{};
      if constexpr (F == Format::q5_k) fifth = load_interleaved(rows, half_at + fifth_bits_at);
      HWY_UNROLL(4)
      for (int pair = 0; pair < super_block_parts / 2; ++pair) {
        const Quads packed =
            load_interleaved(rows, half_at + nibbles_at + 32 * static_cast<std::size_t>(pair));
        const PanelSlot even = panel_slot(panel, shape, v, b + 2 * static_cast<std::size_t>(pair));
        const PanelSlot odd = panel_slot(panel, shape, v, b + 2 * static_cast<std::size_t>(pair) + 1);
        HWY_UNROLL(4)
        for (int m = 0; m < 4; ++m) {
          VecWords low = low_nibbles(packed.quad[m]);
          VecWords high = high_nibbles(packed.quad[m]);
          if constexpr (F == Format::q5_k) {  // part p's fifth bit is bit p
            low = hn::Or(low, shifted_bits(fifth.quad[m], 4 - 2 * pair, 16));
            high = hn::Or(high, shifted_bits(fifth.quad[m], 3 - 2 * pair, 16));
          }
          store_quad(low, even, 4 * half + m);
          store_quad(high, odd, 4 * half + m);
        }
      }
    }
  }
}

/// Unpacks Q6_K.
HWY_INLINE void unpack_q6_k(const RowPointers& rows, std::size_t blocks, const Panel& panel, int v) noexcept {
  constexpr CodeClass shape = code_class(Format::q6_k);
  const compat::TagF32 df;
  for (std::size_t b = 0; b < blocks; b += super_block_parts) {
    const std::size_t at = b / super_block_parts * info_of(Format::q6_k).block_bytes;
    HWY_ALIGN std::uint32_t d_bits[compat::lanes32];
    for (int lane = 0; lane < compat::lanes32; ++lane)
      d_bits[lane] = lamina::detail::load_u16(rows[lane] + at + 208);
    const Quads scales = load_interleaved(rows, at + 192);
    for (std::size_t t = 0; t < 2; ++t) {  // halves of 128 elements
      for (std::size_t half = 0; half < 2; ++half) {
        const Quads high = load_interleaved(rows, at + 128 + 32 * t + 16 * half);
        for (std::size_t odd = 0; odd < 2;
             ++odd) {  // groups 0 and 2, or 1 and 3, are nibbles of the same bytes
          const Quads low = load_interleaved(rows, at + 64 * t + 32 * odd + 16 * half);
          const PanelSlot first = panel_slot(panel, shape, v, b + 4 * t + odd);
          const PanelSlot second = panel_slot(panel, shape, v, b + 4 * t + odd + 2);
          const int shift = 4 - 2 * static_cast<int>(odd);
          HWY_UNROLL(4)
          for (int m = 0; m < 4; ++m) {
            const int quad = 4 * static_cast<int>(half) + m;
            store_quad(hn::Or(low_nibbles(low.quad[m]), shifted_bits(high.quad[m], shift, 0x30)), first,
                       quad);
            store_quad(hn::Or(high_nibbles(low.quad[m]), shifted_bits(high.quad[m], shift - 4, 0x30)), second,
                       quad);
          }
        }
      }
    }
    const auto d = widen_halves(hn::Load(TagWords(), d_bits));
    HWY_UNROLL(8)
    for (int part = 0; part < super_block_parts; ++part) {
      const PanelSlot slot = panel_slot(panel, shape, v, b + static_cast<std::size_t>(part));
      const VecWords bytes = scales.quad[part / 2];
      hn::Store(hn::Mul(d, signed_byte(bytes, 2 * (part % 2))), df, slot.scales);
      hn::Store(hn::Mul(d, signed_byte(bytes, 2 * (part % 2) + 1)), df, slot.scales + compat::lanes32);
    }
  }
}

#endif  // !LAMINA_ONE_LANE

/// Unpacks `blocks` blocks of 32 of lanes32 rows of `format` into vector `v` of a panel.
///
/// Requires  `blocks` ends a block of the format; `rows` point to such blocks, at any alignment
inline void unpack_rows(Format format, const RowPointers& rows, std::size_t blocks, const Panel& panel,
                        int v) noexcept {
  switch (format) {
#if !LAMINA_ONE_LANE
    case Format::q4_0:
      return unpack_nibbles<Format::q4_0>(rows, blocks, panel, v);
    case Format::iq4_nl:
      return unpack_nibbles<Format::iq4_nl>(rows, blocks, panel, v);
    case Format::q8_0:
      return unpack_q8_0(rows, blocks, panel, v);
    case Format::q4_k:
      return unpack_q4_or_q5_k<Format::q4_k>(rows, blocks, panel, v);
    case Format::q5_k:
      return unpack_q4_or_q5_k<Format::q5_k>(rows, blocks, panel, v);
    case Format::q6_k:
      return unpack_q6_k(rows, blocks, panel, v);
#endif
    default:
      return unpack_any(format, rows, blocks, panel, v);
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_UNPACK_K_INL_HPP_
