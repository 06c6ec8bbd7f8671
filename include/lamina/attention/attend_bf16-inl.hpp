// SPDX-License-Identifier: Apache-2.0
// Products of attention over bf16 and int8 rows with queries and probabilities rounded to bf16, where the
// target multiplies these natively. Source: text-decoder.md §2.4. Codes of int8 are exact in bf16; their
// factors join scores and probabilities.
//
// A score is one sum over pairs of columns in order; a result is one sum over pairs of positions 2i and 2i +
// 1 in order (`compat::AddBf16Products`). Lanes are keys in the one, columns in the other: no sum over lanes,
// and neither tile nor chunk takes part in an element's bits.

#if defined(LAMINA_ATTENTION_ATTEND_BF16_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_ATTENTION_ATTEND_BF16_INL_HPP
#undef LAMINA_ATTENTION_ATTEND_BF16_INL_HPP
#else
#define LAMINA_ATTENTION_ATTEND_BF16_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <lamina/attention/attend_block-inl.hpp>
#include <lamina/simd/compat-inl.hpp>

#if defined(LAMINA_BF16_DOT)
HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

/// Columns of two vectors of sums. Rows that are no multiple of them are multiplied in float32.
inline constexpr std::size_t bf16_columns = 2 * compat::lanes32;

template <class Layout>
inline constexpr bool has_bf16_products =
    Layout::format != CacheFormat::f32&& Layout::head_dim % bf16_columns == 0;

/// Calls `step(height, vector)` for register tiles of query vectors: of 12 with two vectors of keys or values
/// each, 24 sums in 32 registers; `height` is a constant.
template <class Step>
HWY_INLINE void for_each_bf16_tile(std::uint32_t vectors, Step step) noexcept {
  std::uint32_t v = 0;
  const auto run = [&](auto height) HWY_ATTR {
    for (; vectors - v >= height(); v += height()) step(height, v);
  };
  run(std::integral_constant<std::uint32_t, 12>());
  run(std::integral_constant<std::uint32_t, 8>());
  run(std::integral_constant<std::uint32_t, 4>());
  run(std::integral_constant<std::uint32_t, 2>());
  run(std::integral_constant<std::uint32_t, 1>());
}

/// Two neighbouring bf16 numbers in every lane.
HWY_INLINE compat::VecI32 broadcast_pair(const std::uint16_t* from) noexcept {
  std::int32_t pair;
  std::memcpy(&pair, from, sizeof pair);
  return hn::Set(compat::TagI32(), pair);
}

/// Adds to a tile's sums [Q, 2] the products of two vectors of pairs with one pair of each of Q rows,
/// `stride` numbers apart from `pairs` on.
template <std::size_t Q>
HWY_INLINE void add_pair(compat::VecF32 (&sum)[Q][2], compat::VecI32 first, compat::VecI32 second,
                         const std::uint16_t* pairs, std::size_t stride) noexcept {
  HWY_UNROLL(12)
  for (std::size_t q = 0; q < Q; ++q) {
    const auto pair = broadcast_pair(pairs + q * stride);
    sum[q][0] = compat::AddBf16Products(sum[q][0], first, pair);
    sum[q][1] = compat::AddBf16Products(sum[q][1], second, pair);
  }
}

/// Writes a tile's sums to two vectors of each of Q rows, `stride` numbers apart from `out` on.
template <std::size_t Q>
HWY_INLINE void store_tile(const compat::VecF32 (&sum)[Q][2], float* out, std::size_t stride) noexcept {
  const compat::TagF32 d;
  HWY_UNROLL(12)
  for (std::size_t q = 0; q < Q; ++q) {
    hn::StoreU(sum[q][0], d, out + q * stride);
    hn::StoreU(sum[q][1], d, out + q * stride + compat::lanes32);
  }
}

