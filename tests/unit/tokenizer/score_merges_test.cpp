// SPDX-License-Identifier: Apache-2.0
// Vocabularies of the Gemma generations before: merging by score, against a plain quadratic reference.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <lamina/chat/chat_template.hpp>

#include "support/golden_text.hpp"

namespace {

using lamina::ErrorCode;
using lamina::Special;
using lamina::TokenId;
using lamina::Tokenizer;

/// A vocabulary as converters write those of Gemma 3.
struct Scored {
  std::vector<std::string> texts{"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"};
  std::vector<std::int32_t> types{3, 3, 3, 2, 3, 3};
  std::vector<float> scores = std::vector<float>(6, 0.0F);
  std::string model = "llama";
  std::string pre = "default";
  std::vector<std::string_view> merges;
  bool add_space_prefix = false;

  Scored() {
    for (int byte = 0; byte < 256; ++byte) add(lamina::text("<0x%02X>", byte).c_str(), 0, 6);
    for (const char* text : {"a", "b", "c", "\n", "\xE2\x96\x81", "\xC3\xA9"}) add(text, -100);
  }
  void add(std::string text, float score, std::int32_t type = 1) {
    texts.push_back(std::move(text));
    scores.push_back(score);
    types.push_back(type);
  }
  [[nodiscard]] TokenId id_of(std::string_view text) const {
    for (std::size_t id = 0; id < texts.size(); ++id) {
      if (texts[id] == text) return static_cast<TokenId>(id);
    }
    return lamina::no_token;
  }
  [[nodiscard]] lamina::Result<lamina::VocabularyData> read() const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    lamina::GgufVocabulary source;
    source.model = model;
    source.pre = pre;
    source.tokens = views;
    source.token_types = types;
    source.scores = scores;
    source.merges = merges;
    source.add_space_prefix = add_space_prefix;
    return lamina::vocabulary_from_gguf(source);
  }
  [[nodiscard]] Tokenizer tokenizer() const {
    auto data = read();
    REQUIRE_MESSAGE(data, std::string(lamina::describe(data.error()).view()));
    auto made = Tokenizer::create(std::move(*data));
    REQUIRE(static_cast<bool>(made));
    return std::move(*made);
  }
  [[nodiscard]] std::string message() const {
    const auto data = read();
    return data ? "accepted" : std::string(lamina::describe(data.error()).view());
  }
};

/// Merges by the book: look at all neighbours, join the pair with the highest score, the leftmost among
/// equals.
std::vector<TokenId> by_the_book(const Scored& vocabulary, std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = lamina::decode_utf8(text.substr(at)).size;
    parts.emplace_back(text[at] == ' ' ? "\xE2\x96\x81" : text.substr(at, size));
    at += size;
  }
  for (;;) {
    std::size_t best = parts.size();
    float best_score = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const TokenId id = vocabulary.id_of(parts[i] + parts[i + 1]);
      if (id == lamina::no_token || vocabulary.types[id] != 1) continue;
      if (best < parts.size() && !(vocabulary.scores[id] > best_score)) continue;
      best = i;
      best_score = vocabulary.scores[id];
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<TokenId> ids;
  for (const std::string& part : parts) {
    if (const TokenId id = vocabulary.id_of(part); id != lamina::no_token) {
      ids.push_back(id);
      continue;
    }
    for (const char c : part) {
      ids.push_back(vocabulary.id_of(lamina::text("<0x%02X>", static_cast<std::uint8_t>(c)).view()));
    }
  }
  return ids;
}

/// Random tokens over few characters, with many equal scores; "z" and U+1F600 have no token of their own.
Scored random_vocabulary(std::mt19937& random) {
  const std::vector<std::string> letters{
      "a", "b", "c", "\n", "\xE2\x96\x81", "\xC3\xA9", "z", "\xF0\x9F\x98\x80"};
  Scored vocabulary;
  for (int i = 0; i < 120; ++i) {
    std::string text;
    for (unsigned n = 2 + random() % 4; n > 0; --n) text += letters[random() % letters.size()];
    if (vocabulary.id_of(text) == lamina::no_token) {
      vocabulary.add(text, -static_cast<float>(random() % 20));
    }
  }
  return vocabulary;
}

}  // namespace

TEST_CASE("scores: texts merge as by the book, short and long, with ties and characters without a token") {
  std::mt19937 random(7);
  const std::vector<std::string> letters{"a", "b", "c", "\n", " ", "\xC3\xA9", "z", "\xF0\x9F\x98\x80", "q"};
  std::size_t merged = 0;
  for (int round = 0; round < 12; ++round) {
    const Scored vocabulary = random_vocabulary(random);
    const Tokenizer tokenizer = vocabulary.tokenizer();
    for (int i = 0; i < 60; ++i) {
      std::string text;
      const std::size_t length = i % 3 == 0 ? 120 : 1 + random() % 24;
      for (std::size_t n = 0; n < length; ++n) text += letters[random() % letters.size()];
      CAPTURE(text);
      const auto expected = by_the_book(vocabulary, text);
      REQUIRE(encode(tokenizer, text, Special::ignore) == expected);
      REQUIRE(tokenizer.decode(expected) == text);
      merged += expected.size() < length ? 1 : 0;
    }
  }
  CHECK(merged > 100);
}

