// SPDX-License-Identifier: Apache-2.0
// Unpacks rows of integer weights into a panel: the codes of many rows interleaved, as byte products want
// them. Source: weight-files.md §4.2; the K types are in unpack_k-inl.hpp.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_UNPACK_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_UNPACK_INL_HPP_
#undef LAMINA_LINEAR_UNPACK_INL_HPP_
#else
#define LAMINA_LINEAR_UNPACK_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/blocks/decode.hpp>
#include <lamina/blocks/interleave.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// --- Panels ---

/// Vectors of rows that a panel holds: two hide the latency of a product at one token, and halve the loads at
/// many.
inline constexpr int panel_vectors = 2;
inline constexpr int panel_rows = panel_vectors * compat::lanes32;
static_assert(matmul_row_step % panel_rows == 0);

/// Groups of four codes in a block of 32.
inline constexpr int block_quads = code_block_elements / 4;

/// How a format's blocks enter the product: the fixed arithmetic of code_products-inl.hpp.
struct CodeClass {
  bool halves;              ///< the scales of elements 0..15 and 16..31 differ
  bool offsets;             ///< an offset is subtracted; codes are not negative then
  compat::CodeRange range;  ///< of the codes as a panel stores them
  [[nodiscard]] constexpr int scales_per_block() const noexcept {
    return (halves ? 2 : 1) * (offsets ? 2 : 1);
  }

  /// What panels add to every code.
  [[nodiscard]] constexpr int code_offset() const noexcept {
    if (range == compat::CodeRange::full) return compat::full_range_offset;
    return offsets ? 0 : range == compat::CodeRange::nibble ? 8 : 32;
  }
};

/// The class of an integer format. Requires `has_codes(format)`.
[[nodiscard]] constexpr CodeClass code_class(Format format) noexcept {
  using compat::CodeRange;
  switch (format) {
    case Format::q4_0:
    case Format::q1_0:
    case Format::q2_0:
    case Format::tq1_0:
    case Format::tq2_0:
      return {false, false, CodeRange::nibble};
    case Format::q4_1:
    case Format::q4_k:
      return {false, true, CodeRange::nibble};
    case Format::q5_1:
    case Format::q5_k:
      return {false, true, CodeRange::six_bits};
    case Format::q2_k:
      return {true, true, CodeRange::six_bits};
    case Format::q3_k:
    case Format::q6_k:
    case Format::nvfp4:
    case Format::iq1_m:
      return {true, false, CodeRange::six_bits};
    case Format::iq2_xs:
    case Format::iq2_s:
      return {true, false, CodeRange::full};
    default:
      return {false, false, CodeRange::full};
  }
}

/// A part of `panel_rows` rows, unpacked. Owns nothing.
///
/// Shapes  codes [blocks, panel_vectors, 8, lanes32]: four codes in each word
///         scales [blocks, panel_vectors, scales_per_block, lanes32]: scale(s), then offset(s) divided by 8,
///         or by 32 where halves differ, because the sums of an `ActivationBlock` are multiples of these
struct Panel {
  std::uint32_t* codes;
  float* scales;
};

/// Columns of a full panel, a multiple of every format's block.
inline constexpr std::size_t panel_columns = matmul_panel_bytes / panel_rows / 256 * 256;
static_assert(panel_columns > 0);
inline constexpr int panel_block_words = panel_rows * block_quads;
inline constexpr float offset_divisor = 8.0f;
inline constexpr float half_offset_divisor = 32.0f;

/// Where the rows of one vector begin, at the first block to unpack: [lanes32].
using RowPointers = const std::byte * [compat::lanes32];

/// The place of vector `v`, block `b` in a panel.
struct PanelSlot {
  std::uint32_t* codes;  ///< [8, lanes32]
  float* scales;         ///< [scales_per_block, lanes32]
};
[[nodiscard]] HWY_INLINE PanelSlot panel_slot(const Panel& panel, CodeClass shape, int v,
                                              std::size_t b) noexcept {
  const std::size_t index = b * panel_vectors + static_cast<std::size_t>(v);
  return {panel.codes + index * block_quads * compat::lanes32,
          panel.scales + index * static_cast<std::size_t>(shape.scales_per_block() * compat::lanes32)};
}

// --- Any format, through its scalar reader ---

