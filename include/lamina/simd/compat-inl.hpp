// SPDX-License-Identifier: Apache-2.0
// Bridges what old Highway versions or some targets lack; always called qualified, as compat::name.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_SIMD_COMPAT_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_SIMD_COMPAT_INL_HPP_
#undef LAMINA_SIMD_COMPAT_INL_HPP_
#else
#define LAMINA_SIMD_COMPAT_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/simd/prelude.hpp>

// Byte products of this target; with the bf16 ones below the only raw intrinsics of the library:
//   LAMINA_BYTE_DOT_VNNI     vpdpbusd: four unsigned-by-signed products added to an int32 lane, exact
//   LAMINA_BYTE_DOT_MADDUBS  vpmaddubsw: two such products added in int16 with saturation
// Fixed mode follows the compiler's flags. Under dispatch, Highway before 1.0.4 does not put VNNI into the
// attributes of any target, so its AVX-512 targets multiply as AVX2 does.
#undef LAMINA_BYTE_DOT_VNNI
#undef LAMINA_BYTE_DOT_MADDUBS
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
#if HWY_TARGET <= HWY_AVX3 && \
    (defined(__AVX512VNNI__) || (LAMINA_HWY_AT_LEAST(1, 0, 4) && HWY_TARGET <= HWY_AVX3_DL))
#define LAMINA_BYTE_DOT_VNNI 1
#elif HWY_TARGET == HWY_AVX2 && defined(__AVXVNNI__)
#define LAMINA_BYTE_DOT_VNNI 1
#else
#define LAMINA_BYTE_DOT_MADDUBS 1
#endif
#endif

// bf16 products: LAMINA_BF16_DOT if the target has vdpbf16ps, two of them added to a float lane. Fixed mode
// follows the compiler's flags; under dispatch, Highway's targets AVX3_ZEN4 and AVX3_SPR have it, which 1.0.3
// does not know.
#undef LAMINA_BF16_DOT
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
#if defined(__AVX512BF16__)
#define LAMINA_BF16_DOT 1
#elif defined(HWY_AVX3_ZEN4)
#if HWY_TARGET <= HWY_AVX3_ZEN4
#define LAMINA_BF16_DOT 1
#endif
#endif
#endif

// Targets that only imitate vectors compute one lane at a time: anything more multiplies code, not speed.
#undef LAMINA_ONE_LANE
#define LAMINA_ONE_LANE (HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128)

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace compat {
namespace hn = hwy::HWY_NAMESPACE;

// --- Vectors of a size known at compile time ---

/// Lanes of the 32-bit vectors that the matrix products use. Targets whose vectors have no fixed size use 128
/// bits.
#if LAMINA_ONE_LANE
inline constexpr int lanes32 = 1;
#elif HWY_HAVE_SCALABLE
inline constexpr int lanes32 = 4;
#else
inline constexpr int lanes32 = HWY_MAX_BYTES / 4 < 16 ? HWY_MAX_BYTES / 4 : 16;
#endif

using TagF32 = hn::CappedTag<float, lanes32>;
using TagI32 = hn::CappedTag<std::int32_t, lanes32>;
using VecF32 = hn::Vec<TagF32>;
using VecI32 = hn::Vec<TagI32>;

/// The sum of all lanes, in the target's fixed order (`hn::ReduceSum` from 1.0.5 on).
template <class D>
HWY_INLINE hn::TFromD<D> ReduceSum(D d, hn::Vec<D> v) noexcept {
  return hn::GetLane(hn::SumOfLanes(d, v));
}

/// Adds the upper half of a vector to its lower one until 4 lanes are left, and stores these: to [4].
template <class D>
HWY_INLINE void StoreFolded(D d, hn::Vec<D> v, float* to) noexcept {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    return StoreFolded(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), to);
  }
#endif
  hn::StoreU(v, d, to);
}

