// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: what breaks the rules is refused by name, settings that change ids or text as well, and
// harmless ones are not.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "support/golden_text.hpp"

namespace {

using lamina::Special;
using lamina::TokenId;
using lamina::Tokenizer;
using Json = nlohmann::json;

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
  std::string head = "\"type\":\"BPE\",\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"fuse_unk\":true";
  std::string decoder =
      "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},"
      "\"content\":\" \"},{\"type\":\"ByteFallback\"}]}";
  std::string vocab = "{\"a\":0,\"b\":1,\"ab\":2,\"<unk>\":3,\"<bos>\":4,\"<|turn>\":5,\"<turn|>\":6}";
  std::string merges = "[[\"a\",\"b\"]]";

  [[nodiscard]] std::string text() const {
    return "{\"added_tokens\":[" + added + "],\"normalizer\":" + normalizer + ",\"decoder\":" + decoder +
           ",\"model\":{" + head + ",\"vocab\":" + vocab + ",\"merges\":" + merges + "}}";
  }
};

std::string json_with(std::string JsonParts::*part, const std::string& value) {
  JsonParts parts;
  parts.*part = value;
  return json_message(parts.text());
}

}  // namespace

TEST_CASE("tokenizer.json that breaks the rules is refused by name") {
  CHECK(json_message(JsonParts().text()) == "accepted");
  CHECK(json_message("").find("t.json: byte 0: JSON is not well-formed") == 0);
  CHECK(json_message("[]").find("t.json: model.type") == 0);
  CHECK(json_message("{\"model\":3}").find("t.json: model.type") == 0);
  CHECK(
      json_with(&JsonParts::head, "\"type\":\"Unigram\",\"byte_fallback\":true").find("t.json: model.type") ==
      0);
  CHECK(json_with(&JsonParts::head, "\"type\":\"BPE\"").find("t.json: model.byte_fallback") == 0);

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
  CHECK(json_with(&JsonParts::added, "{\"id\":7,\"content\":\"<new>\"}") == "accepted");
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
  parts.added = "{\"id\":7,\"content\":\"<new>\",\"special\":true}";
  auto data = lamina::read_tokenizer_json(as_bytes_of(parts.text()), "t.json");
  REQUIRE(static_cast<bool>(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));
  CHECK(tokenizer->is_special(7));
  CHECK(encode(*tokenizer, "a<new>b<bos>", Special::match) == std::vector<TokenId>{0, 7, 1, 4});
  CHECK(tokenizer->decode(std::vector<TokenId>{0, 7, 1}, lamina::SpecialText::clean) == "ab");
}

namespace {

/// A golden tokenizer.json, read after a change.
struct Changed {
  Json document = golden_json("tokenizer/small.tokenizer.json");

  [[nodiscard]] std::string message() const { return ::message(data()); }
  [[nodiscard]] lamina::Result<lamina::VocabularyData> data() const {
    const std::string text = document.dump();
    return lamina::read_tokenizer_json(as_bytes_of(text), "t.json");
  }
  [[nodiscard]] std::vector<TokenId> ids(std::string_view text) const {
    auto read = data();
    REQUIRE_MESSAGE(read, ::message(read));
    const auto tokenizer = Tokenizer::create(std::move(*read));
    REQUIRE(static_cast<bool>(tokenizer));
    return encode(*tokenizer, text, Special::match);
  }
};

/// The message that a golden tokenizer.json gives with one part replaced.
std::string with_part(const std::string& pointer, const char* value) {
  Changed changed;
  changed.document[Json::json_pointer(pointer)] = Json::parse(value);
  return changed.message();
}

constexpr const char* replace_space = R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})";

std::string sequence(const char* list, const std::vector<std::string>& steps) {
  std::string text = R"({"type":"Sequence",")" + std::string(list) + "\":[";
  for (const std::string& step : steps) text += (text.back() == '[' ? "" : ",") + step;
  return text + "]}";
}

}  // namespace

