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
#include <lamina/huggingface/json.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Reads generation_config.json; what it does not set keeps the published value. `do_sample` false gives
/// temperature 0.
///
/// Errors   bad_file (JSON, a wrong type, a token id outside the vocabulary); names the field
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
  LAMINA_TRY(copy_ids("eos_token_id", defaults.eos_tokens));
  LAMINA_TRY(copy_ids("suppress_tokens", defaults.suppress_tokens));
  const auto temperature = fields.real("temperature");
  if (!temperature) return temperature.error();
  defaults.temperature = temperature->value_or(defaults.temperature);
  const auto top_k = fields.integer("top_k", {0, INT32_MAX});
  if (!top_k) return top_k.error();
  defaults.top_k = top_k->value_or(defaults.top_k);
  const auto top_p = fields.real("top_p");
  if (!top_p) return top_p.error();
  defaults.top_p = top_p->value_or(defaults.top_p);
  const auto samples = fields.boolean_or("do_sample", true);
  if (!samples) return samples.error();
  if (!*samples) defaults.temperature = 0;
  return defaults;
}

}  // namespace lamina
