// SPDX-License-Identifier: Apache-2.0
// What a model type must offer, and the tables every other part reads from it: kinds, ordinals, KV owners,
// the split. Source: text-decoder.md §2.4.3 (shared keys and values), §2.2 (per-layer inputs).
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <utility>

#include <boost/hana/at.hpp>

#include <lamina/schedule/description.hpp>
#include <lamina/schedule/schedule.hpp>

namespace lamina {
namespace detail {

/// The type an attention kind takes its keys and values from: itself if it owns them.
template <class Attention>
constexpr auto kv_source() {
  if constexpr (Attention::owns_kv) {
    return hana::type_c<Attention>;
  } else {
    return hana::type_c<typename Attention::owner>;
  }
}

/// Index in `Kinds` of every element of a Hana sequence of types.
template <class Kinds>
struct IndexEach {
  template <class... Types>
  constexpr auto operator()(Types...) const {
    return std::array<int, sizeof...(Types)>{index_of<typename Types::type, Kinds>()...};
  }
};

/// Index in `Attentions` of the attention whose keys and values each layer kind reads; -1 if it is not there.
template <class Attentions>
struct SourceEach {
  template <class... Types>
  constexpr auto operator()(Types...) const {
    return std::array<int, sizeof...(Types)>{
        index_of<typename decltype(kv_source<typename Types::type::attention>())::type, Attentions>()...};
  }
};

struct OwnsEach {
  template <class... Types>
  constexpr auto operator()(Types...) const {
    return std::array<bool, sizeof...(Types)>{Types::type::attention::owns_kv...};
  }
};

/// The owner table of a schedule: Hana finds the kinds (a handful), arrays hold what is said once per layer.
/// Keyed by the layers, not the variant, so that variants with equal layers share one.
template <class Layers>
struct Tables {
  using Types = typename Layers::hana_types;
  using Kinds = typename Layers::hana_kinds;
  using Attentions = Distinct<decltype(hana::transform(Kinds{}, AttentionOf{}))>;
  static constexpr std::size_t size = static_cast<std::size_t>(Layers::size);
  static constexpr std::array<int, size> kind = hana::unpack(Types{}, IndexEach<Kinds>{});
  static constexpr auto attention_of_kind =
      hana::unpack(hana::transform(Kinds{}, AttentionOf{}), IndexEach<Attentions>{});
  static constexpr auto source_of_kind = hana::unpack(Kinds{}, SourceEach<Attentions>{});
  static constexpr auto kind_owns = hana::unpack(Kinds{}, OwnsEach{});
  static constexpr std::size_t kinds = kind_owns.size();

  /// First layer of each kind.
  static constexpr std::array<int, kinds> first_of_kind = [] {
    std::array<int, kinds> first{};
    for (std::size_t i = size; i-- > 0;) first[static_cast<std::size_t>(kind[i])] = static_cast<int>(i);
    return first;
  }();

  /// First layer that owns what layers of `kind_at` read; -1 if there is none.
  static constexpr int first_owner(std::size_t kind_at) {
    for (std::size_t i = 0; i < size; ++i) {
      const auto k = static_cast<std::size_t>(kind[i]);
      if (kind_owns[k] && attention_of_kind[k] == source_of_kind[kind_at]) return static_cast<int>(i);
    }
    return -1;
  }

  static constexpr std::array<int, size> ordinal = [] {
    std::array<int, size> ordinals{};
    std::array<int, kinds> seen{};
    for (std::size_t i = 0; i < size; ++i) ordinals[i] = seen[static_cast<std::size_t>(kind[i])]++;
    return ordinals;
  }();

  static constexpr std::array<int, size> owner = [] {
    std::array<int, size> owners{};
    std::array<int, kinds> last{};  // last owner of each attention; attentions are at most as many as kinds
    for (int& layer : last) layer = -1;
    for (std::size_t i = 0; i < size; ++i) {
      const auto k = static_cast<std::size_t>(kind[i]);
      if (kind_owns[k]) last[static_cast<std::size_t>(attention_of_kind[k])] = static_cast<int>(i);
      owners[i] = source_of_kind[k] < 0 ? -1 : last[static_cast<std::size_t>(source_of_kind[k])];
    }
    return owners;
  }();