TEST_CASE("settings of a tokenizer.json that change ids or text are refused, naming the part") {
  struct Case {
    const char* part;
    std::string value;
  };
  const std::string split =
      R"({"type":"Split","pattern":{"String":" "},"behavior":"Isolated","invert":true})";
  const std::string undo = R"({"type":"Replace","pattern":{"String":"▁"},"content":" "})";
  const std::string bytes = R"({"type":"ByteFallback"})", fuse = R"({"type":"Fuse"})";
  for (
      const Case& c : {
          Case{"/normalizer", "null"},
          {"/normalizer", R"({"type":"NFC"})"},
          {"/normalizer", R"("Replace")"},
          {"/normalizer", R"({"type":"Replace","pattern":{"Regex":"\\s"},"content":"▁"})"},
          {"/normalizer", R"({"type":"Replace","pattern":{"String":"x"},"content":"▁"})"},
          {"/normalizer", R"({"type":"Replace","pattern":{"String":" "},"content":"_"})"},
          {"/normalizer", R"({"type":"Replace","pattern":" ","content":"▁"})"},
          {"/normalizer", sequence("normalizers", {})},
          {"/normalizer", sequence("normalizers", {replace_space, R"({"type":"Lowercase"})"})},
          {"/normalizer", sequence("normalizers", {R"({"type":"Prepend","prepend":"▁"})", replace_space})},
          {"/pre_tokenizer", R"({"type":"WhitespaceSplit"})"},
          {"/pre_tokenizer", R"({"type":"Digits","individual_digits":true})"},
          {"/pre_tokenizer", R"({"type":"ByteLevel","add_prefix_space":false})"},
          {"/pre_tokenizer",
           R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false})"},
          {"/pre_tokenizer",
           R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false})"},
          {"/pre_tokenizer",
           R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":true})"},
          {"/pre_tokenizer", R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never"})"},
          {"/pre_tokenizer",
           R"({"type":"Split","pattern":{"Regex":" "},"behavior":"Isolated","invert":false})"},
          {"/pre_tokenizer",
           R"({"type":"Split","pattern":{"String":"e"},"behavior":"Isolated","invert":false})"},
          {"/pre_tokenizer", split},
          {"/pre_tokenizer", sequence("pretokenizers", {R"({"type":"Whitespace"})"})},
          {"/pre_tokenizer", "7"},
          {"/post_processor", R"({"type":"BertProcessing","sep":["x",1],"cls":["y",2]})"},
          {"/post_processor", R"({"type":"TemplateProcessing","single":[]})"},
          {"/post_processor", R"({"type":"TemplateProcessing","single":{"Sequence":{"id":"A"}}})"},
          {"/post_processor", R"({"type":"TemplateProcessing","single":"A"})"},
          {"/post_processor",
           R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"<eos>"}}]})"},
          {"/post_processor",
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<eos>"}},{"Sequence":{"id":"A"}}]})"},
          {"/post_processor",
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<bos>"}},{"Sequence":{"id":"A"}}],
                "special_tokens":{"<bos>":{"id":"<bos>","ids":[7],"tokens":["<bos>"]}}})"},
          {"/decoder", "null"},
          {"/decoder", bytes},
          {"/decoder", R"({"type":"ByteLevel"})"},
          {"/decoder", sequence("decoders", {undo})},
          {"/decoder", sequence("decoders", {bytes, undo, fuse})},
          {"/decoder", sequence("decoders", {undo, fuse, bytes})},
          {"/decoder",
           sequence("decoders", {undo, bytes, fuse, R"({"type":"Strip","content":" ","start":1,"stop":0})"})},
          {"/model/type", R"("WordPiece")"},
          {"/model/type", "null"},
          {"/model/byte_fallback", "false"},
          {"/model/byte_fallback", "1"},
          {"/model/ignore_merges", "true"},
          {"/model/ignore_merges", R"("yes")"},
          {"/model/dropout", "0.1"},
          {"/model/dropout", "true"},
          {"/model/continuing_subword_prefix", R"("##")"},
          {"/model/end_of_word_suffix", R"("</w>")"},
      }) {
    CAPTURE(std::string(c.part));
    CAPTURE(c.value);
    std::string part = c.part + 1;
    std::replace(part.begin(), part.end(), '/', '.');
    CHECK(with_part(c.part, c.value.c_str()).find("t.json: " + part + ": tokenizer is of another kind") == 0);
  }
  CHECK(with_part("/decoder", "null").ends_with("found none"));
  for (const char* part : {"normalizer", "decoder"}) {
    Changed changed;
    changed.document.erase(part);
    CHECK(changed.message().find(std::string("t.json: ") + part) == 0);
  }
}

