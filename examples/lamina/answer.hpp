// SPDX-License-Identifier: Apache-2.0
// What the program adds to the library's answers: flags, streaming to the terminal, JSON.
#pragma once

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generator.hpp>
#include <lamina/core/error.hpp>

#include "model.hpp"
#include "options.hpp"
#include "report.hpp"
#include "terminal.hpp"

namespace program {

/// How answers are generated: flags over what the file says. The demo model is greedy by default, so that its
/// answers are always the same.
/// Errors: io, those of schemas, patterns and grammars.
[[nodiscard]] lamina::Result<lamina::GenerationOptions> generation_options(const lamina::Model& model,
                                                                           const CommonOptions& common,
                                                                           const GenerationOptions& flags);

/// Shows an answer while it comes, with a bar while a long prompt is read. Ctrl-C ends it, and so does output
/// that nobody takes.
class AnswerView final : public lamina::AnswerObserver {
 public:
  AnswerView(const CommonOptions& common, std::size_t chunk)
      : common_(common), chunk_(chunk), printer_(common.json, common.talks()) {}

  void take(const lamina::ResponseEvent& event) override;
  void prompt_read(std::size_t done, std::size_t total) override;
  [[nodiscard]] bool goes_on() override;

  /// Ends the answer's line and all colours.
  void finish() { printer_.finish(); }

 private:
  const CommonOptions& common_;
  std::size_t chunk_;
  AnswerPrinter printer_;
  std::optional<ProgressBar> bar_;
};

/// {"text", "thought", "tokens", "prompt_tokens", "stop", "timing"}; "seed", "tool_calls" and "logprobs"
/// where there are any.
[[nodiscard]] Json answer_json(const lamina::Answer& answer, double load_seconds,
                               const lamina::Tokenizer* tokenizer);

/// One line about speed, for people.
void note_timing(const CommonOptions& common, const lamina::Answer& answer);

}  // namespace program
