// SPDX-License-Identifier: Apache-2.0
// The drafter that goes with a model: named by a flag, or found beside the model's file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/engine/drafting/draft_options.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/schedule/description.hpp>

#include "options.hpp"
#include "report.hpp"

namespace program {

/// What may be the drafter of the model at `model`, by name: beside a GGUF file those that begin with "mtp"
/// or "drafter" or have "assistant" in their names; of a directory its "assistant" or "drafter", and the one
/// beside it that has "-assistant" at the end of its name.
[[nodiscard]] std::vector<std::string> drafters_beside(const std::string& model);

/// Opens what `--draft` names, or the first beside the model that is its drafter; nothing where there is
/// none, or with `--no-draft`. Errors: as `Drafter::open`, of the one that was named
[[nodiscard]] lamina::Result<std::optional<lamina::Drafter>> open_drafter(
    const CommonOptions& common, const lamina::ModelDescription& model, lamina::Executor* executor);

/// How the flags want drafts.
[[nodiscard]] lamina::DraftOptions draft_options(const CommonOptions& common) noexcept;

/// Plans the rows of logits that drafts for `sequences` sequences need. Returns the bytes of memory that the
/// drafter takes beside the engine: weights, vectors and scratch.
[[nodiscard]] std::uint64_t plan_drafter(const lamina::Drafter& drafter, const CommonOptions& common,
                                         std::uint32_t sequences, lamina::SessionOptions& options);

/// {"drafted", "accepted", "passes", "lengths", "over_time"}: `lengths` says how many passes had 0, 1, 2, ...
/// drafts, `over_time` has [drafts, passes] for passes in a row with equally many, the first
/// `DraftCounts::most_runs` of them.
[[nodiscard]] Json drafts_json(const lamina::DraftCounts& counts);

}  // namespace program
