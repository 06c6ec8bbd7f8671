// SPDX-License-Identifier: Apache-2.0
// Writes GGUF files in memory for tests, right ones and, field by field, wrong ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/schedule/description.hpp>
#include <lamina/weights/expected_tensors.hpp>

namespace builder {

/// A number in the file that says how much follows or what it is: where hostile files lie.
struct Field {
  std::string name;
  std::size_t offset;
  std::size_t size;  ///< 4 or 8 bytes
};

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string gguf_string(std::string_view text) {
  return raw(std::uint64_t{text.size()}) + std::string(text);
}

struct Gguf {
  struct Entry {
    std::string key;
    std::uint32_t type;
    std::string value;  // encoded, with lengths
  };
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::uint32_t type;
    std::string data;
  };

  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::vector<Entry> entries;
  std::vector<Tensor> tensors;
  std::vector<Field> fields;  // filled by build()

  Gguf& add(std::string key, std::uint32_t type, std::string value) {
    entries.push_back({std::move(key), type, std::move(value)});
    return *this;
  }
  Gguf& u32(std::string key, std::uint32_t value) { return add(std::move(key), 4, raw(value)); }
  Gguf& f32(std::string key, float value) { return add(std::move(key), 6, raw(value)); }
  Gguf& boolean(std::string key, bool value) {
    return add(std::move(key), 7, std::string(1, value ? '\1' : '\0'));
  }
  Gguf& string(std::string key, std::string_view value) { return add(std::move(key), 8, gguf_string(value)); }
  Gguf& strings(std::string key, const std::vector<std::string>& values) {
    std::string list = raw(std::uint32_t{8}) + raw(std::uint64_t{values.size()});
    for (const std::string& value : values) list += gguf_string(value);
    return add(std::move(key), 9, std::move(list));
  }
  template <class T>
  Gguf& array(std::string key, std::uint32_t element, const std::vector<T>& values) {
    std::string list = raw(element) + raw(std::uint64_t{values.size()});
    for (const T value : values) list += raw(value);
    return add(std::move(key), 9, std::move(list));
  }
  Gguf& tensor(std::string name, std::vector<std::uint64_t> dims, std::uint32_t type, std::string data) {
    tensors.push_back({std::move(name), std::move(dims), type, std::move(data)});
    return *this;
  }

  /// Takes out a metadata entry; the caller adds another if it wants.
  Gguf& without(std::string_view key) {
    std::erase_if(entries, [&](const Entry& entry) { return entry.key == key; });
    return *this;
  }
  Gguf& without_tensor(std::string_view name) {
    std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == name; });
    return *this;
  }
  Tensor& at(std::string_view name) {
    for (Tensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    return tensors.front();
  }

  std::string build() {
    fields.clear();
    std::string out = "GGUF";
    number(out, "version", version);
    number(out, "tensor count", std::uint64_t{tensors.size()});
    number(out, "metadata count", std::uint64_t{entries.size()});
    for (const Entry& entry : entries) {
      number(out, entry.key + " length", std::uint64_t{entry.key.size()});
      out += entry.key;
      number(out, entry.key + " type", entry.type);
      if (entry.type == 8) fields.push_back({entry.key + " string length", out.size(), 8});
      if (entry.type == 9) {
        fields.push_back({entry.key + " element type", out.size(), 4});
        fields.push_back({entry.key + " array length", out.size() + 4, 8});
      }
      out += entry.value;
    }
    std::uint64_t offset = 0;
    for (const Tensor& tensor : tensors) {
      number(out, tensor.name + " name length", std::uint64_t{tensor.name.size()});
      out += tensor.name;
      number(out, tensor.name + " dimensions", static_cast<std::uint32_t>(tensor.dims.size()));
      for (const std::uint64_t size : tensor.dims) number(out, tensor.name + " dimension", size);
      number(out, tensor.name + " type", tensor.type);
      number(out, tensor.name + " offset", offset);
      offset += (tensor.data.size() + alignment - 1) / alignment * alignment;
    }
    for (const Tensor& tensor : tensors) {
      pad(out);
      out += tensor.data;
    }
    return out;
  }

 private:
  template <class T>
  void number(std::string& out, std::string name, T value) {
    fields.push_back({std::move(name), out.size(), sizeof value});
    out += raw(value);
  }
  void pad(std::string& out) const {
    while (out.size() % alignment != 0) out += '\0';
  }
};

/// A small model with every kind of layer: sliding and global, shared, per-layer inputs.
inline lamina::ModelDescription small_description() {
  lamina::ModelDescription model;
  model.hidden = 8;
  model.vocab = 6;
  model.per_layer_input = 4;
  model.layer_count = 3;
  model.max_context = 64;
  for (std::size_t i = 0; i < 3; ++i) {
    lamina::LayerDescription& layer = model.layers[i];
    layer.attention = i == 0 ? lamina::AttentionClass::local : lamina::AttentionClass::global;
    layer.owns_kv = i < 2;
    layer.heads = 2;
    layer.kv_heads = 1;
    layer.head_dim = i == 0 ? 4 : 8;
    layer.window = i == 0 ? 16 : 0;
    layer.ffn_width = i < 2 ? 8 : 16;
  }
  return model;
}

