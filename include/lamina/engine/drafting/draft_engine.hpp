// SPDX-License-Identifier: Apache-2.0
// Runs steps of a drafter beside an engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/drafting/drafter_entry.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/options.hpp>

namespace lamina {

/// Scratch memory of a drafter's steps, sized once; no step allocates.
///
/// It reads the caches of the engine's sequences where they lie and changes nothing of them.
/// Threads   one step at a time, and not while a pass of the engine runs
class DraftEngine {
 public:
  /// For steps of up to `sequences` sequences of `engine`, which must outlive it; it may be moved.
  ///
  /// Errors   out_of_memory; bad_argument (an engine that was moved from); mismatch (another vocabulary or
  ///          width)
  [[nodiscard]] static Result<DraftEngine> create(const Drafter& drafter, const Engine& engine,
                                                  std::uint32_t sequences = 1) noexcept {
    if (engine.runner() == nullptr) {
      return Error{ErrorCode::bad_argument,           "drafter", "the engine was moved from", "", "",
                   "use the one that it was moved to"};
    }
    LAMINA_TRY(
        check_drafter(drafter.file().description, engine.model().file().description, drafter.file().path));
    const EngineOptions options = plan(engine.options(), sequences);
    auto block = Block::take(drafter.entry().runner_bytes(options), {}, "drafter");
    if (!block) return block.error();
    DraftEngine made(drafter, std::move(*block), options.cache);
    Arena arena(made.block_.bytes());
    auto runner = drafter.core().make_runner(options, *engine.runner(), arena);
    if (!runner) return runner.error();
    made.runner_ = *runner;
    return made;
  }

  /// Bytes that one takes; exact.
  [[nodiscard]] static std::size_t bytes(const DrafterEntry& entry, const EngineOptions& engine,
                                         std::uint32_t sequences = 1) noexcept {
    return entry.runner_bytes(plan(engine, sequences));
  }

  /// Checks that steps can be run for a sequence. Errors: mismatch (other keys and values than it reads)
  [[nodiscard]] Status check(const Sequence& sequence) const noexcept {
    return drafter_.core().check_cache(*Engine::cache_of(sequence), cache_);
  }

  /// Runs one step for every row, at most as many as planned. Errors: as `DraftRunner::run`.
  [[nodiscard]] Result<DraftedRows> run(std::span<const DraftRow> rows) noexcept {
    return runner_->run(rows);
  }

 private:
  DraftEngine(const Drafter& drafter, Block block, CacheFormats cache) noexcept
      : drafter_(drafter), block_(std::move(block)), cache_(cache) {}

  static constexpr EngineOptions plan(EngineOptions engine, std::uint32_t sequences) noexcept {
    engine.rows = sequences;
    engine.logits_rows = sequences;
    return engine;
  }

  Drafter drafter_;
  Block block_;
  CacheFormats cache_;
  DraftRunner* runner_ = nullptr;
};

}  // namespace lamina
