// SPDX-License-Identifier: Apache-2.0
// Vocabularies that break the rules: an error that names the thing, never a crash.

#include <cstdint>

#include "golden_text.hpp"

namespace {

using lamina::ErrorCode;
using lamina::Special;
using lamina::TokenId;
using lamina::Tokenizer;
using Texts = std::vector<std::string_view>;

/// A vocabulary of its own: a, b, ab, <unk>, <bos>, and what a case adds.
lamina::Result<lamina::VocabularyData> build(const Texts& more, const Texts& merges,
                                             std::vector<std::int32_t> suppress = {},
                                             std::optional<std::int64_t> eos = {},
                                             std::string_view model = "gemma4") {
  Texts tokens{"a", "b", "ab", "<unk>", "<bos>"};
  tokens.insert(tokens.end(), more.begin(), more.end());
  lamina::GgufVocabulary source;
  source.model = model;
  source.tokens = tokens;
  source.merges = merges;
  source.suppress = suppress;
  source.eos_token_id = eos;
  return lamina::vocabulary_from_gguf(source);
}

std::string message(const lamina::Result<lamina::VocabularyData>& data) {
  return data ? "accepted" : std::string(lamina::describe(data.error()).view());
}

std::string json_message(const std::string& json) {
  return message(lamina::read_tokenizer_json(as_bytes_of(json), "t.json"));
}

/// A small tokenizer.json with some parts replaced.
struct JsonParts {
  std::string added = "{\"id\":4,\"content\":\"<bos>\",\"special\":true}";
  std::string normalizer =
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}";
  std::string head = "\"type\":\"BPE\",\"byte_fallback\":true";
  std::string vocab = "{\"a\":0,\"b\":1,\"ab\":2,\"<unk>\":3,\"<bos>\":4}";
  std::string merges = "[[\"a\",\"b\"]]";

  [[nodiscard]] std::string text() const {
    return "{\"added_tokens\":[" + added + "],\"normalizer\":" + normalizer + ",\"model\":{" + head +
           ",\"vocab\":" + vocab + ",\"merges\":" + merges + "}}";
  }
};

std::string json_with(std::string JsonParts::*part, const std::string& value) {
  JsonParts parts;
  parts.*part = value;
  return json_message(parts.text());
}

}  // namespace

TEST_CASE("a vocabulary that keeps the rules is accepted, and unknown bytes become one <unk>") {
  auto data = build({}, {"a b"}, {1}, 0);
  REQUIRE(static_cast<bool>(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));
  CHECK(encode(*tokenizer, "abab", Special::ignore) == std::vector<TokenId>{2, 2});
  CHECK(encode(*tokenizer, "axyzb<bos>", Special::match) == std::vector<TokenId>{0, 3, 1, 4});
  CHECK(tokenizer->special().turn_open == lamina::no_token);
  CHECK(std::vector<TokenId>(tokenizer->stop_tokens().begin(), tokenizer->stop_tokens().end()) ==
        std::vector<TokenId>{0});
  CHECK(std::vector<TokenId>(tokenizer->suppressed_tokens().begin(), tokenizer->suppressed_tokens().end()) ==
        std::vector<TokenId>{1});
  CHECK(tokenizer->piece(5).empty());
  CHECK(tokenizer->decode(std::vector<TokenId>{0, 99, 1}) == "ab");
}

TEST_CASE("GGUF vocabularies that break the rules are refused by name") {
  CHECK(message(build({}, {}, {}, {}, "gpt2")).find("tokenizer.ggml.model") == 0);
  CHECK(message(build({"a"}, {})) ==
        "token 5: token's text occurs twice: expected unique texts, found the text of token 0");
  CHECK(message(build({""}, {})).find("token 5: length") == 0);
  CHECK(message(build({std::string(5000, 'x')}, {})).find("token 5: length") == 0);
  CHECK(message(build({"\xFF"}, {})).find("token 5: token's text is not valid UTF-8") == 0);
  CHECK(message(build({}, {"ab"})).find("merge 0: merge has no separating space") == 0);
  CHECK(message(build({}, {""})).find("merge 0: merge has no separating space") == 0);
  CHECK(message(build({}, {"a b", "a c"})).find("merge 1: right half") == 0);
  CHECK(message(build({}, {"a b", "c a"})).find("merge 1: left half") == 0);
  CHECK(message(build({}, {"b a"})).find("merge 0: result") == 0);
  CHECK(message(build({}, {}, {5})).find("tokenizer.ggml.suppress_tokens") == 0);
  CHECK(message(build({}, {}, {-1})).find("tokenizer.ggml.suppress_tokens") == 0);
  CHECK(message(build({}, {}, {}, 5)).find("tokenizer.ggml.eos_token_id") == 0);
  lamina::GgufVocabulary nothing;
  nothing.model = "gemma4";
  CHECK(message(lamina::vocabulary_from_gguf(nothing)).find("tokenizer.ggml.tokens") == 0);
  auto twice = build({}, {"a b", "a b"});
  REQUIRE(static_cast<bool>(twice));
  const auto tokenizer = Tokenizer::create(std::move(*twice));
  REQUIRE_FALSE(static_cast<bool>(tokenizer));
  CHECK(tokenizer.error().where.view() == "merge 1");
}

TEST_CASE("characters without a token need byte tokens or <unk>") {
  lamina::VocabularyData data;
  CHECK(data.tokens.append("a"));
  CHECK(data.tokens.index());
  const auto tokenizer = Tokenizer::create(std::move(data));
  REQUIRE_FALSE(static_cast<bool>(tokenizer));
  CHECK(tokenizer.error().where.view() == "<0x00>");
}

