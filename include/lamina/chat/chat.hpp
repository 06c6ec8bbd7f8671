// SPDX-License-Identifier: Apache-2.0
// A conversation with a model: text in, typed events out.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/chat_template.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/generator.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/state/prefix_store.hpp>
#include <lamina/state/state_file.hpp>

namespace lamina {

/// How a conversation is planned.
struct ChatOptions {
  std::uint32_t context = 8192;  ///< tokens it can hold, prompt and answers; the model's most if that is less
  std::uint32_t chunk = 512;     ///< prompt tokens per pass over the weights
  Precision precision = Precision::fast;
  CacheFormat cache = CacheFormat::bf16;
  Executor* executor = nullptr;  ///< null: the calling thread does everything
  GenerationOptions generation{};
  std::string system{};        ///< instruction for the whole conversation; empty: none
  bool thinking = false;       ///< let the model think before it answers
  std::vector<Value> tools{};  ///< functions that it may call
  /// Bytes of snapshots at turn ends, from which an answer is drawn again, a question put in other words, a
  /// turn taken back or another branch gone on with, all without reading anything twice. 0: none.
  std::size_t snapshot_bytes = std::size_t{512} << 20;
  std::uint32_t cache_tokens = 0;    ///< as of `SessionOptions`
  std::optional<Drafter> drafter{};  ///< of the model: answers come faster where its drafts are right
  DraftOptions drafts{};
};

/// A conversation: what was said, a session that has read it, and a sampler.
///
/// What was read before is not read again: where the prompt does not go on from what the session has read,
/// the session goes back, or on from a snapshot of a turn's end. A turn that fails leaves the conversation as
/// it was.
/// Threads   one at a time, but `stop`: any
class Chat {
  struct NoEvents {
    void operator()(const ResponseEvent&) const noexcept {}
  };

 public:
  /// Plans a session and takes its memory; shares `model`, which may be moved or destroyed afterwards.
  ///
  /// Errors   unsupported (the model has no tokenizer, or none for this template), out_of_memory, bad_argument
  [[nodiscard]] static Result<Chat> create(const Model& model, const ChatOptions& options = {});
  /// As above, with a session over `model` that the caller has planned; `options` beside generation, system,
  /// thinking and tools are not used.
  [[nodiscard]] static Result<Chat> create(const Model& model, Session session, const ChatOptions& options);

  /// Says `words` and returns the answer. `on_event` is called with every `ResponseEvent` of it while it
  /// comes; if it returns a bool, false ends the answer.
  ///
  /// Errors   context_full, unsupported (a tool schema), not_finite, out_of_memory
  template <class OnEvent = NoEvents>
  requires std::is_invocable_v<OnEvent&, const ResponseEvent&>
  [[nodiscard]] Result<Answer> say(std::string_view words, OnEvent&& on_event = {}) {
    return guard_memory("chat", [&] { return ask(with_user_message(words), on_event); });
  }
  /// As above, for observers that want to know more.
  [[nodiscard]] Result<Answer> say(std::string_view words, AnswerObserver& observer) {
    return guard_memory("chat", [&] { return ask(with_user_message(words), observer); });
  }

  /// Says a message of several parts: words (`text_part`), and pictures, sounds and videos that were encoded
  /// (`media_part`).
  ///
  /// Errors   as `say`; unsupported (a part that was not encoded, or for a model with another width)
  template <class OnEvent = NoEvents>
  requires std::is_invocable_v<OnEvent&, const ResponseEvent&>
  [[nodiscard]] Result<Answer> say(std::vector<ContentPart> parts, OnEvent&& on_event = {}) {
    return ask(with_user_message(std::move(parts)), on_event);
  }
  [[nodiscard]] Result<Answer> say(std::vector<ContentPart> parts, AnswerObserver& observer) {
    return ask(with_user_message(std::move(parts)), observer);
  }

