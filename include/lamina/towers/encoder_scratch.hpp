// SPDX-License-Identifier: Apache-2.0
// Scratch memory of one input's way through an encoder: what stays for all rows, what is there chunk by
// chunk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/attention/attend.hpp>
#include <lamina/attention/kv_rows.hpp>
#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/encoders/media_input.hpp>
#include <lamina/encoders/options.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/towers/encoder_weights.hpp>

namespace lamina {

/// Widest buffers that an encoder needs, in elements per row unless said otherwise.
struct EncoderWidths {
  std::size_t normed = 0;  ///< the stream, or the rows that are projected
  std::size_t query = 0;
  std::size_t kv = 0;
  std::size_t ffn = 0;
  std::size_t product_input = 0;  ///< of any matrix
  bool clips = false;
  std::size_t attention_scratch = 0;  ///< floats per thread

  /// Makes room for one kind of layer; a kind states what it needs besides as `more_width`, in `gate` and
  /// `up`.
  template <class LayerType>
  constexpr void include() noexcept {
    using Attention = typename LayerType::attention;
    using Layout = LayoutOf<Attention, CacheFormat::f32>;  // scratch does not depend on the format
    constexpr AttnShape shape = Attention::shape;
    query = std::max(query, static_cast<std::size_t>(shape.heads * head_slot_of<Attention>()));
    kv = std::max(kv, static_cast<std::size_t>(shape.kv_heads * head_slot_of<Attention>()));
    ffn = std::max(ffn, static_cast<std::size_t>(LayerType::ffn::width));
    if constexpr (requires { LayerType::more_width; })
      ffn = std::max(ffn, static_cast<std::size_t>(LayerType::more_width));
    clips |= clips_of<LayerType>();
    attention_scratch =
        std::max(attention_scratch,
                 attend_scratch_floats<Layout>(static_cast<std::uint32_t>(shape.heads / shape.kv_heads)));
  }
};

/// Floats of an input row when it enters the front's matrix: what the front states as `product_width`, else
/// those of the input.
template <Encoder E>
[[nodiscard]] constexpr std::size_t front_width() noexcept {
  if constexpr (requires { E::Front::product_width; }) {
    return static_cast<std::size_t>(E::Front::product_width);
  } else {
    return static_cast<std::size_t>(E::Front::input_width);
  }
}

template <Encoder E>
[[nodiscard]] constexpr EncoderWidths encoder_widths() noexcept {
  EncoderWidths widths;
  widths.normed = static_cast<std::size_t>(std::max(E::dims.hidden, output_width<E>()));
  [&]<class... Kinds>(TypeList<Kinds...>) { (widths.template include<Kinds>(), ...); }(encoder_kinds<E>{});
  widths.product_input = std::max({widths.normed, widths.query, widths.ffn, front_width<E>()});
  return widths;
}

/// Element type of keys and values while an input is encoded: float32 in `exact`; in `fast` bf16, which is
/// read in half the time. Whatever of them a program has not is replaced by what it has.
[[nodiscard]] constexpr CacheFormat encoder_cache_format(Precision precision) noexcept {
  if (precision == Precision::fast && is_built_in(CacheFormat::bf16)) return CacheFormat::bf16;
  return CacheFormat::f32;
}

/// Scratch of one input.
struct EncoderScratch {
  Workspace work{};                ///< of one chunk; `stream`, `rows` of the first
  float* input = nullptr;          ///< [chunk, front width]
  float* encoded = nullptr;        ///< [tokens, output width]
  float* front = nullptr;          ///< [threads, what the front asks for as `thread_floats`]
  float* layer = nullptr;          ///< what kinds of layers ask for as `scratch_floats`, all rows
  RotaryRows rotary{};             ///< of all rows
  KvRows keys_and_values{};        ///< of one layer, all rows
  KvRows* layer_caches = nullptr;  ///< [layers] views of them
};

/// Takes all scratch memory of an input from `arena`. Over a measuring arena only counts.
template <Encoder E>
[[nodiscard]] constexpr EncoderScratch take_encoder_scratch(const EncodeOptions& options,
                                                            const MediaShape& shape, Arena& arena) noexcept {
  constexpr EncoderWidths widths = encoder_widths<E>();
  constexpr auto hidden = static_cast<std::size_t>(E::dims.hidden);
  const std::size_t rows = shape.rows;
  const std::size_t chunk = std::min<std::size_t>(std::max(shape.rows, shape.tokens), options.chunk);
  const std::size_t threads = options.executor != nullptr ? options.executor->width() : 1;
  const auto floats = [&](std::size_t count) { return arena.take_untouched<float>(count).data(); };

  EncoderScratch scratch;
  Workspace& work = scratch.work;
  work.stream = floats(rows * hidden);
  work.rows = arena.take_untouched<PassRow>(rows).data();
  scratch.encoded = floats(shape.tokens * static_cast<std::size_t>(output_width<E>()));
  scratch.input = floats(chunk * front_width<E>());
  std::size_t product_rows = chunk;
  if constexpr (requires { E::Front::thread_floats; }) {
    scratch.front = floats(threads * E::Front::thread_floats);
    product_rows = std::max(product_rows, E::Front::product_rows);
  }
  scratch.rotary.pairs = encoder_pairs<E>();
  scratch.rotary.cosines = floats(rows * encoder_pairs<E>());
  scratch.rotary.sines = floats(rows * encoder_pairs<E>());

  work.normed = floats(chunk * widths.normed);
  work.branch = floats(chunk * hidden);
  work.table_rows = floats(threads * hidden);
  work.product_bytes = aligned_size(matmul_scratch_bytes(product_rows));
  work.products = arena.take_untouched<std::byte>(threads * work.product_bytes).data();
  work.codes = arena.take_untouched<std::byte>(chunk * prepared_row_bytes(widths.product_input)).data();
  if constexpr (widths.clips) work.clamped = floats(chunk * widths.product_input);
  if constexpr (encoder_layers < E >> 0) {
    using FirstLayer = typename decltype(+hana::at_c<0>(typename E::Layers::hana_types{}))::type;
    using First = typename FirstLayer::attention;
    scratch.layer_caches = arena.take_untouched<KvRows>(static_cast<std::size_t>(encoder_layers<E>)).data();
    work.query = floats(chunk * widths.query);
    work.attended = floats(chunk * widths.query);
    work.up = floats(chunk * widths.ffn);
    if constexpr (requires { FirstLayer::scratch_floats(E::dims, rows); }) {
      // Such layers keep what they need of all rows themselves.
      scratch.layer = floats(FirstLayer::scratch_floats(E::dims, rows));
    } else {
      constexpr auto kv_heads = static_cast<std::uint32_t>(First::shape.kv_heads);
      work.key = floats(chunk * widths.kv);
      work.value = floats(chunk * widths.kv);
      work.gate = floats(chunk * widths.ffn);
      work.tiles = arena.take_untouched<RowTile>(chunk).data();
      work.visible = arena.take_untouched<KeyRange>(chunk).data();
      work.attention_floats = aligned_size(widths.attention_scratch * sizeof(float)) / sizeof(float);
      work.attention = floats(threads * work.attention_floats);
      with_cache_format(encoder_cache_format(options.precision), [&](auto format) noexcept {
        scratch.keys_and_values =
            take_kv_ring<LayoutOf<First, format()>>(arena, kv_heads, kv_blocks(shape.rows));
      });
    }
  }
  return scratch;
}

}  // namespace lamina
