// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most: reading memory, and the products that the matrix kernels are made of.
#if defined(LAMINA_TESTING_PROBE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TESTING_PROBE_INL_HPP
#undef LAMINA_TESTING_PROBE_INL_HPP
#else
#define LAMINA_TESTING_PROBE_INL_HPP
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <lamina/core/executor.hpp>
#include <lamina/packing/huge_block.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

namespace probe {

/// Adds up `count` words, in whole blocks of 8 vectors; as fast as memory delivers.
inline HWY_NOINLINE std::uint32_t sum_words(const std::uint32_t* words, std::size_t count) noexcept {
  const hn::ScalableTag<std::uint32_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto a = hn::Zero(d);
  auto b = hn::Zero(d);
  auto c = hn::Zero(d);
  auto e = hn::Zero(d);
  for (std::size_t i = 0; i + 8 * lanes <= count; i += 8 * lanes) {
    a = hn::Add(a, hn::Add(hn::LoadU(d, words + i), hn::LoadU(d, words + i + lanes)));
    b = hn::Add(b, hn::Add(hn::LoadU(d, words + i + 2 * lanes), hn::LoadU(d, words + i + 3 * lanes)));
    c = hn::Add(c, hn::Add(hn::LoadU(d, words + i + 4 * lanes), hn::LoadU(d, words + i + 5 * lanes)));
    e = hn::Add(e, hn::Add(hn::LoadU(d, words + i + 6 * lanes), hn::LoadU(d, words + i + 7 * lanes)));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
}

/// Sums in flight: 2 products a cycle with a latency of 5 where they go to int32 at once; elsewhere partial
/// sums need the registers.
inline constexpr std::size_t product_streams = std::is_empty_v<compat::ByteSums> ? 10 : 4;

/// Multiplies `x` with the weights of every stream. Streams that share weights start with different numbers
/// and are pinned where they stand: GCC would compute one of them for all, which left 32 of 80 products in
/// the loop and twice the true peak of a VNNI machine. The test `int8_probe` counts them.
HWY_INLINE void add_products(compat::VecI32 (&sums)[product_streams],
                             compat::ByteSums (&partials)[product_streams],
                             const compat::VecI32 (&weights)[4], compat::VecI32 x, int quad) noexcept {
  HWY_UNROLL(10)
  for (std::size_t i = 0; i < product_streams; ++i) {
    compat::add_byte_products<compat::CodeRange::nibble>(sums[i], partials[i], weights[i % 4], x,
                                                         static_cast<std::int32_t>(i), quad, 8);
    compat::pin(sums[i]);
  }
}

/// Multiplies bytes `rounds` times; returns the number of multiplications and additions done.
inline HWY_NOINLINE std::uint64_t multiply_bytes(std::uint64_t rounds, std::int32_t& sink) noexcept {
  const compat::TagI32 d;
  constexpr std::size_t lanes = compat::lanes32;
  alignas(64) std::int32_t values[8 * lanes];
  for (std::size_t i = 0; i < 8 * lanes; ++i) values[i] = static_cast<std::int32_t>(i * 0x01030507);
  compat::VecI32 weights[4];
  for (int i = 0; i < 4; ++i) weights[i] = hn::Set(d, 0x01020304 * (i + 1) & 0x0F0F0F0F);
  compat::VecI32 sums[product_streams];
  compat::ByteSums partials[product_streams] = {};
  for (std::size_t i = 0; i < product_streams; ++i) sums[i] = hn::Set(d, static_cast<std::int32_t>(i));
  for (std::uint64_t round = 0; round < rounds; ++round) {
    asm volatile("" : : "r"(values) : "memory");  // the bytes are loaded again each round
    HWY_UNROLL(8)
    for (int quad = 0; quad < 8; ++quad) {
      add_products(sums, partials, weights, hn::Load(d, values + static_cast<std::size_t>(quad) * lanes),
                   quad);
    }
  }
  for (std::size_t i = 1; i < product_streams; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  sink = hn::GetLane(hn::SumOfLanes(d, sums[0]));
  return rounds * product_streams * 8 * lanes * 4 * 2;
}

/// Sums in flight of products that go to float32 at once: 2 a cycle with a latency of 4 to 6.
inline constexpr std::size_t float_streams = 12;

/// Multiplies float32 numbers `rounds` times; returns the number of multiplications and additions done.
inline HWY_NOINLINE std::uint64_t multiply_floats(std::uint64_t rounds, std::int32_t& sink) noexcept {
  const compat::TagF32 d;
  compat::VecF32 sums[float_streams];
  for (std::size_t i = 0; i < float_streams; ++i) sums[i] = hn::Set(d, static_cast<float>(i));
  auto x = hn::Set(d, 0.5F);
  auto w = hn::Set(d, 0.25F);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    compat::pin(x);
    compat::pin(w);
    HWY_UNROLL(12)
    for (std::size_t i = 0; i < float_streams; ++i) sums[i] = hn::MulAdd(x, w, sums[i]);
  }
  for (std::size_t i = 1; i < float_streams; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  sink = static_cast<std::int32_t>(hn::GetLane(hn::SumOfLanes(d, sums[0])));
  return rounds * float_streams * compat::lanes32 * 2;
}

/// The same for bf16 numbers; as float32 where the target does not multiply them natively.
inline HWY_NOINLINE std::uint64_t multiply_bf16(std::uint64_t rounds, std::int32_t& sink) noexcept {
#if defined(LAMINA_BF16_DOT)
  const compat::TagF32 d;
  const compat::TagI32 di;
  compat::VecF32 sums[float_streams];
  for (std::size_t i = 0; i < float_streams; ++i) sums[i] = hn::Set(d, static_cast<float>(i));
  auto x = hn::Set(di, 0x3F003F00);
  auto w = hn::Set(di, 0x3E803E80);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+v"(x.raw), "+v"(w.raw));
    HWY_UNROLL(12)
    for (std::size_t i = 0; i < float_streams; ++i) sums[i] = compat::AddBf16Products(sums[i], x, w);
  }
  for (std::size_t i = 1; i < float_streams; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  sink = static_cast<std::int32_t>(hn::GetLane(hn::SumOfLanes(d, sums[0])));
  return rounds * float_streams * compat::lanes32 * 4;
#else
  return multiply_floats(rounds, sink);
#endif
}

struct ReadJob {
  std::span<const std::uint32_t> words;
  std::atomic<std::uint32_t> sum{0};  // keeps the reads
};

struct MultiplyJob {
  std::uint64_t rounds = 0;
  std::atomic<std::uint64_t> operations{0};
  std::atomic<std::int32_t> sum{0};
};

inline void read_part(void* context, std::uint32_t part, std::uint32_t parts) noexcept {
  auto& job = *static_cast<ReadJob*>(context);
  const std::size_t share = job.words.size() / parts;
  job.sum += sum_words(job.words.data() + part * share, share);
}

template <std::uint64_t (*multiply)(std::uint64_t, std::int32_t&) noexcept>
void multiply_part(void* context, std::uint32_t, std::uint32_t) noexcept {
  auto& job = *static_cast<MultiplyJob*>(context);
  std::int32_t sum = 0;
  job.operations += multiply(job.rounds, sum);
  job.sum += sum;
}

/// Seconds that one run of `job` on all threads takes; null: the calling thread alone.
template <class Context>
double seconds_of(Executor* threads, Executor::Job job, Context& context) {
  const auto start = std::chrono::steady_clock::now();
  if (threads != nullptr) {
    threads->run(job, &context, threads->width());
  } else {
    job(&context, 0, 1);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace probe

/// Bytes per second that all threads together read from memory, in one stream each, in large pages as packed
/// weights lie; the best of several passes, 0 without the memory. `threads` null: the calling thread alone.
/// Cost: half a second and 256 MiB.
[[nodiscard]] inline double probe_bandwidth(Executor* threads) {
  constexpr std::size_t bytes = std::size_t{1} << 28;
  const auto block = HugeBlock::create(bytes);
  if (block == nullptr) return 0;
  auto* words = reinterpret_cast<std::uint32_t*>(block->bytes().data());
  std::fill_n(words, bytes / sizeof *words, 1U);
  probe::ReadJob job{.words = {words, bytes / sizeof *words}};
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const double seconds = probe::seconds_of(threads, &probe::read_part, job);
    best = std::max(best, static_cast<double>(job.words.size() * sizeof(std::uint32_t)) / seconds);
  }
  return best;
}

namespace probe {

/// Operations per second of all threads together; the best of several passes.
template <std::uint64_t (*multiply)(std::uint64_t, std::int32_t&) noexcept>
double peak_of(Executor* threads, std::uint64_t rounds) {
  MultiplyJob job;
  job.rounds = rounds;
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    job.operations = 0;
    const double seconds = seconds_of(threads, &multiply_part<multiply>, job);
    best = std::max(best, static_cast<double>(job.operations.load()) / seconds);
  }
  return best;
}

}  // namespace probe

/// 8-bit multiply and add operations per second of all threads together, operands in registers.
[[nodiscard]] inline double probe_int8_peak(Executor* threads) {
  return probe::peak_of<&probe::multiply_bytes>(threads, 1 << 20);
}

/// The same of float32 numbers, and of bf16 numbers that are added up in float32.
[[nodiscard]] inline double probe_float_peak(Executor* threads) {
  return probe::peak_of<&probe::multiply_floats>(threads, 1 << 23);
}
[[nodiscard]] inline double probe_bf16_peak(Executor* threads) {
  return probe::peak_of<&probe::multiply_bf16>(threads, 1 << 23);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
