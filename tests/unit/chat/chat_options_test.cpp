// SPDX-License-Identifier: Apache-2.0
// How much a conversation keeps of its turns: room for a few of any model, unless options say otherwise.
#include <cstddef>

#include <doctest/doctest.h>

#include <lamina/chat/turns/chat_options.hpp>

namespace {

/// A model whose windows hold `bytes`, once it has read more than them.
template <std::size_t bytes>
lamina::ModelEntry entry_with_windows() {
  lamina::ModelEntry entry{};
  entry.page_bytes = [](lamina::CacheFormats) noexcept { return std::size_t{64}; };
  entry.ring_bytes = [](const lamina::EngineOptions&, const lamina::SequenceOptions& sequence) noexcept {
    return lamina::RingBytes{.windows = sequence.context >= 1024 ? bytes : 0, .rings = bytes};
  };
  return entry;
}

TEST_CASE("snapshots of a conversation: room for four, and for what small models need") {
  constexpr std::size_t mib = std::size_t{1} << 20;
  const lamina::SessionOptions session{.context = 8192};
  lamina::ChatOptions options;
  CHECK(options.snapshot_budget(entry_with_windows<10 * mib>(), session) == 512 * mib);
  // Windows of 31B.
  const std::size_t large = options.snapshot_budget(entry_with_windows<800 * mib>(), session);
  CHECK(large >= 3200 * mib);
  CHECK(large < 3201 * mib);
  CHECK(options.snapshot_budget(entry_with_windows<800 * mib>(), {.context = 1000}) == 512 * mib);
  options.snapshot_bytes = 0;
  CHECK(options.snapshot_budget(entry_with_windows<800 * mib>(), session) == 0);
}

}  // namespace
