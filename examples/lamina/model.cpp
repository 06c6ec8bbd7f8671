// SPDX-License-Identifier: Apache-2.0
// Opening models and making sessions.
#include "model.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <lamina/engine/check_options.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/huggingface/directories.hpp>
#include <lamina/packing/read_ahead.hpp>
#include <lamina/weights/gguf/file.hpp>

#include "drafting.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "plan.hpp"
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

Result<OpenFile> open_file(const std::string& path) {
  auto weights = open_weights(path);
  if (!weights) return weights.error();
  auto tokenizer = lamina::tokenizer_of(*weights, &lamina::huggingface);
  return OpenFile{std::move(*weights), std::move(tokenizer)};
}

Result<const lamina::ModelEntry*> find_entry(const lamina::WeightFile& file) {
  return lamina::entry_of(file, lamina_registry());
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
  const auto table = static_cast<std::uint64_t>(description.vocab) *
                     static_cast<std::uint64_t>(description.per_layer_input) *
                     static_cast<std::uint64_t>(description.layer_count);
  options.per_layer_rows = common.per_layer_rows_value(table);
  options.row_cache_bytes = static_cast<std::size_t>(common.row_cache);
  return options;
}

namespace {

lamina::Experts experts_of(const lamina::SessionOptions& options) noexcept {
  return options.expert_cache_bytes > 0 ? lamina::Experts::on_disk : lamina::Experts::held;
}

/// Bytes from which on reading a file ahead takes long enough to show a bar.
constexpr std::uint64_t big_file = std::uint64_t{1} << 29;

constexpr const char* unpacked_note =
    "no memory to pack the weights (%s): computing from the mapped file, slower";

/// Reads big weights ahead under a progress bar. Only done when there is somebody to watch it.
void show_reading(const lamina::ModelEntry& entry, const lamina::WeightFile& file, std::size_t packed,
                  const CommonOptions& common, lamina::Experts experts) {
  const std::uint64_t matrices = lamina::matrix_bytes(entry, file, experts);
  const std::uint64_t total = matrices - std::min<std::uint64_t>(packed, matrices);
  if (total < big_file || total > memory_bytes() / 4 * 3 || !common.talks() || !stderr_is_terminal()) return;
  ProgressBar bar("reading weights", matrices, true);
  lamina::read_ahead(entry, file, packed > 0, show_packing(bar), experts);
}

/// Packs the weights where that pays: for `fast`, when they fit into memory beside the session. Shows a bar
/// for big files. Returns the bytes packed; of a packed file there is nothing left to pack.
Result<std::size_t> pack(const lamina::ModelEntry& entry, lamina::WeightFile& file,
                         const CommonOptions& common, const lamina::SessionOptions& options) {
  if (common.no_pack || common.precision_value() == lamina::Precision::exact) return std::size_t{0};
  const lamina::Experts experts = experts_of(options);
  const std::uint64_t bytes = lamina::packable_bytes(entry, file, experts);
  const std::string size = format_bytes(static_cast<double>(bytes));
  if (bytes > 0 && bytes + lamina::Session::bytes(entry, options) > available_memory_bytes() / 10 * 9) {
    note_less(common, unpacked_note, size.c_str());
    return std::size_t{0};
  }
  ProgressBar bar("packing weights", bytes, bytes >= big_file && common.talks());
  auto packed = lamina::pack_weights(entry, file, options.executor, show_packing(bar), experts);
  if (packed) bar.at(*packed);
  if (packed || packed.error().code != ErrorCode::out_of_memory) return packed;
  note_less(common, unpacked_note, size.c_str());
  return std::size_t{0};
}

PlannedSequences sequences_of(const SessionNeeds& needs) {
  return {std::max(needs.sequences, 1U), needs.sequence_context, needs.has_longer};
}

/// Bytes that the session takes, or the engine and its sequences.
std::uint64_t planned_bytes(const lamina::ModelEntry& entry, const lamina::SessionOptions& options,
                            const SessionNeeds& needs) {
  if (needs.sequences == 0) return lamina::Session::bytes(entry, options);
  return engine_bytes(entry, options.engine(), sequences_of(needs), options.context);
}

/// Control groups end a process that takes more memory than they grant: say so before.
lamina::Status check_grant(const lamina::ModelEntry& entry, const lamina::SessionOptions& options,
                           const SessionNeeds& needs, std::uint64_t drafter = 0) {
  const std::uint64_t needed = planned_bytes(entry, options, needs) + drafter;
  const std::uint64_t granted = grantable_memory_bytes();
  if (needed <= granted) return lamina::Done{};
  return Error{ErrorCode::out_of_memory,
               "session",
               "the memory limit of the container leaves too little",
               lamina::FixedText<160>(format_bytes(static_cast<double>(needed))),
               lamina::FixedText<160>(format_bytes(static_cast<double>(granted))),
               "choose a smaller context (-c) or cache format, or raise the limit"};
}

/// What `--budget` and the container leave beside what is planned, once weights are packed.
std::size_t spare_bytes(const lamina::ModelEntry& entry, const lamina::SessionOptions& options,
                        const SessionNeeds& needs, const CommonOptions& common, std::uint64_t planned,
                        std::uint64_t drafter) {
  const std::uint64_t granted = grantable_memory_bytes();
  const std::uint64_t taken = planned_bytes(entry, options, needs) + drafter;
  const std::uint64_t spare = granted - std::min(granted, taken);
  return static_cast<std::size_t>(common.budget ? std::min(spare, *common.budget - planned) : spare);
}

/// Plans how many experts are in memory, and refuses what needs more than `--budget` or the container grants,
/// before it is loaded. Returns the bytes planned.
Result<std::uint64_t> fit_memory(const lamina::ModelEntry& entry, const lamina::WeightFile& file,
                                 const CommonOptions& common, const SessionNeeds& needs,
                                 lamina::SessionOptions& options, std::uint64_t drafter) {
  const Planner planner(file.description, &file, lamina::Format::f32, &entry, {needs.tower_bytes, drafter});
  const PlannedSequences sequences = sequences_of(needs);
  LAMINA_TRY(plan_experts(planner, common.expert_slots, sequences, common.budget, options));
  LAMINA_TRY(check_grant(entry, options, needs, drafter));
  if (common.budget) LAMINA_TRY(check_budget(planner, options, sequences, *common.budget));
  return static_cast<std::uint64_t>(planner.memory(options, sequences).total());
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

namespace {

/// Binds the weights and makes the session or the engine. Errors: as `Model::create`, `Session::create` and
/// `Engine::create`.
lamina::Status bind(Engine& engine, const lamina::ModelEntry& entry, OpenFile file,
                    const lamina::SessionOptions& options, bool many) {
  std::optional<lamina::Tokenizer> tokenizer;
  if (file.tokenizer) tokenizer.emplace(std::move(*file.tokenizer));
  auto model = lamina::Model::create(entry, std::move(file.weights), std::move(tokenizer));
  if (!model) return model.error();
  if (many) {
    auto made = lamina::Engine::create(*model, options.engine());
    if (!made) return made.error();
    engine.model.emplace(std::move(*model));
    engine.engine.emplace(std::move(*made));
    return lamina::Done{};
  }
  auto session = lamina::Session::create(*model, options);
  if (!session) return session.error();
  engine.model.emplace(std::move(*model));
  engine.session.emplace(std::move(*session));
  return lamina::Done{};
}

}  // namespace

Result<Engine> start(OpenFile file, const CommonOptions& common, const SessionNeeds& needs) {
  const Stopwatch watch;
  const auto entry = find_entry(file.weights);
  if (!entry) return entry.error();
  Engine engine;
  lamina::SessionOptions options = session_options(common, file.weights.description, needs);
  if ((*entry)->sees_blocks) options.chunk = std::max(options.chunk, needs.block);
  auto pool = start_threads(common);
  if (!pool) return pool.error();
  engine.pool = std::move(*pool);
  options.executor = engine.pool.get();
  std::uint64_t drafter = 0;
  if (needs.drafts) {
    auto opened = open_drafter(common, file.weights.description, options.executor);
    if (!opened) return opened.error();
    engine.drafter = std::move(*opened);
  }
  if (engine.drafter) drafter = plan_drafter(*engine.drafter, common, std::max(needs.sequences, 1U), options);
  const bool many = needs.sequences > 0;
  bool has_kept_pages = false;
  if (many) {
    const std::uint64_t pages = sequences_of(needs).kv_blocks(options.context);
    options.cache_tokens = cache_tokens(pages);
    if (const std::size_t page = (*entry)->page_bytes(options.cache); page > 0 && needs.kept_bytes > 0) {
      options.cache_tokens = cache_tokens(pages + needs.kept_bytes / page);
      has_kept_pages = static_cast<bool>(fit_memory(**entry, file.weights, common, needs, options, drafter));
      if (!has_kept_pages) options.cache_tokens = cache_tokens(pages);
    }
  }
  if (needs.branches) {
    options.cache_tokens = options.context < UINT32_MAX / 2 ? 2 * options.context : 0;
    if (!fit_memory(**entry, file.weights, common, needs, options, drafter)) options.cache_tokens = 0;
  }
  const auto planned = fit_memory(**entry, file.weights, common, needs, options, drafter);
  if (!planned) return planned.error();
  engine.planned_bytes = *planned;
  const auto packed = pack(**entry, file.weights, common, options);
  if (!packed) return packed.error();
  engine.spare_bytes = spare_bytes(**entry, options, needs, common, *planned, drafter);
  engine.kept_bytes = has_kept_pages ? needs.kept_bytes : std::min(needs.kept_bytes, engine.spare_bytes);
  show_reading(**entry, file.weights, *packed, common, experts_of(options));
  auto bound = bind(engine, **entry, std::move(file), options, many);
  if (!bound && *packed > 0 && bound.error().code == ErrorCode::out_of_memory) {
    note_less(common, unpacked_note, format_bytes(static_cast<double>(*packed)).c_str());
    auto unpacked = open_file(common.model);
    if (!unpacked) return unpacked.error();
    bound = bind(engine, **entry, std::move(*unpacked), options, many);
  }
  if (!bound) return bound.error();
  engine.load_seconds = watch.seconds();
  return engine;
}

lamina::Status check_length(std::size_t tokens, std::uint32_t context, const lamina::WeightFile& file) {
  return lamina::check_length(tokens, context, static_cast<std::uint32_t>(file.description.max_context));
}

}  // namespace program
