// SPDX-License-Identifier: Apache-2.0
// The first half of a GGUF file: checked reads of counts, strings and metadata entries.
// Source: weight-files.md §1.2; "rule n" below is its §1.9.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/weights/gguf/metadata.hpp>

namespace lamina::detail {

inline constexpr std::uint64_t gguf_header_bytes = 24;
inline constexpr std::uint64_t gguf_max_entries = 65'536;  // tensors, and metadata entries (rule 2)
inline constexpr std::uint64_t gguf_max_metadata_bytes = 256ULL << 20;  // rule 8
inline constexpr std::uint64_t gguf_max_string_bytes = 16ULL << 20;     // rule 3
inline constexpr std::uint64_t gguf_max_array_elements = 1ULL << 24;    // rule 4
inline constexpr std::uint64_t gguf_max_key_bytes = 65'535;             // rule 7
inline constexpr std::uint64_t gguf_min_entry_bytes = 13;               // key length, type, a one-byte value

/// A 64-bit number as text, for messages.
[[nodiscard]] inline FixedText<160> gguf_number(std::uint64_t value) noexcept {
  return text("%llu", static_cast<unsigned long long>(value));
}

/// Reads metadata from the front of a file; `GgufParser` goes on with the tensors.
class GgufEntryReader {
 public:
  GgufEntryReader(std::span<const std::byte> bytes, std::string_view source)
      : bytes_(bytes),
        cursor_(
            bytes.first(std::min<std::size_t>(bytes.size(), gguf_header_bytes + gguf_max_metadata_bytes))),
        source_(source) {}

 protected:
  // Rule 2: the smallest possible entries must fit into the file before any memory is reserved.
  [[nodiscard]] Status check_count(std::string_view what, std::uint64_t count,
                                   std::uint64_t entry_bytes) const {
    const std::uint64_t most = std::min(gguf_max_entries, cursor_.remaining() / entry_bytes);
    if (count > most) {
      return bad_file(place(source_, what), "count is larger than the file or the limit allows",
                      text("at most %llu", static_cast<unsigned long long>(most)), gguf_number(count));
    }
    return Done{};
  }

  /// Errors: out_of_memory.
  [[nodiscard]] Status check_memory(std::uint64_t count, std::size_t entry_bytes) const {
    if (memory_is_there(static_cast<std::size_t>(count) * entry_bytes)) return Done{};
    return refused_memory(source_);
  }

  [[nodiscard]] Error ends_inside(std::string_view item) const {
    if (bytes_.size() > gguf_header_bytes + gguf_max_metadata_bytes &&
        cursor_.remaining() < gguf_max_string_bytes) {
      return bad_file(place(source_, item), "metadata and descriptors are too long", "at most 256 MiB",
                      "more");
    }
    return bad_file(place(source_, item), "file ends inside the header",
                    text("more than %zu bytes", bytes_.size()), "the end of the file");
  }

  [[nodiscard]] Status read_string(std::string_view item, std::uint64_t most,
                                   std::span<const std::byte>& out) {
    std::uint64_t length = 0;
    if (!cursor_.read(length)) return ends_inside(item);
    if (length > most) {
      return bad_file(place(source_, item), "string is too long",
                      text("at most %llu bytes", static_cast<unsigned long long>(most)), gguf_number(length));
    }
    if (!cursor_.take(length, out)) return ends_inside(item);
    return Done{};
  }