/// Stores the sums of the lanes of four vectors: to [4]. Pairs of lanes i and i + 2 of each 128 bits are
/// added first, then both of these, then the upper half of the vector to the lower one until one number is
/// left. Transposing while adding, four at a time take 11 instructions on AVX2, one by one about 32.
template <class D>
HWY_INLINE void StoreSums(D d, hn::Vec<D> a, hn::Vec<D> b, hn::Vec<D> c, hn::Vec<D> e, float* to) noexcept {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  if constexpr (hn::MaxLanes(D()) >= 4) {
    const hn::Repartition<double, D> wide;
    const auto ab = hn::BitCast(wide, hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)));
    const auto ce = hn::BitCast(wide, hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e)));
    StoreFolded(d,
                hn::Add(hn::BitCast(d, hn::InterleaveLower(wide, ab, ce)),
                        hn::BitCast(d, hn::InterleaveUpper(wide, ab, ce))),
                to);
    return;
  }
#endif
  to[0] = ReduceSum(d, a);
  to[1] = ReduceSum(d, b);
  to[2] = ReduceSum(d, c);
  to[3] = ReduceSum(d, e);
}

// --- f16 ---

#if !LAMINA_ONE_LANE
/// Widens f16 numbers. Targets that convert by arithmetic make 65536 and more of infinities and NaN: with the
/// exponent that these lack, they are so again.
HWY_INLINE VecF32 WidenHalves(hn::Vec<hn::Rebind<hwy::float16_t, TagF32>> halves) noexcept {
  const TagF32 d;
  const auto wide = hn::PromoteTo(d, halves);
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) || HWY_ARCH_ARM_A64
  return wide;
#else
  const auto exponent = hn::BitCast(d, hn::Set(TagI32(), 0x7F800000));
  return hn::IfThenElse(hn::Ge(hn::Abs(wide), hn::Set(d, 65536.0F)), hn::Or(wide, exponent), wide);
#endif
}

/// Loads the f16 number `at` bytes behind each of `pointers` [lanes32], widened.
template <class Pointers>
HWY_INLINE VecF32 GatherHalves(const Pointers& pointers, std::size_t at) noexcept {
  const hn::Rebind<hwy::float16_t, TagF32> d_half;
  const auto bits = [&pointers, at](int lane) HWY_ATTR {
    std::int16_t half;
    std::memcpy(&half, pointers[lane] + at, sizeof half);
    return half;
  };
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  // Inserted into a register one by one. Through memory, the load of the vector would wait for its narrow
  // stores: a product of Q4_0 with one token, in the nearest cache: 12 GB/s, so 15 GB/s.
  const auto eight = [&bits](int i) HWY_ATTR {
    return _mm_setr_epi16(bits(i), bits(i + 1), bits(i + 2), bits(i + 3), bits(i + 4), bits(i + 5),
                          bits(i + 6), bits(i + 7));
  };
#if HWY_TARGET <= HWY_AVX3
  const __m256i halves = _mm256_inserti128_si256(_mm256_castsi128_si256(eight(0)), eight(8), 1);
#else
  const __m128i halves = eight(0);
#endif
  return WidenHalves(hn::Vec<decltype(d_half)>{halves});
#else
  HWY_ALIGN std::int16_t halves[lanes32];
  for (int lane = 0; lane < lanes32; ++lane) halves[lane] = bits(lane);
  return WidenHalves(hn::LoadU(d_half, reinterpret_cast<const hwy::float16_t*>(halves)));
#endif
}
#endif

/// Makes the compiler hold `v` in a register at this place. GCC makes a tree of a chain of integer sums,
/// computes all products before the first addition and spills them, and loads a vector again rather than keep
/// it. One thread of an AVX2 machine: products of Q4_0 with 512 tokens 98 Gop/s, with sums pinned 140, with
/// weights, too, 165.
#if LAMINA_ONE_LANE || !HWY_ARCH_X86
template <class V>
HWY_INLINE void pin(V&) noexcept {}
#else
template <class V>
HWY_INLINE void pin(V& v) noexcept {
  asm("" : "+v"(v.raw));
}
#endif

// --- Sums of two bf16 products ---

#if defined(LAMINA_BF16_DOT)
// GCC 12 takes the operand that its own intrinsics leave undefined for a mistake of whoever inlines them.
#if HWY_COMPILER_GCC_ACTUAL
HWY_DIAGNOSTICS(push)
HWY_DIAGNOSTICS(ignored "-Wmaybe-uninitialized")
#endif

