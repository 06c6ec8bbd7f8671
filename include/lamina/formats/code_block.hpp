// SPDX-License-Identifier: Apache-2.0
// The one form every integer encoding unpacks to: 32 signed codes with two scales and two offsets.
#pragma once

#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina {

/// Elements of a row that share one `CodeBlock`.
inline constexpr int code_block_elements = 32;

/// 32 consecutive elements of a row as integers: `value[i] = scale[i / 16] * code[i] - offset[i / 16]`.
///
/// Multiplying first and subtracting second, each rounded to float32, reproduces every encoding of
/// weight-files.md §4 bit for bit.
struct CodeBlock {
  std::int8_t code[code_block_elements];
  float scale[2];
  float offset[2];
};

}  // namespace lamina
