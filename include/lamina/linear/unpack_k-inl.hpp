// SPDX-License-Identifier: Apache-2.0
// Unpacks rows of Q4_K, Q5_K and Q6_K; everything is the same for each row, so it runs on all at once.
// Source: weight-files.md §4.3.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_UNPACK_K_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_UNPACK_K_INL_HPP_
#undef LAMINA_LINEAR_UNPACK_K_INL_HPP_
#else
#define LAMINA_LINEAR_UNPACK_K_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/blocks/interleave.hpp>
#include <lamina/linear/unpack-inl.hpp>

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
  return compat::WidenHalves(hn::BitCast(d_half, hn::DemoteTo(d16, words)));
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

/// Unpacks the scales and offsets of a block of Q4_K or Q5_K, whose first 16 bytes are alike: d, dmin, 12
/// bytes of 6-bit pairs.
template <class Rows>
HWY_INLINE void unpack_pairs_of_scales(CodeClass shape, const Rows& rows, std::size_t at, const Panel& panel,
                                       int v, std::size_t first_block) noexcept {
  const compat::TagF32 df;
  const Quads header = rows.quads(at);
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

/// Unpacks two parts of a block of Q4_K or Q5_K, parts 2 `pair` and 2 `pair` + 1.
template <Format F, class Rows, class Take>
HWY_INLINE void unpack_pair(const Rows& rows, std::size_t block_at, int pair, Take& take) noexcept {
  constexpr std::size_t nibbles_at = F == Format::q5_k ? 48 : 16;
  constexpr std::size_t fifth_bits_at = 16;
  HWY_UNROLL(2)
  for (int half = 0; half < 2; ++half) {  // 16 of the 32 elements of both parts
    const std::size_t at = block_at + 16 * static_cast<std::size_t>(half);
    const Quads packed = rows.quads(at + nibbles_at + 32 * static_cast<std::size_t>(pair));
    Quads fifth{};
    if constexpr (F == Format::q5_k) fifth = rows.quads(at + fifth_bits_at);
    HWY_UNROLL(4)
    for (int m = 0; m < 4; ++m) {
      VecWords low = low_nibbles(packed.quad[m]);
      VecWords high = high_nibbles(packed.quad[m]);
      if constexpr (F == Format::q5_k) {  // part p's fifth bit is bit p
        low = hn::Or(low, shifted_bits(fifth.quad[m], 4 - 2 * pair, 16));
        high = hn::Or(high, shifted_bits(fifth.quad[m], 3 - 2 * pair, 16));
      }
      take(0, 4 * half + m, low);
      take(1, 4 * half + m, high);
    }
  }
}

/// Unpacks the scales of a block of Q6_K, two for each part.
template <class Rows>
HWY_INLINE void unpack_q6_k_scales(const Rows& rows, std::size_t at, const Panel& panel, int v,
                                   std::size_t first_block) noexcept {
  const compat::TagF32 df;
  const Quads scales = rows.quads(at + Rows::template place<Format::q6_k>(192));
  const auto d = rows.halves(at + Rows::template place<Format::q6_k>(208));
  HWY_UNROLL(8)
  for (int part = 0; part < super_block_parts; ++part) {
    const PanelSlot slot =
        panel_slot(panel, code_class(Format::q6_k), v, first_block + static_cast<std::size_t>(part));
    const VecWords bytes = scales.quad[part / 2];
    hn::Store(hn::Mul(d, signed_byte(bytes, 2 * (part % 2))), df, slot.scales);
    hn::Store(hn::Mul(d, signed_byte(bytes, 2 * (part % 2) + 1)), df, slot.scales + compat::lanes32);
  }
}

/// Unpacks half `t` of a block of Q6_K: 128 elements, four parts.
template <class Rows, class Take>
HWY_INLINE void unpack_q6_k(const Rows& rows, std::size_t block_at, std::size_t t, Take& take) noexcept {
  HWY_UNROLL(2)
  for (int half = 0; half < 2; ++half) {
    const auto quads = [&rows, block_at, half](std::size_t at) HWY_ATTR {
      return rows.quads(block_at +
                        Rows::template place<Format::q6_k>(at + 16 * static_cast<std::size_t>(half)));
    };
    const Quads high = quads(128 + 32 * t);
    HWY_UNROLL(2)
    for (int odd = 0; odd < 2; ++odd) {  // parts 0 and 2, or 1 and 3, are nibbles of the same bytes
      const Quads low = quads(64 * t + 32 * static_cast<std::size_t>(odd));
      const int shift = 4 - 2 * odd;
      HWY_UNROLL(4)
      for (int m = 0; m < 4; ++m) {
        const int quad = 4 * half + m;
        take(odd, quad, hn::Or(low_nibbles(low.quad[m]), shifted_bits(high.quad[m], shift, 0x30)));
        take(odd + 2, quad, hn::Or(high_nibbles(low.quad[m]), shifted_bits(high.quad[m], shift - 4, 0x30)));
      }
    }
  }
}

// --- By format ---

/// Unpacks the scales and offsets of a block of a K type, `at` bytes into the rows: for eight blocks of 32.
template <Format F, class Rows>
HWY_INLINE void unpack_scales_at(const Rows& rows, std::size_t at, const Panel& panel, int v,
                                 std::size_t first_block) noexcept {
  if constexpr (F == Format::q6_k) {
    unpack_q6_k_scales(rows, at, panel, v, first_block);
  } else {
    unpack_pairs_of_scales(code_class(F), rows, at, panel, v, first_block);
  }
}

/// Unpacks the scales and offsets of `blocks` blocks of 32.
template <Format F, class Rows>
HWY_INLINE void unpack_scales(const Rows& rows, std::size_t blocks, const Panel& panel, int v) noexcept {
  constexpr CodeClass shape = code_class(F);
  constexpr std::size_t block_bytes = info_of(F).block_bytes;
  if constexpr (info_of(F).block_elements == code_block_elements) {
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto scale = rows.halves(b * block_bytes);  // every block begins with it
      hn::Store(scale, compat::TagF32(), panel_slot(panel, shape, v, b).scales);
    }
  } else {
    for (std::size_t b = 0; b < blocks; b += super_block_parts) {
      unpack_scales_at<F>(rows, b / super_block_parts * block_bytes, panel, v, b);
    }
  }
}