  /// Gives the results of the calls that the last answer made, in their order, and returns how it goes on.
  ///
  /// Errors   as `say`; bad_argument (the last message made no calls)
  template <class OnEvent = NoEvents>
  [[nodiscard]] Result<Answer> give_results(std::vector<ToolResponse> results, OnEvent&& on_event = {}) {
    if (conversation_.messages.empty() || conversation_.messages.back().tool_calls.empty()) {
      return Error{ErrorCode::bad_argument, "results", "the last answer made no calls", "", "", ""};
    }
    return guard_memory("chat", [&] {
      Conversation asked = conversation_;
      asked.messages.back().tool_responses = std::move(results);
      return ask(std::move(asked), on_event);
    });
  }

  /// Draws another answer to the last message of the user; the old one is taken back when that worked.
  ///
  /// Errors   as `say`; bad_argument (there is none)
  template <class OnEvent = NoEvents>
  requires std::is_invocable_v<OnEvent&, const ResponseEvent&>
  [[nodiscard]] Result<Answer> regenerate(OnEvent&& on_event = {}) {
    return ask_again("regenerate", nullptr, on_event);
  }
  [[nodiscard]] Result<Answer> regenerate(AnswerObserver& observer) {
    return ask_again("regenerate", nullptr, observer);
  }
  /// Says the last message of the user in other words; the old turn is taken back when that worked.
  ///
  /// Errors   as `regenerate`
  template <class OnEvent = NoEvents>
  requires std::is_invocable_v<OnEvent&, const ResponseEvent&>
  [[nodiscard]] Result<Answer> edit(std::string_view words, OnEvent&& on_event = {}) {
    return ask_again("edit", &words, on_event);
  }
  [[nodiscard]] Result<Answer> edit(std::string_view words, AnswerObserver& observer) {
    return ask_again("edit", &words, observer);
  }

  /// Ends the answer that comes now, if one does, after its current token.
  void stop() noexcept { stopped_->store(true, std::memory_order_relaxed); }

  /// Forgets everything but the system's instruction and the tools. If memory for these is refused, the
  /// container's exception passes and nothing is forgotten.
  void reset();
  /// Takes the last turn of the user and what followed back. Errors: bad_argument (there is none).
  [[nodiscard]] Status undo();
  /// Goes on with another conversation; with an earlier one, or a branch of it, from what was read of it.
  void load(Conversation conversation) {
    conversation_ = std::move(conversation);
    conversation_.add_generation_prompt = true;
  }
  /// Saves what the session has read, beside the conversation. Errors: as `lamina::save_state`
  [[nodiscard]] Status save_state(const std::string& path) const {
    return lamina::save_state(session_, path);
  }
  /// Takes over what another session had read of this conversation. It is compared with the next prompt, as
  /// everything that was read: what is not its beginning is read again.
  ///
  /// Returns  how many tokens of the state are the beginning of the conversation as it is now
  /// Errors   as `lamina::load_state`: nothing is changed then; as `say`, where the conversation cannot be
  ///          rendered
  [[nodiscard]] Result<std::uint32_t> load_state(const std::string& path);

  void set_thinking(bool thinking) noexcept { conversation_.enable_thinking = thinking; }

  [[nodiscard]] const Conversation& conversation() const noexcept { return conversation_; }
  [[nodiscard]] const Session& session() const noexcept { return session_; }

 private:
  Chat(const Model& model, Session session, Generator generator, std::string system,
       std::unique_ptr<std::atomic<bool>> stopped, std::unique_ptr<PrefixStore> store)
      : model_(model),
        session_(std::move(session)),
        generator_(std::move(generator)),
        system_(std::move(system)),
        stopped_(std::move(stopped)),
        store_(std::move(store)) {}

  /// Keeps a snapshot when the prompt is read: where the same question is answered again.
  class Keeper final : public AnswerObserver {
   public:
    Keeper(Chat& chat, AnswerObserver& observer) : chat_(chat), observer_(observer) {}
    void take(const ResponseEvent& event) override { observer_.take(event); }
    void prompt_read(std::size_t done, std::size_t total) override {
      observer_.prompt_read(done, total);
      if (done == total) chat_.keep();
    }
    bool goes_on() override { return observer_.goes_on(); }

   private:
    Chat& chat_;
    AnswerObserver& observer_;
  };