/// Memory that is read later, asked for line by line while something else is computed: many lines at once
/// would wait for each other, and so would what comes behind them. Lines come into the second-level cache 16
/// rows before they come into the nearest one: a core waits for few lines of memory at a time, and
/// twice as many when both its caches wait for some.
///
/// One core of a Zen 4 that reads 19 GB/s, 8 query heads at depth 16 384, bf16, in large pages:
///
///   lead               none   2 KiB   4 KiB   8 KiB   16 KiB   from a cache
///   rows of 256 bf16   11     13      17      18.6    16.3     19
///   rows of 512 bf16   11.8   14      16.7    17.3    19.2     20
///   512 with K=V       7.9    9.4     12.2    12.6    12.5     12.6
///
/// Into the second-level cache only: 14.5, 12.8 and 12.1. In small pages 10 to 12.5, whatever the lead.
class FetchedAhead {
 public:
  /// From byte `at` of a block's rows on, `row_bytes` each; the others of a later block come behind them.
  FetchedAhead(const std::byte* rows, std::size_t row_bytes, std::size_t at, const std::byte* later) noexcept
      : next_(rows + at), later_(later) {
    const std::size_t size = kv_block * row_bytes;
    const std::size_t far = at + lead_rows * row_bytes;
    far_ = far < size ? rows + far : later + (far - size);
    left_ = far < size ? static_cast<std::ptrdiff_t>(size - far) : PTRDIFF_MAX;
  }
  HWY_INLINE void lines(std::size_t count) noexcept {
    fetch_ahead(far_, count * 64);
    for (std::size_t i = 0; i < count; ++i) __builtin_prefetch(next_ + i * 64, 0, 3);
    next_ += count * 64;
    far_ += count * 64;
    left_ -= static_cast<std::ptrdiff_t>(count * 64);
    if (left_ > 0) return;
    far_ = later_;
    left_ = PTRDIFF_MAX;
  }

 private:
  static constexpr std::size_t lead_rows = 16;

  const std::byte* next_;
  const std::byte* far_;    ///< what comes into the second-level cache
  std::ptrdiff_t left_;     ///< bytes until `far_` goes on at `later_`
  const std::byte* later_;  ///< rows of a block need not lie behind those of the one before
};

/// Pairs of bf16 numbers of codes of int8, exactly: `lower` and `upper` of every lane.
HWY_INLINE compat::VecI32 pairs_of_codes(compat::VecI32 lower, compat::VecI32 upper) noexcept {
  const compat::TagI32 d;
  const compat::TagF32 df;
  const hn::Repartition<std::uint32_t, compat::TagI32> du;
  const auto low = hn::ShiftRight<16>(hn::BitCast(du, hn::ConvertTo(df, lower)));
  return hn::Or(hn::BitCast(d, low), hn::BitCast(d, hn::ConvertTo(df, upper)));
}

/// Columns 2i and 2i + 1 of a row, from `column` on, as a pair of bf16 numbers in lane i < `count`.
template <CacheFormat Format>
HWY_INLINE compat::VecI32 load_pairs(const std::byte* row, std::size_t column, std::size_t count) noexcept {
  const compat::TagI32 d;
  if constexpr (Format == CacheFormat::bf16) {
    return hn::MaskedLoad(hn::FirstN(d, count), d, reinterpret_cast<const std::int32_t*>(row + column * 2));
  } else {
    const hn::Rebind<std::int16_t, compat::TagI32> d16;
    const auto* from = reinterpret_cast<const std::int16_t*>(row + column);
    const auto codes = hn::PromoteTo(d, hn::MaskedLoad(hn::FirstN(d16, count), d16, from));
    return pairs_of_codes(hn::ShiftRight<24>(hn::ShiftLeft<24>(codes)), hn::ShiftRight<8>(codes));
  }
}

// --- Scores ---

/// Turns `count` columns from `column` on, even numbers, of the rows of a panel's keys into its columns.
///
/// Shapes    rows [attend_panel_keys] rows, `stride` bytes apart · panel [count / 2, attend_panel_keys] pairs
/// Effects   asks for `lines` lines for every 16 by 16 pairs
template <CacheFormat Format>
HWY_INLINE void turn_columns(const std::byte* rows, std::size_t stride, std::size_t column, std::size_t count,
                             std::int32_t* panel, FetchedAhead& ahead, std::size_t lines) noexcept {
  const compat::TagI32 d;
  constexpr std::size_t lanes = compat::lanes32;
  for (std::size_t pair = 0; pair < count / 2; pair += lanes) {
    const std::size_t width = std::min(lanes, count / 2 - pair);
    for (std::size_t key = 0; key < attend_panel_keys; key += lanes) {
      compat::VecI32 v[lanes];
      ahead.lines(lines);
      HWY_UNROLL(16)
      for (std::size_t i = 0; i < lanes; ++i)
        v[i] = load_pairs<Format>(rows + (key + i) * stride, column + 2 * pair, width);
      compat::Transpose(v);
      std::int32_t* to = panel + pair * attend_panel_keys + key;
      HWY_UNROLL(16)
      for (std::size_t i = 0; i < lanes; ++i) {
        if (i < width) hn::StoreU(v[i], d, to + i * attend_panel_keys);
      }
    }
  }
}

