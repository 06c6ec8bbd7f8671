// SPDX-License-Identifier: Apache-2.0
// Makes WAV files byte by byte, right ones and wrong ones.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include "support/gguf_builder.hpp"

/// The fields of a file; what is left alone is right.
struct WavBuilder {
  std::string magic = "RIFF";
  std::uint16_t tag = 1;
  std::uint16_t channels = 1;
  std::uint32_t rate = 16'000;
  std::uint16_t bits = 16;
  std::int32_t frame_bytes = -1;  ///< -1: what channels and bits make
  bool is_extensible = false;
  std::uint16_t used_bits = 0;
  std::string before;           ///< chunks between fmt and data
  std::string after;            ///< chunks behind data
  std::int64_t data_size = -1;  ///< -1: what is there
  std::int64_t riff_size = -1;
  std::string data;

  static std::string chunk(std::string_view id, std::string_view body) {
    std::string out(id);
    out += builder::raw(static_cast<std::uint32_t>(body.size()));
    out += body;
    if (body.size() % 2 != 0) out += '\0';
    return out;
  }

  [[nodiscard]] std::string format() const {
    const int frame = frame_bytes >= 0 ? frame_bytes : channels * ((bits + 7) / 8);
    std::string out;
    out += builder::raw(is_extensible ? std::uint16_t{0xFFFE} : tag);
    out += builder::raw(channels);
    out += builder::raw(rate);
    out += builder::raw(rate * static_cast<std::uint32_t>(frame));
    out += builder::raw(static_cast<std::uint16_t>(frame));
    out += builder::raw(bits);
    if (is_extensible) {
      out += builder::raw(std::uint16_t{22});
      out += builder::raw(used_bits);
      out += builder::raw(std::uint32_t{4});
      out += builder::raw(tag);
      out += std::string("\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71", 14);
    }
    return out;
  }

  [[nodiscard]] std::string file() const {
    std::string body = "WAVE" + chunk("fmt ", format()) + before + "data";
    body += builder::raw(
        static_cast<std::uint32_t>(data_size >= 0 ? data_size : static_cast<std::int64_t>(data.size())));
    body += data;
    if (!after.empty() && data.size() % 2 != 0) body += '\0';
    body += after;
    std::string out = magic;
    out += builder::raw(
        static_cast<std::uint32_t>(riff_size >= 0 ? riff_size : static_cast<std::int64_t>(body.size())));
    return out + body;
  }

  template <class T>
  WavBuilder& put(std::initializer_list<T> values) {
    for (const T value : values) data += builder::raw(value);
    return *this;
  }
};

/// amplitude·sin(2π·hertz·t) for all frames, one channel.
inline std::vector<float> tone(double hertz, int rate, std::size_t frames, double amplitude = 0.5) {
  std::vector<float> samples(frames);
  for (std::size_t i = 0; i < frames; ++i) {
    const double angle = 2 * std::numbers::pi * hertz * static_cast<double>(i) / rate;
    samples[i] = static_cast<float>(amplitude * std::sin(angle));
  }
  return samples;
}
