// SPDX-License-Identifier: Apache-2.0
// All weights of a model, typed by its schedule and bound to a file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/layers/layer_weights.hpp>
#include <lamina/schedule/facts.hpp>
#include <lamina/schedule/slots.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/weights/bind.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

namespace detail {

template <class Kinds, std::size_t K>
struct KindAtIndex;
template <class... Kinds, std::size_t K>
struct KindAtIndex<TypeList<Kinds...>, K> {
  using type = std::tuple_element_t<K, std::tuple<Kinds...>>;
};
}  // namespace detail

/// The layer kind with index `K`.
template <class Kinds, std::size_t K>
using KindAt = typename detail::KindAtIndex<Kinds, K>::type;

/// Calls `body.template operator()<K>()` with K the index of the kind of `layer`: one instantiation per kind,
/// chosen at run time. Returns what `body` returns.
template <Variant V, class Body>
constexpr auto with_kind_of(std::uint32_t layer, Body&& body) noexcept {
  const auto index = static_cast<std::size_t>(kind_index<V>[layer]);
  return [&]<std::size_t... K>(std::index_sequence<K...>) {
    using Result = decltype(body.template operator()<0>());
    if constexpr (std::is_void_v<Result>) {
      ((index == K ? body.template operator()<K>() : void()), ...);
    } else {
      Result result{};
      ((index == K ? void(result = body.template operator()<K>()) : void()), ...);
      return result;
    }
  }
  (std::make_index_sequence<static_cast<std::size_t>(distinct_layers<V>)>{});
}

/// Weights of all layers, one array per kind, and the weights outside the layers.
template <Variant V>
class ModelWeights {
  template <class Kinds>
  struct Arrays;
  template <class... Kinds>
  struct Arrays<TypeList<Kinds...>> {
    template <std::size_t... K>
    static auto make(std::index_sequence<K...>)
        -> std::tuple<std::array<LayerWeights<Kinds>, static_cast<std::size_t>(kind_counts<V>[K])>...>;
    using type = decltype(make(std::index_sequence_for<Kinds...>{}));
  };

 public:
  GlobalWeights global;

  /// Weights of `layer`, whose kind has index `K`.
  template <std::size_t K>
  [[nodiscard]] auto& layer(std::uint32_t index) noexcept {
    return std::get<K>(layers_)[static_cast<std::size_t>(kind_ordinal<V>[index])];
  }

  template <std::size_t K>
  [[nodiscard]] const auto& layer(std::uint32_t index) const noexcept {
    return std::get<K>(layers_)[static_cast<std::size_t>(kind_ordinal<V>[index])];
  }

  /// Calls visit(context, name) for every tensor that enters matrix products.
  static void visit_matrices(void (*visit)(void* context, std::string_view name), void* context) {
    visit_slot_lists<V>([&](int layer, const auto& slots) {
      const FixedText<160> prefix = layer < 0 ? FixedText<160>() : text("blk.%d.", layer);
      for (const auto& slot : slots) {
        if (!is_matrix(slot)) continue;
        FixedText<160> name(prefix);
        name.append(slot.name);
        visit(context, name);
      }
      return true;
    });
  }

  /// Takes from a measuring arena what `bind` takes from a real one.
  static constexpr void measure(Arena& arena) noexcept {
    visit_slot_lists<V>([&](int, const auto& slots) {
      measure_slots(slots, arena);
      return true;
    });
  }

  /// Binds every weight and numbers the matrices in the order of `visit_matrices`, from 1; see `bind_slots`.
  template <class File>
  [[nodiscard]] Status bind(const File& file, Arena& arena) noexcept {
    LAMINA_TRY(bind_slots(file, arena, "", global_slots_of(), global));
    std::uint32_t id = 0;  // of the last matrix
    number(global_slots_of(), global, id);
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(layer_count<V>); ++i) {
      const FixedText<160> prefix = text("blk.%u.", i);
      Error error;
      const bool bound = with_kind_of<V>(i, [&]<std::size_t K>() {
        const Status status = bind_layer(file, arena, prefix, layer<K>(i), id);
        if (!status) error = status.error();
        return static_cast<bool>(status);
      });
      if (!bound) return error;
    }
    return Done{};
  }

 private:
  static constexpr auto global_slots_of() noexcept {
    return global_slots(V::dims, per_layer_width<V>(), layer_count<V>, global_head_dim<V>());
  }

  template <class Weights>
  static bool is_matrix(const Slot<Weights>& slot) noexcept {
    return slot.use == SlotUse::matrix && slot.rows > 0 && slot.columns > 0;
  }

  /// Numbers the matrices of a list, absent ones too, so that numbers depend on the type alone.
  template <class List, class Weights>
  static void number(const List& slots, Weights& weights, std::uint32_t& id) noexcept {
    for (const auto& slot : slots) {
      if (!is_matrix(slot)) continue;
      ++id;
      if (Linear* linear = slot.member.linear_of(weights)) linear->id = id;
    }
  }

  template <class File, class LayerType>
  static Status bind_layer(const File& file, Arena& arena, const FixedText<160>& prefix,
                           LayerWeights<LayerType>& weights, std::uint32_t& id) noexcept {
    const auto bind_part = [&](const auto& slots, auto& part) -> Status {
      LAMINA_TRY(bind_slots(file, arena, prefix, slots, part));
      number(slots, part, id);
      return Done{};
    };
    LAMINA_TRY(bind_part(Slots<typename LayerType::attention>::list(V::dims), weights.attention));
    LAMINA_TRY(bind_part(Slots<typename LayerType::ffn>::list(V::dims), weights.ffn));
    LAMINA_TRY(bind_part(Slots<typename LayerType::per_layer>::list(V::dims), weights.per_layer));
    return bind_slots(file, arena, prefix, layer_scale_slots, weights.scale);
  }

  typename Arrays<kinds_of<V>>::type layers_;
};

}  // namespace lamina
