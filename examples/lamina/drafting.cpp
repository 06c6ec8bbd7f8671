// SPDX-License-Identifier: Apache-2.0
// Drafters: finding, opening, counting.
#include "drafting.hpp"

#include <dirent.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include <lamina/engine/drafting/draft_rounds.hpp>
#include <lamina/huggingface/directories.hpp>
#include <lamina/packing/read_ahead.hpp>
#include <lamina/weights/mapped_file.hpp>

#include "registry.hpp"

namespace program {

using lamina::PathKind;

std::vector<std::string> drafters_beside(const std::string& model) {
  std::vector<std::string> found;
  if (lamina::path_kind(model) == PathKind::directory) {
    std::string folder = model;
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    for (const std::string& path : {folder + "/assistant", folder + "/drafter", folder + "-assistant"}) {
      if (lamina::path_kind(path) == PathKind::directory) found.push_back(path);
    }
    return found;
  }
  const std::size_t slash = model.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "" : model.substr(0, slash + 1);
  const std::string_view own = std::string_view(model).substr(folder.size());
  if (DIR* directory = opendir(folder.empty() ? "." : folder.c_str())) {
    while (const dirent* entry = readdir(directory)) {
      const std::string_view name = entry->d_name;
      const bool is_named = name.starts_with("mtp") || name.starts_with("drafter") ||
                            name.find("assistant") != std::string_view::npos;
      if (is_named && name.ends_with(".gguf") && name != own) found.push_back(folder + std::string(name));
    }
    closedir(directory);
  }
  std::sort(found.begin(), found.end());
  return found;
}

lamina::Result<std::optional<lamina::Drafter>> open_drafter(const CommonOptions& common,
                                                            const lamina::ModelDescription& model,
                                                            lamina::Executor* executor) {
  std::optional<lamina::Drafter> none;
  if (common.no_draft || common.draft_max == 0) return none;
  lamina::OpenOptions options;
  options.pack = !common.no_pack && common.precision_value() == lamina::Precision::fast;
  options.executor = executor;
  options.directories = &lamina::huggingface;
  const auto open = [&](const std::string& path) {
    return lamina::Drafter::open(path, lamina_drafters(), model, options);
  };
  if (!common.draft.empty()) {
    auto drafter = open(common.draft);
    if (!drafter) return drafter.error();
    return std::optional<lamina::Drafter>(std::move(*drafter));
  }
  if (common.model.empty()) return none;
  for (const std::string& path : drafters_beside(common.model)) {
    auto drafter = open(path);
    if (drafter) return std::optional<lamina::Drafter>(std::move(*drafter));
    // Drafters of several models may lie there.
    if (drafter.error().code != lamina::ErrorCode::mismatch)
      note_less(common, "no drafts: %s", describe(drafter.error()).c_str());
  }
  return none;
}

lamina::DraftOptions draft_options(const CommonOptions& common) noexcept {
  lamina::DraftOptions options;
  options.most = common.draft_max;
  return options;
}

std::uint64_t plan_drafter(const lamina::Drafter& drafter, const CommonOptions& common,
                           std::uint32_t sequences, lamina::SessionOptions& options) {
  const lamina::DraftOptions drafts = draft_options(common);
  const std::uint32_t rows = sequences + drafts.rows(sequences);
  options.logits_rows = std::max(options.logits_rows, std::min(options.chunk, rows));
  return lamina::matrix_bytes(drafter.entry(), drafter.file()) + drafter.entry().model_bytes() +
         lamina::DraftRounds::bytes(drafter.entry(), options.engine(), drafts, sequences);
}

Json drafts_json(const lamina::DraftCounts& counts) {
  std::size_t longest = counts.lengths.size();
  while (longest > 1 && counts.lengths[longest - 1] == 0) --longest;
  Json over_time = Json::array();
  for (const lamina::DraftRun& run : counts.over_time())
    over_time.push_back(Json::array({run.drafts, run.passes}));
  return {
      {"drafted", counts.drafted},
      {"accepted", counts.accepted},
      {"passes", counts.passes},
      {"lengths", std::vector<std::uint64_t>(counts.lengths.begin(),
                                             counts.lengths.begin() + static_cast<std::ptrdiff_t>(longest))},
      {"over_time", std::move(over_time)}};
}

}  // namespace program
