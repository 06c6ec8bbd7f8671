// SPDX-License-Identifier: Apache-2.0
// The GGUF container: one file's bytes -> checked metadata and tensors, or an error that names the rule.
// Source: weight-files.md §1.3 to §1.5; "rule n" below is its §1.9. Packed files are read too:
// gguf_packing.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/metadata.hpp>
#include <lamina/weights/gguf/packing.hpp>
#include <lamina/weights/gguf/tensor_reader.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// What one GGUF file (or one shard) holds.
struct GgufContents {
  GgufMetadata metadata;
  std::vector<TensorView> tensors;  ///< in the order of the file; names are unique
  std::uint32_t version = 0;
  std::uint64_t alignment = 0;          ///< bytes
  std::uint32_t interleave_height = 0;  ///< rows of a group of the interleaved tensors; 0: there are none
  std::uint64_t metadata_end = 0;       ///< first byte after the metadata: the descriptors of tensors
  std::uint64_t descriptors_end = 0;    ///< first byte after the descriptors
};

/// Parses and checks one GGUF file of version 2 or 3, plain or packed. Nothing is allocated from an unchecked
/// number.
///
/// Shapes    tensor views point into `bytes`, which must outlive the result
/// Errors    bad_file (rules 1 to 15), unsupported (version, byte order, encoding id), out_of_memory;
///           `source` names the file in them
/// Cost      about 5 ns per string of metadata; tensor data is not touched
[[nodiscard]] Result<GgufContents> parse_gguf(std::span<const std::byte> bytes, std::string_view source);

namespace detail {

class GgufParser : private GgufTensorReader {
 public:
  using GgufTensorReader::GgufTensorReader;

  [[nodiscard]] Result<GgufContents> parse() {
    GgufHeader header;
    LAMINA_TRY(read_header(header));
    contents_.version = header.version;
    LAMINA_TRY(read_metadata(header.entries, contents_.metadata));
    contents_.metadata_end = cursor_.position();
    contents_.alignment = default_alignment;
    if (const GgufValue* value = contents_.metadata.find(alignment_key))
      LAMINA_TRY(read_alignment(*value, contents_.alignment));
    std::vector<std::uint64_t> offsets;
    LAMINA_TRY(read_descriptors(header.tensors, offsets));
    contents_.descriptors_end = cursor_.position();
    LAMINA_TRY(check_names());
    LAMINA_TRY(place_tensors(std::span(contents_.tensors), offsets, contents_.alignment));
    if (looks_like_packed_gguf(bytes_)) {
      const auto height = apply_packing(contents_.metadata, contents_.tensors);
      if (!height) return height.error();
      contents_.interleave_height = *height;
    }
    return std::move(contents_);
  }

 private:
  [[nodiscard]] Status read_descriptors(std::uint64_t tensor_count, std::vector<std::uint64_t>& offsets) {
    LAMINA_TRY(check_memory(tensor_count, sizeof(TensorView) + sizeof(std::uint64_t)));
    contents_.tensors.resize(static_cast<std::size_t>(tensor_count));
    offsets.resize(static_cast<std::size_t>(tensor_count));
    for (std::size_t i = 0; i < offsets.size(); ++i)
      LAMINA_TRY(read_descriptor(i, contents_.tensors[i], offsets[i]));
    return Done{};
  }

  [[nodiscard]] Status check_names() const {
    std::vector<std::string_view> names;
    names.reserve(contents_.tensors.size());
    for (const TensorView& tensor : contents_.tensors) names.emplace_back(tensor.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return Done{};
    return bad_file(place(source_, *twice), "tensor name occurs twice", "unique names", "a duplicate");
  }

  GgufContents contents_;
};

}  // namespace detail

inline Result<GgufContents> parse_gguf(std::span<const std::byte> bytes, std::string_view source) {
  return guard_memory(source,
                      [&]() -> Result<GgufContents> { return detail::GgufParser(bytes, source).parse(); });
}

}  // namespace lamina