/// True if this target rounds F16 weights, and the activations of BF16 and F16 weights, to bf16 under
/// `Precision::fast`.
inline constexpr bool has_bf16_dot = true;

/// Adds to every lane of `sum` the products of the two bf16 numbers of `a` and `b` in that lane, first the
/// upper, then the lower ones, each by an fma that rounds to nearest even. Denormal numbers count as zero.
HWY_INLINE VecF32 AddBf16Products(VecF32 sum, VecI32 a, VecI32 b) noexcept {
  return VecF32{_mm512_dpbf16_ps(sum.raw, (__m512bh)a.raw, (__m512bh)b.raw)};
}

/// Rounds to bf16, nearest even: pairs of numbers, those of `low` before those of `high`. Denormal numbers
/// become zero.
HWY_INLINE VecI32 RoundToBf16(VecF32 low, VecF32 high) noexcept {
  return VecI32{(__m512i)_mm512_cvtne2ps_pbh(high.raw, low.raw)};
}

/// Rounds to bf16, nearest even, stores the bits: to [lanes32], and returns what they stand for. Denormal
/// numbers become zero.
HWY_INLINE VecF32 StoreRounded(VecF32 v, std::uint16_t* to) noexcept {
  const auto bits = (__m256i)_mm512_cvtneps_pbh(v.raw);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bits);
  return VecF32{_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}

/// Transposes numbers of 32 bits in place: lane c of v[r] goes to lane r of v[c].
HWY_INLINE void Transpose(VecI32 (&v)[lanes32]) noexcept {
  static_assert(lanes32 == 16);
  const TagI32 d;
  const hn::Repartition<std::int64_t, TagI32> d64;
  // Four rows at a time, within 128 bits: t[4 g + c] has columns c, 4 + c, 8 + c, 12 + c of rows 4 g, ..., 4
  // g + 3.
  VecI32 t[16];
  HWY_UNROLL(4)
  for (int g = 0; g < 16; g += 4) {
    const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, v[g], v[g + 1]));
    const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, v[g + 2], v[g + 3]));
    const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, v[g], v[g + 1]));
    const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, v[g + 2], v[g + 3]));
    t[g] = hn::BitCast(d, hn::InterleaveLower(d64, low01, low23));
    t[g + 1] = hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23));
    t[g + 2] = hn::BitCast(d, hn::InterleaveLower(d64, high01, high23));
    t[g + 3] = hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23));
  }
  // Then blocks of 128 bits: 0 and 2, or 1 and 3, of two vectors together, twice.
  HWY_UNROLL(4)
  for (int c = 0; c < 4; ++c) {
    const __m512i even01 = _mm512_shuffle_i32x4(t[c].raw, t[4 + c].raw, 0x88);
    const __m512i even23 = _mm512_shuffle_i32x4(t[8 + c].raw, t[12 + c].raw, 0x88);
    const __m512i odd01 = _mm512_shuffle_i32x4(t[c].raw, t[4 + c].raw, 0xDD);
    const __m512i odd23 = _mm512_shuffle_i32x4(t[8 + c].raw, t[12 + c].raw, 0xDD);
    v[c] = VecI32{_mm512_shuffle_i32x4(even01, even23, 0x88)};
    v[4 + c] = VecI32{_mm512_shuffle_i32x4(odd01, odd23, 0x88)};
    v[8 + c] = VecI32{_mm512_shuffle_i32x4(even01, even23, 0xDD)};
    v[12 + c] = VecI32{_mm512_shuffle_i32x4(odd01, odd23, 0xDD)};
  }
}

#if HWY_COMPILER_GCC_ACTUAL
HWY_DIAGNOSTICS(pop)
#endif
#else
inline constexpr bool has_bf16_dot = false;
#endif