  /// Index after the last layer that owns keys and values.
  static constexpr int first_reader = [] {
    int after = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (kind_owns[static_cast<std::size_t>(kind[i])]) after = static_cast<int>(i) + 1;
    }
    return after;
  }();
};

// --- Rules that need the whole schedule ---

/// `Layer` is the first layer with the attention `Attention`, `FirstOwner` the first layer that owns what it
/// reads.
template <class Attention, int Layer, int FirstOwner>
struct OwnerRules {
  static_assert(FirstOwner >= 0,
                "lamina: SharedKv: its Owner must be a layer of the schedule; add a layer with that "
                "attention (the same "
                "shape) before it, or share the attention of a layer that is there");
  static_assert(FirstOwner < 0 || FirstOwner <= Layer,
                "lamina: SharedKv: its Owner must come before it; move a layer that owns the keys and values "
                "before the "
                "layers that share them");
  static constexpr bool hold = true;
};

template <class Attention, int Layer, int FirstOwner>
constexpr bool owner_rules_hold() {
  if constexpr (is_external_of<Attention>()) {
    return true;  // what a drafter reads is in no layer of its own schedule
  } else {
    return OwnerRules<Attention, Layer, FirstOwner>::hold;
  }
}

/// All layers must read the same per-layer embedding: the table holds `layers * width` values per token.
template <class First, class Other>
struct PerLayerRules {
  static_assert(
      First::width == Other::width,
      "lamina: PerLayerInput: all layers of a model must have the same width; give every layer the same "
      "PerLayerInput, or every layer NoPerLayerInput");
  static constexpr bool hold = true;
};

template <class Layers>
struct ScheduleRules {
  using T = Tables<Layers>;
  template <class... Kinds, std::size_t... Index>
  static constexpr bool check(TypeList<Kinds...>, std::index_sequence<Index...>) {
    using First = typename decltype(+hana::at_c<0>(typename T::Types{}))::type::per_layer;
    return (owner_rules_hold<typename Kinds::attention, T::first_of_kind[Index], T::first_owner(Index)>() &&
            ...) &&
           (PerLayerRules<First, typename Kinds::per_layer>::hold && ...);
  }
  static constexpr bool hold = check(Pack<typename T::Kinds>{}, std::make_index_sequence<T::kinds>{});
};

template <class V>
struct VariantRules {
  static_assert(V::dims.hidden > 0, "lamina: Variant: hidden must be > 0; set .hidden in its Dims");
  static_assert(V::dims.vocab > 0, "lamina: Variant: vocab must be > 0; set .vocab in its Dims");
  static_assert(V::dims.max_context > 0,
                "lamina: Variant: max_context must be > 0; set .max_context in its Dims");
  static_assert(V::Layers::size > 0,
                "lamina: Variant: its schedule must have a layer; put layers into Layers");
  static_assert(V::Layers::size <= max_layers,
                "lamina: Variant: its schedule must not exceed lamina::max_layers; remove layers");
  static_assert(ScheduleRules<typename V::Layers>::hold);
  static constexpr bool hold = true;
};

template <class T>
inline constexpr bool is_schedule = false;
template <class... Parts>
inline constexpr bool is_schedule<Schedule<Parts...>> = true;

}  // namespace detail

/// A model as a type: `name`, `dims` and `Layers`. A type without them is no variant; one whose layers break
/// a rule stops the compilation with that rule. Reads every layer kind, so checking it once checks the whole
/// model.
template <class T>
concept Variant = requires {
  { T::name } -> std::convertible_to<std::string_view>;
  requires detail::ConstantOf<decltype(T::dims), Dims>;
  typename T::Layers;
  requires detail::is_schedule<typename T::Layers>;
}
&&detail::VariantRules<T>::hold;

