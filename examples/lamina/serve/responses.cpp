// SPDX-License-Identifier: Apache-2.0
// /v1/responses: the newer interface of OpenAI's clients, over the same conversations.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "../transcript.hpp"
#include "chat.hpp"
#include "endpoints.hpp"

namespace program::serving {
namespace {

using lamina::Done;
using lamina::Status;

/// The words of /v1/responses: items, and events that say how they grow.
class ResponseFormat final : public AnswerFormat {
 public:
  ResponseFormat(Service& service, const ChatWish& wish, std::size_t prompt_tokens)
      : service_(service),
        id_(service.new_id("resp_")),
        created_(now_seconds()),
        prompt_tokens_(prompt_tokens),
        max_tokens_(wish.options.max_tokens),
        top_(wish.top_log_probabilities),
        parallel_(wish.tool_choice.parallel),
        temperature_(wish.options.sampling->temperature),
        top_p_(wish.options.sampling->top_p) {}

  Json whole(const std::vector<EndedAnswer>& answers) override {
    const lamina::Answer& answer = *answers.front().answer;
    Json output = Json::array();
    if (!answer.thought.empty()) output.push_back(item(Part::thought, answer.thought, "completed"));
    std::string text = answer.text;
    for (const lamina::ParsedCall& call : answer.calls) {
      if (!call.well_formed) text += unread_call(call);
    }
    if (!text.empty() || answer.calls.empty())
      output.push_back(item(Part::text, text, "completed", {}, choices_json(answers.front().choices)));
    for (const lamina::ParsedCall& call : answer.calls) {
      if (call.well_formed) output.push_back(call_item(call));
    }
    return document(std::move(output), &answers);
  }
  void begin(EventWriter& writer) override {
    tell(writer, "response.created", {{"response", document(Json::array(), nullptr)}});
    tell(writer, "response.in_progress", {{"response", document(Json::array(), nullptr)}});
  }
  void piece(EventWriter& writer, const News& news) override {
    using Kind = lamina::ResponseEvent::Kind;
    const lamina::ResponseEvent& event = news.event;
    if (event.kind == Kind::thought) return grow(writer, Part::thought, event.text);
    if (event.kind == Kind::text) return grow(writer, Part::text, event.text, choices_json(news.choices));
    if (!event.call.well_formed) return grow(writer, Part::text, unread_call(event.call));
    close(writer);
    const Json call = call_item(event.call);
    Json begun = call;
    begun["status"] = "in_progress";
    begun["arguments"] = "";
    tell(writer, "response.output_item.added",
         {{"output_index", output_.size()}, {"item", std::move(begun)}});
    tell(writer, "response.function_call_arguments.delta",
         {{"item_id", call["id"]}, {"output_index", output_.size()}, {"delta", call["arguments"]}});
    tell(writer, "response.function_call_arguments.done",
         {{"item_id", call["id"]},
          {"output_index", output_.size()},
          {"name", call["name"]},
          {"arguments", call["arguments"]}});
    tell(writer, "response.output_item.done", {{"output_index", output_.size()}, {"item", call}});
    output_.push_back(call);
  }
  void ended(EventWriter& writer, const News& news, const lamina::Answer&) override {
    if (output_.empty() && !open_) grow(writer, Part::text, "");
    if (open_ && open_->part == Part::text) append(open_->choices, choices_json(news.choices));
    close(writer);
  }
  void progress(EventWriter& writer, const News& news, std::size_t prompt_tokens) override {
    tell(writer, "response.prompt_progress", {{"prompt_progress", progress_json(news, prompt_tokens)}});
  }
  void error(EventWriter& writer, const ApiError& error) override {
    close(writer);
    Json failed = document(output_, nullptr);
    failed["status"] = "failed";
    failed["error"] = {{"code", "server_error"}, {"message", error.message}};
    tell(writer, "response.failed", {{"response", std::move(failed)}});
  }
  void finish(EventWriter& writer, const std::vector<EndedAnswer>& answers) override {
    Json done = document(output_, &answers);
    const std::string name = "response." + done["status"].get<std::string>();
    tell(writer, name, {{"response", std::move(done)}});
  }

 private:
  enum class Part : std::uint8_t { thought, text };
  struct Open {
    Part part;
    std::string id;
    std::string text;
    Json choices = Json::array();  ///< log-probabilities of its tokens, if they are wanted
  };

