// SPDX-License-Identifier: Apache-2.0
// From the bytes of a sound file to what a model hears: tells the format by its first bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/media/sound/recording.hpp>
#include <lamina/media/sound/resample.hpp>
#include <lamina/media/sound/wav.hpp>
#if defined(LAMINA_WITH_SNDFILE)
#include <lamina/media/sound/sndfile.hpp>
#endif

namespace lamina {

enum class SoundFormat : std::uint8_t { wav, flac, ogg, mp3, other };

[[nodiscard]] constexpr std::string_view name_of(SoundFormat format) noexcept {
  constexpr std::string_view names[] = {"WAV", "FLAC", "Ogg", "MP3", "another format"};
  return names[static_cast<std::size_t>(format)];
}

/// Tells a format by the first bytes of a file.
[[nodiscard]] inline SoundFormat sound_format_of(std::span<const std::byte> bytes) noexcept {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (head.size() >= 12 && head.substr(8, 4) == "WAVE") return SoundFormat::wav;
  if (head.starts_with("fLaC")) return SoundFormat::flac;
  if (head.starts_with("OggS")) return SoundFormat::ogg;
  if (head.starts_with("ID3")) return SoundFormat::mp3;
  if (head.size() < 4) return SoundFormat::other;
  // A frame of MPEG audio: eleven ones, then fields of which some values are reserved.
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
  const bool is_mpeg = at(0) == 0xFF && (at(1) & 0xE0) == 0xE0 && (at(1) >> 3 & 3) != 1 &&
                       (at(1) >> 1 & 3) == 1 && at(2) >> 4 != 15 && (at(2) >> 2 & 3) != 3;
  return is_mpeg ? SoundFormat::mp3 : SoundFormat::other;
}

namespace detail {

/// What a build without libsndfile says of a format that needs it.
[[nodiscard]] inline Error sndfile_missing(SoundFormat format, std::string_view name) noexcept {
  return file_error(
      ErrorCode::unsupported, place(name),
      text("%s files are read by libsndfile, which this build does not have", name_of(format).data()), {}, {},
      "save the sound as WAV, or install libsndfile1-dev and build again");
}

}  // namespace detail

/// Reads a sound file from memory: WAV always; FLAC, Ogg and MP3 where the build has libsndfile
/// (`LAMINA_WITH_SNDFILE`, which the CMake target lamina::media sets when it finds the library).
///
/// Errors   those of `read_wav` and `read_with_sndfile`; bad_file (no format that is read), unsupported (a build
///          without libsndfile)
[[nodiscard]] inline Result<Recording> read_recording(std::span<const std::byte> bytes, std::string_view name,
                                                      const SoundLimits& limits = {}) noexcept {
  const SoundFormat format = sound_format_of(bytes);
  if (format == SoundFormat::wav) return read_wav(bytes, name, limits);
  if (format == SoundFormat::other) {
    return bad_file(place(name), "is no sound file that is read", "WAV, FLAC, Ogg or MP3",
                    bytes.empty() ? "an empty file" : "another format", "save the sound as WAV");
  }
#if defined(LAMINA_WITH_SNDFILE)
  return read_with_sndfile(bytes, name, limits);
#else
  return detail::sndfile_missing(format, name);
#endif
}

/// Reads a sound file and makes it fit for a model: one channel, 16 kHz.
[[nodiscard]] inline Result<Sound> read_sound(std::span<const std::byte> bytes, std::string_view name,
                                              const SoundLimits& limits = {}) noexcept {
  auto recording = read_recording(bytes, name, limits);
  if (!recording) return recording.error();
  return make_sound(std::move(*recording));
}

}  // namespace lamina
