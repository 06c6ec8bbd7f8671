// SPDX-License-Identifier: Apache-2.0
// Builds the tables of a tokenizer from a vocabulary.
// Source: tokenizer-and-chat.md §3 (encoding), §9 (stop and suppressed tokens).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/merge_table.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/tables/tables.hpp>
#include <lamina/tokenizer/tables/token_kinds.hpp>
#include <lamina/tokenizer/token_table.hpp>
#include <lamina/tokenizer/vocabulary.hpp>

namespace lamina {

/// Holds the lists that tables view while they are built. Views into `data`, which must stay.
class TableBuilder {
 public:
  /// Errors   bad_file (repeated merges; neither byte tokens nor `<unk>` for characters without a token)
  [[nodiscard]] static Result<TableBuilder> create(const VocabularyData& data) {
    TableBuilder made;
    auto merges = MergeTable::fill(data.merges);
    if (!merges) return merges.error();
    made.merges_ = std::move(*merges);
    TokenizerTables& tables = made.tables_;
    tables.tokens = data.tokens.view();
    tables.special = find_special_tokens(tables.tokens);
    auto kinds = TokenKindLists::create(tables.tokens, tables.special, data.added);
    if (!kinds) return kinds.error();
    made.kinds_ = std::move(*kinds);
    tables.kinds = made.kinds_.view();
    made.check_borders(data.merges);
    if (!data.scores.empty()) {
      const auto is_text = [&](TokenId id) {
        return !tables.kinds.is_byte(id) && !tables.kinds.is_special(id);
      };
      made.ranks_ = ScoreMerges::rank(tables.tokens, data.scores, is_text);
      tables.add_space_prefix = data.add_space_prefix;
      made.check_scored();
    }
    made.index_characters();
    made.write_pieces();
    made.list_ends(data);
    tables.chat_template = data.chat_template;
    made.view();
    return made;
  }

  /// Valid as long as the builder stays where it is.
  [[nodiscard]] const TokenizerTables& tables() const noexcept { return tables_; }

 private:
  TableBuilder() = default;

  void view() {
    tables_.merges.buckets = merges_;
    tables_.scores.ranks = ranks_;
    tables_.pieces = {pieces_, piece_offsets_};
    tables_.characters = characters_;
    tables_.stop = stop_;
    tables_.suppressed = suppressed_;
  }

  void index_characters() {
    constexpr std::size_t plane = 0x10000;  // beyond it, characters are looked up as texts
    for (TokenId id = 0; id < tables_.size(); ++id) {
      const std::string_view text = tables_.tokens.text_of(id);
      const Utf8Step step = decode_utf8(text);
      if (step.size == text.size() && step.scalar < plane) {
        if (characters_.size() <= step.scalar) characters_.resize(step.scalar + std::size_t{1}, no_token);
        characters_[step.scalar] = id;
      }
    }
  }

  /// Finds out whether words may be cut at newlines and in front of spaces: no merge may join across such a
  /// border. The tokens of one merge hold whole characters, so looking at the bytes at the border is enough.
  void check_borders(std::span<const Merge> merges) {
    tables_.splits_at_newlines = true;
    tables_.splits_at_spaces = true;
    for (const Merge& merge : merges) {
      const std::string_view left = tables_.tokens.text_of(merge.left);
      const std::string_view right = tables_.tokens.text_of(merge.right);
      if ((left.back() == '\n') != (right.front() == '\n')) tables_.splits_at_newlines = false;
      if (!left.ends_with(space_symbol) && right.starts_with(space_symbol)) tables_.splits_at_spaces = false;
    }
  }

  /// The same where scores decide: no token may hold such a border; and the longest text.
  void check_scored() {
    for (TokenId id = 0; id < tables_.size(); ++id) {
      const std::string_view text = tables_.tokens.text_of(id);
      tables_.scores.longest = std::max(tables_.scores.longest, static_cast<std::uint32_t>(text.size()));
      if (tables_.kinds.is_byte(id) || tables_.kinds.is_special(id)) continue;
      for (std::size_t at = 1; at < text.size(); ++at) {
        if ((text[at - 1] == '\n') != (text[at] == '\n')) tables_.splits_at_newlines = false;
        if (text.substr(at).starts_with(space_symbol) && !text.substr(0, at).ends_with(space_symbol)) {
          tables_.splits_at_spaces = false;
        }
      }
    }
  }

  /// Writes all texts once with spaces in place of U+2581, so that decoding copies only.
  void write_pieces() {
    piece_offsets_.reserve(tables_.size() + 1);
    piece_offsets_.push_back(0);
    for (TokenId id = 0; id < tables_.size(); ++id) {
      std::string_view text = tables_.tokens.text_of(id);
      for (std::size_t at = text.find(space_symbol); at != std::string_view::npos;
           at = text.find(space_symbol)) {
        pieces_.insert(pieces_.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at));
        pieces_.push_back(' ');
        text.remove_prefix(at + space_symbol.size());
      }
      pieces_.insert(pieces_.end(), text.begin(), text.end());
      piece_offsets_.push_back(static_cast<std::uint32_t>(pieces_.size()));
    }
  }

  void list_ends(const VocabularyData& data) {
    stop_ = data.stop;
    for (const auto member : stop_token_members) stop_.push_back(tables_.special.*member);
    suppressed_ = data.suppressed;
    for (const auto member : media_token_members) suppressed_.push_back(tables_.special.*member);
    for (std::vector<TokenId>* list : {&stop_, &suppressed_}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
      if (!list->empty() && list->back() == no_token) list->pop_back();
    }
  }

  std::vector<MergeBucket> merges_;
  std::vector<std::uint32_t> ranks_;
  TokenKindLists kinds_;
  std::vector<char> pieces_;  // not a string: its short texts move with it
  std::vector<std::uint32_t> piece_offsets_;
  std::vector<TokenId> characters_;
  std::vector<TokenId> stop_;
  std::vector<TokenId> suppressed_;
  TokenizerTables tables_;
};

}  // namespace lamina
