// SPDX-License-Identifier: Apache-2.0
// Random valid blocks of any format, of a wanted spread: weights that keep activations finite, made as fast
// as memory takes them, without floats in between.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/blocks/decode.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/formats/half.hpp>
#include <lamina/testing/random_weights.hpp>

namespace lamina::testing {

/// Writes blocks of one format with random codes and scales around one size.
///
/// Elements have mean 0 and about the standard deviation asked for: scales have both signs, and formats with
/// a second field have it in the proportion that centres their codes. What a scale of 1 gives is measured by
/// decoding.
class RandomBlocks {
 public:
  /// Requires `format` is not I32, `deviation` > 0. Cost: decodes 256 blocks.
  RandomBlocks(Format format, float deviation) noexcept : format_(format), fields_(fields_of(format)) {
    set_scales(1.0F);
    set_scales(deviation / (is_float(format) ? 1.0F : measured_deviation()));
  }

  /// Fills `blocks`, a whole number of them.
  void fill(std::span<std::byte> blocks, RandomNumbers& random) const noexcept {
    const std::size_t block_bytes = info_of(format_).block_bytes;
    LAMINA_DCHECK(blocks.size() % block_bytes == 0);
    if (is_float(format_)) {
      for (std::size_t at = 0; at < blocks.size(); at += block_bytes) write_float(&blocks[at], random);
      return;
    }
    for (std::size_t at = 0; at < blocks.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t bits = random.next();
      std::memcpy(&blocks[at], &bits, at + sizeof bits <= blocks.size() ? sizeof bits : blocks.size() - at);
    }
    if (format_ == Format::q8_0) {  // quantisers never write -128
      for (std::byte& code : blocks) code = code == std::byte{0x80} ? std::byte{0x81} : code;
    }
    for (std::size_t at = 0; at < blocks.size(); at += block_bytes) write_scales(&blocks[at], random.next());
  }

 private:
  /// Where a block has its f16 scale, and the second f16 field as a multiple of it.
  struct Fields {
    std::size_t scale = 0;
    std::size_t second = 0;  ///< 0: none
    float ratio = 0;         ///< of the second field to the scale: mean of what the scale multiplies
  };

  static constexpr Fields fields_of(Format format) noexcept {
    switch (format) {
      case Format::q4_1:
        return {0, 2, -7.5F};
      case Format::q5_1:
        return {0, 2, -15.5F};
      case Format::q2_k:
        return {80, 82, 1.5F};
      case Format::q4_k:
        return {0, 2, 7.5F};
      case Format::q5_k:
        return {0, 2, 15.5F};
      case Format::q3_k:
        return {108};
      case Format::q6_k:
        return {208};
      case Format::tq1_0:
        return {52};
      case Format::tq2_0:
        return {64};
      default:
        return {};
    }
  }

  /// 256 scales to choose from: 0.6 to 1.4 times `size`, every second one negative.
  void set_scales(float size) noexcept {
    spread_ = size * std::sqrt(3.0F);
    for (std::size_t i = 0; i < scales_.size(); ++i) {
      const float magnitude = size * (0.6F + 0.8F * static_cast<float>(i / 2) / 127.0F);
      const float scale = i % 2 == 0 ? magnitude : -magnitude;
      scales_[i] = float_to_half(scale);
      seconds_[i] = float_to_half(scale * fields_.ratio);
    }
    // A power of two per block; and an 8-bit float of 4 exponent bits, by search: it is not monotonic at its
    // ends.
    exponent_ =
        static_cast<std::uint8_t>(std::lround(std::fmin(250.0F, std::fmax(4.0F, 128.0F + std::log2(size)))));
    float nearest = 1e30F;
    for (std::uint8_t code = 1; code < 0x7F; ++code) {
      const int exponent = code >> 3;
      const float mantissa = static_cast<float>(code & 7) / 8.0F;
      const float value =
          exponent == 0 ? std::ldexp(mantissa, -6) : std::ldexp(1.0F + mantissa, exponent - 7);
      if (std::fabs(value - size) < nearest) {
        nearest = std::fabs(value - size);
        small_float_ = code;
      }
    }
  }

  static void store(std::byte* at, std::uint16_t bits) noexcept {
    at[0] = static_cast<std::byte>(bits & 0xFF);
    at[1] = static_cast<std::byte>(bits >> 8);
  }

  void write_scales(std::byte* block, std::uint64_t random) const noexcept {
    const std::size_t pick = random >> 56;
    switch (format_) {
      case Format::mxfp4:
        block[0] = static_cast<std::byte>(exponent_ - pick % 2);
        return;
      case Format::nvfp4:
        std::memset(block, small_float_, 4);
        return;
      case Format::iq1_m:  // the upper nibbles of the last four words are an f16
        for (std::size_t k = 0; k < 4; ++k) {
          std::byte& top = block[48 + 2 * k + 1];
          top = (top & std::byte{0x0F}) | static_cast<std::byte>((scales_[pick] >> (4 * k) & 15) << 4);
        }
        return;
      default:
        store(block + fields_.scale, scales_[pick]);
        if (fields_.second != 0) store(block + fields_.second, seconds_[pick]);
    }
  }

  void write_float(std::byte* element, RandomNumbers& random) const noexcept {
    const float value = spread_ * random.next_float();
    if (format_ == Format::f32) {
      std::memcpy(element, &value, sizeof value);
    } else {
      store(element, format_ == Format::f16 ? float_to_half(value) : float_to_bfloat(value));
    }
  }

  [[nodiscard]] float measured_deviation() const noexcept {
    constexpr int blocks = 256;
    const FormatInfo& info = info_of(format_);
    RandomNumbers random(1);
    std::array<std::byte, 256> bytes;  // the largest block has 210
    std::array<float, 256> elements;
    double sum = 0;
    for (int i = 0; i < blocks; ++i) {
      fill(std::span(bytes).first(info.block_bytes), random);
      decode_row(format_, bytes.data(), info.block_elements, elements.data());
      for (std::size_t k = 0; k < info.block_elements; ++k) sum += double{elements[k]} * double{elements[k]};
    }
    return static_cast<float>(std::sqrt(sum / (blocks * double{static_cast<double>(info.block_elements)})));
  }

  Format format_;
  Fields fields_;
  std::array<std::uint16_t, 256> scales_{};
  std::array<std::uint16_t, 256> seconds_{};
  float spread_ = 0;              ///< largest magnitude of a plain float
  std::uint8_t exponent_ = 0;     ///< MXFP4
  std::uint8_t small_float_ = 0;  ///< NVFP4
};

}  // namespace lamina::testing
