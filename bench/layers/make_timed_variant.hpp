// SPDX-License-Identifier: Apache-2.0
// Makes a `TimedVariant` of a model type: compiles its layer kinds once more, so one translation unit each.
#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/schedule/describe.hpp>
#include <lamina/testing/bench_layer.hpp>

#include "outside_timer.hpp"
#include "timed_variant.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Layers with random weights, and the file that holds them.
template <LayerKind Kind, int Hidden>
class RandomLayers final : public LayerTimer {
 public:
  [[nodiscard]] Status prepare(Format format, const LayerBenchOptions& options) {
    auto made = testing::detail::random_layers<Kind, Hidden>(format, options.footprint, options.seed);
    if (!made) return made.error();
    file_ = std::move(*made);
    std::vector<std::uint32_t> all(static_cast<std::size_t>(file_.description.layer_count));
    std::iota(all.begin(), all.end(), 0U);
    return bench_.prepare(file_, all, options);
  }
  [[nodiscard]] Status check() override { return bench_.check(); }
  void run() noexcept override { bench_.run(); }
  [[nodiscard]] std::size_t layers() const noexcept override { return bench_.layers(); }
  [[nodiscard]] LayerTiming cost() const noexcept override { return bench_.cost(); }

 private:
  WeightFile file_;
  LayerBench<Kind, Hidden> bench_;
};

/// Makes a timer of type `T` and prepares it with `arguments`.
template <class T, class... Arguments>
bench::TimerResult prepared(const Arguments&... arguments) {
  auto timer = std::make_unique<T>();
  LAMINA_TRY(timer->prepare(arguments...));
  return std::unique_ptr<LayerTimer>(std::move(timer));
}

template <Variant V, class Kind>
bench::TimedKind timed_kind(int index) {
  bench::TimedKind kind;
  for (std::uint32_t layer = 0; layer < static_cast<std::uint32_t>(layer_count<V>); ++layer) {
    if (kind_index<V>[layer] == index) kind.layers.push_back(layer);
  }
  kind.of_file = [](const WeightFile& file, std::span<const std::uint32_t> layers,
                    const LayerBenchOptions& options) {
    return prepared<LayerBench<Kind, V::dims.hidden>>(file, layers, options);
  };
  kind.of_random = [](Format format, const LayerBenchOptions& options) {
    return prepared<RandomLayers<Kind, V::dims.hidden>>(format, options);
  };
  return kind;
}

template <Variant V>
bench::TimedVariant make_timed_variant() {
  bench::TimedVariant variant;
  constexpr std::string_view prefix = "gemma4-";
  variant.name = V::name;
  if (variant.name.starts_with(prefix)) variant.name.remove_prefix(prefix.size());
  variant.describe = []() noexcept -> const ModelDescription& {
    static constexpr ModelDescription description = lamina::describe<V>();
    return description;
  };
  [&]<class... Kinds>(TypeList<Kinds...>) {
    int index = 0;
    (variant.kinds.push_back(timed_kind<V, Kinds>(index++)), ...);
  }(kinds_of<V>{});
  variant.first_reader = static_cast<std::uint32_t>(first_reader<V>());
  variant.outside = [](const WeightFile& file, const LayerBenchOptions& options) {
    return prepared<OutsideTimer<V>>(file, options);
  };
  return variant;
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
