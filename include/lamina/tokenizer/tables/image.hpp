// SPDX-License-Identifier: Apache-2.0
// The tables of a tokenizer as one run of bytes that is used where it lies: written once, into packed files
// and into programs, and checked when it is opened.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include <lamina/core/error.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/tables/tables.hpp>
#include <lamina/tokenizer/vocabulary.hpp>

namespace lamina {

/// Images lie at multiples of this many bytes, and so do all arrays in them.
inline constexpr std::size_t tables_alignment = 16;

namespace detail {

/// The beginning of an image: sizes of all arrays, in elements. What is not an array is here.
struct TablesHeader {
  static constexpr std::uint64_t expected_magic = 0x0031'4241'5443'564C;  // "LVCTAB1", its end is the version

  std::uint64_t magic = expected_magic;
  std::uint64_t bytes = 0;  ///< of the image
  std::uint32_t tokens = 0;
  std::uint32_t text_bytes = 0;
  std::uint32_t text_buckets = 0;
  std::uint32_t merge_buckets = 0;
  std::uint32_t ranks = 0;
  std::uint32_t longest = 0;
  std::uint32_t normalized = 0;
  std::uint32_t lengths = 0;
  std::uint32_t late_lengths = 0;
  std::uint32_t piece_bytes = 0;
  std::uint32_t stop = 0;
  std::uint32_t suppressed = 0;
  std::uint32_t template_bytes = 0;
  std::uint32_t characters = 0;
  std::uint32_t flags = 0;
  std::uint32_t unused = 0;
  SpecialTokens special;
};
static_assert(std::is_trivially_copyable_v<TablesHeader> && sizeof(TablesHeader) % 8 == 0);

[[nodiscard]] constexpr std::uint64_t tables_aligned(std::uint64_t bytes) noexcept {
  return (bytes + tables_alignment - 1) / tables_alignment * tables_alignment;
}

/// Calls `array(span, count)` for every array of the tables in the order in which they lie.
template <class Tables, class Array>
bool visit_tables(const TablesHeader& header, Tables& tables, Array&& array) {
  const std::uint64_t offsets = std::uint64_t{header.tokens} + 1;
  return array(tables.tokens.texts.bytes, header.text_bytes) && array(tables.tokens.texts.offsets, offsets) &&
         array(tables.tokens.buckets, header.text_buckets) &&
         array(tables.merges.buckets, header.merge_buckets) && array(tables.scores.ranks, header.ranks) &&
         array(tables.kinds.kinds, header.tokens) && array(tables.kinds.bytes, 256) &&
         array(tables.kinds.matcher.begins, 256) && array(tables.kinds.matcher.lengths, header.lengths) &&
         array(tables.kinds.late_matcher.begins, 256) &&
         array(tables.kinds.late_matcher.lengths, header.late_lengths) &&
         array(tables.kinds.normalized, header.normalized) &&
         array(tables.pieces.bytes, header.piece_bytes) && array(tables.pieces.offsets, offsets) &&
         array(tables.characters, header.characters) && array(tables.stop, header.stop) &&
         array(tables.suppressed, header.suppressed) && array(tables.chat_template, header.template_bytes);
}

[[nodiscard]] inline TablesHeader header_of(const TokenizerTables& tables) noexcept {
  const auto count = [](const auto& list) { return static_cast<std::uint32_t>(list.size()); };
  TablesHeader header;
  header.tokens = count(tables.tokens);
  header.text_bytes = count(tables.tokens.texts.bytes);
  header.text_buckets = count(tables.tokens.buckets);
  header.merge_buckets = count(tables.merges.buckets);
  header.ranks = count(tables.scores.ranks);
  header.longest = tables.scores.longest;
  header.normalized = count(tables.kinds.normalized);
  header.lengths = count(tables.kinds.matcher.lengths);
  header.late_lengths = count(tables.kinds.late_matcher.lengths);
  header.piece_bytes = count(tables.pieces.bytes);
  header.stop = count(tables.stop);
  header.suppressed = count(tables.suppressed);
  header.template_bytes = count(tables.chat_template);
  header.characters = count(tables.characters);
  header.flags = (tables.splits_at_newlines ? 1U : 0U) | (tables.splits_at_spaces ? 2U : 0U) |
                 (tables.add_space_prefix ? 4U : 0U) | (tables.kinds.has_added ? 8U : 0U);
  header.special = tables.special;
  header.bytes = tables_aligned(sizeof header);
  static_cast<void>(visit_tables(header, tables, [&](const auto& list, std::uint64_t) {
    header.bytes += tables_aligned(list.size() * sizeof *list.data());
    return true;
  }));
  return header;
}

/// Whether texts lie one after another and none of them is empty.
[[nodiscard]] inline bool is_column(const TextColumn& column) noexcept {
  if (column.offsets.front() != 0 || column.offsets.back() != column.bytes.size()) return false;
  for (std::size_t i = 1; i < column.offsets.size(); ++i) {
    if (column.offsets[i] <= column.offsets[i - 1] || column.offsets[i] > column.bytes.size()) return false;
  }
  return true;
}

/// Whether the texts of a column are whole characters.
[[nodiscard]] inline bool is_text(const TextColumn& column) noexcept {
  const auto begins_inside = [&](std::uint32_t at) {
    return at < column.bytes.size() && (static_cast<std::uint8_t>(column.bytes[at]) & 0xC0) == 0x80;
  };
  return std::none_of(column.offsets.begin(), column.offsets.end(), begins_inside) &&
         is_valid_utf8({column.bytes.data(), column.bytes.size()});
}

/// Whether ids are in the vocabulary, or where that is allowed stand for none.
[[nodiscard]] inline bool are_ids(std::span<const TokenId> ids, std::size_t tokens, bool or_none) noexcept {
  return std::all_of(ids.begin(), ids.end(),
                     [&](TokenId id) { return id < tokens || (or_none && id == no_token); });
}

/// Whether everything in the tables leads to something that is there. What is looked up by hash is not looked
/// at: its look-ups check what they find (`TokenTexts::find`, `MergeTable::find`).
[[nodiscard]] inline bool are_sound(const TokenizerTables& tables) noexcept {
  const std::size_t tokens = tables.size();
  const auto is_table = [](std::size_t buckets) { return std::has_single_bit(buckets); };
  const auto ascends = [](std::span<const TokenId> ids) { return std::is_sorted(ids.begin(), ids.end()); };
  bool is_sound = is_column(tables.tokens.texts) && is_column(tables.pieces) && is_text(tables.pieces) &&
                  is_table(tables.tokens.buckets.size()) && is_table(tables.merges.buckets.size()) &&
                  (tables.scores.empty() || tables.scores.ranks.size() == tokens) &&
                  are_ids(tables.characters, tokens, true) && are_ids(tables.kinds.bytes, tokens, true);
  for (const auto list : {tables.kinds.normalized, tables.stop, tables.suppressed})
    is_sound = is_sound && ascends(list) && are_ids(list, tokens, false);
  // A look-up for each at every byte of a text: no more than there can be.
  for (const auto lengths : {tables.kinds.matcher.lengths, tables.kinds.late_matcher.lengths}) {
    is_sound = is_sound && (lengths.empty() || lengths.front() <= most_token_bytes) &&
               std::adjacent_find(lengths.begin(), lengths.end(), [](auto a, auto b) { return a <= b; }) ==
                   lengths.end();
  }
  for (const SpecialTokenText& entry : special_token_texts) {
    const TokenId id = tables.special.*entry.id;
    is_sound = is_sound && are_ids({&id, 1}, tokens, true);
  }
  const auto& bytes = tables.kinds.bytes;
  return is_sound && (tables.special.unknown != no_token ||
                      std::find(bytes.begin(), bytes.end(), no_token) == bytes.end());
}

}  // namespace detail

/// Bytes of the image of `tables`.
[[nodiscard]] inline std::size_t image_bytes(const TokenizerTables& tables) noexcept {
  return static_cast<std::size_t>(detail::header_of(tables).bytes);
}

/// Writes the image of `tables`. Requires `image_bytes(tables)` bytes at `image`.
inline void write_image(const TokenizerTables& tables, std::byte* image) noexcept {
  const detail::TablesHeader header = detail::header_of(tables);
  std::memset(image, 0, static_cast<std::size_t>(header.bytes));
  std::memcpy(image, &header, sizeof header);
  image += detail::tables_aligned(sizeof header);
  static_cast<void>(detail::visit_tables(header, tables, [&](const auto& list, std::uint64_t) {
    const std::size_t bytes = list.size() * sizeof *list.data();
    if (bytes > 0) std::memcpy(image, list.data(), bytes);
    image += detail::tables_aligned(bytes);
    return true;
  }));
}

/// Whether an image is one of this version of the library: others must be made again from the vocabulary.
[[nodiscard]] inline bool is_known_image(std::span<const std::byte> image) noexcept {
  constexpr std::uint64_t expected = detail::TablesHeader::expected_magic;
  return image.size() >= sizeof expected && std::memcmp(image.data(), &expected, sizeof expected) == 0;
}

/// Views the tables of an image, which must outlive them. No content of it makes look-ups leave it.
///
/// Requires  `image` at a multiple of `tables_alignment`
/// Errors    bad_file (another version, truncated, damaged where damage can be told)
/// Cost      reads texts and lists once, 6 MB of the published vocabulary's; no heap
[[nodiscard]] inline Result<TokenizerTables> read_image(std::span<const std::byte> image,
                                                        std::string_view where) noexcept {
  const auto refuse = [&](std::string_view what) {
    return Error{ErrorCode::bad_file, where, what, "", "", "pack it again from the original file"};
  };
  detail::TablesHeader header;
  if (!is_known_image(image) || image.size() < sizeof header)
    return refuse("tables of the vocabulary are of another version");
  std::memcpy(&header, image.data(), sizeof header);
  if (header.bytes != image.size() || header.tokens == 0 || header.tokens > most_tokens ||
      header.text_bytes > most_vocabulary_bytes || header.piece_bytes > most_vocabulary_bytes)
    return refuse("tables of the vocabulary have impossible sizes");
  TokenizerTables tables;
  std::uint64_t at = detail::tables_aligned(sizeof header);
  const bool is_whole = detail::visit_tables(header, tables, [&](auto& list, std::uint64_t count) {
    using Element = std::remove_cvref_t<decltype(*list.data())>;
    const std::uint64_t bytes = detail::tables_aligned(count * sizeof(Element));
    if (at > image.size() || bytes > image.size() - at) return false;
    list = {reinterpret_cast<const Element*>(image.data() + at), static_cast<std::size_t>(count)};
    at += bytes;
    return true;
  });
  tables.special = header.special;
  tables.merges.tokens = header.tokens;
  tables.scores.longest = header.longest;
  tables.splits_at_newlines = (header.flags & 1) != 0;
  tables.splits_at_spaces = (header.flags & 2) != 0;
  tables.add_space_prefix = (header.flags & 4) != 0;
  tables.kinds.has_added = (header.flags & 8) != 0;
  if (!is_whole || at != image.size() || !detail::are_sound(tables))
    return refuse("tables of the vocabulary are damaged");
  return tables;
}

}  // namespace lamina
