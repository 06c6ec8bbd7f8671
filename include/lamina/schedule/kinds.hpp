// SPDX-License-Identifier: Apache-2.0
// The vocabulary of layer kinds: empty types that say *what* a layer is; kernels say how, elsewhere.
// Source: text-decoder.md §1 (numbers), §2 (meaning).
#pragma once

namespace lamina {

/// Shape of one attention layer, in elements and tokens.
struct AttnShape {
  int heads;                  ///< query heads
  int kv_heads;               ///< key/value heads; divides `heads`
  int head_dim;               ///< width of one head; even
  int window = 0;             ///< tokens a local layer sees, its own position included; 0 for global layers
  bool key_is_value = false;  ///< no value projection: V is the raw key before norm and rotation (§4.3)
  friend constexpr bool operator==(const AttnShape&, const AttnShape&) = default;
};

/// Shape of a mixture-of-experts feed-forward block (§2.6).
struct MoeShape {
  int experts;       ///< experts in the bank
  int active;        ///< experts per token
  int expert_width;  ///< hidden width of one expert
  int shared_width;  ///< hidden width of the dense block that always runs beside them
  friend constexpr bool operator==(const MoeShape&, const MoeShape&) = default;
};

/// Facts of a whole model that no layer states.
struct Dims {
  int hidden;                 ///< width of the residual stream
  int vocab;                  ///< vocabulary entries
  int max_context = 131'072;  ///< tokens the model was trained for
};

// --- Attention kinds ---

/// Sliding-window attention, all pairs rotated; owns keys and values of the last `window` tokens.
template <AttnShape S>
struct LocalAttention {
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr int rotary_pairs = S.head_dim / 2;
};

/// Full causal attention, the first quarter of the frequencies rotated (p-RoPE, §2.4.1); owns all keys and values.
template <AttnShape S>
struct GlobalAttention {
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr int rotary_pairs = S.head_dim / 8;
};

/// Attention that reads the keys and values of the last earlier layer whose attention is `Owner` (§2.4.3).
template <class Owner>
struct SharedKv {
  using owner = Owner;
  static constexpr AttnShape shape = Owner::shape;
  static constexpr bool owns_kv = false;
  static constexpr int rotary_pairs = Owner::rotary_pairs;
};

// --- Feed-forward kinds ---

/// GeGLU feed-forward block of hidden width `Width` (§2.5).
template <int Width>
struct DenseFfn {
  static constexpr int width = Width;
};

/// Routed experts beside an always-on dense block (§2.6).
template <MoeShape S>
struct MoeFfn {
  static constexpr MoeShape shape = S;
  static constexpr int width = S.shared_width;
};

// --- Per-layer input ---

/// Gate that mixes a per-layer embedding of `Width` elements into the stream (§2.7).
template <int Width>
struct PerLayerInput {
  static constexpr int width = Width;
};

/// No per-layer input.
struct NoPerLayerInput {
  static constexpr int width = 0;
};

}  // namespace lamina
