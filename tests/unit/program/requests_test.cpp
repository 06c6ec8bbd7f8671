// SPDX-License-Identifier: Apache-2.0
// What clients may ask: defaults, ranges and types of fields, and that errors name them.
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "lamina/serve/fields.cpp"
#include "lamina/serve/requests.cpp"
#include "lamina/serve/response_requests.cpp"
#include "support/expect_error.hpp"
#include "support/value_json.hpp"

namespace {

using program::serving::ChatWish;
using program::serving::RequestDefaults;
using program::serving::ToolChoice;

RequestDefaults request_defaults() {
  RequestDefaults defaults;
  defaults.generation.sampling.emplace();
  defaults.vocab = 1000;
  return defaults;
}

lamina::Result<ChatWish> chat_wish(std::string_view json) {
  auto request = program::serving::parse_request(json);
  if (!request) return request.error();
  return program::serving::read_chat_wish(std::move(*request), request_defaults());
}

/// A chat with one message, and more fields.
lamina::Result<ChatWish> chat_with(std::string_view fields) {
  return chat_wish(R"({"messages":[{"role":"user","content":"x"}],)" + std::string(fields) + "}");
}

/// The field that an error names.
std::string field_of(const lamina::Result<ChatWish>& wish) {
  REQUIRE_FALSE(static_cast<bool>(wish));
  return std::string(wish.error().where.view());
}

lamina::Result<ChatWish> response_wish(std::string_view json) {
  return program::serving::read_response_wish(must(program::serving::parse_request(json)),
                                              request_defaults());
}

constexpr std::string_view tools =
    R"("tools":[{"type":"function","function":{"name":"a","strict":true,"parameters":{"properties":{}}}},
       {"type":"function","function":{"name":"b"}}])";

}  // namespace

