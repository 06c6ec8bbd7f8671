// SPDX-License-Identifier: Apache-2.0
// Requests for answers: what all share, chats and completions.
#include "requests.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include <lamina/json/conversation.hpp>
#include <lamina/json/value.hpp>
#include <lamina/media/data_url.hpp>

#include "../json_space.hpp"

namespace program::serving {

using lamina::Done;
using lamina::Error;
using lamina::ErrorCode;
using lamina::Result;
using lamina::Status;
using lamina::Value;
using Kind = lamina::Value::Kind;

namespace {

std::string item_path(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

Value* find_in(Value& object, std::string_view key) noexcept { return const_cast<Value*>(object.find(key)); }

/// Penalties that are known elsewhere and not here may be given where they change nothing.
Status refuse_penalties(const Fields& request) {
  for (const char* key : {"frequency_penalty", "presence_penalty"}) {
    double penalty = 0;
    LAMINA_TRY(request.number(key, -2, 2, penalty));
    if (penalty != 0)
      return not_offered(request.path_of(key), "0, or repeat_penalty", lamina::text("%g", penalty));
  }
  return Done{};
}

Status read_sampling(const Fields& request, lamina::SamplingOptions& sampling) {
  LAMINA_TRY(request.number("temperature", 0, 100, sampling.temperature));
  LAMINA_TRY(request.number("top_p", 0, 1, sampling.top_p));
  LAMINA_TRY(request.number("min_p", 0, 1, sampling.min_p));
  LAMINA_TRY(request.integer("top_k", 0U, 1U << 24, sampling.top_k));
  LAMINA_TRY(request.number("repeat_penalty", 0.01, 100, sampling.repetition_penalty));
  LAMINA_TRY(request.number("repetition_penalty", 0.01, 100, sampling.repetition_penalty));
  LAMINA_TRY(request.integer("repeat_last_n", 0U, 1U << 20, sampling.repetition_window));
  if (sampling.top_p == 0) sampling.top_p = std::numeric_limits<float>::min();  // the likeliest alone
  return refuse_penalties(request);
}

Status read_bias(const Fields& request, std::uint32_t vocab, std::vector<lamina::LogitBias>& out) {
  const auto found = request.object_in("logit_bias");
  if (!found) return found.error();
  if (*found == nullptr) return Done{};
  const Fields bias(**found, request.path_of("logit_bias"));
  for (std::size_t i = 0; i < (*found)->items.size(); ++i) {
    const std::string& key = (*found)->keys[i];
    std::uint32_t id = 0;
    const auto read = std::from_chars(key.data(), key.data() + key.size(), id);
    if (read.ec != std::errc{} || read.ptr != key.data() + key.size() || id >= vocab)
      return field_error(bias.path_of(key), "no token of the vocabulary", lamina::text("ids below %u", vocab),
                         key);
    double value = 0;
    LAMINA_TRY(bias.number(key, -100, 100, value));
    out.push_back({id, value <= -100 ? -std::numeric_limits<float>::infinity() : static_cast<float>(value)});
  }
  return Done{};
}

Status read_stream_options(const Fields& request, AnswerWish& wish) {
  const auto found = request.object_in("stream_options");
  if (!found) return found.error();
  if (*found == nullptr) return Done{};
  return Fields(**found, "stream_options").flag("include_usage", wish.wants_usage);
}

/// Parts of a message that are pictures, sounds or videos: what they name is in the request, or refused.
Status check_parts(const lamina::Message& message, const std::string& path) {
  using PartKind = lamina::ContentPart::Kind;
  for (std::size_t i = 0; i < message.content.parts.size(); ++i) {
    const lamina::ContentPart& part = message.content.parts[i];
    const std::string at = item_path(path + ".content", i);
    if (part.kind == PartKind::text) continue;
    if (part.kind == PartKind::other)
      return not_offered(at + ".type", "text, image_url, input_audio or video", part.type);
    if (!lamina::is_data_url(part.source))
      return field_error(at, "nothing is fetched, from the network or from files",
                         "a data URL (data:TYPE;base64,...)",
                         part.source.empty() ? "nothing" : std::string_view(part.source).substr(0, 64));
  }
  return Done{};
}

/// The arguments of calls as objects: clients send them as JSON text.
Status parse_arguments(Value& message, const std::string& path) {
  Value* calls = find_in(message, "tool_calls");
  if (calls == nullptr || !calls->is(Kind::list)) return Done{};
  constexpr std::size_t most_calls = 1024;  // each is looked for in what tools answered
  if (calls->items.size() > most_calls) {
    return field_error(path + ".tool_calls", "too many calls", lamina::text("at most %zu", most_calls).view(),
                       lamina::text("%zu", calls->items.size()).view());
  }
  for (std::size_t i = 0; i < calls->items.size(); ++i) {
    Value* function = find_in(calls->items[i], "function");
    Value* arguments = function == nullptr ? nullptr : find_in(*function, "arguments");
    if (arguments == nullptr || !arguments->is(Kind::string)) continue;
    const std::string at = item_path(path + ".tool_calls", i) + ".function.arguments";
    if (lamina::trim(arguments->text).empty()) {
      *arguments = Value::object();
      continue;
    }
    auto parsed = lamina::parse_json_value(arguments->text);
    if (!parsed) return field_error(at, "not the JSON text of an object", "JSON", describe(parsed.error()));
    if (!parsed->is(Kind::object))
      return field_error(at, "not the JSON text of an object", "an object",
                         lamina::detail::kind_name(*parsed));
    *arguments = std::move(*parsed);
  }
  return Done{};
}

Status check_messages(Value& request) {
  Value* messages = find_in(request, "messages");
  if (messages == nullptr) return Fields(request).missing("messages", "a list of messages");
  if (!messages->is(Kind::list) || messages->items.empty())
    return Fields(request).wrong("messages", "a list of at least one message", *messages);
  for (std::size_t i = 0; i < messages->items.size(); ++i) {
    Value& message = messages->items[i];
    const std::string path = item_path("messages", i);
    if (!message.is(Kind::object))
      return field_error(path, "not a message", "an object", lamina::detail::kind_name(message));
    const Fields fields(message, path);
    const Value* role = fields.find("role");
    if (role == nullptr) return fields.missing("role", "a string");
    if (!role->is(Kind::string)) return fields.wrong("role", "a string", *role);
    constexpr std::string_view roles[] = {"system", "developer", "user", "assistant", "tool"};
    if (std::find(std::begin(roles), std::end(roles), role->text) == std::end(roles))
      return fields.unknown("role", "system, developer, user, assistant or tool", role->text);
    if (fields.find("content") == nullptr && role->text != "assistant")
      return fields.missing("content", "a string or a list of parts");
    LAMINA_TRY(parse_arguments(message, path));
  }
  return Done{};
}

bool is_tool_name(std::string_view name) noexcept {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), is_plain);
}

/// Tools have names that a call can have, and parameters that are an object's schema.
Status check_tools(Value& request, ChatWish& wish) {
  Value* tools = find_in(request, "tools");
  if (tools == nullptr || tools->is(Kind::null)) return Done{};
  if (!tools->is(Kind::list)) return Fields(request).wrong("tools", "a list of tools", *tools);
  constexpr std::size_t most_tools = 1024;  // each is compared with all
  if (tools->items.size() > most_tools)
    return Fields(request).wrong("tools", lamina::text("at most %zu tools", most_tools).view(), *tools);
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < tools->items.size(); ++i) {
    const Value& tool = tools->items[i];
    const std::string path = item_path("tools", i);
    if (!tool.is(Kind::object))
      return field_error(path, "not a tool", "an object", lamina::detail::kind_name(tool));
    const Fields fields(tool, path);
    std::string type = "function";
    LAMINA_TRY(fields.text("type", type));
    if (type != "function") return not_offered(fields.path_of("type"), "function", type);
    Value* function = find_in(tools->items[i], "function");
    if (function == nullptr || !function->is(Kind::object)) return fields.missing("function", "an object");
    const Fields declared(*function, path + ".function");
    const Value* name = declared.find("name");
    if (name == nullptr || !name->is(Kind::string)) return declared.missing("name", "a string");
    if (!is_tool_name(name->text))
      return declared.unknown("name", "1 to 128 letters, digits, underscores, hyphens and points",
                              name->text);
    if (std::find(names.begin(), names.end(), name->text) != names.end())
      return declared.unknown("name", "names that differ", name->text);
    names.push_back(name->text);
    bool strict = false;
    LAMINA_TRY(declared.flag("strict", strict));
    wish.strict.push_back(strict);
    const auto parameters = declared.object_in("parameters");
    if (!parameters) return parameters.error();
    // The template leaves a brace open where the type is missing.
    if (*parameters != nullptr && !(*parameters)->items.empty() && (*parameters)->find("type") == nullptr)
      find_in(*function, "parameters")->append("type", Value::string("object"));
  }
  return Done{};
}