TEST_CASE("lists of a tokenizer.json that are none are refused by name") {
  CHECK(with_part("/model/vocab", R"([["a",0.0]])").find("t.json: model.vocab: list has another type") == 0);
  CHECK(with_part("/model/merges", "null").find("t.json: model.merges: list has another type") == 0);
  CHECK(with_part("/model/merges", "{}").find("t.json: model.merges: list has another type") == 0);
  CHECK(with_part("/model/merges", "[]").find("t.json: model.merges: merges are missing") == 0);
  CHECK(with_part("/added_tokens", "{}").find("t.json: added_tokens: entry") == 0);
  CHECK(with_part("/added_tokens", "[3]").find("t.json: added_tokens: entry") == 0);
  CHECK(with_part("/added_tokens/0/special", "1").find("t.json: added_tokens: special") == 0);
  CHECK(with_part("/added_tokens/0/lstrip", "null").find("t.json: added_tokens: lstrip") == 0);
  CHECK(with_part("/added_tokens/0/id", "0.0").find("t.json: added_tokens: id") == 0);
  CHECK(with_part("/added_tokens/0/content", "[]").find("t.json: added_tokens: content") == 0);
  Changed changed;
  changed.document["model"].erase("merges");
  CHECK(changed.message().find("t.json: model.merges: merges are missing") == 0);
  changed = {};
  changed.document["normalizer"]["pad"] = std::string(std::size_t{2} << 20, 'x');
  CHECK(changed.message().find("t.json: settings are too long") == 0);
}

TEST_CASE("settings of a tokenizer.json that change nothing are accepted and give the same ids") {
  const std::string text = "Hello  world! Caf\xC3\xA9 \xE2\x80\x94 123 \xF0\x9F\x98\x8A\nx\ty<|turn>user\n";
  const std::vector<TokenId> wanted = Changed().ids(text);
  REQUIRE_FALSE(wanted.empty());
  struct Case {
    const char* part;
    std::string value;
  };
  for (
      const Case& c : {
          Case{"/truncation", R"({"direction":"Right","max_length":5,"strategy":"LongestFirst","stride":0})"},
          {"/padding", R"({"strategy":{"Fixed":64},"direction":"Left","pad_id":0,"pad_token":"<pad>"})"},
          {"/version", "[[[{}]]]"},
          {"/an_unknown_part", R"({"vocab":{"a":[1]},"merges":7})"},
          {"/added_tokens/0/an_unknown_field", "1"},
          {"/normalizer", sequence("normalizers", {replace_space})},
          {"/normalizer", sequence("normalizers", {sequence("normalizers", {}), replace_space})},
          {"/pre_tokenizer", "null"},
          {"/pre_tokenizer", sequence("pretokenizers", {})},
          {"/pre_tokenizer",
           R"({"type":"Split","pattern":{"String":" "},"behavior":"Removed","invert":false})"},
          {"/pre_tokenizer",
           R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":false})"},
          {"/post_processor", "null"},
          {"/post_processor", R"({"type":"ByteLevel","trim_offsets":true})"},
          {"/post_processor",
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<bos>"}},{"Sequence":{"id":"A"}}],
                "special_tokens":{"<bos>":{"id":"<bos>","ids":[2],"tokens":["<bos>"]}}})"},
          {"/model/unk_token", "null"},
          {"/model/fuse_unk", "false"},
          {"/model/dropout", "0"},
          {"/model/ignore_merges", "null"},
          {"/model/end_of_word_suffix", "\"\""},
          {"/added_tokens/5/normalized", "true"},
          {"/added_tokens", "[]"},
      }) {
    CAPTURE(std::string(c.part));
    CAPTURE(c.value);
    Changed changed;
    changed.document[Json::json_pointer(c.part)] = Json::parse(c.value);
    CHECK(changed.ids(text) == wanted);
  }
}

TEST_CASE("the bytes of a tokenizer.json may begin with a byte order mark and must end with the document") {
  const std::string whole = JsonParts().text();
  CHECK(json_message("\xEF\xBB\xBF" + whole) == "accepted");
  CHECK(json_message("\n" + whole + "\r\n") == "accepted");
  for (const std::string& tail : {std::string("{}"), std::string("garbage"), std::string(1, '\0'),
                                  std::string("\0garbage", 8), std::string("\xEF\xBB\xBF")}) {
    CAPTURE(tail);
    CHECK(json_message(whole + tail).find("t.json: ") == 0);
  }
  CHECK(json_message("\xEF\xBB\xBF\xEF\xBB\xBF" + whole).find("t.json: ") == 0);
}