TEST_CASE("a chat request: what it says, and what it leaves open") {
  const auto plain = must(chat_with("\"model\":\"m\""));
  CHECK(plain.choices == 1);
  CHECK_FALSE(plain.streams);
  CHECK_FALSE(plain.conversation.enable_thinking);
  CHECK(plain.options.max_tokens == 0);
  CHECK(plain.options.sampling->top_k == 64);
  const auto full = must(chat_with(
      R"("temperature":0.5,"top_p":0.9,"top_k":3,"min_p":0.1,"repeat_penalty":1.5,"seed":-1,"max_tokens":7,
         "stop":["a","b"],"n":3,"stream":true,"stream_options":{"include_usage":true},"return_progress":true,
         "logit_bias":{"5":-100,"6":2.5},"logprobs":true,"top_logprobs":4,"reasoning_effort":"low","user":"u",
         "parallel_tool_calls":false,"frequency_penalty":0,"presence_penalty":null)"));
  CHECK(full.options.sampling->temperature == 0.5F);
  CHECK(full.options.sampling->top_k == 3);
  CHECK(full.options.sampling->repetition_penalty == 1.5F);
  CHECK(full.options.seed == UINT64_MAX);
  CHECK(full.options.max_tokens == 7);
  CHECK(full.options.stop == std::vector<std::string>{"a", "b"});
  CHECK(full.choices == 3);
  CHECK(full.streams);
  CHECK(full.wants_usage);
  CHECK(full.wants_progress);
  REQUIRE(full.options.bias.size() == 2);
  CHECK(full.options.bias[0].bias < -1e30F);
  CHECK(full.options.bias[1].bias == 2.5F);
  CHECK(full.top_log_probabilities == 4U);
  CHECK(full.conversation.enable_thinking);
  CHECK(full.options.think_budget == 512U);
  CHECK_FALSE(full.tool_choice.parallel);
  CHECK(must(chat_with(R"("max_completion_tokens":9,"max_tokens":7)")).options.max_tokens == 9);
  CHECK(must(chat_with(R"("chat_template_kwargs":{"enable_thinking":true})")).conversation.enable_thinking);
  CHECK(must(chat_with(R"("stop":"x","n":2.0)")).choices == 2);
}

TEST_CASE("fields of another type or out of range are named") {
  for (const auto& [fields, where] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"("temperature":-1)", "temperature"},
           {R"("temperature":"hot")", "temperature"},
           {R"("top_p":2)", "top_p"},
           {R"("top_k":-1)", "top_k"},
           {R"("top_k":1.5)", "top_k"},
           {R"("min_p":[])", "min_p"},
           {R"("seed":"1")", "seed"},
           {R"("seed":1e30)", "seed"},
           {R"("max_tokens":0)", "max_tokens"},
           {R"("max_completion_tokens":-4)", "max_completion_tokens"},
           {R"("n":0)", "n"},
           {R"("n":1000)", "n"},
           {R"("stop":5)", "stop"},
           {R"("stop":["a",5])", "stop"},
           {R"("stream":"yes")", "stream"},
           {R"("stream_options":[])", "stream_options"},
           {R"("stream_options":{"include_usage":1})", "stream_options.include_usage"},
           {R"("logit_bias":{"5":101})", "logit_bias.5"},
           {R"("logit_bias":{"1000":1})", "logit_bias.1000"},
           {R"("logit_bias":{"x":1})", "logit_bias.x"},
           {R"("logprobs":3)", "logprobs"},
           {R"("top_logprobs":3)", "top_logprobs"},
           {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
           {R"("model":7)", "model"},
           {R"("frequency_penalty":1)", "frequency_penalty"},
           {R"("response_format":"json")", "response_format"},
           {R"("response_format":{"type":"xml"})", "response_format.type"},
           {R"("response_format":{"type":"json_schema"})", "response_format.json_schema"},
           {R"("response_format":{"type":"json_schema","json_schema":{}})",
            "response_format.json_schema.schema"},
           {R"("reasoning_effort":"huge")", "reasoning_effort"},
           {R"("chat_template_kwargs":{"enable_thinking":"on"})", "chat_template_kwargs.enable_thinking"},
           {R"("tools":{})", "tools"},
           {R"("tools":[5])", "tools[0]"},
           {R"("tools":[{"type":"function"}])", "tools[0].function"},
           {R"("tools":[{"type":"web"}])", "tools[0].type"},
           {R"("tools":[{"function":{"name":"a b"}}])", "tools[0].function.name"},
           {R"("tools":[{"function":{"name":"a"}},{"function":{"name":"a"}}])", "tools[1].function.name"},
           {R"("tools":[{"function":{"name":"a","parameters":[]}}])", "tools[0].function.parameters"},
           {R"("tools":[{"function":{"name":"a","strict":1}}])", "tools[0].function.strict"},
           {R"("tool_choice":"required")", "tool_choice"},
           {R"("tool_choice":"all")", "tool_choice"},
           {R"("tool_choice":5)", "tool_choice"},
           {R"("functions":[])", "functions"},
           {R"("modalities":["text","audio"])", "modalities"}}) {
    const std::string_view shown = fields;  // clang 14 captures no bindings
    CAPTURE(shown);
    CHECK(field_of(chat_with(fields)) == where);
  }
}

