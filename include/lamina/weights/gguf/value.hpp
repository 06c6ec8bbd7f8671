// SPDX-License-Identifier: Apache-2.0
// Types of GGUF metadata, and one value where it lies in the file. Source: weight-files.md §1.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/config.hpp>

namespace lamina {

/// Value types of GGUF metadata; the numbers are those of the file format.
enum class GgufType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// Bytes of one value of a fixed-size type; 0 for strings, arrays and ids that do not exist.
[[nodiscard]] constexpr std::uint32_t size_of(GgufType type) noexcept {
  constexpr std::uint32_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const auto id = static_cast<std::uint32_t>(type);
  return id < 13 ? sizes[id] : 0;
}

[[nodiscard]] constexpr std::string_view name_of(GgufType type) noexcept {
  constexpr std::string_view names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
  const auto id = static_cast<std::uint32_t>(type);
  return id < 13 ? names[id] : "unknown";
}

/// True for the types of whole numbers; flags are not among them.
[[nodiscard]] constexpr bool is_integer(GgufType type) noexcept {
  return size_of(type) != 0 && type != GgufType::f32 && type != GgufType::f64 && type != GgufType::boolean;
}

/// One metadata value. The parser has checked that `bytes` holds what `type`, `element` and `count` say.
struct GgufValue {
  GgufType type = GgufType::u8;
  GgufType element = GgufType::u8;   ///< element type of an array; equal to `type` otherwise
  std::uint64_t count = 1;           ///< elements of an array; 1 otherwise
  std::span<const std::byte> bytes;  ///< the value without type and count; a string without its length
};

/// Inclusive bounds of an integer key. Bools count as integers only for the range 0 to 1 (flags).
struct IntegerRange {
  std::int64_t low;
  std::int64_t high;
};

}  // namespace lamina