/// What a template can be told to do, as others call it.
Status read_template_options(const Fields& request, ChatWish& wish) {
  LAMINA_TRY(request.flag("enable_thinking", wish.conversation.enable_thinking));
  const auto options = request.object_in("chat_template_kwargs");
  if (!options) return options.error();
  if (*options != nullptr) {
    const Fields fields(**options, "chat_template_kwargs");
    LAMINA_TRY(fields.flag("enable_thinking", wish.conversation.enable_thinking));
    LAMINA_TRY(fields.flag("preserve_thinking", wish.conversation.preserve_thinking));
  }
  std::string effort;
  LAMINA_TRY(request.text("reasoning_effort", effort));
  if (!effort.empty() && !detail::take_effort(effort, wish))
    return request.unknown("reasoning_effort", "none, minimal, low, medium or high", effort);
  return Done{};
}

Status refuse_old_fields(const Fields& request) {
  for (const auto& [key, instead] :
       {std::pair{"functions", "tools"}, std::pair{"function_call", "tool_choice"},
        std::pair{"audio", "answers of text"}}) {
    if (request.find(key) != nullptr) return not_offered(key, instead, "this");
  }
  const auto modalities = request.list_in("modalities");
  if (!modalities) return modalities.error();
  if (*modalities == nullptr) return Done{};
  for (const Value& modality : (*modalities)->items) {
    if (!modality.is(Kind::string) || modality.text != "text")
      return not_offered("modalities", "text", modality.text);
  }
  return Done{};
}

