// SPDX-License-Identifier: Apache-2.0
// Facts of a model type as constexpr functions: weights, cache bytes, operations. They follow from the slot
// lists and the shapes, so they can size memory, fill the plan, and stand in static_asserts. Integers in
// bytes, tokens, operations. Source: text-decoder.md §2.4.3, §3, §4.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <lamina/schedule/kv_layout.hpp>
#include <lamina/schedule/slots.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/schedule/weight_totals.hpp>

namespace lamina {

// --- Weights ---

/// Calls `visit(int layer, const auto& slots) -> bool` for every slot list of a model type: those outside the
/// layers (layer -1), then layer by layer, until one returns false. Returns whether none did.
template <Variant V, class Visitor>
constexpr bool visit_slot_lists(Visitor visit) {
  if (!visit(-1, global_slots(V::dims, per_layer_width<V>(), layer_count<V>, global_head_dim<V>())))
    return false;
  for (int index = 0; index < layer_count<V>; ++index) {
    const auto visit_kind = [&]<class Kind>() {
      return visit(index, Slots<typename Kind::attention>::list(V::dims)) &&
             visit(index, Slots<typename Kind::ffn>::list(V::dims)) &&
             visit(index, Slots<typename Kind::per_layer>::list(V::dims)) && visit(index, layer_scale_slots);
    };
    const bool goes_on = [&]<class... Kinds>(TypeList<Kinds...>) {
      bool result = true;
      int kind = 0;
      const int wanted = kind_index<V>[static_cast<std::size_t>(index)];
      ((kind++ == wanted ? void(result = visit_kind.template operator()<Kinds>()) : void()), ...);
      return result;
    }(kinds_of<V>{});
    if (!goes_on) return false;
  }
  return true;
}

namespace detail {

template <class Ffn>
constexpr int active_experts() {
  if constexpr (requires { Ffn::shape.active; }) {
    return Ffn::shape.active;
  } else {
    return 1;
  }
}

/// Sum over the layers `layers` of one kind. The lists are made once: they are what costs compile time.
template <class Kind, class Layers, class FormatOf>
constexpr WeightTotals kind_total(const Dims& dims, const Layers& layers, const FormatOf& format_of) {
  const auto attention = Slots<typename Kind::attention>::list(dims);
  const auto ffn = Slots<typename Kind::ffn>::list(dims);
  const auto per_layer = Slots<typename Kind::per_layer>::list(dims);
  WeightTotals sum;
  for (const int layer : layers) {
    sum += total_of(attention, layer, 1, format_of);
    sum += total_of(ffn, layer, active_experts<typename Kind::ffn>(), format_of);
    sum += total_of(per_layer, layer, 1, format_of);
    sum += total_of(layer_scale_slots, layer, 1, format_of);
  }
  return sum;
}

/// The layers of kind number `Kind`.
template <Variant V, int Kind>
inline constexpr auto layers_of_kind = [] {
  std::array<int, kind_counts<V>[Kind]> layers {};
  std::size_t n = 0;
  for (int i = 0; i < layer_count<V>; ++i) {
    if (kind_index<V>[static_cast<std::size_t>(i)] == Kind) layers[n++] = i;
  }
  return layers;
}();

/// Per kind, the sums of one layer with every matrix in one encoding.
template <Variant V>
constexpr auto uniform_kinds(Format format) {
  return [format]<class... Kinds>(TypeList<Kinds...>) {
    return std::array<WeightTotals, sizeof...(Kinds)>{
        kind_total<Kinds>(V::dims, std::array{0}, UniformFormat{format})...};
  }(kinds_of<V>{});
}

/// Sum over the layers `0 .. last`.
template <Variant V>
constexpr WeightTotals uniform_layers(int last, Format format) {
  const auto kinds = uniform_kinds<V>(format);
  WeightTotals sum;
  for (std::size_t i = 0; i < static_cast<std::size_t>(last); ++i) {
    sum += kinds[static_cast<std::size_t>(kind_index<V>[i])];
  }
  return sum;
}

template <Variant V, class FormatOf>
constexpr WeightTotals outside_total(const FormatOf& format_of) {
  return global_total(V::dims, per_layer_width<V>(), layer_count<V>, global_head_dim<V>(), format_of);
}

}  // namespace detail

/// All sums of a file with every matrix in one encoding (vectors and router float32), `rope_freqs` included,
/// without the unused keys and values some files carry for shared layers.
template <Variant V>
constexpr WeightTotals weight_totals(Format format) {
  WeightTotals sum = detail::uniform_layers<V>(layer_count<V>, format);
  sum += detail::outside_total<V>(UniformFormat{format});
  return sum;
}

/// All sums of a file whose encodings differ: `format_of(const WeightFact&)` gives the encoding of each
/// weight.
template <Variant V, class FormatOf>
requires requires(const FormatOf& format_of, const WeightFact& weight) { Format{format_of(weight)}; }
constexpr WeightTotals weight_totals(const FormatOf& format_of) {
  WeightTotals sum = detail::outside_total<V>(format_of);
  [&]<class... Kinds, int... Index>(TypeList<Kinds...>, std::integer_sequence<int, Index...>) {
    ((sum += detail::kind_total<Kinds>(V::dims, detail::layers_of_kind<V, Index>, format_of)), ...);
  }(kinds_of<V>{}, std::make_integer_sequence<int, distinct_layers<V>>{});
  return sum;
}

namespace detail {

// Evaluated once per model and encoding, however often a fact is asked for.
template <Variant V, Format F>
inline constexpr WeightTotals totals = weight_totals<V>(F);
template <Variant V>
inline constexpr std::int64_t owner_multiply_adds =
    uniform_layers<V>(first_reader<V>(), Format::f32).multiply_adds
    + std::int64_t{first_reader<V>()} * per_layer_width<V>() * V::dims.hidden;

}  // namespace detail

/// Weights of the text decoder, the 256 rotation factors of GGUF files included.
template <Variant V>
constexpr std::int64_t parameter_count() {
  return detail::totals<V, Format::f32>.parameters;
}

/// Tensors of a GGUF file of this model; safetensors have one less (no `rope_freqs`).
template <Variant V>
constexpr std::int64_t tensor_count() {
  return detail::totals<V, Format::f32>.tensors;
}

/// What first-generation files carry besides: keys and values of layers that never use them (text-decoder.md
/// §3.4).
template <Variant V>
constexpr WeightTotals ghost_totals(Format format) {
  return [format]<class... Kinds>(TypeList<Kinds...>) {
    WeightTotals sum;
    const auto add = [&]<class Attention>(std::int64_t layers, hana::basic_type<Attention>) {
      if constexpr (!Attention::owns_kv) {
        const UniformFormat uniform{format};
        const WeightTotals own = detail::total_of(Slots<Attention>::list(V::dims), 0, 1, uniform);
        const WeightTotals with =
            detail::total_of(Slots<typename Attention::owner>::list(V::dims), 0, 1, uniform);
        sum += with.times(layers);
        sum += own.times(-layers);
      }
    };
    std::size_t kind = 0;
    (add(kind_counts<V>[kind++], hana::type_c<typename Kinds::attention>), ...);
    return sum;
  }(kinds_of<V>{});
}

/// Bytes of all weights, every matrix in the encoding `F`.
template <Variant V, Format F>
constexpr std::int64_t weight_bytes() {
  return detail::totals<V, F>.bytes;
}

/// Bytes of all weights in the encodings that `format_of` gives.
template <Variant V, class FormatOf>
constexpr std::int64_t weight_bytes(const FormatOf& format_of) {
  return weight_totals<V>(format_of).bytes;
}

/// Bytes of weights one decoded token reads: chosen experts only, the embedding whole (it is the head), one
/// row of the per-layer table.
template <Variant V, Format F>
constexpr std::int64_t active_weight_bytes() {
  return detail::totals<V, F>.active_bytes;
}

/// As above, in the encodings that `format_of` gives.
template <Variant V, class FormatOf>
constexpr std::int64_t active_weight_bytes(const FormatOf& format_of) {
  return weight_totals<V>(format_of).active_bytes;
}

// --- Keys and values ---

/// Bytes of the cache for `tokens` of context: global layers keep all, local ones at most their window,
/// shared ones none.
template <Variant V, KvFormat Kv>
constexpr std::int64_t kv_bytes(std::int64_t tokens) {
  return [=]<class... Kinds>(TypeList<Kinds...>) {
    std::size_t kind = 0;
    std::int64_t sum = 0;
    ((sum += Kinds::attention::owns_kv
                 ? kind_counts<V>[kind] * kv_rows(Kinds::attention::shape, tokens) *
                       kv_row_bytes(Kinds::attention::shape, rotary_pairs_of<typename Kinds::attention>(),
                                    Kv::format)
                 : 0,
      ++kind),
     ...);
    return sum;
  }(kinds_of<V>{});
}

/// Bytes the cache grows by per token once all windows are full.
template <Variant V, KvFormat Kv>
constexpr std::int64_t kv_growth_bytes() {
  constexpr std::int64_t full = std::int64_t{1} << 32;  // beyond any window
  return kv_bytes<V, Kv>(full + 1) - kv_bytes<V, Kv>(full);
}

// --- Operations (one multiply-add is two; norms, rotation and softmax, under 1 %, are left out) ---

/// Multiply-adds of one prompt token with the weights of all layers; without head and attention scores.
template <Variant V>
constexpr std::int64_t prompt_multiply_adds() {
  return detail::totals<V, Format::f32>.multiply_adds;
}

/// Multiply-adds of a prompt token that stops after the last KV owner (§2.4.3); of the per-layer projection
/// only the part for those layers.
template <Variant V>
constexpr std::int64_t owner_multiply_adds() {
  return detail::owner_multiply_adds<V>;
}

/// Multiply-adds of the head.
template <Variant V>
constexpr std::int64_t head_multiply_adds() {
  return std::int64_t{V::dims.vocab} * V::dims.hidden;
}

/// Multiply-adds of scores and weighted values of the layers `first .. last` for the token at `position`.
template <Variant V>
constexpr std::int64_t attention_multiply_adds(std::int64_t position, int first = 0,
                                               int last = layer_count<V>) {
  return [=]<class... Kinds>(TypeList<Kinds...>) {
    const std::int64_t kinds[] = {2 * std::int64_t{Kinds::attention::shape.heads} *
                                  Kinds::attention::shape.head_dim *
                                  kv_rows(Kinds::attention::shape, position + 1)...};
    std::int64_t sum = 0;
    for (int i = first; i < last; ++i) {
      sum += kinds[static_cast<std::size_t>(kind_index<V>[static_cast<std::size_t>(i)])];
    }
    return sum;
  }(kinds_of<V>{});
}

/// Operations of decoding the token at `position`: all layers, attention over what is cached, head.
template <Variant V>
constexpr std::int64_t decode_flops(std::int64_t position) {
  return 2 * (prompt_multiply_adds<V>() + head_multiply_adds<V>() + attention_multiply_adds<V>(position));
}

/// Operations of a prompt of `tokens` from position 0 whose last logits are wanted: KV owners for all tokens,
/// the other layers and the head for the last one. Requires `tokens > 0`.
template <Variant V>
constexpr std::int64_t prefill_flops(std::int64_t tokens) {
  constexpr int readers = first_reader<V>();
  std::int64_t sum = tokens * owner_multiply_adds<V>() +
                     (prompt_multiply_adds<V>() - owner_multiply_adds<V>()) + head_multiply_adds<V>() +
                     attention_multiply_adds<V>(tokens - 1, readers, layer_count<V>);
  [&]<class... Kinds>(TypeList<Kinds...>) {
    // A layer sees 1, 2, ... tokens until its window is full, then the window.
    const auto seen = [tokens](const AttnShape& shape) {
      const std::int64_t growing = kv_rows(shape, tokens);
      return growing * (growing + 1) / 2 + (tokens - growing) * growing;
    };
    const std::int64_t kinds[] = {2 * std::int64_t{Kinds::attention::shape.heads} *
                                  Kinds::attention::shape.head_dim * seen(Kinds::attention::shape)...};
    for (int i = 0; i < readers; ++i)
      sum += kinds[static_cast<std::size_t>(kind_index<V>[static_cast<std::size_t>(i)])];
  }(kinds_of<V>{});
  return 2 * sum;
}

}  // namespace lamina
