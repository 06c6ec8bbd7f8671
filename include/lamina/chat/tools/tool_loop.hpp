// SPDX-License-Identifier: Apache-2.0
// Questions that are answered with the help of tools: calls are run and their results given back until the
// model answers.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/chat.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/events/listener.hpp>
#include <lamina/chat/tools/shared_call.hpp>
#include <lamina/chat/tools/tool.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/masks/token_constraint.hpp>

namespace lamina {

/// What a loop may do.
struct ToolLoopOptions {
  std::uint32_t rounds = 8;           ///< answers whose calls are run
  std::chrono::milliseconds time{0};  ///< for all of it; 0: as long as it takes. A tool is not interrupted
  /// Asked before each call; false: it is not run, and the model is told so. Empty: all are run.
  SharedCall<bool(const ToolCall&)> allow{};
  /// The form of the first answer, and of those behind results; as `GenerationOptions::constraint`. Null:
  /// that of the chat. So calls can be kept to their schemas (`CallConstraint`), or demanded at first.
  std::shared_ptr<TokenConstraint> first_form{};
  std::shared_ptr<TokenConstraint> next_form{};
};

/// Why a loop ended.
enum class ToolLoopEnd : std::uint8_t {
  answered,     ///< an answer without calls
  rounds,       ///< `ToolLoopOptions::rounds`: the calls of the last answer were not run
  time,         ///< `ToolLoopOptions::time`
  interrupted,  ///< the listener, or `Chat::stop`
};

/// A call and what came of it.
struct ToolUse {
  enum class Outcome : std::uint8_t {
    returned,
    failed,   ///< the tool gave an error, the arguments did not fit, or there is no such tool
    refused,  ///< `ToolLoopOptions::allow`
    skipped,  ///< the loop had ended
  };
  ToolCall call;
  Outcome outcome = Outcome::returned;
  Value result;  ///< what the model was told; {"error": …} of a call that has not returned
};

/// The last answer of a loop, and how it came about.
struct ToolAnswer {
  Answer answer;
  std::vector<ToolUse> uses;
  std::uint32_t rounds = 0;  ///< answers whose calls were run
  ToolLoopEnd end = ToolLoopEnd::answered;
};

/// Asks a chat, runs the tools that it calls, and tells it what they returned. An error of a tool is the
/// result of its call: the model may mend it.
///
/// Calls of tools that throw: the exception passes, and the conversation ends with the unanswered calls.
/// Threads   those of the chat; tools run on the thread that asks
class ToolLoop {
 public:
  /// Declares `tools` to the chat, which must outlive the loop and stay where it is.
  ToolLoop(Chat& chat, std::vector<Tool> tools, ToolLoopOptions options = {})
      : chat_(&chat), tools_(std::move(tools)), options_(std::move(options)) {
    std::vector<Value> declarations;
    for (const Tool& tool : tools_) declarations.push_back(tool.declaration());
    chat.set_tools(std::move(declarations));
  }

