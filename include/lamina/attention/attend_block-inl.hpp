// SPDX-License-Identifier: Apache-2.0
// The inner steps of attention: scores of a block of keys, online softmax, weighted sum of values, merging of
// spans. Source: text-decoder.md §2.4, §4.3.

#if defined(LAMINA_KERNELS_ATTEND_BLOCK_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTEND_BLOCK_INL_HPP
#undef LAMINA_KERNELS_ATTEND_BLOCK_INL_HPP
#else
#define LAMINA_KERNELS_ATTEND_BLOCK_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <lamina/simd/prelude.hpp>
#include <lamina/attention/attend.hpp>
#include <lamina/attention/attend_scores-inl.hpp>
#include <lamina/attention/attend_values-inl.hpp>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

// --- What is computed, and where ---

/// The query vectors of some rows and one kv head, numbered row by row.
struct QueryTile {
  const float* queries;     ///< first vector
  float* out;               ///< first vector's result
  const KeyRange* visible;  ///< [rows]
  std::size_t row_stride;   ///< floats between rows
  std::size_t head_dim;
  std::uint32_t group;               ///< vectors of a row
  std::uint32_t vectors;             ///< rows · group
  std::uint32_t first = 0xFFFFFFFF;  ///< positions that any row sees: first, ..., end - 1
  std::uint32_t end = 0;

  QueryTile(const AttendRows& rows, std::uint32_t group_size, std::uint32_t kv_head, std::uint32_t first_row,
            std::uint32_t count, std::size_t dim) noexcept
      : visible(rows.visible + first_row),
        row_stride(rows.heads * dim),
        head_dim(dim),
        group(group_size),
        vectors(count * group_size) {
    const std::size_t offset = first_row * row_stride + std::size_t{kv_head} * group_size * dim;
    queries = rows.queries + offset;
    out = rows.out + offset;
    for (std::uint32_t row = 0; row < count; ++row) {
      if (visible[row].first >= visible[row].end) continue;
      first = std::min(first, visible[row].first);
      end = std::max(end, visible[row].end);
    }
  }
  [[nodiscard]] std::size_t offset_of(std::uint32_t vector) const noexcept {
    return vector / group * row_stride + vector % group * head_dim;
  }
};

/// Online softmax of some vectors: Σ exp(s - maximum)·v, Σ exp(s - maximum), and maximum.
struct SoftmaxState {
  float* out;      ///< [vectors, head_dim]
  float* maximum;  ///< [vectors, padded to 16]
  float* sum;      ///< [vectors, padded to 16]

  SoftmaxState(float* memory, std::size_t vectors, std::size_t head_dim) noexcept
      : out(memory),
        maximum(out + (vectors * head_dim + 15) / 16 * 16),
        sum(maximum + (vectors + 15) / 16 * 16) {}
};

/// The pieces of a thread's scratch memory (`attend_scratch_floats`).
struct AttendScratch {
  SoftmaxState state;    ///< of the current span
  float* packed;         ///< [vectors, head_dim]: the queries in the order of `pack_tile`
  float* scores;         ///< [vectors, kv_block]
  std::byte* rounded;    ///< of products of bf16: [attend_rounded_floats] floats
  float* rescale;        ///< [vectors, padded]: what the current block multiplies older results with
  float* block_sum;      ///< [vectors, padded]
  float* total_maximum;  ///< [vectors, padded]: of the spans merged so far
  float* total_sum;      ///< [vectors, padded]

  AttendScratch(float* memory, std::size_t vectors, std::size_t head_dim) noexcept
      : state(memory, vectors, head_dim) {
    const std::size_t padded = (vectors + 15) / 16 * 16;
    packed = state.sum + padded;
    scores = packed + (vectors * head_dim + 15) / 16 * 16;
    rounded = reinterpret_cast<std::byte*>(scores + padded * kv_block);
    rescale = scores + padded * kv_block + attend_rounded_floats(padded, head_dim);
    block_sum = rescale + padded;
    total_maximum = block_sum + padded;
    total_sum = total_maximum + padded;
  }
};

