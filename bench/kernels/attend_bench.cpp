// SPDX-License-Identifier: Apache-2.0
// Attention speed, one thread: decode against the read bandwidth of the same buffer size, prefill in GFLOP/s.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <lamina/attention/attend-inl.hpp>
#include <lamina/attention/kv_rows-inl.hpp>
#include <lamina/packing/huge_block.hpp>
#include <lamina/testing/random_weights.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed, float scale = 1.0F) {
  lamina::testing::RandomNumbers random(seed);
  std::vector<float> out(count);
  for (float& value : out) value = random.next_float() * scale;
  return out;
}

/// Sums all words of a buffer with vector loads: the bandwidth that one thread can read.
std::uint64_t read_all(const std::vector<std::byte>& bytes) {
  const hn::ScalableTag<std::uint64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
  auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  for (std::size_t i = 0; i + 4 * lanes <= bytes.size() / 8; i += 4 * lanes) {
    sum0 = hn::Add(sum0, hn::LoadU(d, words + i));
    sum1 = hn::Add(sum1, hn::LoadU(d, words + i + lanes));
    sum2 = hn::Add(sum2, hn::LoadU(d, words + i + 2 * lanes));
    sum3 = hn::Add(sum3, hn::LoadU(d, words + i + 3 * lanes));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
}

void bench_read(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)) << 20, std::byte{1});
  for (auto _ : state) benchmark::DoNotOptimize(read_all(bytes));
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(bytes.size()), benchmark::Counter::kIsIterationInvariantRate,
                         benchmark::Counter::kIs1000);
}

/// Arguments: depth, query heads, rows (1: decode). One kv head; several layers' caches in turn, so that
/// decode reads from memory and not from the last-level cache.
template <class Layout>
void bench_attend(benchmark::State& state) {
  constexpr std::size_t dim = Layout::head_dim;
  const auto depth = static_cast<std::uint32_t>(state.range(0));
  const auto heads = static_cast<std::uint32_t>(state.range(1));
  const auto row_count = static_cast<std::uint32_t>(state.range(2));
  const std::size_t cache_bytes = Layout::bytes_per_position * depth;
  const std::size_t layers = row_count > 1 ? 1 : (std::size_t{192} << 20) / cache_bytes + 1;
  const std::size_t floats = layers * (cache_bytes / sizeof(float) + depth + 4 * 64);
  // As the memory of an engine.
  const auto memory = HugeBlock::create((floats + 64) * sizeof(float));
  if (memory == nullptr) return state.SkipWithError("no memory");
  Arena arena(memory->bytes());
  std::vector<KvRows> caches;
  const std::vector<float> source = random_floats(4096 + dim, 5);
  const std::vector<float> key_norm = random_floats(dim, 6);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    caches.push_back(take_kv_ring<Layout>(arena, 1, kv_blocks(depth)));
    for (std::uint32_t p = 0; p < depth; ++p) {
      store_kv<Layout>(caches.back(), p, source.data() + (p * 7 + layer) % 4096,
                       source.data() + (p * 13) % 4096);
    }
  }
  if (arena.overflowed()) return state.SkipWithError("arena too small");
  std::vector<float> queries = random_floats(row_count * heads * dim, 9, 0.1F);
  prepare_queries<Layout>(queries.data(), row_count * heads, key_norm.data());
  std::vector<KeyRange> visible;
  for (std::uint32_t r = 0; r < row_count; ++r) visible.push_back(causal_keys(depth - row_count + r, 0));
  std::vector<float> out(queries.size());
  const AttendRows rows{queries.data(), visible.data(), out.data(), row_count, heads, true};
  std::vector<float> scratch_memory(attend_scratch_floats<Layout>(heads) + 32);
  Arena scratch_arena(std::as_writable_bytes(std::span<float>(scratch_memory)));
  const std::span<float> scratch = scratch_arena.take<float>(attend_scratch_floats<Layout>(heads));
  std::size_t layer = 0;
  for (auto _ : state) {
    attend<Layout>(caches[layer], rows, 0, 0, row_count, scratch.data());
    benchmark::ClobberMemory();
    layer = (layer + 1) % layers;
  }
  const double pairs = static_cast<double>(row_count) * heads * (depth - row_count / 2.0);
  state.counters["GFLOP/s"] = benchmark::Counter(
      4.0 * pairs * dim, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
  if (row_count == 1) {
    state.counters["GB/s"] =
        benchmark::Counter(static_cast<double>(cache_bytes), benchmark::Counter::kIsIterationInvariantRate,
                           benchmark::Counter::kIs1000);
  }
  state.SetLabel(hwy::TargetName(HWY_TARGET));
}

using Bf16x256 = KvRowLayout<256, CacheFormat::bf16>;
using Int8x256 = KvRowLayout<256, CacheFormat::int8>;
using Bf16x512 = KvRowLayout<512, CacheFormat::bf16>;
using Int8x512 = KvRowLayout<512, CacheFormat::int8>;
using SharedBf16x512 = KvRowLayout<512, CacheFormat::bf16, 64>;
using SharedInt8x512 = KvRowLayout<512, CacheFormat::int8, 64>;

BENCHMARK(bench_read)->Arg(256)->Unit(benchmark::kMillisecond);
#define LAMINA_BENCH_ATTEND(Layout)          \
  BENCHMARK_TEMPLATE(bench_attend, Layout)   \
      ->ArgNames({"depth", "heads", "rows"}) \
      ->Args({4096, 8, 1})                   \
      ->Args({16384, 8, 1})                  \
      ->Args({16384, 2, 1})                  \
      ->Args({1024, 8, 512})                 \
      ->Args({4096, 8, 256})                 \
      ->Unit(benchmark::kMicrosecond)
LAMINA_BENCH_ATTEND(Bf16x256);
LAMINA_BENCH_ATTEND(Int8x256);
LAMINA_BENCH_ATTEND(Bf16x512);
LAMINA_BENCH_ATTEND(Int8x512);
LAMINA_BENCH_ATTEND(SharedBf16x512);
LAMINA_BENCH_ATTEND(SharedInt8x512);

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

BENCHMARK_MAIN();
