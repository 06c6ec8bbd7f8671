// SPDX-License-Identifier: Apache-2.0
// What schedulers are asked and what they tell: orders for answers, who listens to them, slots, counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/drafting/draft_options.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/sequence.hpp>

namespace lamina {

/// Is told about an answer of a scheduler, by the thread that runs it: it must not take long.
class AnswerListener : public AnswerObserver {
 public:
  virtual ~AnswerListener() = default;
  /// The answer, or why there is none. Nothing is called after this.
  virtual void ended(Result<Answer> answer) = 0;
};

/// An answer that is wanted.
struct AnswerOrder {
  std::shared_ptr<const EncodedPrompt> prompt;
  GenerationOptions options;
  std::shared_ptr<AnswerListener> listener;
  AnswerForm form = AnswerForm::parsed;
  ResponseStart start = ResponseStart::answer;
  std::uint64_t turn = 0;  ///< other draws for each with the same seed
  bool thinks = false;     ///< as of `Question`
};

/// What a slot does.
struct SlotState {
  std::size_t id = 0;
  bool busy = false;
  std::uint32_t context = 0;
  std::uint32_t position = 0;     ///< tokens that its sequence has read
  std::size_t prompt_tokens = 0;  ///< of the answer that comes
  std::size_t prompt_left = 0;    ///< of them, not read yet
  std::size_t answer_tokens = 0;
};

/// How many answers come together.
struct SchedulerOptions {
  std::uint32_t parallel = 4;    ///< answers at the same time: each has a slot
  std::uint32_t queue = 64;      ///< answers that wait for a slot at most
  std::uint32_t context = 8192;  ///< tokens of a slot
  /// Most tokens of prompts in a pass with somebody who decodes: what these wait longer is what they cost.
  std::uint32_t prompt_rows = 64;
  std::size_t cache_bytes = std::size_t{512} << 20;  ///< of snapshots of what was read; 0: none
  std::optional<Drafter> drafter{};  ///< of the model: answers come faster where its drafts are right
  /// An engine needs room for logits of `drafts.rows(parallel)` rows more: fewer are drafted else.
  DraftOptions drafts{};
};

/// What became of a wish for answers.
enum class Submission : std::uint8_t {
  taken,
  full,     ///< too many wait
  stopped,  ///< no more are taken
};

/// What a scheduler has done so far.
struct SchedulerCounts {
  std::uint64_t passes = 0;
  std::uint64_t prompt_tokens = 0;  ///< of all prompts
  std::uint64_t prompt_tokens_read = 0;
  std::uint64_t answer_tokens = 0;
  std::uint64_t answers = 0;  ///< that ended
  std::uint64_t errors = 0;   ///< of these, with an error
  double pass_seconds = 0;
  std::uint64_t drafted = 0;   ///< tokens
  std::uint64_t accepted = 0;  ///< of these, those that were drawn then
  double draft_seconds = 0;
  std::size_t running = 0;
  std::size_t waiting = 0;
  std::size_t kept_bytes = 0;  ///< of snapshots
};

/// Is run between two passes, with a sequence for itself.
class SlotTask {
 public:
  /// Whether the slot writes an answer now: its sequence is left alone then.
  virtual void run(Sequence& sequence, bool is_busy) = 0;

 protected:
  ~SlotTask() = default;
};

}  // namespace lamina
