// SPDX-License-Identifier: Apache-2.0
// Equal layers of one kind with random weights, in memory that pages like a mapped file: what layer benches
// walk through.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/schedule/describe.hpp>
#include <lamina/schedule/facts.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/schedule/weight_totals.hpp>
#include <lamina/testing/random_blocks.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina::testing::detail {

/// The smallest model around a layer kind: a kind that shares keys and values needs an owner before it.
template <LayerKind Kind, int Hidden>
struct ModelAround {
  static constexpr std::string_view name = "one layer";
  static constexpr Dims dims{.hidden = Hidden, .vocab = 1};
  template <class Attention>
  struct LayersFor {
    using type = Schedule<Kind>;
  };
  template <class Attention>
  requires(!Attention::owns_kv) struct LayersFor<Attention> {
    using type = Schedule<Layer<typename Attention::owner, DenseFfn<1>, typename Kind::per_layer>, Kind>;
  };
  using Layers = typename LayersFor<typename Kind::attention>::type;
};

/// Memory from the system in pages of the usual size, like the pages of a mapped file.
class PageBlock final : public ByteOwner {
 public:
  explicit PageBlock(std::size_t size) noexcept : size_(size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
#if defined(MADV_NOHUGEPAGE)
    static_cast<void>(madvise(memory, size, MADV_NOHUGEPAGE));
#endif
    memory_ = static_cast<std::byte*>(memory);
  }
  ~PageBlock() override {
    if (memory_ != nullptr) munmap(memory_, size_);
  }
  PageBlock(const PageBlock&) = delete;
  PageBlock& operator=(const PageBlock&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const noexcept {
    return {memory_, memory_ != nullptr ? size_ : 0};
  }

 private:
  std::size_t size_;
  std::byte* memory_ = nullptr;
};

[[nodiscard]] inline Error no_memory(std::size_t bytes) noexcept {
  return {ErrorCode::out_of_memory, "bench_layer", "the system refused the memory",
          text("%zu bytes", bytes), "none",        "lower the depth, the rows or the footprint"};
}

/// One tensor that every layer of a kind has.
struct LayerTensor {
  std::string_view name;
  Format format;
  std::array<std::uint64_t, 4> dims;
  std::size_t bytes;
  std::size_t bytes_read;  ///< by one token: of a stack of experts, the active ones
  bool near_one;           ///< norm weight or scale
};

template <LayerKind Kind, int Hidden>
[[nodiscard]] std::vector<LayerTensor> tensors_of_layer(Format format) {
  std::vector<LayerTensor> tensors;
  const auto add = [&](const auto& slots) {
    for (const auto& slot : slots) {
      if (slot.set != 0) continue;
      const Format stored =
          UniformFormat{format}({slot.name, 0, slot.rows, slot.columns, slot.stack, slot.use});
      const auto rows = static_cast<std::uint64_t>(slot.rows);
      const auto stack = static_cast<std::uint64_t>(slot.stack);
      const auto columns = static_cast<std::uint64_t>(slot.columns);
      const std::size_t matrix_bytes = rows * row_bytes(stored, columns);
      const auto active = static_cast<std::size_t>(lamina::detail::active_experts<typename Kind::ffn>());
      tensors.push_back({slot.name,
                         stored,
                         {columns, rows, stack, 1},
                         matrix_bytes * stack,
                         matrix_bytes * (stack > 1 ? active : 1),
                         slot.use == SlotUse::vector && rows == 1});
    }
  };
  const Dims& dims = ModelAround<Kind, Hidden>::dims;
  add(Slots<typename Kind::attention>::list(dims));
  add(Slots<typename Kind::ffn>::list(dims));
  add(Slots<typename Kind::per_layer>::list(dims));
  add(layer_scale_slots);
  return tensors;
}

inline void fill_tensor(const LayerTensor& tensor, std::span<std::byte> bytes, RandomNumbers& random) {
  if (!tensor.near_one) {
    RandomBlocks(tensor.format, 1.0F / std::sqrt(static_cast<float>(tensor.dims[0]))).fill(bytes, random);
    return;
  }
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
    const float value = 1.0F + 0.25F * random.next_float();
    std::memcpy(&bytes[i], &value, sizeof value);
  }
}

/// A weight file in memory with as many layers of one kind as make passes read `footprint` bytes, at least
/// one; matrices in `format` where their rows fit its blocks, else in what quantisers fall back to. Its
/// description has the number of layers. Errors: out_of_memory, unsupported (LAMINA_FORMATS leaves it out).
template <LayerKind Kind, int Hidden>
[[nodiscard]] Result<WeightFile> random_layers(Format format, std::size_t footprint, std::uint64_t seed) {
  const std::vector<LayerTensor> tensors = tensors_of_layer<Kind, Hidden>(format);
  std::size_t layer_bytes = 0;
  std::size_t layer_bytes_read = 0;
  for (const LayerTensor& tensor : tensors) {
    LAMINA_TRY(
        check_built_in(TensorView{std::string(tensor.name), tensor.format, tensor.dims, {}}, "bench_layer"));
    layer_bytes += aligned_size(tensor.bytes);
    layer_bytes_read += tensor.bytes_read;
  }
  const std::size_t wanted = (footprint + layer_bytes_read - 1) / layer_bytes_read;
  const std::size_t layers = std::clamp(wanted, std::size_t{1}, std::size_t{max_layers});
  auto block = std::make_unique<PageBlock>(layers * layer_bytes);
  std::byte* at = block->bytes().data();
  if (at == nullptr) return no_memory(layers * layer_bytes);

  WeightFile file;
  file.description = describe<ModelAround<Kind, Hidden>>();
  file.description.layer_count = static_cast<std::int32_t>(layers);
  file.path = "random weights";
  file.owners.push_back(std::move(block));
  RandomNumbers random(seed);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    for (const LayerTensor& tensor : tensors) {
      const std::span bytes(at, tensor.bytes);
      fill_tensor(tensor, bytes, random);
      file.tensors.push_back({prefix + std::string(tensor.name), tensor.format, tensor.dims, bytes});
      at += aligned_size(tensor.bytes);
    }
  }
  LAMINA_TRY(sort_tensors(file.tensors, file.path));
  return file;
}

}  // namespace lamina::testing::detail