/// Part of a block: keys lo, ..., hi - 1, counted from its first position.
struct BlockRange {
  std::uint32_t lo;
  std::uint32_t hi;
  [[nodiscard]] bool empty() const noexcept { return lo >= hi; }
};

/// The part of the block starting at `start` that lies in first, ..., end - 1.
HWY_INLINE BlockRange part_of_block(std::uint32_t start, std::uint32_t first, std::uint32_t end) noexcept {
  return {first > start ? std::min(first - start, kv_block) : 0,
          end > start ? std::min(end - start, kv_block) : 0};
}

// --- One block ---

/// Copies the tile's queries to `packed` [vectors · head_dim] for `score_block`.
template <class Layout>
HWY_INLINE void pack_tile(const QueryTile& tile, float* packed) noexcept {
  constexpr std::size_t dim = Layout::head_dim;
  for_each_tile(tile.vectors, [&](auto height, std::uint32_t v) HWY_ATTR {
    const float* q[height()];
    for (std::uint32_t i = 0; i < height(); ++i) q[i] = tile.queries + tile.offset_of(v + i);
    pack_queries<Layout, height()>(q, packed + v * dim);
  });
}

/// Writes the scores of `part` (and possibly of neighbours inside the block) for all vectors.
template <class Layout>
HWY_INLINE void score_block(const KvBlock& block, const float* packed, std::uint32_t vectors, BlockRange part,
                            float* scores) noexcept {
  constexpr std::size_t dim = Layout::head_dim;
  for (std::uint32_t lo = part.lo; lo < part.hi;) {
    const std::uint32_t hi = std::min(part.hi, lo / attend_chunk * attend_chunk + attend_chunk);
    for_each_tile(vectors, [&](auto height, std::uint32_t v) HWY_ATTR {
      score_keys<Layout, height()>(block, packed + v * dim, lo, hi, scores + std::size_t{v} * kv_block,
                                   v == 0);
    });
    lo = hi;
  }
}

