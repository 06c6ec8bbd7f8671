// SPDX-License-Identifier: Apache-2.0
// `lamina chat`: turns on one session. The cache is kept as long as the conversation's prompt only grows.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/chat/chat_template.hpp>

#include "answer.hpp"
#include "commands.hpp"
#include "interrupt.hpp"
#include "lines.hpp"
#include "output.hpp"
#include "text_parts.hpp"
#include "transcript.hpp"

namespace program {
namespace {

using lamina::Error;
using lamina::ErrorCode;
using lamina::TokenId;

struct ChatFlags {
  CommonOptions common;
  GenerationOptions generation;
  MediaOptions media;
};

/// A conversation with one engine.
class Chat {
 public:
  Chat(Engine& engine, const lamina::Tokenizer& tokenizer, const ChatFlags& flags)
      : engine_(engine), tokenizer_(tokenizer), flags_(flags) {
    conversation_.enable_thinking = flags.generation.think;
    reset();
  }

  /// Runs a line that begins with a slash. Returns false if it ends the chat.
  [[nodiscard]] lamina::Result<bool> command(std::string_view line);

  /// Answers a turn of the user; nothing is kept of a turn that fails.
  [[nodiscard]] lamina::Result<Answer> turn(std::string_view text, Answerer& answerer,
                                            AnswerPrinter& printer);

  /// Whether a conversation could not be saved.
  [[nodiscard]] bool lost_output() const noexcept { return lost_output_; }

 private:
  void reset() {
    conversation_.messages.clear();
    if (flags_.generation.system.empty()) return;
    lamina::Message message;
    message.role = "system";
    message.content = flags_.generation.system;
    conversation_.messages.push_back(std::move(message));
  }
  [[nodiscard]] lamina::Status undo();
  [[nodiscard]] lamina::Status load(const std::string& path);

