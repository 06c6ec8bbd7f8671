// SPDX-License-Identifier: Apache-2.0
// A random valid matrix of any format, for tests and benches of kernels: random bits, scales of about 1/64.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lamina/formats/half.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/testing/random_weights.hpp>

namespace lamina::testing {

/// Bytes of a random matrix, one byte more in front so that rows stand at odd addresses as they do in files.
class RandomMatrix {
 public:
  RandomMatrix(Format format, std::uint32_t rows, std::uint32_t columns, std::uint64_t seed)
      : format_(format), rows_(rows), columns_(columns), bytes_(1 + rows * row_bytes(format, columns)) {
    RandomNumbers random(seed);
    const FormatInfo& info = info_of(format);
    for (std::byte& byte : bytes_) byte = static_cast<std::byte>(random.next() >> 40);
    const std::size_t blocks = (bytes_.size() - 1) / info.block_bytes;
    for (std::size_t b = 0; b < blocks; ++b) set_scales(bytes_.data() + 1 + b * info.block_bytes, random);
  }

  [[nodiscard]] WeightMatrix matrix() const {
    WeightMatrix w;
    w.data = bytes_.data() + 1;
    w.format = format_;
    w.rows = rows_;
    w.columns = columns_;
    return w;
  }

 private:
  static void set_u16(std::byte* at, std::uint32_t bits) {
    at[0] = static_cast<std::byte>(bits & 0xFF);
    at[1] = static_cast<std::byte>(bits >> 8);
  }

  void set_scales(std::byte* block, RandomNumbers& random) const {
    const auto set_half = [&](std::size_t at) {
      set_u16(block + at, float_to_half(random.next_float() / 64));
    };
    switch (format_) {
      case Format::f32: {
        const auto bits = std::bit_cast<std::uint32_t>(random.next_float());
        set_u16(block, bits & 0xFFFF);
        set_u16(block + 2, bits >> 16);
        break;
      }
      case Format::f16:
        return set_half(0);
      case Format::bf16:
        return set_u16(block, float_to_bfloat(random.next_float()));
      case Format::i32:
        return set_u16(block + 2, random.next() % 2 == 0 ? 0 : 0xFFFF);
      case Format::q4_1:
      case Format::q5_1:
      case Format::q4_k:
      case Format::q5_k:
        set_half(0);
        return set_half(2);
      case Format::q2_k:
        set_half(80);
        return set_half(82);
      case Format::q3_k:
        return set_half(108);
      case Format::q6_k:
        return set_half(208);
      case Format::tq1_0:
        return set_half(52);
      case Format::tq2_0:
        return set_half(64);
      case Format::mxfp4:
        block[0] = static_cast<std::byte>(119 + random.next() % 4);
        return;
      case Format::nvfp4:
        for (int i = 0; i < 4; ++i) block[i] = static_cast<std::byte>(random.next() % 0x40);
        return;
      case Format::iq1_m: {  // the four upper nibbles of the last eight bytes are an f16
        const std::uint32_t half = float_to_half(random.next_float() / 64);
        for (std::size_t k = 0; k < 4; ++k) {
          std::byte& top = block[48 + 2 * k + 1];
          top = (top & std::byte{0x0F}) | static_cast<std::byte>((half >> (4 * k) & 15) << 4);
        }
        return;
      }
      default:
        return set_half(0);
    }
  }

  Format format_;
  std::uint32_t rows_;
  std::uint32_t columns_;
  std::vector<std::byte> bytes_;
};

}  // namespace lamina::testing
