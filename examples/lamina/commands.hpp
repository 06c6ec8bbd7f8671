// SPDX-License-Identifier: Apache-2.0
// The sub-commands: each adds itself and its flags, and leaves what it does in `Program::action`.
#pragma once

#include <functional>
#include <string_view>

namespace CLI {
class App;
}

namespace program {

/// The command line while it is read. After parsing, `action` is what the chosen sub-command does; it returns
/// the exit code.
struct Program {
  CLI::App& app;
  std::function<int()> action;
};

/// What the demo model can do, for --help and for people who meet it.
inline constexpr std::string_view demo_exercises =
    "The demo model knows only the exercises it was trained on; other questions get wrong answers. For "
    "example:\n"
    "  \"Reverse lamina.\"  \"Write lamina in capitals.\"  \"How many n in banana?\"  \"Sort 5 3 9 1.\"\n"
    "  \"What is 44 + 77?\"  \"87 minus 23\"  \"12 * 10\"  \"Write 229 in Roman.\"  \"Write 612 in words.\"";

void add_run(Program& program);
void add_chat(Program& program);
void add_logits(Program& program);
void add_tokenize(Program& program);
void add_prompt(Program& program);
void add_fits(Program& program);
void add_media(Program& program);
void add_plan(Program& program);
void add_bench(Program& program);
void add_pack(Program& program);
/// Where cpp-httplib was found (LAMINA_SERVES).
void add_serve(Program& program);
/// Sub-commands of later versions: they answer with a clear error.
void add_later(Program& program);

}  // namespace program
