// SPDX-License-Identifier: Apache-2.0
// Flags that several sub-commands share, and how they become library options.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/pass/soft_tokens.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

namespace CLI {
class App;
}

namespace program {

/// Flags of every sub-command.
struct CommonOptions {
  std::string model;  ///< empty: the demo model inside the program
  std::string mmproj;
  std::uint32_t threads = 0;  ///< 0: number of physical cores this process may use
  std::uint32_t context = 0;  ///< 0: smaller of 8192 and the model's maximum
  std::string cache;          ///< classes that it leaves out: bf16, or f32 with `--precision exact`
  std::string precision = "fast";
  std::optional<std::uint64_t> budget;  ///< most bytes of memory; nothing: as the machine has
  std::string per_layer_rows;           ///< empty: disk where the table is large
  std::uint64_t row_cache = lamina::EngineOptions::default_row_cache_bytes;
  std::uint32_t expert_slots = 0;  ///< 0: all where they lie, or as many as the budget has room for
  bool no_pack = false;
  std::string draft;            ///< drafter; empty: what lies beside the model
  std::uint32_t draft_max = 8;  ///< drafts in a pass at most
  bool no_draft = false;
  bool json = false;
  bool quiet = false;

  [[nodiscard]] lamina::Precision precision_value() const noexcept;
  [[nodiscard]] lamina::CacheFormats cache_value() const noexcept;
  [[nodiscard]] std::uint32_t thread_count() const;
  /// Where rows of per-layer embeddings are read, of a model whose table has so many numbers.
  [[nodiscard]] lamina::PerLayerRows per_layer_rows_value(std::uint64_t numbers) const noexcept;
  /// True when progress and notes belong on stderr.
  [[nodiscard]] bool talks() const noexcept;
};

/// Flags of sub-commands that generate text. Negative or missing values mean "as the model's file says".
struct GenerationOptions {
  std::uint32_t max_tokens = 0;  ///< 0: until the context is full
  double temperature = -1;
  std::int64_t top_k = -1;
  double top_p = -1;
  double min_p = 0;
  double repeat_penalty = 1;
  std::optional<std::uint64_t> seed;  ///< nothing: a new one for each answer
  std::string system;
  bool think = false;
  std::optional<std::uint32_t> think_budget;
  std::string json_schema;
  std::string json_space = "any";
  std::string regex;
  std::string grammar;
  std::vector<std::string> stop;
  std::uint32_t log_probabilities = 0;
  bool ignore_stop = false;
};

/// One picture, sound or video that a flag or a command names.
struct MediaSource {
  lamina::Medium kind = lamina::Medium::image;
  std::string where;  ///< a path, or a data URL
};

/// Flags for pictures, sounds and videos.
struct MediaOptions {
  std::vector<std::string> images;
  std::vector<std::string> audios;
  std::vector<std::string> videos;
  int image_tokens = 0;  ///< at most, of one picture; 0: what the model is meant for
  bool image_as_is = false;
  bool audio_split = false;
  double video_rate = 0;               ///< frames a second that are taken; of a folder: that it has
  std::uint32_t video_frames = 32;     ///< taken at most
  std::vector<MediaSource> sources{};  ///< all of them as the command line has them: see `put_in_order`

  /// Reads off `command`, once it is parsed, in which order media were given.
  void put_in_order(const CLI::App& command);
};

void add_common_flags(CLI::App& command, CommonOptions& options);
/// Flags of sub-commands that run or plan models.
void add_memory_flags(CLI::App& command, CommonOptions& options);
/// Flags of sub-commands that can read ahead with a drafter.
void add_draft_flags(CLI::App& command, CommonOptions& options);
void add_generation_flags(CLI::App& command, GenerationOptions& options);
void add_media_flags(CLI::App& command, MediaOptions& options);
/// Those of them that say how media are prepared.
void add_media_settings(CLI::App& command, MediaOptions& options);

/// The error "not in this version" for `what`, with what to use instead.
[[nodiscard]] lamina::Error not_in_this_version(std::string_view where, std::string_view what,
                                                std::string_view hint);

/// Context to plan for on a model that can hold `most` tokens.
[[nodiscard]] std::uint32_t context_for(const CommonOptions& options, std::int32_t most);

/// Reads "2,5,7" (commas, spaces or both) as token ids. Errors: bad_argument.
[[nodiscard]] lamina::Result<std::vector<lamina::TokenId>> parse_ids(std::string_view text,
                                                                     std::string_view where);

}  // namespace program