Status read_raw_prompt(const Value& value, const std::string& path, std::uint32_t vocab,
                       std::vector<RawPrompt>& out) {
  RawPrompt prompt;
  if (value.is(Kind::string)) {
    prompt.text = value.text;
  } else {
    auto ids = read_ids(value, path, vocab);
    if (!ids) return ids.error();
    prompt.ids = std::move(*ids);
    prompt.is_text = false;
  }
  out.push_back(std::move(prompt));
  return Done{};
}

Status read_prompts(const Fields& request, const RequestDefaults& defaults, std::vector<RawPrompt>& out) {
  const Value* prompt = request.find("prompt");
  if (prompt == nullptr) return request.missing("prompt", "a text, a list of ids, or a list of these");
  const bool is_list = prompt->is(Kind::list) && !prompt->items.empty();
  const bool of_many = is_list && !integer_of(prompt->items.front());
  if (!of_many) return read_raw_prompt(*prompt, "prompt", defaults.vocab, out);
  if (prompt->items.size() > defaults.most_choices)
    return request.wrong("prompt", lamina::text("at most %u prompts", defaults.most_choices), *prompt);
  for (std::size_t i = 0; i < prompt->items.size(); ++i)
    LAMINA_TRY(read_raw_prompt(prompt->items[i], item_path("prompt", i), defaults.vocab, out));
  return Done{};
}

}  // namespace

