// SPDX-License-Identifier: Apache-2.0
// Which model a state belongs to: digests of its structure, and of what its file says about the weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/blocks/interleave.hpp>
#include <lamina/core/types.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/state/checksum.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Tells models apart. Equal for a file and its packed form.
struct ModelIdentity {
  std::uint64_t structure = 0;  ///< of the model's type
  std::uint64_t weights = 0;    ///< tensors, scalars, and samples of the numbers
  friend constexpr bool operator==(const ModelIdentity&, const ModelIdentity&) = default;
};

namespace detail {

[[nodiscard]] inline std::uint64_t structure_digest(const ModelDescription& model) noexcept {
  Checksum sum;
  for (const std::int32_t number : {model.hidden, model.vocab, model.per_layer_input, model.layer_count})
    sum.add_value(number);
  for (const LayerDescription& layer :
       std::span(model.layers).first(static_cast<std::size_t>(model.layer_count))) {
    sum.add_value(layer.attention);
    sum.add_value(layer.owns_kv);
    sum.add_value(layer.key_is_value);
    for (const std::int32_t number :
         {layer.heads, layer.kv_heads, layer.head_dim, layer.window, layer.ffn_width, layer.experts,
          layer.active_experts, layer.expert_width})
      sum.add_value(number);
  }
  return sum.digest();
}

/// Adds the first numbers of a tensor, however its rows lie: of a vector all that a model has, of a matrix a
/// few blocks. Models that were trained further from one another's weights have the same names and shapes.
inline void add_sample(const TensorView& tensor, std::uint32_t interleave_height, Checksum& sum) noexcept {
  constexpr std::size_t room = 256;
  const std::size_t block_bytes = info_of(tensor.format).block_bytes;
  const std::size_t row = row_bytes(tensor.format, static_cast<std::size_t>(tensor.dims[0]));
  const std::size_t most = tensor.dims[1] == 1 ? std::size_t{1} << 16 : room;
  const std::size_t sampled = std::min(row, std::max<std::size_t>(1, most / block_bytes) * block_bytes);
  if (tensor.packing == Packing::rows) return sum.add(tensor.bytes.first(sampled));
  std::byte block[room];
  const InterleavedOrder order = order_of(tensor, interleave_height);
  for (std::size_t at = 0; at < sampled; at += block_bytes) {
    const std::size_t column = at / block_bytes * info_of(tensor.format).block_elements;
    take_block(tensor.format, interleave_height, tensor.bytes.data() + order.place(0, column), 0, block);
    sum.add(std::span(block).first(block_bytes));
  }
}

}  // namespace detail

/// The identity of a file of a checked model.
///
/// Cost   reads the vectors and the beginning of every matrix
[[nodiscard]] inline ModelIdentity identity_of(const WeightFile& file) noexcept {
  Checksum sum;
  const ModelDescription& model = file.description;
  for (const float scalar :
       {model.norm_epsilon, model.rope_base_local, model.rope_base_global, model.final_softcap})
    sum.add_value(scalar);
  for (const TensorView& tensor : file.tensors) {
    sum.add(tensor.name);
    sum.add_value(tensor.format);
    for (const std::uint64_t dim : tensor.dims) sum.add_value(dim);
    detail::add_sample(tensor, file.interleave_height, sum);
  }
  return {detail::structure_digest(model), sum.digest()};
}

}  // namespace lamina
