// SPDX-License-Identifier: Apache-2.0
// Which settings of a tokenizer.json mean Gemma 4's way from text to ids and back; all others are refused.
// Source: tokenizer-and-chat.md §3.3.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/tokenizer/token_table.hpp>
#include <lamina/core/unicode.hpp>

namespace lamina::detail {

/// The error of a setting that lamina does not follow.
[[nodiscard]] inline Error other_tokenizer(std::string_view where, std::string_view expected,
                                           std::string_view found) {
  return Error{ErrorCode::unsupported,
               where,
               "tokenizer is of another kind",
               expected,
               found,
               "use the tokenizer.json of a Gemma 4 model"};
}

/// Checks the parts of a tokenizer.json besides its lists. Each part is either what Gemma 4 has, something
/// with the same effect, or refused; parts that change no id (truncation, padding) are not asked for.
class TokenizerJsonRules {
 public:
  using json = nlohmann::json;

  /// `document` has all parts but the lists; `tokens` is the finished vocabulary.
  TokenizerJsonRules(const json& document, const TokenTable& tokens) : document_(document), tokens_(tokens) {}

  /// Checks what needs no vocabulary: that this is merging with byte fallback. Errors: unsupported.
  [[nodiscard]] Status check_kind() const {
    const json* model = field(&document_, "model");
    if (string_of(model, "type") != "BPE") {
      return other_tokenizer("model.type", "BPE with byte_fallback", shown(field(model, "type")));
    }
    const json* fallback = field(model, "byte_fallback");
    if (fallback != nullptr && *fallback == json(true)) return Done{};
    return other_tokenizer("model.byte_fallback", "true", shown(fallback));
  }

  /// Checks all other settings. Errors: unsupported, naming the part.
  [[nodiscard]] Status check() const {
    LAMINA_TRY(check_model());
    LAMINA_TRY(check_normalizer());
    LAMINA_TRY(check_pre_tokenizer());
    LAMINA_TRY(check_post_processor());
    return check_decoder();
  }

 private:
  /// A field of an object; null if it is absent (or this is no object).
  [[nodiscard]] static const json* field(const json* node, const char* key) {
    if (node == nullptr || !node->is_object()) return nullptr;
    const auto at = node->find(key);
    return at == node->end() || at->is_null() ? nullptr : &*at;
  }
  [[nodiscard]] static std::string_view string_of(const json* node, const char* key) {
    const json* value = field(node, key);
    return value != nullptr && value->is_string() ? std::string_view(value->get_ref<const std::string&>())
                                                  : std::string_view();
  }
  /// True when a flag is absent or has the value that it has by itself.
  [[nodiscard]] static bool is_absent_or(const json* node, const char* key, const json& value) {
    const json* found = field(node, key);
    return found == nullptr || *found == value;
  }
  /// A value as a message shows it.
  [[nodiscard]] static FixedText<160> shown(const json* value) {
    if (value == nullptr) return "none";
    return std::string_view(value->dump(-1, ' ', false, json::error_handler_t::replace));
  }

  /// The steps of a part: itself, or those of a Sequence, which may hold Sequences again.
  static void collect(const json* part, const char* list_key, std::vector<const json*>& steps) {
    if (part == nullptr) return;
    const json* list = field(part, list_key);
    if (string_of(part, "type") != "Sequence" || list == nullptr || !list->is_array()) {
      steps.push_back(part);
      return;
    }
    for (const json& step : *list) collect(&step, list_key, steps);
  }
  [[nodiscard]] std::vector<const json*> steps_of(const char* part, const char* list_key) const {
    std::vector<const json*> steps;
    collect(field(&document_, part), list_key, steps);
    return steps;
  }

  [[nodiscard]] static bool is_replace(const json* step, std::string_view from, std::string_view to) {
    return string_of(step, "type") == "Replace" && string_of(field(step, "pattern"), "String") == from &&
           string_of(step, "content") == to;
  }

