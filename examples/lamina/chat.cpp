// SPDX-License-Identifier: Apache-2.0
// `lamina chat`: turns with one model, line by line.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/chat/chat.hpp>
#include <lamina/weights/mapped_file.hpp>

#include "answer.hpp"
#include "commands.hpp"
#include "drafting.hpp"
#include "interrupt.hpp"
#include "lines.hpp"
#include "media.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "transcript.hpp"

namespace program {
namespace {

using lamina::Error;
using lamina::ErrorCode;

struct ChatFlags {
  CommonOptions common;
  GenerationOptions generation;
  MediaOptions media;
  bool state = false;
};

/// How a line asks for an answer.
enum class Ask : std::uint8_t { words, again, in_other_words };

/// The conversation, and the commands that change it.
class Commands {
 public:
  Commands(lamina::Chat& chat, const ChatFlags& flags, Towers& towers)
      : chat_(chat), common_(flags.common), towers_(towers), keeps_state_(flags.state) {}

  /// Runs a line that begins with a slash. Returns false if it ends the chat.
  [[nodiscard]] lamina::Result<bool> run(std::string_view line);

  /// Takes the pictures, sounds and videos that the next message is about, and forgets them.
  [[nodiscard]] std::vector<lamina::ContentPart> take_parts() { return std::exchange(parts_, {}); }

  /// Encodes what the next message is about. Errors: as `Towers::encode_parts`
  [[nodiscard]] lamina::Status show(std::span<const MediaSource> sources);

  /// Whether a conversation could not be saved.
  [[nodiscard]] bool lost_output() const noexcept { return lost_output_; }

 private:
  [[nodiscard]] lamina::Status load(const std::string& path);
  [[nodiscard]] lamina::Status save(const std::string& path);
  void load_state(const std::string& path);
  [[nodiscard]] lamina::Status branch(const std::string& argument);

