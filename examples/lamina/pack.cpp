// SPDX-License-Identifier: Apache-2.0
// `lamina pack`: writes a packed copy of a model, which then starts as fast as `--no-pack` and decodes as
// fast as a packed one.
#include <cstdint>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include <lamina/packing/write_packed.hpp>

#include "commands.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "model.hpp"
#include "report.hpp"
#include "terminal.hpp"

namespace program {
namespace {

struct PackFlags {
  CommonOptions common;
  std::string out;
};

int pack(const PackFlags& flags) {
  const bool json = flags.common.json;
  if (flags.common.model.empty() || flags.out.empty()) {
    return fail_usage("pack: both --model and --out are needed", "lamina pack -m MODEL.gguf -o MODEL.lguf",
                      json);
  }
  catch_interrupts();
  const Stopwatch watch;
  const auto file = open_weights(flags.common.model);
  if (!file) return fail(file.error(), json);
  const auto entry = find_entry(*file);
  if (!entry) return fail(entry.error(), json);
  const auto pool = start_threads(flags.common);
  if (!pool) return fail(pool.error(), json);
  std::uint64_t total = 0;
  for (const lamina::TensorView& tensor : file->tensors) total += tensor.bytes.size();
  ProgressBar bar("packing", total, flags.common.talks());
  const auto packed =
      lamina::write_packed(**entry, flags.common.model, flags.out, pool->get(), show_packing(bar));
  if (!packed) return fail(packed.error(), json);
  if (packed->bytes == 0) return exit_interrupted;
  if (json) {
    print(Json{{"out", flags.out},
               {"bytes", packed->bytes},
               {"packed_bytes", packed->packed_bytes},
               {"packed_tensors", packed->packed_tensors},
               {"height", packed->height},
               {"seconds", watch.seconds()}});
  } else {
    note(flags.common, "%s: %s, %zu of its matrices in groups of %u rows", flags.out.c_str(),
         format_bytes(static_cast<double>(packed->bytes)).c_str(), packed->packed_tensors, packed->height);
  }
  return exit_done;
}

}  // namespace

void add_pack(Program& program) {
  CLI::App* command = program.app.add_subcommand(
      "pack", "Write a packed copy of a GGUF file for this machine: it starts faster, answers alike");
  auto flags = std::make_shared<PackFlags>();
  add_common_flags(*command, flags->common);
  command->add_option("-o,--out", flags->out,
                      "File to write, such as MODEL.lguf: every sub-command takes it with -m; other programs "
                      "cannot read it");
  command->callback([&program, flags] { program.action = [flags] { return pack(*flags); }; });
}

}  // namespace program
