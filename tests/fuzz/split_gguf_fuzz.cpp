// SPDX-License-Identifier: Apache-2.0
// Any bytes as the shards of a split GGUF file, each in a heap block of exactly its size.
// The input: count - 1, the sizes of all shards but the last as 16-bit little-endian numbers, the shards.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <lamina/weights/check_numbers.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/gguf/file.hpp>

namespace {

struct Block {
  explicit Block(std::span<const std::uint8_t> source)
      : bytes(std::make_unique<std::byte[]>(source.size())), size(source.size()) {
    std::transform(source.begin(), source.end(), bytes.get(),
                   [](std::uint8_t byte) { return std::byte{byte}; });
  }
  [[nodiscard]] bool holds(std::span<const std::byte> part) const noexcept {
    return part.data() >= bytes.get() && part.data() + part.size() <= bytes.get() + size;
  }
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size;
};

std::vector<Block> cut(std::span<const std::uint8_t> input) {
  const std::size_t others = std::min<std::size_t>(input[0] % 4, (input.size() - 1) / 2);
  std::span<const std::uint8_t> rest = input.subspan(1 + 2 * others);
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < others; ++i) {
    const std::size_t wanted = input[1 + 2 * i] + (std::size_t{input[2 + 2 * i]} << 8);
    const std::size_t size = std::min(wanted, rest.size());
    blocks.emplace_back(rest.first(size));
    rest = rest.subspan(size);
  }
  blocks.emplace_back(rest);
  return blocks;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::vector<Block> blocks = cut(std::span(data, size));
  std::vector<std::span<const std::byte>> shards;
  for (const Block& block : blocks) shards.emplace_back(block.bytes.get(), block.size);
  auto file = lamina::read_gguf_shards(shards, "fuzz.gguf");
  if (!file) return 0;
  for (const lamina::TensorView& tensor : file->tensors) {
    const auto inside = [&tensor](const Block& block) { return block.holds(tensor.bytes); };
    if (std::none_of(blocks.begin(), blocks.end(), inside)) __builtin_trap();
  }
  const auto weights = lamina::make_weight_file(std::move(*file));
  if (weights) (void)lamina::check_numbers(*weights);
  return 0;
}
