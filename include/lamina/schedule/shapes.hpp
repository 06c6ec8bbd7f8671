// SPDX-License-Identifier: Apache-2.0
// The numbers a layer kind carries as template argument, and the rules they must obey.
// Source: text-decoder.md §1 (numbers), §2.4.1 (rotation), §2.6 (experts).
#pragma once

#include <lamina/core/config.hpp>

namespace lamina {

/// Shape of one attention layer, in elements and tokens.
struct AttnShape {
  int heads;                  ///< query heads
  int kv_heads;               ///< key/value heads; divides `heads`
  int head_dim;               ///< width of one head; a multiple of 4
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
  int target_hidden = 0;      ///< of a drafter: width of the model that it drafts for (mtp-assistant.md §3)
  int clusters = 0;           ///< of a drafter: clusters of the vocabulary, if files may have them (§3.4)
};

namespace detail {

// The rules are structs so that compilers name the kind that broke them ("required from
// LocalAttention<...>"), and the comparison stands inside the assertion so that they print its values.

template <AttnShape S>
struct AttentionRules {
  static_assert(S.heads > 0, "lamina: AttentionKind: heads must be > 0; set .heads in its AttnShape");
  static_assert(S.kv_heads > 0,
                "lamina: AttentionKind: kv_heads must be > 0; set .kv_heads in its AttnShape");
  static_assert(
      S.heads % (S.kv_heads > 0 ? S.kv_heads : 1) == 0,
      "lamina: AttentionKind: heads must be a multiple of kv_heads; change .heads or .kv_heads so that "
      "every key/value head serves the same number of query heads");
  static_assert(S.head_dim > 0,
                "lamina: AttentionKind: head_dim must be > 0; set .head_dim in its AttnShape");
  static_assert(
      S.head_dim % 2 == 0,
      "lamina: AttentionKind: head_dim must be even; rotation pairs element i with i + head_dim / 2, so "
      "round .head_dim up");
  static_assert(S.head_dim % 2 != 0 || S.head_dim % 4 == 0,
                "lamina: AttentionKind: head_dim must be a multiple of 4; attention works on four vectors of "
                "a row at a time, so round .head_dim up");
  static_assert(
      S.window >= 0,
      "lamina: AttentionKind: window must not be negative; set .window to 0 (sees everything) or to the "
      "tokens a layer sees");
  static_assert(
      !S.key_is_value || S.window == 0,
      "lamina: AttentionKind: key_is_value needs window 0; only global layers drop the value projection "
      "(layers with a window always store their own V), so remove .key_is_value");
  static constexpr bool hold = true;
};

template <MoeShape S>
struct MoeRules {
  static_assert(S.experts > 0,
                "lamina: MoeFfn: experts must be > 0; use DenseFfn for a block without experts");
  static_assert(S.active > 0,
                "lamina: MoeFfn: active must be > 0; set .active to the experts that run per token");
  static_assert(S.active <= S.experts,
                "lamina: MoeFfn: active must not exceed experts; lower .active or raise .experts");
  static_assert(S.expert_width > 0,
                "lamina: MoeFfn: expert_width must be > 0; set .expert_width in its MoeShape");
  static_assert(S.shared_width > 0,
                "lamina: MoeFfn: shared_width must be > 0; set .shared_width in its MoeShape");
  static constexpr bool hold = true;
};

}  // namespace detail
}  // namespace lamina
