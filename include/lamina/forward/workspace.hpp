// SPDX-License-Identifier: Apache-2.0
// Scratch memory of a model's passes: how wide each buffer must be, and taking them from the arena.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/core/arena.hpp>
#include <lamina/attention/attend.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/schedule/variant.hpp>

namespace lamina {

/// Widest buffers that the layers of a model need, in elements per row unless said otherwise.
struct PassWidths {
  std::size_t query = 0;  ///< heads * head_dim
  std::size_t kv = 0;     ///< kv_heads * head_dim
  std::size_t ffn = 0;    ///< width of a dense block, or of the per-layer gate
  std::size_t experts = 0;
  std::size_t active = 0;
  std::size_t expert_width = 0;
  bool clamps_inputs = false;         ///< some kind's matrices have input ranges: it states `clamps_inputs`
  std::size_t attention_scratch = 0;  ///< floats per thread
  std::size_t span_partials = 0;      ///< floats per span of context, all kv heads, one row

  /// Makes room for one layer kind.
  template <class LayerType>
  constexpr void include() noexcept {
    using Attention = typename LayerType::attention;
    using Layout = LayoutOf<Attention, CacheFormat::f32>;  // scratch does not depend on the cache's format
    constexpr AttnShape shape = Attention::shape;
    static_assert(
        head_slot_of<Attention>() == shape.head_dim && !sees_block_of<Attention>(),
        "lamina: AttentionKind: head_slot and sees_block are facts of encoders' kinds; leave them out");
    constexpr std::uint32_t group = shape.heads / shape.kv_heads;
    query = std::max(query, static_cast<std::size_t>(shape.heads * shape.head_dim));
    kv = std::max(kv, static_cast<std::size_t>(shape.kv_heads * shape.head_dim));
    attention_scratch = std::max(attention_scratch, attend_scratch_floats<Layout>(group));
    span_partials = std::max(
        span_partials, static_cast<std::size_t>(shape.kv_heads) * attend_partial_floats<Layout>(group, 1));
    ffn = std::max({ffn, static_cast<std::size_t>(LayerType::ffn::width),
                    static_cast<std::size_t>(LayerType::per_layer::width)});
    clamps_inputs |= clamps_inputs_of<Attention>() || clamps_inputs_of<typename LayerType::ffn>() ||
                     clamps_inputs_of<typename LayerType::per_layer>();
    if constexpr (requires { LayerType::ffn::shape.experts; }) {
      constexpr MoeShape moe = LayerType::ffn::shape;
      experts = std::max(experts, static_cast<std::size_t>(moe.experts));
      active = std::max(active, static_cast<std::size_t>(moe.active));
      expert_width = std::max(expert_width, static_cast<std::size_t>(moe.expert_width));
    }
  }
};

/// The widths of a model type.
template <Variant V>
[[nodiscard]] constexpr PassWidths pass_widths() noexcept {
  return []<class... Kinds>(TypeList<Kinds...>) {
    PassWidths widths;
    (widths.include<Kinds>(), ...);
    return widths;
  }(kinds_of<V>{});
}

/// Takes all scratch memory of an engine from `arena`. Over a measuring arena only counts. Nothing is
/// touched: what passes are too small to use costs no memory, and starting no time.
template <Variant V>
[[nodiscard]] constexpr Workspace take_workspace(const EngineOptions& options, Arena& arena) noexcept {
  constexpr PassWidths widths = pass_widths<V>();
  constexpr auto hidden = static_cast<std::size_t>(V::dims.hidden);
  constexpr std::size_t per_layer = static_cast<std::size_t>(layer_count<V>) * per_layer_width<V>();
  constexpr std::size_t widest = std::max({hidden, widths.query, widths.ffn, per_layer});
  const std::size_t rows = options.rows;
  const std::size_t threads = options.executor != nullptr ? options.executor->width() : 1;
  const auto floats = [&](std::size_t count) { return arena.take_untouched<float>(count).data(); };

  Workspace work;
  work.stream = floats(rows * hidden);
  work.normed = floats(rows * hidden);
  work.branch = floats(rows * hidden);
  work.query = floats(rows * widths.query);
  work.key = floats(rows * widths.kv);
  work.value = floats(rows * widths.kv);
  work.attended = floats(rows * widths.query);
  work.gate = floats(rows * widths.ffn);
  work.up = floats(rows * widths.ffn);
  work.per_layer = floats(rows * per_layer);
  work.table_rows = floats(threads * per_layer);
  work.logits = floats(std::size_t{options.logits_rows} * V::dims.vocab);
  work.rows = arena.take_untouched<PassRow>(rows).data();
  work.caches = arena.take_untouched<LayerCaches>(rows).data();
  work.tiles = arena.take_untouched<RowTile>(rows).data();
  work.visible = arena.take_untouched<KeyRange>(rows).data();

  work.product_bytes = aligned_size(matmul_scratch_bytes(rows));
  work.products = arena.take_untouched<std::byte>(threads * work.product_bytes).data();
  work.attention_floats = aligned_size(widths.attention_scratch * sizeof(float)) / sizeof(float);
  work.attention = floats(threads * work.attention_floats);
  // One span more than the context has: a window may begin and end inside one.
  work.partial_floats = threads > 1 ? (options.context / kv_span + 2) * widths.span_partials : 0;
  work.partials = floats(work.partial_floats);

  std::size_t code_bytes = rows * prepared_row_bytes(widest);
  if constexpr (widths.experts > 0) {
    const std::size_t entries = rows * widths.active;
    work.router_logits = floats(rows * widths.experts);
    work.routed = arena.take_untouched<RoutedExpert>(entries).data();
    work.expert_at = arena.take_untouched<std::uint32_t>(widths.experts).data();
    work.place_of = arena.take_untouched<std::uint32_t>(widths.experts).data();
    work.expert_begin = arena.take_untouched<std::uint32_t>(widths.experts + 1).data();
    work.entry_row = arena.take_untouched<std::uint32_t>(entries).data();
    work.row_entries = arena.take_untouched<std::uint32_t>(entries).data();
    work.row_weights = floats(entries);
    work.expert_products = arena.take_untouched<BoundProduct>(2 * widths.experts).data();
    work.expert_input = floats(entries * hidden);
    work.expert_hidden = floats(entries * 2 * widths.expert_width);
    work.expert_output = floats(entries * hidden);
    code_bytes = std::max(code_bytes, entries * prepared_row_bytes(std::max(hidden, widths.expert_width)));
  }
  if constexpr (widths.clamps_inputs) work.clamped = floats(rows * widest);
  work.codes = arena.take_untouched<std::byte>(code_bytes).data();
  return work;
}

}  // namespace lamina
