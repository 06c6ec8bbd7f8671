// SPDX-License-Identifier: Apache-2.0
// The program `lamina`: reads the command line, runs one sub-command, returns its exit code.
#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "interrupt.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "report.hpp"
#include "target.hpp"

namespace program {
namespace {

/// Memory that is refused where no error can be returned: in a function that is `noexcept`, before `main`, or
/// for the exception itself (then there is none).
[[noreturn]] void on_terminate() noexcept {
  constexpr std::string_view message =
      "lamina: memory: the system refused memory: expected more, found none left\n";
  try {
    if (std::current_exception() != nullptr) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
  } catch (...) {
    std::abort();
  }
  (void)!::write(STDERR_FILENO, message.data(), message.size());
  ::_exit(exit_failed);
}

// Before other static objects are made.
__attribute__((constructor(101))) void catch_terminate() noexcept { std::set_terminate(&on_terminate); }

/// Opening a model takes 160 KiB of stack. Worker threads get as much as this limit says.
lamina::Status check_stack() noexcept {
  constexpr rlim_t least = rlim_t{256} << 10;
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= least) return lamina::Done{};
  return lamina::Error{lamina::ErrorCode::out_of_memory,
                       "stack",
                       "the limit of the stack is too small",
                       lamina::text("at least %llu bytes", static_cast<unsigned long long>(least)),
                       lamina::text("%llu bytes", static_cast<unsigned long long>(limit.rlim_cur)),
                       "raise it: ulimit -s 8192"};
}

bool wants_json(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--") return false;
    if (argument == "--json") return true;
  }
  return false;
}

/// What is wrong with "--flag=": CLI11 would take the next argument for its value.
std::optional<std::string> find_empty_assignment(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--") break;
    if (argument.size() < 4 || !argument.starts_with("--") || argument.find('=') + 1 != argument.size())
      continue;
    return std::string(argument.substr(0, argument.size() - 1)) + ": " + expected_found("a value", "");
  }
  return std::nullopt;
}

/// An option that was given twice must not lose one of its values.
std::optional<std::string> find_wrong_values(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_items_expected_max() == 0) continue;
    const auto& values = option->results();
    if (std::find(values.begin(), values.end(), "") != values.end())
      return option->get_name() + ": " + expected_found("a value", "");
    if (option->get_items_expected_max() == 1 && values.size() > 1)
      return option->get_name() + ": " + expected_found("one value", std::to_string(values.size()));
  }
  return std::nullopt;
}

/// CLI11's errors in the form of all others.
std::string usage_text(const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::string end = text.substr(std::min(text.find(": "), text.size()));
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !end.empty()) {
    return "arguments: " + expected_found("no more", end.substr(2));
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return text.substr(0, text.size() - end.size()) + ": " + expected_found("a value", "");
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return "arguments: " + expected_found("a sub-command", "");
  }
  return text;
}

int refuse_usage(const CLI::App& app, const std::string& message, bool json) {
  const auto chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "lamina" : "lamina " + chosen.front()->get_name();
  return fail_usage(message, "`" + command + " --help` lists what is possible", json);
}

int run_command(int count, char** arguments, bool json) {
  CLI::App app("Gemma 4 on CPUs. Without -m, the demo model inside the program answers.", "lamina");
  app.set_version_flag("--version", program::version_text);
  app.require_subcommand(1);
  app.footer(std::string(demo_exercises) +
             "\n\nExit codes: 0 done, 1 the work failed, output that nobody took included, 2 wrong usage, "
             "130 stopped by Ctrl-C.");
  app.option_defaults()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);  // find_wrong_values says more

  Program program{app, {}};
  add_run(program);
  add_chat(program);
  add_logits(program);
  add_tokenize(program);
  add_prompt(program);
  add_fits(program);
  add_media(program);
  add_plan(program);
  add_bench(program);
  add_pack(program);
#if defined(LAMINA_SERVES)
  add_serve(program);
#endif
  add_later(program);

  try {
    if (const auto wrong = find_empty_assignment(count, arguments)) return refuse_usage(app, *wrong, json);
    app.parse(count, arguments);
  } catch (const CLI::Success& asked) {
    std::ostringstream text;
    app.exit(asked, text, text);
    put(text.str());
    return exit_done;
  } catch (const CLI::ParseError& error) {
    return refuse_usage(app, usage_text(error), json);
  }
  const CLI::App& command = *app.get_subcommands().front();
  if (const auto wrong = find_wrong_values(command)) return refuse_usage(app, *wrong, json);
  return program.action();
}

int run_protected(int count, char** arguments) {
  protect_streams();
  end_on_interrupt();
  const bool json = wants_json(count, arguments);
  if (const auto status = check_stack(); !status) return fail(status.error(), json);
  try {
    return run_command(count, arguments, json);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {  // a size beyond what a container can hold
  }
  return fail_without_memory(json);
}

}  // namespace
}  // namespace program

int main(int count, char** arguments) {
  const int code = program::run_protected(count, arguments);
  const auto delivered = program::finish_output();
  return delivered ? code : program::fail(delivered.error(), false);
}
