// SPDX-License-Identifier: Apache-2.0
// Errors, documents and notes on their way out.
#include "report.hpp"

#include <cstdarg>
#include <cstdio>

#include <lamina/huggingface/json_text.hpp>

namespace program {

Json error_document(const lamina::Error& error) {
  return Json{{"error",
               {{"code", std::string(name_of(error.code))},
                {"message", std::string(describe(error).view())},
                {"where", std::string(error.where.view())},
                {"hint", std::string(error.hint.view())}}}};
}

int fail(const lamina::Error& error, bool json) {
  std::fflush(stdout);
  std::fprintf(stderr, "lamina: %s\n", describe(error).c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  if (json) print(error_document(error));
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
  const std::string line = dump(document) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

lamina::Result<Json> parse_json(std::string_view text, std::string_view where) {
  const auto well_formed = lamina::well_formed_json(text);
  if (!well_formed) {
    lamina::Error error = well_formed.error();
    error.where = where;
    return error;
  }
  Json document = Json::parse(*well_formed, nullptr, false);
  if (document.is_discarded()) {
    return lamina::Error{lamina::ErrorCode::bad_argument,
                         where,
                         "text is no JSON document",
                         "JSON in UTF-8",
                         text.empty() ? std::string_view("nothing") : text,
                         ""};
  }
  return document;
}

void note(const CommonOptions& options, const char* format, ...) {
  if (!options.talks()) return;
  std::va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
}

}  // namespace program
