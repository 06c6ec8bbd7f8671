// SPDX-License-Identifier: Apache-2.0
// What the attention layer derives from a kind: rotated pairs, cache layout, visible keys; and where it stands.
#pragma once

#include <cstdint>
#include <type_traits>

#include <lamina/core/types.hpp>
#include <lamina/kernels/attend.hpp>
#include <lamina/kernels/kv_rows.hpp>
#include <lamina/schedule/concepts.hpp>

namespace lamina {

/// Pairs that a kind rotates; kinds that do not say rotate all.
template <AttentionKind Kind>
inline constexpr std::uint32_t rotary_pairs = [] {
  if constexpr (requires { Kind::rotary_pairs; }) {
    return static_cast<std::uint32_t>(Kind::rotary_pairs);
  } else {
    return static_cast<std::uint32_t>(Kind::shape.head_dim / 2);
  }
}();

/// Layout of a kind's keys and values: K=V layers store the value row and the rotated slice of the key (§4.3 a).
template <AttentionKind Kind, CacheFormat Format>
using LayoutOf = KvLayout<Kind::shape.head_dim, Format,
                          Kind::shape.key_is_value ? static_cast<int>(rotary_pairs<Kind>) : 0>;

/// The keys that a row at `position` sees. An own kind may have a static member `visible(position)` instead.
template <AttentionKind Kind>
[[nodiscard]] constexpr KeyRange visible_keys(std::uint32_t position) noexcept {
  if constexpr (requires { Kind::visible(position); }) {
    return Kind::visible(position);
  } else {
    return causal_keys(position, static_cast<std::uint32_t>(Kind::shape.window));
  }
}

/// Where in the model an attention block stands.
struct AttentionSite {
  std::uint32_t layer = 0;
  bool drop_unwanted = false;       ///< the last KV owner: rows without wanted logits end after storing
  const float* key_norm = nullptr;  ///< k_norm weight of the layer whose keys it reads [head_dim]
};

/// Calls `body` with the cache format as a constant.
template <class Body>
void with_cache_format(CacheFormat format, Body body) noexcept {
  switch (format) {
    case CacheFormat::f32: return body(std::integral_constant<CacheFormat, CacheFormat::f32>{});
    case CacheFormat::bf16: return body(std::integral_constant<CacheFormat, CacheFormat::bf16>{});
    case CacheFormat::int8: return body(std::integral_constant<CacheFormat, CacheFormat::int8>{});
  }
}

}  // namespace lamina