TEST_CASE("scores: words are cut at newlines and spaces only where no token crosses such a border") {
  Scored vocabulary;
  vocabulary.add(
      "\xE2\x96\x81"
      "a",
      -1);
  vocabulary.add("\n\n", -2);
  CHECK(vocabulary.tokenizer().splits_at_newlines());
  CHECK(vocabulary.tokenizer().splits_at_spaces());
  Scored crossing = vocabulary;
  crossing.add("a\n", -3);
  CHECK_FALSE(crossing.tokenizer().splits_at_newlines());
  crossing.add("a\xE2\x96\x81", -3);
  CHECK_FALSE(crossing.tokenizer().splits_at_spaces());
}

TEST_CASE("scores: turn markers are control tokens, and the older one ends an answer") {
  Scored vocabulary;
  // Pieces of which a marker and a byte could be merged, if control and byte tokens were texts.
  for (const char* text : {"<", ">", "end_of_turn", "0xC3"}) vocabulary.add(text, -5);
  vocabulary.add("<end_of_turn", -1);
  vocabulary.add("<0xC3", -1);
  const Tokenizer tokenizer = vocabulary.tokenizer();
  CHECK(encode(tokenizer, "<start_of_turn>a<end_of_turn>", Special::match) ==
        std::vector<TokenId>{4, vocabulary.id_of("a"), 5});
  for (const TokenId id : encode(tokenizer, "<end_of_turn><0xC3>", Special::ignore)) {
    CHECK(id != 5);
    CHECK(id != vocabulary.id_of("<0xC3>"));
  }
  CHECK(tokenizer.is_stop(5));
  CHECK(tokenizer.is_stop(1));
  CHECK(tokenizer.is_special(4));
}

TEST_CASE("scores: a space in front of texts only where the file asks for it") {
  Scored vocabulary;
  const TokenId space = vocabulary.id_of("\xE2\x96\x81"), a = vocabulary.id_of("a");
  CHECK(encode(vocabulary.tokenizer(), "a", Special::ignore) == std::vector<TokenId>{a});
  vocabulary.add_space_prefix = true;
  CHECK(encode(vocabulary.tokenizer(), "a<bos>a", Special::match) ==
        std::vector<TokenId>{space, a, 2, space, a});
  CHECK(encode(vocabulary.tokenizer(), "", Special::match).empty());
}

TEST_CASE("scores: vocabularies that are neither complete nor of the family are refused") {
  CHECK(Scored().message() == "accepted");
  Scored few;
  few.scores.pop_back();
  CHECK(few.message().find("tokenizer.ggml.scores: ") == 0);
  Scored none;
  none.scores.clear();
  CHECK(none.message().find("tokenizer.ggml.scores: ") == 0);
  for (const float value :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Scored broken;
    broken.scores[9] = value;
    CHECK(broken.message().find("tokenizer.ggml.scores: ") == 0);
  }
  for (const std::size_t marker : {std::size_t{2}, std::size_t{4}, std::size_t{5}}) {
    Scored other;
    other.texts[marker] = "<gone>";
    CHECK(other.message().find("tokenizer.ggml.model: tokenizer is of another kind") == 0);
  }
  // Gemma 4's own vocabulary has merges; a file that says "llama" has lost them, whatever its scores.
  for (const char* marker : {"<|turn>", "<turn|>"}) {
    Scored lost;
    lost.add(marker, 0, 3);
    CHECK(lost.message().find("tokenizer.ggml.model: tokenizer is of another kind") == 0);
  }
  Scored merged;
  merged.add("ab", -1);
  merged.merges = {"a b"};
  CHECK(merged.message().find("tokenizer.ggml.model: tokenizer is of another kind") == 0);
  Scored ollama;
  ollama.pre = "gemma4";
  CHECK(ollama.message().find("tokenizer.ggml.merges: ") == 0);
}

TEST_CASE("scores: the prompt of Gemma 4 is refused, for its markers are not there") {
  const Tokenizer tokenizer = Scored().tokenizer();
  lamina::Conversation conversation;
  conversation.messages.emplace_back();
  conversation.messages.back().role = "user";
  conversation.messages.back().content.text = "a";
  const auto prompt = lamina::render_chat(conversation, lamina::TemplateSize::small);
  REQUIRE(static_cast<bool>(prompt));
  std::vector<TokenId> ids;
  const auto status = tokenizer.encode(prompt->spans(), ids);
  REQUIRE_FALSE(static_cast<bool>(status));
  CHECK(status.error().code == ErrorCode::unsupported);
  CHECK(status.error().where.view() == "<|turn>");
}
