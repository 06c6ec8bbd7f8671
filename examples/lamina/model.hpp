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
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
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

/// An open file, and whether what it carries of a tokenizer can be used.
struct OpenFile {
  lamina::WeightFile weights;
  lamina::Result<lamina::Tokenizer> tokenizer;
};

/// Opens what `-m` names, with its tokenizer.
[[nodiscard]] lamina::Result<OpenFile> open_file(const std::string& path);

/// A model and everything that runs it.
struct Engine {
  std::unique_ptr<lamina::ThreadPool> pool;
  std::optional<lamina::Model> model;
  std::optional<lamina::Drafter> drafter;  ///< if the command drafts and there is one
  std::optional<lamina::Session> session;  ///< of one sequence, or
  std::optional<lamina::Engine> engine;    ///< for many
  double load_seconds = 0;
  std::uint64_t planned_bytes = 0;  ///< of memory: what `lamina plan` says
  std::size_t spare_bytes = 0;      ///< that the budget and the container leave beside these
  std::size_t kept_bytes = 0;  ///< of what `SessionNeeds::kept_bytes` asks for, as much as there is room for
};

/// What a sub-command changes in the plan of its session; 0 keeps the default.
struct SessionNeeds {
  std::uint32_t context = 0;
  std::uint32_t chunk = 0;
  std::uint32_t logits_rows = 0;
  std::uint32_t block =
      0;                  ///< tokens of the largest picture: a pass holds them all where they see each other
  bool branches = false;  ///< room in pages for what went another way, where there is memory for it
  std::uint32_t sequences = 0;         ///< in one engine; 0: one, in a session
  std::uint32_t sequence_context = 0;  ///< tokens of each of these; 0: `context`
  bool has_longer = false;             ///< and one more sequence, of `context` tokens
  std::size_t kept_bytes = 0;     ///< of pages beside those of `sequences`, where there is memory for them
  std::uint64_t tower_bytes = 0;  ///< of the towers that are open
  bool drafts = false;            ///< with the drafter that the flags name, or that lies beside the model
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

/// Runs an open file: finds the type, starts threads, plans, packs and binds weights, makes the session.
[[nodiscard]] lamina::Result<Engine> start(OpenFile file, const CommonOptions& common,
                                           const SessionNeeds& needs = {});

/// Checks that `tokens` fit the context that the flags ask for. Errors: context_full, with what to do.
[[nodiscard]] lamina::Status check_length(std::size_t tokens, std::uint32_t context,
                                          const lamina::WeightFile& file);

}  // namespace program
