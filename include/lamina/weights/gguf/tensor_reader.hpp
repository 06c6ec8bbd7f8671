// SPDX-License-Identifier: Apache-2.0
// The second half of a GGUF file: its header, and checked reads of tensor descriptors. Needs no heap.
// Source: weight-files.md §1.3 to §1.5; "rule n" below is its §1.9.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/weights/gguf/entries.hpp>
#include <lamina/weights/gguf/packing.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// True when `bytes` start like a plain GGUF file.
[[nodiscard]] inline bool looks_like_gguf(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= 4 && load_unaligned<std::uint32_t>(bytes.data()) == 0x46554747;
}

namespace detail {

inline constexpr std::uint64_t gguf_max_name_bytes = 63;    // rule 10
inline constexpr std::uint64_t gguf_min_tensor_bytes = 24;  // name length, dimensions, type, offset

/// The numbers at the beginning of a file.
struct GgufHeader {
  std::uint32_t version = 0;
  std::uint64_t tensors = 0;
  std::uint64_t entries = 0;  ///< of metadata
};

/// Reads tensors behind the metadata. `Tensor` is `TensorView`, or the like with a name that is a view.
class GgufTensorReader : protected GgufEntryReader {
 public:
  using GgufEntryReader::GgufEntryReader;

 protected:
  [[nodiscard]] Status read_header(GgufHeader& header) {
    if (bytes_.size() < gguf_header_bytes) {
      return bad_file(place(source_), "file is too short for GGUF", "at least 24 bytes",
                      text("%zu", bytes_.size()));
    }
    if (!looks_like_gguf(bytes_) && !looks_like_packed_gguf(bytes_)) return wrong_magic();
    std::uint32_t magic = 0;
    (void)cursor_.read(magic);
    (void)cursor_.read(header.version);
    const std::uint32_t version = header.version;
    if ((version & 0xFFFF) == 0) {
      return file_error(ErrorCode::unsupported, place(source_, "version"), "file has big-endian byte order",
                        "a little-endian GGUF", text("version 0x%08x", version),
                        "convert it to little-endian");
    }
    if (version != 2 && version != 3) {
      return file_error(ErrorCode::unsupported, place(source_, "version"), "GGUF version is not supported",
                        "2 or 3", gguf_number(version), "convert it again with a current tool");
    }
    (void)cursor_.read(header.tensors);
    (void)cursor_.read(header.entries);
    LAMINA_TRY(check_count("tensor count", header.tensors, gguf_min_tensor_bytes));
    return check_count("metadata count", header.entries, gguf_min_entry_bytes);
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

  /// Reads the descriptor of tensor `index`; its bytes follow with `place_tensors`.
  template <class Tensor>
  [[nodiscard]] Status read_descriptor(std::uint64_t index, Tensor& tensor, std::uint64_t& offset) {
    const auto item = text("tensor %llu", static_cast<unsigned long long>(index));
    std::span<const std::byte> name;
    LAMINA_TRY(read_string(item, gguf_max_name_bytes, name));
    tensor.name = view(name);
    if (name.empty() || tensor.name.find('\0') != tensor.name.npos) {
      return bad_file(place(source_, item), "tensor name is not usable", "1 to 63 bytes without NUL",
                      name.empty() ? "an empty name" : "a NUL byte");
    }
    LAMINA_TRY(read_dimensions(tensor));
    std::uint32_t type = 0;
    if (!cursor_.read(type) || !cursor_.read(offset)) return ends_inside(tensor.name);
    return read_format(tensor, type);
  }

  // Rules 12 to 15. Like the reference reader, each offset must be the padded end of the tensor before.
  template <class Tensor>
  [[nodiscard]] Status place_tensors(std::span<Tensor> tensors, std::span<const std::uint64_t> offsets,
                                     std::uint64_t alignment) const {
    if (tensors.empty()) return Done{};
    const std::uint64_t mask = alignment - 1;
    const std::uint64_t data = (cursor_.position() + mask) & ~mask;
    if (data > bytes_.size()) return ends_inside("tensor data");
    const std::uint64_t length = bytes_.size() - data;
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      Tensor& tensor = tensors[i];
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

 private:
  template <class Tensor>
  [[nodiscard]] Status read_dimensions(Tensor& tensor) {
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

  template <class Tensor>
  [[nodiscard]] Status read_format(Tensor& tensor, std::uint32_t type) const {
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
};

}  // namespace detail

}  // namespace lamina
