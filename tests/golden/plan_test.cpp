// SPDX-License-Identifier: Apache-2.0
// The plan is the truth: what `plan_memory` and the facts say, a session takes, to the byte.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/memory_plan.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/schedule/plan.hpp>

#include "support/cache_formats.hpp"
#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/golden.hpp"
#include "support/loaded_model.hpp"

namespace {

using lamina::SessionOptions;

const std::vector<std::string> planned_models{demo_path, golden_path("text/tiny-e2b"),
                                              golden_path("text/tiny-31b"),
                                              golden_path("text/tiny-26b-a4b/model.gguf")};

std::vector<SessionOptions> plans() {
  std::vector<SessionOptions> all;
  for (const lamina::CacheFormats cache : cache_formats) {
    for (const std::uint32_t context : {1U, 63U, 64U, 65U, 300U}) {
      SessionOptions options;
      options.context = context;
      options.chunk = context % 2 == 0 ? 7 : 64;
      options.logits_rows = 3;
      options.cache = cache;
      all.push_back(options);
    }
  }
  return all;
}

/// A block of exactly `size` bytes at the alignment that sessions ask for.
class Memory {
 public:
  explicit Memory(std::size_t size)
      : bytes_(new (std::align_val_t{lamina::arena_alignment}) std::byte[size]), size_(size) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::operator delete[](bytes_, std::align_val_t{lamina::arena_alignment}); }
  [[nodiscard]] std::span<std::byte> bytes() const { return {bytes_, size_}; }

 private:
  std::byte* bytes_;
  std::size_t size_;
};

}  // namespace

TEST_CASE("plan: a session takes exactly what was planned, and a byte less is refused") {
  for (const std::string& path : planned_models) {
    CAPTURE(path);
    const LoadedModel model(path);
    for (const SessionOptions& options : plans()) {
      CAPTURE(options.context);
      CAPTURE(lamina::name_of(options.cache));
      const lamina::MemoryPlan plan = lamina::plan_memory(*model.entry, options);
      const Memory exact(plan.total_bytes);
      auto session = lamina::Session::create(*model.entry, model.file, options, exact.bytes());
      REQUIRE_MESSAGE(static_cast<bool>(session), message_of(session));
      CHECK(session->memory_bytes() == plan.total_bytes);
      std::vector<lamina::TokenId> tokens(options.context, 5);
      CHECK(static_cast<bool>(session->prompt(tokens)));
      expect_error(lamina::Session::create(*model.entry, model.file, options,
                                           exact.bytes().first(plan.total_bytes - 1)),
                   lamina::ErrorCode::out_of_memory, "session", "");
      CHECK(model.session(options).memory_bytes() == plan.total_bytes);
    }
  }
}

TEST_CASE("plan: engines and sequences take what is counted for them") {
  for (const std::string& path : planned_models) {
    CAPTURE(path);
    LoadedModel loaded(path);
    const lamina::ModelEntry& entry = *loaded.entry;
    const auto model = lamina::Model::create(entry, std::move(loaded.file));
    REQUIRE(static_cast<bool>(model));
    for (const SessionOptions& options : plans()) {
      const lamina::MemoryPlan plan = lamina::plan_memory(entry, options);
      const auto engine = lamina::Engine::create(*model, options.engine());
      REQUIRE_MESSAGE(static_cast<bool>(engine), message_of(engine));
      const auto sequence = engine->sequence(options.sequence());
      REQUIRE_MESSAGE(static_cast<bool>(sequence), message_of(sequence));
      CHECK(model->memory_bytes() + engine->memory_bytes() + sequence->memory_bytes() == plan.total_bytes);
    }
  }
}

TEST_CASE("plan: its rows are the facts of the type, and add up") {
  for (const std::string& path : planned_models) {
    CAPTURE(path);
    const LoadedModel model(path);
    for (const SessionOptions& options : plans()) {
      const lamina::MemoryPlan plan = lamina::plan_memory(*model.entry, options);
      const auto facts = std::make_unique<lamina::ModelPlan>();
      lamina::make_plan(model.file.description, {options.context, options.cache},
                        lamina::UniformFormat{lamina::Format::q8_0}, *facts);
      CHECK(static_cast<std::int64_t>(plan.cache) == facts->kv_bytes);
      CHECK(plan.vectors + plan.cache + plan.ring_slack + plan.page_rounding + plan.scratch +
                plan.bookkeeping ==
            plan.total_bytes);
      // What is left for tables, states and alignment is small, and there.
      CHECK(plan.bookkeeping > sizeof(lamina::TokenId) * options.context);
      CHECK(plan.bookkeeping < 64 * 1024);
    }
  }
}
