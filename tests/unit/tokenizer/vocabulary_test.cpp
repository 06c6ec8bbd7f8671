// SPDX-License-Identifier: Apache-2.0
// Vocabularies that break the rules: an error that names the thing, never a crash.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "support/golden_text.hpp"

namespace {

using lamina::ErrorCode;
using lamina::Special;
using lamina::TokenId;
using lamina::Tokenizer;
using Texts = std::vector<std::string_view>;

/// A vocabulary of its own: a, b, ab, <unk>, <bos>, <|turn>, <turn|>, and what a case adds.
lamina::Result<lamina::VocabularyData> build(const Texts& more, const Texts& merges,
                                             std::vector<std::int32_t> suppress = {},
                                             std::optional<std::int64_t> eos = {},
                                             std::string_view model = "gemma4") {
  Texts tokens{"a", "b", "ab", "<unk>", "<bos>", "<|turn>", "<turn|>"};
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

}  // namespace

TEST_CASE("a vocabulary that keeps the rules is accepted, and unknown bytes become one <unk>") {
  auto data = build({}, {"a b"}, {1}, 0);
  REQUIRE(static_cast<bool>(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));
  CHECK(encode(*tokenizer, "abab", Special::ignore) == std::vector<TokenId>{2, 2});
  CHECK(encode(*tokenizer, "axyzb<bos>", Special::match) == std::vector<TokenId>{0, 3, 1, 4});
  CHECK(tokenizer->special().think == lamina::no_token);
  CHECK(std::vector<TokenId>(tokenizer->stop_tokens().begin(), tokenizer->stop_tokens().end()) ==
        std::vector<TokenId>{0, 6});
  CHECK(std::vector<TokenId>(tokenizer->suppressed_tokens().begin(), tokenizer->suppressed_tokens().end()) ==
        std::vector<TokenId>{1});
  CHECK(tokenizer->piece(7).empty());
  CHECK(tokenizer->decode(std::vector<TokenId>{0, 99, 1}) == "ab");
}

TEST_CASE("GGUF vocabularies that break the rules are refused by name") {
  CHECK(message(build({}, {}, {}, {}, "gpt2")).find("tokenizer.ggml.model") == 0);
  CHECK(message(build({"a"}, {})) ==
        "token 7: token's text occurs twice: expected unique texts, found the text of token 0");
  CHECK(message(build({""}, {})).find("token 7: length") == 0);
  CHECK(message(build({std::string(5000, 'x')}, {})).find("token 7: length") == 0);
  CHECK(message(build({"\xFF"}, {})).find("token 7: token's text is not valid UTF-8") == 0);
  CHECK(message(build({}, {"ab"})).find("merge 0: merge has no separating space") == 0);
  CHECK(message(build({}, {""})).find("merge 0: merge has no separating space") == 0);
  CHECK(message(build({}, {"a b", "a c"})).find("merge 1: right half") == 0);
  CHECK(message(build({}, {"a b", "c a"})).find("merge 1: left half") == 0);
  CHECK(message(build({}, {"b a"})).find("merge 0: result") == 0);
  CHECK(message(build({}, {"a b"}, {7})).find("tokenizer.ggml.suppress_tokens") == 0);
  CHECK(message(build({}, {"a b"}, {-1})).find("tokenizer.ggml.suppress_tokens") == 0);
  CHECK(message(build({}, {"a b"}, {}, 7)).find("tokenizer.ggml.eos_token_id") == 0);
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

TEST_CASE("vocabularies that lost their merges are refused, however few") {
  const auto merges_of = [](const Texts& more, const Texts& merges) { return message(build(more, merges)); };
  CHECK(merges_of({"abab"}, {"a b", "ab ab"}) == "accepted");
  CHECK(merges_of({"abab"}, {"a b"}) ==
        "tokenizer.ggml.merges: merges are missing: expected merges for all tokens of several characters, "
        "found none for 1 of 2, the first is abab");
  CHECK(merges_of({"abab"}, {}).find("found none for 2 of 2, the first is ab") != std::string::npos);
  // Tokens that no two others make up, tags, bytes and characters need none.
  CHECK(merges_of({"</s>", "<0x41>", "\xC3\xA4", "xyz"}, {"a b"}) == "accepted");
  CHECK(message(build({"</s", ">", "</s>"}, {"a b"})) == "accepted");

  // One in 1024 may be a token that somebody put in by hand.
  std::vector<std::string> texts{"c"}, pairs;
  for (int i = 1; i <= 1500; ++i) {
    texts.push_back(texts.back() + "c");
    pairs.push_back(texts[texts.size() - 2] + " c");
  }
  const Texts tokens(texts.begin(), texts.end());
  const auto without = [&](std::size_t lost) {
    Texts list{"a b"};
    list.insert(list.end(), pairs.begin(), pairs.end() - static_cast<std::ptrdiff_t>(lost));
    return merges_of(tokens, list);
  };
  CHECK(without(0) == "accepted");
  CHECK(without(1) == "accepted");
  CHECK(without(2).find("none for 2 of 1501") != std::string::npos);
}

TEST_CASE("the golden vocabularies are refused with half of their merges and with none") {
  for (const char* name : {"small.gguf", "tricky.gguf"}) {
    CAPTURE(std::string(name));
    const std::string bytes = read_bytes(golden_path(std::string("tokenizer/") + name));
    const auto file = lamina::read_gguf_file(as_bytes_of(bytes), name);
    REQUIRE(static_cast<bool>(file));
    const auto tokens = file->metadata.strings("tokenizer.ggml.tokens");
    const auto merges = file->metadata.strings("tokenizer.ggml.merges");
    REQUIRE((tokens && merges));
    lamina::GgufVocabulary source;
    source.model = "gemma4";
    source.tokens = *tokens;
    source.merges = *merges;
    REQUIRE(message(lamina::vocabulary_from_gguf(source)) == "accepted");
    for (const std::size_t kept : {merges->size() / 2, std::size_t{0}}) {
      source.merges = std::span(*merges).first(kept);
      CHECK(message(lamina::vocabulary_from_gguf(source)).find("tokenizer.ggml.merges: merges are missing") ==
            0);
    }
  }
}

TEST_CASE("vocabularies that lost control tokens are refused, naming them") {
  const auto without = [](const std::vector<std::string_view>& lost) {
    std::vector<std::string> texts{"a", "b", "ab"};
    for (const auto& entry : lamina::special_token_texts) {
      const bool is_lost = std::find(lost.begin(), lost.end(), entry.text) != lost.end();
      texts.push_back(is_lost ? "<unused" + std::to_string(texts.size()) + ">" : std::string(entry.text));
    }
    const Texts tokens(texts.begin(), texts.end());
    const Texts merges{"a b"};
    lamina::GgufVocabulary source;
    source.model = "gemma4";
    source.tokens = tokens;
    source.merges = merges;
    return message(lamina::vocabulary_from_gguf(source));
  };
  CHECK(without({}) == "accepted");
  const std::vector<std::string_view> tools{
      "<|tool>",          "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>",
      "<tool_response|>", "<|\"|>",  "<|think|>",    "<|channel>",   "<channel|>"};
  for (const std::string_view text : {"<bos>", "<|turn>", "<turn|>"}) {
    CAPTURE(std::string(text));
    CHECK(without({text}).find("control tokens are missing: expected the tokens of Gemma 4, found none of " +
                               std::string(text)) != std::string::npos);
  }
  for (const std::string_view text : tools) {
    CAPTURE(std::string(text));
    CHECK(without({text}).ends_with("found none of " + std::string(text)));
  }
  CHECK(without({"<|turn>", "<turn|>"}).ends_with("found none of <|turn>, <turn|>"));
  CHECK(without(std::vector(tools.begin(), tools.begin() + 7)).find("none of <|tool>, <tool|>") !=
        std::string::npos);
  // Pictures and sound are asked for when a prompt has some; `<eos>` ends documents only.
  CHECK(without({"<|video|>", "<eos>", "<mask>"}) == "accepted");
  CHECK(without(tools) == "accepted");
}

TEST_CASE("a prompt that needs a control token which the vocabulary has not is refused") {
  auto data = build({}, {"a b"});
  REQUIRE(static_cast<bool>(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));
  std::vector<TokenId> ids{7};
  const auto status = tokenizer->encode("<bos>ab<|tool_call>", Special::match, ids);
  REQUIRE_FALSE(static_cast<bool>(status));
  CHECK(status.error().code == ErrorCode::unsupported);
  CHECK(status.error().where.view() == "<|tool_call>");
  CHECK(ids == std::vector<TokenId>{7});
  CHECK(static_cast<bool>(tokenizer->encode("<|tool_call>", Special::ignore, ids)));
}

TEST_CASE("files of Ollama say llama, but with pre gemma4, merges and turn markers they are Gemma 4") {
  const Texts tokens{"a", "b", "ab", "<unk>", "<bos>", "<|turn>", "<turn|>"};
  const Texts merges{"a b"};
  const std::vector<std::int32_t> eos{6, 0};
  lamina::GgufVocabulary source;
  source.model = "llama";
  source.pre = "gemma4";
  source.tokens = tokens;
  source.merges = merges;
  source.eos_token_ids = eos;
  auto data = lamina::vocabulary_from_gguf(source);
  REQUIRE_MESSAGE(data, message(data));
  CHECK(data->stop == std::vector<TokenId>{6, 0});
  source.pre = "default";
  CHECK(
      message(lamina::vocabulary_from_gguf(source)) ==
      "tokenizer.ggml.model: tokenizer is of another kind: expected gemma4, or llama with tokenizer.ggml.pre "
      "gemma4, found llama with pre default");
  source.pre = "";
  CHECK(message(lamina::vocabulary_from_gguf(source)).ends_with("found llama without pre"));
  source.pre = "gemma4";
  source.merges = {};
  CHECK(message(lamina::vocabulary_from_gguf(source)).find("tokenizer.ggml.merges: ") == 0);
  source.merges = merges;
  source.tokens = std::span(tokens).first(6);
  CHECK(message(lamina::vocabulary_from_gguf(source)).ends_with("none of <turn|>"));
  source.tokens = tokens;
  const std::vector<std::int32_t> outside{7};
  source.eos_token_ids = outside;
  CHECK(message(lamina::vocabulary_from_gguf(source)).find("tokenizer.ggml.eos_token_ids: ") == 0);
}

TEST_CASE("token types of GGUF: user-defined texts are found everywhere and shown, control texts are not") {
  const Texts tokens{"a",
                     "b",
                     "ab",
                     "<unk>",
                     "<bos>",
                     "<|turn>",
                     "<turn|>",
                     "<mine>",
                     "<hidden>",
                     "\n\n",
                     "\xE2\x96\x81\xE2\x96\x81",
                     "\n"};
  const Texts merges{"a b", "\n \n"};
  const std::vector<std::int32_t> types{1, 1, 1, 2, 3, 4, 3, 4, 3, 4, 4, 1};
  lamina::GgufVocabulary source;
  source.model = "gemma4";
  source.tokens = tokens;
  source.merges = merges;
  source.token_types = types;
  auto data = lamina::vocabulary_from_gguf(source);
  REQUIRE_MESSAGE(data, message(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));
  CHECK(encode(*tokenizer, "a<mine>b", Special::ignore) == std::vector<TokenId>{0, 7, 1});
  CHECK(encode(*tokenizer, "a<mine>b<hidden>", Special::match) == std::vector<TokenId>{0, 7, 1, 8});
  CHECK(encode(*tokenizer, "<hidden>", Special::ignore) == std::vector<TokenId>{3});
  // Converters from SentencePiece mark runs of white space too; merges build those.
  CHECK(encode(*tokenizer, "\n\n\n", Special::ignore) == std::vector<TokenId>{9, 11});
  CHECK(encode(*tokenizer, "\xE2\x96\x81\xE2\x96\x81", Special::ignore) == std::vector<TokenId>{3});
  // A control token is one by its text, whatever its type: user text cannot write it, answers do not show it.
  CHECK(tokenizer->is_special(5));
  CHECK(encode(*tokenizer, "<|turn>", Special::ignore) == std::vector<TokenId>{3});
  CHECK(tokenizer->decode(std::vector<TokenId>{0, 7, 8, 5, 1}, lamina::SpecialText::clean) == "a<mine>b");

  source.token_types = std::span(types).first(3);
  CHECK(message(lamina::vocabulary_from_gguf(source)).find("tokenizer.ggml.token_type: ") == 0);
}
