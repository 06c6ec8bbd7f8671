// SPDX-License-Identifier: Apache-2.0
// Flags that several sub-commands share. Source: the table "Common flags" of the program's contract.
#include "options.hpp"

#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>

#include "machine.hpp"
#include "terminal.hpp"

namespace program {

using lamina::Error;
using lamina::ErrorCode;

lamina::Precision CommonOptions::precision_value() const noexcept {
  return precision == "exact" ? lamina::Precision::exact : lamina::Precision::fast;
}

lamina::CacheFormat CommonOptions::cache_value() const noexcept {
  if (cache == "int8") return lamina::CacheFormat::int8;
  if (cache == "f32") return lamina::CacheFormat::f32;
  if (cache == "bf16") return lamina::CacheFormat::bf16;
  return precision == "exact" ? lamina::CacheFormat::f32 : lamina::CacheFormat::bf16;
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
  command.add_option("-t,--threads", options.threads, "Worker threads (default: physical cores)")
      ->check(CLI::Range(1, 1024))
      ->group(group);
  command
      .add_option("-c,--context", options.context,
                  "Tokens of context to plan for (default: smaller of 8192 and the model's maximum)")
      ->check(CLI::Range(1, 1 << 30))
      ->group(group);
  command
      .add_option(
          "--cache", options.cache,
          "Format of the key/value cache: bf16, int8 or f32 (default: bf16; f32 with --precision exact)")
      ->check(CLI::IsMember({"bf16", "int8", "f32"}))
      ->group(group);
  command
      .add_option("--precision", options.precision,
                  "Activations: fast (int8 or bf16) or exact (float32 throughout, cache included)")
      ->check(CLI::IsMember({"fast", "exact"}))
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

void add_generation_flags(CLI::App& command, GenerationOptions& options) {
  const std::string group = "Generation";
  command
      .add_option("-n,--max-tokens", options.max_tokens,
                  "Most tokens to generate (default: until the context is full)")
      ->check(CLI::Range(1, 1 << 30))
      ->group(group);
  command
      .add_option(
          "--temp", options.temperature,
          "Temperature, 0 = greedy (default: what the model's file says, else 1; 0 for the demo model)")
      ->check(CLI::Range(0.0, 100.0))
      ->group(group);
  command.add_option("--top-k", options.top_k, "Keep the k likeliest tokens, 0 = all (default 64)")
      ->check(CLI::Range(0, 1 << 30))
      ->group(group);
  command
      .add_option("--top-p", options.top_p,
                  "Keep the likeliest tokens up to this probability, 1 = all (default 0.95)")
      ->check(CLI::Range(1e-6, 1.0))
      ->group(group);
  command.add_option("--min-p", options.min_p, "Drop tokens below this share of the likeliest (default 0)")
      ->check(CLI::Range(0.0, 1.0))
      ->group(group);
  command
      .add_option("--repeat-penalty", options.repeat_penalty,
                  "Divide the logits of recent tokens (default 1: off)")
      ->check(CLI::Range(0.01, 100.0))
      ->group(group);
  command.add_option("--seed", options.seed, "Seed of the random choice (default: a new one each time)")
      ->each([&options](const std::string&) { options.seed_given = true; })
      ->group(group);
  command.add_option("--system", options.system, "System prompt")->group(group);
  command.add_flag("--think", options.think, "Let the model think before it answers")->group(group);
  command.add_flag("--ignore-eos", options.ignore_stop, "Go on after stop tokens")->group(group);
}

void add_media_flags(CLI::App& command, MediaOptions& options) {
  const std::string group = "Media";
  command.add_option("--image", options.images, "Picture (repeatable, in order)")
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--audio", options.audios, "Sound (repeatable, in order)")
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--video", options.videos, "Video (repeatable, in order)")
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--image-tokens", options.image_tokens, "Soft tokens of a picture")
      ->check(CLI::Range(1, 1 << 20))
      ->group(group);
  command
      .add_flag("--image-as-is", options.image_as_is,
                "Do not resize pictures whose sides are multiples of 48")
      ->group(group);
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

lamina::Status check_media(const CommonOptions& common, const MediaOptions& media) {
  constexpr std::string_view hint = "leave the flag out and use text only";
  if (!media.images.empty()) return not_in_this_version("--image", "reading pictures", hint);
  if (!media.audios.empty()) return not_in_this_version("--audio", "reading sounds", hint);
  if (!media.videos.empty()) return not_in_this_version("--video", "reading videos", hint);
  if (media.image_tokens > 0) return not_in_this_version("--image-tokens", "reading pictures", hint);
  if (media.image_as_is) return not_in_this_version("--image-as-is", "reading pictures", hint);
  if (!common.mmproj.empty()) return not_in_this_version("--mmproj", "reading pictures and sounds", hint);
  return lamina::Done{};
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
