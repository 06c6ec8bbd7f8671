// SPDX-License-Identifier: Apache-2.0
// Tokens that must come: those that a tokenizer makes of the text, whatever follows, and never one drawn
// where there is no other.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/masks/forced_tokens.hpp>

#include "support/expect_error.hpp"
#include "support/golden_text.hpp"
#include "support/schema_maker.hpp"
#include "support/schema_walk.hpp"

namespace {

using lamina::TokenId;
using lamina::masks::JsonSpace;
using lamina::masks::JsonTextLimits;
using Ids = std::vector<TokenId>;

/// All bytes, what is printed of ASCII, and merges, best first, as "left right".
lamina::Tokenizer tokenizer_of(const std::vector<std::string>& merges) {
  std::vector<std::string> texts{"<unk>", "<bos>", "<|turn>", "<turn|>", "\xE2\x96\x81", "\n", "\xC3\xA9"};
  for (int byte = 0; byte < 256; ++byte) texts.emplace_back(lamina::text("<0x%02X>", byte).c_str());
  for (char c = '!'; c <= '~'; ++c) texts.emplace_back(1, c);
  for (const std::string& merge : merges) {
    const std::size_t gap = merge.find(' ', 1);
    const std::string text = merge.substr(0, gap) + merge.substr(gap + 1);
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  }
  const std::vector<std::string_view> tokens(texts.begin(), texts.end());
  const std::vector<std::string_view> pairs(merges.begin(), merges.end());
  std::vector<std::int32_t> types;
  for (const std::string& text : texts) types.push_back(text.starts_with("<0x") ? 6 : 1);
  lamina::GgufVocabulary source;
  source.model = "gemma4";
  source.tokens = tokens;
  source.token_types = types;
  source.merges = pairs;
  source.eos_token_id = 3;
  auto data = lamina::vocabulary_from_gguf(source);
  if (!data) FAIL(lamina::describe(data.error()).c_str());
  auto made = lamina::Tokenizer::create(std::move(*data));
  if (!made) FAIL(lamina::describe(made.error()).c_str());
  return std::move(*made);
}

lamina::Tokenizer json_tokenizer() {
  return tokenizer_of({"\" :",  "\": \"", ", \"",   "\" ,\"", "{ \"", "\" }",  "a b",   "\" a", "t r",
                       "u e",   "tr ue",  "true ,", "true }", "1 ,",  "1 0",   "] }",   "} }",  "x y",
                       "xy \"", "c \\",   "\\ \"",  "b \"",   "n u",  "l l",   "nu ll", "[ ]",  "{ }",
                       ", {",   ", [",    "f a",    "[ \"",   "a \"", "\": [", "} ]"});
}

/// What must come, token by token: their texts with "|" between them, and "$" for the end.
std::string forced_text(lamina::TokenConstraint& constraint, const lamina::TokenIndex& index,
                        bool ends = true) {
  std::string out;
  for (;;) {
    const Ids ids = must(lamina::forced_tokens(constraint, index.tokenizer(), ends));
    if (ids.empty()) return out;
    for (const TokenId id : ids) {
      if (!out.empty()) out += '|';
      if (index.stops().has(id)) return out + '$';
      REQUIRE(constraint.accept(id));
      out += index.bytes_of(id);
    }
  }
}

/// The same from the beginning of one of a few texts.
std::string forced_of(const std::vector<std::string>& merges, const std::vector<std::string_view>& texts,
                      bool ends = true) {
  const lamina::Tokenizer tokenizer = tokenizer_of(merges);
  const lamina::TokenIndex index = must(lamina::TokenIndex::create(tokenizer));
  lamina::GrammarConstraint constraint(
      std::make_shared<const lamina::masks::Grammar>(lamina::masks::choice_grammar(texts)), index);
  return forced_text(constraint, index, ends);
}

/// Whether white space stands between the values of a document.
bool has_space(std::string_view json) {
  bool is_inside = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"') is_inside = !is_inside;
    if (is_inside && json[i] == '\\') ++i;
    if (!is_inside && std::string_view(" \n\t\r").find(json[i]) != std::string_view::npos) return true;
  }
  return false;
}

/// Writes documents as a model would that draws any token alike.
class Writer {
 public:
  Writer(lamina::TokenConstraint& constraint, const lamina::TokenIndex& index, Dice& dice)
      : constraint_(constraint), index_(index), dice_(dice) {}

  /// Whether it came to an end.
  bool run() {
    constraint_.reset();
    for (std::size_t tokens = 0; tokens < 300; ++tokens) {
      const Ids forced = must(lamina::forced_tokens(constraint_, index_.tokenizer(), true));
      if (!forced.empty()) {
        if (index_.stops().has(forced.front())) return true;
        runs.emplace_back(text.size(), forced);
        for (const TokenId id : forced) take(id);
        continue;
      }
      const Ids allowed = allowed_tokens();
      if (allowed.empty()) return false;  // a schema that no search sees through
      draws_without_choice += allowed.size() == 1 ? 1U : 0U;
      const TokenId id = choose(allowed, tokens > 40);
      if (index_.stops().has(id)) return true;
      take(id);
    }
    return false;
  }

  std::string text;
  std::vector<std::pair<std::size_t, Ids>> runs;  ///< where tokens were forced, and which
  std::size_t draws_without_choice = 0;