namespace detail {

Status read_answer_wish(const Fields& request, const RequestDefaults& defaults, AnswerWish& wish) {
  wish.options = defaults.generation;
  std::string model;
  LAMINA_TRY(request.text("model", model));
  LAMINA_TRY(read_sampling(request, *wish.options.sampling));
  LAMINA_TRY(read_bias(request, defaults.vocab, wish.options.bias));
  std::optional<std::int64_t> seed;
  LAMINA_TRY(request.integer("seed", std::numeric_limits<std::int64_t>::min(),
                             std::numeric_limits<std::int64_t>::max(), seed));
  if (seed) wish.options.seed = static_cast<std::uint64_t>(*seed);
  LAMINA_TRY(request.integer("max_tokens", 1U, 1U << 24, wish.options.max_tokens));
  LAMINA_TRY(request.texts("stop", 16, wish.options.stop));
  for (const std::string& stop : wish.options.stop) {
    constexpr std::size_t longest_stop = 1024;  // every token is compared with all of them
    if (stop.size() > longest_stop)
      return request.unknown("stop", lamina::text("texts of at most %zu bytes", longest_stop).view(),
                             lamina::text("%zu bytes", stop.size()).view());
  }
  LAMINA_TRY(request.integer("n", 1U, defaults.most_choices, wish.choices));
  LAMINA_TRY(request.flag("stream", wish.streams));
  LAMINA_TRY(read_stream_options(request, wish));
  return request.flag("return_progress", wish.wants_progress);
}

bool take_effort(std::string_view effort, ChatWish& wish) {
  struct Known {
    std::string_view word;
    bool thinks;
    std::optional<std::uint32_t> budget;
  };
  const Known known[] = {{"none", false, {}},
                         {"minimal", true, 128},
                         {"low", true, 512},
                         {"medium", true, 2048},
                         {"high", true, {}}};
  const auto* found =
      std::find_if(std::begin(known), std::end(known), [&](const Known& one) { return one.word == effort; });
  if (found == std::end(known)) return false;
  wish.conversation.enable_thinking = found->thinks;
  wish.options.think_budget = found->budget;
  return true;
}

Status read_conversation(Value request, ChatWish& wish) {
  LAMINA_TRY(check_messages(request));
  LAMINA_TRY(check_tools(request, wish));
  auto read = lamina::read_chat_value(request);
  if (!read) return read.error();
  wish.conversation.messages = std::move(read->messages);
  wish.conversation.tools = std::move(read->tools);
  for (std::size_t i = 0; i < wish.conversation.messages.size(); ++i)
    LAMINA_TRY(check_parts(wish.conversation.messages[i], item_path("messages", i)));
  return Done{};
}

Status read_tool_choice(const Fields& request, ChatWish& wish) {
  LAMINA_TRY(request.flag("parallel_tool_calls", wish.tool_choice.parallel));
  const Value* choice = request.find("tool_choice");
  if (choice == nullptr) return Done{};
  using Choice = ToolChoice::Kind;
  if (choice->is(Kind::object)) {
    // {"type": "function", "function": {"name": …}}, or with the name in it (/v1/responses).
    const Fields fields(*choice, request.path_of("tool_choice"));
    const auto function = fields.object_in("function");
    if (!function) return function.error();
    LAMINA_TRY(Fields(*function != nullptr ? **function : *choice, fields.path_of("function"))
                   .text("name", wish.tool_choice.name));
    if (wish.tool_choice.name.empty()) return fields.missing("function.name", "the name of a tool");
    wish.tool_choice.kind = Choice::required;
  } else if (!choice->is(Kind::string)) {
    return request.wrong("tool_choice", "a string or an object", *choice);
  } else if (choice->text == "required") {
    wish.tool_choice.kind = Choice::required;
  } else if (choice->text == "none") {
    wish.tool_choice.kind = Choice::none;
  } else if (choice->text != "auto") {
    return request.unknown("tool_choice", "auto, none, required or a tool", choice->text);
  }
  if (wish.tool_choice.kind != Choice::required) return Done{};
  const auto& tools = wish.conversation.tools;
  if (tools.empty()) return request.unknown("tool_choice", "tools to choose from", "none");
  const auto has_name = [&](const Value& tool) {
    const Value* name = tool.find("name");
    return name != nullptr && name->text == wish.tool_choice.name;
  };
  if (!wish.tool_choice.name.empty() && std::none_of(tools.begin(), tools.end(), has_name))
    return request.unknown("tool_choice", "the name of one of the tools", wish.tool_choice.name);
  return Done{};
}

Status read_json_space(const Fields& request, ChatWish& wish) {
  std::string space;
  LAMINA_TRY(request.text("json_space", space));
  if (space.empty()) return Done{};
  const auto known = json_space_of(space);
  if (!known) return request.unknown("json_space", "any or none", space);
  wish.json_space = *known;
  return Done{};
}

Status read_format(const Fields& format, std::string_view inner, ChatWish& wish) {
  std::string type;
  LAMINA_TRY(format.text("type", type));
  if (type.empty()) return format.missing("type", "text, json_object or json_schema");
  if (type == "text") return Done{};
  if (type == "json_object") {
    wish.schema = Value::object();
    wish.schema->append("type", Value::string("object"));
    return Done{};
  }
  if (type != "json_schema") return format.unknown("type", "text, json_object or json_schema", type);
  const Value* holder = &format.object();
  std::string path = format.path_of("schema");
  if (!inner.empty()) {
    const auto found = format.object_in(inner);
    if (!found) return found.error();
    if (*found == nullptr) return format.missing(inner, "an object with a schema");
    holder = *found;
    path = format.path_of(inner) + ".schema";
  }
  const Value* schema = holder->find("schema");
  if (schema == nullptr || schema->is(Kind::null))
    return field_error(path, "field is missing", "a schema", "nothing");
  wish.schema = *schema;
  return Done{};
}

}  // namespace detail

