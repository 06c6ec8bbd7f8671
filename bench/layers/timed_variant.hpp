// SPDX-License-Identifier: Apache-2.0
// The layer kinds of a variant, each with a way to time it: with weights of a file or with random ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/testing/layer_timing.hpp>
#include <lamina/weights/weight_file.hpp>

namespace bench {

using TimerResult = lamina::Result<std::unique_ptr<lamina::LayerTimer>>;

/// One layer kind of a variant.
struct TimedKind {
  std::vector<std::uint32_t> layers;  ///< those of this kind
  TimerResult (*of_file)(const lamina::WeightFile& file, std::span<const std::uint32_t> layers,
                         const lamina::LayerBenchOptions& options);
  TimerResult (*of_random)(lamina::Format format, const lamina::LayerBenchOptions& options);
};

/// A variant whose layers can be timed.
struct TimedVariant {
  std::string_view name;  ///< "e2b"
  const lamina::ModelDescription& (*describe)() noexcept;
  std::vector<TimedKind> kinds;
  std::uint32_t first_reader;  ///< index after the last layer that owns keys and values
  /// What comes before and after the layers: embedding of all rows, head of the last.
  TimerResult (*outside)(const lamina::WeightFile& file, const lamina::LayerBenchOptions& options);
};

/// All variants that are compiled in.
[[nodiscard]] std::span<const TimedVariant* const> timed_variants();

/// "shared local 12288": what tells the kinds of a model apart.
[[nodiscard]] inline std::string kind_name(const lamina::LayerDescription& layer) {
  std::string name = layer.owns_kv ? "" : "shared ";
  name += layer.attention == lamina::AttentionClass::local ? "local " : "global ";
  if (layer.key_is_value) name += "K=V ";
  return name + std::to_string(layer.ffn_width);
}

}  // namespace bench