/// Unpacks the codes of blocks first_block .. first_block + group_blocks<F> of 32.
template <Format F, class Rows, class Take>
HWY_INLINE void unpack_group_codes(const Rows& rows, std::size_t first_block, Take& take) noexcept {
  constexpr std::size_t block_bytes = info_of(F).block_bytes;
  const std::size_t at = first_block / (info_of(F).block_elements / code_block_elements) * block_bytes;
  const std::size_t part = first_block % super_block_parts;
  if constexpr (F == Format::q8_0) {
    unpack_bytes(rows, at, take);
  } else if constexpr (F == Format::q6_k) {
    unpack_q6_k(rows, at, part / 4, take);
  } else if constexpr (F == Format::q4_k || F == Format::q5_k) {
    unpack_pair<F>(rows, at, static_cast<int>(part / 2), take);
  } else {
    unpack_nibbles<F>(rows, at, take);
  }
}

/// Unpacks into a panel.
template <Format F, class Rows>
HWY_NOINLINE void unpack_panel(const Rows& rows, std::size_t blocks, const Panel& panel, int v) noexcept {
  constexpr int parts = group_blocks<F>;
  unpack_scales<F>(rows, blocks, panel, v);
  for (std::size_t b = 0; b < blocks; b += parts) {
    std::uint32_t* codes[parts];
    for (int i = 0; i < parts; ++i) {
      codes[i] = panel_slot(panel, code_class(F), v, b + static_cast<std::size_t>(i)).codes;
    }
    const auto store = [&codes](int block, int quad, VecWords words)
                           HWY_ATTR { hn::Store(words, TagWords(), codes[block] + quad * compat::lanes32); };
    unpack_group_codes<F>(rows, b, store);
  }
}

/// Unpacks by format. Returns false for formats that have no unpacker of their own.
template <class Rows>
HWY_INLINE bool unpack_vectors(Format format, const Rows& rows, std::size_t blocks, const Panel& panel,
                               int v) noexcept {
  return visit_format(format, [&]<Format F>(FormatTag<F>) HWY_ATTR {
    if constexpr (can_interleave(F)) unpack_panel<F>(rows, blocks, panel, v);
    return can_interleave(F);
  });
}

#endif  // !LAMINA_ONE_LANE

/// Unpacks `blocks` blocks of 32 of lanes32 rows of `format` into vector `v` of a panel.
///
/// Requires  `blocks` ends a block of the format; `rows` point to such blocks, at any alignment
inline void unpack_rows(Format format, const RowPointers& rows, std::size_t blocks, const Panel& panel,
                        int v) noexcept {
#if !LAMINA_ONE_LANE
  StoredRows stored;
  for (int lane = 0; lane < compat::lanes32; ++lane) stored.first[lane] = rows[lane];
  if (unpack_vectors(format, stored, blocks, panel, v)) return;
#endif
  unpack_any(format, rows, blocks, panel, v);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_UNPACK_K_INL_HPP_
