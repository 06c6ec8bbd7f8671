// SPDX-License-Identifier: Apache-2.0
// A conversation with a model: text in, typed events out.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/events/listener.hpp>
#include <lamina/chat/generator.hpp>
#include <lamina/chat/turns/answer_stream.hpp>
#include <lamina/chat/turns/candidates.hpp>
#include <lamina/chat/turns/chat_options.hpp>
#include <lamina/chat/turns/chat_state.hpp>
#include <lamina/chat/turns/read_history.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/masks/token_constraint.hpp>
#include <lamina/state/state_file.hpp>

namespace lamina {

/// A conversation: what was said, a session that has read it, and a sampler.
///
/// What was read before is not read again: where the prompt does not go on from what the session has read,
/// the session goes back, or on from a snapshot of a turn's end. A turn that fails leaves the conversation as
/// it was.
///
/// Whoever says something may listen to the answer while it comes, or pull its events (`stream`); see
/// `EventListener`. A listener that returns false, or `stop`, ends the answer.
/// Threads   one at a time, but `stop`: any
class Chat {
 public:
  /// Plans a session and takes its memory; shares `model`, which may be moved or destroyed afterwards.
  ///
  /// Errors   unsupported (the model has no tokenizer, or none for this template), out_of_memory, bad_argument
  [[nodiscard]] static Result<Chat> create(const Model& model, const ChatOptions& options = {});
  /// As above, with a session over `model` that the caller has planned; `options` beside generation, system,
  /// thinking, tools, snapshot_bytes and candidates (of which as many go together as the session returns rows
  /// of logits) are not used.
  [[nodiscard]] static Result<Chat> create(const Model& model, Session session, const ChatOptions& options);

  /// Says `words` and returns the answer.
  ///
  /// Errors   context_full, unsupported (a tool schema), not_finite, out_of_memory
  template <EventListener Listener = NoEvents>
  [[nodiscard]] Result<Answer> say(std::string_view words, Listener&& listener = {}) {
    return guard_memory("chat", [&] { return ask(with_user_message(words), listener); });
  }
  /// Says a message of several parts: words (`text_part`), and pictures, sounds and videos that were encoded
  /// (`media_part`).
  ///
  /// Errors   as `say`; unsupported (a part that was not encoded, or for a model with another width)
  template <EventListener Listener = NoEvents>
  [[nodiscard]] Result<Answer> say(std::vector<ContentPart> parts, Listener&& listener = {}) {
    return guard_memory("chat", [&] { return ask(with_user_message(std::move(parts)), listener); });
  }
  /// Gives the results of the calls that the last answer made, in their order, and returns how it goes on.
  ///
  /// Errors   as `say`; bad_argument (the last message made no calls)
  template <EventListener Listener = NoEvents>
  [[nodiscard]] Result<Answer> give_results(std::vector<ToolResponse> results, Listener&& listener = {}) {
    return guard_memory("chat", [&] {
      return and_then(with_results(std::move(results)),
                      [&](Conversation asked) { return ask(std::move(asked), listener); });
    });
  }
  /// Adds the results to the conversation without an answer. Errors: as `give_results`
  [[nodiscard]] Status add_results(std::vector<ToolResponse> results) {
    return guard_memory("chat", [&]() -> Status {
      auto asked = with_results(std::move(results));
      if (!asked) return asked.error();
      state_->conversation = std::move(*asked);
      return Done{};
    });
  }
  /// Draws another answer to the last message of the user; the old one is taken back when that worked.
  ///
  /// Errors   as `say`; bad_argument (there is none)
  template <EventListener Listener = NoEvents>
  [[nodiscard]] Result<Answer> regenerate(Listener&& listener = {}) {
    return guard_memory("chat", [&] {
      return and_then(before_answer("regenerate"),
                      [&](Conversation asked) { return ask(std::move(asked), listener); });
    });
  }
  /// Says the last message of the user in other words; the old turn is taken back when that worked.
  ///
  /// Errors   as `regenerate`
  template <EventListener Listener = NoEvents>
  [[nodiscard]] Result<Answer> edit(std::string_view words, Listener&& listener = {}) {
    return guard_memory("chat", [&] {
      return and_then(before_answer("edit"), [&](Conversation asked) {
        asked.messages.back().content = words;
        return ask(std::move(asked), listener);
      });
    });
  }

  /// Says `words`; the answer is generated as far as its events are taken. The chat may be moved meanwhile.
  ///
  /// Errors   as `say`
  [[nodiscard]] Result<AnswerStream> stream(std::string_view words) {
    return guard_memory("chat", [&] { return AnswerStream::begin(*state_, with_user_message(words)); });
  }
  /// As the others: a message of several parts, and results of calls.
  [[nodiscard]] Result<AnswerStream> stream(std::vector<ContentPart> parts) {
    return guard_memory("chat",
                        [&] { return AnswerStream::begin(*state_, with_user_message(std::move(parts))); });
  }
  [[nodiscard]] Result<AnswerStream> stream_results(std::vector<ToolResponse> results) {
    return guard_memory("chat", [&] {
      return and_then(with_results(std::move(results)),
                      [&](Conversation asked) { return AnswerStream::begin(*state_, std::move(asked)); });
    });
  }