/// A small model with experts and K=V in its global layer.
inline lamina::ModelDescription small_moe_description() {
  lamina::ModelDescription model;
  model.hidden = 8;
  model.vocab = 6;
  model.layer_count = 2;
  model.max_context = 64;
  for (std::size_t i = 0; i < 2; ++i) {
    lamina::LayerDescription& layer = model.layers[i];
    layer.attention = i == 0 ? lamina::AttentionClass::local : lamina::AttentionClass::global;
    layer.key_is_value = i == 1;
    layer.heads = 4;
    layer.kv_heads = i == 0 ? 2 : 1;
    layer.head_dim = i == 0 ? 4 : 8;
    layer.window = i == 0 ? 16 : 0;
    layer.ffn_width = 12;
    layer.experts = 3;
    layer.active_experts = 2;
    layer.expert_width = 4;
  }
  return model;
}

/// A complete GGUF file of a model: metadata as converters write it, every tensor F32 with small numbers.
inline Gguf model_file(const lamina::ModelDescription& model) {
  using lamina::AttentionClass;
  Gguf file;
  const auto count = static_cast<std::size_t>(model.layer_count);
  std::vector<std::int32_t> widths, kv_heads;
  std::vector<std::uint8_t> pattern;
  std::uint32_t shared = 0, local_dim = 0, global_dim = 0, window = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const lamina::LayerDescription& layer = model.layers[i];
    const bool local = layer.attention == AttentionClass::local;
    widths.push_back(layer.ffn_width);
    kv_heads.push_back(layer.kv_heads);
    pattern.push_back(local ? 1 : 0);
    shared += layer.owns_kv ? 0 : 1;
    (local ? local_dim : global_dim) = static_cast<std::uint32_t>(layer.head_dim);
    if (local) window = static_cast<std::uint32_t>(layer.window);
  }
  file.string("general.architecture", "gemma4").string("general.type", "model");
  file.u32("gemma4.block_count", static_cast<std::uint32_t>(count));
  file.u32("gemma4.context_length", static_cast<std::uint32_t>(model.max_context));
  file.u32("gemma4.embedding_length", static_cast<std::uint32_t>(model.hidden));
  file.array("gemma4.feed_forward_length", 5, widths);
  file.u32("gemma4.attention.head_count", static_cast<std::uint32_t>(model.layers[0].heads));
  file.array("gemma4.attention.head_count_kv", 5, kv_heads);
  file.u32("gemma4.attention.key_length", global_dim).u32("gemma4.attention.value_length", global_dim);
  file.u32("gemma4.attention.key_length_swa", local_dim).u32("gemma4.attention.value_length_swa", local_dim);
  file.u32("gemma4.attention.sliding_window", window);
  file.array("gemma4.attention.sliding_window_pattern", 7, pattern);
  file.u32("gemma4.attention.shared_kv_layers", shared);
  file.f32("gemma4.attention.layer_norm_rms_epsilon", model.norm_epsilon);
  file.f32("gemma4.rope.freq_base", model.rope_base_global)
      .f32("gemma4.rope.freq_base_swa", model.rope_base_local);
  file.u32("gemma4.embedding_length_per_layer_input", static_cast<std::uint32_t>(model.per_layer_input));
  file.f32("gemma4.final_logit_softcapping", model.final_softcap);
  if (model.layers[0].experts > 0) {
    file.u32("gemma4.expert_count", static_cast<std::uint32_t>(model.layers[0].experts));
    file.u32("gemma4.expert_used_count", static_cast<std::uint32_t>(model.layers[0].active_experts));
    file.u32("gemma4.expert_feed_forward_length", static_cast<std::uint32_t>(model.layers[0].expert_width));
  }
  file.string("tokenizer.ggml.model", "gemma4");
  file.strings("tokenizer.ggml.tokens", {"<pad>", "<eos>", "<bos>", "<unk>", "a", "b"});
  file.u32("tokenizer.ggml.eos_token_id", 1);
  const auto add = [&](const lamina::ExpectedTensor& tensor) -> lamina::Status {
    // Optional tensors are left out, except the frequency factors; of the expert layouts the fused one is
    // written.
    const bool wanted = tensor.presence == lamina::Presence::required || tensor.name == "rope_freqs.weight" ||
                        tensor.name.ends_with("ffn_gate_up_exps.weight");
    if (!wanted) return lamina::Done{};
    std::vector<std::uint64_t> dims{static_cast<std::uint64_t>(tensor.columns)};
    if (tensor.rows > 1 || tensor.stack > 1) dims.push_back(static_cast<std::uint64_t>(tensor.rows));
    if (tensor.stack > 1) dims.push_back(static_cast<std::uint64_t>(tensor.stack));
    const auto elements = static_cast<std::size_t>(tensor.columns * tensor.rows * tensor.stack);
    std::string data;
    for (std::size_t i = 0; i < elements; ++i) data += raw(1.0F + static_cast<float>(i % 7) / 8.0F);
    file.tensor(std::string(tensor.name), std::move(dims), 0, std::move(data));
    return lamina::Done{};
  };
  (void)lamina::for_each_expected(model, add);
  return file;
}

}  // namespace builder