/// The rows read behind a panel's keys: the block's values, or where keys are values the next block's keys.
/// Half of them are asked for while keys are turned into columns, half while these are multiplied.
template <class Layout>
struct RowsAfterKeys {
  static constexpr std::size_t row_bytes =
      Layout::key_is_value ? Layout::key_row_bytes : Layout::value_row_bytes;
  static constexpr std::size_t panel_lines = attend_panel_keys * row_bytes / 64;
  static constexpr std::uint32_t few_vectors = 12;
  /// For every 16 by 16 pairs, and for every two columns.
  static constexpr std::size_t turned = panel_lines * compat::lanes32 / Layout::head_dim;
  static constexpr std::size_t multiplied = (panel_lines + Layout::head_dim - 1) / Layout::head_dim;

  static HWY_INLINE FetchedAhead of(const KvBlock& block, std::uint32_t key) noexcept {
    return {Layout::key_is_value ? block.next_keys : block.values, row_bytes, key * row_bytes,
            Layout::key_is_value ? block.next_values : block.next_keys};
  }
};

/// Turns the keys of a panel, `key` of its block the first, into columns, in the order of `prepare_queries`.
template <class Layout>
HWY_INLINE void turn_keys(const KvBlock& block, std::uint32_t key, std::int32_t* panel, FetchedAhead& ahead,
                          bool few_vectors) noexcept {
  const std::size_t lines = RowsAfterKeys<Layout>::turned / (few_vectors ? 2 : 1);
  const std::byte* keys = block.keys + key * Layout::key_row_bytes;
  if constexpr (!Layout::key_is_value) {
    turn_columns<Layout::format>(keys, Layout::key_row_bytes, 0, Layout::head_dim, panel, ahead, lines);
  } else {
    constexpr std::size_t pairs = Layout::shared_pairs;
    constexpr std::size_t half = Layout::head_dim / 2;
    constexpr std::size_t still = half - pairs;
    const std::byte* values = block.values + key * Layout::value_row_bytes;
    const auto turn = [&](const std::byte* rows, std::size_t stride, std::size_t column, std::size_t count,
                          std::size_t place) HWY_ATTR {
      turn_columns<Layout::format>(rows, stride, column, count, panel + place / 2 * attend_panel_keys, ahead,
                                   lines);
    };
    turn(values, Layout::value_row_bytes, pairs, still, 0);
    turn(values, Layout::value_row_bytes, half + pairs, still, still);
    turn(keys, Layout::key_row_bytes, 0, 2 * pairs, 2 * still);
  }
}

/// Multiplies a tile's sums [Q, 2] by the factors of their keys [attend_panel_keys].
template <std::size_t Q>
HWY_INLINE void scale_tile(compat::VecF32 (&sum)[Q][2], const float* factors) noexcept {
  const compat::TagF32 d;
  const auto first = hn::LoadU(d, factors);
  const auto second = hn::LoadU(d, factors + compat::lanes32);
  HWY_UNROLL(12)
  for (std::size_t q = 0; q < Q; ++q) {
    sum[q][0] = hn::Mul(sum[q][0], first);
    sum[q][1] = hn::Mul(sum[q][1], second);
  }
}

/// Writes the scores of Q query vectors with a panel's keys, `key` of its block the first. Where keys are
/// values, their two rows have two factors; otherwise `weigh_block` multiplies by the one they have.
///
/// Shapes    panel [dim / 2, attend_panel_keys] pairs · queries [Q, dim] · scores [Q, kv_block]
/// Effects   with `fetch`, asks for `RowsAfterKeys`
template <class Layout, std::uint32_t Q>
HWY_NOINLINE void score_panel(const KvBlock& block, std::uint32_t key, const std::int32_t* panel,
                              const std::uint16_t* queries, float* scores, FetchedAhead& ahead,
                              bool fetch) noexcept {
  constexpr std::size_t dim = Layout::head_dim;
  const compat::TagF32 df;
  const compat::TagI32 di;
  constexpr std::size_t lanes = compat::lanes32;
  static_assert(attend_panel_keys == 2 * lanes);
  compat::VecF32 sum[Q][2];
  const auto add_columns = [&](std::size_t column, std::size_t end) HWY_ATTR {
    HWY_UNROLL(12)
    for (std::size_t q = 0; q < Q; ++q) sum[q][0] = sum[q][1] = hn::Zero(df);
    for (; column < end; column += 2, panel += attend_panel_keys) {
      if (fetch) ahead.lines(RowsAfterKeys<Layout>::multiplied);
      const auto first = hn::LoadU(di, panel);
      const auto second = hn::LoadU(di, panel + lanes);
      add_pair(sum, first, second, queries + column, dim);
    }
  };
  scores += key;
  if constexpr (Layout::scaled && Layout::key_is_value) {
    constexpr std::size_t still = dim - 2 * Layout::shared_pairs;
    add_columns(0, still);
    scale_tile(sum, block.value_scales + key);
    store_tile(sum, scores, kv_block);
    add_columns(still, dim);
    scale_tile(sum, block.key_scales + key);
    HWY_UNROLL(12)
    for (std::size_t q = 0; q < Q; ++q) {
      sum[q][0] = hn::Add(sum[q][0], hn::LoadU(df, scores + q * kv_block));
      sum[q][1] = hn::Add(sum[q][1], hn::LoadU(df, scores + q * kv_block + lanes));
    }
  } else {
    add_columns(0, dim);
  }
  store_tile(sum, scores, kv_block);
}

