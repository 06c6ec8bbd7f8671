// SPDX-License-Identifier: Apache-2.0
// Attention with the norms around it: x += RMS(W_o · softmax(q·k)·v).
// Source: text-decoder.md §2.3, §2.4, §4.3.
#if defined(LAMINA_LAYERS_ATTENTION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_ATTENTION_INL_HPP
#undef LAMINA_LAYERS_ATTENTION_INL_HPP
#else
#define LAMINA_LAYERS_ATTENTION_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/attention/attend-inl.hpp>
#include <lamina/attention/kv_rows-inl.hpp>
#include <lamina/rows/norm-inl.hpp>
#include <lamina/rows/rope-inl.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/rows.hpp>
#include <lamina/pass/stream-inl.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Attention of one kind. Specialise it for an own kind of attention; the keys a row sees are in
/// `visible_keys`.
template <class Kind>
struct AttentionKernel {
  static constexpr AttnShape shape = Kind::shape;
  static constexpr std::uint32_t heads = shape.heads;
  static constexpr std::uint32_t kv_heads = shape.kv_heads;
  static constexpr std::uint32_t head_dim = shape.head_dim;
  static constexpr std::uint32_t pairs = rotary_pairs_of<Kind>();

  /// Runs the block on all rows of `pass`; `site` tells where in the model it stands.
  static void run(Pass& pass, const AttentionWeights& weights, const AttentionSite& site) noexcept {
    Workspace& work = pass.work;
    normalise_stream(pass, weights.norm.f32());
    if constexpr (Kind::owns_kv) {
      project(pass, {{weights.q, work.query, heads * head_dim},
                     {weights.k, work.key, kv_heads * head_dim},
                     value_product(weights, work)});
      store_keys_and_values(pass, weights, site.rotary);
    } else {
      project(pass, {{weights.q, work.query, heads * head_dim}});
    }
    finish(pass, weights, site);
  }

  /// The first half of `run`: only writes keys and values, for rows that may end then.
  static void store(Pass& pass, const AttentionWeights& weights,
                    const AttentionSite& site) noexcept requires Kind::owns_kv {
    Workspace& work = pass.work;
    normalise_stream(pass, weights.norm.f32());
    project(pass, {{weights.k, work.key, kv_heads * head_dim}, value_product(weights, work)});
    store_keys_and_values(pass, weights, site.rotary);
  }

  /// The second half of `run`, for the rows that go on. Requires `store` has run for them.
  static void attend_stored(Pass& pass, const AttentionWeights& weights,
                            const AttentionSite& site) noexcept requires Kind::owns_kv {
    normalise_stream(pass, weights.norm.f32());
    project(pass, {{weights.q, pass.work.query, heads * head_dim}});
    finish(pass, weights, site);
  }

 private:
  template <CacheFormat Format>
  using Layout = LayoutOf<Kind, Format>;

  static Product value_product(const AttentionWeights& weights, const Workspace& work) noexcept {
    return {weights.v, work.value, kv_heads * head_dim};  // absent where V is the raw key: multiplies nothing
  }

  static void project(const Pass& pass, std::initializer_list<Product> products) noexcept {
    ProductInput input(pass, pass.work.codes, pass.work.normed, pass.rows, pass.hidden, pass.hidden);
    multiply(pass, input, products);
  }

  /// From raw queries to the stream.
  static void finish(Pass& pass, const AttentionWeights& weights, const AttentionSite& site) noexcept {
    Workspace& work = pass.work;
    finish_queries(pass, weights, site);
    with_cache_format(pass.cache, [&](auto format) noexcept { attend_rows<Layout<format()>>(pass); });
    pass.show(PassValue::attended, work.attended, heads * head_dim);

    ProductInput attended(pass, work.codes, work.attended, pass.rows, heads * head_dim, heads * head_dim);
    multiply(pass, attended, {{weights.output, work.branch, pass.hidden}});
    add_branch(pass, weights.post_norm.f32());
  }

