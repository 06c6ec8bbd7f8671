// SPDX-License-Identifier: Apache-2.0
// tokenizer.json of Hugging Face, read as a stream of events: 32 MB of JSON never become a tree.
// Source: tokenizer-and-chat.md §3.3.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/json/json.hpp>
#include <lamina/json/reader.hpp>
#include <lamina/huggingface/tokenizer_json_rules.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/vocabulary.hpp>
#include <lamina/tokenizer/vocabulary_rules.hpp>

namespace lamina {

/// Reads a tokenizer.json. Merges may be pairs or "left right" strings; keys may come in any order.
///
/// Errors   out_of_memory;
///          bad_file (no JSON or more than that, ids that repeat or leave holes, merges of unknown pieces,
///          merges or control tokens missing), unsupported (a setting that would give other ids or other
///          text: tokenizer_json_rules.hpp; added tokens that swallow white space); `name` is the file in
///          messages
/// Cost     about 0.5 s for the published file; holds about 60 MB while reading, the file itself not counted
[[nodiscard]] Result<VocabularyData> read_tokenizer_json(std::span<const std::byte> bytes,
                                                         std::string_view name);

namespace detail {

/// Receives the events of a JSON text and keeps what a vocabulary needs: the three
/// lists in vectors of their own, the other parts as a small document with null in place of the lists.
class TokenizerJsonReader {
 public:
  explicit TokenizerJsonReader(std::string_view name) : name_(name), document_(name_, 24) {}

  // --- Events ---

  bool null() {
    return other_value([&] { return document_.null(); });
  }
  bool boolean(bool value) {
    if (in_added_field()) return added_flag(value);
    return other_value([&] { return document_.boolean(value); });
  }
  bool number_integer(std::int64_t value) {
    if (is_id()) return id(value);
    return other_value([&] { return document_.number_integer(value); });
  }
  bool number_unsigned(std::uint64_t value) {
    if (is_id()) return id(static_cast<std::int64_t>(std::min(value, std::uint64_t{INT64_MAX})));
    return other_value([&] { return document_.number_unsigned(value); });
  }
  bool number_float(double value, const std::string& digits) {
    if (in_vocabulary()) return fail(token_place(), "id of a token", "an integer", digits);
    return other_value([&] { return document_.number_float(value, digits); });
  }
  bool string(std::string& value) {
    if (section_ == Section::merges && depth_ == 3) return whole_merge(value);
    if (section_ == Section::merges && depth_ == 4) return half_merge(value);
    if (in_added_field() && field_ == "content") {
      added_.back().content = value;
      return true;
    }
    return other_value([&] { return document_.string(value); }, value.size());
  }
  bool key(std::string& value) {
    if (in_vocabulary()) return vocabulary_text(value);
    if (section_ == Section::added && depth_ > 1) {
      field_ = value;
      return true;
    }
    if (depth_ == 1) {
      section_ = section_of(value);
      field_.clear();
    }
    if (section_ == Section::skipped && depth_ > 1) return true;
    const bool is_list =
        depth_ == 1 ? section_ == Section::added || section_ == Section::skipped
                    : section_ == Section::model && depth_ == 2 && (value == "vocab" || value == "merges");
    // The document keeps null in the place of a list and cannot tell that there were two.
    if (is_list && section_ != Section::skipped && !lists_.insert(value).second) {
      return fail(value, "JSON key occurs twice", "unique keys", "a duplicate");
    }
    if (depth_ == 2) field_ = value;
    part_bytes_ += value.size();
    return kept(document_.key(value)) && (!is_list || kept(document_.null()));
  }
  bool start_object() {
    if (depth_ == 0) section_ = Section::document;
    if (section_ == Section::model && depth_ == 2 && field_ == "vocab") {
      section_ = Section::vocabulary;
      return open();
    }
    if (section_ == Section::added && depth_ == 2) {
      added_.emplace_back();
      return open();
    }
    return other_value([&] { return document_.start_object(); }) && open();
  }
  bool end_object() {
    --depth_;
    if (section_ == Section::vocabulary && depth_ == 2) {
      section_ = Section::model;
      field_.clear();
      return true;
    }
    return section_ == Section::added || (section_ == Section::skipped && depth_ > 0) ||
           document_.end_object();
  }
  bool start_array() {
    if (section_ == Section::model && depth_ == 2 && field_ == "merges") {
      section_ = Section::merges;
      return open();
    }
    if (section_ == Section::merges && depth_ == 3) {
      halves_ = 0;
      return open();
    }
    if (section_ == Section::added && depth_ == 1) return open();
    return other_value([&] { return document_.start_array(); }) && open();
  }
  bool end_array() {
    --depth_;
    if (section_ == Section::merges && depth_ == 3 && halves_ != 2) {
      return fail(merge_place(), "merge is no pair", "2 pieces", text("%u", halves_));
    }
    if (section_ == Section::merges) {
      if (depth_ == 2) {
        section_ = Section::model;
        field_.clear();
      }
      return true;
    }
    return section_ == Section::added || section_ == Section::skipped || document_.end_array();
  }

