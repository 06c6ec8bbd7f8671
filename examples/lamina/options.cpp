// SPDX-License-Identifier: Apache-2.0
// Flags that several sub-commands share. Source: the table "Common flags" of the program's contract.
#include "options.hpp"

#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>

#include "machine.hpp"
#include "numbers.hpp"
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
  add_number(command, "-t,--threads", options.threads, 1U, 1024U,
             "Worker threads (default: physical cores this process may use)")
      ->group(group);
  add_number(command, "-c,--context", options.context, 1U, 1U << 30,
             "Tokens of context to plan for (default: smaller of 8192 and the model's maximum)")
      ->group(group);
  add_choice(command, "--cache", options.cache, {"bf16", "int8", "f32"},
             "Format of the key/value cache: bf16, int8 or f32 (default: bf16; f32 with --precision exact)")
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
  add_number(command, "--image-tokens", options.image_tokens, std::int64_t{1}, std::int64_t{1} << 20,
             "Soft tokens of a picture")
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

lamina::Status check_media(const MediaOptions& media) {
  constexpr std::string_view hint = text_only_hint;
  if (!media.images.empty()) return not_in_this_version("--image", "reading pictures", hint);
  if (!media.audios.empty()) return not_in_this_version("--audio", "reading sounds", hint);
  if (!media.videos.empty()) return not_in_this_version("--video", "reading videos", hint);
  if (media.image_tokens > 0) return not_in_this_version("--image-tokens", "reading pictures", hint);
  if (media.image_as_is) return not_in_this_version("--image-as-is", "reading pictures", hint);
  return lamina::Done{};
}

lamina::Status check_text_only(std::span<const lamina::TokenId> ids, const lamina::Tokenizer& tokenizer,
                               std::string_view where) {
  const lamina::SpecialTokens& special = tokenizer.special();
  for (const lamina::TokenId id : ids) {
    if (id != special.image_soft && id != special.audio_soft && id != special.video_soft) continue;
    Error error =
        not_in_this_version(where, "reading pictures, sounds and videos", "take its place out of the text");
    error.expected = "text only";
    error.found = tokenizer.piece(id);
    return error;
  }
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
