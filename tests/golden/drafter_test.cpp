// SPDX-License-Identifier: Apache-2.0
// Drafters against the reference: every step, round, acceptance and text; and that text is the same with and
// without them, whatever is refused, sampled, saved and taken back.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/huggingface/directories.hpp>
#include <lamina/huggingface/drafter.hpp>
#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/sampling/sampler.hpp>

#include "support/cache_formats.hpp"
#include "support/demo_drafter.hpp"
#include "support/expect_error.hpp"
#include "support/golden_checks.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {
namespace drafting {  // other tests of the unit have the same names

using lamina::TokenId;

const std::vector<std::string> pairs{"e2b", "31b"};

lamina::Model target_of(const std::string& pair) {
  LoadedModel loaded(golden_path("assistant/" + pair + "/target"));
  loaded.file.generation.eos_tokens.clear();  // the reference goes on after them
  return must(lamina::Model::create(*loaded.entry, std::move(loaded.file)));
}

/// `file` is "drafter" or "drafter.gguf".
lamina::Drafter drafter_of(const std::string& pair, const std::string& file, const lamina::Model& target) {
  lamina::OpenOptions options;
  options.directories = &lamina::huggingface;
  return must(lamina::Drafter::open(golden_path("assistant/" + pair + "/" + file), lamina_drafters(), target,
                                    options));
}

TokenId best_of(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Logits of all tokens: those without one have the least of the others less one, as in the reference.
std::vector<float> spread(const lamina::DraftedRows& rows, std::size_t vocab) {
  const std::span<const float> got(rows.logits, rows.count);
  if (rows.ids == nullptr) return {got.begin(), got.end()};
  std::vector<float> all(vocab, *std::min_element(got.begin(), got.end()) - 1);
  for (std::size_t i = 0; i < got.size(); ++i) all[rows.ids[i]] = got[i];
  return all;
}

/// Keeps the inner values of a drafter's step: those of its width.
class StepObserver final : public lamina::PassObserver {
 public:
  void show(lamina::PassValue what, std::uint32_t layer, const float* values, std::size_t,
            std::size_t width) noexcept override {
    if (width != 32) return;
    const std::vector<float> row(values, values + width);
    if (what == lamina::PassValue::embedding) x = row;
    if (what == lamina::PassValue::layer_output && layer < 4) layers[layer] = row;
    if (what == lamina::PassValue::final_norm) u = row;
  }
  void show_routing(std::uint32_t, std::span<const lamina::RoutedExpert>, std::size_t) noexcept override {}

  std::vector<float> x, u, layers[4];
};

TEST_CASE("drafters: every step has the logits and hidden states of the reference") {
  for (const std::string& pair : pairs) {
    const nlohmann::json cases = read_json(golden_path("assistant/" + pair + "/cases.json"));
    const ReferenceArrays reference(golden_path("assistant/" + pair + "/tensors.safetensors"));
    REQUIRE(cases.is_object());
    REQUIRE(reference.valid());
    const lamina::Model target = target_of(pair);
    std::vector<float> hidden_by_file[2];
    for (const int kind : {0, 1}) {
      const std::string file = kind == 0 ? "drafter" : "drafter.gguf";
      CAPTURE(pair);
      CAPTURE(file);
      StepObserver observer;
      lamina::SessionOptions options = exact_options(64);
      options.observer = &observer;
      auto session = must(lamina::Session::create(target, options));
      const lamina::Drafter drafter = drafter_of(pair, file, target);
      auto steps = must(lamina::DraftEngine::create(drafter, session.engine()));
      std::size_t compared = 0;
      for (const nlohmann::json& one : cases["cases"]) {
        const auto name = one["name"].get<std::string>();
        CAPTURE(name);
        std::vector<TokenId> text = tokens_of(one["prompt"]);
        const auto greedy_text = tokens_of(one["greedy_output"]);
        const std::size_t prompt = text.size();
        text.insert(text.end(), greedy_text.begin(), greedy_text.end());
        session.reset();
        REQUIRE(session.prompt(std::span(text).first(prompt)));
        for (const nlohmann::json& round : one["rounds"]) {
          const auto key = name + ".r" + std::to_string(round["round"].get<int>());
          const auto position = round["P"].get<std::uint32_t>();
          CAPTURE(key);
          while (session.position() < position) REQUIRE(session.step(text[session.position()]));
          std::vector<float> state(session.hidden().begin(), session.hidden().end());
          const lamina::SequenceCache* cache = lamina::Engine::cache_of(session.sequence());
          const auto drafts = tokens_of(round["drafts"]);
          std::vector<float> logits, hidden;
          TokenId token = text[position];
          for (std::size_t step = 0; step < drafts.size(); ++step) {
            const lamina::DraftRow row{cache, position, token, state.data()};
            const auto drafted = must(steps.run({&row, 1}));
            const auto all = spread(drafted, 512);
            token = best_of(all);
            CHECK(token == drafts[step]);
            logits.insert(logits.end(), all.begin(), all.end());
            const auto inner = key + ".s" + std::to_string(step);
            if (reference.index().contains(inner + ".x")) {
              CHECK(distance(observer.x, reference.get<float>(inner + ".x")).largest < 1.2e-3);
              for (int layer = 0; layer < 4; ++layer) {
                const auto want = reference.get<float>(inner + ".layer" + std::to_string(layer));
                CHECK(distance(observer.layers[layer], want).largest < 1.2e-3);
              }
              CHECK(distance(observer.u, reference.get<float>(inner + ".u")).largest < 1.2e-3);
            }
            state.assign(drafted.hidden, drafted.hidden + 64);
            hidden.insert(hidden.end(), state.begin(), state.end());
          }
          CHECK(distance(hidden, reference.get<float>(key + ".h_next")).largest < 1.2e-3);
          hidden_by_file[kind].insert(hidden_by_file[kind].end(), hidden.begin(), hidden.end());
          if (!reference.index().contains(key + ".draft_logits")) continue;
          CHECK(distance(logits, reference.get<float>(key + ".draft_logits")).largest < 5e-3);
          ++compared;
        }
      }
      CHECK(compared > 10);
    }
    CHECK(same_bits(hidden_by_file[0], hidden_by_file[1]));
  }
}

/// What is drafted instead of the drafter's tokens, and what was drafted in the end.
struct Script {
  std::vector<TokenId> given;   ///< of the first round
  std::uint32_t first = 0;      ///< position of given[0]
  std::vector<TokenId> drafts;  ///< since it was cleared

  static TokenId choose(void* context, const lamina::Sequence&, std::uint32_t position, TokenId drafted) {
    auto& script = *static_cast<Script*>(context);
    const bool is_given = position >= script.first && position - script.first < script.given.size();
    script.drafts.push_back(is_given ? script.given[position - script.first] : drafted);
    return script.drafts.back();
  }
};

lamina::DraftOptions always(std::uint32_t most, Script* script = nullptr) {
  lamina::DraftOptions options;
  options.most = most;
  options.measures = false;
  if (script != nullptr) options.substitute = {&Script::choose, script};
  return options;
}

/// Reads a prompt and makes the reader know its last hidden state; returns the logits.
std::vector<float> read_prompt(lamina::Session& session, lamina::ReadAhead& ahead,
                               std::span<const TokenId> prompt) {
  session.reset();
  ahead.forget();
  REQUIRE(session.prompt(prompt));
  const auto logits = session.logits();
  std::vector<float> kept(logits.begin(), logits.end());
  ahead.know_hidden(session.hidden());
  return kept;
}

TEST_CASE("drafters: rounds accept what the reference accepts, and the text is that of greedy decoding") {
  for (const std::string& pair : pairs) {
    CAPTURE(pair);
    const nlohmann::json cases = read_json(golden_path("assistant/" + pair + "/cases.json"));
    const ReferenceArrays reference(golden_path("assistant/" + pair + "/tensors.safetensors"));
    const lamina::Model target = target_of(pair);
    const lamina::Drafter drafter = drafter_of(pair, "drafter.gguf", target);
    auto session = must(lamina::Session::create(target, exact_options(64)));
    for (const nlohmann::json& one : cases["cases"]) {
      CAPTURE(one["name"].get<std::string>());
      Script script;
      auto ahead = must(lamina::ReadAhead::create(drafter, session.engine(), always(4, &script)));
      const auto prompt = tokens_of(one["prompt"]);
      const auto greedy_text = tokens_of(one["greedy_output"]);
      std::vector<float> logits = read_prompt(session, ahead, prompt);
      std::vector<TokenId> text{best_of(logits)};
      for (const nlohmann::json& round : one["rounds"]) {
        CAPTURE(round["round"].get<int>());
        REQUIRE(prompt.size() + text.size() - 1 == round["P"].get<std::size_t>());
        const auto emitted = tokens_of(round["emitted"]);
        const std::uint64_t passes = ahead.counts().passes;
        script.drafts.clear();
        const std::size_t left = greedy_text.size() - text.size();
        for (std::size_t i = 0; i < emitted.size(); ++i) {
          const auto row = must(ahead.feed(session.engine(), session.sequence(), {&text.back(), 1},
                                           static_cast<std::uint32_t>(left)));
          if (i == 0) CHECK(script.drafts == tokens_of(round["drafts"]));
          text.push_back(best_of(row));
          CHECK(text.back() == emitted[i]);
        }
        CHECK(ahead.counts().passes == passes + 1);
      }
      text.resize(greedy_text.size());  // the surplus of the last round
      CHECK(text == greedy_text);
      REQUIRE(ahead.settle(session.sequence()));
      CHECK(ahead.counts().drafted == one["drafted_total"].get<std::uint64_t>());
      CHECK(ahead.counts().accepted == one["accepted_total"].get<std::uint64_t>());
      for (const nlohmann::json& forced : one["forced_rejections"]) {
        script.given = tokens_of(forced["drafts"]);
        script.first = static_cast<std::uint32_t>(prompt.size()) + 1;
        logits = read_prompt(session, ahead, prompt);
        text.assign(1, best_of(logits));
        ahead.reset_counts();
        const auto emitted = tokens_of(forced["emitted"]);
        while (text.size() < greedy_text.size()) {
          const auto row = must(ahead.feed(session.engine(), session.sequence(), {&text.back(), 1}, 4));
          if (text.size() == emitted.size()) CHECK(ahead.counts().passes == 1);
          text.push_back(best_of(row));
        }
        CHECK(text == greedy_text);
        CHECK(std::equal(emitted.begin(), emitted.end(), text.begin() + 1));
      }
      script.given.clear();
    }
  }
}

/// Text after a prompt, by a sampler; with `ahead` read ahead. Every 11th time what was read ahead is taken
/// back, by a snapshot, a saved state or a rewind.
struct Text {
  std::vector<TokenId> tokens;
  std::vector<float> logits;  ///< of all tokens

  static constexpr std::size_t count = 120;

  static Text draw(lamina::Session& session, std::span<const TokenId> prompt,
                   const lamina::SamplingOptions& sampling, lamina::ReadAhead* ahead, bool interrupts) {
    auto sampler = must(lamina::Sampler::create(sampling, session.vocab(), {}));
    Text text;
    std::vector<float> row;
    if (ahead != nullptr) {
      row = read_prompt(session, *ahead, prompt);
    } else {
      session.reset();
      REQUIRE(session.prompt(prompt));
      row.assign(session.logits().begin(), session.logits().end());
    }
    while (text.tokens.size() < count) {
      text.logits.insert(text.logits.end(), row.begin(), row.end());
      const TokenId token = must(sampler.sample(row));
      sampler.accept(token);
      text.tokens.push_back(token);
      if (ahead == nullptr) {
        const auto next = must(session.step(token));
        row.assign(next.begin(), next.end());
        continue;
      }
      if (interrupts && text.tokens.size() % 11 == 0) interrupt(session, *ahead, text.tokens.size() / 11);
      const auto next = must(ahead->feed(session.engine(), session.sequence(), {&token, 1}, 100));
      row.assign(next.begin(), next.end());
    }
    if (ahead != nullptr) REQUIRE(ahead->settle(session.sequence()));
    return text;
  }

  static void interrupt(lamina::Session& session, lamina::ReadAhead& ahead, std::size_t way) {
    lamina::Sequence& sequence = session.sequence();
    const std::uint32_t fed = ahead.position(sequence);
    REQUIRE(ahead.settle(sequence));
    CHECK(sequence.position() == fed);
    if (way % 3 == 0) {
      const auto kept = must(sequence.snapshot());
      REQUIRE(sequence.restore(kept));
    } else if (way % 3 == 1) {
      std::vector<std::byte> state;
      REQUIRE(sequence.save([&](std::span<const std::byte> bytes) -> lamina::Status {
        state.insert(state.end(), bytes.begin(), bytes.end());
        return lamina::Done{};
      }));
      REQUIRE(sequence.load(std::span<const std::byte>(state)));
    } else {
      REQUIRE(sequence.rewind(fed - 1));
      const TokenId again = session.tokens().data()[fed - 1];
      REQUIRE(session.prompt({&again, 1}));
    }
    ahead.forget();
  }
};

TEST_CASE("drafters: text and logits have the bits of decoding without one") {
  for (const std::string& pair : pairs) {
    const lamina::Model target = target_of(pair);
    const lamina::Drafter drafter = drafter_of(pair, "drafter.gguf", target);
    std::vector<TokenId> prompt(33);
    std::mt19937 random(5);
    for (TokenId& token : prompt) token = static_cast<TokenId>(random() % 512);
    lamina::SamplingOptions warm;
    warm.seed = 7;
    warm.repetition_penalty = 1.3F;
    // Layers of drafters read the caches of their class: in one format, or in two.
    for (const lamina::CacheFormats cache : {cache_formats[0], cache_formats[2]}) {
      lamina::SessionOptions options;
      options.context = 160;
      options.chunk = 16;
      options.logits_rows = 16;
      options.cache = cache;
      auto session = must(lamina::Session::create(target, options));
      for (const auto& sampling : {lamina::SamplingOptions::greedy(), warm}) {
        const Text plain = Text::draw(session, prompt, sampling, nullptr, false);
        for (std::uint32_t most : {1U, 2U, 3U, 5U, 8U, 15U}) {
          CAPTURE(pair);
          CAPTURE(most);
          CAPTURE(sampling.temperature);
          auto ahead = must(lamina::ReadAhead::create(drafter, session.engine(), always(most)));
          for (const bool interrupts : {false, true}) {
            const Text text = Text::draw(session, prompt, sampling, &ahead, interrupts);
            CHECK(text.tokens == plain.tokens);
            CHECK(same_bits(text.logits, plain.logits));
          }
          CHECK(ahead.counts().drafted > 0);
        }
        lamina::DraftOptions measured;
        auto ahead = must(lamina::ReadAhead::create(drafter, session.engine(), measured));
        CHECK(Text::draw(session, prompt, sampling, &ahead, false).tokens == plain.tokens);
      }
    }
  }
}

TEST_CASE("drafters: refused at every place, text stays the same where rings wrap") {
  for (const std::string& pair : pairs) {
    const lamina::Model target = target_of(pair);
    const lamina::Drafter drafter = drafter_of(pair, "drafter", target);
    const std::vector<TokenId> prompt(17, 5);
    lamina::SessionOptions options;
    options.context = 300;
    options.chunk = 8;  // rings of the window and no more rows than a round has
    options.logits_rows = 8;
    auto session = must(lamina::Session::create(target, options));
    const auto greedy = lamina::SamplingOptions::greedy();
    const Text plain = Text::draw(session, prompt, greedy, nullptr, false);
    struct Known {
      const std::vector<TokenId>& text;
      std::uint32_t prompt;
      std::uint32_t right;  ///< drafts before a wrong one
      static TokenId choose(void* context, const lamina::Sequence&, std::uint32_t position, TokenId) {
        const auto& known = *static_cast<Known*>(context);
        const std::uint32_t at = position - known.prompt;
        const TokenId token = at < known.text.size() ? known.text[at] : 0;
        return position % (known.right + 1) == known.right ? (token + 1) % 512 : token;
      }
    };
    for (std::uint32_t right = 0; right <= 8; ++right) {
      CAPTURE(pair);
      CAPTURE(right);
      Known known{plain.tokens, static_cast<std::uint32_t>(prompt.size()), right};
      lamina::DraftOptions drafts = always(7);
      drafts.substitute = {&Known::choose, &known};
      auto ahead = must(lamina::ReadAhead::create(drafter, session.engine(), drafts));
      const Text text = Text::draw(session, prompt, greedy, &ahead, right % 2 == 1);
      CHECK(text.tokens == plain.tokens);
      CHECK(same_bits(text.logits, plain.logits));
      if (right > 0) CHECK(ahead.counts().accepted > 0);
    }
  }
}

TEST_CASE("drafters: sampled tokens behind accepted and refused drafts are distributed as without") {
  // 10^5 draws (LAMINA_DRAWS=100000) take a minute; a thousand find a residual that is drawn wrongly.
  const char* wanted = std::getenv("LAMINA_DRAWS");
  const int draws = wanted != nullptr ? std::atoi(wanted) : 3000;
  const lamina::Model target = target_of("31b");
  const lamina::Drafter drafter = drafter_of("31b", "drafter", target);
  const std::vector<TokenId> prompt{2, 107, 390, 169, 280, 247, 84, 447, 499, 236, 60, 400};
  const TokenId first = 115;
  lamina::SessionOptions options = exact_options(8);
  auto session = must(lamina::Session::create(target, options));
  lamina::SamplingOptions sampling;
  sampling.temperature = 4;  // drafts are right now and then, not always
  sampling.top_k = 5;
  sampling.top_p = 1;
  auto sampler = must(lamina::Sampler::create(sampling, session.vocab(), {}));

  // What plain sampling draws: two tokens behind the first, each pair with its probability.
  struct Pair {
    TokenId a, b;
    double probability;
    int drawn = 0;
  };
  std::vector<Pair> expected;
  session.reset();
  REQUIRE(session.prompt(prompt));
  const auto after_first = must(session.step(first));
  const auto firsts = must(sampler.candidates(after_first));
  for (const auto& a : std::vector<lamina::TokenCandidate>(firsts.begin(), firsts.end())) {
    REQUIRE(session.rewind(static_cast<std::uint32_t>(prompt.size()) + 1));
    const auto seconds = must(sampler.candidates(must(session.step(a.id))));
    for (const auto& b : seconds) expected.push_back({a.id, b.id, a.probability * b.probability});
  }

  // The likeliest pair is drafted: right more often than others, and not always.
  Script script;
  script.given = {expected[0].a, expected[0].b};
  script.first = static_cast<std::uint32_t>(prompt.size()) + 1;
  auto ahead = must(lamina::ReadAhead::create(drafter, session.engine(), always(2, &script)));
  std::vector<float> hidden;
  session.reset();
  REQUIRE(session.prompt(prompt));
  hidden.assign(session.hidden().begin(), session.hidden().end());
  lamina::Sequence& sequence = session.sequence();
  for (int i = 0; i < draws; ++i) {
    REQUIRE(sequence.rewind(static_cast<std::uint32_t>(prompt.size())));
    ahead.forget();
    ahead.know_hidden(hidden);
    const TokenId a = must(sampler.sample(must(ahead.feed(session.engine(), sequence, {&first, 1}, 2))));
    const TokenId b = must(sampler.sample(must(ahead.feed(session.engine(), sequence, {&a, 1}, 2))));
    REQUIRE(ahead.settle(sequence));
    const auto found = std::find_if(expected.begin(), expected.end(),
                                    [&](const Pair& pair) { return pair.a == a && pair.b == b; });
    REQUIRE(found != expected.end());
    ++found->drawn;
  }
  CHECK(ahead.counts().accepted > 0);
  CHECK(ahead.counts().accepted < ahead.counts().drafted);
  double chi_square = 0;
  int cells = 0;
  double rest = 0;
  int drawn_rest = 0;
  for (const Pair& pair : expected) {
    const double mean = pair.probability * draws;
    if (mean < 8) {  // rare ones together
      rest += mean;
      drawn_rest += pair.drawn;
      continue;
    }
    chi_square += (pair.drawn - mean) * (pair.drawn - mean) / mean;
    ++cells;
  }
  if (rest > 8) chi_square += (drawn_rest - rest) * (drawn_rest - rest) / rest;
  REQUIRE(cells > 8);
  // Four deviations above the mean of a chi square; the draws are the same in every run.
  CHECK(chi_square < cells + 4 * std::sqrt(2.0 * cells));
}

/// Drafts the tokens of an answer that is known, but for every `wrong`-th position.
struct KnownAnswer {
  std::vector<TokenId> tokens;
  std::uint32_t begin = 0;
  std::uint32_t wrong = 4;

  static TokenId choose(void* context, const lamina::Sequence&, std::uint32_t position, TokenId drafted) {
    const auto& known = *static_cast<const KnownAnswer*>(context);
    const std::uint32_t at = position - known.begin;
    return at < known.tokens.size() && position % known.wrong != 0 ? known.tokens[at] : drafted;
  }
};

TEST_CASE("drafters: answers that keep a form, think or were interrupted are the same with drafts") {
  lamina::OpenOptions opening;
  const auto& registry = lamina_registry();
  const lamina::Model model = must(lamina::Model::open(std::string(demo_file), registry, opening));
  const lamina::Drafter drafter = demo_drafter();
  const auto index = must(lamina::TokenIndex::create(*model.tokenizer()));
  const std::string_view schema =
      R"({"type":"object","properties":{"answer":{"type":"integer"},"kind":{"enum":["sum","product"]},
          "words":{"type":"array","items":{"type":"string","maxLength":6},"minItems":1,"maxItems":3}},
          "required":["answer","kind","words"],"additionalProperties":false})";
  const auto graph = std::make_shared<const lamina::masks::SchemaGraph>(must(lamina::compile_schema(schema)));
  for (const bool has_form : {false, true}) {
    for (const float temperature : {0.0F, 1.0F}) {
      CAPTURE(has_form);
      CAPTURE(temperature);
      lamina::ChatOptions options;
      options.context = 512;
      options.generation.seed = 5;
      options.generation.max_tokens = 60;
      options.generation.sampling.emplace();
      options.generation.sampling->temperature = temperature;
      options.thinking = has_form;
      options.generation.think_budget = 12;
      if (has_form) options.generation.constraint = std::make_shared<lamina::SchemaConstraint>(graph, index);
      auto plain = must(lamina::Chat::create(model, options));
      std::vector<lamina::Answer> wanted;
      std::vector<std::uint32_t> ends;
      for (const char* words : {"What is 44 + 77?", "Reverse lamina."}) {
        wanted.push_back(must(plain.say(words)));
        ends.push_back(plain.session().position());
      }
      for (const std::uint32_t wrong : {1U, 2U, 5U, 1000U}) {
        CAPTURE(wrong);
        KnownAnswer known{{}, 0, wrong};
        options.drafter = drafter;
        options.drafts = always(6);
        options.drafts.substitute = {&KnownAnswer::choose, &known};
        auto drafted = must(lamina::Chat::create(model, options));
        for (std::size_t turn = 0; turn < wanted.size(); ++turn) {
          known.tokens = wanted[turn].tokens;
          known.begin = static_cast<std::uint32_t>(wanted[turn].prompt_tokens);
          const auto answer = must(drafted.say(turn == 0 ? "What is 44 + 77?" : "Reverse lamina."));
          CHECK(answer.tokens == wanted[turn].tokens);
          CHECK(answer.text == wanted[turn].text);
          CHECK(answer.thought == wanted[turn].thought);
          CHECK(answer.forced_tokens == wanted[turn].forced_tokens);
          CHECK(drafted.session().position() == ends[turn]);
          REQUIRE(answer.drafts);
          if (wrong == 1000) CHECK(answer.drafts->accepted + 2 >= answer.drafts->drafted);
          if (wrong == 1 && temperature == 0) CHECK(answer.drafts->drafted > 0);
        }
      }
      options.drafter.reset();
    }
  }
}

