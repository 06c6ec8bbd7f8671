// SPDX-License-Identifier: Apache-2.0
// What every reader of weight files delivers: a checked description, named tensors, and the text parts.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/formats/format.hpp>
#include <lamina/schedule/description.hpp>

namespace lamina {

/// One tensor of a file. The container has checked that `bytes` lies inside the file and has exactly the size that
/// `format` and `dims` ask for.
struct TensorView {
  std::string name;                       ///< canonical (GGUF) name: "blk.3.attn_q.weight"
  Format format = Format::f32;
  std::array<std::uint64_t, 4> dims{1, 1, 1, 1};  ///< columns, rows, stack, 1: fastest-varying first
  std::span<const std::byte> bytes;
};

/// Owns mapped or loaded bytes for as long as views into them live.
struct ByteOwner {
  virtual ~ByteOwner() = default;
};

/// A weight file (or a set of shards, or a directory) after checking.
struct WeightFile {
  ModelDescription description;
  std::vector<TensorView> tensors;  ///< sorted by name, unique
  std::vector<std::unique_ptr<ByteOwner>> owners;
  std::string path;                 ///< as the user named it; for messages

  /// Finds a tensor by its canonical name; null if absent.
  [[nodiscard]] const TensorView* find(std::string_view name) const noexcept {
    const auto at = std::lower_bound(tensors.begin(), tensors.end(), name,
                                     [](const TensorView& tensor, std::string_view key) { return tensor.name < key; });
    return at != tensors.end() && at->name == name ? &*at : nullptr;
  }
};

}  // namespace lamina
