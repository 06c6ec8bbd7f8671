// SPDX-License-Identifier: Apache-2.0
// Opening models and making sessions.
#include "model.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <lamina/huggingface/directory.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/recognise.hpp>

#include "interrupt.hpp"
#include "machine.hpp"
#include "registry.hpp"
#include "report.hpp"

namespace program {

using lamina::Error;
using lamina::ErrorCode;
using lamina::Result;

std::span<const std::byte> demo_bytes() noexcept {
  return {reinterpret_cast<const std::byte*>(lamina_demo_begin),
          reinterpret_cast<const std::byte*>(lamina_demo_end)};
}

Result<lamina::WeightFile> open_weights(const std::string& path) {
  return path.empty() ? lamina::read_gguf(demo_bytes(), "demo") : lamina::open_model(path);
}

Result<const lamina::ModelEntry*> find_entry(const lamina::WeightFile& file) {
  std::vector<lamina::Candidate> candidates;
  for (const lamina::ModelEntry* entry : lamina_registry())
    candidates.push_back({entry->name, &entry->describe()});
  const auto index = lamina::recognise(file.description, candidates, file.path);
  if (!index) return index.error();
  return lamina_registry()[*index];
}

Result<const lamina::ModelEntry*> find_variant(std::string_view name) {
  constexpr std::string_view prefix = "gemma4-";
  lamina::FixedText<160> known;
  for (const lamina::ModelEntry* entry : lamina_registry()) {
    std::string_view short_name = entry->name;
    if (short_name.starts_with(prefix)) short_name.remove_prefix(prefix.size());
    if (name == entry->name || name == short_name) return entry;
    if (!known.empty()) known.append(", ");
    known.append(short_name);
  }
  return Error{ErrorCode::bad_argument, "--variant", "no compiled-in model of this name", known, name, ""};
}

lamina::SessionOptions session_options(const CommonOptions& common,
                                       const lamina::ModelDescription& description,
                                       const SessionNeeds& needs) {
  lamina::SessionOptions options;
  options.context = needs.context > 0 ? needs.context : context_for(common, description.max_context);
  if (needs.chunk > 0) options.chunk = needs.chunk;
  if (needs.logits_rows > 0) options.logits_rows = needs.logits_rows;
  options.precision = common.precision_value();
  options.cache = common.cache_value();
  return options;
}

namespace {

/// Bytes from which on reading a file ahead takes long enough to show a bar.
constexpr std::uint64_t big_file = std::uint64_t{1} << 29;

constexpr const char* unpacked_note =
    "no memory to pack the weights (%s): computing from the mapped file, slower";

/// Touches the weights so that the pages are in memory before the first token, under a progress bar. Tables
/// that are read row by row stay on disk; what was `packed` just now is in memory. Only done when there is
/// somebody to watch it.
void read_ahead(const lamina::WeightFile& file, bool packed, const CommonOptions& common) {
  constexpr std::string_view row_table = "per_layer_token_embd.weight";
  const auto stays = [packed](const lamina::TensorView& tensor) {
    return tensor.name == row_table || (packed && tensor.packing == lamina::Packing::interleaved);
  };
  std::uint64_t total = 0;
  for (const lamina::TensorView& tensor : file.tensors) {
    if (!stays(tensor)) total += tensor.bytes.size();
  }
  if (total < big_file || total > memory_bytes() / 4 * 3 || !common.talks() || !stderr_is_terminal()) return;
  ProgressBar bar("reading weights", total, true);
  constexpr std::size_t page = 4096;
  std::uint64_t done = 0;
  unsigned sum = 0;
  for (const lamina::TensorView& tensor : file.tensors) {
    if (stays(tensor)) continue;
    for (std::size_t at = 0; at < tensor.bytes.size(); at += page) {
      sum += std::to_integer<unsigned>(tensor.bytes[at]);
      if (at % (page * 4096) == 0) bar.at(done + at);
      if (interrupted()) return;
    }
    done += tensor.bytes.size();
  }
  asm volatile("" : : "r"(sum));  // keeps the reads
}

/// Packs the weights where that pays: for `fast`, when they fit into memory beside the session. Shows a bar
/// for big files. Returns the bytes packed; of a packed file there is nothing left to pack.
Result<std::size_t> pack(Engine& engine, const CommonOptions& common, const lamina::SessionOptions& options) {
  if (common.no_pack || common.precision_value() == lamina::Precision::exact) return std::size_t{0};
  const std::uint64_t bytes = lamina::packable_bytes(*engine.entry, engine.file);
  const std::string size = format_bytes(static_cast<double>(bytes));
  if (bytes > 0 &&
      bytes + lamina::Session::bytes(*engine.entry, options) > available_memory_bytes() / 10 * 9) {
    note_less(common, unpacked_note, size.c_str());
    return std::size_t{0};
  }
  ProgressBar bar("packing weights", bytes, bytes >= big_file && common.talks());
  auto packed = lamina::pack_weights(*engine.entry, engine.file, engine.pool.get(), show_packing(bar));
  if (packed) bar.at(*packed);
  if (packed || packed.error().code != ErrorCode::out_of_memory) return packed;
  note_less(common, unpacked_note, size.c_str());
  return std::size_t{0};
}

/// Control groups end a process that takes more memory than they grant: say so before.
lamina::Status check_grant(const Engine& engine, const lamina::SessionOptions& options) {
  const std::uint64_t needed = lamina::Session::bytes(*engine.entry, options);
  const std::uint64_t granted = grantable_memory_bytes();
  if (needed <= granted) return lamina::Done{};
  return Error{ErrorCode::out_of_memory,
               "session",
               "the memory limit of the container leaves too little",
               lamina::FixedText<160>(format_bytes(static_cast<double>(needed))),
               lamina::FixedText<160>(format_bytes(static_cast<double>(granted))),
               "choose a smaller context (-c) or cache format, or raise the limit"};
}

}  // namespace

Result<std::unique_ptr<lamina::ThreadPool>> start_threads(const CommonOptions& common) {
  const std::uint32_t wanted = common.thread_count();
  for (std::uint32_t threads = wanted; threads > 1; threads /= 2) {
    auto pool = lamina::ThreadPool::create(threads);
    if (!pool && pool.error().code == ErrorCode::out_of_memory) continue;
    if (pool && threads < wanted)
      note_less(common, "the system refused %u threads: using %u", wanted, threads);
    return pool;
  }
  if (wanted > 1) note_less(common, "the system refused %u threads: using 1", wanted);
  return std::unique_ptr<lamina::ThreadPool>();
}

lamina::PackProgress show_packing(ProgressBar& bar) noexcept {
  return {[](void* context, std::uint64_t done, std::uint64_t) {
            static_cast<ProgressBar*>(context)->at(done);
            return !interrupted();
          },
          &bar};
}

lamina::Status start(Engine& engine, const CommonOptions& common, const SessionNeeds& needs) {
  const Stopwatch watch;
  const auto entry = find_entry(engine.file);
  if (!entry) return entry.error();
  engine.entry = *entry;
  lamina::SessionOptions options = session_options(common, engine.file.description, needs);
  auto pool = start_threads(common);
  if (!pool) return pool.error();
  engine.pool = std::move(*pool);
  options.executor = engine.pool.get();
  LAMINA_TRY(check_grant(engine, options));
  const auto packed = pack(engine, common, options);
  if (!packed) return packed.error();
  read_ahead(engine.file, *packed > 0, common);
  auto session = lamina::Session::create(*engine.entry, engine.file, options);
  if (!session && *packed > 0 && session.error().code == ErrorCode::out_of_memory) {
    note_less(common, unpacked_note, format_bytes(static_cast<double>(*packed)).c_str());
    auto file = open_weights(common.model);
    if (!file) return file.error();
    engine.file = std::move(*file);
    session = lamina::Session::create(*engine.entry, engine.file, options);
  }
  if (!session) return session.error();
  engine.session.emplace(std::move(*session));
  engine.load_seconds = watch.seconds();
  return lamina::Done{};
}

lamina::Status check_length(std::size_t tokens, std::uint32_t context, std::int32_t most) {
  if (tokens <= context) return lamina::Done{};
  Error error{ErrorCode::context_full,
              "prompt",
              "longer than the context",
              lamina::text("at most %u tokens", context),
              lamina::text("%zu tokens", tokens),
              ""};
  error.hint =
      tokens <= static_cast<std::size_t>(most)
          ? lamina::text("plan a larger context: -c %zu (this model can hold %d)",
                         tokens + 1024 <= static_cast<std::size_t>(most) ? tokens + 1024
                                                                         : static_cast<std::size_t>(most),
                         most)
                .view()
          : lamina::text("shorten the prompt: this model can hold %d tokens", most).view();
  return error;
}

lamina::Status feed(lamina::Session& session, std::span<const lamina::TokenId> tokens,
                    const CommonOptions& common) {
  const std::size_t piece = session.options().chunk;
  ProgressBar bar("reading prompt", tokens.size(),
                  common.talks() && !common.json && tokens.size() > 4 * piece);
  for (std::size_t done = 0; done < tokens.size() && !interrupted();) {
    const std::size_t count = std::min(piece, tokens.size() - done);
    LAMINA_TRY(session.prompt(tokens.subspan(done, count)));
    done += count;
    bar.at(done);
  }
  return lamina::Done{};
}

}  // namespace program