 private:
  Ids allowed_tokens() {
    const lamina::TokenMask& mask = *must(constraint_.mask());
    Ids ids;
    for (TokenId id = 0; id < index_.tokens(); ++id) {
      if (mask.has(id)) ids.push_back(id);
    }
    return ids;
  }
  TokenId choose(const Ids& allowed, bool ends) {
    for (const char first : std::string_view(ends ? "\"]}0" : "")) {
      for (const TokenId id : allowed) {
        if (index_.stops().has(id) || index_.bytes_of(id).front() == first) return id;
      }
    }
    return allowed[dice_.below(static_cast<std::uint32_t>(allowed.size()))];
  }
  void take(TokenId id) {
    CAPTURE(text);
    CAPTURE(std::string(index_.bytes_of(id)));
    REQUIRE(constraint_.accept(id));
    text += index_.bytes_of(id);
  }

  lamina::TokenConstraint& constraint_;
  const lamina::TokenIndex& index_;
  Dice& dice_;
};

}  // namespace

TEST_CASE("forced tokens: a token that crosses the end leaves those before it to be drawn") {
  // What a tokenizer makes of "ab" stays, unless "bc" is joined first.
  CHECK(forced_of({"a b", "b c"}, {"abc", "abd"}) == "ab");
  CHECK(forced_of({"b c", "a b"}, {"abc", "abd"}) == "");
  CHECK(forced_of({"b c", "a b"}, {"abd", "abe"}) == "ab");
  CHECK(forced_of({"a b", "ab c"}, {"abc", "abd"}) == "");
  CHECK(forced_of({"a b", "ab c"}, {"xabc", "xabd"}) == "x");
  // A token that no merges lead to is none that crosses.
  CHECK(forced_of({"x y", "b c", "a bc"}, {"xyab", "xyabd"}) == "xy|a|b");
  CHECK(forced_of({}, {"\xC3\xA9", "\xC3\xA8"}) == "");
  CHECK(forced_of({}, {"a\xC3\xA9", "a\xC3\xA8"}) == "a");
  CHECK(forced_of({"a b"}, {"ab"}) == "ab|$");
  CHECK(forced_of({"a b"}, {"ab"}, false) == "ab");
  const std::string long_a = std::string(600, 'x') + "a", long_b = std::string(600, 'x') + "b";
  CHECK(forced_of({}, {long_a, long_b}).size() == 1199);
}

TEST_CASE("forced tokens: all of a key and what is around it where JSON has no white space") {
  const lamina::Tokenizer tokenizer = json_tokenizer();
  const lamina::TokenIndex index = must(lamina::TokenIndex::create(tokenizer));
  const auto graph = std::make_shared<
      const lamina::masks::SchemaGraph>(must(lamina::compile_schema(std::string_view(
      R"({"type":"object","properties":{"ab":{"enum":["xy","c"]},"x":{"type":"boolean"}},"required":["ab","x"],
          "additionalProperties":false})"))));
  lamina::SchemaConstraint compact(graph, index, JsonTextLimits::for_writing(JsonSpace::none));
  CHECK(forced_text(compact, index) == "{\"");  // the keys come in any order
  CHECK(compact.accept(tokenizer.find("a")));
  CHECK(forced_text(compact, index) == R"(b|":")");
  CHECK(compact.accept(tokenizer.find("x")));
  CHECK(forced_text(compact, index) == R"(y|","|x|":)");
  CHECK(compact.accept(tokenizer.find("true}")));
  CHECK(forced_text(compact, index) == "$");
  CHECK_FALSE(must(compact.mask())->has(tokenizer.find("\n")));

  // With white space, a value and the end may be spelled in several ways; what is forced is not.
  lamina::SchemaConstraint spaced(graph, index, JsonTextLimits::for_writing());
  CHECK(spaced.accept("{\"ab\":") == 6);
  CHECK(must(spaced.mask())->has(tokenizer.find("\n")));
  CHECK(forced_text(spaced, index) == "\"");
  CHECK(spaced.accept("c\",\"x\":") == 7);
  CHECK(forced_text(spaced, index) == "");
  CHECK(spaced.accept("true}") == 5);
  CHECK(forced_text(spaced, index) == "");
}

TEST_CASE(
    "forced tokens: documents of random schemas are those of a tokenizer, and nothing is drawn in vain") {
  const lamina::Tokenizer tokenizer = json_tokenizer();
  const lamina::TokenIndex index = must(lamina::TokenIndex::create(tokenizer));
  std::size_t written = 0, forced = 0, in_vain = 0;
  const std::size_t count = rounds(150);
  for (std::size_t round = 0; round < count; ++round) {
    SchemaMaker maker(round);
    const std::string schema = maker.schema(3);
    CAPTURE(schema);
    auto compiled = lamina::compile_schema(schema);
    if (!compiled) continue;
    const auto graph = std::make_shared<const lamina::masks::SchemaGraph>(std::move(*compiled));
    for (const JsonSpace space : {JsonSpace::none, JsonSpace::any}) {
      lamina::SchemaConstraint constraint(graph, index, JsonTextLimits::for_writing(space));
      Dice dice(round);
      Writer writer(constraint, index, dice);
      const bool done = writer.run();
      in_vain += writer.draws_without_choice;
      if (!done) continue;
      ++written;
      CAPTURE(writer.text);
      CHECK(is_valid(*graph, writer.text));
      if (space == JsonSpace::none) CHECK_FALSE(has_space(writer.text));
      CHECK(nlohmann::json::accept(writer.text));
      for (const auto& run : writer.runs) {
        const Ids whole = encode(tokenizer, writer.text.substr(run.first), lamina::Special::ignore);
        const Ids& ids = run.second;
        forced += ids.size();
        const bool is_front = whole.size() >= ids.size() && std::equal(ids.begin(), ids.end(), whole.begin());
        CHECK_MESSAGE(is_front, writer.text.substr(run.first));
      }
    }
  }
  CHECK(in_vain == 0);
  CHECK(written > count);
  CHECK(forced > count);
}
