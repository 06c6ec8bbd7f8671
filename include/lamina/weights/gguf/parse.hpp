// SPDX-License-Identifier: Apache-2.0
// The GGUF container: one file's bytes -> checked metadata and tensors, or an error that names the rule.
// Source: weight-files.md §1.3 to §1.5; "rule n" below is its §1.9. Packed files are read too:
// gguf_packing.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/entries.hpp>
#include <lamina/weights/gguf/metadata.hpp>
#include <lamina/weights/gguf/packing.hpp>
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

/// True when `bytes` start like a plain GGUF file.
[[nodiscard]] inline bool looks_like_gguf(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= 4 && load_unaligned<std::uint32_t>(bytes.data()) == 0x46554747;
}

/// Parses and checks one GGUF file of version 2 or 3, plain or packed. Nothing is allocated from an unchecked
/// number.
///
/// Shapes    tensor views point into `bytes`, which must outlive the result
/// Errors    bad_file (rules 1 to 15), unsupported (version, byte order, encoding id), out_of_memory;
///           `source` names the file in them
/// Cost      about 5 ns per string of metadata; tensor data is not touched
[[nodiscard]] Result<GgufContents> parse_gguf(std::span<const std::byte> bytes, std::string_view source);

namespace detail {

inline constexpr std::uint64_t gguf_max_name_bytes = 63;    // rule 10
inline constexpr std::uint64_t gguf_min_tensor_bytes = 24;  // name length, dimensions, type, offset

class GgufParser : private GgufEntryReader {
 public:
  using GgufEntryReader::GgufEntryReader;

  [[nodiscard]] Result<GgufContents> parse() {
    std::uint64_t tensor_count = 0;
    std::uint64_t entry_count = 0;
    LAMINA_TRY(read_header(tensor_count, entry_count));
    LAMINA_TRY(read_metadata(entry_count, contents_.metadata));
    contents_.metadata_end = cursor_.position();
    LAMINA_TRY(read_alignment(contents_.metadata, contents_.alignment));
    std::vector<std::uint64_t> offsets;
    LAMINA_TRY(read_descriptors(tensor_count, offsets));
    contents_.descriptors_end = cursor_.position();
    LAMINA_TRY(check_names());
    LAMINA_TRY(place_tensors(offsets));
    if (looks_like_packed_gguf(bytes_)) {
      const auto height = apply_packing(contents_.metadata, contents_.tensors);
      if (!height) return height.error();
      contents_.interleave_height = *height;
    }
    return std::move(contents_);
  }

 private:
  [[nodiscard]] Status read_header(std::uint64_t& tensor_count, std::uint64_t& entry_count) {
    if (bytes_.size() < gguf_header_bytes) {
      return bad_file(place(source_), "file is too short for GGUF", "at least 24 bytes",
                      text("%zu", bytes_.size()));
    }
    if (!looks_like_gguf(bytes_) && !looks_like_packed_gguf(bytes_)) return wrong_magic();
    std::uint32_t magic = 0;
    std::uint32_t version = 0;
    (void)cursor_.read(magic);
    (void)cursor_.read(version);
    if ((version & 0xFFFF) == 0) {
      return file_error(ErrorCode::unsupported, place(source_, "version"), "file has big-endian byte order",
                        "a little-endian GGUF", text("version 0x%08x", version),
                        "convert it to little-endian");
    }
    if (version != 2 && version != 3) {
      return file_error(ErrorCode::unsupported, place(source_, "version"), "GGUF version is not supported",
                        "2 or 3", gguf_number(version), "convert it again with a current tool");
    }
    contents_.version = version;
    (void)cursor_.read(tensor_count);
    (void)cursor_.read(entry_count);
    LAMINA_TRY(check_count("tensor count", tensor_count, gguf_min_tensor_bytes));
    return check_count("metadata count", entry_count, gguf_min_entry_bytes);
  }

  [[nodiscard]] Error wrong_magic() const {
    const auto first = load_unaligned<std::uint32_t>(bytes_.data());
    const bool is_safetensors =
        load_unaligned<std::uint64_t>(bytes_.data()) < 100'000'000 && bytes_[8] == std::byte{'{'};
    return bad_file(
        place(source_), "not a GGUF file", "magic bytes 47 47 55 46",
        text("%02x %02x %02x %02x", first & 0xFF, (first >> 8) & 0xFF, (first >> 16) & 0xFF, first >> 24),
        is_safetensors ? "this is a safetensors file: name its directory instead" : "");
  }

