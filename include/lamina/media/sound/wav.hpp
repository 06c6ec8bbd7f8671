// SPDX-License-Identifier: Apache-2.0
// Reads WAV files: PCM of 8 to 32 bits and floats, plain, extensible and RF64, from untrusted bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/media/buffer.hpp>
#include <lamina/media/sound/recording.hpp>
#include <lamina/media/sound/wav_format.hpp>

namespace lamina {

namespace detail {

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
