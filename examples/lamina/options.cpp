// SPDX-License-Identifier: Apache-2.0
// Flags that several sub-commands share. Source: the table "Common flags" of the program's contract.
#include "options.hpp"

#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>

#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/media/picture/size.hpp>

#include "machine.hpp"
#include "numbers.hpp"
#include "terminal.hpp"

namespace program {

using lamina::Error;
using lamina::ErrorCode;

lamina::Precision CommonOptions::precision_value() const noexcept {
  return precision == "exact" ? lamina::Precision::exact : lamina::Precision::fast;
}

lamina::CacheFormats CommonOptions::cache_value() const noexcept {
  const auto usual = precision == "exact" ? lamina::CacheFormat::f32 : lamina::CacheFormat::bf16;
  return lamina::find_cache_formats(cache, usual).value_or(usual);
}

lamina::PerLayerRows CommonOptions::per_layer_rows_value(std::uint64_t numbers) const noexcept {
  constexpr std::uint64_t many = std::uint64_t{1} << 27;  // 72 MiB as Q4_0
  if (per_layer_rows.empty() ? numbers >= many : per_layer_rows == "disk") return lamina::PerLayerRows::disk;
  return lamina::PerLayerRows::mapped;
}

bool CommonOptions::talks() const noexcept { return !quiet && stderr_is_terminal(); }

std::uint32_t CommonOptions::thread_count() const { return threads > 0 ? threads : physical_cores(); }

void add_common_flags(CLI::App& command, CommonOptions& options) {
  const std::string group = "Common flags";
  command
      .add_option("-m,--model", options.model,
                  "GGUF file (plain or packed) or Hugging Face directory (default: the demo model)")
      ->group(group);
  command.add_option("--mmproj", options.mmproj, "GGUF with the vision and audio towers")->group(group);
  add_number(command, "-t,--threads", options.threads, 1U, 1024U,
             "Worker threads (default: physical cores this process may use)")
      ->group(group);
  add_number(command, "-c,--context", options.context, 1U, 1U << 30,
             "Tokens of context to plan for (default: smaller of 8192 and the model's maximum)")
      ->group(group);
  command
      .add_option(
          "--cache", options.cache,
          "Format of the key/value cache: bf16, int8 or f32, or one for each class of layers, such as "
          "local=bf16,global=int8 (default: bf16; f32 with --precision exact)")
      ->check([](const std::string& text) {
        if (lamina::find_cache_formats(text)) return std::string();
        return expected_found("bf16, int8, f32 or one for each class, as local=bf16,global=int8", text);
      })
      ->group(group);
  add_choice(command, "--precision", options.precision, {"fast", "exact"},
             "Activations: fast (int8 or bf16) or exact (float32 throughout, cache included)")
      ->group(group);
  command
      .add_flag("--no-pack", options.no_pack,
                "Compute from the mapped file: starts at once and takes no memory, but answers slower unless "
                "the file is a packed one")
      ->group(group);
  command.add_flag("--json", options.json, "JSON on stdout, nothing else")->group(group);
  command
      .add_flag("-q,--quiet", options.quiet, "No progress, no notes (default unless stderr is a terminal)")
      ->group(group);
}

void add_memory_flags(CLI::App& command, CommonOptions& options) {
  const std::string group = "Memory";
  const auto add_size = [&](const std::string& name, auto& value, const std::string& description) {
    const auto read = [name, &value](const std::string& text) {
      const auto bytes = parse_bytes(text, name);
      if (!bytes) throw CLI::ValidationError(name, expected_found(bytes.error().expected.c_str(), text));
      value = *bytes;
    };
    command.add_option_function<std::string>(name, read, description)->type_name("SIZE")->group(group);
  };
  add_size(
      "--budget", options.budget,
      "Memory to fit into, such as 2GiB: what would not fit is refused before it is loaded (exit code 1)");
  add_choice(
      command, "--per-layer-rows", options.per_layer_rows, {"disk", "mapped"},
      "Rows of per-layer embeddings (E2B, E4B): read from disk into memory of --row-cache, or mapped with "
      "all that lies around them (default: disk where the table is large)")
      ->group(group);
  add_size("--row-cache", options.row_cache, "Memory for these rows (default 8 MiB)");
  add_number(
      command, "--expert-slots", options.expert_slots, 1U, 65535U,
      "Experts of each layer to hold in memory (26B-A4B); others are read from the file when they are needed "
      "(default: as many as --budget has room for, else all of them, mapped)")
      ->group(group);
}

void add_draft_flags(CLI::App& command, CommonOptions& options) {
  const std::string group = "Drafts";
  command
      .add_option("--draft", options.draft,
                  "Drafter of the model: GGUF file or Hugging Face directory; answers come faster where it "
                  "guesses right, and are the same (default: what lies beside the model, see the README)")
      ->group(group);
  add_number(command, "--draft-max", options.draft_max, 0U, lamina::most_drafts,
             "Tokens drafted for an answer in a pass at most; how many pay is measured (default 8)")
      ->group(group);
  command.add_flag("--no-draft", options.no_draft, "No drafts, whatever lies beside the model")->group(group);
}

void add_generation_flags(CLI::App& command, GenerationOptions& options) {
  const std::string group = "Generation";
  add_number(command, "-n,--max-tokens", options.max_tokens, 1U, 1U << 30,
             "Most tokens to generate (default: until the context is full)")
      ->group(group);
  add_number(command, "--temp", options.temperature, 0.0, 100.0,
             "Temperature, 0 = greedy (default: what the model's file says, else 1; 0 for the demo model)")
      ->group(group);
  add_number(command, "--top-k", options.top_k, std::int64_t{0}, std::int64_t{1} << 30,
             "Keep the k likeliest tokens, 0 = all (default 64)")
      ->group(group);
  add_number(command, "--top-p", options.top_p, 1e-6, 1.0,
             "Keep the likeliest tokens up to this probability, 1 = all (default 0.95)")
      ->group(group);
  add_number(command, "--min-p", options.min_p, 0.0, 1.0,
             "Drop tokens below this share of the likeliest (default 0)")
      ->group(group);
  add_number(command, "--repeat-penalty", options.repeat_penalty, 0.01, 100.0,
             "Divide the logits of recent tokens (default 1: off)")
      ->group(group);
  const auto read_seed = [&options](const std::string& text) {
    std::uint64_t seed = 0;
    if (text == "-1") {
      options.seed.reset();
    } else if (read_number(text, std::uint64_t{0}, UINT64_MAX, seed)) {
      options.seed = seed;
    } else {
      throw CLI::ValidationError("--seed",
                                 expected_found("-1 or a whole number from 0 to 18446744073709551615", text));
    }
  };
  command
      .add_option_function<std::string>(
          "--seed", read_seed,
          "Seed of the random choice, -1: a new one for each answer (default; --json tells it)")
      ->type_name("N")
      ->group(group);
  command.add_option("--system", options.system, "System prompt")->group(group);
  command.add_flag("--think", options.think, "Let the model think before it answers")->group(group);
  command
      .add_option_function<std::string>(
          "--think-budget",
          [&options](const std::string& text) {
            std::uint32_t budget = 0;
            if (!read_number(text, 0U, 1U << 30, budget))
              throw CLI::ValidationError("--think-budget",
                                         expected_found("a whole number from 0 to 1073741824", text));
            options.think_budget = budget;
          },
          "End thoughts after so many tokens")
      ->type_name("N")
      ->group(group);
  CLI::Option* schema = command.add_option("--json-schema", options.json_schema,
                                           "The answer is JSON that fits this schema: a file, or its text");
  CLI::Option* regex =
      command.add_option("--regex", options.regex, "The answer matches this pattern as a whole");
  CLI::Option* grammar =
      command.add_option("--grammar", options.grammar, "The answer is a text of the grammar in this file");
  schema->group(group)->excludes(regex)->excludes(grammar);
  add_choice(command, "--json-space", options.json_space, {"any", "none"},
             "White space between the values of that JSON: any or none")
      ->needs(schema)
      ->group(group);
  regex->group(group)->excludes(grammar);
  grammar->group(group);
  command.add_option("--stop", options.stop, "End the answer where this text appears (repeatable)")
      ->allow_extra_args(false)
      ->group(group);
  add_number(command, "--logprobs", options.log_probabilities, 1U, 1000U,
             "With --json: how likely each token and the N likeliest others were")
      ->group(group);
  command.add_flag("--ignore-eos", options.ignore_stop, "Go on after stop tokens")->group(group);
}

void add_media_flags(CLI::App& command, MediaOptions& options) {
  const std::string group = "Media";
  command.add_option("--image", options.images, "Picture: PNG, JPEG, BMP, GIF, PPM (repeatable, in order)")
      ->allow_extra_args(false)
      ->group(group);
  command
      .add_option("--audio", options.audios,
                  "Sound: WAV; FLAC, Ogg, MP3 with libsndfile (repeatable, in order)")
      ->allow_extra_args(false)
      ->group(group);
  command
      .add_option(
          "--video", options.videos,
          "Video: an animated GIF or a folder of pictures; other files with FFmpeg (repeatable, in order)")
      ->allow_extra_args(false)
      ->group(group);
  add_media_settings(command, options);
}

void add_media_settings(CLI::App& command, MediaOptions& options) {
  const std::string group = "Media";
  const auto read_budget = [&options](const std::string& text) {
    for (const int budget : lamina::image_budgets) {
      if (text == std::to_string(budget)) {
        options.image_tokens = budget;
        return;
      }
    }
    throw CLI::ValidationError("--image-tokens", expected_found("70, 140, 280, 560 or 1120", text));
  };
  command
      .add_option_function<std::string>("--image-tokens", read_budget,
                                        "Soft tokens of a picture at most: 70, 140, 280, 560 or 1120 "
                                        "(default: what the model says, else 280)")
      ->type_name("N")
      ->group(group);
  command
      .add_flag("--image-as-is", options.image_as_is,
                "Do not resize pictures; their sides must be multiples of 48")
      ->group(group);
  command.add_flag("--audio-split", options.audio_split, "Cut sounds of more than 30 s into pieces")
      ->group(group);
  add_number(command, "--video-fps", options.video_rate, 0.001, 1000.0,
             "Frames a second to take; of a folder of pictures: that it has")
      ->group(group);
  add_number(command, "--video-frames", options.video_frames, 1U, 4096U,
             "Frames of a video at most (default 32)")
      ->group(group);
}

void MediaOptions::put_in_order(const CLI::App& command) {
  std::size_t image = 0;
  std::size_t audio = 0;
  std::size_t video = 0;
  for (const CLI::Option* option : command.parse_order()) {
    const std::string name = option->get_name();
    if (name == "--image" && image < images.size()) {
      sources.push_back({lamina::Medium::image, images[image++]});
    } else if (name == "--audio" && audio < audios.size()) {
      sources.push_back({lamina::Medium::audio, audios[audio++]});
    } else if (name == "--video" && video < videos.size()) {
      sources.push_back({lamina::Medium::video, videos[video++]});
    }
  }
}

Error not_in_this_version(std::string_view where, std::string_view what, std::string_view hint) {
  Error error;
  error.code = ErrorCode::unsupported;
  error.where = where;
  error.what = what;
  error.what.append(" is not in this version");
  error.hint = hint;
  return error;
}

std::uint32_t context_for(const CommonOptions& options, std::int32_t most) {
  if (options.context > 0) return options.context;
  return static_cast<std::uint32_t>(std::min<std::int32_t>(8192, most));
}

lamina::Result<std::vector<lamina::TokenId>> parse_ids(std::string_view text, std::string_view where) {
  constexpr std::string_view separators = ", \t\r\n[]";
  std::vector<lamina::TokenId> ids;
  for (std::size_t at = text.find_first_not_of(separators); at != text.npos;) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    lamina::TokenId id = 0;
    const auto [rest, problem] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (problem != std::errc{} || rest != word.data() + word.size()) {
      return Error{ErrorCode::bad_argument, where, "not a list of token ids",
                   "numbers such as 2,5,7", word,  ""};
    }
    ids.push_back(id);
    at = text.find_first_not_of(separators, end);
  }
  return ids;
}

}  // namespace program
