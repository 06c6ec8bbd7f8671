// SPDX-License-Identifier: Apache-2.0
// tokenizer.json of Hugging Face, read as a stream of events: 32 MB of JSON never become a tree.
// Source: tokenizer-and-chat.md §3.3.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/huggingface/json_reader.hpp>
#include <lamina/text/vocabulary.hpp>

namespace lamina {

/// Reads a tokenizer.json. Merges may be pairs or "left right" strings; keys may come in any order.
///
/// Errors   bad_file (no JSON, ids that repeat or leave holes, merges of unknown pieces), unsupported
/// (another kind of
///          tokenizer, or special tokens that swallow white space); `name` is the file in messages
/// Cost     about 0.5 s for the published file; holds about 60 MB while reading, the file itself not counted
[[nodiscard]] Result<VocabularyData> read_tokenizer_json(std::span<const std::byte> bytes,
                                                         std::string_view name);

namespace detail {

/// Receives the events of a `JsonReader` and keeps what a vocabulary needs.
class TokenizerJsonReader {
 public:
  explicit TokenizerJsonReader(std::string_view name) : name_(name) {}

  // --- Events ---

  bool null() { return scalar(); }
  bool boolean(bool value) {
    if (section_ == Section::added && depth_ == 3) {
      if (field_ == "lstrip" || field_ == "rstrip" || field_ == "single_word")
        added_.back().swallows |= value;
    } else if (section_ == Section::model && depth_ == 2) {
      if (field_ == "byte_fallback") byte_fallback_ = value;
      if (field_ == "ignore_merges" && value) return unsupported("ignore_merges", "false", "true");
    }
    return scalar();
  }
  bool number_integer(std::int64_t value) { return number(value); }
  bool number_unsigned(std::uint64_t value) {
    return number(static_cast<std::int64_t>(std::min(value, std::uint64_t{INT64_MAX})));
  }
  bool number_float(double, const std::string& digits) {
    if (in_vocabulary()) return fail(token_place(), "id of a token", "an integer", digits);
    return scalar();
  }
  bool string(std::string& value) {
    if (section_ == Section::merges_list && depth_ == 3) return whole_merge(value);
    if (section_ == Section::merges_list && depth_ == 4) return half_merge(value);
    if (section_ == Section::added && depth_ == 3 && field_ == "content") {
      added_.back().content = value;
      return true;
    }
    if (section_ == Section::normalizer && depth_ == 2) {
      if (field_ == "type") normalizer_type_ = value;
      if (field_ == "content") normalizer_content_ = value;
    }
    if (section_ == Section::model && depth_ == 2) {
      if (field_ == "type") model_type_ = value;
      if ((field_ == "continuing_subword_prefix" || field_ == "end_of_word_suffix") && !value.empty()) {
        return unsupported(field_, "none", value);
      }
    }
    return scalar();
  }
  bool key(std::string& value) {
    if (depth_ == 1) section_ = section_of(value);
    if (in_vocabulary()) return vocabulary_text(value);
    if (depth_ == 2 || depth_ == 3) field_ = value;
    return true;
  }
  bool start_object() {
    if (section_ == Section::merges_list) return scalar();
    if (!open()) return false;
    if (section_ == Section::model && depth_ == 3 && field_ == "vocab") section_ = Section::vocabulary;
    if (section_ == Section::added && depth_ == 3) added_.emplace_back();
    return true;
  }
  bool end_object() {
    if (section_ == Section::vocabulary && depth_ == 3) section_ = Section::model;
    --depth_;
    return true;
  }
  bool start_array() {
    if (!open()) return false;
    if (section_ == Section::model && depth_ == 3 && field_ == "merges") section_ = Section::merges_list;
    if (section_ == Section::merges_list && depth_ == 4) halves_ = 0;
    return true;
  }
  bool end_array() {
    if (section_ == Section::merges_list && depth_ == 4 && halves_ != 2) {
      return fail(merge_place(), "merge is no pair", "2 pieces", text("%u", halves_));
    }
    if (section_ == Section::merges_list && depth_ == 3) section_ = Section::model;
    --depth_;
    return true;
  }

  // --- The result ---

  [[nodiscard]] const Error& error() const noexcept { return error_; }

