// SPDX-License-Identifier: Apache-2.0
// Packed GGUF files: GGUF but for a magic of their own and matrices that lie interleaved, as metadata says.
//
// The magic is not "GGUF" because everything else is: a program that knows nothing of packing would read such
// a file without complaint and compute with garbage. For the same reason the keys mean nothing behind the
// magic of GGUF, where no tensor is interleaved.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/metadata.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// The metadata of packed files.
namespace gguf_packing {
inline constexpr std::string_view magic = "LGUF";
/// u32: the order of bytes in a group, `layout_version`. A file of another version must be packed again.
inline constexpr std::string_view layout_key = "lamina.packing.layout";
/// u32: rows of a group.
inline constexpr std::string_view height_key = "lamina.packing.height";
/// Array of strings: names of the interleaved tensors.
inline constexpr std::string_view tensors_key = "lamina.packing.tensors";
/// Array of u64: the tables of the tokenizer (tokenizer/tables/image.hpp), used where they lie. May be
/// absent.
inline constexpr std::string_view vocabulary_key = "lamina.packing.vocabulary";
/// Array of u8: as many zeros as put these tables at a multiple of their alignment.
inline constexpr std::string_view padding_key = "lamina.packing.padding";

/// Goes up when blocks/interleave.hpp puts bytes elsewhere.
inline constexpr std::uint32_t layout_version = 3;
/// Lanes of the longest vectors that kernels may have: 2048 bits.
inline constexpr std::uint32_t most_rows = 64;
}  // namespace gguf_packing

/// True when `bytes` start like a packed GGUF file.
[[nodiscard]] inline bool looks_like_packed_gguf(std::span<const std::byte> bytes) noexcept {
  constexpr std::string_view magic = gguf_packing::magic;
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

namespace detail {

/// Rows of a group as the metadata of a packed file states them. Errors: bad_file, unsupported (the layout).
[[nodiscard]] inline Result<std::uint32_t> read_packing_height(const GgufMetadata& metadata) {
  namespace keys = gguf_packing;
  const auto layout = metadata.integer(keys::layout_key, {1, UINT32_MAX});
  if (!layout) return layout.error();
  if (*layout != keys::layout_version) {
    return file_error(ErrorCode::unsupported, place(metadata.source(), keys::layout_key),
                      "file is packed for another version", text("layout %u", keys::layout_version),
                      text("layout %lld", static_cast<long long>(*layout)),
                      "pack it again from the original file");
  }
  const auto height = metadata.integer(keys::height_key, {2, keys::most_rows});
  if (!height) return height.error();
  if (!std::has_single_bit(static_cast<std::uint32_t>(*height))) {
    return bad_file(place(metadata.source(), keys::height_key), "number of interleaved rows is not usable",
                    "a power of two", text("%lld", static_cast<long long>(*height)));
  }
  // Packed files are whole, and so one height holds for all tensors of a model.
  const auto shards = metadata.integer_or("split.count", {0, 1}, 1);
  if (!shards) return shards.error();
  return static_cast<std::uint32_t>(*height);
}

/// Marks the tensors that the metadata of a packed file names as interleaved; returns the rows of a group.
///
/// Requires  names of tensors are unique
/// Errors    bad_file (keys missing or out of range, tensors that are absent, named twice or not
///           interleavable), unsupported (another layout)
[[nodiscard]] inline Result<std::uint32_t> apply_packing(const GgufMetadata& metadata,
                                                         std::span<TensorView> tensors) {
  namespace keys = gguf_packing;
  const auto height = read_packing_height(metadata);
  if (!height) return height.error();
  const auto where = place(metadata.source(), keys::tensors_key);
  if (metadata.find(keys::tensors_key) == nullptr) {
    return bad_file(where, "metadata key is missing", "array of strings", "nothing");
  }
  const auto named = metadata.strings_count(keys::tensors_key);
  if (!named) return named.error();
  if (*named > tensors.size()) {
    return bad_file(where, "more tensors are named than there are", text("at most %zu", tensors.size()),
                    text("%llu", static_cast<unsigned long long>(*named)));
  }
  const auto names = metadata.strings(keys::tensors_key);
  if (!names) return names.error();
  std::vector<TensorView*> sorted;
  sorted.reserve(tensors.size());
  for (TensorView& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(),
            [](const TensorView* a, const TensorView* b) { return a->name < b->name; });
  for (const std::string_view name : *names) {
    const auto at =
        std::lower_bound(sorted.begin(), sorted.end(), name,
                         [](const TensorView* tensor, std::string_view key) { return tensor->name < key; });
    if (at == sorted.end() || (*at)->name != name) {
      return bad_file(where, "a packed tensor is missing", "names of tensors of the file", name);
    }
    TensorView& tensor = **at;
    if (tensor.packing == Packing::interleaved) {
      return bad_file(where, "a packed tensor is named twice", "unique names", name);
    }
    if (!can_interleave(tensor, *height)) {
      return bad_file(place(metadata.source(), name), "tensor cannot be packed",
                      text("an encoding of integers and a multiple of %u rows", *height),
                      text("%s, %llu rows", FixedText<32>(info_of(tensor.format).name).c_str(),
                           static_cast<unsigned long long>(tensor.dims[1])));
    }
    tensor.packing = Packing::interleaved;
  }
  return *height;
}

}  // namespace detail

}  // namespace lamina
