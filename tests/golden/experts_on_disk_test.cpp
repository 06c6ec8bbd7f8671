// SPDX-License-Identifier: Apache-2.0
// Experts read from disk: the bits of those that are mapped, in memory that the plan counts.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/memory_plan.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/packing/write_packed.hpp>

#include "support/golden.hpp"
#include "support/on_disk.hpp"
#include "support/temporary_directory.hpp"

namespace {

using lamina::TokenId;

const char* const of_eight = "text/tiny-26b-a4b/model.gguf";  // every row has 2 of 8 experts
const char* const of_three = "quant/q-moe-q4_k_m.gguf";       // 2 of 3

lamina::SessionOptions experts_on_disk(lamina::SessionOptions options, const LoadedModel& model,
                                       std::uint32_t slots) {
  options.expert_cache_bytes = slots * lamina::expert_bytes(*model.entry, model.file);
  return options;
}

std::vector<TokenId> tokens_of_all_kinds() {
  std::vector<TokenId> tokens;
  for (TokenId i = 0; i < 80; ++i) tokens.push_back((i * i * 37 + 11) % 512);
  return tokens;
}

/// In every number of slots from `active` on, whatever the threads and the cutting, what the experts give
/// where they lie.
void check_bits(const OnDisk& model, std::uint32_t active, std::uint32_t experts) {
  const auto pool = make_pool(2);
  const auto tokens = tokens_of_all_kinds();
  for (const auto precision : {lamina::Precision::fast, lamina::Precision::exact}) {
    auto options = options_for(precision);
    model.disk->reads = 0;
    auto mapped = model.session(options);
    const auto want = all_logits(mapped, tokens, 80);
    const auto want_text = greedy(mapped, tokens, 12);
    CHECK(model.disk->reads == 0);
    for (std::uint32_t slots = active; slots <= experts; ++slots) {
      for (lamina::Executor* executor :
           {static_cast<lamina::Executor*>(nullptr), static_cast<lamina::Executor*>(pool.get())}) {
        CAPTURE(slots);
        options.executor = executor;
        auto session = model.session(experts_on_disk(options, model, slots));
        for (const std::size_t chunk : {80U, 7U, 1U}) CHECK(all_logits(session, tokens, chunk) == want);
        CHECK(greedy(session, tokens, 12) == want_text);
        CHECK(model.disk->reads > 0);
        CHECK(model.disk->expected > 0);
        CHECK(session.expert_reads().bytes == model.disk->read_bytes);
        CHECK(session.expert_reads().found < session.expert_reads().asked);
        CHECK(session.expert_reads().found > 0);
        model.disk->reads = model.disk->read_bytes = model.disk->expected = 0;
      }
    }
  }
}

TEST_CASE("experts from disk give the bits of mapped ones, in any number of slots") {
  check_bits(OnDisk(golden_path(of_eight)), 2, 8);
  check_bits(OnDisk(golden_path(of_three)), 2, 3);
  const LoadedModel plain(golden_path(of_three));
  const TemporaryDirectory directory;
  const std::string packed = directory.path("packed.lguf");
  REQUIRE(static_cast<bool>(lamina::write_packed(*plain.entry, golden_path(of_three), packed)));
  check_bits(OnDisk(packed), 2, 3);
}

TEST_CASE("experts that all have a slot are read once") {
  const OnDisk model(golden_path(of_eight));
  auto session = model.session(experts_on_disk(options_for(lamina::Precision::fast), model, 8));
  const auto tokens = tokens_of_all_kinds();
  REQUIRE(static_cast<bool>(session.prompt(tokens)));
  const std::size_t once = model.disk->read_bytes;
  CHECK(once > 0);
  CHECK(once <= 8 * lamina::expert_bytes(*model.entry, model.file));
  const lamina::ExpertReads before = session.expert_reads();
  session.reset();
  REQUIRE(static_cast<bool>(session.prompt(tokens)));
  CHECK(model.disk->read_bytes == once);
  const lamina::ExpertReads after = session.expert_reads();
  CHECK(after.bytes == before.bytes);
  CHECK(after.asked - before.asked == after.found - before.found);
}

TEST_CASE("every read of an expert that fails is an error, and the session goes on as if nothing had been") {
  const OnDisk model(golden_path(of_eight));
  const auto options = options_for(lamina::Precision::fast);
  const std::vector<TokenId> all = tokens_of_all_kinds();
  const std::span<const TokenId> tokens = std::span(all).first(24);
  auto whole = model.session(options);
  const auto want = all_logits(whole, tokens, 12);
  std::size_t failures = 0;
  for (std::size_t at = 0;; ++at) {
    auto session = model.session(experts_on_disk(options, model, 3));
    model.disk->reads = 0;
    model.disk->fails_at = at;
    std::vector<float> got;
    std::size_t failed = 0;
    for (std::size_t begin = 0; begin < tokens.size(); begin += 12) {
      const std::span<const TokenId> piece = tokens.subspan(begin, 12);
      auto rows = session.logits_of(piece);
      if (!rows) {
        ++failed;
        CHECK(rows.error().code == lamina::ErrorCode::io);
        CHECK(rows.error().what.view() == "experts could not be read");
        CHECK(std::string(rows.error().where.view()).find("layer ") == 0);
        CHECK(session.position() == begin);
        rows = session.logits_of(piece);
      }
      REQUIRE(static_cast<bool>(rows));
      got.insert(got.end(), rows->begin(), rows->end());
    }
    model.disk->fails_at = SIZE_MAX;
    CHECK(got == want);
    if (failed == 0) break;  // there are not that many reads
    CHECK(failed == 1);
    ++failures;
  }
  CHECK(failures > 100);
}

TEST_CASE("the plan counts the slots of experts, and refuses fewer than a token needs") {
  const OnDisk model(golden_path(of_eight));
  const auto held = options_for(lamina::Precision::fast);
  const auto disk = experts_on_disk(held, model, 4);
  const auto without = lamina::plan_memory(*model.entry, held);
  const auto with = lamina::plan_memory(*model.entry, disk);
  CHECK(without.expert_cache == 0);
  CHECK(with.expert_cache >= disk.expert_cache_bytes);
  CHECK(with.expert_cache <= disk.expert_cache_bytes + 2048);
  CHECK(with.total_bytes == without.total_bytes + with.expert_cache);
  CHECK(model.session(disk).memory_bytes() == with.total_bytes);
  const auto refused = lamina::Session::create(*model.entry, model.file, experts_on_disk(held, model, 1));
  REQUIRE(!refused);
  CHECK(refused.error().code == lamina::ErrorCode::bad_argument);
  CHECK(refused.error().where.view() == "expert_cache_bytes");

  // Models without experts need no room.
  const LoadedModel dense(golden_path("quant/q-e2b-q4_0.gguf"));
  CHECK(lamina::expert_bytes(*dense.entry, dense.file) == 0);
  CHECK(lamina::plan_memory(*dense.entry, disk).expert_cache == 0);
}

TEST_CASE("a model that is opened with experts on disk packs none, and its budget counts slots") {
  const std::string path = golden_path(of_three);
  const LoadedModel plain(path);
  const std::uint64_t each = lamina::expert_bytes(*plain.entry, plain.file);
  const std::uint64_t others =
      lamina::matrix_bytes(*plain.entry, plain.file, lamina::Experts::on_disk) + plain.entry->model_bytes();
  lamina::OpenOptions options{.tokenizer = false, .expert_slots = 2};
  options.memory_budget = others + 2 * each;
  const auto model = lamina::Model::open(path, *plain.entry, options);
  REQUIRE(static_cast<bool>(model));
  CHECK(model->expert_bytes(2) == 2 * each);
  std::size_t packed = 0;
  for (const lamina::TensorView& tensor : model->file().tensors) {
    if (lamina::is_stack(tensor)) CHECK(tensor.packing == lamina::Packing::rows);
    packed += tensor.packing == lamina::Packing::interleaved ? 1 : 0;
  }
  CHECK(packed > 0);
  --options.memory_budget;
  CHECK(!lamina::Model::open(path, *plain.entry, options));

  // In memory there is no disk: they are used where they lie.
  LoadedModel in_memory(path);
  REQUIRE(static_cast<bool>(lamina::pack_weights(*in_memory.entry, in_memory.file)));
  auto session = in_memory.session(experts_on_disk(options_for(lamina::Precision::fast), in_memory, 2));
  REQUIRE(static_cast<bool>(session.prompt(tokens_of_all_kinds())));
  CHECK(session.expert_reads() == lamina::ExpertReads{});
}

}  // namespace
