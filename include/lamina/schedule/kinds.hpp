// SPDX-License-Identifier: Apache-2.0
// The vocabulary of layer kinds: empty types that say *what* a layer is; kernels say how, elsewhere.
// Source: text-decoder.md §1 (numbers), §2 (meaning).
#pragma once

#include <cstdint>

#include <lamina/schedule/shapes.hpp>

namespace lamina {

// --- Attention kinds ---

/// Rotated pairs of one head: what the kind states as `rotary_pairs`, else all of them.
template <class Kind>
constexpr int rotary_pairs_of() {
  if constexpr (requires { Kind::rotary_pairs; }) {
    return Kind::rotary_pairs;
  } else {
    return Kind::shape.head_dim / 2;
  }
}

/// Factor of a kind's queries after norm and rotation: what it states as `query_scale`, else 1 (Gemma 4
/// leaves scores as they are; elsewhere it is head_dim^-1/2).
template <class Kind>
constexpr float query_scale_of() {
  if constexpr (requires { Kind::query_scale; }) {
    return Kind::query_scale;
  } else {
    return 1.0F;
  }
}

/// Base of a kind's rotation frequencies (θ): what it states as `rope_base`, else 0: as the model's
/// description says, for layers with or without a window.
template <class Kind>
constexpr float rope_base_of() {
  if constexpr (requires { Kind::rope_base; }) {
    return Kind::rope_base;
  } else {
    return 0.0F;
  }
}

/// Which rows a kind normalises head by head before it uses them.
struct HeadNorms {
  bool query = true;  ///< with the weight `attn_q_norm`
  bool key = true;    ///< with the weight `attn_k_norm`
  bool value = true;  ///< without weight
};

/// The norms of a kind: what it states as `query_norm`, `key_norm`, `value_norm`, else all.
template <class Kind>
constexpr HeadNorms head_norms_of() {
  HeadNorms norms;
  if constexpr (requires { Kind::query_norm; }) norms.query = Kind::query_norm;
  if constexpr (requires { Kind::key_norm; }) norms.key = Kind::key_norm;
  if constexpr (requires { Kind::value_norm; }) norms.value = Kind::value_norm;
  return norms;
}

/// Whether matrices of a kind have input ranges (`Linear::input`): what it states as `clamps_inputs`, else
/// none.
template <class Kind>
constexpr bool clamps_inputs_of() {
  if constexpr (requires { Kind::clamps_inputs; }) {
    return Kind::clamps_inputs;
  } else {
    return false;
  }
}

/// Axes of positions that a kind rotates by: what it states as `rope_axes`, else 1. With more, each axis has
/// an equal part of a head, and `rotary_pairs` are those of one.
template <class Kind>
constexpr int rope_axes_of() {
  if constexpr (requires { Kind::rope_axes; }) {
    return Kind::rope_axes;
  } else {
    return 1;
  }
}

/// Whether a row of a kind sees exactly the rows of its block (`PassRow::block_begin`): what it states as
/// `sees_block`, else false.
template <class Kind>
constexpr bool sees_block_of() {
  if constexpr (requires { Kind::sees_block; }) {
    return Kind::sees_block;
  } else {
    return false;
  }
}

/// Whether a row of a kind sees its own position: what it states as `sees_itself`, else true.
template <class Kind>
constexpr bool sees_itself_of() {
  if constexpr (requires { Kind::sees_itself; }) {
    return Kind::sees_itself;
  } else {
    return true;
  }
}

/// Whether the keys and values that a kind reads are another model's: what it states as `is_external`, else
/// false.
template <class Kind>
constexpr bool is_external_of() {
  if constexpr (requires { Kind::is_external; }) {
    return Kind::is_external;
  } else {
    return false;
  }
}

/// Elements that a head takes while attention works on it: what the kind states as `head_slot`, else its
/// head_dim. Those beyond head_dim are zeros: vectors divide a slot where they do not divide the head.
template <class Kind>
constexpr int head_slot_of() {
  if constexpr (requires { Kind::head_slot; }) {
    return Kind::head_slot;
  } else {
    return Kind::shape.head_dim;
  }
}

/// Sliding-window attention, all pairs rotated; owns keys and values of the last `window` tokens.
template <AttnShape S>
struct LocalAttention {
  static_assert(detail::AttentionRules<S>::hold);
  static_assert(S.window > 0,
                "lamina: LocalAttention: window must be > 0; set .window to the tokens a layer sees, or use "
                "GlobalAttention");
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr int rotary_pairs = S.head_dim / 2;
};

/// Full causal attention, the first quarter of the frequencies rotated (p-RoPE, §2.4.1); owns all keys and
/// values.
template <AttnShape S>
struct GlobalAttention {
  static_assert(detail::AttentionRules<S>::hold);
  static_assert(S.window == 0,
                "lamina: GlobalAttention: window must be 0; remove .window, or use LocalAttention");
  static_assert(
      S.head_dim % 8 == 0,
      "lamina: GlobalAttention: head_dim must be a multiple of 8; a quarter of its head_dim / 2 pairs is "
      "rotated, so round .head_dim up");
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr int rotary_pairs = S.head_dim / 8;
};

/// Attention that reads the keys and values of the last earlier layer whose attention is `Owner` (§2.4.3),
/// with all that the owner states of itself.
template <class Owner>
struct SharedKv {
  static_assert(
      Owner::owns_kv,
      "lamina: SharedKv: its Owner must own keys and values; name the owning kind itself, not another "
      "SharedKv");
  using owner = Owner;
  static constexpr AttnShape shape = Owner::shape;
  static constexpr bool owns_kv = false;
  static constexpr int rotary_pairs = rotary_pairs_of<Owner>();
  static constexpr float query_scale = query_scale_of<Owner>();
  static constexpr float rope_base = rope_base_of<Owner>();
  static constexpr bool query_norm = head_norms_of<Owner>().query;
  static constexpr bool key_norm = head_norms_of<Owner>().key;
  static constexpr bool value_norm = head_norms_of<Owner>().value;
  static constexpr bool clamps_inputs = clamps_inputs_of<Owner>();
  /// The rows see what the owner's see, where that is a rule of its own.
  static constexpr auto visible(std::uint32_t position) requires requires { Owner::visible(position); }
  { return Owner::visible(position); }
};

/// Attention of a drafter, that reads the keys and values of the model it drafts for: those of its last layer
/// whose attention is `Owner` (mtp-assistant.md §2.2; of `Owner`, the query heads are the drafter's own). The
/// token at a row's position is not among them yet (§3.3).
template <class Owner>
struct ExternalKv : SharedKv<Owner> {
  static constexpr bool is_external = true;
  static constexpr bool sees_itself = false;
};

// --- Feed-forward kinds ---

/// GeGLU feed-forward block of hidden width `Width` (§2.5).
template <int Width>
struct DenseFfn {
  static_assert(Width > 0, "lamina: DenseFfn: width must be > 0; give the hidden width of the block");
  static constexpr int width = Width;
};

/// Routed experts beside an always-on dense block (§2.6).
template <MoeShape S>
struct MoeFfn {
  static_assert(detail::MoeRules<S>::hold);
  static constexpr MoeShape shape = S;
  static constexpr int width = S.shared_width;
};

// --- Per-layer input ---

/// Gate that mixes a per-layer embedding of `Width` elements into the stream (§2.7).
template <int Width>
struct PerLayerInput {
  static_assert(Width > 0,
                "lamina: PerLayerInput: width must be > 0; use NoPerLayerInput for a layer without one");
  static constexpr int width = Width;
};

/// No per-layer input.
struct NoPerLayerInput {
  static constexpr int width = 0;
};

}  // namespace lamina