/// Unpacks `blocks` blocks of 32 of lanes32 rows into vector `v` of a panel.
inline void unpack_any(Format format, const RowPointers& rows, std::size_t blocks, const Panel& panel,
                       int v) noexcept {
  const CodesFunction decode = codes_function(format);
  const CodeClass shape = code_class(format);
  const auto offset = static_cast<std::uint8_t>(shape.code_offset());
  constexpr int lanes = compat::lanes32;
  for (std::size_t b = 0; b < blocks; ++b) {
    const PanelSlot slot = panel_slot(panel, shape, v, b);
    for (int lane = 0; lane < lanes; ++lane) {
      CodeBlock block;
      decode(rows[lane], b, block);
      std::uint8_t code[code_block_elements];
      for (int e = 0; e < code_block_elements; ++e) {
        code[e] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(block.code[e]) + offset);
      }
      for (int q = 0; q < block_quads; ++q) std::memcpy(slot.codes + q * lanes + lane, code + 4 * q, 4);
      float* scale = slot.scales + lane;
      *scale = block.scale[0];
      if (shape.halves) *(scale += lanes) = block.scale[1];
      if (shape.offsets)
        *(scale += lanes) = block.offset[0] / (shape.halves ? half_offset_divisor : offset_divisor);
      if (shape.halves && shape.offsets) *(scale += lanes) = block.offset[1] / half_offset_divisor;
    }
  }
}

#if !LAMINA_ONE_LANE

// --- Interleaving ---

using TagBytes = hn::Repartition<std::uint8_t, compat::TagI32>;
using TagWords = hn::RebindToUnsigned<compat::TagI32>;
using VecBytes = hn::Vec<TagBytes>;
using VecWords = hn::Vec<TagWords>;

/// 16 bytes each of `rows[first]`, `rows[first + 4]`, …, in the 128-bit blocks of one vector.
template <class D>
HWY_INLINE hn::Vec<D> load_pieces(D d8, const std::byte* const* rows, std::size_t at) noexcept {
  if constexpr (hn::MaxLanes(d8) == 16) {
    return hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(rows[0] + at));
  } else {
    const hn::Half<D> half;
    constexpr std::size_t upper = hn::MaxLanes(d8) / 8;  // 4 rows per 128 bits in the lower half
    return hn::Combine(d8, load_pieces(half, rows + upper, at), load_pieces(half, rows, at));
  }
}

/// Four vectors; lane r of vector m holds bytes 4m .. 4m + 3 of row r.
struct Quads {
  VecWords quad[4];
};

/// Reads 16 bytes of each row, `at` bytes behind its pointer, and transposes them in units of four bytes:
/// afterwards all unpacking is the same for every byte, whatever its row.
HWY_INLINE Quads load_interleaved(const RowPointers& rows, std::size_t at) noexcept {
  const TagBytes d8;
  const TagWords d32;
  const hn::Repartition<std::uint64_t, TagWords> d64;
  const auto a = hn::BitCast(d32, load_pieces(d8, rows, at));
  const auto b = hn::BitCast(d32, load_pieces(d8, rows + 1, at));
  const auto c = hn::BitCast(d32, load_pieces(d8, rows + 2, at));
  const auto e = hn::BitCast(d32, load_pieces(d8, rows + 3, at));
  const auto ab_low = hn::BitCast(d64, hn::InterleaveLower(d32, a, b));
  const auto ab_high = hn::BitCast(d64, hn::InterleaveUpper(d32, a, b));
  const auto ce_low = hn::BitCast(d64, hn::InterleaveLower(d32, c, e));
  const auto ce_high = hn::BitCast(d64, hn::InterleaveUpper(d32, c, e));
  return {{hn::BitCast(d32, hn::InterleaveLower(d64, ab_low, ce_low)),
           hn::BitCast(d32, hn::InterleaveUpper(d64, ab_low, ce_low)),
           hn::BitCast(d32, hn::InterleaveLower(d64, ab_high, ce_high)),
           hn::BitCast(d32, hn::InterleaveUpper(d64, ab_high, ce_high))}};
}

// --- Where codes come from ---
//
// Unpackers read lanes32 rows through one of two classes, which both have
//   Quads quads(at)    16 bytes of each row, `at` bytes behind its beginning
//   VecF32 halves(at)  an f16 number of each row, widened
//   place<F>(at)       where byte `at` of a block of a file lies

/// Rows as files store them.
struct StoredRows {
  RowPointers first;
  template <Format F>
  [[nodiscard]] static constexpr std::size_t place(std::size_t at) noexcept {
    return at;
  }
  [[nodiscard]] HWY_INLINE Quads quads(std::size_t at) const noexcept { return load_interleaved(first, at); }
  [[nodiscard]] HWY_INLINE compat::VecF32 halves(std::size_t at) const noexcept {
    return compat::GatherHalves(first, at);
  }
};