  [[nodiscard]] const Error& error() const noexcept { return error_; }

  // --- The result ---

  /// Puts the parts together once the whole file was read.
  [[nodiscard]] Result<VocabularyData> finish() {
    VocabularyData data;
    data.source = name_;
    const TokenizerJsonRules rules(document_.root(), data.tokens);
    auto status = rules.check_kind();
    if (!status) return located(status.error());
    LAMINA_TRY(place_tokens(data));
    status = rules.check();
    if (!status) return located(status.error());
    std::string_view rest = merge_bytes_;
    const auto halves = [&](std::size_t rank) {
      const MergeLengths& merge = merges_[rank];
      const MergeTexts texts{rest.substr(0, merge.left), rest.substr(merge.left, merge.right)};
      rest.remove_prefix(std::size_t{merge.left} + merge.right);
      return texts;
    };
    status = resolve_merges(data.tokens, merges_.size(), halves, data.merges);
    if (!status) return located(status.error());
    std::vector<bool> is_added(data.tokens.size(), false);
    for (const AddedToken& added : data.added) is_added[added.id] = true;
    status = check_complete(data, "model.merges", [&](TokenId id) { return is_added[id]; });
    if (!status) return located(status.error());
    return data;
  }

 private:
  enum class Section : std::uint8_t { document, skipped, part, added, model, vocabulary, merges };
  static constexpr std::size_t deepest = 32;        // the published file needs 5
  static constexpr std::size_t most_values = 4096;  // in all parts but the lists; it needs 40
  static constexpr std::size_t most_part_bytes = std::size_t{1} << 20;
  struct Entry {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
    std::int64_t id = -1;
  };
  struct MergeLengths {
    std::uint32_t left;
    std::uint32_t right;
  };
  struct Added {
    std::string content;
    std::int64_t id = -1;
    bool swallows = false;
    bool normalized = false;
    bool special = false;
  };

  [[nodiscard]] static Section section_of(std::string_view key) noexcept {
    if (key == "added_tokens") return Section::added;
    if (key == "model") return Section::model;
    constexpr std::string_view parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    return std::find(std::begin(parts), std::end(parts), key) != std::end(parts) ? Section::part
                                                                                 : Section::skipped;
  }
  [[nodiscard]] bool in_vocabulary() const noexcept { return section_ == Section::vocabulary && depth_ == 3; }
  [[nodiscard]] bool in_added_field() const noexcept { return section_ == Section::added && depth_ == 3; }
  [[nodiscard]] bool is_id() const noexcept {
    return in_vocabulary() || (in_added_field() && field_ == "id");
  }

  bool open() {
    if (++depth_ > deepest)
      return fail("", "JSON is nested too deeply", text("at most %zu", deepest), "more");
    return true;
  }

