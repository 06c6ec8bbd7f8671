// SPDX-License-Identifier: Apache-2.0
// The tokenizer against Hugging Face's ids: every text, both files, both directions, streamed and whole.

#include <chrono>
#include <map>
#include <set>

#include <lamina/tokenizer/stream_decoder.hpp>

#include "support/golden_text.hpp"

namespace {

using lamina::Special;
using lamina::SpecialText;
using lamina::TokenId;
using lamina::Tokenizer;
using Json = nlohmann::json;

struct Source {
  const char* file;
  const char* reference;
};
constexpr Source sources[] = {{"small.tokenizer.json", "small"},          {"small.gguf", "small"},
                              {"medium.tokenizer.json", "medium"},        {"medium.gguf", "medium"},
                              {"tricky.tokenizer.json", "tricky"},        {"tricky.gguf", "tricky"},
                              {"tricky.strings.tokenizer.json", "tricky"}};

std::string base64(const std::string& text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t value = alphabet.find(c);
    if (value == std::string_view::npos) continue;
    bits = (bits << 6) | static_cast<unsigned>(value);
    count += 6;
    if (count >= 8) out.push_back(static_cast<char>((bits >> (count - 8)) & 0xFF));
    if (count >= 8) count -= 8;
  }
  return out;
}

}  // namespace

TEST_CASE("all reference texts encode to the reference ids and back") {
  const Json texts = golden_json("tokenizer/texts.json");
  REQUIRE(texts.size() == 530);
  for (const Source& source : sources) {
    CAPTURE(std::string(source.file));
    const Tokenizer tokenizer = golden_tokenizer(source.file);
    const Json cases = golden_json(std::string("tokenizer/") + source.reference + ".encode.json");
    REQUIRE(cases.size() == texts.size());
    std::size_t differ_untrusted = 0;
    lamina::MergeScratch scratch;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const Json& expected = cases[i];
      REQUIRE(expected["name"] == texts[i]["name"]);
      CAPTURE(expected["name"].get<std::string>());
      const std::string text = texts[i]["text"];
      const std::vector<TokenId> ids = golden_ids(expected["ids"]);
      std::vector<TokenId> found;
      CHECK(tokenizer.encode(text, Special::match, found, scratch));
      CHECK(found == ids);
      const bool differs = expected.contains("ids_no_special");
      differ_untrusted += differs ? 1 : 0;
      CHECK(encode(tokenizer, text, Special::ignore) ==
            (differs ? golden_ids(expected["ids_no_special"]) : ids));
      const std::string decoded =
          expected.contains("decoded") ? expected["decoded"].get<std::string>() : text;
      CHECK(tokenizer.decode(ids) == decoded);
      // Untrusted ids give the same text back, and never hold a special token.
      const auto untrusted = encode(tokenizer, text, Special::ignore);
      CHECK(tokenizer.decode(untrusted, SpecialText::clean) == decoded);
    }
    CHECK(differ_untrusted == 48);
  }
}

TEST_CASE("invalid UTF-8 encodes as its replacement") {
  for (const Source& source : sources) {
    CAPTURE(std::string(source.file));
    const Tokenizer tokenizer = golden_tokenizer(source.file);
    const Json cases = golden_json(std::string("tokenizer/") + source.reference + ".invalid_utf8.json");
    REQUIRE(cases.size() >= 10);
    for (const Json& expected : cases) {
      CAPTURE(expected["name"].get<std::string>());
      const auto ids = encode(tokenizer, base64(expected["bytes_base64"]), Special::match);
      CHECK(ids == golden_ids(expected["ids"]));
      CHECK(tokenizer.decode(ids) == expected["replaced_text"].get<std::string>());
    }
  }
}

TEST_CASE("streaming emits whole characters and the same text as decoding at once") {
  for (const Source& source : sources) {
    CAPTURE(std::string(source.file));
    const Tokenizer tokenizer = golden_tokenizer(source.file);
    const Json cases = golden_json(std::string("tokenizer/") + source.reference + ".decode.json");
    REQUIRE(cases.size() == 76);
    std::size_t like_hf = 0;
    for (const Json& expected : cases) {
      CAPTURE(expected["name"].get<std::string>());
      const std::vector<TokenId> ids = golden_ids(expected["ids"]);
      for (const SpecialText mode : {SpecialText::raw, SpecialText::clean}) {
        const bool clean = mode == SpecialText::clean;
        const Json& stream = clean && expected.contains("stream_skip_special")
                                 ? expected["stream_skip_special"]
                                 : expected["stream"];
        const Json& end = clean && expected.contains("stream_skip_special_end")
                              ? expected["stream_skip_special_end"]
                              : expected["stream_end"];
        REQUIRE(stream.size() == ids.size());
        lamina::StreamDecoder decoder(tokenizer, mode);
        std::string whole;
        for (std::size_t i = 0; i < ids.size(); ++i) {
          std::string piece;
          decoder.push(ids[i], piece);
          CHECK(piece == stream[i].get<std::string>());
          CHECK(lamina::is_valid_utf8(piece));
          whole += piece;
        }
        std::string last;
        decoder.finish(last);
        CHECK(last == end.get<std::string>());
        whole += last;
        CHECK(tokenizer.decode(ids, mode) == whole);
        const char* flag = clean ? "stream_skip_special_equals_hf" : "stream_equals_hf";
        if (expected.value(flag, true) == false) continue;
        CHECK(whole == expected[clean ? "hf_text_skip_special" : "hf_text"].get<std::string>());
        ++like_hf;
      }
    }
    CHECK(like_hf >= 100);
  }
}