TEST_CASE("messages: roles, contents, calls as text, parts that name a place") {
  for (const auto& [messages, where] : std::initializer_list<std::pair<const char*, const char*>>{
           {"{}", "messages"},
           {"[]", "messages"},
           {"[5]", "messages[0]"},
           {R"([{"content":"x"}])", "messages[0].role"},
           {R"([{"role":5,"content":"x"}])", "messages[0].role"},
           {R"([{"role":"user","content":"x"},{"role":"robot","content":"x"}])", "messages[1].role"},
           {R"([{"role":"user"}])", "messages[0].content"},
           {R"([{"role":"user","content":5}])", "content"},
           {R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"/etc/passwd"}}]}])",
            "messages[0].content[0]"},
           {R"([{"role":"user","content":[{"type":"text","text":"x"},{"type":"image","path":"a.png"}]}])",
            "messages[0].content[1]"},
           {R"([{"role":"user","content":[{"type":"video","url":"https://a.b/c.mp4"}]}])",
            "messages[0].content[0]"},
           {R"([{"role":"user","content":[{"type":"image_url"}]}])", "messages[0].content[0]"},
           {R"([{"role":"user","content":[{"type":"file","file":{"file_id":"x"}}]}])",
            "messages[0].content[0].type"},
           {R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}])",
            "messages[0].tool_calls[0].function.arguments"},
           {R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"[]"}}]}])",
            "messages[0].tool_calls[0].function.arguments"}}) {
    const std::string_view shown = messages;  // clang 14 captures no bindings
    CAPTURE(shown);
    CHECK(field_of(chat_wish("{\"messages\":" + std::string(messages) + "}")) == where);
  }
  const auto wish = must(chat_wish(
      R"({"messages":[{"role":"developer","content":"d"},{"role":"assistant","content":null,"tool_calls":[
          {"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},
          {"id":"2","type":"function","function":{"name":"g","arguments":""}}]},
          {"role":"tool","tool_call_id":"1","content":"ok"},
          {"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]})"));
  REQUIRE(wish.conversation.messages.size() == 4);
  const auto& calls = wish.conversation.messages[1].tool_calls;
  REQUIRE(calls.size() == 2);
  CHECK(calls[0].arguments.find("a")->text == "1");
  CHECK(calls[1].arguments.items.empty());
  CHECK(wish.conversation.messages[3].content.parts[0].source == "data:audio/wav;base64,UklGRg==");
}

TEST_CASE("tools and which of them must be called") {
  const auto with = [](const char* more) { return chat_with(std::string(tools) + more); };
  const auto all = must(with(""));
  CHECK(all.conversation.tools.size() == 2);
  CHECK(all.strict == std::vector<bool>{true, false});
  CHECK(all.conversation.tools[0].find("parameters")->find("type")->text == "object");
  CHECK(all.tool_choice.kind == ToolChoice::Kind::automatic);
  CHECK(must(with(R"(,"tool_choice":"none")")).tool_choice.kind == ToolChoice::Kind::none);
  CHECK(must(with(R"(,"tool_choice":"required")")).tool_choice.kind == ToolChoice::Kind::required);
  const auto named = must(with(R"(,"tool_choice":{"type":"function","function":{"name":"b"}})"));
  CHECK(named.tool_choice.kind == ToolChoice::Kind::required);
  CHECK(named.tool_choice.name == "b");
  CHECK(field_of(with(R"(,"tool_choice":{"type":"function","function":{"name":"c"}})")) == "tool_choice");
  CHECK(field_of(with(R"(,"tool_choice":{"type":"function"})")) == "tool_choice.function.name");
}

TEST_CASE("bodies that are no request") {
  for (const char* body : {"", "{", "[]", "5", "\"x\"", "{\"messages\":NaN", "\xFF\xFE", "{}{}"}) {
    CAPTURE(body);
    const auto request = program::serving::parse_request(body);
    REQUIRE_FALSE(static_cast<bool>(request));
    CHECK(request.error().where.view() == "body");
  }
  // A value takes far more memory than its text.
  const auto many = program::serving::parse_request("{\"a\":[" + std::string(1'200'000, ',') + "]}");
  expect_error(many, lamina::ErrorCode::bad_argument, "body", "too many values");
  CHECK(
      static_cast<bool>(program::serving::parse_request("{\"a\":\"" + std::string(1'200'000, ',') + "\"}")));
}

