// SPDX-License-Identifier: Apache-2.0
// How samples are coded in a WAV file: its fmt chunk, and samples of every width as floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/media/sound/recording.hpp>

namespace lamina::detail {

enum class WavCoding : std::uint8_t { pcm, floats };

/// What a fmt chunk says.
struct WavFormat {
  WavCoding coding = WavCoding::pcm;
  int channels = 0;
  int rate = 0;
  std::uint32_t sample_bytes = 0;  ///< of one sample of one channel

  [[nodiscard]] std::uint64_t frame_bytes() const noexcept {
    return std::uint64_t{sample_bytes} * static_cast<std::uint32_t>(channels);
  }
};

/// Names a format tag of compressed sound, or nothing.
[[nodiscard]] constexpr std::string_view name_of_wav_tag(std::uint16_t tag) noexcept {
  switch (tag) {
    case 0x0002:
      return "Microsoft ADPCM";
    case 0x0006:
      return "A-law";
    case 0x0007:
      return "mu-law";
    case 0x0011:
      return "IMA ADPCM";
    case 0x0031:
      return "GSM 6.10";
    case 0x0050:
      return "MPEG layer 1 or 2";
    case 0x0055:
      return "MP3";
    case 0x0092:
      return "Dolby AC-3";
    case 0x00FF:
    case 0x1610:
      return "AAC";
    case 0x0160:
    case 0x0161:
    case 0x0162:
      return "Windows Media Audio";
    case 0x566F:
      return "Vorbis";
    case 0xF1AC:
      return "FLAC";
    default:
      return {};
  }
}

/// The tag that an extensible format hides in its GUID; 0 when the GUID is none of Microsoft's wave formats.
[[nodiscard]] inline std::uint16_t tag_of_guid(std::span<const std::byte> guid) noexcept {
  static constexpr unsigned char rest[14] = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                             0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71};
  const bool is_wave = std::memcmp(guid.data() + 2, rest, sizeof rest) == 0;
  return is_wave ? load_unaligned<std::uint16_t>(guid.data()) : std::uint16_t{0};
}

/// Reads a fmt chunk.
[[nodiscard]] inline Result<WavFormat> read_wav_format(std::span<const std::byte> chunk,
                                                       const FixedText<192>& where) noexcept {
  if (chunk.size() < 16) {
    return bad_file(where, "the chunk is too short", "16 bytes or more", text("%zu bytes", chunk.size()));
  }
  auto tag = load_unaligned<std::uint16_t>(chunk.data());
  const auto channels = load_unaligned<std::uint16_t>(chunk.data() + 2);
  const auto rate = load_unaligned<std::uint32_t>(chunk.data() + 4);
  const auto frame_bytes = load_unaligned<std::uint16_t>(chunk.data() + 12);
  const auto bits = load_unaligned<std::uint16_t>(chunk.data() + 14);
  constexpr std::uint16_t pcm = 1, floats = 3, extensible = 0xFFFE;
  if (tag == extensible) {
    if (chunk.size() < 40) {
      return bad_file(where, "the chunk is too short for an extensible format", "40 bytes or more",
                      text("%zu bytes", chunk.size()));
    }
    const auto used_bits = load_unaligned<std::uint16_t>(chunk.data() + 18);
    if (used_bits > bits) {
      return bad_file(where, "more bits of a sample are used than it has", text("at most %u", bits),
                      text("%u", used_bits));
    }
    tag = tag_of_guid(chunk.subspan(24, 16));
  }
  if (tag != pcm && tag != floats) {
    const std::string_view name = name_of_wav_tag(tag);
    return file_error(ErrorCode::unsupported, where, "the samples are coded in a way that is not read",
                      "PCM or floats", name.empty() ? text("format tag 0x%04X", tag) : FixedText<160>(name),
                      "save the sound as 16-bit PCM WAV");
  }
  LAMINA_TRY(check_sound_shape(channels, rate, where));
  const bool is_known = tag == pcm ? bits >= 1 && bits <= 32 : bits == 32 || bits == 64;
  if (!is_known) {
    return file_error(ErrorCode::unsupported, where, "samples of this width are not read",
                      tag == pcm ? "1 to 32 bits of PCM" : "floats of 32 or 64 bits", text("%u bits", bits),
                      "save the sound as 16-bit PCM WAV");
  }
  WavFormat format{tag == pcm ? WavCoding::pcm : WavCoding::floats, channels, static_cast<int>(rate),
                   (bits + 7U) / 8};
  if (frame_bytes != format.frame_bytes()) {
    return bad_file(where, "the size of a frame is not that of its samples",
                    text("%llu bytes (%u channels of %u bits)",
                         static_cast<unsigned long long>(format.frame_bytes()), channels, bits),
                    text("%u bytes", frame_bytes));
  }
  return format;
}

/// Widens one PCM sample of `Bytes` bytes to a float, full scale 1 (audio.md §2.2). One byte is unsigned.
template <int Bytes>
[[nodiscard]] inline float pcm_sample(const std::byte* from) noexcept {
  if constexpr (Bytes == 1) {
    return (static_cast<float>(*from) - 128.0F) / 128.0F;
  } else if constexpr (Bytes == 2) {
    return static_cast<float>(load_unaligned<std::int16_t>(from)) / 32'768.0F;
  } else if constexpr (Bytes == 3) {
    // Into the upper three bytes, so that the sign is where it belongs.
    const auto low = load_unaligned<std::uint16_t>(from);
    const auto raw = std::uint32_t{low} << 8 | std::to_integer<std::uint32_t>(from[2]) << 24;
    return static_cast<float>(static_cast<std::int32_t>(raw)) / 2'147'483'648.0F;
  } else {
    return static_cast<float>(load_unaligned<std::int32_t>(from)) / 2'147'483'648.0F;
  }
}

template <int Bytes>
void widen_pcm(std::span<const std::byte> data, std::span<float> samples) noexcept {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = pcm_sample<Bytes>(data.data() + i * Bytes);
  }
}

template <class T>
void narrow_floats(std::span<const std::byte> data, std::span<float> samples) noexcept {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<float>(load_unaligned<T>(data.data() + i * sizeof(T)));
  }
}

}  // namespace lamina::detail
