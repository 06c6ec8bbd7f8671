// SPDX-License-Identifier: Apache-2.0
// generation_config.json -> stop tokens, suppressed tokens and sampling defaults.
// Source: weight-files.md §6.4, text-decoder.md §1.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/json/json.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Reads generation_config.json; what it does not set (null too) keeps the published value. `do_sample` false
/// gives temperature 0; `top_p` 0 keeps the likeliest token, as the reference does.
///
/// Errors   bad_file (JSON, a wrong type, a number out of range, a token id outside the vocabulary); names the
///          field
[[nodiscard]] inline Result<GenerationDefaults> read_generation_config(std::span<const std::byte> json,
                                                                       std::string_view source,
                                                                       std::int32_t vocab) {
  const auto root = parse_json(json, source);
  if (!root) return root.error();
  if (!root->is_object())
    return bad_file(place(source), "configuration is no object", "an object", root->type_name());
  const JsonObject fields(&*root, source);
  GenerationDefaults defaults;
  const auto copy_ids = [&](std::string_view key, std::vector<TokenId>& out) -> Status {
    const auto ids = fields.integers(key, {0, vocab - 1});
    if (!ids) return ids.error();
    out.assign(ids->begin(), ids->end());
    return Done{};
  };
  const auto copy_number = [&](std::string_view key, float most, float& out) -> Status {
    const auto number = fields.real(key);
    if (!number) return number.error();
    if (*number && !(**number >= 0 && **number <= most)) {
      return bad_file(fields.where(key), "number is out of range", text("0 to %g", double{most}),
                      text("%g", double{**number}));
    }
    out = number->value_or(out);
    return Done{};
  };
  LAMINA_TRY(copy_ids("eos_token_id", defaults.eos_tokens));
  LAMINA_TRY(copy_ids("suppress_tokens", defaults.suppress_tokens));
  // The ranges are those of the sampler.
  LAMINA_TRY(copy_number("temperature", 1000, defaults.temperature));
  const auto top_k = fields.integer("top_k", {0, INT32_MAX});
  if (!top_k) return top_k.error();
  defaults.top_k = top_k->value_or(defaults.top_k);
  LAMINA_TRY(copy_number("top_p", 1, defaults.top_p));
  if (defaults.top_p == 0) {  // nothing but the likeliest token is kept
    defaults.top_p = 1;
    defaults.top_k = 1;
  }
  const auto samples = fields.boolean_or("do_sample", true);
  if (!samples) return samples.error();
  if (!*samples) defaults.temperature = 0;
  return defaults;
}

}  // namespace lamina
