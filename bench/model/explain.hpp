// SPDX-License-Identifier: Apache-2.0
// Explains a model's time by the sum of its layer benches on the same weights, measured in turns with the
// model.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/testing/layer_timing.hpp>
#include <lamina/weights/weight_file.hpp>

#include "../layers/timed_variant.hpp"
#include "../report.hpp"

namespace bench {

class Explanation {
 public:
  /// Makes a timer for each layer kind, and one for what is outside the layers. In a prompt (several rows)
  /// the last layer that owns keys and values ends early and the layers after it see one row. Errors: as the
  /// timers; mismatch if the variant has no layer benches.
  [[nodiscard]] lamina::Status prepare(const lamina::WeightFile& file, std::string_view model,
                                       const lamina::LayerBenchOptions& options) {
    const TimedVariant* variant = nullptr;
    for (const TimedVariant* known : timed_variants()) {
      if (model.ends_with(known->name)) variant = known;
    }
    if (variant == nullptr) {
      return lamina::Error{lamina::ErrorCode::mismatch,       "bench_model",
                           "this model has no layer benches", "",
                           lamina::FixedText<160>(model),     "leave out --explain"};
    }
    const std::uint32_t last_owner = variant->first_reader - 1;
    for (const TimedKind& kind : variant->kinds) {
      const std::string name = kind_name(variant->describe().layers[kind.layers.front()]);
      std::vector<std::uint32_t> layers = kind.layers;
      lamina::LayerBenchOptions here = options;
      if (options.rows > 1 && layers.front() > last_owner) {
        here.depth += options.rows - 1;
        here.rows = 1;
      } else if (options.rows > 1 && std::erase(layers, last_owner) > 0) {
        lamina::LayerBenchOptions ending = options;
        ending.ends_prompt = true;
        LAMINA_TRY(add(name + ", last owner", kind.of_file(file, std::vector{last_owner}, ending), 1));
      }
      if (!layers.empty()) LAMINA_TRY(add(name, kind.of_file(file, layers, here), layers.size()));
    }
    return add("embedding and head", variant->outside(file, options), 1);
  }

  /// One round: `model_seconds` was just measured; runs every timer once.
  void add_round(double model_seconds) {
    double sum = 0;
    for (Part& part : parts_) {
      part.seconds.push_back(lamina::seconds_of_run(*part.timer));
      sum += part.seconds.back() * part.layers;
    }
    model_.push_back(model_seconds);
    sums_.push_back(sum);
    quotients_.push_back(sum / model_seconds);
  }

  void print(const char* test, std::uint32_t tokens, std::uint32_t depth) const {
    std::printf("%s of %u tokens after %u:\n", test, tokens, depth);
    for (const Part& part : parts_) {
      const lamina::LayerTiming cost = part.timer->cost();
      const double seconds = median(part.seconds);
      std::printf("  %-32s %3.0f x %9.1f us %8.1f GB/s %9.1f GFLOP/s  %s\n", part.name.c_str(), part.layers,
                  seconds * 1e6, cost.bytes / seconds / 1e9, cost.flop / seconds / 1e9, cost.kernel.c_str());
    }
    std::printf("  layers in all %.3f ms, model %.3f ms: quotient %.3f\n", 1e3 * median(sums_),
                1e3 * median(model_), median(quotients_));
  }

  void write(JsonDocument& document, const char* test, std::uint32_t tokens, std::uint32_t depth,
             std::uint32_t threads) const {
    const auto row = [&] {
      Row made;
      made.add("test", test).add("tokens", tokens).add("depth", depth).add("threads", threads);
      return made;
    };
    for (const Part& part : parts_) {
      const lamina::LayerTiming cost = part.timer->cost();
      document.add("kinds", row()
                                .add("kind", part.name)
                                .add("layers", part.layers)
                                .add_spread("seconds_per_layer", part.seconds)
                                .add("bytes", cost.bytes)
                                .add("flop", cost.flop)
                                .add("target", cost.target)
                                .add("kernel", cost.kernel.view()));
    }
    document.add("explained", row()
                                  .add_spread("model_seconds", model_)
                                  .add_spread("sum_of_layers_seconds", sums_)
                                  .add_spread("quotient", quotients_));
  }

 private:
  struct Part {
    std::string name;
    double layers;
    std::unique_ptr<lamina::LayerTimer> timer;
    std::vector<double> seconds;  ///< per layer, of each round
  };

  [[nodiscard]] lamina::Status add(std::string name, TimerResult timer, std::size_t layers) {
    if (!timer) return timer.error();
    LAMINA_TRY((*timer)->check());
    parts_.push_back({std::move(name), static_cast<double>(layers), std::move(*timer), {}});
    return lamina::Done{};
  }

  std::vector<Part> parts_;
  std::vector<double> model_, sums_, quotients_;
};

}  // namespace bench
