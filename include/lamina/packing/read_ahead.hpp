// SPDX-License-Identifier: Apache-2.0
// Reads the weights of a file before the first token needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <lamina/core/arena.hpp>
#include <lamina/packing/pack_target.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Calls `visit(const TensorView&)` for the tensors of `file` that enter matrix products, which every token
/// reads.
template <class Visit>
void for_each_matrix(const PackTarget& target, const WeightFile& file, Visit visit) {
  std::pair<const WeightFile&, Visit&> context{file, visit};
  target.visit_matrices(
      [](void* given, std::string_view name) {
        auto& [in, call] = *static_cast<std::pair<const WeightFile&, Visit&>*>(given);
        if (const TensorView* tensor = in.find(name)) call(*tensor);
      },
      &context);
}

/// Bytes of the matrices of `file` that stay in memory.
[[nodiscard]] inline std::uint64_t matrix_bytes(const PackTarget& target, const WeightFile& file,
                                                Experts experts = Experts::held) {
  std::uint64_t bytes = 0;
  for_each_matrix(target, file, [&](const TensorView& tensor) {
    bytes += experts == Experts::on_disk && is_stack(tensor) ? 0 : tensor.bytes.size();
  });
  return bytes;
}

/// Bytes of memory that one expert of every layer takes: `EngineOptions::expert_cache_bytes` is so many for
/// each expert of a layer that is to be in memory. 0: the model has none.
[[nodiscard]] inline std::uint64_t expert_bytes(const PackTarget& target, const WeightFile& file) {
  std::uint64_t bytes = 0;
  for_each_matrix(target, file, [&](const TensorView& tensor) {
    if (is_stack(tensor)) bytes += aligned_size(tensor.bytes.size() / tensor.dims[2]);
  });
  return bytes;
}

/// Reads the matrices of `file` once, page by page, so that they are in memory; tables that are read row by
/// row, and experts on disk, stay there. `packed`: those that are interleaved were just packed, into memory:
/// they count as read.
inline void read_ahead(const PackTarget& target, const WeightFile& file, bool packed,
                       PackProgress progress = {}, Experts experts = Experts::held) {
  constexpr std::size_t page = 4096;
  const std::uint64_t total = matrix_bytes(target, file, experts);
  std::uint64_t done = 0;
  bool goes_on = true;
  const auto report = [&](std::uint64_t at) {
    goes_on = goes_on && (progress.report == nullptr || progress.report(progress.context, at, total));
  };
  for_each_matrix(target, file, [&](const TensorView& tensor) {
    if (experts == Experts::on_disk && is_stack(tensor)) return;
    const bool is_there = packed && tensor.packing == Packing::interleaved;
    for (std::size_t at = 0; at < tensor.bytes.size() && goes_on && !is_there; at += page) {
      const volatile std::byte touched = tensor.bytes[at];
      static_cast<void>(touched);
      if (at % (page * 4096) == 0) report(done + at);
    }
    done += tensor.bytes.size();
  });
  report(total);
}

}  // namespace lamina