  /// Puts the parts together once the whole file was read.
  [[nodiscard]] Result<VocabularyData> finish() {
    if (model_type_ != "BPE" || !byte_fallback_) {
      (void)unsupported("model.type", "BPE with byte_fallback",
                        model_type_ == "BPE"  ? "BPE without"
                        : model_type_.empty() ? "none"
                                              : model_type_);
      return error_;
    }
    if (normalizer_type_ != "Replace" || normalizer_content_ != space_symbol) {
      (void)unsupported("normalizer", "Replace \" \" by U+2581",
                        normalizer_type_.empty() ? "none" : normalizer_type_);
      return error_;
    }
    VocabularyData data;
    LAMINA_TRY(place_tokens(data));
    std::string_view rest = merge_bytes_;
    const auto halves = [&](std::size_t rank) {
      const MergeLengths& merge = merges_[rank];
      const MergeTexts texts{rest.substr(0, merge.left), rest.substr(merge.left, merge.right)};
      rest.remove_prefix(std::size_t{merge.left} + merge.right);
      return texts;
    };
    auto status = resolve_merges(data.tokens, merges_.size(), halves, data.merges);
    if (!status) return located(status.error());
    return data;
  }

 private:
  enum class Section : std::uint8_t { other, added, normalizer, model, vocabulary, merges_list };
  static constexpr std::size_t deepest = 32;  // the published file needs 5
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
  };

  [[nodiscard]] static Section section_of(std::string_view key) noexcept {
    if (key == "added_tokens") return Section::added;
    if (key == "normalizer") return Section::normalizer;
    if (key == "model") return Section::model;
    return Section::other;
  }
  [[nodiscard]] bool in_vocabulary() const noexcept { return section_ == Section::vocabulary && depth_ == 3; }

  bool open() {
    if (++depth_ > deepest)
      return fail("", "JSON is nested too deeply", text("at most %zu", deepest), "more");
    if (in_vocabulary()) return true;
    if (section_ == Section::vocabulary)
      return fail(token_place(), "id of a token", "an integer", "an object or a list");
    if (section_ == Section::merges_list && depth_ > 4)
      return fail(merge_place(), "merge is no pair", "2 pieces", "more");
    return true;
  }

  /// A value that is not looked at; wrong where ids or pieces belong.
  bool scalar() {
    if (in_vocabulary()) return fail(token_place(), "id of a token", "an integer", "another type");
    if (section_ == Section::merges_list)
      return fail(merge_place(), "merge is no pair of texts", "text", "another type");
    return true;
  }

  bool number(std::int64_t value) {
    if (in_vocabulary()) {
      vocabulary_.back().id = value;
      return true;
    }
    if (section_ == Section::added && depth_ == 3 && field_ == "id") added_.back().id = value;
    return scalar();
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
        (void)unsupported(added.content, "added tokens without lstrip, rstrip, single_word", "one of them");
        return error_;
      }
      data.added_special.push_back(static_cast<TokenId>(added.id));
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

  /// Puts the file's name in front of what an error is about.
  [[nodiscard]] Error located(Error error) const {
    FixedText<192> where(name_);
    if (!error.where.empty()) where.append(": ");
    where.append(error.where);
    error.where = where;
    return error;
  }
  bool fail(std::string_view where, std::string_view what, std::string_view expected, std::string_view found,
            std::string_view hint = {}) {
    error_ = located(Error{ErrorCode::bad_file, where, what, expected, found, hint});
    return false;
  }
  bool unsupported(std::string_view where, std::string_view expected, std::string_view found) {
    error_ = located(Error{ErrorCode::unsupported, where, "tokenizer is of another kind", expected, found,
                           "use the tokenizer.json of a Gemma 4 model"});
    return false;
  }

  std::string name_;
  Error error_;
  Section section_ = Section::other;
  std::size_t depth_ = 0;
  std::string field_;
  std::string model_type_;
  std::string normalizer_type_;
  std::string normalizer_content_;
  bool byte_fallback_ = false;
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
  if (bytes.size() > most_vocabulary_bytes) {
    return Error{ErrorCode::bad_file, name, "file is too large for a tokenizer", "at most 1 GiB", "more", ""};
  }
  detail::TokenizerJsonReader reader(name);
  LAMINA_TRY(detail::run_json(bytes, name, reader));
  return reader.finish();
}

}  // namespace lamina
