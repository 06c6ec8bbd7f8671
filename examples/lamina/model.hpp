// SPDX-License-Identifier: Apache-2.0
// From the flag -m to a model that answers: weights, the compiled-in type that fits, threads, session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/core/threads.hpp>
#include <lamina/weights/weight_file.hpp>

#include "options.hpp"
#include "terminal.hpp"

namespace program {

/// The demo model's GGUF file, inside the program.
[[nodiscard]] std::span<const std::byte> demo_bytes() noexcept;

/// Opens what `-m` names: a GGUF file, a Hugging Face directory, or the demo model when `path` is empty.
[[nodiscard]] lamina::Result<lamina::WeightFile> open_weights(const std::string& path);

/// Finds the compiled-in model whose structure is the file's. Errors: mismatch, with the numbers that differ.
[[nodiscard]] lamina::Result<const lamina::ModelEntry*> find_entry(const lamina::WeightFile& file);

/// Finds a compiled-in model by its name, with or without "gemma4-". Errors: bad_argument.
[[nodiscard]] lamina::Result<const lamina::ModelEntry*> find_variant(std::string_view name);

/// A model and everything that runs it. Not movable: the session points into it.
struct Engine {
  lamina::WeightFile file;
  const lamina::ModelEntry* entry = nullptr;
  std::unique_ptr<lamina::ThreadPool> pool;
  std::optional<lamina::Session> session;
  double load_seconds = 0;

  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
};

/// What a sub-command changes in the plan of its session; 0 keeps the default.
struct SessionNeeds {
  std::uint32_t context = 0;
  std::uint32_t chunk = 0;
  std::uint32_t logits_rows = 0;
};

/// The session options that the flags ask for, on a model like `description`.
[[nodiscard]] lamina::SessionOptions session_options(const CommonOptions& common,
                                                     const lamina::ModelDescription& description,
                                                     const SessionNeeds& needs = {});

/// The threads that the flags ask for, or as many as the system grants; null for one alone. Errors: as
/// `ThreadPool::create`.
[[nodiscard]] lamina::Result<std::unique_ptr<lamina::ThreadPool>> start_threads(const CommonOptions& common);

/// Shows packing on `bar`, which must outlive it; stops when Ctrl-C was pressed.
[[nodiscard]] lamina::PackProgress show_packing(ProgressBar& bar) noexcept;

/// Makes the session of an engine whose `file` is open: finds the type, starts threads, plans, binds weights.
[[nodiscard]] lamina::Status start(Engine& engine, const CommonOptions& common,
                                   const SessionNeeds& needs = {});

/// Checks that `tokens` fit the context. Errors: context_full, with what to do.
[[nodiscard]] lamina::Status check_length(std::size_t tokens, std::uint32_t context, std::int32_t most);

/// Feeds a prompt piece by piece, with a progress bar when it is long; stops early when Ctrl-C was pressed.
[[nodiscard]] lamina::Status feed(lamina::Session& session, std::span<const lamina::TokenId> tokens,
                                  const CommonOptions& common);

}  // namespace program
