// SPDX-License-Identifier: Apache-2.0
// What may come next in an answer and what must: constraints behind thoughts, budgets, texts that end
// answers.
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/chat/generation/steering.hpp>
#include <lamina/chat/generation/stop_texts.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/sampling/log_probabilities.hpp>

#include "support/expect_error.hpp"
#include "support/golden_text.hpp"

namespace {

using lamina::TokenId;

std::string through(std::vector<std::string> stops, const std::vector<std::string_view>& pieces) {
  lamina::StopTexts texts(std::move(stops));
  std::string out;
  for (const std::string_view piece : pieces) {
    if (texts.push(piece, out)) return out + "|stopped";
    out += '.';
  }
  texts.finish(out);
  return out;
}

/// "yes" or "no", as a constraint.
std::shared_ptr<lamina::TokenConstraint> yes_or_no(const lamina::TokenIndex& index) {
  return std::make_shared<lamina::GrammarConstraint>(
      std::make_shared<const lamina::masks::Grammar>(lamina::masks::choice_grammar({"yes", "no"})), index);
}

}  // namespace

TEST_CASE("stop texts are found across pieces, and nothing of them comes out") {
  CHECK(through({}, {"a", "b"}) == "a.b.");
  CHECK(through({"END"}, {"a E", "N", "x"}) == "a ..ENx.");
  CHECK(through({"END"}, {"a E", "ND b"}) == "a .|stopped");
  CHECK(through({"END"}, {"E", "E", "N", "D"}) == ".E..|stopped");
  CHECK(through({"ab", "b"}, {"xab"}) == "x|stopped");
  CHECK(through({"aab"}, {"aa", "ab"}) == ".a|stopped");
  CHECK(through({"", "x"}, {"ax"}) == "a|stopped");
  CHECK(through({"END"}, {"a EN"}) == "a .EN");
}

TEST_CASE("a constraint waits for the end of thoughts, and thoughts for their budget") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const auto index = lamina::TokenIndex::create(tokenizer);
  REQUIRE(static_cast<bool>(index));
  const auto& special = tokenizer.special();
  const TokenId newline = tokenizer.find("\n"), letter = tokenizer.find("a"), y = tokenizer.find("y");
  REQUIRE(newline != lamina::no_token);
  lamina::GenerationOptions options;
  options.constraint = yes_or_no(*index);
  options.think_budget = 2;

  lamina::Steering steering(options, &tokenizer, lamina::ResponseStart::answer, true);
  auto allowed = must(steering.allowed());
  REQUIRE(allowed != nullptr);
  CHECK(allowed->has(special.channel_open));
  CHECK(allowed->has(y));
  CHECK_FALSE(allowed->has(letter));
  steering.accept(special.channel_open);
  CHECK(must(steering.allowed()) == nullptr);
  CHECK(steering.corrected(special.turn_close) == special.channel_close);
  CHECK(steering.corrected(letter) == letter);
  steering.accept(letter);
  steering.accept(newline);  // the channel's name ends
  CHECK(must(steering.forced(10)).empty());
  steering.accept(letter);
  steering.accept(letter);
  CHECK(must(steering.forced(10)) == std::vector<TokenId>{newline, special.channel_close});
  CHECK(must(steering.forced(1)).empty());
  steering.accept(newline);
  steering.accept(special.channel_close);
  allowed = must(steering.allowed());
  REQUIRE(allowed != nullptr);
  CHECK_FALSE(allowed->has(special.channel_open));
  CHECK_FALSE(allowed->has(special.turn_close));
  CHECK(allowed->has(y));
  steering.accept(y);
  std::string rest;
  while (rest.size() < 2) {
    for (const TokenId id : must(steering.forced(10))) {
      steering.accept(id);
      rest += tokenizer.piece(id);
    }
  }
  CHECK(rest == "es");
  // The answer is complete: it ends, unless it is to go on.
  CHECK(must(steering.forced(10)) == std::vector<TokenId>{special.turn_close});
  options.ignore_stop = true;
  lamina::Steering endless(options, &tokenizer, lamina::ResponseStart::answer, false);
  CHECK(options.constraint->accept("yes") == 3);
  CHECK(must(endless.forced(10)).empty());
  // Tokens whose probabilities are told are drawn.
  options.log_probabilities = 1;
  lamina::Steering told(options, &tokenizer, lamina::ResponseStart::answer, false);
  told.accept(y);
  CHECK(must(told.forced(10)).empty());

  // Without thoughts the constraint holds from the first token on.
  lamina::Steering plain(options, &tokenizer, lamina::ResponseStart::answer, false);
  CHECK_FALSE(must(plain.allowed())->has(special.channel_open));
  lamina::Steering inside(options, &tokenizer, lamina::ResponseStart::thought, true);
  CHECK(must(inside.allowed()) == nullptr);
}

TEST_CASE("log-probabilities: of what was drawn and of the likeliest") {
  const std::vector<float> logits{1.0F, 3.0F, -INFINITY, 3.0F, 2.0F};
  const auto choice = lamina::log_probabilities(logits, 0, 3);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  CHECK(choice.chosen.log_probability == doctest::Approx(1 - std::log(sum)));
  REQUIRE(choice.likeliest.size() == 3);
  CHECK(choice.likeliest[0].id == 1);
  CHECK(choice.likeliest[1].id == 3);
  CHECK(choice.likeliest[2].id == 4);
  CHECK(lamina::log_probabilities(logits, 2, 9).likeliest.size() == 4);
  CHECK(lamina::log_probabilities(logits, 1, 0).likeliest.empty());
}