  [[nodiscard]] Status read_descriptors(std::uint64_t tensor_count, std::vector<std::uint64_t>& offsets) {
    LAMINA_TRY(check_memory(tensor_count, sizeof(TensorView) + sizeof(std::uint64_t)));
    contents_.tensors.reserve(static_cast<std::size_t>(tensor_count));
    offsets.reserve(static_cast<std::size_t>(tensor_count));
    for (std::uint64_t i = 0; i < tensor_count; ++i) {
      const auto item = text("tensor %llu", static_cast<unsigned long long>(i));
      std::span<const std::byte> name;
      LAMINA_TRY(read_string(item, gguf_max_name_bytes, name));
      TensorView tensor;
      tensor.name = view(name);
      if (name.empty() || tensor.name.find('\0') != std::string::npos) {
        return bad_file(place(source_, item), "tensor name is not usable", "1 to 63 bytes without NUL",
                        name.empty() ? "an empty name" : "a NUL byte");
      }
      LAMINA_TRY(read_dimensions(tensor));
      std::uint32_t type = 0;
      std::uint64_t offset = 0;
      if (!cursor_.read(type) || !cursor_.read(offset)) return ends_inside(tensor.name);
      LAMINA_TRY(read_format(tensor, type));
      contents_.tensors.push_back(std::move(tensor));
      offsets.push_back(offset);
    }
    return Done{};
  }

  [[nodiscard]] Status read_dimensions(TensorView& tensor) {
    std::uint32_t dimensions = 0;
    if (!cursor_.read(dimensions)) return ends_inside(tensor.name);
    if (dimensions > 4) {
      return bad_file(place(source_, tensor.name), "tensor has too many dimensions", "0 to 4",
                      gguf_number(dimensions));
    }
    std::uint64_t elements = 1;
    for (std::uint32_t d = 0; d < dimensions; ++d) {
      std::uint64_t& size = tensor.dims[d];
      if (!cursor_.read(size)) return ends_inside(tensor.name);
      if (size == 0 || !checked_multiply(elements, size, elements)) {
        return bad_file(place(source_, tensor.name), "tensor dimensions are not usable",
                        "sizes of at least 1 whose product fits in 63 bits",
                        text("dimension %u is %llu", d, static_cast<unsigned long long>(size)));
      }
    }
    return Done{};
  }

  [[nodiscard]] Status read_format(TensorView& tensor, std::uint32_t type) const {
    const FormatInfo* info = find_format(type);
    if (info == nullptr) {
      const char* why = type == 9 || type == 15    ? "an encoding of activations, never stored in files"
                        : type == 36 || type >= 43 ? "an encoding that only a fork defines"
                        : type >= 24 && type <= 28 ? "a plain type that no model weight uses"
                                                   : "a retired encoding";
      return file_error(ErrorCode::unsupported, place(source_, tensor.name),
                        "tensor encoding is not supported", "an encoding id of mainline GGUF (0 to 42)",
                        text("id %u, %s", type, why),
                        "use a file with standard encodings (Q4_0, Q8_0, Q4_K, BF16, ...)");
    }
    if (tensor.dims[0] % info->block_elements != 0) {
      return bad_file(place(source_, tensor.name), "row length does not fit the encoding's blocks",
                      text("a multiple of %u for %.*s", static_cast<unsigned>(info->block_elements),
                           static_cast<int>(info->name.size()), info->name.data()),
                      gguf_number(tensor.dims[0]));
    }
    tensor.format = info->format;
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

  // Rules 12 to 15. Like the reference reader, each offset must be the padded end of the tensor before.
  [[nodiscard]] Status place_tensors(std::span<const std::uint64_t> offsets) {
    if (contents_.tensors.empty()) return Done{};
    const std::uint64_t mask = contents_.alignment - 1;
    const std::uint64_t data = (cursor_.position() + mask) & ~mask;
    if (data > bytes_.size()) return ends_inside("tensor data");
    const std::uint64_t length = bytes_.size() - data;
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      TensorView& tensor = contents_.tensors[i];
      std::uint64_t size = 0;
      if (!tensor_bytes(tensor, size)) {
        return bad_file(place(source_, tensor.name), "tensor size overflows", "a size that fits in 63 bits",
                        "more");
      }
      if (offsets[i] != next) {
        return bad_file(place(source_, tensor.name), "tensor offset is not where the tensor before ends",
                        text("offset %llu", static_cast<unsigned long long>(next)), gguf_number(offsets[i]));
      }
      if (next > length || size > length - next) {
        return bad_file(place(source_, tensor.name), "tensor reaches beyond the end of the file",
                        text("%llu bytes at byte %llu", static_cast<unsigned long long>(size),
                             static_cast<unsigned long long>(data + next)),
                        text("a file of %zu bytes", bytes_.size()),
                        "the file is truncated: download it again");
      }
      tensor.bytes = bytes_.subspan(static_cast<std::size_t>(data + next), static_cast<std::size_t>(size));
      next = (next + size + mask) & ~mask;
    }
    return Done{};
  }

  GgufContents contents_;
};

}  // namespace detail

inline Result<GgufContents> parse_gguf(std::span<const std::byte> bytes, std::string_view source) {
  return guard_memory(source,
                      [&]() -> Result<GgufContents> { return detail::GgufParser(bytes, source).parse(); });
}

}  // namespace lamina