/// What this target multiplies bytes by, and bf16 numbers where it does so natively.
#if defined(LAMINA_BYTE_DOT_VNNI) && defined(LAMINA_BF16_DOT)
inline constexpr const char* product_names = "vpdpbusd, vdpbf16ps";
#elif defined(LAMINA_BYTE_DOT_VNNI)
inline constexpr const char* product_names = "vpdpbusd";
#elif defined(LAMINA_BYTE_DOT_MADDUBS) && defined(LAMINA_BF16_DOT)
inline constexpr const char* product_names = "vpmaddubsw, vdpbf16ps";
#elif defined(LAMINA_BYTE_DOT_MADDUBS)
inline constexpr const char* product_names = "vpmaddubsw";
#elif LAMINA_ONE_LANE
inline constexpr const char* product_names = "single products";
#else
inline constexpr const char* product_names = "16-bit products";
#endif

// --- Sums of four byte products ---
//
// Every target has
//   template <CodeRange range>
//   void add_byte_products(VecI32& sum, ByteSums& partial, VecI32 w, VecI32 x, std::int32_t start, int quad,
//                          int quads);
// which adds to every lane of `sum` the four products of the bytes of `w` (weights, in `range`) and `x`
// (activations, -127..127) in that lane. It is called `quads` times with the same `sum` and `partial`, whose
// values before do not matter, and the same `start`, which every lane begins with: first with `quad` 0, last
// with quads - 1; after that `sum` is complete, and exact. `quad` and `quads` must be constants once loops
// are unrolled.

/// What the bytes on the weight side may hold, decided per format: it bounds the sums of the int16
/// instructions.
enum class CodeRange {
  nibble,    ///< 0..15
  six_bits,  ///< 0..63
  full,      ///< codes -128..127, stored with `full_range_offset` added
};

#if defined(LAMINA_BYTE_DOT_VNNI)
inline constexpr int full_range_offset = 128;  // the instruction wants unsigned bytes
#else
inline constexpr int full_range_offset = 0;
#endif

#if defined(LAMINA_BYTE_DOT_VNNI)

struct ByteSums {};  // products go straight to int32

template <CodeRange range>
HWY_INLINE void add_byte_products(VecI32& sum, ByteSums&, VecI32 w, VecI32 x, std::int32_t start, int quad,
                                  int) noexcept {
  if (quad == 0) sum = hn::Set(TagI32(), start);
#if HWY_TARGET <= HWY_AVX3
  sum = VecI32{_mm512_dpbusd_epi32(sum.raw, w.raw, x.raw)};
#else
  sum = VecI32{_mm256_dpbusd_avx_epi32(sum.raw, w.raw, x.raw)};
#endif
}

#if HWY_TARGET <= HWY_AVX3
/// Lane i of the result is lane lanes[i] of `v`. `hn::TableLookupLanes` needs Highway's library in debug
/// builds.
HWY_INLINE VecI32 permute(VecI32 v, VecI32 lanes) noexcept {
  return VecI32{_mm512_permutexvar_epi32(lanes.raw, v.raw)};
}
#endif

#elif defined(LAMINA_BYTE_DOT_MADDUBS)

struct ByteSums {
  VecI32 pairs;  // int16 lanes
};

#if HWY_TARGET <= HWY_AVX3
HWY_INLINE VecI32 pair_products(VecI32 u, VecI32 s) noexcept {
  return VecI32{_mm512_maddubs_epi16(u.raw, s.raw)};
}
HWY_INLINE VecI32 widen_pairs(VecI32 v) noexcept {
  return VecI32{_mm512_madd_epi16(v.raw, _mm512_set1_epi16(1))};
}
HWY_INLINE VecI32 add_pairs(VecI32 a, VecI32 b) noexcept { return VecI32{_mm512_add_epi16(a.raw, b.raw)}; }
HWY_INLINE VecI32 magnitude(VecI32 w) noexcept { return VecI32{_mm512_abs_epi8(w.raw)}; }
HWY_INLINE VecI32 with_sign_of(VecI32 x,
                               VecI32 w) noexcept {  // where w is 0, its magnitude makes the product 0
  return VecI32{_mm512_mask_sub_epi8(x.raw, _mm512_movepi8_mask(w.raw), _mm512_setzero_si512(), x.raw)};
}
#else
HWY_INLINE VecI32 pair_products(VecI32 u, VecI32 s) noexcept {
  return VecI32{_mm256_maddubs_epi16(u.raw, s.raw)};
}
HWY_INLINE VecI32 widen_pairs(VecI32 v) noexcept {
  return VecI32{_mm256_madd_epi16(v.raw, _mm256_set1_epi16(1))};
}
HWY_INLINE VecI32 add_pairs(VecI32 a, VecI32 b) noexcept { return VecI32{_mm256_add_epi16(a.raw, b.raw)}; }
HWY_INLINE VecI32 magnitude(VecI32 w) noexcept { return VecI32{_mm256_abs_epi8(w.raw)}; }
HWY_INLINE VecI32 with_sign_of(VecI32 x, VecI32 w) noexcept { return VecI32{_mm256_sign_epi8(x.raw, w.raw)}; }
#endif