// --- Values ---

/// Pairs of the numbers of two rows, of two vectors of columns: of bf16 in the order of `InterleaveLower` and
/// `InterleaveUpper`, of int8 in order.
template <CacheFormat Format>
HWY_INLINE void pair_rows(const std::byte* even, const std::byte* odd, compat::VecI32 (&pairs)[2]) noexcept {
  const compat::TagI32 d;
  if constexpr (Format == CacheFormat::bf16) {
    const hn::Repartition<std::int16_t, compat::TagI32> d16;
    const auto first = hn::LoadU(d16, reinterpret_cast<const std::int16_t*>(even));
    const auto second = hn::LoadU(d16, reinterpret_cast<const std::int16_t*>(odd));
    pairs[0] = hn::BitCast(d, hn::InterleaveLower(d16, first, second));
    pairs[1] = hn::BitCast(d, hn::InterleaveUpper(d16, first, second));
  } else {
    const hn::Rebind<std::int8_t, compat::TagI32> d8;
    const auto load = [&](const std::byte* from) HWY_ATTR {
      return hn::PromoteTo(d, hn::LoadU(d8, reinterpret_cast<const std::int8_t*>(from)));
    };
    HWY_UNROLL(2)
    for (std::size_t i = 0; i < 2; ++i)
      pairs[i] = pairs_of_codes(load(even + i * compat::lanes32), load(odd + i * compat::lanes32));
  }
}

/// Adds to the results of Q query vectors, first multiplied by `rescale`, their weighted values of two
/// columns' vectors from `column` on.
///
/// Shapes    weights [Q, kv_block] · rescale [Q] · out [Q, head_dim] in the order of `finish`
/// Effects   with `fetch`, asks for as many of the rows of the next block
template <class Layout, std::uint32_t Q>
HWY_NOINLINE void add_bf16_columns(const KvBlock& block, BlockRange part, const std::uint16_t* weights,
                                   const float* rescale, float* out, std::size_t column,
                                   bool fetch) noexcept {
  constexpr std::size_t next_bytes = Layout::key_is_value ? Layout::value_row_bytes : Layout::key_row_bytes;
  constexpr std::size_t lines = (2 * next_bytes * bf16_columns / Layout::head_dim + 63) / 64;
  FetchedAhead ahead(Layout::key_is_value ? block.next_values : block.next_keys, next_bytes,
                     column / bf16_columns * (kv_block / 2 * lines * 64) + part.lo / 2 * (lines * 64),
                     Layout::key_is_value ? block.next_keys : block.next_values);
  // A pair may have one position outside of `part`, whose row may hold anything.
  alignas(64) static constexpr std::byte no_values[bf16_columns * sizeof(std::uint16_t)] = {};
  const compat::TagF32 df;
  constexpr std::size_t lanes = compat::lanes32;
  const auto row_of = [&](std::uint32_t key) HWY_ATTR {
    const std::byte* row = block.values + key * Layout::value_row_bytes;
    const bool is_there = key >= part.lo && key < part.hi;
    return is_there ? row + column * sizeof(typename Layout::Element) : no_values;
  };
  compat::VecF32 sum[Q][2];
  HWY_UNROLL(12)
  for (std::size_t q = 0; q < Q; ++q) {
    const auto older = hn::Set(df, rescale[q]);
    sum[q][0] = hn::Mul(hn::LoadU(df, out + q * Layout::head_dim + column), older);
    sum[q][1] = hn::Mul(hn::LoadU(df, out + q * Layout::head_dim + column + lanes), older);
  }
  for (std::uint32_t key = part.lo / 2 * 2; key < part.hi; key += 2) {
    if (fetch) ahead.lines(lines);
    compat::VecI32 pairs[2];
    pair_rows<Layout::format>(row_of(key), row_of(key + 1), pairs);
    add_pair(sum, pairs[0], pairs[1], weights + key, kv_block);
  }
  store_tile(sum, out + column, Layout::head_dim);
}

