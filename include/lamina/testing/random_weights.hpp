// SPDX-License-Identifier: Apache-2.0
// Seeded random weights for any model type, in memory: to test and to time own variants and layer kinds
// without a file.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/blocks/quantize.hpp>
#include <lamina/sampling/random.hpp>
#include <lamina/schedule/describe.hpp>
#include <lamina/schedule/slots.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina::testing {

/// SplitMix64: the same numbers on every machine.
class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint64_t seed) noexcept : state_(seed) {}
  [[nodiscard]] std::uint64_t next() noexcept { return split_mix_64(state_); }
  /// Even over (-1, 1).
  [[nodiscard]] float next_float() noexcept {
    return static_cast<float>(static_cast<std::int64_t>(next() >> 40) - (1 << 23)) /
           static_cast<float>(1 << 23);
  }

 private:
  std::uint64_t state_;
};

namespace detail {

struct OwnedBytes final : ByteOwner {
  explicit OwnedBytes(std::size_t size) : bytes(size) {}
  std::vector<std::byte> bytes;
};

/// Appends tensors to a file: matrices in one format, vectors (norm weights near 1, scales) in float32.
class TensorWriter {
 public:
  TensorWriter(WeightFile& file, Format format, std::uint64_t seed)
      : file_(file), format_(format), random_(seed) {}

  template <class Slots>
  void write(std::string_view prefix, const Slots& slots) {
    bool alternative_written = false;
    for (const auto& slot : slots) {
      if (slot.rows == 0 || slot.columns == 0) continue;
      if (slot.name == "rope_freqs.weight" || slot.name == "output.weight") continue;  // synthesised, tied
      if (slot.presence == Presence::alternative && std::exchange(alternative_written, true)) continue;
      const bool vector = slot.use == SlotUse::vector;
      const bool fits = static_cast<std::size_t>(slot.columns) % info_of(format_).block_elements == 0;
      add(std::string(prefix).append(slot.name), vector || !fits ? Format::f32 : format_,
          {static_cast<std::uint64_t>(slot.columns), static_cast<std::uint64_t>(slot.rows),
           static_cast<std::uint64_t>(slot.stack), 1},
          vector && slot.rows == 1);
    }
  }

 private:
  void add(std::string name, Format format, std::array<std::uint64_t, 4> dims, bool near_one) {
    const auto columns = static_cast<std::size_t>(dims[0]);
    const auto rows = static_cast<std::size_t>(dims[1] * dims[2]);
    auto owner = std::make_unique<OwnedBytes>(rows * row_bytes(format, columns));
    const float spread = 1.0F / std::sqrt(static_cast<float>(columns));
    std::vector<float> row(columns);
    for (std::size_t r = 0; r < rows; ++r) {
      for (float& value : row)
        value = near_one ? 1.0F + 0.25F * random_.next_float() : spread * random_.next_float();
      static_cast<void>(
          quantize_row(format, row.data(), columns, owner->bytes.data() + r * row_bytes(format, columns)));
    }
    file_.tensors.push_back({std::move(name), format, dims, owner->bytes});
    file_.owners.push_back(std::move(owner));
  }

  WeightFile& file_;
  Format format_;
  RandomNumbers random_;
};

}  // namespace detail

/// A weight file of model `V` in memory, matrices in `format` where their rows fit its blocks (else F32).
///
/// Requires  `can_quantize(format)`
/// Cost      about 20 ns a weight; allocates all of them: for small models
template <Variant V>
[[nodiscard]] WeightFile random_weights(Format format, std::uint64_t seed) {
  WeightFile file;
  file.description = describe<V>();
  file.path = V::name;
  detail::TensorWriter writer(file, format, seed);
  writer.write("", global_slots(V::dims, per_layer_width<V>(), layer_count<V>, global_head_dim<V>()));
  [&]<class... Kinds>(TypeList<Kinds...>) {
    for (std::size_t layer = 0; layer < kind_index<V>.size(); ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      int kind = 0;
      const auto write_layer = [&]<class Kind>() {
        if (kind++ != kind_index<V>[layer]) return;
        writer.write(prefix, Slots<typename Kind::attention>::list(V::dims));
        writer.write(prefix, Slots<typename Kind::ffn>::list(V::dims));
        writer.write(prefix, Slots<typename Kind::per_layer>::list(V::dims));
        writer.write(prefix, layer_scale_slots);
      };
      (write_layer.template operator()<Kinds>(), ...);
    }
  }(kinds_of<V>{});
  static_cast<void>(sort_tensors(file.tensors, file.path));
  return file;
}

}  // namespace lamina::testing