  /// Keeps what the session has read, if there is memory for it.
  void keep() {
    if (session_.snapshot_bytes() > store_->budget()) return;
    if (const auto snapshot = session_.snapshot()) static_cast<void>(store_->put(*snapshot));
  }
  /// Tokens that the session has read and that are the beginning of a prompt.
  [[nodiscard]] std::uint32_t read_of(std::span<const TokenId> prompt) const noexcept {
    const std::span<const TokenId> read = session_.tokens();
    const auto end = std::mismatch(read.begin(), read.end(), prompt.begin(), prompt.end()).first;
    return static_cast<std::uint32_t>(end - read.begin());
  }
  /// Brings the session as far into the prompt as it was read before; one token is left, for its logits.
  void seek(std::span<const TokenId> prompt) noexcept;

  /// Asks as the last message of the user did, or in other `words`.
  template <class OnEvent>
  [[nodiscard]] Result<Answer> ask_again(const char* where, const std::string_view* words,
                                         OnEvent& on_event) {
    const std::size_t count = messages_before_answer();
    if (count == 0) return Error{ErrorCode::bad_argument, where, "there is no turn of the user", "", "", ""};
    return guard_memory("chat", [&] {
      Conversation asked = conversation_;
      asked.messages.erase(asked.messages.begin() + static_cast<std::ptrdiff_t>(count), asked.messages.end());
      if (words != nullptr) asked.messages.back().content = *words;
      return ask(std::move(asked), on_event);
    });
  }
  /// Messages up to the last one of the user, with it; 0 if there is none.
  [[nodiscard]] std::size_t messages_before_answer() const noexcept {
    const std::vector<Message>& messages = conversation_.messages;
    const auto last =
        std::find_if(messages.rbegin(), messages.rend(), [](const Message& m) { return m.role == "user"; });
    return static_cast<std::size_t>(messages.rend() - last);
  }

  template <class OnEvent>
  [[nodiscard]] Result<Answer> ask(Conversation asked, OnEvent& on_event) {
    class Observer final : public AnswerObserver {
     public:
      Observer(std::atomic<bool>& stopped, OnEvent& call) : stopped_(stopped), call_(call) {}
      void take(const ResponseEvent& event) override {
        if constexpr (std::is_convertible_v<decltype(call_(event)), bool>) {
          if (!call_(event)) stopped_.store(true, std::memory_order_relaxed);
        } else {
          call_(event);
        }
      }
      bool goes_on() override { return !stopped_.load(std::memory_order_relaxed); }

     private:
      std::atomic<bool>& stopped_;
      OnEvent& call_;
    };
    Observer observer(*stopped_, on_event);
    return ask(std::move(asked), static_cast<AnswerObserver&>(observer));
  }
  [[nodiscard]] Result<Answer> ask(Conversation asked, AnswerObserver& observer);
  [[nodiscard]] Conversation with_user_message(Content content) const {
    Conversation asked = conversation_;
    Message message;
    message.role = "user";
    message.content = std::move(content);
    asked.messages.push_back(std::move(message));
    return asked;
  }

  Model model_;
  Session session_;
  Generator generator_;
  std::string system_;
  std::unique_ptr<std::atomic<bool>> stopped_;  ///< on the heap, so that a chat can be moved
  std::unique_ptr<PrefixStore> store_;          ///< as well
  Conversation conversation_;
};

// --- Implementation ---

inline Result<Chat> Chat::create(const Model& model, const ChatOptions& options) {
  SessionOptions plan;
  plan.context = std::min(options.context, model.max_context());
  plan.chunk = options.chunk;
  plan.precision = options.precision;
  plan.cache = options.cache;
  plan.executor = options.executor;
  plan.cache_tokens = options.cache_tokens;
  if (options.drafter) plan.logits_rows = std::min(options.drafts.most + 1, plan.chunk);
  auto session = Session::create(model, plan);
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
    std::unique_ptr<std::atomic<bool>> stopped(new (std::nothrow) std::atomic<bool>(false));
    std::unique_ptr<PrefixStore> store(new (std::nothrow) PrefixStore(
        options.snapshot_bytes, model.entry().page_bytes(session.options().cache)));
    if (stopped == nullptr || store == nullptr) return refused_memory("chat");
    Chat chat(model, std::move(session), std::move(*generator), options.system, std::move(stopped),
              std::move(store));
    chat.conversation_.tools = options.tools;
    chat.conversation_.enable_thinking = options.thinking;
    chat.reset();
    return chat;
  });
}