  /// k = RoPE(RMS(k_raw; k_norm)), v = RMS0(v_raw); both go to the cache.
  static void store_keys_and_values(const Pass& pass, const AttentionWeights& weights,
                                    const RotaryRows& rotary) noexcept {
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      bool finite = true;
      for (std::size_t row = range.first; row < range.first + range.count; ++row) {
        const PassRow& place = pass.row(row);
        float* key = pass.work.key + row * kv_heads * head_dim;
        float* value = pass.work.value + row * kv_heads * head_dim;
        finite &= rms_norm_heads(shape.key_is_value ? key : value, nullptr, value, kv_heads, head_dim,
                                 pass.epsilon);
        finite &= rms_norm_heads(key, weights.k_norm.f32(), key, kv_heads, head_dim, pass.epsilon);
        rotate_heads(key, kv_heads, head_dim, pairs, rotary.cosines + row * rotary.pairs,
                     rotary.sines + row * rotary.pairs);
        with_cache_format(pass.cache, [&](auto format) HWY_ATTR {
          store_kv<Layout<format()>>(pass.cache_of(place), place.position, key, value);
        });
      }
      if (!finite) pass.report_not_finite(PassFault::inside);
    });
    pass.show(PassValue::key, pass.work.key, kv_heads * head_dim);
    pass.show(PassValue::value, pass.work.value, kv_heads * head_dim);
  }

  /// q = RoPE(RMS(q_raw; q_norm)), and on K=V layers the key's norm weight folded in.
  static void finish_queries(const Pass& pass, const AttentionWeights& weights,
                             const AttentionSite& site) noexcept {
    const RotaryRows& rotary = site.rotary;
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      bool finite = true;
      for (std::size_t row = range.first; row < range.first + range.count; ++row) {
        float* query = pass.work.query + row * heads * head_dim;
        finite &= rms_norm_heads(query, weights.q_norm.f32(), query, heads, head_dim, pass.epsilon);
        rotate_heads(query, heads, head_dim, pairs, rotary.cosines + row * rotary.pairs,
                     rotary.sines + row * rotary.pairs);
      }
      if (!finite) pass.report_not_finite(PassFault::inside);
    });
    pass.show(PassValue::query, pass.work.query, heads * head_dim);
    if constexpr (shape.key_is_value) {
      pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
        prepare_queries<Layout<CacheFormat::f32>>(
            pass.work.query + std::size_t{range.first} * heads * head_dim, std::size_t{range.count} * heads,
            site.key_norm);
      });
    }
    for (std::uint32_t row = 0; row < pass.rows; ++row) {
      pass.work.visible[row] = visible_keys<Kind>(pass.row(row).position);
    }
  }

  /// Splits over (kv head, tile of rows) of all sequences; where that gives fewer units than threads, along
  /// the context instead. Both have the same bits.
  template <class CacheLayout>
  static void attend_rows(const Pass& pass) noexcept {
    const AttendRows rows{pass.work.query, pass.work.visible, pass.work.attended, pass.rows, heads};
    const std::uint32_t tiles = cut_tiles(pass, attend_tile_rows(heads / kv_heads));
    if (kv_heads * tiles >= pass.team.width()) return attend_tiles<CacheLayout>(pass, rows, {0, tiles});
    for (std::uint32_t tile = 0; tile < tiles; ++tile) {
      if (!attend_along_context<CacheLayout>(pass, rows, pass.work.tiles[tile])) {
        attend_tiles<CacheLayout>(pass, rows, {tile, tile + 1});
      }
    }
  }

  /// Attends with the tiles numbered `tiles`, one unit for each kv head of each.
  template <class CacheLayout>
  static void attend_tiles(const Pass& pass, const AttendRows& rows, RowTile tiles) noexcept {
    pass.team.deal(
        (tiles.end - tiles.first) * kv_heads, [&](std::uint32_t unit, std::uint32_t part) HWY_ATTR {
          const RowTile tile = pass.work.tiles[tiles.first + unit / kv_heads];
          attend<CacheLayout>(pass.cache_of(pass.row(tile.first)), rows, unit % kv_heads, tile.first,
                              tile.end, pass.work.attention + part * pass.work.attention_floats);
        });
  }

  /// Returns false if the partial results do not fit the scratch memory, or there is only one span.
  template <class CacheLayout>
  static bool attend_along_context(const Pass& pass, const AttendRows& rows, RowTile tile) noexcept {
    const KvRows& cache = pass.cache_of(pass.row(tile.first));
    const SpanRange spans = spans_of(rows, tile.first, tile.end);
    const std::size_t stride = attend_partial_floats<CacheLayout>(heads / kv_heads, tile.end - tile.first);
    const std::uint32_t units = kv_heads * spans.count();
    if (spans.count() < 2 || units * stride > pass.work.partial_floats) return false;
    pass.team.deal(units, [&](std::uint32_t unit, std::uint32_t part) HWY_ATTR {
      const std::uint32_t span = spans.first + unit % spans.count();
      attend_spans<CacheLayout>(cache, rows, unit / spans.count(), tile.first, tile.end, {span, span + 1},
                                pass.work.partials + unit * stride,
                                pass.work.attention + part * pass.work.attention_floats);
    });
    pass.team.run(kv_heads, [&](std::uint32_t part, std::uint32_t parts) HWY_ATTR {
      for (std::uint32_t kv_head = part; kv_head < kv_heads; kv_head += parts) {
        merge_spans<CacheLayout>(rows, kv_heads, kv_head, tile.first, tile.end, spans.count(),
                                 pass.work.partials + std::size_t{kv_head} * spans.count() * stride,
                                 pass.work.attention + part * pass.work.attention_floats);
      }
    });
    return true;
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
