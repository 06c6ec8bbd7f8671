// SPDX-License-Identifier: Apache-2.0
// The program `lamina`: reads the command line, runs one sub-command, returns its exit code.
#include <cstdio>
#include <string_view>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "report.hpp"
#include "target.hpp"

namespace {

bool wants_json(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--") return false;
    if (argument == "--json") return true;
  }
  return false;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Gemma 4 on CPUs. Without -m, the demo model inside the program answers.", "lamina");
  app.set_version_flag("--version", program::version_text);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 stopped by Ctrl-C.");

  program::Program program{app, {}};
  program::add_run(program);
  program::add_chat(program);
  program::add_logits(program);
  program::add_tokenize(program);
  program::add_prompt(program);
  program::add_plan(program);
  program::add_bench(program);
  program::add_pack(program);
  program::add_later(program);

  try {
    app.parse(count, arguments);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    const std::string command = chosen.empty() ? "lamina" : "lamina " + chosen.front()->get_name();
    return program::fail_usage(error.what(), "`" + command + " --help` lists what is possible",
                               wants_json(count, arguments));
  }
  return program.action();
}