/// Products of attention in bf16, their sums in float32.
template <class RowLayout>
struct Bf16Products {
  using Layout = RowLayout;
  static constexpr std::size_t dim = Layout::head_dim;

  static HWY_INLINE void pack(const QueryTile& tile, const AttendScratch& scratch) noexcept {
    const compat::TagF32 d;
    for (std::uint32_t v = 0; v < tile.vectors; ++v) {
      const float* query = tile.queries + tile.offset_of(v);
      std::uint16_t* to = queries_of(scratch) + v * dim;
      for (std::size_t i = 0; i < dim; i += compat::lanes32)
        compat::StoreRounded(hn::LoadU(d, query + i), to + i);
    }
  }

  static HWY_INLINE void score(const KvBlock& block, std::uint32_t vectors, BlockRange part,
                               const AttendScratch& scratch) noexcept {
    for (std::uint32_t key = part.lo / attend_panel_keys * attend_panel_keys; key < part.hi;
         key += attend_panel_keys) {
      FetchedAhead ahead = RowsAfterKeys<Layout>::of(block, key);
      const bool few = vectors <= RowsAfterKeys<Layout>::few_vectors;
      turn_keys<Layout>(block, key, panel_of(scratch), ahead, few);
      for_each_bf16_tile(vectors, [&](auto height, std::uint32_t v) HWY_ATTR {
        score_panel<Layout, height()>(block, key, panel_of(scratch), queries_of(scratch) + v * dim,
                                      scratch.scores + std::size_t{v} * kv_block, ahead, few && v == 0);
      });
    }
  }

  static HWY_INLINE std::uint16_t* weights(const AttendScratch& scratch, std::uint32_t vector) noexcept {
    const auto after_panel = scratch.rounded + attend_panel_keys * dim * sizeof(std::uint16_t);
    return reinterpret_cast<std::uint16_t*>(after_panel) + std::size_t{vector} * kv_block;
  }

  static HWY_INLINE void add(const KvBlock& block, std::uint32_t vectors, BlockRange part,
                             const AttendScratch& scratch, float* out) noexcept {
    for (std::size_t column = 0; column < dim; column += bf16_columns) {
      for_each_bf16_tile(vectors, [&](auto height, std::uint32_t v) HWY_ATTR {
        add_bf16_columns<Layout, height()>(block, part, weights(scratch, v), scratch.rescale + v,
                                           out + v * dim, column, v == 0);
      });
    }
  }

  /// Multiplies a result by `factor`. Of bf16 each two vectors hold columns 0-3, 8-11, ... and 4-7, 12-15,
  /// ...
  /// (`pair_rows`): puts them into order.
  static HWY_INLINE void finish(float* out, float factor) noexcept {
    const compat::TagF32 d;
    const auto f = hn::Set(d, factor);
    for (std::size_t column = 0; column < dim; column += bf16_columns) {
      HWY_ALIGN float mixed[bf16_columns];
      hn::Store(hn::Mul(hn::LoadU(d, out + column), f), d, mixed);
      hn::Store(hn::Mul(hn::LoadU(d, out + column + compat::lanes32), f), d, mixed + compat::lanes32);
      if constexpr (Layout::format == CacheFormat::int8) {
        std::memcpy(out + column, mixed, sizeof mixed);
        continue;
      }
      for (std::size_t four = 0; four < bf16_columns / 8; ++four) {
        std::memcpy(out + column + 8 * four, mixed + 4 * four, 4 * sizeof(float));
        std::memcpy(out + column + 8 * four + 4, mixed + compat::lanes32 + 4 * four, 4 * sizeof(float));
      }
    }
  }

 private:
  static std::uint16_t* queries_of(const AttendScratch& scratch) noexcept {
    return reinterpret_cast<std::uint16_t*>(scratch.packed);
  }
  static std::int32_t* panel_of(const AttendScratch& scratch) noexcept {
    return reinterpret_cast<std::int32_t*>(scratch.rounded);
  }
};

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // toggled guard
