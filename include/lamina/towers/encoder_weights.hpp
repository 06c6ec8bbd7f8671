// SPDX-License-Identifier: Apache-2.0
// All weights of an encoder, typed by its parts and bound to a file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/layers/layer_weights.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/rows/rope.hpp>
#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/weights/bind.hpp>
#include <lamina/weights/media/bind_ranges.hpp>
#include <lamina/weights/media/media_file.hpp>

namespace lamina {

/// Angles of one row of an encoder's attention, all axes: of the first layer, whose rotation all must have.
template <Encoder E>
constexpr std::uint32_t encoder_pairs() {
  if constexpr (encoder_layers < E >> 0) {
    using First = typename decltype(+hana::at_c<0>(typename E::Layers::hana_types{}))::type::attention;
    return static_cast<std::uint32_t>(rope_axes_of<First>() * rotary_pairs_of<First>());
  } else {
    return 0;
  }
}

/// What a layer makes of its weights when they are bound, with memory of its own; nothing, unless a kind
/// specialises it. Over a measuring arena `take` only counts.
template <class LayerType>
struct LayerTables {
  static constexpr LayerTables take(const EncoderDims&, Arena&) noexcept { return {}; }
  void fill(LayerWeights<LayerType>&, const EncoderSizes&, const LinearKernels&) const noexcept {}
};

/// Weights of front, layers, back and projector; immutable once bound. Owns nothing outside its arena.
template <Encoder E>
class EncoderWeights {
  template <class Kinds>
  struct Arrays;
  template <class... Kinds>
  struct Arrays<TypeList<Kinds...>> {
    static constexpr int layers_of(std::size_t kind) {
      int count = 0;
      for (const int each : detail::Tables<typename E::Layers>::kind) count += each == static_cast<int>(kind);
      return count;
    }
    template <std::size_t... K>
    static auto make(std::index_sequence<K...>)
        -> std::tuple<std::array<LayerWeights<Kinds>, static_cast<std::size_t>(layers_of(K))>...>;
    using type = decltype(make(std::index_sequence_for<Kinds...>{}));
  };

 public:
  typename Slots<typename E::Front>::Weights front{};
  typename Slots<typename E::Back>::Weights back{};
  ProjectorWeights projector{};
  const float* frequencies = nullptr;  ///< [encoder_pairs<E>()] of the rotation, axis by axis

  /// Calls `body.template operator()<Kind>(weights)` with the weights of layer `index`.
  template <class Body>
  void with_layer(std::uint32_t index, Body&& body) const noexcept {
    with_layer_of(*this, index, body);
  }

  /// Takes from a measuring arena what `bind` takes from a real one.
  static constexpr void measure(const EncoderSizes& sizes, Arena& arena) noexcept {
    visit_encoder_slots<E>(sizes, [&](int, const auto& slots, bool) {
      measure_slots(slots, arena);
      return true;
    });
    static_cast<void>(arena.take<float>(encoder_pairs<E>()));
    if constexpr (encoder_layers<E> != 0) {
      [&]<class... Kinds>(TypeList<Kinds...>) {
        for (const int each : detail::Tables<typename E::Layers>::kind) {
          int kind = 0;
          ((kind++ == each ? static_cast<void>(LayerTables<Kinds>::take(E::dims, arena)) : void()), ...);
        }
      }(encoder_kinds<E>{});
    }
  }

  /// Binds every weight. Errors: as `bind_slots` and `bind_ranges`.
  [[nodiscard]] Status bind(const WeightFile& file, const EncoderSizes& sizes, const LinearKernels& linear,
                            Arena& arena) noexcept {
    LAMINA_TRY(bind_slots(file, arena, "", Slots<typename E::Front>::list(E::dims, sizes), front));
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(encoder_layers<E>); ++i) {
      Status status = Done{};
      with_layer_of(*this, i, [&]<class Kind>(LayerWeights<Kind>& weights) {
        status = bind_layer(file, arena, text("%s%u.", layer_prefix(E::Front::input), i), weights);
      });
      if (!status) return status;
    }
    LAMINA_TRY(bind_slots(file, arena, "", Slots<typename E::Back>::list(E::dims, sizes), back));
    LAMINA_TRY(
        bind_slots(file, arena, "", projector_slots(E::Front::input, output_width<E>(), sizes), projector));
    take_frequencies(arena);
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(encoder_layers<E>); ++i) {
      with_layer_of(*this, i, [&]<class Kind>(LayerWeights<Kind>& weights) {
        const auto tables = LayerTables<Kind>::take(E::dims, arena);
        if (!arena.overflowed()) tables.fill(weights, sizes, linear);
      });
    }
    return Done{};
  }

 private:
  template <class Self, class Body>
  static void with_layer_of(Self& self, std::uint32_t index, Body&& body) noexcept {
    if constexpr (encoder_layers < E >> 0) {
      using Tables = detail::Tables<typename E::Layers>;
      const auto kind = static_cast<std::size_t>(Tables::kind[index]);
      const auto ordinal = static_cast<std::size_t>(Tables::ordinal[index]);
      [&]<class... Kinds, std::size_t... K>(TypeList<Kinds...>, std::index_sequence<K...>) {
        ((kind == K ? body.template operator()<Kinds>(std::get<K>(self.layers_)[ordinal]) : void()), ...);
      }(encoder_kinds<E>{}, std::make_index_sequence<static_cast<std::size_t>(encoder_kinds<E>::size)>{});
    }
  }

  template <class Kind>
  static Status bind_layer(const WeightFile& file, Arena& arena, const FixedText<160>& prefix,
                           LayerWeights<Kind>& weights) noexcept {
    Status status = Done{};
    LayerSlots<Kind>::visit(layer_dims<E>(), [&](const auto& slots, auto part) {
      status = bind_slots(file, arena, prefix, slots, part(weights));
      if (status && clips_of<Kind>()) status = bind_ranges(file, prefix, slots, part(weights));
      return static_cast<bool>(status);
    });
    return status;
  }

  void take_frequencies(Arena& arena) noexcept {
    const std::span<float> all = arena.take<float>(encoder_pairs<E>());
    frequencies = all.data();
    if constexpr (encoder_pairs<E>() > 0) {
      using First = typename decltype(+hana::at_c<0>(typename E::Layers::hana_types{}))::type::attention;
      constexpr auto pairs = static_cast<std::size_t>(rotary_pairs_of<First>());
      constexpr int axes = rope_axes_of<First>();
      for (std::size_t begin = 0; begin < all.size(); begin += pairs) {
        rope_frequencies(all.data() + begin, static_cast<int>(pairs), First::shape.head_dim / axes,
                         double{rope_base_of<First>()});
      }
    }
  }

  typename Arrays<encoder_kinds<E>>::type layers_{};
};

}  // namespace lamina
