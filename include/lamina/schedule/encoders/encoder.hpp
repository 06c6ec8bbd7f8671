// SPDX-License-Identifier: Apache-2.0
// What an encoder type must offer: a front, a schedule of layers, a back; and what follows from them.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <lamina/schedule/encoders/description.hpp>
#include <lamina/schedule/encoders/slots.hpp>
#include <lamina/schedule/variant.hpp>

namespace lamina {

namespace detail {

template <class T>
struct EncoderRules {
  static_assert(T::dims.hidden > 0, "lamina: Encoder: hidden must be > 0; set .hidden in its EncoderDims");
  static_assert(T::Layers::size <= max_layers,
                "lamina: Encoder: its schedule must not exceed lamina::max_layers; remove layers");
  static constexpr bool hold = true;
};

}  // namespace detail

/// An encoder as a type: `name`, `dims`, `Front`, `Layers` (a `Schedule`, which may be empty) and `Back`.
///
/// `Front` and `Back` are kinds with `Slots`; those of this library are in schedule/encoders/kinds.hpp.
template <class T>
concept Encoder = requires {
  { T::name } -> std::convertible_to<std::string_view>;
  requires detail::ConstantOf<decltype(T::dims), EncoderDims>;
  requires detail::ConstantOf<decltype(T::Front::input), MediaKind>;
  requires detail::is_schedule<typename T::Layers>;
  requires detail::ConstantOf<decltype(T::Back::rows_per_token), int>;
}
&&detail::EncoderRules<T>::hold;

/// Layers of an encoder.
template <Encoder E>
inline constexpr int encoder_layers = E::Layers::size;

/// The distinct kinds of its layers, in order of first appearance.
template <Encoder E>
using encoder_kinds = detail::Pack<typename E::Layers::hana_kinds>;

/// Width of the rows that are projected: what the back states as `width`, else that of the stream.
template <Encoder E>
constexpr int output_width() {
  if constexpr (requires { E::Back::width; }) {
    return E::Back::width;
  } else {
    return E::dims.hidden;
  }
}

/// Dims as slot lists of layers want them.
template <Encoder E>
constexpr Dims layer_dims() {
  return {E::dims.hidden, 0, 0};
}

/// What the names of the tensors of a layer begin with.
[[nodiscard]] constexpr const char* layer_prefix(MediaKind input) noexcept {
  return input == MediaKind::picture ? "v.blk." : "a.blk.";
}

/// Calls `visit(int layer, const auto& slots, bool clipped) -> bool` for every slot list of an encoder:
/// front, layers, back, projector (layer -1 outside the layers), until one returns false. `clipped`: matrices
/// have ranges. Returns whether none did.
template <Encoder E, class Visitor>
constexpr bool visit_encoder_slots(const EncoderSizes& sizes, Visitor visit) {
  if (!visit(-1, Slots<typename E::Front>::list(E::dims, sizes), false)) return false;
  if constexpr (encoder_layers < E >> 0) {
    using Tables = detail::Tables<typename E::Layers>;
    for (int index = 0; index < encoder_layers<E>; ++index) {
      const bool goes_on = [&]<class... Kinds>(TypeList<Kinds...>) {
        bool result = true;
        int kind = 0;
        const auto visit_kind = [&]<class Kind>() {
          return LayerSlots<Kind>::visit(layer_dims<E>(), [&](const auto& slots, auto) {
            return visit(index, slots, clips_of<Kind>());
          });
        };
        ((kind++ == Tables::kind[static_cast<std::size_t>(index)]
              ? void(result = visit_kind.template operator()<Kinds>())
              : void()),
         ...);
        return result;
      }(encoder_kinds<E>{});
      if (!goes_on) return false;
    }
  }
  return visit(-1, Slots<typename E::Back>::list(E::dims, sizes), false) &&
         visit(-1, projector_slots(E::Front::input, output_width<E>(), sizes), false);
}

/// The structure of an encoder type as values.
template <Encoder E>
constexpr EncoderDescription describe_encoder() {
  EncoderDescription encoder;
  encoder.input = E::Front::input;
  encoder.input_width = E::Front::input_width;
  encoder.hidden = E::dims.hidden;
  encoder.layers = encoder_layers<E>;
  encoder.output_width = output_width<E>();
  if constexpr (encoder_layers < E >> 0) {
    using First = typename decltype(+hana::at_c<0>(typename E::Layers::hana_types{}))::type;
    encoder.heads = First::attention::shape.heads;
    encoder.head_dim = First::attention::shape.head_dim;
    encoder.ffn_width = First::ffn::width;
    encoder.clipped = clips_of<First>();
    if constexpr (requires { First::convolution::taps; }) encoder.convolution = First::convolution::taps;
  }
  if constexpr (requires { E::picture_tokens; }) encoder.picture_tokens = E::picture_tokens;
  if constexpr (requires { E::Back::standardised; }) encoder.standardised = E::Back::standardised;
  if constexpr (requires { E::Front::channels; }) encoder.channels = E::Front::channels;
  if constexpr (requires { E::Front::more_channels; }) encoder.more_channels = E::Front::more_channels;
  return encoder;
}

}  // namespace lamina