TEST_CASE("a part that occurs twice is refused") {
  const std::string whole = JsonParts().text();
  const std::string open = whole.substr(0, whole.size() - 1);
  for (const char* part : {"normalizer", "model", "added_tokens"}) {
    CAPTURE(std::string(part));
    CHECK(json_message(open + ",\"" + part + "\":null}").find(std::string("t.json: ") + part) == 0);
  }
  CHECK(json_with(&JsonParts::head, "\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{}")
            .find("t.json: vocab") == 0);
}

TEST_CASE("what is found only when the tables are built names the file too") {
  JsonParts parts;
  parts.merges = "[[\"a\",\"b\"],[\"a\",\"b\"]]";
  auto data = lamina::read_tokenizer_json(as_bytes_of(parts.text()), "t.json");
  REQUIRE_MESSAGE(data, message(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE_FALSE(static_cast<bool>(tokenizer));
  CHECK(tokenizer.error().where.view() == "t.json: merge 1");
}

TEST_CASE("characters become <unk> only as the file says") {
  // Without byte tokens these two settings decide.
  const std::string head = "\"type\":\"BPE\",\"byte_fallback\":true";
  CHECK(json_with(&JsonParts::head, head).find("t.json: model.unk_token") == 0);
  CHECK(json_with(&JsonParts::head, head + ",\"unk_token\":\"<unk>\"").find("t.json: model.fuse_unk") == 0);
}

TEST_CASE("added tokens that are no special ones match everywhere and are text") {
  JsonParts parts;
  parts.added = R"({"id":7,"content":"<new>","special":false},{"id":8,"content":"<hid>","special":true},)"
                R"({"id":9,"content":"late","special":false,"normalized":true})";
  auto data = lamina::read_tokenizer_json(as_bytes_of(parts.text()), "t.json");
  REQUIRE_MESSAGE(data, message(data));
  const auto tokenizer = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));
  CHECK_FALSE(tokenizer->is_special(7));
  CHECK(tokenizer->is_special(8));
  CHECK(encode(*tokenizer, "a<new>b<hid>late", Special::match) == std::vector<TokenId>{0, 7, 1, 8, 9});
  CHECK(encode(*tokenizer, "a<new>ab", Special::ignore) == std::vector<TokenId>{0, 7, 2});
  const std::vector<TokenId> hidden = encode(*tokenizer, "<hid>", Special::ignore);
  CHECK(std::find(hidden.begin(), hidden.end(), TokenId{8}) == hidden.end());
  CHECK(tokenizer->decode(std::vector<TokenId>{0, 7, 8, 9, 1}, lamina::SpecialText::clean) == "a<new>lateb");
  CHECK(tokenizer->decode(std::vector<TokenId>{0, 7, 8, 1}, lamina::SpecialText::raw) == "a<new><hid>b");

  // Normalised ones are looked for in what the others leave, even where they begin earlier.
  parts.added = R"({"id":7,"content":"ba","special":false,"normalized":true},)"
                R"({"id":8,"content":"ab","special":false,"normalized":false})";
  parts.vocab = R"({"a":0,"b":1,"c":2,"<unk>":3,"<bos>":4,"<|turn>":5,"<turn|>":6})";
  parts.merges = "[]";
  data = lamina::read_tokenizer_json(as_bytes_of(parts.text()), "t.json");
  REQUIRE_MESSAGE(data, message(data));
  const auto two = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(two));
  CHECK(encode(*two, "bab", Special::ignore) == std::vector<TokenId>{1, 8});
  CHECK(encode(*two, "baab", Special::ignore) == std::vector<TokenId>{7, 8});

  // What normalisation would change is refused; known control tokens stay special whatever the file says.
  parts.added = R"({"id":7,"content":"new token","normalized":true})";
  CHECK(json_message(parts.text()).find("t.json: new token: tokenizer is of another kind") == 0);
  parts.added =
      R"({"id":7,"content":"new token","normalized":false},{"id":6,"content":"<turn|>","special":false})";
  data = lamina::read_tokenizer_json(as_bytes_of(parts.text()), "t.json");
  REQUIRE_MESSAGE(data, message(data));
  const auto third = Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(third));
  CHECK(third->is_special(6));
  CHECK(encode(*third, "anew tokenb", Special::ignore) == std::vector<TokenId>{0, 7, 1});
}
