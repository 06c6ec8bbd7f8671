// SPDX-License-Identifier: Apache-2.0
// The rules of the options of engines, sequences and sessions, and of what they are fed, checked before
// anything is planned with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/pass/soft_rows.hpp>

namespace lamina {

namespace detail {

[[nodiscard]] inline Error option_out_of_range(std::string_view where, std::string_view what,
                                               std::uint32_t most, std::uint32_t found,
                                               std::string_view hint) noexcept {
  return {ErrorCode::bad_argument, where, what, text("1 to %u", most), text("%u", found), hint};
}

template <class Option>
[[nodiscard]] Error option_unknown(std::string_view where, std::string_view expected, Option found) noexcept {
  return {ErrorCode::bad_argument,
          where,
          "unknown value",
          expected,
          text("%u", static_cast<unsigned>(found)),
          ""};
}

}  // namespace detail

/// Checks that `tokens` fit a context, of a model that can hold `most`. Errors: context_full.
[[nodiscard]] inline Status check_length(std::size_t tokens, std::uint32_t context,
                                         std::uint32_t most) noexcept {
  if (tokens <= context) return Done{};
  // Some room for the answer, too.
  const std::size_t wished = tokens + 1024 <= most ? tokens + 1024 : most;
  const FixedText<160> hint =
      tokens <= most ? text("plan a larger `context`: %zu (this model can hold %u)", wished, most)
                     : text("shorten the prompt: this model can hold %u tokens", most);
  return Error{ErrorCode::context_full,    "prompt",
               "longer than the context",  text("at most %u tokens", context),
               text("%zu tokens", tokens), hint.view()};
}

/// Checks that tokens for which no soft rows stand are in a vocabulary of `vocab`. Errors: bad_argument,
/// naming `where`.
[[nodiscard]] inline Status check_ids(const PromptTokens& tokens, std::uint32_t vocab,
                                      std::string_view where) noexcept {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const TokenId token = tokens.ids[i];
    if (token < vocab || tokens.soft_at(i) != nullptr) continue;
    return Error{ErrorCode::bad_argument, where, "token id outside the vocabulary", text("below %u", vocab),
                 text("%u", token),       ""};
  }
  return Done{};
}

/// Checks the options of an engine. Errors: bad_argument, naming the option.
[[nodiscard]] inline Status check_options(const EngineOptions& options) noexcept {
  if (options.rows == 0 || options.rows > EngineOptions::most_rows) {
    return detail::option_out_of_range("rows", "tokens per pass out of range", EngineOptions::most_rows,
                                       options.rows, "");
  }
  if (options.logits_rows == 0 || options.logits_rows > options.rows) {
    return detail::option_out_of_range("logits_rows", "rows of logits out of range", options.rows,
                                       options.logits_rows,
                                       "raise the tokens per pass or lower `logits_rows`");
  }
  if (!is_known(options.precision)) {
    return detail::option_unknown("precision", "fast or exact", options.precision);
  }
  if (!is_known(options.cache)) {
    return detail::option_unknown("cache", "bf16, int8 or f32",
                                  is_known(options.cache.local) ? options.cache.global : options.cache.local);
  }
  if (!is_known(options.embedding_scale)) {
    return detail::option_unknown("embedding_scale", "automatic, float32 or bf16", options.embedding_scale);
  }
  if (!is_known(options.blocks))
    return detail::option_unknown("blocks", "local_layers or all_layers", options.blocks);
  if (options.per_layer_rows != PerLayerRows::mapped && options.per_layer_rows != PerLayerRows::disk)
    return detail::option_unknown("per_layer_rows", "mapped or disk", options.per_layer_rows);
  if (options.executor != nullptr && options.executor->width() == 0) {
    return Error{ErrorCode::bad_argument, "executor", "an executor has the calling thread at least",
                 "a width of 1 or more",  "0",        ""};
  }
  return Done{};
}

/// Checks the options of a sequence over a model that was made for `max_context` tokens.
///
/// Errors   bad_argument, naming the option
[[nodiscard]] inline Status check_options(const SequenceOptions& options,
                                          std::uint32_t max_context) noexcept {
  if (options.context > 0 && options.context <= max_context) return Done{};
  return detail::option_out_of_range("context", "tokens of context outside the model's range", max_context,
                                     options.context,
                                     options.context == 0 ? "" : "choose a smaller `context`");
}

/// Checks the options of a session over a model that was made for `max_context` tokens.
///
/// Errors   bad_argument, naming the option
[[nodiscard]] inline Status check_options(const SessionOptions& options, std::uint32_t max_context) noexcept {
  LAMINA_TRY(check_options(options.sequence(), max_context));
  if (options.chunk == 0 || options.chunk > EngineOptions::most_rows) {
    return detail::option_out_of_range("chunk", "prompt tokens per pass out of range",
                                       EngineOptions::most_rows, options.chunk, "");
  }
  return check_options(options.engine());
}

}  // namespace lamina