  Engine& engine_;
  const lamina::Tokenizer& tokenizer_;
  const ChatFlags& flags_;
  lamina::Conversation conversation_;
  std::vector<TokenId> cached_;  ///< tokens whose keys and values the session holds
  bool lost_output_ = false;
};

lamina::Status Chat::undo() {
  auto& messages = conversation_.messages;
  const auto last =
      std::find_if(messages.rbegin(), messages.rend(), [](const auto& m) { return m.role == "user"; });
  if (last == messages.rend()) {
    return Error{ErrorCode::bad_argument, "/undo", "there is no turn to take back", "", "", ""};
  }
  messages.erase(last.base() - 1, messages.end());
  return lamina::Done{};
}

lamina::Status Chat::load(const std::string& path) {
  auto loaded = load_transcript(path);
  if (!loaded) return loaded.error();
  conversation_ = std::move(*loaded);
  conversation_.add_generation_prompt = true;
  return lamina::Done{};
}

constexpr std::string_view command_help =
    "/think       switch thinking on or off\n"
    "/reset       forget the conversation\n"
    "/undo        take the last turn back\n"
    "/save FILE   write the conversation as JSON\n"
    "/load FILE   go on with a conversation\n"
    "/help        this list\n"
    "/quit        end; Ctrl-D does, too\n"
    "Ctrl-C stops an answer, not the chat. A line that begins with a space is said, slash or not.\n";

lamina::Result<bool> Chat::command(std::string_view line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view name = line.substr(0, space);
  const std::size_t begin = std::min(line.find_first_not_of(' ', space), line.size());
  const std::string argument(line.substr(begin));
  if (name == "/quit" || name == "/exit") return false;
  if (argument.empty() && (name == "/save" || name == "/load")) {
    return Error{ErrorCode::bad_argument, name,      "file is not named",
                 "the name of a file",    "nothing", "/save talk.json"};
  }
  if (name == "/help") {
    std::fwrite(command_help.data(), 1, command_help.size(), stderr);
  } else if (name == "/reset") {
    reset();
  } else if (name == "/undo") {
    LAMINA_TRY(undo());
  } else if (name == "/think") {
    conversation_.enable_thinking = !conversation_.enable_thinking;
    note(flags_.common, "thinking is %s", conversation_.enable_thinking ? "on" : "off");
  } else if (name == "/save") {
    auto saved = save_transcript(conversation_, argument);
    lost_output_ = lost_output_ || !saved;
    LAMINA_TRY(std::move(saved));
  } else if (name == "/load") {
    LAMINA_TRY(load(argument));
  } else if (name == "/image" || name == "/audio" || name == "/video") {
    return not_in_this_version(name, "reading pictures and sounds", "use text only");
  } else {
    return Error{ErrorCode::bad_argument,
                 "chat",
                 "no such command",
                 "a command",
                 name,
                 "/help lists the commands; start the line with a space to say it"};
  }
  return true;
}

lamina::Result<Answer> Chat::turn(std::string_view text, Answerer& answerer, AnswerPrinter& printer) {
  lamina::Conversation asked = conversation_;
  lamina::Message message;
  message.role = "user";
  message.content = text;
  asked.messages.push_back(std::move(message));
  const auto prompt = lamina::render_chat(asked, template_size(engine_.file));
  if (!prompt) return prompt.error();
  std::vector<TokenId> ids;
  LAMINA_TRY(tokenizer_.encode(prompt->spans(), ids, lamina::Bos::once));
  const std::int32_t most = engine_.file.description.max_context;
  LAMINA_TRY(check_length(ids.size(), engine_.session->context(), most));

  // Thoughts leave the history and text may be cut into other tokens: then what is cached is no beginning of
  // the prompt. A token must be left to feed, for its logits.
  const bool grows = cached_.size() < ids.size() && std::equal(cached_.begin(), cached_.end(), ids.begin());
  if (!grows) {
    engine_.session->reset();
    cached_.clear();
  }
  const auto start = lamina::starts_in_thought(prompt->text()) ? lamina::ResponseStart::thought
                                                               : lamina::ResponseStart::answer;
  const auto turns = std::count_if(conversation_.messages.begin(), conversation_.messages.end(),
                                   [](const lamina::Message& m) { return m.role == "user"; });
  auto answer = answerer.answer(
      {ids, cached_.size(), AnswerForm::parsed, start, static_cast<std::uint64_t>(turns)}, printer);
  cached_ = std::move(ids);
  if (answer) cached_.insert(cached_.end(), answer->tokens.begin(), answer->tokens.end());
  cached_.resize(engine_.session->position());
  if (!answer) return answer.error();

  lamina::Message reply;
  reply.role = "assistant";
  reply.content = answer->text;
  reply.reasoning = answer->thought;
  for (const lamina::ParsedCall& call : answer->calls) {
    if (call.well_formed) reply.tool_calls.push_back({call.name, call.arguments, std::nullopt});
  }
  asked.messages.push_back(std::move(reply));
  conversation_ = std::move(asked);
  return answer;
}

/// Reads the next line; false at the end of the input. Ctrl-C while waiting only drops the line.
bool next_line(const CommonOptions& common, LineReader& lines, std::string& line) {
  const bool shows_prompt = stdin_is_terminal() && !common.json;
  for (;;) {
    if (shows_prompt) {
      std::fputs("> ", stderr);
      std::fflush(stderr);
    }
    errno = 0;
    if (lines.next(line) && !interrupted()) return true;
    if (!interrupted() && errno != EINTR) return false;
    clear_interrupt();
    std::clearerr(stdin);
    if (shows_prompt) std::fputs("\n(/quit or Ctrl-D ends the chat)\n", stderr);
  }
}

int talk(Engine& engine, const lamina::Tokenizer& tokenizer, const ChatFlags& flags, Answerer& answerer) {
  const bool json = flags.common.json;
  Chat chat(engine, tokenizer, flags);
  LineReader lines(stdin);
  std::string line;
  while (!output_failed() && next_line(flags.common, lines, line)) {
    if (is_blank(line)) continue;
    if (line.front() == '/') {
      const auto goes_on = chat.command(line);
      if (!goes_on) {
        fail(goes_on.error(), json);
      } else if (!*goes_on) {
        break;
      }
      continue;
    }
    AnswerPrinter printer(json, flags.common.talks());
    const auto answer = chat.turn(line, answerer, printer);
    printer.finish();
    if (!answer) {
      fail(answer.error(), json);
      continue;
    }
    if (json) print(answer_json(*answer));
    note_timing(flags.common, *answer);
    clear_interrupt();
  }
  if (const auto status = check_read(stdin, stdin_name); !status) return fail(status.error(), json);
  return chat.lost_output() ? exit_failed : exit_done;
}

int chat(const ChatFlags& flags) {
  const bool json = flags.common.json;
  if (const auto status = check_media(flags.media); !status) return fail(status.error(), json);
  catch_interrupts();
  Engine engine;
  auto file = open_weights(flags.common.model);
  if (!file) return fail(file.error(), json);
  engine.file = std::move(*file);
  const auto tokenizer = tokenizer_of(engine.file);
  if (!tokenizer) return fail(tokenizer.error(), json);
  if (const auto status = start(engine, flags.common); !status) return fail(status.error(), json);
  auto answerer = Answerer::create(engine, &*tokenizer, flags.common, flags.generation);
  if (!answerer) return fail(answerer.error(), json);
  note_demo(flags.common);
  return talk(engine, *tokenizer, flags, *answerer);
}

}  // namespace

void add_chat(Program& program) {
  CLI::App* command = program.app.add_subcommand("chat", "Turns with one model, line by line");
  auto flags = std::make_shared<ChatFlags>();
  add_common_flags(*command, flags->common);
  add_generation_flags(*command, flags->generation);
  add_media_flags(*command, flags->media);
  command->footer(
      "Commands: /think switches thinking, /reset forgets all, /undo takes the last turn back, /save F and "
      "/load F keep\n"
      "the conversation as JSON, /help lists them, /quit ends. Ctrl-C stops an answer, not the chat.\n\n" +
      std::string(demo_exercises));
  command->callback([&program, flags] { program.action = [flags] { return chat(*flags); }; });
}

}  // namespace program
