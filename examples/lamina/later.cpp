// SPDX-License-Identifier: Apache-2.0
// Sub-commands that belong to later versions.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "options.hpp"
#include "report.hpp"

namespace program {

void add_later(Program& program) {
  struct Later {
    const char* name;
    const char* description;
    const char* hint;
  };
  constexpr Later commands[] = {
    {"verify", "Compare a model with reference data (not in this version)",
     "`lamina logits` gives the numbers to compare"},
#if !defined(LAMINA_SERVES)
    {"serve", "Answer over HTTP (not in this build)",
     "build it where cpp-httplib is installed (Debian and Ubuntu: package libcpp-httplib-dev)"},
#endif
  };
  for (const Later& later : commands) {
    CLI::App* command = program.app.add_subcommand(later.name, later.description);
    command->allow_extras();
    auto common = std::make_shared<CommonOptions>();
    add_common_flags(*command, *common);
    command->callback([&program, later, common] {
      program.action = [later, common] {
        return fail(not_in_this_version(later.name, "this sub-command", later.hint), common->json);
      };
    });
  }
}

}  // namespace program