/// A group of interleaved rows (interleave.hpp), from a column on: nothing is left to transpose.
struct InterleavedRows {
  const std::byte* first;
  template <Format F>
  [[nodiscard]] static constexpr std::size_t place(std::size_t at) noexcept {
    return lamina::detail::interleaved_place(F, at);
  }
  [[nodiscard]] HWY_INLINE Quads quads(std::size_t at) const noexcept {
    const TagWords d32;
    const auto load = [this, at, d32](std::size_t m) HWY_ATTR {
      const std::byte* from = first + (at + 4 * m) * compat::lanes32;
      return hn::LoadU(d32, reinterpret_cast<const std::uint32_t*>(from));
    };
    return {{load(0), load(1), load(2), load(3)}};
  }
  [[nodiscard]] HWY_INLINE compat::VecF32 halves(std::size_t at) const noexcept {
    const hn::Rebind<hwy::float16_t, compat::TagF32> d_half;
    const std::byte* from = first + at * compat::lanes32;
    return compat::WidenHalves(hn::LoadU(d_half, reinterpret_cast<const hwy::float16_t*>(from)));
  }
};

HWY_INLINE VecWords low_nibbles(VecWords v) noexcept { return hn::And(v, hn::Set(TagWords(), 0x0F0F0F0Fu)); }
HWY_INLINE VecWords high_nibbles(VecWords v) noexcept { return low_nibbles(hn::ShiftRight<4>(v)); }

// Unpackers come in two parts, because products of one token never store the codes:
//   unpack_scales_<name>(rows, blocks, panel, v)  scales and offsets of `blocks` blocks into the panel
//   unpack_<name>(rows, at, take)                 the codes of one group of `group_blocks` blocks, `at` bytes
//       into the rows: calls take(block in the group, quad, words) for each of their quads. The quads
//       of a block, or of its halves where scales differ, come in an order that starts with the first and
//       ends with the last, as `compat::add_byte_products` wants it.

/// Blocks of 32 whose codes share bytes, so that they are unpacked together.
template <Format F>
inline constexpr int group_blocks = F == Format::q6_k                        ? 4
                                    : F == Format::q4_k || F == Format::q5_k ? 2
                                                                             : 1;

// --- The 32-element types ---

/// Unpacks a block of Q4_0, or of IQ4_NL, whose nibbles index a table.
template <Format F, class Rows, class Take>
HWY_INLINE void unpack_nibbles(const Rows& rows, std::size_t at, Take& take) noexcept {
  const Quads packed = rows.quads(at + 2);
  HWY_UNROLL(4)
  for (int m = 0; m < 4; ++m) {
    VecWords low = low_nibbles(packed.quad[m]);
    VecWords high = high_nibbles(packed.quad[m]);
    if constexpr (F == Format::iq4_nl) {
      const TagBytes d8;
      const auto entries = hn::Xor(hn::LoadDup128(d8, reinterpret_cast<const std::uint8_t*>(iq4_values)),
                                   hn::Set(d8, static_cast<std::uint8_t>(code_class(F).code_offset())));
      low = hn::BitCast(TagWords(), hn::TableLookupBytes(entries, hn::BitCast(d8, low)));
      high = hn::BitCast(TagWords(), hn::TableLookupBytes(entries, hn::BitCast(d8, high)));
    }
    take(0, m, low);
    take(0, m + 4, high);
  }
}

/// Unpacks a block of Q8_0.
template <class Rows, class Take>
HWY_INLINE void unpack_bytes(const Rows& rows, std::size_t at, Take& take) noexcept {
  // Adding 128 or nothing to a byte is the same as flipping the bits of 128 or nothing.
  constexpr auto offset = static_cast<std::uint32_t>(code_class(Format::q8_0).code_offset()) * 0x01010101u;
  HWY_UNROLL(2)
  for (int half = 0; half < 2; ++half) {
    const Quads codes = rows.quads(at + 2 + 16 * static_cast<std::size_t>(half));
    HWY_UNROLL(4)
    for (int m = 0; m < 4; ++m) take(0, 4 * half + m, hn::Xor(codes.quad[m], hn::Set(TagWords(), offset)));
  }
}

#endif  // !LAMINA_ONE_LANE

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_UNPACK_INL_HPP_
