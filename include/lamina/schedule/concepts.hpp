// SPDX-License-Identifier: Apache-2.0
// What a type must offer to be a kind of attention, feed-forward block, per-layer input or layer.
// A type that lacks a member is no kind (the concept is false); one that has it with impossible numbers is a
// mistake and stops the compilation with the rule it breaks.
#pragma once

#include <concepts>
#include <type_traits>

#include <lamina/schedule/kinds.hpp>
#include <lamina/schedule/slots.hpp>

namespace lamina {
namespace detail {

template <class T, class Value>
concept ConstantOf = std::same_as<std::remove_cvref_t<T>, Value>;

template <class Kind>
concept HasSlots = requires(const Dims& dims) {
  typename Slots<Kind>::Weights;
  Slots<Kind>::list(dims);
};

template <class Kind>
struct RotationRules {
  static constexpr int pairs = rotary_pairs_of<Kind>();
  static_assert(
      pairs >= 0 && pairs <= Kind::shape.head_dim / 2,
      "lamina: AttentionKind: rotary_pairs must be 0 to head_dim / 2; change .rotary_pairs, or leave it "
      "out to rotate all pairs");
  static_assert(!Kind::shape.key_is_value || pairs % 2 == 0,
                "lamina: AttentionKind: key_is_value needs an even number of rotary_pairs; the rotated part "
                "of a key is stored by itself, so round .head_dim up (GlobalAttention: to a multiple of 16)");
  static_assert(rope_base_of<Kind>() == 0 || rope_base_of<Kind>() > 1,
                "lamina: AttentionKind: rope_base must be > 1; give the base of the rotation frequencies "
                "(10'000 or so), or leave it out for that of the file");
  static constexpr bool hold = true;
};

template <class Kind>
struct NormRules {
  static_assert(query_scale_of<Kind>() > 0,
                "lamina: AttentionKind: query_scale must be > 0; give the factor of the scores "
                "(head_dim^-1/2 or so), or leave it out for 1");
  static_assert(!Kind::shape.key_is_value || (head_norms_of<Kind>().key && head_norms_of<Kind>().value),
                "lamina: AttentionKind: key_is_value needs key_norm and value_norm; its keys are made of the "
                "normed values, so remove .key_is_value and give the layer a value projection");
  static constexpr bool hold = true;
};

/// Of a kind that reads another's keys and values: they are as their owner wrote them.
template <class Kind>
struct ReaderRules {
  static constexpr AttnShape own = Kind::shape;
  static constexpr AttnShape owner = Kind::owner::shape;
  static_assert(own.kv_heads == owner.kv_heads && own.head_dim == owner.head_dim &&
                    own.key_is_value == owner.key_is_value &&
                    rotary_pairs_of<Kind>() == rotary_pairs_of<typename Kind::owner>() &&
                    rope_base_of<Kind>() == rope_base_of<typename Kind::owner>(),
                "lamina: AttentionKind: a kind without own keys and values must have kv_heads, head_dim, "
                "key_is_value, rotary_pairs and rope_base of its owner; take them from the owner");
  static_assert(
      owner.window == 0 || (own.window > 0 && own.window <= owner.window),
      "lamina: AttentionKind: a kind without own keys and values must have a window within its owner's; "
      "the owner keeps no more tokens than its .window");
  static constexpr bool hold = true;
};

template <class Kind>
constexpr bool reader_rules_hold() {
  if constexpr (Kind::owns_kv) {
    return true;
  } else {
    return ReaderRules<Kind>::hold;
  }
}

template <class Kind>
struct FfnRules {
  static_assert(Kind::width > 0, "lamina: FfnKind: width must be > 0; give the hidden width of the block");
  static constexpr bool hold = true;
};

}  // namespace detail

/// A kind of attention: its shape, and whether it writes keys and values. Satisfied by `LocalAttention`,
/// `GlobalAttention`, `SharedKv`, and any type with the required members. The page own-kinds in docs/ shows
/// each at work.
///
/// Required (static constants):
///   shape          `AttnShape`: heads, head width, window, and whether the value is the raw key
///   owns_kv        `bool`: it computes and stores keys and values
///   owner          a type, if `owns_kv` is false: the kind whose keys and values it reads
/// Optional (static constants; in brackets what they are if absent):
///   query_scale    factor of the queries (1)
///   query_norm, key_norm, value_norm   whether heads are normalised (true)
///   rope_base      base of the rotation frequencies (as the file says)
///   rotary_pairs   rotated pairs of a head (all, head_dim / 2)
///   rope_axes      axes of positions, each with its part of a head and `rotary_pairs` of its own (1)
///   head_slot      elements of a head with the zeros behind it (head_dim); of encoders only
///   sees_itself    a row sees its own position (true); not so in drafters
///   is_external    its keys and values are another model's (false)
///   sees_block     a row sees its whole block, `PassRow::block_begin` to `block_end`, and nothing else
///   (false) visible        `KeyRange visible(position)`: the keys a row sees (the last `window` up to
///   itself) clamps_inputs  matrices have input ranges, see `Linear` (false); feed-forward kinds may state
///   it, too
/// Optional specialisations:
///   Slots<Kind>            its weights: those of `attention_slots`, without the norms that it does not have
///   AttentionKernel<Kind>  how it computes: projections, norms, rotation, scores (layers/attention-inl.hpp)
template <class T>
concept AttentionKind = requires {
  requires detail::ConstantOf<decltype(T::shape), AttnShape>;
  requires detail::ConstantOf<decltype(T::owns_kv), bool>;
  requires T::owns_kv || requires { typename T::owner; };
  requires detail::AttentionRules<T::shape>::hold;
  requires detail::RotationRules<T>::hold;
  requires detail::NormRules<T>::hold;
  requires detail::reader_rules_hold<T>();
}
&&detail::HasSlots<T>;

/// A kind of feed-forward block. Satisfied by `DenseFfn`, `MoeFfn`, and any type with the required members.
///
/// Required:
///   width            `int`: the hidden width of the block
///   Slots<Kind>      its weights: a struct `Weights`, and `list(dims)`, an array with one `Slot` for each
///   FfnKernel<Kind>  how it computes, where models run: `run(Pass&, const Weights&)` (layers/ffn-inl.hpp)
template <class T>
concept FfnKind = requires {
  requires detail::ConstantOf<decltype(T::width), int>;
  requires !requires { T::owns_kv; };
}
&&detail::HasSlots<T>&& detail::FfnRules<T>::hold;

/// A kind of per-layer input. Satisfied by `PerLayerInput`, `NoPerLayerInput` (width 0), and any type with
/// the members of a feed-forward kind; its kernel is `PerLayerKernel` (layers/per_layer_input-inl.hpp).
template <class T>
concept PerLayerKind = requires {
  requires detail::ConstantOf<decltype(T::width), int>;
  requires !requires { T::owns_kv; };
}
&&detail::HasSlots<T>;

/// A kind of layer: the three parts of one step through the model. Satisfied by `Layer`.
template <class T>
concept LayerKind = requires {
  requires AttentionKind<typename T::attention>;
  requires FfnKind<typename T::ffn>;
  requires PerLayerKind<typename T::per_layer>;
};

// Checked once here, so that a broken edit of a concept or of a kind fails in this header and not in a
// user's.
static_assert(
    AttentionKind<LocalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 8, .window = 4}>>);
static_assert(AttentionKind<GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 8}>>);
static_assert(AttentionKind<SharedKv<GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 8}>>>);
static_assert(FfnKind<DenseFfn<8>>);
static_assert(FfnKind<MoeFfn<MoeShape{.experts = 2, .active = 1, .expert_width = 8, .shared_width = 8}>>);
static_assert(PerLayerKind<PerLayerInput<8>> && PerLayerKind<NoPerLayerInput>);

}  // namespace lamina