inline void Chat::reset() {
  std::vector<Message> messages;
  if (!system_.empty()) {
    messages.emplace_back().role = "system";
    messages.back().content = system_;
  }
  conversation_.messages = std::move(messages);
}

inline Status Chat::undo() {
  const std::size_t count = messages_before_answer();
  if (count == 0) return Error{ErrorCode::bad_argument, "undo", "there is no turn to take back", "", "", ""};
  std::vector<Message>& messages = conversation_.messages;
  messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(count - 1), messages.end());
  return Done{};
}

inline void Chat::seek(std::span<const TokenId> prompt) noexcept {
  const auto most = static_cast<std::uint32_t>(prompt.size() - 1);
  const std::uint32_t here = session_.rewind_start(std::min(read_of(prompt), most));
  bool restored = false;
  if (const PrefixMatch kept = store_->find(prompt);
      kept.snapshot && std::min(kept.snapshot->position(), most) > here) {
    while (!(restored = static_cast<bool>(session_.restore(*kept.snapshot))) && store_->evict()) continue;
    if (restored) static_cast<void>(session_.rewind(session_.rewind_start(most)));
  }
  if (!restored) static_cast<void>(session_.rewind(here));
  // Pages that only other branches hold are for this one, if there are no others.
  while (!session_.can_fill() && store_->evict()) continue;
}

inline Result<std::uint32_t> Chat::load_state(const std::string& path) {
  return guard_memory("chat", [&]() -> Result<std::uint32_t> {
    Status loaded = lamina::load_state(session_, path);
    // Pages that only other turns and branches hold are for this state, if there are no others.
    while (!loaded && loaded.error().code == ErrorCode::out_of_memory && store_->evict())
      loaded = lamina::load_state(session_, path);
    LAMINA_TRY(std::move(loaded));
    const auto prompt = render_chat(conversation_, model_.template_size());
    if (!prompt) return prompt.error();
    const auto encoded = encode_prompt(*prompt, *model_.tokenizer(), model_.hidden());
    if (!encoded) return encoded.error();
    return read_of(encoded->ids);
  });
}

inline Result<Answer> Chat::ask(Conversation asked, AnswerObserver& observer) {
  stopped_->store(false, std::memory_order_relaxed);
  LAMINA_TRY(check_encoded(asked));
  const auto prompt = render_chat(asked, model_.template_size());
  if (!prompt) return prompt.error();
  const auto encoded = encode_prompt(*prompt, *model_.tokenizer(), model_.hidden());
  if (!encoded) return encoded.error();
  const auto start = starts_in_thought(prompt->text()) ? ResponseStart::thought : ResponseStart::answer;
  // Thoughts leave the history and text may be cut into other tokens: then what the session has read is no
  // beginning of the prompt, and it goes back to where it is.
  if (!encoded->ids.empty()) seek(encoded->ids);
  const auto turns = std::count_if(conversation_.messages.begin(), conversation_.messages.end(),
                                   [](const Message& m) { return m.role == "user"; });
  Keeper keeper(*this, observer);
  const bool asked_to_think = asked.enable_thinking;
  auto answer = generator_.answer(
      session_,
      {encoded->tokens(), AnswerForm::parsed, start, static_cast<std::uint64_t>(turns), asked_to_think},
      keeper);
  if (!answer) return answer.error();
  keep();

  Message reply;
  reply.role = "assistant";
  reply.content = answer->text;
  reply.reasoning = answer->thought;
  for (const ParsedCall& call : answer->calls) {
    if (call.well_formed) reply.tool_calls.push_back({call.name, call.arguments, std::nullopt});
  }
  asked.messages.push_back(std::move(reply));
  conversation_ = std::move(asked);
  return answer;
}

}  // namespace lamina