template <CodeRange range>
HWY_INLINE void add_byte_products(VecI32& sum, ByteSums& partial, VecI32 w, VecI32 x, std::int32_t start,
                                  int quad, int quads) noexcept {
  // Pairs of products that fit in int16 together: 8 * 2 * 15 * 127 = 30480, 2 * 2 * 63 * 127 = 32004, 2 * 128
  // * 127.
  constexpr int chain = range == CodeRange::nibble ? 8 : range == CodeRange::six_bits ? 2 : 1;
  VecI32 products;
  if constexpr (range == CodeRange::full) {
    products = pair_products(magnitude(w), with_sign_of(x, w));
  } else {
    products = pair_products(w, x);
  }
  partial.pairs = quad % chain == 0 ? products : add_pairs(partial.pairs, products);
  pin(partial.pairs);
  if (quad % chain == chain - 1 || quad == quads - 1) {
    // The start comes in where it is first needed, so that it occupies no register before.
    sum = hn::Add(quad < chain ? hn::Set(TagI32(), start) : sum, widen_pairs(partial.pairs));
    pin(sum);
  }
}

#elif LAMINA_ONE_LANE

struct ByteSums {};

template <CodeRange range>
HWY_INLINE void add_byte_products(VecI32& sum, ByteSums&, VecI32 w, VecI32 x, std::int32_t start, int quad,
                                  int) noexcept {
  const TagI32 d;
  if (quad == 0) sum = hn::Set(d, start);
  std::int8_t weights[4];
  std::int8_t activations[4];
  const std::int32_t w_bits = hn::GetLane(w);
  const std::int32_t x_bits = hn::GetLane(x);
  std::memcpy(weights, &w_bits, 4);
  std::memcpy(activations, &x_bits, 4);
  std::int32_t products = 0;
  for (int i = 0; i < 4; ++i) products += weights[i] * activations[i];
  sum = hn::Add(sum, hn::Set(d, products));
}

#else

struct ByteSums {};

/// Bytes 2i (`Odd` false) or 2i + 1 of every int16 lane i, sign-extended.
template <bool Odd>
HWY_INLINE auto widen_bytes(VecI32 v) noexcept {
  const hn::Repartition<std::int16_t, TagI32> d16;
  const auto pairs = hn::BitCast(d16, v);
  if constexpr (Odd) return hn::ShiftRight<8>(pairs);
  return hn::ShiftRight<8>(hn::ShiftLeft<8>(pairs));
}

template <CodeRange range>
HWY_INLINE void add_byte_products(VecI32& sum, ByteSums&, VecI32 w, VecI32 x, std::int32_t start, int quad,
                                  int) noexcept {
  const TagI32 d;
  if (quad == 0) sum = hn::Set(d, start);
  VecI32 low = hn::Zero(d);
  VecI32 high = hn::Zero(d);
  low = hn::ReorderWidenMulAccumulate(d, widen_bytes<false>(w), widen_bytes<false>(x), low, high);
  low = hn::ReorderWidenMulAccumulate(d, widen_bytes<true>(w), widen_bytes<true>(x), low, high);
  sum = hn::Add(sum, hn::RearrangeToOddPlusEven(low, high));
}

#endif

}  // namespace compat
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_SIMD_COMPAT_INL_HPP_