Result<std::vector<lamina::TokenId>> read_ids(const Value& list, std::string_view path, std::uint32_t vocab) {
  if (!list.is(Kind::list))
    return field_error(path, "value is of another type", "a text or a list of ids",
                       lamina::detail::kind_name(list));
  std::vector<lamina::TokenId> ids;
  ids.reserve(list.items.size());
  for (const Value& item : list.items) {
    const auto id = integer_of(item);
    if (!id || *id < 0 || *id >= std::int64_t{vocab})
      return field_error(path, "no token of the vocabulary", lamina::text("ids below %u", vocab),
                         item.text.empty() ? lamina::detail::kind_name(item) : std::string_view(item.text));
    ids.push_back(static_cast<lamina::TokenId>(*id));
  }
  return ids;
}

Result<ChatWish> read_chat_wish(Value request, const RequestDefaults& defaults) {
  ChatWish wish;
  const Fields fields(request);
  LAMINA_TRY(detail::read_answer_wish(fields, defaults, wish));
  LAMINA_TRY(fields.integer("max_completion_tokens", 1U, 1U << 24, wish.options.max_tokens));
  LAMINA_TRY(refuse_old_fields(fields));
  LAMINA_TRY(read_template_options(fields, wish));
  std::optional<std::int64_t> budget;
  LAMINA_TRY(fields.integer("think_budget", std::int64_t{0}, std::int64_t{1} << 24, budget));
  if (budget) wish.options.think_budget = static_cast<std::uint32_t>(*budget);
  bool log_probabilities = false;
  std::optional<std::int64_t> top;
  LAMINA_TRY(fields.flag("logprobs", log_probabilities));
  LAMINA_TRY(fields.integer("top_logprobs", std::int64_t{0}, std::int64_t{20}, top));
  if (top && !log_probabilities) return fields.unknown("top_logprobs", "logprobs: true beside it", "false");
  if (log_probabilities) wish.top_log_probabilities = static_cast<std::uint32_t>(top.value_or(0));
  const auto format = fields.object_in("response_format");
  if (!format) return format.error();
  if (*format != nullptr)
    LAMINA_TRY(detail::read_format(Fields(**format, "response_format"), "json_schema", wish));
  LAMINA_TRY(detail::read_json_space(fields, wish));
  LAMINA_TRY(detail::read_conversation(request, wish));
  LAMINA_TRY(detail::read_tool_choice(fields, wish));
  return wish;
}

Result<CompletionWish> read_completion_wish(const Value& request, const RequestDefaults& defaults) {
  CompletionWish wish;
  const Fields fields(request);
  LAMINA_TRY(detail::read_answer_wish(fields, defaults, wish));
  LAMINA_TRY(read_prompts(fields, defaults, wish.prompts));
  LAMINA_TRY(fields.flag("echo", wish.echo));
  std::optional<std::int64_t> top;
  LAMINA_TRY(fields.integer("logprobs", std::int64_t{0}, std::int64_t{20}, top));
  if (top) wish.top_log_probabilities = static_cast<std::uint32_t>(*top);
  std::string suffix;
  LAMINA_TRY(fields.text("suffix", suffix));
  if (!suffix.empty()) return not_offered("suffix", "nothing", "a text");
  std::uint32_t best_of = wish.choices;
  LAMINA_TRY(fields.integer("best_of", 1U, 1024U, best_of));
  if (best_of != wish.choices) return not_offered("best_of", "as many as n", lamina::text("%u", best_of));
  if (wish.choices * wish.prompts.size() > defaults.most_choices)
    return fields.unknown("n", lamina::text("at most %u answers to all prompts", defaults.most_choices),
                          lamina::text("%zu", wish.choices * wish.prompts.size()));
  return wish;
}

}  // namespace program::serving
