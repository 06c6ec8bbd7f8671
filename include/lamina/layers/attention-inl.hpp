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

#include <lamina/kernels/attend-inl.hpp>
#include <lamina/kernels/kv_rows-inl.hpp>
#include <lamina/kernels/norm-inl.hpp>
#include <lamina/kernels/rope-inl.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/layers/pass.hpp>
#include <lamina/layers/products.hpp>
#include <lamina/layers/rows.hpp>
#include <lamina/layers/stream-inl.hpp>
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
      if (site.drop_unwanted) {
        project(pass, {{weights.k, work.key, kv_heads * head_dim}, value_product(weights, work)});
        store_keys_and_values(pass, weights, site.rotary);
        keep_wanted_rows(pass);
        if (pass.rows == 0) return;
        normalise_stream(pass, weights.norm.f32());
        project(pass, {{weights.q, work.query, heads * head_dim}});
      } else {
        project(pass, {{weights.q, work.query, heads * head_dim},
                       {weights.k, work.key, kv_heads * head_dim},
                       value_product(weights, work)});
        store_keys_and_values(pass, weights, site.rotary);
      }
    } else {
      project(pass, {{weights.q, work.query, heads * head_dim}});
    }
    finish_queries(pass, weights, site);
    with_cache_format(pass.cache, [&](auto format) noexcept { attend_rows<Layout<format()>>(pass); });
    pass.show(PassValue::attended, work.attended, heads * head_dim);

    ProductInput attended(pass, work.codes, work.attended, pass.rows, heads * head_dim, heads * head_dim);
    multiply(pass, attended, {{weights.output, work.branch, pass.hidden}});
    add_branch(pass, weights.post_norm.f32());
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

  /// k = RoPE(RMS(k_raw; k_norm)), v = RMS0(v_raw); both go to the cache.
  static void store_keys_and_values(const Pass& pass, const AttentionWeights& weights,
                                    const RotaryRows& rotary) noexcept {
    for (const RowRun& run : pass.runs) {
      pass.team.split(run.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
        bool finite = true;
        for (std::uint32_t i = range.first; i < range.first + range.count; ++i) {
          const std::size_t row = run.first_row + i;
          float* key = pass.work.key + row * kv_heads * head_dim;
          float* value = pass.work.value + row * kv_heads * head_dim;
          finite &= rms_norm_heads(shape.key_is_value ? key : value, nullptr, value, kv_heads, head_dim,
                                   pass.epsilon);
          finite &= rms_norm_heads(key, weights.k_norm.f32(), key, kv_heads, head_dim, pass.epsilon);
          rotate_heads(key, kv_heads, head_dim, pairs, rotary.cosines + row * rotary.pairs,
                       rotary.sines + row * rotary.pairs);
          with_cache_format(pass.cache, [&](auto format) HWY_ATTR {
            store_kv<Layout<format()>>(run.caches[pass.layer], run.first_position + i, key, value);
          });
        }
        if (!finite) pass.report_not_finite(PassFault::inside);
      });
    }
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
    for (const RowRun& run : pass.runs) {
      for (std::uint32_t i = 0; i < run.rows; ++i) {
        pass.work.visible[run.first_row + i] = visible_keys<Kind>(run.first_position + i);
      }
    }
  }

  /// Splits over (kv head, tile of rows); where that gives fewer units than threads, along the context
  /// instead. Both have the same bits.
  template <class CacheLayout>
  static void attend_rows(const Pass& pass) noexcept {
    constexpr std::uint32_t group = heads / kv_heads;
    constexpr std::uint32_t tile = attend_tile_rows(group);
    for (const RowRun& run : pass.runs) {
      const KvRows& cache = run.caches[pass.layer];
      const std::size_t first = std::size_t{run.first_row} * heads * head_dim;
      const AttendRows rows{pass.work.query + first, pass.work.visible + run.first_row,
                            pass.work.attended + first, run.rows, heads};
      const std::uint32_t tiles = (run.rows + tile - 1) / tile;
      if (tiles == 1 && kv_heads < pass.team.width() && attend_along_context<CacheLayout>(pass, cache, rows))
        continue;
      const std::uint32_t units = kv_heads * tiles;
      pass.team.deal(units, [&](std::uint32_t unit, std::uint32_t part) HWY_ATTR {
        float* scratch = pass.work.attention + part * pass.work.attention_floats;
        const std::uint32_t begin = unit / kv_heads * tile;
        const std::uint32_t end = begin + tile < run.rows ? begin + tile : run.rows;
        attend<CacheLayout>(cache, rows, unit % kv_heads, begin, end, scratch);
      });
    }
  }

  /// Returns false if the partial results do not fit the scratch memory, or there is only one span.
  template <class CacheLayout>
  static bool attend_along_context(const Pass& pass, const KvRows& cache, const AttendRows& rows) noexcept {
    const SpanRange spans = spans_of(rows, 0, rows.rows);
    const std::size_t stride = attend_partial_floats<CacheLayout>(heads / kv_heads, rows.rows);
    const std::uint32_t units = kv_heads * spans.count();
    if (spans.count() < 2 || units * stride > pass.work.partial_floats) return false;
    pass.team.deal(units, [&](std::uint32_t unit, std::uint32_t part) HWY_ATTR {
      float* scratch = pass.work.attention + part * pass.work.attention_floats;
      const std::uint32_t span = spans.first + unit % spans.count();
      attend_spans<CacheLayout>(cache, rows, unit / spans.count(), 0, rows.rows, {span, span + 1},
                                pass.work.partials + unit * stride, scratch);
    });
    pass.team.run(kv_heads, [&](std::uint32_t part, std::uint32_t parts) HWY_ATTR {
      float* scratch = pass.work.attention + part * pass.work.attention_floats;
      for (std::uint32_t kv_head = part; kv_head < kv_heads; kv_head += parts) {
        merge_spans<CacheLayout>(rows, kv_heads, kv_head, 0, rows.rows, spans.count(),
                                 pass.work.partials + std::size_t{kv_head} * spans.count() * stride, scratch);
      }
    });
    return true;
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
