// SPDX-License-Identifier: Apache-2.0
// Errors, documents and notes on their way out.
#include "report.hpp"

#include <cstdarg>
#include <cstdio>

#include "commands.hpp"
#include "flag_hints.hpp"
#include "output.hpp"
#include "print_error.hpp"

namespace program {

Json error_document(const lamina::Error& from_library) {
  const lamina::Error error = with_flags(from_library);
  return Json{{"error",
               {{"code", std::string(name_of(error.code))},
                {"message", std::string(describe(error).view())},
                {"where", std::string(error.where.view())},
                {"hint", std::string(error.hint.view())}}}};
}

int fail(const lamina::Error& from_library, bool json) {
  const lamina::Error error = with_flags(from_library);
  flush_output();
  print_error(error, "lamina: ");
  if (json) print(error_document(from_library));
  return exit_failed;
}

int fail_usage(std::string_view message, std::string_view hint, bool json) {
  std::fprintf(stderr, "lamina: %.*s\n", static_cast<int>(message.size()), message.data());
  std::fprintf(stderr, "hint: %.*s\n", static_cast<int>(hint.size()), hint.data());
  if (json) {
    print(Json{
        {"error", {{"code", "usage"}, {"message", message}, {"where", "command line"}, {"hint", hint}}}});
  }
  return exit_usage;
}

std::string dump(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print(const Json& document) {
  put(dump(document));
  put("\n");
  flush_output();
}

int fail_without_memory(bool json) {
  return fail(lamina::Error{lamina::ErrorCode::out_of_memory, "memory", "the system refused memory", "more",
                            "none left", "free some, or raise the limit (ulimit -v, the container's)"},
              json);
}

namespace {

void say_line(const char* format, std::va_list arguments) {
  std::vfprintf(stderr, format, arguments);
  std::fputc('\n', stderr);
}

}  // namespace

void note(const CommonOptions& options, const char* format, ...) {
  if (!options.talks()) return;
  std::va_list arguments;
  va_start(arguments, format);
  say_line(format, arguments);
  va_end(arguments);
}

void note_demo(const CommonOptions& options) {
  if (options.model.empty() && !options.json)
    note(options, "%.*s", static_cast<int>(demo_exercises.size()), demo_exercises.data());
}

void note_less(const CommonOptions& options, const char* format, ...) {
  if (options.quiet) return;
  std::fputs("note: ", stderr);
  std::va_list arguments;
  va_start(arguments, format);
  say_line(format, arguments);
  va_end(arguments);
}

}  // namespace program
