// SPDX-License-Identifier: Apache-2.0
// Drafts for many answers at a time: each is what it is without them, whatever is drafted, refused,
// interrupted or kept, and sequences share steps and passes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/drafting/draft_engine.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/huggingface/directories.hpp>
#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>

#include "support/demo_drafter.hpp"
#include "support/expect_error.hpp"
#include "support/golden_checks.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"
#include "support/scheduler_setting.hpp"

namespace {
namespace scheduler_drafts {  // other tests of the unit have the same names

using lamina::SchedulerOptions;
using lamina::TokenId;

/// Drafts what comes next in the text that is being written, but for every `wrong`-th position.
struct KnownTexts {
  std::vector<std::vector<TokenId>> texts{};  ///< prompts and answers
  std::uint32_t wrong = 1000;
  TokenId wrong_token = 5;

  static TokenId choose(void* context, const lamina::Sequence& sequence, std::uint32_t position, TokenId) {
    const auto& known = *static_cast<const KnownTexts*>(context);
    if (position % known.wrong == 0) return known.wrong_token;
    const std::span<const TokenId> read = sequence.tokens();
    for (const std::vector<TokenId>& text : known.texts) {
      if (position < text.size() && std::equal(read.begin(), read.end(), text.begin())) return text[position];
    }
    return known.wrong_token;
  }
};

/// As many drafts as there may be.
SchedulerOptions drafting(SchedulerOptions options, KnownTexts& known, std::uint32_t most = 6) {
  options.drafter = demo_drafter();
  options.drafts = {most, false, {&KnownTexts::choose, &known}};
  return options;
}

/// Many answers of all sorts, asked for one after the other while others come.
class Questions {
 public:
  explicit Questions(const Setting& setting)
      : index_(must(lamina::TokenIndex::create(*setting.model.tokenizer()))),
        graph_(std::make_shared<const lamina::masks::SchemaGraph>(must(lamina::compile_schema(
            R"({"type":"object","properties":{"answer":{"type":"integer"},"kind":{"enum":["sum","product"]},
                "words":{"type":"array","items":{"type":"string","maxLength":6},"minItems":1,"maxItems":3}},
                "required":["answer","kind","words"],"additionalProperties":false})")))) {}

  std::vector<std::shared_ptr<Ear>> ask_all(Setting& setting) const {
    std::vector<std::shared_ptr<Ear>> ears;
    const auto order = [&](const char* words) {
      ears.push_back(std::make_shared<Ear>());
      auto made = setting.order(words, ears.back());
      made.options.max_tokens = 70;
      made.options.seed = 11;
      return made;
    };
    const auto hot =
        lamina::SamplingOptions{.temperature = 1.2F, .top_k = 40, .top_p = 0.95F, .repetition_penalty = 1.1F};
    for (const char* words : {"Reverse lamina.", "Write 612 in words.", "Sort 5 3 9 1."}) {
      setting.submit(order(words));
      auto sampled = order(words);
      sampled.options.sampling = hot;
      setting.submit(std::move(sampled));
      step(setting, 2);
      auto formed = order(words);
      formed.options.constraint = std::make_shared<lamina::SchemaConstraint>(graph_, index_);
      formed.thinks = true;
      formed.options.think_budget = 6;
      formed.options.sampling = hot;
      setting.submit(std::move(formed));
      step(setting, 3);
    }
    auto stops = order("Write 229 in Roman.");
    stops.options.stop = {"X"};
    setting.submit(std::move(stops));
    auto likely = order("87 minus 23");
    likely.options.log_probabilities = 2;
    setting.submit(std::move(likely));
    auto raw = order("12 * 10");
    raw.form = lamina::AnswerForm::raw;
    raw.options.ignore_stop = true;
    setting.submit(std::move(raw));
    std::vector<lamina::AnswerOrder> same;
    for (std::uint64_t turn = 0; turn < 3; ++turn) {
      same.push_back(order("Who are you?"));
      same.back().options.sampling = hot;
      same.back().turn = turn;
    }
    CHECK(must(setting.scheduler->submit(std::move(same))) == lamina::Submission::taken);
    ears.push_back(std::make_shared<Ear>());
    ears.back()->most_pieces = 3;  // leaves
    setting.submit(setting.order("Write 612 in words.", ears.back()));
    setting.finish();
    return ears;
  }

  /// Prompts and answers, as they follow each other in a sequence.
  static std::vector<std::vector<TokenId>> texts(const Setting& setting,
                                                 const std::vector<std::shared_ptr<Ear>>& ears) {
    std::vector<std::vector<TokenId>> all;
    for (const char* words : {"Reverse lamina.", "Write 612 in words.", "Sort 5 3 9 1.",
                              "Write 229 in Roman.", "87 minus 23", "12 * 10", "Who are you?"}) {
      const auto prompt = setting.prompt(words);
      for (const std::shared_ptr<Ear>& ear : ears) {
        const lamina::Answer& answer = heard(*ear);
        if (answer.prompt_tokens != prompt->ids.size()) continue;
        all.push_back(prompt->ids);
        all.back().insert(all.back().end(), answer.tokens.begin(), answer.tokens.end());
      }
    }
    return all;
  }

 private:
  static void step(Setting& setting, int count) {
    for (int i = 0; i < count; ++i) setting.scheduler->step();
  }

  lamina::TokenIndex index_;
  std::shared_ptr<const lamina::masks::SchemaGraph> graph_;
};

void check_same(const std::vector<std::shared_ptr<Ear>>& got, const std::vector<std::shared_ptr<Ear>>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    const lamina::Answer& answer = heard(*got[i]);
    const lamina::Answer& plain = heard(*want[i]);
    CHECK(answer.tokens == plain.tokens);
    CHECK(answer.text == plain.text);
    CHECK(answer.thought == plain.thought);
    CHECK(answer.stop == plain.stop);
    CHECK(answer.forced_tokens == plain.forced_tokens);
    CHECK(answer.prompt_tokens == plain.prompt_tokens);
    CHECK(got[i]->text == want[i]->text);
    CHECK(got[i]->pieces == want[i]->pieces);
    REQUIRE(answer.choices.size() == plain.choices.size());
    for (std::size_t token = 0; token < answer.choices.size(); ++token) {
      CHECK(answer.choices[token].chosen.id == plain.choices[token].chosen.id);
      CHECK(answer.choices[token].chosen.log_probability == plain.choices[token].chosen.log_probability);
    }
    CHECK(answer.drafts.has_value());
    CHECK_FALSE(plain.drafts.has_value());
  }
}

TEST_CASE("scheduler with a drafter: answers of all sorts are those without one") {
  const SchedulerOptions options{.parallel = 3, .queue = 100, .context = 256, .prompt_rows = 16};
  Setting plain(options);
  const Questions questions(plain);
  const auto want = questions.ask_all(plain);
  const auto plain_counts = plain.scheduler->counts();
  CHECK(plain_counts.drafted == 0);
  for (const std::uint32_t wrong : {1U, 2U, 5U, 1000U}) {
    for (const std::uint32_t most : {1U, 6U, 15U}) {
      CAPTURE(wrong);
      CAPTURE(most);
      KnownTexts known;
      known.texts = Questions::texts(plain, want);
      known.wrong = wrong;
      Setting drafted(drafting(options, known, most));
      check_same(questions.ask_all(drafted), want);
      const auto counts = drafted.scheduler->counts();
      CHECK(counts.drafted > 0);
      CHECK(counts.accepted <= counts.drafted);
      CHECK(counts.answer_tokens == plain_counts.answer_tokens);
      CHECK(counts.errors == 0);
      CHECK(counts.draft_seconds > 0);
      if (wrong > 2) CHECK(counts.accepted > 0);
      if (wrong == 1000 && most == 6) CHECK(counts.passes < plain_counts.passes * 2 / 3);
    }
  }
  // Measured, with the drafter's own guesses: whatever is drafted then.
  SchedulerOptions measured = options;
  measured.drafter = demo_drafter();
  Setting drafted(measured);
  check_same(questions.ask_all(drafted), want);
}

TEST_CASE("scheduler with a drafter: between passes nothing is read ahead, counts are those of the answers") {
  const SchedulerOptions options{.parallel = 2, .queue = 10, .context = 256, .prompt_rows = 16};
  Setting plain(options);
  const char* const questions[] = {"Write 612 in words.", "Write 229 in Roman."};
  KnownTexts known;
  known.wrong = 4;
  for (const char* words : questions) {
    const auto ear = plain.ask(words);
    plain.finish();
    known.texts.push_back(plain.prompt(words)->ids);
    const auto& tokens = heard(*ear).tokens;
    known.texts.back().insert(known.texts.back().end(), tokens.begin(), tokens.end());
  }
  Setting setting(drafting(options, known));
  std::vector<std::shared_ptr<Ear>> ears;
  for (const char* words : questions) ears.push_back(setting.ask(words));
  while (setting.scheduler->step()) {
    for (const lamina::SlotState& slot : setting.scheduler->slots()) {
      if (!slot.busy || slot.prompt_left > 0) continue;
      // The last one that was drawn is fed next.
      CHECK(slot.position == slot.prompt_tokens + slot.answer_tokens - 1);
    }
  }
  lamina::DraftCounts sum;
  for (const std::shared_ptr<Ear>& ear : ears) {
    const lamina::Answer& answer = heard(*ear);
    REQUIRE(answer.drafts.has_value());
    sum.drafted += answer.drafts->drafted;
    sum.accepted += answer.drafts->accepted;
    std::uint64_t passes = 0, drafted = 0;
    for (const lamina::DraftRun& run : answer.drafts->over_time()) {
      passes += run.passes;
      drafted += std::uint64_t{run.drafts} * run.passes;
    }
    CHECK(passes == answer.drafts->passes);
    CHECK(drafted == answer.drafts->drafted);
    // Of each pass one token was not drafted; the first came from the prompt, the last is not fed.
    CHECK(answer.tokens.size() == answer.drafts->passes + answer.drafts->accepted + 1);
  }
  CHECK(sum.accepted > 0);
  CHECK(setting.scheduler->counts().drafted == sum.drafted);
  CHECK(setting.scheduler->counts().accepted == sum.accepted);
}

/// Saves what a slot has read.
struct Saving final : lamina::SlotTask {
  void run(lamina::Sequence& sequence, bool) override {
    CHECK(sequence.save([&](std::span<const std::byte> bytes) -> lamina::Status {
      state.insert(state.end(), bytes.begin(), bytes.end());
      return lamina::Done{};
    }));
  }
  std::vector<std::byte> state;
};

TEST_CASE("scheduler with a drafter: what slots have read is saved as without one") {
  const SchedulerOptions options{.parallel = 1, .queue = 10, .context = 256, .prompt_rows = 16};
  KnownTexts known;
  std::vector<std::byte> want;
  for (const bool drafts : {false, true}) {
    Setting setting(drafts ? drafting(options, known) : options);
    std::thread runner([&] { setting.scheduler->run(); });
    const auto ear = setting.ask("Write 612 in words.");
    while (setting.scheduler->counts().answers == 0) std::this_thread::yield();
    Saving saving;
    CHECK(setting.scheduler->with_slot(0, saving));
    setting.scheduler->stop();
    runner.join();
    if (drafts) {
      CHECK(saving.state == want);
      CHECK(setting.scheduler->counts().accepted > 0);
      continue;
    }
    want = saving.state;
    known.texts.push_back(setting.prompt("Write 612 in words.")->ids);
    const auto& tokens = heard(*ear).tokens;
    known.texts[0].insert(known.texts[0].end(), tokens.begin(), tokens.end());
    known.wrong = 5;
  }
}

TEST_CASE(
    "scheduler with a drafter: drafts take no pages from others, and do no harm where they cannot be read") {
  const SchedulerOptions options{
      .parallel = 2, .queue = 10, .context = 256, .prompt_rows = 16, .cache_bytes = 1U << 28};
  const auto ask = [](Setting& setting) {
    std::vector<std::shared_ptr<Ear>> ears;
    for (int i = 0; i < 8; ++i) {
      ears.push_back(
          setting.ask("Write " + std::to_string(100 + 37 * i) + " in words. " + std::string(150, 'b')));
      if (i % 2 == 1) setting.finish();
    }
    setting.finish();
    return ears;
  };
  Setting plain(options, 512);  // room for the slots alone
  const auto want = ask(plain);
  KnownTexts known;
  Setting scarce(drafting(options, known), 512);
  check_same(ask(scarce), want);
  CHECK(scarce.scheduler->counts().kept_bytes == plain.scheduler->counts().kept_bytes);
  known.wrong = 2;
  known.wrong_token = plain.model.vocab();  // the engine refuses such a pass
  Setting refused(drafting(options, known, 1), 512);
  check_same(ask(refused), want);
  CHECK(refused.scheduler->counts().errors == 0);
}

/// Remembers what was drafted, and drafts it.
struct DraftLog {
  std::map<std::vector<TokenId>, std::vector<TokenId>> drafts;  ///< of each round, by the text before it