  /// Draws `count` answers to `words`, which are read once. The conversation goes on with the one that is
  /// taken. Given a seed, each has its own; at temperature 0 all are the same.
  ///
  /// Returns  the candidates; valid until one is taken or another turn begins
  /// Errors   as `say`; bad_argument (`count` is 0)
  [[nodiscard]] Result<std::span<const Answer>> propose(std::string_view words, std::size_t count) {
    return guard_memory("chat", [&] { return draw(with_user_message(words), count); });
  }
  /// As above, answers to the last message of the user. Errors: as `regenerate`
  [[nodiscard]] Result<std::span<const Answer>> propose(std::size_t count) {
    return guard_memory("chat", [&] {
      return and_then(before_answer("propose"),
                      [&](Conversation asked) { return draw(std::move(asked), count); });
    });
  }
  /// Goes on with candidate `index` of the last proposal. Errors: bad_argument (there is no such candidate)
  [[nodiscard]] Status take(std::size_t index);

  /// Ends the answer that comes now, if one does, after its current token.
  void stop() noexcept { state_->stopped.store(true, std::memory_order_relaxed); }

  /// Whether `stop` was called since the last turn began.
  [[nodiscard]] bool stopped() const noexcept { return state_->stopped.load(std::memory_order_relaxed); }

  /// Forgets everything but the system's instruction and the tools. If memory for these is refused, the
  /// container's exception passes and nothing is forgotten.
  void reset();
  /// Takes the last turn of the user and what followed back. Errors: bad_argument (there is none).
  [[nodiscard]] Status undo();
  /// Goes on with another conversation; with an earlier one, or a branch of it, from what was read of it.
  void load(Conversation conversation) {
    state_->conversation = std::move(conversation);
    state_->conversation.add_generation_prompt = true;
  }
  /// Saves what the session has read, beside the conversation. Errors: as `lamina::save_state`
  [[nodiscard]] Status save_state(const std::string& path) const {
    return lamina::save_state(session(), path);
  }
  /// Takes over what another session had read of this conversation. It is compared with the next prompt, as
  /// everything that was read: what is not its beginning is read again.
  ///
  /// Returns  how many tokens of the state are the beginning of the conversation as it is now
  /// Errors   as `lamina::load_state`: nothing is changed then; as `say`, where the conversation cannot be
  ///          rendered
  [[nodiscard]] Result<std::uint32_t> load_state(const std::string& path);

  void set_thinking(bool thinking) noexcept { state_->conversation.enable_thinking = thinking; }
  /// Functions that the model may call from now on.
  void set_tools(std::vector<Value> tools) noexcept { state_->conversation.tools = std::move(tools); }
  /// The form of the answers that follow, as `GenerationOptions::constraint`; null: none.
  void set_constraint(std::shared_ptr<TokenConstraint> constraint) noexcept {
    state_->generator.set_constraint(std::move(constraint));
  }

  [[nodiscard]] const std::shared_ptr<TokenConstraint>& constraint() const noexcept {
    return state_->generator.options().constraint;
  }

  [[nodiscard]] const Conversation& conversation() const noexcept { return state_->conversation; }
  [[nodiscard]] const Session& session() const noexcept { return state_->history.session(); }

 private:
  explicit Chat(std::unique_ptr<detail::ChatState> state) noexcept : state_(std::move(state)) {}

  [[nodiscard]] static Error no_turn(std::string_view where) noexcept {
    return {ErrorCode::bad_argument, where, "there is no turn of the user", "", "", ""};
  }
  /// Messages up to the last one of the user, with it; 0 if there is none.
  [[nodiscard]] std::size_t messages_before_answer() const noexcept {
    const std::vector<Message>& messages = conversation().messages;
    const auto last =
        std::find_if(messages.rbegin(), messages.rend(), [](const Message& m) { return m.role == "user"; });
    return static_cast<std::size_t>(messages.rend() - last);
  }

