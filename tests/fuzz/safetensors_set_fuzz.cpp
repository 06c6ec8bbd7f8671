// SPDX-License-Identifier: Apache-2.0
// Any index with any shards: what is accepted is a whole model, each tensor inside one of the files.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <lamina/huggingface/directory.hpp>

namespace {

/// Takes a length of two bytes and so many bytes from the front of `rest`, as a copy of exactly that size, so
/// that a read behind its end is seen.
std::vector<std::byte> take(std::span<const std::byte>& rest) {
  if (rest.size() < 2) return {};
  const auto wanted = std::to_integer<std::size_t>(rest[0]) | std::to_integer<std::size_t>(rest[1]) << 8;
  rest = rest.subspan(2);
  const auto part = rest.first(std::min(wanted, rest.size()));
  rest = rest.subspan(part.size());
  return {part.begin(), part.end()};
}

/// One layer, small enough that its weights fit a fuzzer's inputs.
lamina::ModelDescription description() {
  lamina::ModelDescription model;
  model.layer_count = 1;
  model.hidden = 2;
  model.vocab = 2;
  model.layers[0].attention = lamina::AttentionClass::global;
  model.layers[0].owns_kv = true;
  model.layers[0].heads = 1;
  model.layers[0].kv_heads = 1;
  model.layers[0].head_dim = 2;
  model.layers[0].ffn_width = 2;
  return model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(data), size);
  const auto index = take(rest);
  auto map = lamina::detail::read_index(index, "model.safetensors.index.json");
  if (!map) return 0;
  std::vector<std::vector<std::byte>> files;
  lamina::SafetensorsShards shards;
  for (auto& [file, names] : *map) {
    if (lamina::detail::is_dispensable(names, lamina::text_tensors) && rest.empty()) continue;
    files.push_back(take(rest));
    if (!lamina::detail::add_shard(files.back(), file, &names, shards)) return 0;
  }
  if (!lamina::detail::finish_shards(shards, "fuzz")) return 0;
  const auto model = description();
  for (const lamina::HeadKind head : {lamina::HeadKind::as_stored, lamina::HeadKind::tied}) {
    if (!lamina::detail::settle_head(head, shards, "fuzz")) return 0;
  }
  std::size_t ignored = 0;
  if (!lamina::check_index(shards, model)) return 0;
  if (!lamina::check_tensors(model, shards.tensors, "fuzz", ignored)) return 0;
  for (const lamina::TensorView& tensor : shards.tensors) {
    const bool inside = std::any_of(files.begin(), files.end(), [&](const auto& file) {
      return tensor.bytes.data() >= file.data() &&
             tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size();
    });
    if (!tensor.bytes.empty() && !inside) __builtin_trap();
  }
  return 0;
}
