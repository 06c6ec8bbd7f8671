// SPDX-License-Identifier: Apache-2.0
// What a conversation is made of, and how a turn of it begins and ends.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/chat_template.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/generator.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/chat/turns/read_history.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/model.hpp>

namespace lamina::detail {

/// A conversation with its next question, as the model reads it.
struct Turn {
  Conversation asked;
  EncodedPrompt prompt;
  ResponseStart start = ResponseStart::answer;
  std::uint64_t number = 0;  ///< turns of the user before it

  [[nodiscard]] Question question() const noexcept {
    return {prompt.tokens(), AnswerForm::parsed, start, number, asked.enable_thinking};
  }
};

/// A chat's parts. They stay where they are when the chat is moved.
struct ChatState {
  ChatState(const Model& of, ReadHistory read, Generator made, std::string instruction)
      : model(of), history(std::move(read)), generator(std::move(made)), system(std::move(instruction)) {}

  Model model;
  ReadHistory history;
  Generator generator;
  std::string system;
  std::uint32_t candidates = 1;  ///< answers of a proposal that are drawn side by side
  Conversation conversation;
  std::atomic<bool> stopped{false};
  std::uint64_t turns = 0;  ///< begun so far; who takes an answer step by step sees that another one began
  std::optional<Turn> proposed;   ///< what `proposals` answer
  std::vector<Answer> proposals;  ///< none of which was taken yet

  /// A conversation as the model reads it. Errors: unsupported (a part that was not encoded; a tool's
  /// schema), mismatch, those of the tokenizer
  [[nodiscard]] Result<Turn> render(Conversation asked) const {
    LAMINA_TRY(check_encoded(asked));
    const auto prompt = render_chat(asked, model.template_size());
    if (!prompt) return prompt.error();
    auto encoded = encode_prompt(*prompt, *model.tokenizer(), model.hidden());
    if (!encoded) return encoded.error();
    const auto start = starts_in_thought(prompt->text()) ? ResponseStart::thought : ResponseStart::answer;
    const auto number = std::count_if(conversation.messages.begin(), conversation.messages.end(),
                                      [](const Message& message) { return message.role == "user"; });
    return Turn{std::move(asked), std::move(*encoded), start, static_cast<std::uint64_t>(number)};
  }

  /// Begins a turn: the session goes as far into its prompt as it was read before. Errors: as `render`
  [[nodiscard]] Result<Turn> begin(Conversation asked) {
    ++turns;
    proposed.reset();
    proposals.clear();
    stopped.store(false, std::memory_order_relaxed);
    LAMINA_TRY(generator.settle(history.session()));
    auto turn = render(std::move(asked));
    // Thoughts leave the history and text may be cut into other tokens: then what the session has read is no
    // beginning of the prompt, and it goes back to where it is.
    if (turn && !turn->prompt.ids.empty()) history.seek(turn->prompt.ids);
    return turn;
  }
  /// Ends a turn: its answer becomes a message.
  void finish(Turn turn, const Answer& answer) {
    Message reply;
    reply.role = "assistant";
    reply.content = answer.text;
    reply.reasoning = answer.thought;
    for (const ParsedCall& call : answer.calls) {
      if (call.well_formed) reply.tool_calls.push_back({call.name, call.arguments, std::nullopt});
    }
    turn.asked.messages.push_back(std::move(reply));
    conversation = std::move(turn.asked);
  }

  /// Begins a turn, answers and ends it. Errors: as `render` and `Generator::answer`
  [[nodiscard]] Result<Answer> ask(Conversation asked, AnswerObserver& observer);
};

/// Keeps a snapshot when the prompt is read, where the same question is answered again; ends the answer when
/// the chat was stopped.
class TurnObserver final : public AnswerObserver {
 public:
  TurnObserver(ChatState& state, AnswerObserver& observer) : state_(state), observer_(observer) {}
  void take(const ResponseEvent& event) override { observer_.take(event); }
  void drawn(TokenId id, const TokenChoice* choice) override { observer_.drawn(id, choice); }
  void prompt_read(std::size_t done, std::size_t total) override {
    observer_.prompt_read(done, total);
    if (done == total) state_.history.keep();
  }
  [[nodiscard]] bool goes_on() override {
    return !state_.stopped.load(std::memory_order_relaxed) && observer_.goes_on();
  }

 private:
  ChatState& state_;
  AnswerObserver& observer_;
};

inline Result<Answer> ChatState::ask(Conversation asked, AnswerObserver& observer) {
  auto turn = begin(std::move(asked));
  if (!turn) return turn.error();
  TurnObserver through(*this, observer);
  auto answer = generator.answer(history.session(), turn->question(), through);
  if (!answer) return answer;
  history.keep();
  finish(std::move(*turn), *answer);
  return answer;
}

}  // namespace lamina::detail
