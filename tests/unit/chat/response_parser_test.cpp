// SPDX-License-Identifier: Apache-2.0
// Answers against the reference events: every reply, fed whole, id by id and in every other listed way.

#include <lamina/chat/chat_template.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/sampling/random.hpp>

#include "support/golden_text.hpp"
#include "support/value_json.hpp"

namespace {

using lamina::ResponseEvent;
using Json = nlohmann::json;

/// What a parser gave, in the shape of the reference: pieces joined, calls as JSON.
struct Collected {
  std::string thought;
  std::string text;
  Json calls = Json::array();
  std::string finish;
  std::vector<std::pair<std::string, std::string>> order;  ///< kinds in order, neighbours joined

  explicit Collected(const std::vector<ResponseEvent>& events) {
    for (const ResponseEvent& event : events) {
      switch (event.kind) {
        case ResponseEvent::Kind::thought:
          add("thought", thought, event.text);
          break;
        case ResponseEvent::Kind::text:
          add("text", text, event.text);
          break;
        case ResponseEvent::Kind::tool_call: {
          calls.push_back(call_json(event.call));
          order.emplace_back("call", "");
          break;
        }
      }
    }
  }

  void add(const char* kind, std::string& whole, const std::string& piece) {
    CHECK_FALSE(piece.empty());
    CHECK(lamina::is_valid_utf8(piece));
    whole += piece;
    if (order.empty() || order.back().first != kind) order.emplace_back(kind, "");
    order.back().second += piece;
  }

  static Json call_json(const lamina::ParsedCall& call) {
    if (!call.well_formed) return Json{{"malformed", call.body}};
    std::string arguments;
    lamina::append_json(call.arguments, arguments);
    Json out{{"name", call.name}, {"arguments", Json::parse(arguments, nullptr, false)}};
    return out;
  }
};

std::vector<ResponseEvent> parse(const lamina::Tokenizer& tokenizer, const Json& reference,
                                 const std::vector<std::size_t>& sizes, lamina::FinishReason& reason) {
  const auto ids = golden_ids(reference["ids"]);
  lamina::ResponseParser parser(tokenizer, reference["starts_in_thought"].get<bool>()
                                               ? lamina::ResponseStart::thought
                                               : lamina::ResponseStart::answer);
  std::vector<ResponseEvent> events;
  std::size_t begin = 0;
  for (const std::size_t size : sizes) {
    REQUIRE(begin + size <= ids.size());
    parser.push(std::span(ids).subspan(begin, size), events);
    begin += size;
  }
  REQUIRE(begin == ids.size());
  parser.finish(events);
  reason = parser.reason();
  return events;
}

/// All that events say, pieces of one kind joined.
std::string merged(const std::vector<ResponseEvent>& events) {
  std::string out;
  ResponseEvent::Kind last = ResponseEvent::Kind::tool_call;
  for (const ResponseEvent& event : events) {
    if (event.kind != last || event.kind == ResponseEvent::Kind::tool_call)
      out += '\x01' + std::to_string(static_cast<int>(event.kind));
    last = event.kind;
    out += event.text + event.call.name + event.call.body;
    lamina::append_json(event.call.arguments, out);
  }
  return out;
}

/// Keys of all objects in order, which Json's own comparison does not look at.
std::string key_order(const lamina::Value& value) {
  std::string out;
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (value.is(lamina::Value::Kind::object)) out += value.keys[i] + ";";
    out += key_order(value.items[i]);
  }
  return out;
}

std::string key_order(const nlohmann::ordered_json& value) {
  std::string out;
  if (!value.is_structured()) return out;
  for (const auto& item : value.items()) {
    if (value.is_object()) out += item.key() + ";";
    out += key_order(item.value());
  }
  return out;
}

lamina::ParsedCall parsed(std::string body) {
  for (std::size_t at = body.find('Q'); at != std::string::npos; at = body.find('Q'))
    body[at] = lamina::quote_mark;
  return lamina::parse_call(body);
}

std::string arguments_of(const std::string& body) {
  const lamina::ParsedCall call = parsed(body);
  if (!call.well_formed) return "malformed";
  std::string out;
  lamina::append_json(call.arguments, out);
  return out;
}

}  // namespace

TEST_CASE("every reference answer parses to the reference events, however it is fed") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const Json references = golden_json("chat/parse.json");
  const auto ordered =
      nlohmann::ordered_json::parse(read_bytes(golden_path("chat/parse.json")), nullptr, false);
  REQUIRE(references.size() == 81);
  std::size_t ways = 0;
  for (std::size_t n = 0; n < references.size(); ++n) {
    const Json& reference = references[n];
    CAPTURE(reference["name"].get<std::string>());
    CHECK(lamina::starts_in_thought(reference["prompt"].get<std::string>()) ==
          reference["starts_in_thought"].get<bool>());
    std::vector<std::vector<std::size_t>> feeds{std::vector<std::size_t>(reference["ids"].size(), 1)};
    for (const Json& sizes : reference["feed_sizes"]) feeds.push_back(sizes.get<std::vector<std::size_t>>());
    for (const auto& sizes : feeds) {
      ++ways;
      lamina::FinishReason reason{};
      const auto events = parse(tokenizer, reference, sizes, reason);
      const Collected found(events);
      const Json& expected = reference["expected"];
      CHECK(found.thought == expected["thought"].get<std::string>());
      CHECK(found.text == expected["text"].get<std::string>());
      CHECK(found.calls == expected["tool_calls"]);
      CHECK(lamina::name_of(reason) == expected["finish"].get<std::string>());
      std::size_t call = 0;
      for (const ResponseEvent& event : events) {
        if (event.kind != ResponseEvent::Kind::tool_call) continue;
        const auto& wanted = ordered[n]["expected"]["tool_calls"][call++];
        if (event.call.well_formed) CHECK(key_order(event.call.arguments) == key_order(wanted["arguments"]));
      }
      // The order of events: the reference's, without those that hold white space only.
      std::vector<std::string> kinds;
      for (const Json& event : reference["events"]) {
        const std::string kind = event[0];
        if (kind != "call" && lamina::trim(event[1].get<std::string>()).empty()) continue;
        kinds.push_back(kind);
      }
      std::vector<std::string> found_kinds;
      for (const auto& [kind, text] : found.order) found_kinds.push_back(kind);
      CHECK(found_kinds == kinds);
    }
  }
  CHECK(ways > 160);
}