  /// A value that belongs into the small document or nowhere: wrong where ids, pieces or added tokens belong.
  template <class Keep>
  bool other_value(Keep&& keep, std::size_t bytes = 0) {
    switch (section_) {
      case Section::skipped:
        return true;
      case Section::vocabulary:
        return fail(token_place(), "id of a token", "an integer", "another type");
      case Section::merges:
        return fail(merge_place(), "merge is no pair of texts", "text", "another type");
      case Section::added:
        return unknown_field();
      case Section::model:
        if (depth_ == 2 && (field_ == "vocab" || field_ == "merges")) {
          return fail(field_ == "vocab" ? "model.vocab" : "model.merges", "list has another type",
                      field_ == "vocab" ? "an object of ids by text" : "an array of pairs", "another type");
        }
        [[fallthrough]];
      case Section::document:
      case Section::part:
        part_bytes_ += bytes;
        if (++values_ > most_values || part_bytes_ > most_part_bytes) {
          return fail("", "settings are too long", text("at most %zu values", most_values), "more");
        }
        return kept(keep());
    }
    return false;
  }
  bool kept(bool done) {
    if (!done) error_ = document_.error();
    return done;
  }

  /// A field of an added token whose name or type is not one of those that are read.
  bool unknown_field() {
    constexpr std::string_view known[] = {"id",     "content",    "single_word", "lstrip",
                                          "rstrip", "normalized", "special"};
    const bool is_known = std::find(std::begin(known), std::end(known), field_) != std::end(known);
    if (depth_ == 3 && !is_known) return true;
    FixedText<160> where("added_tokens: ");
    where.append(depth_ == 3 ? std::string_view(field_) : "entry");
    return fail(where, "field has the wrong type", "id, content and flags of each token", "another type");
  }
  bool added_flag(bool value) {
    Added& added = added_.back();
    if (field_ == "special") {
      added.special = value;
    } else if (field_ == "normalized") {
      added.normalized = value;
    } else if (field_ == "lstrip" || field_ == "rstrip" || field_ == "single_word") {
      added.swallows |= value;
    } else {
      return unknown_field();
    }
    return true;
  }

  bool id(std::int64_t value) {
    (in_vocabulary() ? vocabulary_.back().id : added_.back().id) = value;
    return true;
  }

  bool vocabulary_text(const std::string& value) {
    if (vocabulary_.size() >= most_tokens ||
        vocabulary_bytes_.size() + value.size() > most_vocabulary_bytes) {
      return fail("model.vocab", "vocabulary is too large", text("at most %zu tokens", most_tokens), "more");
    }
    vocabulary_.push_back(
        {static_cast<std::uint32_t>(vocabulary_bytes_.size()), static_cast<std::uint32_t>(value.size()), -1});
    vocabulary_bytes_.append(value);
    return true;
  }

  bool whole_merge(std::string_view value) {
    const MergeTexts halves = split_merge(value);
    if (halves.left.empty())
      return fail(merge_place(), "merge has no separating space", "\"left right\"", value);
    halves_ = 0;
    return half_merge(halves.left) && half_merge(halves.right);
  }

  bool half_merge(std::string_view value) {
    if (merges_.size() >= most_merges || value.size() > most_token_bytes) {
      return fail(merge_place(), "list of merges is too long", text("at most %zu", most_merges), "more");
    }
    if (halves_ == 2) return fail(merge_place(), "merge is no pair", "2 pieces", "more");
    merge_bytes_.append(value);
    const auto size = static_cast<std::uint32_t>(value.size());
    if (halves_ == 0) {
      left_ = size;
    } else {
      merges_.push_back({left_, size});
    }
    ++halves_;
    return true;
  }

