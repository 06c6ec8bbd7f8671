// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file; what is accepted must lie inside the file.
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/huggingface/safetensors.hpp>
#include <lamina/huggingface/shards.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = lamina::parse_safetensors(bytes, "fuzz.safetensors");
  if (!file) return 0;
  std::size_t total = 0;
  for (const lamina::SafetensorsEntry& entry : file->entries) {
    const auto tensor = file->bytes_of(entry);
    total += tensor.size();
    if (!tensor.empty() &&
        (tensor.data() < bytes.data() || tensor.data() + tensor.size() > bytes.data() + size))
      __builtin_trap();
  }
  if (total != file->data.size()) __builtin_trap();
  lamina::SafetensorsShards shards;
  if (lamina::detail::collect(*file, "fuzz.safetensors", lamina::text_tensors, shards)) {
    (void)lamina::sort_tensors(shards.tensors, "fuzz");
  }
  return 0;
}
