// SPDX-License-Identifier: Apache-2.0
// Any bytes as config.json, generation_config.json and model.safetensors.index.json; what another parser
// takes for JSON is JSON here too.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/huggingface/config.hpp>
#include <lamina/huggingface/generation_config.hpp>
#include <lamina/huggingface/shards.hpp>
#include <lamina/weights/as_header.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto document = lamina::parse_json(bytes, "fuzz.json", {std::size_t{1} << 20, 1000});
  if (!document && size < 1000 && nlohmann::json::accept(data, data + size) &&
      std::find(data, data + size, 0) == data + size)
    __builtin_trap();
  const auto config = lamina::read_config(bytes, "config.json");
  if (config) {
    for (int i = 0; i < config->description.layer_count; ++i) {
      const lamina::LayerDescription& layer = config->description.layers[static_cast<std::size_t>(i)];
      if (layer.heads % layer.kv_heads != 0 || layer.head_dim <= 0 || layer.ffn_width <= 0) __builtin_trap();
    }
    if (lamina::as_header(config->description, "fuzz").empty()) __builtin_trap();
  }
  (void)lamina::read_generation_config(bytes, "generation_config.json", 512);
  const auto map = lamina::detail::read_index(bytes, "model.safetensors.index.json");
  if (!map) return 0;
  for (const auto& [file, names] : *map) {
    if (file.find('/') != file.npos || file.find("..") != file.npos) __builtin_trap();
  }
  return 0;
}
