// SPDX-License-Identifier: Apache-2.0
// Prompts against the published templates: text of both sizes, spans, ids, and inputs that must be refused.

#include <lamina/json/conversation.hpp>
#include <lamina/chat/chat_template.hpp>

#include "support/golden_text.hpp"

namespace {

using lamina::Special;
using lamina::TemplateSize;
using Json = nlohmann::json;

/// One case's input as the JSON text it was written as: objects keep their order and numbers their digits.
struct CaseInputs {
  std::vector<lamina::Value> cases;
  explicit CaseInputs(const std::string& file) {
    auto parsed = lamina::parse_json_value(read_bytes(golden_path(file)));
    REQUIRE(static_cast<bool>(parsed));
    cases = parsed->items;
  }
};

/// Spans with neighbours of one kind joined.
std::vector<std::pair<int, std::string>> joined(const Json& spans) {
  std::vector<std::pair<int, std::string>> out;
  for (const Json& span : spans) {
    const int kind = span[0].get<int>();
    if (out.empty() || out.back().first != kind) out.emplace_back(kind, "");
    out.back().second += span[1].get<std::string>();
  }
  return out;
}

}  // namespace

TEST_CASE("every reference conversation renders to the reference prompts and ids") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const Json references = golden_json("chat/render.json");
  const CaseInputs inputs("chat/render.json");
  REQUIRE(references.size() == 135);
  REQUIRE(inputs.cases.size() == 135);
  std::size_t refused = 0;
  std::size_t rendered = 0;
  for (std::size_t i = 0; i < references.size(); ++i) {
    const Json& reference = references[i];
    CAPTURE(reference["name"].get<std::string>());
    const auto conversation = lamina::read_chat_value(inputs.cases[i]);
    if (reference.contains("error")) {
      ++refused;
      CHECK_FALSE(static_cast<bool>(conversation));
      continue;
    }
    REQUIRE(static_cast<bool>(conversation));
    const auto large = lamina::render_chat(*conversation, TemplateSize::large);
    const auto small = lamina::render_chat(*conversation, TemplateSize::small);
    REQUIRE(static_cast<bool>(large));
    REQUIRE(static_cast<bool>(small));
    CHECK(large->text() == reference["prompt_large"].get<std::string>());
    CHECK(small->text() ==
          reference[reference.contains("prompt_small") ? "prompt_small" : "prompt_large"].get<std::string>());
    const auto spans = large->spans();
    const auto expected = joined(reference["spans"]);
    REQUIRE(spans.size() == expected.size());
    for (std::size_t k = 0; k < spans.size(); ++k) {
      CHECK((spans[k].special == Special::match ? 1 : 0) == expected[k].first);
      CHECK(spans[k].text == expected[k].second);
    }
    std::vector<lamina::TokenId> ids;
    CHECK(tokenizer.encode(spans, ids, lamina::Bos::once));
    CHECK(ids == golden_ids(reference["ids"]));
    if (reference.contains("ids_hf")) {
      CHECK(encode(tokenizer, large->text(), Special::match) == golden_ids(reference["ids_hf"]));
    }
    ++rendered;
  }
  CHECK(refused == 2);
  CHECK(rendered == 133);
}

TEST_CASE(
    "odd schemas, parts and names render as the published template renders them, or are refused as by it") {
  const Json references = golden_json("chat/odd.json");
  const CaseInputs inputs("chat/odd.json");
  REQUIRE(references.size() == 87);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < references.size(); ++i) {
    const Json& reference = references[i];
    CAPTURE(reference["name"].get<std::string>());
    const auto conversation = lamina::read_chat_value(inputs.cases[i]);
    const auto render = [&](TemplateSize size) {
      const auto prompt = conversation ? lamina::render_chat(*conversation, size) : conversation.error();
      return prompt ? prompt->text() : "refused";
    };
    if (reference.contains("error")) {
      ++refused;
      CHECK(render(TemplateSize::large) == "refused");
      CHECK(render(TemplateSize::small) == "refused");
      continue;
    }
    CHECK(render(TemplateSize::large) == reference["prompt_large"].get<std::string>());
    CHECK(render(TemplateSize::small) ==
          reference[reference.contains("prompt_small") ? "prompt_small" : "prompt_large"].get<std::string>());
  }
  CHECK(refused == 15);
}

