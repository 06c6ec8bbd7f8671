// SPDX-License-Identifier: Apache-2.0
// What the attention layer derives from a kind: cache layout and visible keys.
#pragma once

#include <cstdint>
#include <type_traits>

#include <lamina/core/types.hpp>
#include <lamina/kernels/attend.hpp>
#include <lamina/kernels/kv_rows.hpp>
#include <lamina/schedule/concepts.hpp>

namespace lamina {

/// Layout of a kind's keys and values: K=V layers store the value row and the rotated slice of the key (§4.3
/// a).
template <AttentionKind Kind, CacheFormat Format>
using LayoutOf =
    KvRowLayout<Kind::shape.head_dim, Format, Kind::shape.key_is_value ? rotary_pairs_of<Kind>() : 0>;

/// The keys that a row at `position` sees. An own kind may have a static member `visible(position)` instead.
template <AttentionKind Kind>
[[nodiscard]] constexpr KeyRange visible_keys(std::uint32_t position) noexcept {
  if constexpr (requires { Kind::visible(position); }) {
    return Kind::visible(position);
  } else {
    return causal_keys(position, static_cast<std::uint32_t>(Kind::shape.window));
  }
}

/// Calls `body` with the cache format as a constant.
template <class Body>
void with_cache_format(CacheFormat format, Body body) noexcept {
  switch (format) {
    case CacheFormat::f32:
      return body(std::integral_constant<CacheFormat, CacheFormat::f32>{});
    case CacheFormat::bf16:
      return body(std::integral_constant<CacheFormat, CacheFormat::bf16>{});
    case CacheFormat::int8:
      return body(std::integral_constant<CacheFormat, CacheFormat::int8>{});
  }
}

}  // namespace lamina
