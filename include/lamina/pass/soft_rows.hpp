// SPDX-License-Identifier: Apache-2.0
// Embeddings that stand in a prompt where a picture, a frame of a video or a piece of sound is.
// Source: vision.md §5.3 (merging), §5.5 (blocks).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <lamina/core/types.hpp>

namespace lamina {

/// Rows that take the place of tokens. Views; owns nothing.
///
/// They enter the model as they are: not scaled, and with the per-layer embedding of the token 0.
struct SoftRows {
  std::uint32_t first = 0;  ///< index of the first one among the tokens of the prompt
  std::uint32_t count = 0;
  const float* rows = nullptr;  ///< [count, hidden]
  /// They see each other in layers with a window, in models that have this rule: pictures and frames do,
  /// sounds do not. One pass must have all of them then.
  bool is_block = false;

  [[nodiscard]] constexpr std::uint32_t end() const noexcept { return first + count; }
};

/// A prompt, or a part of one: ids, and the rows that stand for some of them. What the ids of these are is
/// the caller's business: they are kept to compare prompts, and never looked up.
struct PromptTokens {
  constexpr PromptTokens() noexcept = default;
  /// Text alone. Anything that converts to a span of ids is a prompt.
  template <class Ids>
  requires std::is_convertible_v<const Ids&, std::span<const TokenId>>
  constexpr PromptTokens(const Ids& text) noexcept : ids(text) {}  // NOLINT(google-explicit-constructor)
  constexpr PromptTokens(const TokenId* data, std::size_t count) noexcept : ids(data, count) {}
  constexpr PromptTokens(std::span<const TokenId> all, std::span<const SoftRows> rows) noexcept
      : ids(all), soft(rows) {}

  std::span<const TokenId> ids;
  std::span<const SoftRows> soft{};  ///< rising, none over another; some may lie outside `ids`
  std::uint32_t offset = 0;          ///< index, as `soft` counts, of ids[0]

  [[nodiscard]] constexpr std::size_t size() const noexcept { return ids.size(); }
  [[nodiscard]] constexpr bool empty() const noexcept { return ids.empty(); }
  [[nodiscard]] constexpr PromptTokens subspan(std::size_t from, std::size_t count) const noexcept {
    PromptTokens part = *this;
    part.ids = ids.subspan(from, count);
    part.offset = offset + static_cast<std::uint32_t>(from);
    return part;
  }
  [[nodiscard]] constexpr PromptTokens subspan(std::size_t from) const noexcept {
    return subspan(from, ids.size() - from);
  }
  [[nodiscard]] constexpr PromptTokens first(std::size_t count) const noexcept { return subspan(0, count); }

  /// The rows that stand for ids[index], or null if it is a token.
  [[nodiscard]] constexpr const SoftRows* soft_at(std::size_t index) const noexcept {
    const std::size_t at = offset + index;
    const auto after =
        std::find_if(soft.begin(), soft.end(), [&](const SoftRows& rows) { return at < rows.end(); });
    return after != soft.end() && after->first <= at ? &*after : nullptr;
  }
};

/// The token whose per-layer embedding soft rows have: padding (vision.md §5.4).
inline constexpr TokenId soft_token = 0;

/// From here on ids are no tokens, but stand for soft rows (`SoftTokens::ids`).
inline constexpr TokenId soft_id_begin = 0x8000'0000;

/// The most tokens, up to `most`, that a part of the prompt can begin with without cutting a block; 0 if the
/// block at its beginning is longer than that.
[[nodiscard]] constexpr std::size_t whole_blocks(const PromptTokens& prompt, std::size_t most,
                                                 bool keeps_blocks) noexcept {
  if (most >= prompt.size()) return prompt.size();
  if (!keeps_blocks) return most;
  const SoftRows* cut = prompt.soft_at(most);
  if (cut == nullptr || !cut->is_block || cut->first == prompt.offset + most) return most;
  return cut->first > prompt.offset ? cut->first - prompt.offset : 0;
}

}  // namespace lamina
