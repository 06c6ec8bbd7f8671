// SPDX-License-Identifier: Apache-2.0
// What it means to read an integer encoding: one `BlockCodec` per format, and the pieces all of them share.
// Source: weight-files.md §4. The readers are in *_blocks.hpp, one header per family.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/formats/byte_cursor.hpp>
#include <lamina/formats/code_block.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/formats/half.hpp>

namespace lamina {

namespace detail {
template <Format F>
inline constexpr bool never = false;  // depends on F, so that an assertion on it fires on use only
}  // namespace detail

/// Reads blocks of the integer encoding `F`. Each specialisation has two static functions:
///
///   void codes(const std::byte* block, int part, CodeBlock& out) noexcept;
///     Unpacks elements 32 * part .. 32 * part + 31 of a block. `block` may have any alignment.
///   bool has_finite_scales(const std::byte* block) noexcept;
///     True if no scale field of the block is infinite or NaN (weight-files.md §1.9 rule 19).
///
/// Fusing `scale * code - offset` into one operation changes no bit: in every encoding with offsets the
/// products scale * code and those inside scale and offset have at most 11 + 6 + 5 significant bits, so they
/// are exact.
template <Format F>
struct BlockCodec {
  static_assert(
      detail::never<F>,
      "lamina: BlockCodec: no reader for this Format here; float formats have none (see decode_row), for "
      "the others include <lamina/blocks/decode.hpp> or the *_blocks.hpp header of its family");
};

/// Runs of 32 elements, each a `CodeBlock`, in one block of `F`.
template <Format F>
inline constexpr int parts_per_block = info_of(F).block_elements / code_block_elements;

namespace detail {

// --- Little-endian fields at any alignment ---

[[nodiscard]] inline const std::uint8_t* as_bytes(const std::byte* data) noexcept {
  return reinterpret_cast<const std::uint8_t*>(data);
}

[[nodiscard]] inline std::uint16_t load_u16(const std::byte* data) noexcept {
  return load_unaligned<std::uint16_t>(data);
}

[[nodiscard]] inline std::uint32_t load_u32(const std::byte* data) noexcept {
  return load_unaligned<std::uint32_t>(data);
}

[[nodiscard]] inline float load_half(const std::byte* data) noexcept { return half_to_float(load_u16(data)); }

/// True if the f16 is neither infinite nor NaN.
[[nodiscard]] constexpr bool is_finite_half(std::uint16_t half) noexcept { return (half & 0x7C00) != 0x7C00; }

/// Base of the readers whose blocks hold f16 scales at these byte offsets.
template <int... Offsets>
struct HalfScalesAt {
  [[nodiscard]] static bool has_finite_scales(const std::byte* block) noexcept {
    return (is_finite_half(load_u16(block + Offsets)) && ...);
  }
};

// --- Filling a CodeBlock ---

/// One scale and one offset for all 32 elements.
inline void set_scale(CodeBlock& out, float scale, float offset = 0.0f) noexcept {
  out.scale[0] = out.scale[1] = scale;
  out.offset[0] = out.offset[1] = offset;
}

/// A scale for each half; no offset.
inline void set_scales(CodeBlock& out, float first, float second) noexcept {
  out.scale[0] = first;
  out.scale[1] = second;
  out.offset[0] = out.offset[1] = 0.0f;
}

/// Sets code e to `code_of(e)` for e = 0..31.
///
/// Goes through a local array: the compiler then knows that the stores change nothing `code_of` reads (both
/// are bytes), which is what lets it vectorise at -O2.
template <class CodeOf>
inline void fill_codes(CodeBlock& out, CodeOf code_of) noexcept {
  std::int8_t code[code_block_elements];
  for (int e = 0; e < code_block_elements; ++e) code[e] = static_cast<std::int8_t>(code_of(e));
  std::memcpy(out.code, code, sizeof code);
}

/// Sets the codes from 16 bytes in "nibble split" order (§4.2): low nibbles are elements 0..15, high
/// ones 16..31. `code_of(nibble, e)` maps a nibble to its code.
template <class CodeOf>
inline void fill_from_nibbles(CodeBlock& out, const std::uint8_t* nibbles, CodeOf code_of) noexcept {
  constexpr int half = code_block_elements / 2;
  std::int8_t code[code_block_elements];
  for (int e = 0; e < half; ++e) code[e] = static_cast<std::int8_t>(code_of(nibbles[e] & 15, e));
  for (int e = 0; e < half; ++e)
    code[e + half] = static_cast<std::int8_t>(code_of(nibbles[e] >> 4, e + half));
  std::memcpy(out.code, code, sizeof code);
}

}  // namespace detail
}  // namespace lamina