TEST_CASE("completions: prompts of text and ids") {
  const auto wish_of = [](std::string_view json) {
    return program::serving::read_completion_wish(must(program::serving::parse_request(json)),
                                                  request_defaults());
  };
  CHECK(must(wish_of(R"({"prompt":"x"})")).prompts[0].text == "x");
  CHECK(must(wish_of(R"({"prompt":["x","y"]})")).prompts.size() == 2);
  CHECK(must(wish_of(R"({"prompt":[1,2,3]})")).prompts[0].ids.size() == 3);
  CHECK(must(wish_of(R"({"prompt":[[1,2],[3]],"n":2})")).prompts.size() == 2);
  for (const auto& [json, where] : std::initializer_list<std::pair<const char*, const char*>>{
           {"{}", "prompt"},
           {R"({"prompt":5})", "prompt"},
           {R"({"prompt":[1000]})", "prompt"},
           {R"({"prompt":[[1],5]})", "prompt[1]"},
           {R"({"prompt":[-1]})", "prompt"},
           {R"({"prompt":["x","y"],"n":16})", "n"},
           {R"({"prompt":"x","best_of":4})", "best_of"},
           {R"({"prompt":"x","suffix":"y"})", "suffix"},
           {R"({"prompt":"x","logprobs":true})", "logprobs"}}) {
    const std::string_view shown = json;  // clang 14 captures no bindings
    CAPTURE(shown);
    const auto wish = wish_of(json);
    REQUIRE_FALSE(static_cast<bool>(wish));
    CHECK(wish.error().where.view() == where);
  }
}

TEST_CASE("responses: items become messages") {
  const auto wish = must(response_wish(
      R"({"instructions":"be short","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},
          {"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}]},
          {"type":"function_call","call_id":"1","name":"a","arguments":"{}"},
          {"type":"function_call","call_id":"2","name":"a","arguments":"{}"},
          {"type":"function_call_output","call_id":"1","output":"ok"}],
          "tools":[{"type":"function","name":"a","parameters":{"type":"object"},"strict":true}],
          "max_output_tokens":5,"reasoning":{"effort":"high"},
          "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}}})"));
  const auto& messages = wish.conversation.messages;
  REQUIRE(messages.size() == 4);
  CHECK(messages[0].role == "system");
  CHECK(messages[1].content.parts[0].text == "x");
  CHECK(messages[2].reasoning == "hm");
  CHECK(messages[2].tool_calls.size() == 2);
  CHECK(messages[3].tool_call_id == "1");
  CHECK(wish.conversation.tools.size() == 1);
  CHECK(wish.strict == std::vector<bool>{true});
  CHECK(wish.options.max_tokens == 5);
  CHECK(wish.conversation.enable_thinking);
  CHECK(wish.schema.has_value());
  CHECK(must(response_wish(R"({"input":"hello"})")).conversation.messages.size() == 1);
  for (const auto& [json, where] : std::initializer_list<std::pair<const char*, const char*>>{
           {"{}", "input"},
           {R"({"input":5})", "input"},
           {R"({"input":[5]})", "input[0]"},
           {R"({"input":[{"type":"web_search_call"}]})", "input[0].type"},
           {R"({"input":[{"role":"user","content":[{"type":"input_file"}]}]})", "input[0].content[0].type"},
           {R"({"input":[{"type":"function_call","name":5}]})", "input[0].name"},
           {R"({"input":[{"role":"user","content":[{"type":"input_image","image_url":"http://a.b"}]}]})",
            "messages[0].content[0]"},
           {R"({"input":"x","previous_response_id":"resp_1"})", "previous_response_id"},
           {R"({"input":"x","tools":[{"type":"web_search"}]})", "tools[0].type"},
           {R"({"input":"x","background":true})", "background"},
           {R"({"input":"x","reasoning":{"effort":"x"}})", "reasoning.effort"}}) {
    const std::string_view shown = json;  // clang 14 captures no bindings
    CAPTURE(shown);
    CHECK(field_of(response_wish(json)) == where);
  }
}
