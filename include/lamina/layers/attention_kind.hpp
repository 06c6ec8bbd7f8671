// SPDX-License-Identifier: Apache-2.0
// What the attention layer derives from a kind: cache layout and visible keys.
#pragma once

#include <cstdint>
#include <type_traits>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/attention/attend.hpp>
#include <lamina/attention/kv_rows.hpp>
#include <lamina/schedule/concepts.hpp>

namespace lamina {

/// Layout of a kind's keys and values: K=V layers store the value row and the rotated slice of the key (§4.3
/// a).
template <AttentionKind Kind, CacheFormat Format>
using LayoutOf =
    KvRowLayout<Kind::shape.head_dim, Format, Kind::shape.key_is_value ? rotary_pairs_of<Kind>() : 0>;

/// Whether a row at `position` may see `keys` in a layer whose cache keeps `window` tokens (0: all): nothing
/// later than itself, for a later token may belong to a pass that has not run, and nothing that the ring may
/// have overwritten. What lies outside would change results with the chunks of a prompt.
[[nodiscard]] constexpr bool can_see(KeyRange keys, std::uint32_t position, std::uint32_t window) noexcept {
  if (keys.first > keys.end || keys.end > position + 1) return false;
  return window == 0 || keys.first == keys.end || position + 1 - keys.first <= window;
}

/// Tokens that the cache of a kind keeps; 0: all. A kind that shares keys and values reads its owner's ring.
template <AttentionKind Kind>
[[nodiscard]] constexpr std::uint32_t ring_window() noexcept {
  if constexpr (Kind::owns_kv) {
    return static_cast<std::uint32_t>(Kind::shape.window);
  } else {
    return static_cast<std::uint32_t>(Kind::owner::shape.window);
  }
}

namespace detail {

template <class Kind>
concept HasVisible = requires {
  Kind::visible(std::uint32_t{});
};

/// The first position below `end` whose row would see what it may not; `end` if there is none.
template <AttentionKind Kind>
[[nodiscard]] constexpr std::uint32_t first_wrong_view(std::uint32_t end) noexcept {
  for (std::uint32_t position = 0; position < end; ++position) {
    if (!can_see(Kind::visible(position), position, ring_window<Kind>())) return position;
  }
  return end;
}

/// Positions that the compiler looks at: two windows, as far as that takes no noticeable time.
template <AttentionKind Kind>
inline constexpr std::uint32_t views_to_compile = ring_window<Kind>() == 0 || ring_window<Kind>() > 512
                                                      ? 1024
                                                      : 2 * ring_window<Kind>();

template <class Kind>
struct VisibleRules {
  static constexpr bool hold = true;
};
/// Of kinds whose `visible` the compiler can evaluate.
template <HasVisible Kind>
requires requires { typename std::bool_constant<(static_cast<void>(Kind::visible(0U)), true)>; }
struct VisibleRules<Kind> {
  static_assert(first_wrong_view<Kind>(views_to_compile<Kind>) == views_to_compile<Kind>,
                "lamina: AttentionKind: visible(position) must lie within the last .window tokens up to "
                "position itself (with window 0: within all of them); a later or an older key is not in the "
                "cache, so raise .window or narrow the range");
  static constexpr bool hold = true;
};

}  // namespace detail

/// The keys that a row at `position` sees. An own kind may have a static member `visible(position)` instead.
template <AttentionKind Kind>
[[nodiscard]] constexpr KeyRange visible_keys(std::uint32_t position) noexcept {
  if constexpr (detail::HasVisible<Kind>) {
    static_assert(detail::VisibleRules<Kind>::hold);
    return Kind::visible(position);
  } else {
    return causal_keys(position, static_cast<std::uint32_t>(Kind::shape.window));
  }
}

/// Checks what a kind's own `visible` returns for all positions of a context (see `can_see`).
///
/// Errors   unsupported, naming the position
/// Cost     calls `visible` once a position; nothing for kinds without one
template <AttentionKind Kind>
[[nodiscard]] Status check_visible(std::uint32_t context) noexcept {
  if constexpr (detail::HasVisible<Kind>) {
    const std::uint32_t position = detail::first_wrong_view<Kind>(context);
    if (position == context) return Done{};
    constexpr std::uint32_t window = ring_window<Kind>();
    const KeyRange keys = Kind::visible(position);
    const KeyRange most = causal_keys(position, window);
    return Error{
        ErrorCode::unsupported,
        "visible",
        text("an attention kind shows the row at position %u keys that are not in the cache", position),
        text("a range within %u to %u", most.first, most.end),
        text("%u to %u", keys.first, keys.end),
        "raise the kind's `window`, or narrow what its `visible` returns"};
  }
  return Done{};
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
