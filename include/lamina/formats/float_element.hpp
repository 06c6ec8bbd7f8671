// SPDX-License-Identifier: Apache-2.0
// One element of an encoding without blocks, as float32. Source: weight-files.md §4.1.
#pragma once

#include <cstddef>
#include <cstdint>

#include <lamina/formats/byte_cursor.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/formats/half.hpp>

namespace lamina {

/// One element of F32, F16, BF16, or I32 (to the nearest float), at any address.
template <Format F>
[[nodiscard]] inline float load_element(const std::byte* data) noexcept {
  static_assert(info_of(F).block_elements == 1);
  if constexpr (F == Format::f16) return half_to_float(load_unaligned<std::uint16_t>(data));
  if constexpr (F == Format::bf16) return bfloat_to_float(load_unaligned<std::uint16_t>(data));
  if constexpr (F == Format::i32) return static_cast<float>(load_unaligned<std::int32_t>(data));
  if constexpr (F == Format::f32) return load_unaligned<float>(data);
}

/// The same for a format known at run time. Requires `is_float(format)`.
[[nodiscard]] inline float load_element(Format format, const std::byte* data) noexcept {
  if (format == Format::f16) return load_element<Format::f16>(data);
  if (format == Format::bf16) return load_element<Format::bf16>(data);
  return load_element<Format::f32>(data);
}

}  // namespace lamina