TEST_CASE("the file's own data decides: special ids, splits, stop and suppressed tokens") {
  const Json meta = golden_json("tokenizer/meta.json");
  for (const Source& source : sources) {
    CAPTURE(std::string(source.file));
    const Tokenizer tokenizer = golden_tokenizer(source.file);
    const Json& facts = meta[source.reference];
    CHECK(tokenizer.size() == facts["vocabulary"].get<std::size_t>());
    CHECK(tokenizer.splits_at_newlines() == !facts["a_piece_mixes_newline_and_other"].get<bool>());
    CHECK(tokenizer.splits_at_spaces() == !facts["a_piece_has_lowline_after_other"].get<bool>());
    const lamina::SpecialTokens& special = tokenizer.special();
    CHECK(special.pad == 0);
    CHECK(special.bos == 2);
    CHECK(special.quote == 52);
    CHECK(special.think == 98);
    CHECK(special.turn_open == 105);
    CHECK(special.image_open == facts["media_ids"]["<|image>"].get<TokenId>());
    CHECK(special.video_soft == facts["media_ids"]["<|video|>"].get<TokenId>());
    CHECK(std::vector<TokenId>(tokenizer.stop_tokens().begin(), tokenizer.stop_tokens().end()) ==
          std::vector<TokenId>{1, 50, 106});
    CHECK(tokenizer.is_stop(106));
    CHECK_FALSE(tokenizer.is_stop(105));
    std::set<TokenId> media;
    for (const auto& id : facts["media_ids"]) media.insert(id.get<TokenId>());
    CHECK(std::set<TokenId>(tokenizer.suppressed_tokens().begin(), tokenizer.suppressed_tokens().end()) ==
          media);
    // "</s>" looks like an end marker and is an ordinary piece.
    const TokenId html = tokenizer.find("</s>");
    CHECK(html == 181);
    CHECK_FALSE(tokenizer.is_special(html));
    CHECK_FALSE(tokenizer.is_stop(html));
  }
}

TEST_CASE("the begin-of-sequence token comes exactly once") {
  const Tokenizer tokenizer = golden_tokenizer("tricky.gguf");  // its add_bos_token is false
  const auto with_bos = [&](std::string_view text, Special special) {
    const lamina::TextSpan span{text, special};
    std::vector<TokenId> ids{7};  // ids already there stay in front
    CHECK(tokenizer.encode(std::span(&span, 1), ids, lamina::Bos::once));
    CHECK(ids[0] == 7);
    return std::vector<TokenId>(ids.begin() + 1, ids.end());
  };
  const auto hello = encode(tokenizer, "Hello", Special::match);
  std::vector<TokenId> expected{2};
  expected.insert(expected.end(), hello.begin(), hello.end());
  CHECK(with_bos("Hello", Special::match) == expected);
  CHECK(with_bos("<bos>Hello", Special::match) == expected);
  CHECK(with_bos("", Special::match) == std::vector<TokenId>{2});
  const auto spelled = with_bos("<bos>", Special::ignore);
  CHECK(spelled.size() > 2);
  CHECK(spelled[0] == 2);
  CHECK(spelled[1] != 2);
}

TEST_CASE("spans merge across their borders and only trusted ones hold special tokens") {
  const Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const std::string text = "<|turn>user\nHello there, how are you?<turn|>\n";
  const std::vector<TokenId> whole = encode(tokenizer, text, Special::match);
  const std::size_t user_end = text.find("<turn|>");
  std::size_t cuts = 0;
  for (std::size_t first = 7; first <= user_end; ++first) {
    for (std::size_t second = first; second <= user_end; ++second, ++cuts) {
      const lamina::TextSpan spans[] = {
          {std::string_view(text).substr(0, first), Special::match},
          {std::string_view(text).substr(first, second - first), Special::ignore},
          {std::string_view(text).substr(second), Special::match}};
      std::vector<TokenId> ids;
      CHECK(tokenizer.encode(spans, ids));
      CHECK(ids == whole);
    }
  }
  CHECK(cuts > 300);
  // A special text cut in two by a border is no special text.
  const lamina::TextSpan halves[] = {{"<tu", Special::match}, {"rn|>", Special::match}};
  std::vector<TokenId> ids;
  CHECK(tokenizer.encode(halves, ids));
  CHECK(ids == encode(tokenizer, "<turn|>", Special::ignore));
}

TEST_CASE("long words take well under a second") {
  for (const char* file : {"tricky.gguf", "medium.gguf"}) {
    const Tokenizer tokenizer = golden_tokenizer(file);
    std::string text;
    for (std::size_t i = 0; i < 400'000; ++i) text.push_back(static_cast<char>('a' + (i * i + i / 3) % 26));
    const auto begin = std::chrono::steady_clock::now();
    const auto ids = encode(tokenizer, text, Special::match);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    CHECK(tokenizer.decode(ids) == text);
    CHECK(seconds.count() < 2.0);  // a quadratic scan takes minutes
  }
}

TEST_CASE("the published vectors hold where the real tokenizer.json is at hand") {
  const std::string bytes = read_bytes(golden_path("tokenizer/published.tokenizer.json"));
  if (bytes.empty()) {
    MESSAGE("skipped: the published tokenizer.json is not part of the reference data");
    return;
  }
  const Tokenizer tokenizer = golden_tokenizer("published.tokenizer.json");
  const Json vectors = golden_json("tokenizer/published_vectors.json");
  for (const Json& vector : vectors["texts"]) {
    CHECK(encode(tokenizer, vector["text"].get<std::string>(), Special::match) == golden_ids(vector["ids"]));
  }
}
