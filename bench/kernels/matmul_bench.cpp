// SPDX-License-Identifier: Apache-2.0
// Matrix products of one thread: GB/s of weights at one token, Gop/s (two per product) at a batch.
//
// Every run walks through 256 MiB of weights, as a model does, so that none come from the caches.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <lamina/linear/linear-inl.hpp>
#include <lamina/testing/random_matrix.hpp>

namespace {

using lamina::Format;
using lamina::Precision;

constexpr std::uint32_t columns = 1536;
constexpr std::size_t memory_bytes = std::size_t{256} << 20;

const lamina::LinearKernels& kernels() { return lamina::HWY_STATIC_DISPATCH(linear_kernels)(); }

/// Random activations [rows, columns], with their quantised copy.
struct Activations {
  explicit Activations(std::uint32_t rows)
      : values(std::size_t{rows} * columns), memory(rows * lamina::quantized_row_bytes(columns)) {
    lamina::testing::RandomNumbers random(1);
    for (float& value : values) value = random.next_float();
    x.values = values.data();
    x.stride = columns;
    x.rows = rows;
    x.columns = columns;
    kernels().quantize_rows(values.data(), columns, columns, rows, memory.data());
    x.quantized = memory.data();
  }
  std::vector<float> values;
  std::vector<std::byte> memory;
  lamina::ActivationRows x;
};

/// A matrix in the order of this target's vectors, where it has one.
lamina::WeightMatrix interleaved(const lamina::WeightMatrix& w, std::vector<std::byte>& memory) {
  memory.resize(w.bytes());
  kernels().interleave(w, 0, w.rows, memory.data());
  lamina::WeightMatrix packed = w;
  packed.data = memory.data();
  packed.packing = lamina::Packing::interleaved;
  return packed;
}

void multiply(benchmark::State& state, Format format, Precision precision, std::uint32_t tokens,
              lamina::Packing packing) {
  // A batch computes long enough on a few rows; one token must stream.
  const std::size_t row = lamina::row_bytes(format, columns);
  const auto rows = static_cast<std::uint32_t>(tokens >= 64 ? 1536 : memory_bytes / row / 32 * 32);
  const lamina::testing::RandomMatrix weights(format, rows, columns, 2);
  std::vector<std::byte> memory;
  const bool is_packed = packing == lamina::Packing::interleaved;
  const lamina::WeightMatrix w = is_packed ? interleaved(weights.matrix(), memory) : weights.matrix();
  const Activations activations(tokens);
  std::vector<float> out(std::size_t{rows} * tokens);
  std::vector<std::byte> scratch(lamina::matmul_scratch_bytes(tokens));
  for ([[maybe_unused]] auto _ : state) {
    kernels().matmul(w, activations.x, precision, out.data(), rows, 0, rows, scratch);
    benchmark::ClobberMemory();
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(runs * static_cast<double>(w.bytes()) * 1e-9, benchmark::Counter::kIsRate);
  state.counters["Gop/s"] =
      benchmark::Counter(runs * 2e-9 * rows * columns * tokens, benchmark::Counter::kIsRate);
}

/// The bandwidth to compare with: a sum over as many bytes.
void read_memory(benchmark::State& state) {
  std::vector<std::uint64_t> memory(memory_bytes / 8, 1);
  for ([[maybe_unused]] auto _ : state) {
    std::uint64_t sum[8] = {};
    for (std::size_t i = 0; i < memory.size(); i += 8) {
      for (std::size_t j = 0; j < 8; ++j) sum[j] += memory[i + j];
    }
    benchmark::DoNotOptimize(sum);
  }
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(state.iterations()) * memory_bytes * 1e-9,
                                              benchmark::Counter::kIsRate);
}

void register_all() {
  benchmark::RegisterBenchmark("read_memory", read_memory);
  for (const lamina::FormatInfo& info : lamina::all_formats) {
    if (info.format == Format::i32) continue;
    const bool can_pack = can_interleave(info.format) && kernels().interleave_height > 0;
    for (const std::uint32_t tokens : {1U, 2U, 3U, 4U, 8U, 16U, 32U, 512U}) {
      const std::string name = std::string(info.name) + "/fast/" + std::to_string(tokens);
      benchmark::RegisterBenchmark(name.c_str(), multiply, info.format, Precision::fast, tokens,
                                   lamina::Packing::rows)
          ->Unit(benchmark::kMillisecond);
      if (!can_pack) continue;
      benchmark::RegisterBenchmark((name + "/packed").c_str(), multiply, info.format, Precision::fast, tokens,
                                   lamina::Packing::interleaved)
          ->Unit(benchmark::kMillisecond);
    }
    const std::string name = std::string(info.name) + "/exact/512";
    benchmark::RegisterBenchmark(name.c_str(), multiply, info.format, Precision::exact, 512U,
                                 lamina::Packing::rows)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("target", kernels().target);
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
