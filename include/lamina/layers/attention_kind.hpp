// SPDX-License-Identifier: Apache-2.0
// What the attention layer derives from a kind: cache layout, what a view of it must be, and visible keys.
#pragma once

#include <cstdint>
#include <type_traits>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/attention/attend.hpp>
#include <lamina/attention/kv_rows.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/schedule/concepts.hpp>

namespace lamina {

/// Layout of a kind's keys and values: K=V layers store the value row and the rotated slice of the key (§4.3
/// a).
template <AttentionKind Kind, CacheFormat Format>
using LayoutOf =
    KvRowLayout<head_slot_of<Kind>(), Format, Kind::shape.key_is_value ? rotary_pairs_of<Kind>() : 0>;

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

/// The format of the cache that a kind reads: that of its owner's class.
template <AttentionKind Kind>
[[nodiscard]] constexpr CacheFormat cache_format_of(CacheFormats formats) noexcept {
  return formats.of_window(ring_window<Kind>());
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
    KeyRange keys = causal_keys(position, static_cast<std::uint32_t>(Kind::shape.window));
    if constexpr (!sees_itself_of<Kind>()) keys.end = position;
    return keys;
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

/// Calls `body` with the cache format as a constant. Requires `check_cache_formats` found no error.
template <class Body>
constexpr void with_cache_format(CacheFormat format, Body body) noexcept {
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

/// Checks that the cache formats of both classes are compiled.
///
/// Errors   unsupported (LAMINA_CACHE_FORMATS leaves one out), naming the class where they differ
template <std::uint32_t BuiltIn = built_in_cache_formats>
[[nodiscard]] Status check_cache_formats(CacheFormats formats) noexcept {
  const bool has_local = is_built_in(formats.local, BuiltIn);
  if (has_local && is_built_in(formats.global, BuiltIn)) return Done{};
  Error error{ErrorCode::unsupported,
              "cache",
              formats.are_equal() ? "cache format is not in this program"
              : has_local         ? "cache format of global layers is not in this program"
                                  : "cache format of local layers is not in this program",
              "",
              name_of(has_local ? formats.global : formats.local),
              "choose one of these, or add it to LAMINA_CACHE_FORMATS and compile"};
  for (const CacheFormat kept : {CacheFormat::bf16, CacheFormat::int8, CacheFormat::f32}) {
    if (!is_built_in(kept, BuiltIn)) continue;
    if (!error.expected.empty()) error.expected.append(", ");
    error.expected.append(name_of(kept));
  }
  return error;
}

/// The weight of the key's norm, for the cache view of an owner with `weights`: K=V layers store keys without
/// it, and who reads them takes it into the query. Null for other kinds.
template <AttentionKind Kind, class Weights>
[[nodiscard]] const float* key_norm_for_readers([[maybe_unused]] const Weights& weights) noexcept {
  if constexpr (Kind::shape.key_is_value) {
    static_assert(
        requires { weights.k_norm.f32(); },
        "lamina: AttentionKind: the weights of a kind with key_is_value must have a `k_norm`; add "
        "it to its Slots");
    return weights.k_norm.f32();
  } else {
    return nullptr;
  }
}

/// Checks that a view's keys and values lie in memory as layers of this kind read them, whoever wrote them.
///
/// Errors   mismatch (another shape or format, no norm weight where the kind needs it)
template <AttentionKind Kind>
[[nodiscard]] Status check_cache_view(const KvRows& rows, CacheFormats formats) noexcept {
  const CacheFormat format = cache_format_of<Kind>(formats);
  using Layout = LayoutOf<Kind, CacheFormat::f32>;  // all but the format is the same for all formats
  constexpr KvRows wanted = kv_view<Layout>(static_cast<std::uint32_t>(Kind::shape.kv_heads));
  const auto shape_of = [](const KvRows& view, CacheFormat elements) {
    return text("%u kv heads of %u, %u pairs shared, %s", view.kv_heads, view.head_dim, view.shared_pairs,
                name_of(elements).data());
  };
  if (rows.kv_heads != wanted.kv_heads || rows.head_dim != wanted.head_dim ||
      rows.shared_pairs != wanted.shared_pairs || rows.format != format) {
    return Error{ErrorCode::mismatch,
                 "cache",
                 "keys and values have another shape than the layer reads",
                 shape_of(wanted, format),
                 shape_of(rows, rows.format),
                 "read the cache of a layer whose attention has the same shape"};
  }
  if (Kind::shape.key_is_value && rows.key_norm == nullptr) {
    return Error{ErrorCode::mismatch, "cache", "keys made of values need the weight of their norm",
                 "KvRows::key_norm",  "none",  "take the view from the sequence that wrote the cache"};
  }
  return Done{};
}

}  // namespace lamina