  void tell(EventWriter& writer, const std::string& type, Json fields) {
    Json event{{"type", type}, {"sequence_number", sequence_++}};
    event.update(fields);
    writer.event(event, type);
  }
  /// Empty unless they are wanted.
  [[nodiscard]] Json choices_json(const std::vector<lamina::TokenChoice>& choices) const {
    Json list = Json::array();
    if (!top_) return list;
    for (const lamina::TokenChoice& choice : choices)
      list.push_back(choice_json(choice, *top_, service_.tokenizer()));
    return list;
  }
  static void append(Json& list, const Json& more) {
    for (const Json& one : more) list.push_back(one);
  }
  [[nodiscard]] static Json part_json(Part part, const std::string& text, Json choices) {
    if (part == Part::thought) return {{"type", "reasoning_text"}, {"text", text}};
    return {{"type", "output_text"},
            {"text", text},
            {"annotations", Json::array()},
            {"logprobs", std::move(choices)}};
  }
  [[nodiscard]] Json item(Part part, const std::string& text, const char* status, std::string id = {},
                          Json choices = Json::array()) {
    const bool is_thought = part == Part::thought;
    if (id.empty()) id = service_.new_id(is_thought ? "rs_" : "msg_");
    Json made{{"id", std::move(id)}, {"type", is_thought ? "reasoning" : "message"}, {"status", status}};
    if (is_thought) {
      made["summary"] = Json::array();
    } else {
      made["role"] = "assistant";
    }
    made["content"] = Json::array();
    if (std::string_view(status) != "in_progress")
      made["content"].push_back(part_json(part, text, std::move(choices)));
    return made;
  }
  [[nodiscard]] Json call_item(const lamina::ParsedCall& call) {
    return {{"id", service_.new_id("fc_")},
            {"type", "function_call"},
            {"status", "completed"},
            {"call_id", service_.new_id("call_")},
            {"name", call.name},
            {"arguments", dump(value_json(call.arguments))}};
  }
  /// Where an event belongs.
  [[nodiscard]] Json place() const {
    return {{"item_id", open_->id}, {"output_index", output_.size()}, {"content_index", 0}};
  }
  void grow(EventWriter& writer, Part part, const std::string& text, Json choices = Json::array()) {
    if (open_ && open_->part != part) close(writer);
    if (!open_) {
      open_.emplace();
      open_->part = part;
      open_->id = service_.new_id(part == Part::thought ? "rs_" : "msg_");
      tell(writer, "response.output_item.added",
           {{"output_index", output_.size()}, {"item", item(part, "", "in_progress", open_->id)}});
      Json added = place();
      added["part"] = part_json(part, "", Json::array());
      tell(writer, "response.content_part.added", std::move(added));
    }
    open_->text += text;
    Json delta = place();
    delta["delta"] = text;
    append(open_->choices, choices);
    if (part == Part::text) delta["logprobs"] = std::move(choices);
    tell(writer, part == Part::text ? "response.output_text.delta" : "response.reasoning_text.delta",
         std::move(delta));
  }
  void close(EventWriter& writer) {
    if (!open_) return;
    const Part part = open_->part;
    Json text = place();
    text["text"] = open_->text;
    if (part == Part::text) text["logprobs"] = open_->choices;
    tell(writer, part == Part::text ? "response.output_text.done" : "response.reasoning_text.done",
         std::move(text));
    Json done = place();
    done["part"] = part_json(part, open_->text, open_->choices);
    tell(writer, "response.content_part.done", std::move(done));
    Json made = item(part, open_->text, "completed", open_->id, open_->choices);
    tell(writer, "response.output_item.done", {{"output_index", output_.size()}, {"item", made}});
    output_.push_back(std::move(made));
    open_.reset();
  }
  /// The response; of answers that have ended, or of one that has not (null).
  [[nodiscard]] Json document(Json output, const std::vector<EndedAnswer>* answers) const {
    Json made{{"id", id_},
              {"object", "response"},
              {"created_at", created_},
              {"status", "in_progress"},
              {"error", nullptr},
              {"incomplete_details", nullptr},
              {"instructions", nullptr},
              {"max_output_tokens", max_tokens_ > 0 ? Json(max_tokens_) : Json()},
              {"model", service_.model_name()},
              {"output", std::move(output)},
              {"parallel_tool_calls", parallel_},
              {"previous_response_id", nullptr},
              {"store", false},
              {"temperature", temperature_},
              {"top_p", top_p_},
              {"tool_choice", "auto"},
              {"tools", Json::array()},
              {"truncation", "disabled"},
              {"metadata", Json::object()},
              {"usage", nullptr}};
    if (top_) made["top_logprobs"] = *top_;
    if (answers == nullptr) return made;
    const bool is_cut = finish_reason(*answers->front().answer) == "length";
    made["status"] = is_cut ? "incomplete" : "completed";
    if (is_cut) made["incomplete_details"] = {{"reason", "max_output_tokens"}};
    const Json usage = usage_json(*answers, prompt_tokens_);
    made["usage"] = {{"input_tokens", usage["prompt_tokens"]},
                     {"input_tokens_details", usage["prompt_tokens_details"]},
                     {"output_tokens", usage["completion_tokens"]},
                     {"output_tokens_details", usage["completion_tokens_details"]},
                     {"total_tokens", usage["total_tokens"]}};
    return made;
  }

  Service& service_;
  std::string id_;
  std::int64_t created_;
  std::size_t prompt_tokens_;
  std::uint32_t max_tokens_;
  std::optional<std::uint32_t> top_;
  bool parallel_;
  float temperature_;
  float top_p_;
  std::uint64_t sequence_ = 0;
  Json output_ = Json::array();  ///< items that are complete
  std::optional<Open> open_;
};

}  // namespace

void responses(Service& service, Exchange& exchange) {
  with_request(service, exchange, [&](const lamina::Value& request) -> Status {
    auto wish = read_response_wish(request, service.defaults());
    if (!wish) return wish.error();
    auto orders = order_chat(service, exchange, *wish);
    if (!orders) return orders.error();
    auto format = std::make_unique<ResponseFormat>(service, *wish, orders->prompt_tokens);
    deliver(service, exchange, std::move(*orders), *wish, std::move(format));
    return Done{};
  });
}

}  // namespace program::serving
