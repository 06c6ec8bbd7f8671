// SPDX-License-Identifier: Apache-2.0
// Reads WAV files: PCM of 8 to 32 bits and floats, plain, extensible and RF64, from untrusted bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/media/buffer.hpp>
#include <lamina/media/sound/recording.hpp>

namespace lamina {

namespace detail {

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

/// Walks the chunks of one file.
class WavReader {
 public:
  WavReader(std::span<const std::byte> bytes, std::string_view name) noexcept : cursor_(bytes), name_(name) {}

  [[nodiscard]] Result<Recording> read(const SoundLimits& limits) noexcept {
    LAMINA_TRY(read_head());
    std::uint32_t declared = 0;
    bool has_format = false;
    for (char id[4]; read_chunk_head(id, declared);) {
      const std::string_view kind(id, 4);
      if (kind == "data") {
        if (!has_format) return bad_file(place(name_, "data chunk"), "there is no fmt chunk before it");
        return read_samples(declared, limits);
      }
      std::span<const std::byte> chunk;
      if (!cursor_.take(declared, chunk)) {
        return bad_file(place(name_, text("chunk \"%.4s\"", id)), "the file ends within the chunk",
                        text("%u bytes", declared),
                        text("%llu bytes", static_cast<unsigned long long>(cursor_.remaining())));
      }
      if (kind == "fmt " && !has_format) {
        auto format = read_wav_format(chunk, place(name_, "fmt chunk"));
        if (!format) return format.error();
        format_ = *format;
        has_format = true;
      } else if (kind == "ds64" && is_64_bit_) {
        if (chunk.size() < 16) {
          return bad_file(place(name_, "ds64 chunk"), "the chunk is too short", "16 bytes or more",
                          text("%zu bytes", chunk.size()));
        }
        long_size_ = load_unaligned<std::uint64_t>(chunk.data() + 8);
      }
      // Chunks begin at even positions.
      if (declared % 2 != 0) (void)cursor_.take(1, chunk);
    }
    return bad_file(place(name_), has_format ? "there is no data chunk" : "there is no fmt chunk");
  }

 private:
  /// Reads "RIFF", size, "WAVE".
  [[nodiscard]] Status read_head() noexcept {
    std::span<const std::byte> magic, form;
    const bool fits = cursor_.take(4, magic) && cursor_.read(riff_size_) && cursor_.take(4, form);
    if (!fits || as_text(form) != "WAVE") return bad_file(place(name_), "is no WAV file");
    const std::string_view kind = as_text(magic);
    is_64_bit_ = kind == "RF64" || kind == "BW64";
    if (kind == "RIFX") {
      return file_error(ErrorCode::unsupported, place(name_), "the WAV file is big-endian (RIFX)", {}, {},
                        "save the sound as ordinary WAV");
    }
    if (kind != "RIFF" && !is_64_bit_) return bad_file(place(name_), "is no WAV file");
    return Done{};
  }

  [[nodiscard]] bool read_chunk_head(char (&id)[4], std::uint32_t& size) noexcept {
    std::span<const std::byte> bytes;
    if (cursor_.remaining() < 8 || !cursor_.take(4, bytes)) return false;
    std::memcpy(id, bytes.data(), 4);
    return cursor_.read(size);
  }

  /// Tells whether a size stands for "until the file ends", as programs write it that cannot know the size
  /// yet.
  [[nodiscard]] bool is_open_end(std::uint64_t declared) const noexcept {
    // FFmpeg
    if (declared == UINT32_MAX || declared == UINT64_MAX) return true;
    // GStreamer and interrupted recorders; a file that says how long it is may well hold no samples.
    if (declared == 0) return riff_size_ == UINT32_MAX || riff_size_ + std::uint64_t{8} <= cursor_.position();
    // SoX: the most whole frames below 2 GiB - 4 KiB
    constexpr std::uint64_t sox = 0x7FFF'F000;
    return !is_64_bit_ && declared == sox - sox % format_.frame_bytes();
  }

  [[nodiscard]] Result<Recording> read_samples(std::uint32_t declared_32,
                                               const SoundLimits& limits) noexcept {
    const FixedText<192> where = place(name_, "data chunk");
    const std::uint64_t declared = is_64_bit_ && declared_32 == UINT32_MAX ? long_size_ : declared_32;
    const std::uint64_t frame_bytes = format_.frame_bytes();
    const std::uint64_t present = cursor_.remaining();
    // Of a recording without an end the last frame may be cut.
    const std::uint64_t size = is_open_end(declared) ? present - present % frame_bytes : declared;
    if (size > present) {
      return bad_file(
          where, "the file ends before the samples do",
          text("%llu bytes (%.1f s)", static_cast<unsigned long long>(size), seconds_of(size)),
          text("%llu bytes (%.1f s)", static_cast<unsigned long long>(present), seconds_of(present)),
          "copy or download the file again");
    }
    if (size % frame_bytes != 0) {
      return bad_file(where, "the samples do not end with a whole frame",
                      text("a multiple of %llu bytes", static_cast<unsigned long long>(frame_bytes)),
                      text("%llu bytes", static_cast<unsigned long long>(size)));
    }
    if (size == 0) return bad_file(where, "there are no samples");
    LAMINA_TRY(check_sound_length(size / frame_bytes, format_.channels, format_.rate, limits, where));
    std::span<const std::byte> data;
    (void)cursor_.take(size, data);
    return widen(data, where);
  }

  [[nodiscard]] Result<Recording> widen(std::span<const std::byte> data,
                                        const FixedText<192>& where) const noexcept {
    auto samples = Buffer<float>::make(data.size() / format_.sample_bytes, where);
    if (!samples) return samples.error();
    const std::span<float> out = samples->span();
    if (format_.coding == WavCoding::floats) {
      format_.sample_bytes == 4 ? narrow_floats<float>(data, out) : narrow_floats<double>(data, out);
      LAMINA_TRY(check_finite_samples(out, format_.channels, format_.rate, where));
    } else {
      using Widen = void (*)(std::span<const std::byte>, std::span<float>) noexcept;
      constexpr Widen widths[] = {widen_pcm<1>, widen_pcm<2>, widen_pcm<3>, widen_pcm<4>};
      widths[format_.sample_bytes - 1](data, out);
    }
    return Recording{std::move(*samples), format_.channels, format_.rate};
  }

  [[nodiscard]] double seconds_of(std::uint64_t bytes) const noexcept {
    return static_cast<double>(bytes / format_.frame_bytes()) / format_.rate;
  }
  [[nodiscard]] static std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  ByteCursor cursor_;
  std::string_view name_;
  WavFormat format_;
  std::uint32_t riff_size_ = 0;
  std::uint64_t long_size_ = UINT64_MAX;  ///< of the samples, as a ds64 chunk says
  bool is_64_bit_ = false;
};

}  // namespace detail

/// Reads a WAV file from memory. `name` names the file in errors.
///
/// Chunks other than ds64, fmt and data are skipped, and whatever follows the samples. A size of the data
/// chunk that says "until the file ends" is taken at its word; every other one must be there.
///
/// Errors   bad_file (with the numbers of file and header; samples that are no finite numbers), unsupported
///          (compressed or big-endian; over `limits`), out_of_memory
/// Cost     one pass; memory for the samples is taken only when the header is checked and the bytes are there
[[nodiscard]] inline Result<Recording> read_wav(std::span<const std::byte> bytes, std::string_view name,
                                                const SoundLimits& limits = {}) noexcept {
  return detail::WavReader(bytes, name).read(limits);
}

}  // namespace lamina