TEST_CASE("drafters: what does not belong to the model is refused with the numbers") {
  const lamina::Model e2b = target_of("e2b");
  const lamina::Model other = target_of("31b");
  const auto open = [](const std::string& path, const lamina::Model& target) {
    lamina::OpenOptions options;
    options.directories = &lamina::huggingface;
    return lamina::Drafter::open(golden_path(path), lamina_drafters(), target, options);
  };
  expect_error(open("assistant/e2b/drafter.gguf", other), lamina::ErrorCode::mismatch, "layer 0 kv_heads",
               "drafter belongs to another model");
  expect_error(open("assistant/31b/drafter", e2b), lamina::ErrorCode::mismatch, "layer 0 kv_heads",
               "drafter belongs to another model");
  expect_error(open("assistant/e2b/target", e2b), lamina::ErrorCode::unsupported, "model_type",
               "directory holds no drafter");
  expect_error(open("text/tiny-12b/model.gguf", e2b), lamina::ErrorCode::unsupported, "general.architecture",
               "file is no drafter");
  CHECK(lamina::open_huggingface(golden_path("assistant/e2b/drafter")).error().code ==
        lamina::ErrorCode::unsupported);
  auto session = must(lamina::Session::create(e2b, exact_options(8)));
  const auto drafter = drafter_of("e2b", "drafter", e2b);
  expect_error(lamina::ReadAhead::create(drafter, session.engine(), {.most = 99}),
               lamina::ErrorCode::bad_argument, "drafts", "more drafts than a round can have");
  auto wrong = must(lamina::Session::create(other, exact_options(8)));
  expect_error(lamina::DraftEngine::create(drafter, wrong.engine()), lamina::ErrorCode::mismatch,
               "layer 0 kv_heads", "drafter belongs to another model");
}

}  // namespace drafting
}  // namespace