  /// Orders vocabulary and added tokens by id, checks that the ids are 0, 1, 2 and so on, and fills the
  /// table.
  [[nodiscard]] Status place_tokens(VocabularyData& data) {
    std::vector<std::string_view> texts(vocabulary_.size() + added_.size());
    std::size_t placed = 0;
    std::size_t end = 0;
    const auto put = [&](std::string_view text, std::int64_t id, bool may_repeat) -> Status {
      if (id < 0 || static_cast<std::uint64_t>(id) >= texts.size())
        return bad_id(id, "id leaves a hole or is missing", text);
      std::string_view& slot = texts[static_cast<std::size_t>(id)];
      if (text.empty()) return bad_id(id, "token's text is empty or missing", text);
      if (!slot.empty() && !(may_repeat && slot == text))
        return bad_id(id, "two tokens have the same id", text);
      if (slot.empty()) ++placed;
      slot = text;
      end = std::max(end, static_cast<std::size_t>(id) + 1);
      return Done{};
    };
    for (const Entry& entry : vocabulary_) {
      LAMINA_TRY(put(std::string_view(vocabulary_bytes_).substr(entry.begin, entry.size), entry.id, false));
    }
    for (const Added& added : added_) {
      LAMINA_TRY(put(added.content, added.id, true));
      if (added.swallows) {
        return located(other_tokenizer(added.content, "added tokens without lstrip, rstrip, single_word",
                                       "one of them"));
      }
      if (added.normalized && (added.content.find(' ') != std::string::npos ||
                               added.content.find(space_symbol) != std::string::npos)) {
        return located(other_tokenizer(added.content, "added tokens with spaces that are not normalized",
                                       "one that is"));
      }
      data.added.push_back({static_cast<TokenId>(added.id), added.special, added.normalized});
    }
    if (placed != end || end == 0) {
      return bad_id(static_cast<std::int64_t>(end) - 1, "ids of the vocabulary leave holes",
                    text("%zu tokens", placed));
    }
    data.tokens.reserve(end, vocabulary_bytes_.size());
    for (std::size_t id = 0; id < end; ++id) {
      if (auto status = data.tokens.append(texts[id]); !status) return located(status.error());
    }
    if (auto status = data.tokens.index(); !status) return located(status.error());
    return Done{};
  }

  [[nodiscard]] Error bad_id(std::int64_t id, std::string_view what, std::string_view found) {
    (void)fail(text("token %lld", static_cast<long long>(id)), what, "one text for each id from 0 on", found);
    return error_;
  }
  [[nodiscard]] FixedText<160> token_place() const {
    FixedText<160> where("model.vocab: ");
    const Entry entry = vocabulary_.empty() ? Entry{} : vocabulary_.back();
    where.append(std::string_view(vocabulary_bytes_).substr(entry.begin, entry.size));
    return where;
  }
  [[nodiscard]] FixedText<160> merge_place() const { return text("merge %zu", merges_.size()); }

  [[nodiscard]] Error located(const Error& found) const { return detail::located(found, name_); }
  bool fail(std::string_view where, std::string_view what, std::string_view expected, std::string_view found,
            std::string_view hint = {}) {
    error_ = located(Error{ErrorCode::bad_file, where, what, expected, found, hint});
    return false;
  }
  std::string name_;
  Error error_;
  JsonBuilder document_;
  std::size_t values_ = 0;      // that `document_` holds
  std::size_t part_bytes_ = 0;  // of texts in it
  Section section_ = Section::document;
  std::size_t depth_ = 0;
  std::string field_;            // in the model or in an added token
  std::set<std::string> lists_;  // that have begun
  std::string vocabulary_bytes_;
  std::vector<Entry> vocabulary_;
  std::string merge_bytes_;
  std::vector<MergeLengths> merges_;
  std::uint32_t left_ = 0;
  std::uint32_t halves_ = 0;
  std::vector<Added> added_;
};

}  // namespace detail

inline Result<VocabularyData> read_tokenizer_json(std::span<const std::byte> bytes, std::string_view name) {
  return guard_memory(name, [&]() -> Result<VocabularyData> {
    if (bytes.size() > most_vocabulary_bytes) {
      return Error{ErrorCode::bad_file, name,   "file is too large for a tokenizer",
                   "at most 1 GiB",     "more", ""};
    }
    detail::TokenizerJsonReader reader(name);
    LAMINA_TRY(detail::run_json(bytes, name, reader));
    return reader.finish();
  });
}

}  // namespace lamina