  [[nodiscard]] Status check_model() const {
    const json* model = field(&document_, "model");
    struct Setting {
      const char* key;
      json value;
    };
    const Setting settings[] = {{"ignore_merges", false},
                                {"dropout", 0.0},
                                {"continuing_subword_prefix", ""},
                                {"end_of_word_suffix", ""}};
    for (const Setting& setting : settings) {
      if (is_absent_or(model, setting.key, setting.value)) continue;
      return refuse_model(model, setting.key, shown(&setting.value));
    }
    if (has_all_bytes()) return Done{};
    // Only characters whose bytes have no tokens become <unk>.
    if (string_of(model, "unk_token") != "<unk>") return refuse_model(model, "unk_token", "\"<unk>\"");
    const json* fuse = field(model, "fuse_unk");
    if (fuse == nullptr || *fuse != json(true)) return refuse_model(model, "fuse_unk", "true");
    return Done{};
  }
  [[nodiscard]] static Error refuse_model(const json* model, const char* key, std::string_view expected) {
    FixedText<160> where("model.");
    where.append(key);
    return other_tokenizer(where, expected, shown(field(model, key)));
  }

  [[nodiscard]] bool has_all_bytes() const {
    char text[8];
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::snprintf(text, sizeof text, "<0x%02X>", byte);
      if (tokens_.find(text) == no_token) return false;
    }
    return true;
  }

  [[nodiscard]] Status check_normalizer() const {
    const auto steps = steps_of("normalizer", "normalizers");
    if (steps.size() == 1 && is_replace(steps[0], " ", space_symbol)) return Done{};
    return refuse("normalizer", "Replace \" \" by U+2581 and nothing else");
  }

  // No space is left to cut at once the normalizer has been there.
  [[nodiscard]] Status check_pre_tokenizer() const {
    for (const json* step : steps_of("pre_tokenizer", "pretokenizers")) {
      const std::string_view type = string_of(step, "type");
      const bool cuts_at_space = type == "Split" && string_of(field(step, "pattern"), "String") == " " &&
                                 is_absent_or(step, "invert", false);
      const json* split = field(step, "split");
      const bool replaces = type == "Metaspace" && string_of(step, "replacement") == space_symbol &&
                            string_of(step, "prepend_scheme") == "never" && split != nullptr &&
                            *split == json(false);
      if (!cuts_at_space && !replaces) return refuse("pre_tokenizer", "none, or Split at \" \"");
    }
    return Done{};
  }

  // <bos> in front is what lamina adds to every prompt anyway.
  [[nodiscard]] Status check_post_processor() const {
    for (const json* step : steps_of("post_processor", "processors")) {
      const std::string_view type = string_of(step, "type");
      if (type == "ByteLevel") continue;  // moves offsets only
      const json* single = field(step, "single");
      const bool is_list = type == "TemplateProcessing" && single != nullptr && single->is_array();
      const std::size_t size = is_list ? single->size() : 0;
      const bool fits = (size == 1 || (size == 2 && is_bos(step, &(*single)[0]))) &&
                        string_of(field(&single->back(), "Sequence"), "id") == "A";
      if (!fits) return refuse("post_processor", "the text alone, or <bos> and the text");
    }
    return Done{};
  }
  [[nodiscard]] bool is_bos(const json* step, const json* piece) const {
    if (string_of(field(piece, "SpecialToken"), "id") != "<bos>") return false;
    const json* ids = field(field(field(step, "special_tokens"), "<bos>"), "ids");
    return ids == nullptr || *ids == json::array({tokens_.find("<bos>")});
  }

  // In this order: a U+2581 that byte tokens spell stays what it is.
  [[nodiscard]] Status check_decoder() const {
    auto steps = steps_of("decoder", "decoders");
    while (!steps.empty() && string_of(steps.back(), "type") == "Fuse") steps.pop_back();
    if (steps.size() == 2 && is_replace(steps[0], space_symbol, " ") &&
        string_of(steps[1], "type") == "ByteFallback") {
      return Done{};
    }
    return refuse("decoder", "Replace U+2581 by \" \", ByteFallback, Fuse");
  }

  [[nodiscard]] Error refuse(const char* part, std::string_view expected) const {
    return other_tokenizer(part, expected, shown(field(&document_, part)));
  }

  const json& document_;
  const TokenTable& tokens_;
};

}  // namespace lamina::detail
