// SPDX-License-Identifier: Apache-2.0
// Models compiled once per CPU level: on each level that this machine has, what the other golden tests ask.
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/dispatch/dispatched.hpp>
#include <lamina/packing/pack_weights.hpp>

#include "models/demo.hpp"
#include "models/tiny_26b_a4b.hpp"
#include "support/golden_checks.hpp"
#include "support/loaded_model.hpp"

namespace {

using lamina::CpuLevel;
using lamina::models::Demo;
using lamina::models::Tiny26bA4b;

std::vector<const lamina::ModelEntry*> entries_of_level;

/// Calls test(level) for each level that is compiled and that this CPU has; sets the registry to its models.
template <class Test>
std::size_t on_each_level(Test test) {
  std::size_t count = 0;
  for (const lamina::LevelEntry& one : lamina::dispatched_model<Demo>().levels) {
    if (!lamina::cpu_has(one.level)) continue;
    CAPTURE(lamina::name_of(one.level));
    entries_of_level = {&lamina::dispatched<Demo>(one.level), &lamina::dispatched<Tiny26bA4b>(one.level)};
    test(one.level);
    ++count;
  }
  return count;
}

}  // namespace

std::span<const lamina::ModelEntry* const> lamina_registry() { return entries_of_level; }

namespace {

TEST_CASE("every level gives the exact logits of the reference") {
  CHECK(on_each_level([](CpuLevel) { check_logits("tiny-26b-a4b"); }) >= 1);
}

TEST_CASE("every level answers as the reference does, in both precisions") {
  // The shares of golden_demo, of the prompts that these begin with.
  on_each_level([](CpuLevel) {
    CHECK(equal_answers(demo_file, lamina::Precision::exact, 100) >= 298.0 / 300 - 0.01);
    CHECK(equal_answers(demo_file, lamina::Precision::fast, 300) >= 299.0 / 300 - 0.01);
  });
}

TEST_CASE("every level packs weights for its own vectors, and packed ones give the same bits") {
  on_each_level([](CpuLevel) {
    LoadedModel plain(demo_file);
    LoadedModel packed(demo_file);
    const auto bytes = lamina::pack_weights(*packed.entry, packed.file);
    REQUIRE(static_cast<bool>(bytes));
    CHECK(packed.file.interleave_height == packed.entry->kernels().interleave_height);
    const std::vector<lamina::TokenId> tokens{2, 300, 301, 302, 303};
    lamina::Session one = plain.session(options_for(lamina::Precision::fast));
    lamina::Session other = packed.session(options_for(lamina::Precision::fast));
    CHECK(all_logits(one, tokens, 5) == all_logits(other, tokens, 5));
  });
}

TEST_CASE("the level that is chosen is the last one that the CPU has, and none above the one asked for") {
  const auto& model = lamina::dispatched_model<Demo>();
  const lamina::LevelEntry* best = nullptr;
  for (const lamina::LevelEntry& level : model.levels) {
    if (lamina::cpu_has(level.level)) best = &level;
  }
  REQUIRE(best != nullptr);
  CHECK(lamina::best_level(model.levels) == best);
  CHECK(&lamina::dispatched<Demo>() == &best->entry());
  for (const lamina::LevelEntry& level : model.levels) {
    const lamina::LevelEntry* chosen = lamina::best_level(model.levels, level.level);
    if (lamina::cpu_has(level.level)) CHECK(chosen == &level);
    if (chosen != nullptr) CHECK(chosen->level <= level.level);
  }
}

TEST_CASE("a CPU below all levels is told so when weights are bound") {
  const auto& model = lamina::dispatched_model<Demo>();
  CHECK(lamina::best_level(model.levels, CpuLevel::baseline) == nullptr);
  const lamina::ModelEntry& refusal = lamina::dispatched<Demo>(CpuLevel::baseline);
  CHECK(&refusal == &model.refusal);
  entries_of_level = {&refusal};
  LoadedModel loaded(demo_file);
  CHECK(static_cast<bool>(lamina::pack_weights(refusal, loaded.file)));
  const auto session = lamina::Session::create(refusal, loaded.file, {.context = 16});
  REQUIRE(!session);
  CHECK(session.error().code == lamina::ErrorCode::unsupported);
  CHECK(session.error().where.view() == "demo");
  CHECK(std::string(describe(session.error()).c_str()).find("expected sse4") != std::string::npos);
}

}  // namespace