  static TokenId keep(void* context, const lamina::Sequence& sequence, std::uint32_t, TokenId drafted) {
    const std::span<const TokenId> read = sequence.tokens();
    static_cast<DraftLog*>(context)->drafts[{read.begin(), read.end()}].push_back(drafted);
    return drafted;
  }
};

TEST_CASE("scheduler with a drafter: published shapes draft what the reference drafts") {
  for (const std::string pair : {"e2b", "31b"}) {
    CAPTURE(pair);
    LoadedModel loaded(golden_path("assistant/" + pair + "/target"));
    loaded.file.generation.eos_tokens.clear();  // the reference goes on after them
    const auto model = must(lamina::Model::create(*loaded.entry, std::move(loaded.file)));
    lamina::OpenOptions opening;
    opening.directories = &lamina::huggingface;
    SchedulerOptions options{.parallel = 3, .queue = 10, .context = 128, .prompt_rows = 8};
    options.drafter = must(lamina::Drafter::open(golden_path("assistant/" + pair + "/drafter.gguf"),
                                                 lamina_drafters(), model, opening));
    DraftLog log;
    options.drafts = {4, false, {&DraftLog::keep, &log}};
    lamina::EngineOptions engine;
    engine.rows = 64;
    engine.logits_rows = options.parallel + options.drafts.rows(options.parallel);
    engine.context = options.context;
    engine.cache_tokens = 3 * options.context;
    engine.precision = lamina::Precision::exact;
    engine.cache = lamina::CacheFormat::f32;
    auto scheduler = must(lamina::Scheduler::create(must(lamina::Engine::create(model, engine)), options));
    const nlohmann::json cases = read_json(golden_path("assistant/" + pair + "/cases.json"));
    std::vector<std::shared_ptr<Ear>> ears;
    for (const nlohmann::json& one : cases["cases"]) {
      lamina::EncodedPrompt prompt;
      prompt.ids = tokens_of(one["prompt"]);
      lamina::AnswerOrder order;
      order.prompt = std::make_shared<const lamina::EncodedPrompt>(std::move(prompt));
      order.options.sampling = lamina::SamplingOptions::greedy();
      order.options.max_tokens = static_cast<std::uint32_t>(one["greedy_output"].size());
      ears.push_back(std::make_shared<Ear>());
      order.listener = ears.back();
      std::vector<lamina::AnswerOrder> orders;
      orders.push_back(std::move(order));
      CHECK(must(scheduler->submit(std::move(orders))) == lamina::Submission::taken);
    }
    while (scheduler->step()) continue;
    for (std::size_t i = 0; i < ears.size(); ++i) {
      const lamina::Answer& answer = heard(*ears[i]);
      CHECK(answer.tokens == tokens_of(cases["cases"][i]["greedy_output"]));
      std::vector<TokenId> text = tokens_of(cases["cases"][i]["prompt"]);
      text.insert(text.end(), answer.tokens.begin(), answer.tokens.end());
      const nlohmann::json& rounds = cases["cases"][i]["rounds"];
      for (const nlohmann::json& round : rounds) {
        const auto position = round["P"].get<std::ptrdiff_t>();
        CAPTURE(position);
        const std::vector<TokenId> want = tokens_of(round["drafts"]);
        const std::vector<TokenId> got = log.drafts[{text.begin(), text.begin() + position}];
        // The last ones of an answer cannot be used.
        const auto left = static_cast<std::ptrdiff_t>(text.size()) - position - 2;
        CHECK(got.size() == std::min<std::size_t>(
                                want.size(), static_cast<std::size_t>(std::max<std::ptrdiff_t>(left, 0))));
        CHECK(std::equal(got.begin(), got.end(), want.begin()));
      }
    }
  }
}

TEST_CASE("drafters: a step for several sequences has the bits of steps for each") {
  for (const std::string pair : {"e2b", "31b"}) {
    CAPTURE(pair);
    lamina::OpenOptions opening;
    opening.directories = &lamina::huggingface;
    LoadedModel loaded(golden_path("assistant/" + pair + "/target"));
    const auto model = must(lamina::Model::create(*loaded.entry, std::move(loaded.file)));
    const auto drafter = must(lamina::Drafter::open(golden_path("assistant/" + pair + "/drafter"),
                                                    lamina_drafters(), model, opening));
    auto engine = must(lamina::Engine::create(model, {.rows = 32, .context = 64, .cache_tokens = 256}));
    auto together = must(lamina::DraftEngine::create(drafter, engine, 3));
    auto alone = must(lamina::DraftEngine::create(drafter, engine));
    std::vector<lamina::Sequence> sequences;
    std::vector<std::vector<float>> hidden;
    std::vector<lamina::DraftRow> rows;
    for (const std::uint32_t length : {5U, 20U, 11U}) {
      sequences.push_back(must(engine.sequence({64})));
      std::vector<TokenId> tokens;
      for (std::uint32_t i = 0; i < length; ++i) tokens.push_back((length * 31 + i * 17) % 512);
      const lamina::Feed feed{&sequences.back(), tokens, lamina::Want::last};
      const auto pass = must(engine.run({&feed, 1}));
      hidden.emplace_back(pass.hidden(0).begin(), pass.hidden(0).end());
    }
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      rows.push_back({lamina::Engine::cache_of(sequences[i]), sequences[i].position(),
                      static_cast<TokenId>(7 + i), hidden[i].data()});
    }
    for (int step = 0; step < 3; ++step) {
      std::vector<float> logits, next;
      std::vector<TokenId> ids;
      for (const lamina::DraftRow& row : rows) {
        const auto one = must(alone.run({&row, 1}));
        logits.insert(logits.end(), one.logits, one.logits + one.count);
        next.insert(next.end(), one.hidden, one.hidden + model.hidden());
        if (one.ids != nullptr) ids.insert(ids.end(), one.ids, one.ids + one.count);
      }
      const auto all = must(together.run(rows));
      const std::size_t count = rows.size() * all.count;
      CHECK(same_bits({all.logits, all.logits + count}, logits));
      CHECK(same_bits({all.hidden, all.hidden + rows.size() * model.hidden()}, next));
      if (all.ids != nullptr) CHECK(std::equal(ids.begin(), ids.end(), all.ids, all.ids + count));
      // The next step goes on from this one's states where they lie; the first sequence leaves.
      for (std::size_t i = 0; i < rows.size(); ++i) {
        hidden[i].assign(next.begin() + static_cast<std::ptrdiff_t>(i * model.hidden()),
                         next.begin() + static_cast<std::ptrdiff_t>((i + 1) * model.hidden()));
        rows[i].hidden = hidden[i].data();
      }
      rows.erase(rows.begin());
      hidden.erase(hidden.begin());
    }
  }
}

TEST_CASE("scheduler with a drafter: one of another model, and too many drafts, are refused") {
  const auto model = must(lamina::Model::open(demo_path, lamina_registry()));
  SchedulerOptions options{.parallel = 1, .queue = 1, .context = 64};
  options.drafter = demo_drafter();
  options.drafts.most = 16;
  expect_error(lamina::Scheduler::create(must(lamina::Engine::create(model, {.rows = 16})), options),
               lamina::ErrorCode::bad_argument, "drafts", "more drafts than a round can have");
  options.drafts.most = 4;
  LoadedModel other(golden_path("assistant/e2b/target"));
  const auto wrong = must(lamina::Model::create(*other.entry, std::move(other.file)));
  expect_error(lamina::Scheduler::create(must(lamina::Engine::create(wrong, {.rows = 16})), options),
               lamina::ErrorCode::mismatch, "target_hidden", "drafter belongs to another model");
}

}  // namespace scheduler_drafts
}  // namespace
