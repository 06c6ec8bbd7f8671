// SPDX-License-Identifier: Apache-2.0
// The safetensors container, all but its JSON: header length, element types, layout of the data.
// huggingface/safetensors.hpp reads the JSON header and calls this. Source: weight-files.md §6.1, §6.2.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/core/file_error.hpp>

namespace lamina {

/// One entry of a safetensors header.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;                 ///< as written: "BF16"
  std::vector<std::uint64_t> shape;  ///< row-major, slowest first; empty for a scalar
  std::uint64_t begin = 0;           ///< bytes from the start of the data section
  std::uint64_t end = 0;             ///< exclusive
};

/// The two parts of a safetensors file.
struct SafetensorsParts {
  std::span<const std::byte> header;  ///< JSON text
  std::span<const std::byte> data;
};

inline constexpr std::size_t safetensors_max_tensors = 200'000;
inline constexpr std::size_t safetensors_max_name = 1024;  ///< bytes
inline constexpr std::size_t safetensors_max_dimensions = 8;
inline constexpr std::uint64_t safetensors_max_header = 100'000'000;  ///< bytes
inline constexpr std::uint64_t safetensors_max_number = std::uint64_t{1} << 48;

/// Bits of one element; 0 for types that do not exist.
[[nodiscard]] constexpr std::uint32_t safetensors_bits(std::string_view dtype) noexcept {
  struct Type {
    std::string_view name;
    std::uint32_t bits;
  };
  constexpr Type types[] = {
      {"BOOL", 8},        {"U8", 8},          {"I8", 8},   {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},
      {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F16", 16},
      {"BF16", 16},       {"I16", 16},        {"U16", 16}, {"F32", 32},    {"I32", 32},    {"U32", 32},
      {"F64", 64},        {"I64", 64},        {"U64", 64}, {"C64", 64},
  };
  for (const Type& type : types) {
    if (type.name == dtype) return type.bits;
  }
  return 0;
}

/// True when `bytes` start like a safetensors file: a plausible length, then a brace.
[[nodiscard]] inline bool looks_like_safetensors(std::span<const std::byte> bytes) noexcept {
  return bytes.size() > 8 && load_unaligned<std::uint64_t>(bytes.data()) <= safetensors_max_header &&
         bytes[8] == std::byte{'{'};
}

/// Splits a file into header and data (§6.2 rules 1 and 2).
///
/// Errors   bad_file
[[nodiscard]] inline Result<SafetensorsParts> split_safetensors(std::span<const std::byte> bytes,
                                                                std::string_view source) noexcept {
  if (bytes.size() < 8) {
    return bad_file(place(source), "file is too short for safetensors", "at least 8 bytes",
                    text("%zu", bytes.size()));
  }
  const auto length = load_unaligned<std::uint64_t>(bytes.data());
  const std::uint64_t most = std::min<std::uint64_t>(bytes.size() - 8, safetensors_max_header);
  if (length < 2 || length > most) {
    return bad_file(place(source, "header length"), "header does not fit the file",
                    text("2 to %llu bytes", static_cast<unsigned long long>(most)),
                    text("%llu", static_cast<unsigned long long>(length)),
                    length > most ? "the file is truncated, or no safetensors file" : "");
  }
  if (bytes[8] != std::byte{'{'}) {
    return bad_file(place(source, "header"), "header does not start with a brace", "{",
                    text("byte 0x%02x", std::to_integer<unsigned>(bytes[8])));
  }
  const auto header = static_cast<std::size_t>(length);
  return SafetensorsParts{bytes.subspan(8, header), bytes.subspan(8 + header)};
}

/// Checks one entry by itself: type, shape and number of bytes (§6.2 rules 3 and 5).
[[nodiscard]] inline Status check_safetensors_entry(const SafetensorsEntry& entry,
                                                    std::string_view source) noexcept {
  const auto where = place(source, entry.name);
  if (entry.name.empty() || entry.name.size() > safetensors_max_name) {
    return bad_file(where, "tensor name is not usable", text("1 to %zu bytes", safetensors_max_name),
                    text("%zu", entry.name.size()));
  }
  const std::uint32_t bits = safetensors_bits(entry.dtype);
  if (bits == 0) return bad_file(where, "element type is unknown", "BF16, F16, F32, ...", entry.dtype);
  if (entry.begin > entry.end) {
    return bad_file(where, "data offsets are reversed", "begin at most end",
                    text("[%llu, %llu]", static_cast<unsigned long long>(entry.begin),
                         static_cast<unsigned long long>(entry.end)));
  }
  std::uint64_t total = bits;
  for (const std::uint64_t size : entry.shape) {
    if (!checked_multiply(total, size, total)) {
      return bad_file(where, "shape overflows", "a size that fits in 63 bits", "more");
    }
  }
  if (total % 8 != 0 || total / 8 != entry.end - entry.begin) {
    return bad_file(where, "data offsets do not fit the shape",
                    text("%llu bits", static_cast<unsigned long long>(total)),
                    text("%llu bytes", static_cast<unsigned long long>(entry.end - entry.begin)));
  }
  return Done{};
}

/// Checks all entries together: unique names, no hole, no overlap, the data used up exactly (§6.2 rules 4 and
/// 7).
///
/// Effects   sorts `entries` by offset
/// Errors    bad_file, naming the tensor
[[nodiscard]] inline Status check_safetensors_layout(std::vector<SafetensorsEntry>& entries,
                                                     std::uint64_t data_bytes, std::string_view source) {
  for (const SafetensorsEntry& entry : entries) LAMINA_TRY(check_safetensors_entry(entry, source));
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) names.emplace_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return bad_file(place(source, *twice), "tensor name occurs twice", "unique names", "a duplicate");
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;  // empty tensors first
  });
  std::uint64_t next = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != next) {
      return bad_file(place(source, entry.name),
                      entry.begin > next ? "data has a hole" : "data of tensors overlaps",
                      text("begin %llu", static_cast<unsigned long long>(next)),
                      text("%llu", static_cast<unsigned long long>(entry.begin)));
    }
    next = entry.end;
  }
  if (next != data_bytes) {
    return bad_file(
        place(source),
        next > data_bytes ? "tensors reach beyond the end of the file" : "bytes after the last tensor",
        text("%llu bytes of data", static_cast<unsigned long long>(next)),
        text("%llu", static_cast<unsigned long long>(data_bytes)),
        next > data_bytes ? "the file is truncated: download it again" : "");
  }
  return Done{};
}

/// The format of an element type that model weights use; null for all others.
[[nodiscard]] constexpr const FormatInfo* safetensors_format(std::string_view dtype) noexcept {
  return dtype == "F32" || dtype == "F16" || dtype == "BF16" ? find_format(dtype) : nullptr;
}

}  // namespace lamina