TEST_CASE("an engine that reads text only refuses everything else, by message and part") {
  const auto found = [](std::string_view part) {
    const std::string json =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":["
        "{\"type\":\"text\",\"text\":\"b\"}," +
        std::string(part) + "]}]}";
    const auto chat = lamina::read_chat_json(json);
    REQUIRE(static_cast<bool>(chat));
    const lamina::Status status = lamina::check_encoded(*chat);
    if (status) return std::string("accepted");
    CHECK(status.error().code == lamina::ErrorCode::unsupported);
    return std::string(status.error().where.view()) + " " + std::string(status.error().found.view());
  };
  for (const std::string_view type :
       {"image", "image_url", "audio", "input_audio", "video", "file", "document", "input_text"}) {
    CHECK(found("{\"type\":\"" + std::string(type) + "\"}") == "messages[1].content[1] " + std::string(type));
  }
  CHECK(found("{\"text\":\"no type\"}") == "messages[1].content[1] other");
  CHECK(found("{\"type\":\"text\",\"text\":\"c\"}") == "accepted");

  lamina::Conversation chat;
  lamina::Message message;
  message.role = "user";
  message.content = std::vector<lamina::ContentPart>{{lamina::ContentPart::Kind::video, "", ""}};
  chat.messages.push_back(message);
  const lamina::Status status = lamina::check_encoded(chat);
  REQUIRE_FALSE(static_cast<bool>(status));
  CHECK(status.error().where.view() == "messages[0].content[0]");
  CHECK(status.error().found.view() == "video");
}

TEST_CASE("conversations made in C++ are refused where the template fails") {
  lamina::Conversation chat;
  lamina::Message message;
  message.role = "assistant";
  message.tool_calls.push_back({"f", lamina::Value::string("{\"a\":1}"), {}});
  chat.messages.push_back(message);
  const auto prompt = lamina::render_chat(chat, TemplateSize::small);
  REQUIRE_FALSE(static_cast<bool>(prompt));
  CHECK(prompt.error().expected.view() == "an object or null");

  lamina::Value deep;
  for (int i = 0; i < 200; ++i) {
    lamina::Value outer = lamina::Value::list();
    outer.items.push_back(deep);
    deep = outer;
  }
  lamina::Value arguments = lamina::Value::object();
  arguments.append("a", deep);
  chat.messages[0].tool_calls[0].arguments = arguments;
  CHECK_FALSE(static_cast<bool>(lamina::render_chat(chat, TemplateSize::small)));
}

TEST_CASE("chat JSON of the wrong shape is refused with the field's name") {
  const auto where = [](std::string_view json) {
    const auto chat = lamina::read_chat_json(json);
    return chat ? std::string("accepted") : std::string(chat.error().where.view());
  };
  CHECK(where("") == "JSON: byte 0");
  CHECK(where("{\"messages\":[") == "JSON: byte 13");
  CHECK(where("[]") == "request");
  CHECK(where("{}") == "messages");
  CHECK(where("{\"messages\":{}}") == "messages");
  CHECK(where("{\"messages\":[1]}") == "messages");
  CHECK(where("{\"messages\":[{}]}") == "messages.role");
  CHECK(where("{\"messages\":[{\"role\":1}]}") == "messages.role");
  CHECK(where("{\"messages\":[{\"role\":\"user\",\"content\":3}]}") == "content");
  CHECK(where("{\"messages\":[{\"role\":\"user\",\"content\":[3]}]}") == "content");
  CHECK(where("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":3}]}]}") == "text");
  CHECK(where("{\"messages\":[{\"role\":\"a\",\"tool_calls\":[{}]}]}") == "tool_calls.function");
  CHECK(where("{\"messages\":[],\"tools\":[{}]}") == "tools.function");
  CHECK(where("{\"messages\":[],\"enable_thinking\":1}") == "enable_thinking");
  CHECK(where("{\"messages\":[]}") == "accepted");
  CHECK(where("{\"messages\":[],\"tools\":null,\"enable_thinking\":null}") == "accepted");
  std::string deep = "{\"messages\":";
  for (int i = 0; i < 100'000; ++i) deep += '[';
  CHECK(where(deep) == "JSON");
}

TEST_CASE("numbers are written as Python writes them") {
  CHECK(lamina::python_float(0.0) == "0.0");
  CHECK(lamina::python_float(-0.0) == "-0.0");
  CHECK(lamina::python_float(15) == "15.0");
  CHECK(lamina::python_float(0.1) == "0.1");
  CHECK(lamina::python_float(123.456) == "123.456");
  CHECK(lamina::python_float(1e15) == "1000000000000000.0");
  CHECK(lamina::python_float(9007199254740993.0) == "9007199254740992.0");
  CHECK(lamina::python_float(1e16) == "1e+16");
  CHECK(lamina::python_float(1.5e300) == "1.5e+300");
  CHECK(lamina::python_float(0.0001) == "0.0001");
  CHECK(lamina::python_float(0.00001234) == "1.234e-05");
  CHECK(lamina::python_float(5e-324) == "5e-324");
  CHECK(lamina::python_float(-2.5) == "-2.5");
}

TEST_CASE("thoughts are cut out of history") {
  CHECK(lamina::without_thoughts("a<|channel>thought\nx<channel|>b") == "ab");
  CHECK(lamina::without_thoughts("a<|channel>never closed") == "a");
  CHECK(lamina::without_thoughts("a<channel|>b") == "ab");
  CHECK(lamina::without_thoughts("") == "");
}