// --- Kinds: code is generated once per kind, the layer index is a run-time argument ---

/// Layers of the model.
template <Variant V>
inline constexpr int layer_count = V::Layers::size;

/// The distinct layer kinds, in order of first appearance, as `TypeList<Layer<...>, ...>`.
template <Variant V>
using kinds_of = detail::Pack<typename detail::Tables<typename V::Layers>::Kinds>;

/// Distinct layer kinds of the model.
template <Variant V>
inline constexpr int distinct_layers = static_cast<int>(detail::Tables<typename V::Layers>::kinds);

/// Kind of layer `Index`.
template <Variant V, int Index>
using layer_at =
    typename decltype(+hana::at_c<static_cast<std::size_t>(Index)>(typename V::Layers::hana_types{}))::type;

/// Per layer: index of its kind in `kinds_of<V>`.
template <Variant V>
inline constexpr std::array<int, layer_count<V>> kind_index = detail::Tables<typename V::Layers>::kind;

/// Per layer: how many earlier layers have the same kind.
template <Variant V>
inline constexpr std::array<int, layer_count<V>> kind_ordinal = detail::Tables<typename V::Layers>::ordinal;

/// Per kind: layers of that kind.
template <Variant V>
inline constexpr auto kind_counts = [] {
  std::array<int, distinct_layers<V>> counts{};
  for (const int kind : kind_index<V>) ++counts[static_cast<std::size_t>(kind)];
  return counts;
}();

// --- Keys and values ---

/// Per layer: the layer whose keys and values it reads, itself if it owns them.
template <Variant V>
inline constexpr std::array<int, layer_count<V>> kv_owners = detail::Tables<typename V::Layers>::owner;

/// The layer whose keys and values `layer` reads, itself if it owns them. Requires `0 <= layer <
/// layer_count<V>`.
template <Variant V>
constexpr int kv_owner(int layer) {
  return kv_owners<V>[static_cast<std::size_t>(layer)];
}

/// Layers that own keys and values.
template <Variant V>
inline constexpr int owner_count = [] {
  int owners = 0;
  for (int i = 0; i < layer_count<V>; ++i) owners += kv_owner<V>(i) == i ? 1 : 0;
  return owners;
}();

/// Layers that read the keys and values of another.
template <Variant V>
inline constexpr int reader_count = layer_count<V> - owner_count<V>;

/// Index after the last KV owner: prompt tokens whose logits nobody wants may stop there (§2.4.3).
template <Variant V>
constexpr int first_reader() {
  return detail::Tables<typename V::Layers>::first_reader;
}

/// The schedule up to the last KV owner, and what comes after it.
template <Variant V>
using owner_layers = decltype(from_hana(hana::take_front(
    typename V::Layers::hana_types{}, hana::size_c<static_cast<std::size_t>(first_reader<V>())>)));
template <Variant V>
using reader_layers = decltype(from_hana(hana::drop_front(
    typename V::Layers::hana_types{}, hana::size_c<static_cast<std::size_t>(first_reader<V>())>)));

// --- Blocks ---

/// Whether the rows of a picture see each other in layers with a window: what the variant states as
/// `sees_blocks`, else in models without per-layer inputs (vision.md §4.5: files do not say).
template <Variant V>
constexpr bool sees_blocks() {
  if constexpr (requires { V::sees_blocks; }) {
    return V::sees_blocks;
  } else {
    return layer_at<V, 0>::per_layer::width == 0;
  }
}

// --- Widths ---

/// Width of the per-layer input, 0 if the model has none.
template <Variant V>
constexpr int per_layer_width() {
  return layer_at<V, 0>::per_layer::width;
}

/// Head width of the layers that see everything, 0 if the model has none.
template <Variant V>
constexpr int global_head_dim() {
  return []<class... Kinds>(TypeList<Kinds...>) {
    int width = 0;
    ((width = Kinds::attention::shape.window == 0 ? Kinds::attention::shape.head_dim : width), ...);
    return width;
  }(kinds_of<V>{});
}

}  // namespace lamina
