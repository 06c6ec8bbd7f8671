// SPDX-License-Identifier: Apache-2.0
// What layer benches are told and what they answer, and how anything that runs over and over is timed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/executor.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/model_entry.hpp>

namespace lamina {

/// What to time, and how.
struct LayerBenchOptions {
  /// Tokens that pass through the layer together: 1 as in decoding, more as in prefill.
  std::uint32_t rows = 1;
  std::uint32_t depth = 0;  ///< tokens in the cache before them
  std::uint32_t repeats = 9;
  /// As the last layer that owns keys and values in a prompt: rows but the last end once theirs are stored.
  bool ends_prompt = false;
  Precision precision = Precision::fast;
  CacheFormats cache{};
  Executor* executor = nullptr;  ///< null: one thread
  /// Bytes of equal layers to walk through in turn, so that no weights are in the CPU's caches, as in a
  /// model.
  std::size_t footprint = std::size_t{256} << 20;
  std::uint64_t seed = 1;
};

/// The plan of a session that passes `options.rows` rows after `options.depth` tokens.
[[nodiscard]] inline SessionOptions session_options_of(const LayerBenchOptions& options) noexcept {
  SessionOptions session;
  session.context = options.depth + options.rows;
  session.chunk = options.rows;
  session.precision = options.precision;
  session.cache = options.cache;
  session.executor = options.executor;
  return session;
}

/// Times and cost of one layer, for all rows of a pass together.
struct LayerTiming {
  double seconds = 0;  ///< median over the repeats
  double fastest = 0;
  double slowest = 0;
  double bytes = 0;  ///< weights and cache that the layer reads; of the experts, those that were chosen
  double flop = 0;   ///< of matrix products and attention; one multiply-add is two
  const char* target = "";  ///< Highway's name of the target: "AVX2"
  FixedText<32> kernel;     ///< "Q4_0 x int8": stored format of most weights, form of the activations

  [[nodiscard]] double bytes_per_s() const noexcept { return bytes / seconds; }
  [[nodiscard]] double flop_per_s() const noexcept { return flop / seconds; }
};

/// Something that can be run over and over: the layers of one kind, or what surrounds the layers.
class LayerTimer {
 public:
  virtual ~LayerTimer() = default;

  /// Runs twice. Errors: bad_argument that says what is wrong with the results: not finite, or not the same
  /// bits both times.
  [[nodiscard]] virtual Status check() = 0;

  /// Walks through all layers once. Requires `check` was called.
  virtual void run() noexcept = 0;

  /// Layers that `run` walks through.
  [[nodiscard]] virtual std::size_t layers() const noexcept = 0;

  /// Cost of one layer of the last run; times are zero.
  [[nodiscard]] virtual LayerTiming cost() const noexcept = 0;
};

/// Seconds that one run takes, per layer.
[[nodiscard]] inline double seconds_of_run(LayerTimer& timer) noexcept {
  const auto start = std::chrono::steady_clock::now();
  timer.run();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  return passed.count() / static_cast<double>(timer.layers());
}

/// Checks, then times `repeats` runs. Errors: as `LayerTimer::check`.
[[nodiscard]] inline Result<LayerTiming> time_layers(LayerTimer& timer, std::uint32_t repeats) {
  LAMINA_TRY(timer.check());
  std::vector<double> seconds(std::max(repeats, 1U));
  for (double& one : seconds) one = seconds_of_run(timer);
  std::sort(seconds.begin(), seconds.end());
  LayerTiming timing = timer.cost();
  timing.seconds = seconds[seconds.size() / 2];
  timing.fastest = seconds.front();
  timing.slowest = seconds.back();
  return timing;
}

}  // namespace lamina