/// Turns one vector's scores into probabilities relative to the new maximum, in place; zeros where it sees
/// nothing. With `rounded`, writes as bf16 there what values are multiplied by, and sums that up; where
/// values have factors, sums up the probabilities, which these are not part of.
///
/// Shapes    scores [kv_block] · rounded null or [kv_block]
/// Returns their sum and updates `maximum`; `difference` receives old maximum - new maximum. The sum is NaN
/// if a score is not finite, and so is then all that is made of it: `Max` and `Exp` let a NaN disappear.
template <class Layout>
HWY_INLINE float weigh_block(const KvBlock& block, BlockRange seen, float* scores,
                             [[maybe_unused]] std::uint16_t* rounded, float& maximum,
                             float& difference) noexcept {
  const hn::CappedTag<float, kv_block> d;
  const std::size_t lanes = hn::Lanes(d);
  if (seen.empty()) {
    std::fill_n(scores, kv_block, 0.0F);
    if (rounded != nullptr) std::fill_n(rounded, kv_block, std::uint16_t{0});
    difference = 0.0F;
    return 0.0F;
  }
  // Every key's score is scaled, masked ones too: they are overwritten before anything depends on them.
  if constexpr (Layout::scaled && !Layout::key_is_value) {
    for (std::size_t i = 0; i < kv_block; i += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, scores + i), hn::LoadU(d, block.key_scales + i)), d, scores + i);
    }
  }
  // Finite, so that an infinite score can be told from a masked one.
  constexpr float nothing = std::numeric_limits<float>::lowest();
  std::fill_n(scores, seen.lo, nothing);
  std::fill_n(scores + seen.hi, kv_block - seen.hi, nothing);
  auto largest = hn::LoadU(d, scores);
  auto sum = hn::Mul(largest, hn::Zero(d));  // 0, or NaN
  for (std::size_t i = lanes; i < kv_block; i += lanes) {
    const auto some = hn::LoadU(d, scores + i);
    largest = hn::Max(largest, some);
    sum = hn::MulAdd(some, hn::Zero(d), sum);
  }
  const float now = std::max(maximum, hn::GetLane(hn::MaxOfLanes(d, largest)));
  difference = maximum - now;
  maximum = now;
  for (std::size_t i = 0; i < kv_block; i += lanes) {
    auto weight = hn::Exp(d, hn::Sub(hn::LoadU(d, scores + i), hn::Set(d, now)));
#if defined(LAMINA_BF16_DOT)
    if constexpr (!Layout::scaled) {
      if (rounded != nullptr) weight = compat::StoreRounded(weight, rounded + i);
    }
#endif
    sum = hn::Add(sum, weight);
    hn::StoreU(weight, d, scores + i);
  }
  // The factor of a value row joins its probability: one product per key instead of one per element.
  if constexpr (Layout::scaled) {
    for (std::uint32_t i = seen.lo; i < seen.hi; ++i) scores[i] *= block.value_scales[i];
#if defined(LAMINA_BF16_DOT)
    if (rounded != nullptr) {
      for (std::size_t i = 0; i < kv_block; i += lanes)
        static_cast<void>(compat::StoreRounded(hn::LoadU(d, scores + i), rounded + i));
    }
#endif
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// Adds the values of `part`, weighted with `weights`, to the state of all vectors.
template <class Layout>
HWY_INLINE void add_values(const KvBlock& block, std::uint32_t vectors, BlockRange part, const float* weights,
                           const float* rescale, float* out) noexcept {
  constexpr std::size_t dim = Layout::head_dim;
  bool first = true;
  for (std::uint32_t lo = part.lo; lo < part.hi;) {
    const std::uint32_t hi = std::min(part.hi, lo / attend_chunk * attend_chunk + attend_chunk);
    for_each_tile(vectors, [&](auto height, std::uint32_t v) HWY_ATTR {
      add_value_rows<Layout, height()>(block, lo, hi, weights + std::size_t{v} * kv_block,
                                       first ? rescale + v : nullptr, out + v * dim, v == 0);
    });
    first = false;
    lo = hi;
  }
}

/// Products of attention in float32, whatever the rows hold.
template <class RowLayout>
struct FloatProducts {
  using Layout = RowLayout;

  static HWY_INLINE void pack(const QueryTile& tile, const AttendScratch& scratch) noexcept {
    pack_tile<Layout>(tile, scratch.packed);
  }
  static HWY_INLINE void score(const KvBlock& block, std::uint32_t vectors, BlockRange part,
                               const AttendScratch& scratch) noexcept {
    score_block<Layout>(block, scratch.packed, vectors, part, scratch.scores);
  }
  /// Where the probabilities of a vector are wanted as bf16.
  static HWY_INLINE std::uint16_t* weights(const AttendScratch&, std::uint32_t) noexcept { return nullptr; }
  static HWY_INLINE void add(const KvBlock& block, std::uint32_t vectors, BlockRange part,
                             const AttendScratch& scratch, float* out) noexcept {
    add_values<Layout>(block, vectors, part, scratch.scores, scratch.rescale, out);
  }
  static HWY_INLINE void finish(float* out, float factor) noexcept { finish_vector<Layout>(out, factor); }
};

// --- One span ---

/// Computes the softmax state of all vectors over one span, from scratch.
template <class Products>
HWY_NOINLINE void attend_span(const KvRows& cache, const QueryTile& tile, std::uint32_t kv_head,
                              std::uint32_t span, const SoftmaxState& state,
                              const AttendScratch& scratch) noexcept {
  using Layout = typename Products::Layout;
  const hn::CappedTag<float, 16> d;
  std::fill_n(state.out, tile.vectors * tile.head_dim, 0.0F);
  std::fill_n(state.maximum, (tile.vectors + 15) / 16 * 16, -std::numeric_limits<float>::infinity());
  std::fill_n(state.sum, (tile.vectors + 15) / 16 * 16, 0.0F);
  for (std::uint32_t start = span * kv_span; start < span * kv_span + kv_span; start += kv_block) {
    const BlockRange part = part_of_block(start, tile.first, tile.end);
    if (part.empty()) continue;
    KvBlock block = block_of<Layout>(cache, kv_head, start);
    if (start + kv_block >= tile.end) block.reads_on_here();
    Products::score(block, tile.vectors, part, scratch);
    for (std::uint32_t v = 0; v < tile.vectors; ++v) {
      const KeyRange visible = tile.visible[v / tile.group];
      const BlockRange seen = part_of_block(start, visible.first, visible.end);
      scratch.block_sum[v] =
          weigh_block<Layout>(block, seen, scratch.scores + std::size_t{v} * kv_block,
                              Products::weights(scratch, v), state.maximum[v], scratch.rescale[v]);
    }
    for (std::size_t v = 0; v < tile.vectors; v += hn::Lanes(d)) {
      const auto older = hn::Exp(d, hn::LoadU(d, scratch.rescale + v));
      hn::StoreU(older, d, scratch.rescale + v);
      const auto sum = hn::MulAdd(hn::LoadU(d, state.sum + v), older, hn::LoadU(d, scratch.block_sum + v));
      hn::StoreU(sum, d, state.sum + v);
    }
    Products::add(block, tile.vectors, part, scratch, state.out);
  }
}

// --- Spans into rows ---

/// Starts the rows: nothing merged yet.
template <class Layout>
HWY_INLINE void start_rows(const QueryTile& tile, const AttendScratch& scratch) noexcept {
  for (std::uint32_t v = 0; v < tile.vectors; ++v) {
    std::fill_n(tile.out + tile.offset_of(v), Layout::head_dim, 0.0F);
    scratch.total_maximum[v] = -std::numeric_limits<float>::infinity();
    scratch.total_sum[v] = 0.0F;
  }
}

/// Merges the next span's state into the rows. Call it in order of position.
template <class Layout>
HWY_NOINLINE void merge_span(const QueryTile& tile, const SoftmaxState& state,
                             const AttendScratch& scratch) noexcept {
  const ValueTag<Layout> d;
  for (std::uint32_t v = 0; v < tile.vectors; ++v) {
    if (state.sum[v] == 0.0F) continue;  // the row sees nothing of this span
    const float now = std::max(scratch.total_maximum[v], state.maximum[v]);
    const auto older = hn::Exp(d, hn::Set(d, scratch.total_maximum[v] - now));
    const auto newer = hn::Exp(d, hn::Set(d, state.maximum[v] - now));
    scratch.total_maximum[v] = now;
    scratch.total_sum[v] = hn::GetLane(
        hn::MulAdd(hn::Set(d, scratch.total_sum[v]), older, hn::Mul(hn::Set(d, state.sum[v]), newer)));
    const float* from = state.out + v * std::size_t{Layout::head_dim};
    float* to = tile.out + tile.offset_of(v);
    for (std::size_t i = 0; i < Layout::head_dim; i += hn::Lanes(d)) {
      hn::StoreU(hn::MulAdd(hn::LoadU(d, to + i), older, hn::Mul(hn::LoadU(d, from + i), newer)), d, to + i);
    }
  }
}

/// Divides the rows by the sums of their weights and puts their elements in order.
template <class Products>
HWY_INLINE void finish_rows(const QueryTile& tile, const AttendScratch& scratch) noexcept {
  for (std::uint32_t v = 0; v < tile.vectors; ++v) {
    const float sum = scratch.total_sum[v];
    Products::finish(tile.out + tile.offset_of(v), sum == 0.0F ? 0.0F : 1.0F / sum);
  }
}

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