  /// Says `words`, and goes on until there is an answer. The listener is told of all answers on the way, and
  /// of one `Stop` at the end.
  ///
  /// Errors   as `Chat::say`; what was said and done before the answer that failed stays in the conversation
  template <EventListener Listener = NoEvents>
  [[nodiscard]] Result<ToolAnswer> say(std::string_view words, Listener&& listener = {}) {
    return run([&](AnswerObserver& observer) { return chat_->say(words, observer); }, listener);
  }
  /// As `Chat::say` of several parts.
  template <EventListener Listener = NoEvents>
  [[nodiscard]] Result<ToolAnswer> say(std::vector<ContentPart> parts, Listener&& listener = {}) {
    return run([&](AnswerObserver& observer) { return chat_->say(std::move(parts), observer); }, listener);
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// Ends an answer when the time is up.
  class Timed final : public AnswerObserver {
   public:
    Timed(AnswerObserver& observer, std::optional<Clock::time_point> end) : observer_(observer), end_(end) {}
    void take(const ResponseEvent& event) override { observer_.take(event); }
    void drawn(TokenId id, const TokenChoice* choice) override { observer_.drawn(id, choice); }
    void prompt_read(std::size_t done, std::size_t total) override { observer_.prompt_read(done, total); }
    [[nodiscard]] bool goes_on() override { return !is_late() && observer_.goes_on(); }
    [[nodiscard]] bool is_late() const noexcept { return end_ && Clock::now() >= *end_; }

   private:
    AnswerObserver& observer_;
    std::optional<Clock::time_point> end_;
  };
  /// Sets the form of the chat's answers, and puts the old one back.
  class FormGuard {
   public:
    explicit FormGuard(Chat& chat) : chat_(chat), before_(chat.constraint()) {}
    FormGuard(const FormGuard&) = delete;
    FormGuard& operator=(const FormGuard&) = delete;
    ~FormGuard() { chat_.set_constraint(before_); }
    void set(const std::shared_ptr<TokenConstraint>& form) {
      chat_.set_constraint(form != nullptr ? form : before_);
    }

   private:
    Chat& chat_;
    std::shared_ptr<TokenConstraint> before_;
  };

  template <class Ask, class Listener>
  [[nodiscard]] Result<ToolAnswer> run(Ask&& ask, Listener& listener) {
    if constexpr (std::derived_from<Listener, AnswerObserver>) {
      return run_observed(ask, listener);
    } else {
      detail::EventTeller<Listener> teller(listener);
      auto answer = run_observed(ask, teller);
      if (answer) teller.end(answer->answer.stop);
      return answer;
    }
  }
  template <class Ask>
  [[nodiscard]] Result<ToolAnswer> run_observed(Ask& ask, AnswerObserver& observer) {
    std::optional<Clock::time_point> end;
    if (options_.time.count() > 0) end = Clock::now() + options_.time;
    Timed timed(observer, end);
    FormGuard form(*chat_);
    form.set(options_.first_form);
    ToolAnswer all;
    auto answer = ask(timed);
    form.set(options_.next_form);
    for (;;) {
      if (!answer) return answer.error();
      all.answer = std::move(*answer);
      const std::vector<ToolCall>& calls = chat_->conversation().messages.back().tool_calls;
      const std::optional<ToolLoopEnd> over = ending(timed, all);
      if (over) all.end = *over;
      if (calls.empty()) return all;
      auto results = use(calls, over.has_value(), all.uses);
      if (!over) ++all.rounds;
      if (!over && chat_->stopped()) all.end = ToolLoopEnd::interrupted;
      if (all.end != ToolLoopEnd::answered) {
        LAMINA_TRY(chat_->add_results(std::move(results)));
        return all;
      }
      answer = chat_->give_results(std::move(results), timed);
    }
  }
  /// Why no call is run any more, if so.
  [[nodiscard]] std::optional<ToolLoopEnd> ending(const Timed& timed, const ToolAnswer& all) const noexcept {
    const bool is_interrupted = all.answer.stop == StopReason::interrupted;
    if (!is_interrupted && chat_->conversation().messages.back().tool_calls.empty()) return std::nullopt;
    if (timed.is_late()) return ToolLoopEnd::time;
    if (is_interrupted) return ToolLoopEnd::interrupted;
    if (all.rounds == options_.rounds) return ToolLoopEnd::rounds;
    return std::nullopt;
  }

  /// Runs calls, unless it is too late for that, and notes what came of them.
  [[nodiscard]] std::vector<ToolResponse> use(const std::vector<ToolCall>& calls, bool is_over,
                                              std::vector<ToolUse>& uses) const {
    std::vector<ToolResponse> results;
    for (const ToolCall& call : calls) {
      ToolUse one =
          is_over ? without_result(call, ToolUse::Outcome::skipped, "the call was not run: it came too late")
                  : use(call);
      results.push_back({call.name, one.result});
      uses.push_back(std::move(one));
    }
    return results;
  }
  [[nodiscard]] ToolUse use(const ToolCall& call) const {
    using Outcome = ToolUse::Outcome;
    const auto tool =
        std::find_if(tools_.begin(), tools_.end(), [&](const Tool& one) { return one.name() == call.name; });
    if (tool == tools_.end()) return without_result(call, Outcome::failed, "there is no such tool");
    if (options_.allow && !options_.allow(call))
      return without_result(call, Outcome::refused, "the call is not allowed");
    auto result = tool->call(call.arguments);
    if (!result) return without_result(call, Outcome::failed, describe(result.error()).view());
    return {call, Outcome::returned, std::move(*result)};
  }
  [[nodiscard]] static ToolUse without_result(const ToolCall& call, ToolUse::Outcome outcome,
                                              std::string_view why) {
    Value error = Value::object();
    error.append("error", Value::string(why));
    return {call, outcome, std::move(error)};
  }

  Chat* chat_;
  std::vector<Tool> tools_;
  ToolLoopOptions options_;
};

}  // namespace lamina