TEST_CASE("100 000 random cuts of reply streams give equal results") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const Json references = golden_json("chat/parse.json");
  std::vector<std::string> whole;
  for (const Json& reference : references) {
    lamina::FinishReason reason{};
    whole.push_back(merged(parse(tokenizer, reference, {reference["ids"].size()}, reason)));
  }
  lamina::Random random(15);
  std::size_t wrong = 0;
  for (std::size_t cuts = 0; cuts < 100'000;) {
    const std::size_t n = random.next() % references.size();
    std::vector<std::size_t> sizes;
    for (std::size_t left = references[n]["ids"].size(); left > 0; left -= sizes.back()) {
      sizes.push_back(std::min<std::size_t>(left, random.next() % 8));
      ++cuts;
    }
    lamina::FinishReason reason{};
    if (merged(parse(tokenizer, references[n], sizes, reason)) != whole[n]) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("big integers keep their digits") {
  CHECK(arguments_of("call:f{a:12345678901234567890123}") == "{\"a\":12345678901234567890123}");
  // More than a double can hold: what reads JSON would refuse it, so it stays text.
  const std::string digits(400, '9');
  CHECK(arguments_of("call:f{a:" + digits + "}") == "{\"a\":\"" + digits + "\"}");
  CHECK(arguments_of("call:f{a:1e400}") == "{\"a\":\"1e400\"}");
}

TEST_CASE("call bodies that models get wrong") {
  CHECK(arguments_of("call:f{city:QOslo}") == "{\"city\":\"Oslo\"}");
  CHECK(arguments_of("call:f{o:{l:[Qb]}}") == "{\"o\":{\"l\":[\"b\"]}}");
  CHECK(arguments_of("call:f{l:[Qb") == "{\"l\":[\"b\"]}");
  CHECK(arguments_of("call:f{x:1}}") == "{\"x\":1}");
  CHECK(arguments_of("call:f{x:1} and more") == "malformed");
  CHECK(arguments_of("call:f{x:1]}") == "malformed");
  CHECK(arguments_of("call:f{x 1}") == "malformed");
  CHECK(arguments_of("call:f{x}") == "malformed");
  CHECK(arguments_of("call:f{x:}") == "malformed");
  CHECK(arguments_of("call:{x:1}") == "malformed");
  CHECK(arguments_of("call f{x:1}") == "malformed");
  CHECK(arguments_of("call:f{a:1,b:2,a:3}") == "{\"a\":3,\"b\":2}");
  CHECK(arguments_of("call:f{a:01,b:1.,c:-,d:1e999}") ==
        "{\"a\":\"01\",\"b\":\"1.\",\"c\":\"-\",\"d\":\"1e999\"}");
  CHECK(arguments_of("call:f{a:g(x[0,1]),b:2}") == "{\"a\":\"g(x[0,1])\",\"b\":2}");
  CHECK(arguments_of("call:f{a:'tis so,b:2}") == "{\"a\":\"'tis so\",\"b\":2}");
  CHECK(arguments_of("call:f{a:\"\\u00e9\\ud83d\\ude80\\ud83d\\q\\n\"}") ==
        "{\"a\":\"\xC3\xA9\xF0\x9F\x9A\x80\xEF\xBF\xBD\\\\q\\n\"}");
  CHECK(arguments_of("call:f{a:OsloQ,b:2}") == "{\"a\":\"Oslo\",\"b\":2}");
  std::string deep = "call:f{a:";
  deep.append(100'000, '[');
  CHECK(arguments_of(deep) == "malformed");
  CHECK(parsed("call:f(Qx").body == "call:f(<|\"|>x");
}

TEST_CASE("a character cut by a marker becomes U+FFFD in the part it belongs to") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const auto& special = tokenizer.special();
  const std::vector<lamina::TokenId> ids{tokenizer.find("<0xE2>"), special.channel_open, tokenizer.find("\n"),
                                         tokenizer.find("<0xE2>"), special.turn_close};
  lamina::ResponseParser parser(tokenizer);
  std::vector<ResponseEvent> events;
  CHECK(parser.push(ids, events));
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == ResponseEvent::Kind::text);
  CHECK(events[0].text == lamina::replacement_character);
  CHECK(events[1].kind == ResponseEvent::Kind::thought);
  CHECK(events[1].text == lamina::replacement_character);
}