  lamina::Chat& chat_;
  const CommonOptions& common_;
  Towers& towers_;
  bool keeps_state_;
  std::vector<lamina::ContentPart> parts_;
  std::vector<lamina::Conversation> branches_;  ///< as they were left; empty: there is one
  std::size_t branch_ = 0;                      ///< which is talked on
  bool lost_output_ = false;
};

lamina::Status Commands::show(std::span<const MediaSource> sources) {
  auto parts = towers_.encode_parts(sources);
  if (!parts) return parts.error();
  std::move(parts->begin(), parts->end(), std::back_inserter(parts_));
  return lamina::Done{};
}

/// Where the state of a conversation lies that is saved at `path`.
std::string state_path(const std::string& path) { return path + ".state"; }

lamina::Status Commands::load(const std::string& path) {
  auto loaded = load_transcript(path);
  if (!loaded) return loaded.error();
  if (auto encoded = towers_.encode_conversation(*loaded); !encoded) {
    Error error = encoded.error();
    error.where = lamina::place(path, encoded.error().where);
    return error;
  }
  chat_.load(std::move(*loaded));
  if (keeps_state_) load_state(state_path(path));
  return lamina::Done{};
}

/// What cannot be used costs time, not the conversation: it is read again.
void Commands::load_state(const std::string& path) {
  if (lamina::path_kind(path) == lamina::PathKind::absent) {
    note_less(common_, "no saved state beside the conversation: it is read again");
    return;
  }
  const auto known = chat_.load_state(path);
  if (!known) {
    note_less(common_, "%s: the conversation is read again", describe(known.error()).c_str());
  } else if (const std::uint32_t read = chat_.session().position(); *known < read) {
    note_less(common_, "%s: %u of its %u tokens are not this conversation's: they are read again",
              path.c_str(), read - *known, read);
  }
}

lamina::Status Commands::save(const std::string& path) {
  LAMINA_TRY(save_transcript(chat_.conversation(), path));
  return keeps_state_ ? chat_.save_state(state_path(path)) : lamina::Status(lamina::Done{});
}

/// Leaves a copy of the conversation, or goes on with one that was left.
lamina::Status Commands::branch(const std::string& argument) {
  if (branches_.empty()) branches_.push_back(chat_.conversation());
  if (argument.empty()) {
    branches_[branch_] = chat_.conversation();
    branches_.push_back(chat_.conversation());
    branch_ = branches_.size() - 1;
  } else {
    std::size_t number = 0;
    if (!read_number(argument, std::size_t{1}, branches_.size(), number)) {
      return Error{ErrorCode::bad_argument,    "/branch",
                   "no such branch",           lamina::text("1 to %zu", branches_.size()),
                   std::string_view(argument), "/branch alone begins another one"};
    }
    branches_[branch_] = chat_.conversation();
    branch_ = number - 1;
    chat_.load(branches_[branch_]);
  }
  note(common_, "branch %zu of %zu; /branch N goes to another", branch_ + 1, branches_.size());
  return lamina::Done{};
}

constexpr std::string_view command_help =
    "/image FILE  show a picture with the next message; /audio FILE and /video FILE likewise\n"
    "/think       switch thinking on or off\n"
    "/reset       forget the conversation\n"
    "/undo        take the last turn back\n"
    "/regen       answer the last message again\n"
    "/edit TEXT   say the last message in other words\n"
    "/branch      go on in a copy of the conversation; /branch N goes to number N\n"
    "/save FILE   write the conversation as JSON; with --state what was read of it, too\n"
    "/load FILE   go on with a conversation; with --state without reading it again\n"
    "/help        this list\n"
    "/quit        end; Ctrl-D does, too\n"
    "Ctrl-C stops an answer, not the chat. A line that begins with a space is said, slash or not.\n";

lamina::Result<bool> Commands::run(std::string_view line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view name = line.substr(0, space);
  const std::size_t begin = std::min(line.find_first_not_of(' ', space), line.size());
  const std::string argument(line.substr(begin));
  if (name == "/quit" || name == "/exit") return false;
  if (name == "/edit") {
    return Error{ErrorCode::bad_argument,   name, "words are missing", "a message", "nothing",
                 "/edit What did you mean?"};
  }
  if (argument.empty() && (name == "/save" || name == "/load")) {
    return Error{ErrorCode::bad_argument, name,      "file is not named",
                 "the name of a file",    "nothing", "/save talk.json"};
  }
  if (name == "/help") {
    std::fwrite(command_help.data(), 1, command_help.size(), stderr);
  } else if (name == "/reset") {
    chat_.reset();
  } else if (name == "/undo") {
    if (auto undone = chat_.undo(); !undone) {
      Error error = undone.error();
      error.where = "/undo";
      return error;
    }
  } else if (name == "/think") {
    const bool thinking = !chat_.conversation().enable_thinking;
    chat_.set_thinking(thinking);
    note(common_, "thinking is %s", thinking ? "on" : "off");
  } else if (name == "/save") {
    auto saved = save(argument);
    lost_output_ = lost_output_ || !saved;
    LAMINA_TRY(std::move(saved));
  } else if (name == "/load") {
    LAMINA_TRY(load(argument));
  } else if (name == "/branch") {
    LAMINA_TRY(branch(argument));
  } else if (name == "/image" || name == "/audio" || name == "/video") {
    if (argument.empty()) {
      return Error{ErrorCode::bad_argument, name,      "file is not named",
                   "the name of a file",    "nothing", "/image photo.png"};
    }
    const lamina::Medium kind = name == "/image"   ? lamina::Medium::image
                                : name == "/audio" ? lamina::Medium::audio
                                                   : lamina::Medium::video;
    const MediaSource source{kind, argument};
    LAMINA_TRY(show({&source, 1}));
    note(common_, "%s goes with the next message", argument.c_str());
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

/// Whether a line asks for an answer, and with which words; nothing if it is a command that does something
/// else.
std::optional<std::pair<Ask, std::string_view>> asked_by(std::string_view line) {
  if (line.front() != '/') return std::pair{Ask::words, line};
  if (line == "/regen") return std::pair{Ask::again, std::string_view()};
  constexpr std::string_view edit = "/edit ";
  if (!line.starts_with(edit) || is_blank(line.substr(edit.size()))) return std::nullopt;
  return std::pair{Ask::in_other_words, line.substr(line.find_first_not_of(' ', edit.size()))};
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

int talk(lamina::Chat& chat, const ChatFlags& flags, Towers& towers, double load_seconds,
         const lamina::Tokenizer* tokenizer) {
  const bool json = flags.common.json;
  Commands commands(chat, flags, towers);
  if (const auto status = commands.show(flags.media.sources); !status) return fail(status.error(), json);
  LineReader lines(stdin);
  std::string line;
  while (!output_failed() && next_line(flags.common, lines, line)) {
    if (is_blank(line)) continue;
    const auto asked = asked_by(line);
    if (!asked) {
      const auto goes_on = commands.run(line);
      if (!goes_on) {
        fail(goes_on.error(), json);
      } else if (!*goes_on) {
        break;
      }
      continue;
    }
    AnswerView view(flags.common, chat.session().options().chunk);
    const auto [how, words] = *asked;
    std::vector<lamina::ContentPart> parts;
    if (how == Ask::words) parts = commands.take_parts();
    if (!parts.empty()) parts.push_back(lamina::text_part(line));
    const auto answer = how == Ask::again            ? chat.regenerate(view)
                        : how == Ask::in_other_words ? chat.edit(words, view)
                        : parts.empty()              ? chat.say(words, view)
                                                     : chat.say(std::move(parts), view);
    view.finish();
    if (!answer) {
      fail(answer.error(), json);
      continue;
    }
    if (json) print(answer_json(*answer, load_seconds, tokenizer));
    note_timing(flags.common, *answer);
    clear_interrupt();
  }
  if (const auto status = check_read(stdin, stdin_name); !status) return fail(status.error(), json);
  return commands.lost_output() ? exit_failed : exit_done;
}

int chat(const ChatFlags& flags) {
  const bool json = flags.common.json;
  catch_interrupts();
  auto file = open_file(flags.common.model);
  if (!file) return fail(file.error(), json);
  if (!file->tokenizer) return fail(file->tokenizer.error(), json);
  const int largest = std::max(flags.media.image_tokens, lamina::default_image_budget);
  auto engine = start(std::move(*file), flags.common,
                      {.block = static_cast<std::uint32_t>(largest), .branches = true, .drafts = true});
  if (!engine) return fail(engine.error(), json);
  lamina::ChatOptions options;
  auto generation = generation_options(*engine->model, flags.common, flags.generation);
  if (!generation) return fail(generation.error(), json);
  options.generation = std::move(*generation);
  options.system = flags.generation.system;
  options.thinking = flags.generation.think;
  options.snapshot_bytes = std::min(
      options.snapshot_budget(engine->model->entry(), engine->session->options()), engine->spare_bytes);
  options.drafter = engine->drafter;
  options.drafts = draft_options(flags.common);
  auto chat = lamina::Chat::create(*engine->model, std::move(*engine->session), options);
  if (!chat) return fail(chat.error(), json);
  note_demo(flags.common);
  Towers towers(flags.common, flags.media, engine->model->hidden(), engine->planned_bytes);
  if (!flags.common.mmproj.empty()) {  // named on purpose: say at once what is wrong with it
    if (const auto opened = towers.open(); !opened) return fail(opened.error(), json);
  }
  return talk(*chat, flags, towers, engine->load_seconds, engine->model->tokenizer());
}

}  // namespace

void add_chat(Program& program) {
  CLI::App* command = program.app.add_subcommand("chat", "Turns with one model, line by line");
  auto flags = std::make_shared<ChatFlags>();
  add_common_flags(*command, flags->common);
  add_memory_flags(*command, flags->common);
  add_draft_flags(*command, flags->common);
  add_generation_flags(*command, flags->generation);
  add_media_flags(*command, flags->media);
  command->add_flag("--state", flags->state,
                    "/save and /load keep what was read beside the conversation, in FILE.state");
  command->footer(
      "Commands: /image F, /audio F and /video F show something with the next message, /think switches "
      "thinking, /reset forgets all, /undo takes the last turn back, /regen answers again, "
      "/edit TEXT says the last\n"
      "message in other words, /branch goes on in a copy, /save F and /load F keep the conversation as JSON, "
      "/help lists\n"
      "them, /quit ends. Ctrl-C stops an answer, not the chat.\n\n" +
      std::string(demo_exercises));
  command->callback([&program, command, flags] {
    flags->media.put_in_order(*command);
    program.action = [flags] { return chat(*flags); };
  });
}

}  // namespace program