TEST_CASE("tokenizer.json that breaks the rules is refused by name") {
  CHECK(json_message(JsonParts().text()) == "accepted");
  CHECK(json_message("").find("t.json: byte 0: JSON is not well-formed") == 0);
  CHECK(json_message("[]").find("t.json: model.type") == 0);
  CHECK(json_message("{\"model\":3}").find("t.json: model.type") == 0);
  CHECK(
      json_with(&JsonParts::head, "\"type\":\"Unigram\",\"byte_fallback\":true").find("t.json: model.type") ==
      0);
  CHECK(json_with(&JsonParts::head, "\"type\":\"BPE\"").find("t.json: model.type") == 0);
  CHECK(json_with(&JsonParts::head, "\"ignore_merges\":true").find("t.json: ignore_merges") == 0);
  CHECK(json_with(&JsonParts::head, "\"end_of_word_suffix\":\"x\"").find("t.json: end_of_word_suffix") == 0);
  CHECK(json_with(&JsonParts::normalizer, "null").find("t.json: normalizer") == 0);
  CHECK(json_with(&JsonParts::normalizer, "{\"type\":\"NFC\"}").find("t.json: normalizer") == 0);
  for (const char* vocab : {"{\"a\":0,\"b\":0,\"ab\":2,\"<unk>\":3,\"<bos>\":4}",          // an id twice
                            "{\"a\":0,\"b\":1,\"ab\":2,\"<unk>\":3,\"<bos>\":4,\"c\":6}",  // a hole
                            "{\"a\":0,\"b\":-1,\"ab\":2,\"<unk>\":3,\"<bos>\":4}",         // below 0
                            "{\"a\":0,\"b\":18446744073709551615,\"ab\":2}",               // far out
                            "{\"a\":0,\"b\":1.5,\"ab\":2,\"<unk>\":3,\"<bos>\":4}",        // no integer
                            "{\"a\":0,\"b\":\"1\",\"ab\":2,\"<unk>\":3,\"<bos>\":4}",      // another type
                            "{\"a\":0,\"b\":{},\"ab\":2,\"<unk>\":3,\"<bos>\":4}",         // another type
                            "{\"a\":0,\"b\":[[1]],\"ab\":2,\"<unk>\":3,\"<bos>\":4}",      // another type
                            "{\"a\":0,\"b\":1,\"ab\":2,\"<unk>\":3,\"b\":5,\"<bos>\":4}",  // a text twice
                            "{\"a\":0,\"\":1,\"ab\":2,\"<unk>\":3,\"<bos>\":4}"}) {        // an empty text
    CAPTURE(std::string(vocab));
    CHECK(json_with(&JsonParts::vocab, vocab).find("t.json: ") == 0);
  }
  for (const char* merges : {"[\"ab\"]", "[[\"a\"]]", "[3]", "[[1,2]]", "[[[\"a\",\"b\"]]]",
                             "[{\"x\":\"a\",\"y\":\"b\"}]", "[[\"a\",\"c\"]]", "[[]]", "[null]"}) {
    CAPTURE(std::string(merges));
    CHECK(json_with(&JsonParts::merges, merges).find("t.json: merge 0") == 0);
  }
  CHECK(json_with(&JsonParts::merges, "[[\"a\",\"b\",\"c\"]]").find("t.json: merge 1: merge is no pair") ==
        0);
  CHECK(json_with(&JsonParts::merges, "[\"a b\"]") == "accepted");
  CHECK(json_with(&JsonParts::added, "{\"id\":1,\"content\":\"<bos>\"}").find("t.json: token 1") == 0);
  CHECK(json_with(&JsonParts::added, "{\"content\":\"<bos>\"}").find("t.json: token -1") == 0);
  CHECK(json_with(&JsonParts::added, "{\"id\":5,\"content\":\"<new>\"}") == "accepted");
  CHECK(json_with(&JsonParts::added, "{\"id\":4,\"content\":\"<bos>\",\"lstrip\":true}")
            .find("t.json: <bos>") == 0);
  std::string deep = "{\"x\":";
  deep.append(100'000, '[');
  CHECK(json_message(deep).find("t.json: JSON is nested too deeply") == 0);
}

TEST_CASE("every truncation and every changed byte of a tokenizer.json gives an error or a tokenizer") {
  const std::string whole = JsonParts().text();
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (json_message(whole.substr(0, size)) == "accepted") ++accepted;
  }
  CHECK(accepted == 0);
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char byte : {'"', '{', '[', '0', '\xFF', '}'}) {
      std::string changed = whole;
      changed[at] = byte;
      auto data = lamina::read_tokenizer_json(as_bytes_of(changed), "t.json");
      if (!data) {
        ++refused;
        continue;
      }
      const auto tokenizer = Tokenizer::create(std::move(*data));
      if (tokenizer) CHECK(tokenizer->decode(encode(*tokenizer, "ab", Special::match)).size() <= 10);
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE("an added token beyond the vocabulary is a special token of its own") {
  JsonParts parts;
  parts.added = "{\"id\":5,\"content\":\"<new>\",\"special\":true}";
  auto data = lamina::read_tokenizer_json(as_bytes_of(parts.text()), "t.json");
  REQUIRE(static_cast<bool>(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));
  CHECK(tokenizer->is_special(5));
  CHECK(encode(*tokenizer, "a<new>b<bos>", Special::match) == std::vector<TokenId>{0, 5, 1, 4});
  CHECK(tokenizer->decode(std::vector<TokenId>{0, 5, 1}, lamina::SpecialText::clean) == "ab");
}