  // What is asked next.
  [[nodiscard]] Conversation with_user_message(Content content) const {
    Conversation asked = conversation();
    Message message;
    message.role = "user";
    message.content = std::move(content);
    asked.messages.push_back(std::move(message));
    return asked;
  }
  [[nodiscard]] Result<Conversation> with_results(std::vector<ToolResponse> results) const {
    if (conversation().messages.empty() || conversation().messages.back().tool_calls.empty())
      return Error{ErrorCode::bad_argument, "results", "the last answer made no calls", "", "", ""};
    Conversation asked = conversation();
    asked.messages.back().tool_responses = std::move(results);
    return asked;
  }
  [[nodiscard]] Result<Conversation> before_answer(std::string_view where) const {
    const std::size_t count = messages_before_answer();
    if (count == 0) return no_turn(where);
    Conversation asked = conversation();
    asked.messages.erase(asked.messages.begin() + static_cast<std::ptrdiff_t>(count), asked.messages.end());
    return asked;
  }
  /// Asks what was made, unless that is an error.
  template <class Use>
  [[nodiscard]] static std::invoke_result_t<Use&, Conversation> and_then(Result<Conversation> made,
                                                                         Use&& use) {
    if (!made) return made.error();
    return use(std::move(*made));
  }

  template <class Listener>
  [[nodiscard]] Result<Answer> ask(Conversation asked, Listener& listener) {
    if constexpr (std::derived_from<Listener, AnswerObserver>) {
      return state_->ask(std::move(asked), listener);
    } else {
      detail::EventTeller<Listener> teller(listener);
      auto answer = state_->ask(std::move(asked), teller);
      if (answer) teller.end(answer->stop);
      return answer;
    }
  }
  [[nodiscard]] Result<std::span<const Answer>> draw(Conversation asked, std::size_t count);

  std::unique_ptr<detail::ChatState> state_;  ///< null when moved from
};

// --- Implementation ---

inline Result<Chat> Chat::create(const Model& model, const ChatOptions& options) {
  auto session = Session::create(model, options.session(model.max_context()));
  if (!session) return session.error();
  return create(model, std::move(*session), options);
}

inline Result<Chat> Chat::create(const Model& model, Session session, const ChatOptions& options) {
  return guard_memory("chat", [&]() -> Result<Chat> {
    if (model.tokenizer() == nullptr) {
      return Error{ErrorCode::unsupported,
                   "model",
                   "has no tokenizer",
                   "",
                   "",
                   "open a file with a tokenizer, or use Session with token ids"};
    }
    auto generator = Generator::create(model, options.generation);
    if (!generator) return generator.error();
    if (options.drafter) {
      auto ahead = ReadAhead::create(*options.drafter, session.engine(), options.drafts);
      if (!ahead) return ahead.error();
      generator->read_ahead(std::move(*ahead));
    }
    const std::size_t kept = options.snapshot_budget(model.entry(), session.options());
    auto history = ReadHistory::create(std::move(session), kept);
    if (!history) return history.error();
    Chat chat(std::make_unique<detail::ChatState>(model, std::move(*history), std::move(*generator),
                                                  options.system));
    chat.state_->candidates = options.candidates;
    chat.state_->conversation.tools = options.tools;
    chat.state_->conversation.enable_thinking = options.thinking;
    chat.reset();
    return chat;
  });
}

inline void Chat::reset() {
  std::vector<Message> messages;
  if (!state_->system.empty()) {
    messages.emplace_back().role = "system";
    messages.back().content = state_->system;
  }
  state_->conversation.messages = std::move(messages);
}

inline Status Chat::undo() {
  const std::size_t count = messages_before_answer();
  if (count == 0) return Error{ErrorCode::bad_argument, "undo", "there is no turn to take back", "", "", ""};
  std::vector<Message>& messages = state_->conversation.messages;
  messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(count - 1), messages.end());
  return Done{};
}

inline Result<std::uint32_t> Chat::load_state(const std::string& path) {
  return guard_memory("chat", [&]() -> Result<std::uint32_t> {
    LAMINA_TRY(state_->history.load(path));
    const auto turn = state_->render(conversation());
    if (!turn) return turn.error();
    return state_->history.read_of(turn->prompt.ids);
  });
}

inline Result<std::span<const Answer>> Chat::draw(Conversation asked, std::size_t count) {
  if (count == 0) return Error{ErrorCode::bad_argument, "propose", "no answers are wanted", "", "", ""};
  auto turn = state_->begin(std::move(asked));
  if (!turn) return turn.error();
  NoEvents nothing;
  detail::EventTeller<NoEvents> nobody(nothing);
  detail::TurnObserver observer(*state_, nobody);
  auto answers = detail::Candidates(*state_, observer).draw(*turn, count);
  if (!answers) return answers.error();
  state_->proposed = std::move(*turn);
  state_->proposals = std::move(*answers);
  return std::span<const Answer>(state_->proposals);
}

inline Status Chat::take(std::size_t index) {
  if (index >= state_->proposals.size())
    return Error{ErrorCode::bad_argument,      "candidate",
                 "there is no such candidate", text("one of %zu", state_->proposals.size()),
                 text("%zu", index),           "propose first"};
  return guard_memory("chat", [&]() -> Status {
    state_->finish(std::move(*state_->proposed), state_->proposals[index]);
    state_->proposed.reset();
    state_->proposals.clear();
    return Done{};
  });
}

}  // namespace lamina
