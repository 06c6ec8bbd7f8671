// SPDX-License-Identifier: Apache-2.0
// What the attention layer derives from a kind: cache layout and visible keys.
#pragma once

#include <cstdint>
#include <type_traits>

#include <lamina/core/error.hpp>
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

/// Calls `body` with the cache format as a constant. Requires `check_cache_format` found no error.
template <class Body>
void with_cache_format(CacheFormat format, Body body) noexcept {
  const auto call = [&]<CacheFormat F>() {
    if constexpr (is_built_in(F)) body(std::integral_constant<CacheFormat, F>{});
  };
  switch (format) {
    case CacheFormat::f32:
      return call.template operator()<CacheFormat::f32>();
    case CacheFormat::bf16:
      return call.template operator()<CacheFormat::bf16>();
    case CacheFormat::int8:
      return call.template operator()<CacheFormat::int8>();
  }
}

/// Checks that a cache format is compiled. Errors: unsupported (LAMINA_CACHE_FORMATS leaves it out).
template <std::uint32_t BuiltIn = built_in_cache_formats>
[[nodiscard]] Status check_cache_format(CacheFormat format) noexcept {
  if (is_built_in(format, BuiltIn)) return Done{};
  Error error{ErrorCode::unsupported,
              "cache",
              "cache format is not in this program",
              "",
              name_of(format),
              "choose one of these, or add it to LAMINA_CACHE_FORMATS and compile"};
  for (const CacheFormat kept : {CacheFormat::bf16, CacheFormat::int8, CacheFormat::f32}) {
    if (!is_built_in(kept, BuiltIn)) continue;
    if (!error.expected.empty()) error.expected.append(", ");
    error.expected.append(name_of(kept));
  }
  return error;
}

}  // namespace lamina