  [[nodiscard]] static std::string_view view(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // --- Metadata ---

  /// Reads the key of entry `index`.
  [[nodiscard]] Status read_key(std::uint64_t index, std::string_view& out) {
    const auto item = text("metadata entry %llu", static_cast<unsigned long long>(index));
    std::span<const std::byte> key;
    LAMINA_TRY(read_string(item, gguf_max_key_bytes, key));
    if (key.empty()) return bad_file(place(source_, item), "key is empty", "1 to 65535 bytes", "0");
    out = view(key);
    return Done{};
  }

  [[nodiscard]] Status read_metadata(std::uint64_t count, GgufMetadata& out) {
    LAMINA_TRY(check_memory(count, sizeof(GgufMetadata::Entry)));
    std::vector<GgufMetadata::Entry> entries;
    entries.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string_view key;
      LAMINA_TRY(read_key(i, key));
      GgufMetadata::Entry entry{std::string(key), {}};
      LAMINA_TRY(read_value(key, entry.value));
      entries.push_back(std::move(entry));
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    const auto twice = std::adjacent_find(entries.begin(), entries.end(),
                                          [](const auto& a, const auto& b) { return a.key == b.key; });
    if (twice != entries.end()) {
      return bad_file(place(source_, twice->key), "metadata key occurs twice", "unique keys", "a duplicate");
    }
    out = GgufMetadata(std::string(source_), std::move(entries));
    return Done{};
  }

  [[nodiscard]] Status read_value(std::string_view key, GgufValue& value) {
    std::uint32_t type = 0;
    if (!cursor_.read(type)) return ends_inside(key);
    LAMINA_TRY(check_type(key, type));
    value.type = value.element = static_cast<GgufType>(type);
    if (value.type == GgufType::string) return read_string(key, gguf_max_string_bytes, value.bytes);
    if (value.type == GgufType::array) return read_array(key, value);
    if (!cursor_.take(size_of(value.type), value.bytes)) return ends_inside(key);
    return check_bools(key, value);
  }

  [[nodiscard]] Status check_type(std::string_view key, std::uint32_t type) const {
    if (type <= 12) return Done{};
    return bad_file(place(source_, key), "metadata value type is unknown", "0 to 12", gguf_number(type));
  }

  [[nodiscard]] Status read_array(std::string_view key, GgufValue& value) {
    std::uint32_t element = 0;
    if (!cursor_.read(element) || !cursor_.read(value.count)) return ends_inside(key);
    LAMINA_TRY(check_type(key, element));
    value.element = static_cast<GgufType>(element);
    if (value.element == GgufType::array) {
      return bad_file(place(source_, key), "arrays of arrays are not supported",
                      "an array of scalars or strings", "an array of arrays");
    }
    const bool strings = value.element == GgufType::string;
    const std::uint64_t least_bytes = strings ? 8 : size_of(value.element);
    const std::uint64_t most = std::min(gguf_max_array_elements, cursor_.remaining() / least_bytes);
    if (value.count > most) {
      return bad_file(place(source_, key), "array is larger than the file or the limit allows",
                      text("at most %llu elements", static_cast<unsigned long long>(most)),
                      gguf_number(value.count));
    }
    if (!strings) {
      (void)cursor_.take(value.count * least_bytes, value.bytes);
      return check_bools(key, value);
    }
    const std::uint64_t begin = cursor_.position();
    std::span<const std::byte> ignored;
    for (std::uint64_t i = 0; i < value.count; ++i)
      LAMINA_TRY(read_string(key, gguf_max_string_bytes, ignored));
    value.bytes = bytes_.subspan(begin, cursor_.position() - begin);
    return Done{};
  }

  [[nodiscard]] Status check_bools(std::string_view key, const GgufValue& value) const {
    if (value.element != GgufType::boolean) return Done{};
    for (const std::byte byte : value.bytes) {
      if (std::to_integer<unsigned>(byte) > 1) {
        return bad_file(place(source_, key), "bool has another value", "0 or 1",
                        gguf_number(std::to_integer<unsigned>(byte)));
      }
    }
    return Done{};
  }

  static constexpr std::string_view alignment_key = "general.alignment";
  static constexpr std::uint64_t default_alignment = 32;

  [[nodiscard]] Status read_alignment(const GgufValue& value, std::uint64_t& out) const {
    if (value.type != GgufType::u32) {
      return bad_file(place(source_, alignment_key), "metadata value has the wrong type", "u32",
                      name_of(value.type));
    }
    const auto alignment = load_unaligned<std::uint32_t>(value.bytes.data());
    if (!std::has_single_bit(alignment) || alignment < 8 || alignment > 65'536) {
      return bad_file(place(source_, alignment_key), "alignment is not usable",
                      "a power of two from 8 to 65536", gguf_number(alignment));
    }
    out = alignment;
    return Done{};
  }

  std::span<const std::byte> bytes_;
  ByteCursor cursor_;
  std::string_view source_;
};

}  // namespace lamina::detail
