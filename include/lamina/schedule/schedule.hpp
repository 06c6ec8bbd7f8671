// SPDX-License-Identifier: Apache-2.0
// A model's layers as a type: Layer, Repeat and Schedule, flattened to a Boost.Hana sequence of layer kinds.
// Hana is the algebra here (docs/adr/0003); what leaves this header are packs and arrays.
#pragma once

#include <array>
#include <cstddef>

#include <boost/hana/append.hpp>
#include <boost/hana/contains.hpp>
#include <boost/hana/cycle.hpp>
#include <boost/hana/drop_front.hpp>
#include <boost/hana/equal.hpp>
#include <boost/hana/flatten.hpp>
#include <boost/hana/fold_left.hpp>
#include <boost/hana/index_if.hpp>
#include <boost/hana/integral_constant.hpp>
#include <boost/hana/length.hpp>
#include <boost/hana/optional.hpp>
#include <boost/hana/take_front.hpp>
#include <boost/hana/transform.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/type.hpp>
#include <boost/hana/unpack.hpp>

#include <lamina/schedule/concepts.hpp>

namespace lamina {

namespace hana = boost::hana;

// --- Vocabulary ---

/// One layer: attention, then a feed-forward block, then (E2B, E4B) the per-layer-input gate.
template <class Attention, class Ffn, class PerLayer = NoPerLayerInput>
struct Layer {
  static_assert(
      AttentionKind<Attention>,
      "lamina: Layer: its first argument must be an attention kind; give a type with `shape` (AttnShape) and "
      "`owns_kv` (bool, if false also `owner`)");
  static_assert(
      FfnKind<Ffn>,
      "lamina: Layer: its second argument must be a feed-forward kind; give a type with `width` (int) and a "
      "specialisation of lamina::Slots");
  static_assert(PerLayerKind<PerLayer>,
                "lamina: Layer: its third argument must be PerLayerInput<Width> or NoPerLayerInput; or give "
                "a type with "
                "`width` (int) and a specialisation of lamina::Slots");
  using attention = Attention;
  using ffn = Ffn;
  using per_layer = PerLayer;
};

/// `Parts...`, `Count` times over.
template <int Count, class... Parts>
struct Repeat {
  static_assert(Count > 0, "lamina: Repeat: its count must be > 0; remove the Repeat or give it a count");
};

/// A pack of types that can be expanded: `[]<class... Kinds>(TypeList<Kinds...>) { ... }(kinds_of<V>{})`.
template <class... Types>
struct TypeList {
  static constexpr int size = static_cast<int>(sizeof...(Types));
};

template <class... Parts>
struct Schedule;

namespace detail {

// --- Algebra on Hana tuples of types ---

/// The distinct elements, in order of first appearance.
struct AppendIfNew {
  template <class Seen, class Type>
  constexpr auto operator()(Seen seen, Type type) const {
    if constexpr (decltype(hana::contains(seen, type))::value) {
      return seen;
    } else {
      return hana::append(seen, type);
    }
  }
};
template <class Types>
using Distinct = decltype(hana::fold_left(Types{}, hana::tuple<>{}, AppendIfNew{}));

// --- Flattening: a part becomes a Hana tuple of hana::type, and the tuple of its distinct kinds ---

/// Concatenates tuples. A single one stays as it is: flattening is a third of the cost of a schedule.
struct Concatenate {
  template <class Only>
  constexpr auto operator()(Only only) const {
    return only;
  }
  template <class... Tuples>
  constexpr auto operator()(Tuples... tuples) const {
    return hana::flatten(hana::make_tuple(tuples...));
  }
};

// The kinds are gathered part by part: a repetition has the kinds of what it repeats, so sequences stay
// short.
template <class Part>
struct Flat {
  static_assert(
      LayerKind<Part>,
      "lamina: Schedule: every part must be a layer kind, a Repeat or a Schedule; wrap the attention and the "
      "feed-forward kind in lamina::Layer<Attention, Ffn>");
  using type = decltype(hana::tuple_t<Part>);
  using kinds = type;
};

template <class... Parts>
struct Flat<Schedule<Parts...>> {
  using type = decltype(Concatenate{}(typename Flat<Parts>::type{}...));
  using kinds = Distinct<decltype(Concatenate{}(typename Flat<Parts>::kinds{}...))>;
};

template <int Count, class... Parts>
struct Flat<Repeat<Count, Parts...>> {
  static_assert(sizeof(Repeat<Count, Parts...>) > 0);  // a type that is only named does not check its rules
  using Once = Flat<Schedule<Parts...>>;
  using type = decltype(hana::cycle(typename Once::type{}, hana::size_c<static_cast<std::size_t>(Count)>));
  using kinds = typename Once::kinds;
};

/// What `hana::index_if` found: a position, or -1 for nothing.
template <class Found>
inline constexpr int position_or_none = -1;
template <class Position>
inline constexpr int position_or_none<hana::optional<Position>> = static_cast<int>(Position::value);

/// Position of `Type` in `Types`, -1 if it is not there.
template <class Type, class Types>
constexpr int index_of() {
  return position_or_none<decltype(hana::index_if(Types{}, hana::equal.to(hana::type_c<Type>)))>;
}

template <class Types>
using Pack = typename decltype(hana::unpack(Types{}, hana::template_<TypeList>))::type;

struct AttentionOf {
  template <class LayerType>
  constexpr auto operator()(LayerType) const {
    return hana::type_c<typename LayerType::type::attention>;
  }
};

}  // namespace detail

/// The layers of a model, first to last. Parts are layers, `Repeat`s and other `Schedule`s.
template <class... Parts>
struct Schedule {
  /// The layers as Hana sequence of `hana::type`s, one per layer.
  using hana_types = typename detail::Flat<Schedule>::type;
  /// Its distinct elements, in order of first appearance.
  using hana_kinds = typename detail::Flat<Schedule>::kinds;
  /// Layers in all.
  static constexpr int size = static_cast<int>(decltype(hana::length(hana_types{}))::value);
};

// --- To and from Hana ---

/// The layers of a schedule as Hana sequence of `hana::type`s, for any Hana algorithm.
template <class Layers>
constexpr auto to_hana() {
  return typename Layers::hana_types{};
}

/// The schedule of the layers (or parts) in a Hana sequence of `hana::type`s:
/// `using Layers = decltype(from_hana(hana::concat(to_hana<A>(), to_hana<B>())))`.
template <class Sequence>
constexpr auto from_hana(Sequence) {
  return typename decltype(hana::unpack(Sequence{}, hana::template_<Schedule>))::type{};
}

}  // namespace lamina
