// SPDX-License-Identifier: Apache-2.0
// Reads FLAC, Ogg and MP3 through libsndfile, from memory. Optional: programs that include it link
// libsndfile.
#pragma once

#include <sndfile.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/media/buffer.hpp>
#include <lamina/media/sound/recording.hpp>

namespace lamina {

namespace detail {

/// A file in memory, as libsndfile reads it.
struct SoundBytes {
  std::span<const std::byte> bytes;
  sf_count_t position = 0;

  [[nodiscard]] sf_count_t size() const noexcept { return static_cast<sf_count_t>(bytes.size()); }

  static sf_count_t size_of(void* self) { return static_cast<SoundBytes*>(self)->size(); }
  static sf_count_t tell(void* self) { return static_cast<SoundBytes*>(self)->position; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    auto& file = *static_cast<SoundBytes*>(self);
    const sf_count_t base = whence == SEEK_CUR ? file.position : whence == SEEK_END ? file.size() : 0;
    // Decoders of damaged files ask for places before the file and behind it.
    const bool fits = offset >= -base && offset <= file.size() - base;
    if (fits) file.position = base + offset;
    return fits ? file.position : -1;
  }
  static sf_count_t read(void* to, sf_count_t count, void* self) {
    auto& file = *static_cast<SoundBytes*>(self);
    const sf_count_t given = std::clamp<sf_count_t>(count, 0, file.size() - file.position);
    if (given > 0) std::memcpy(to, file.bytes.data() + file.position, static_cast<std::size_t>(given));
    file.position += given;
    return given;
  }
};

/// An open file of libsndfile; closes itself.
class SndFile {
 public:
  explicit SndFile(SoundBytes& file) noexcept {
    static SF_VIRTUAL_IO access{SoundBytes::size_of, SoundBytes::seek, SoundBytes::read, nullptr,
                                SoundBytes::tell};
    handle_ = sf_open_virtual(&access, SFM_READ, &info_, &file);
  }
  SndFile(const SndFile&) = delete;
  SndFile& operator=(const SndFile&) = delete;
  ~SndFile() {
    if (handle_ != nullptr) sf_close(handle_);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] const SF_INFO& info() const noexcept { return info_; }
  [[nodiscard]] const char* message() const noexcept { return sf_strerror(handle_); }
  [[nodiscard]] bool is_broken() const noexcept { return sf_error(handle_) != SF_ERR_NO_ERROR; }
  /// Reads up to `values.size()` values, whole frames; returns how many.
  [[nodiscard]] std::size_t read(std::span<float> values) noexcept {
    const auto frames = static_cast<sf_count_t>(values.size()) / info_.channels;
    return static_cast<std::size_t>(std::max<sf_count_t>(0, sf_readf_float(handle_, values.data(), frames))) *
           static_cast<std::size_t>(info_.channels);
  }

 private:
  SF_INFO info_{};
  SNDFILE* handle_ = nullptr;
};

/// Reads all that comes. Memory grows with what is read, not with what a header says.
[[nodiscard]] inline Result<Buffer<float>> read_all(SndFile& file, const SoundLimits& limits,
                                                    const FixedText<192>& where) noexcept {
  const auto channels = static_cast<std::size_t>(file.info().channels);
  auto samples = Buffer<float>::make(channels << 16, where);
  if (!samples) return samples;
  std::size_t count = 0;
  while (const std::size_t given = file.read(samples->span().subspan(count))) {
    count += given;
    if (count < samples->size()) continue;
    LAMINA_TRY(
        check_sound_length(count / channels, file.info().channels, file.info().samplerate, limits, where));
    auto larger = Buffer<float>::make(2 * count, where);
    if (!larger) return larger;
    std::copy_n(samples->span().begin(), count, larger->span().begin());
    samples = std::move(larger);
  }
  samples->shrink(count);
  return samples;
}

}  // namespace detail

/// Reads a FLAC, Ogg or MP3 file (or another one that the installed libsndfile knows) from memory.
///
/// Errors   bad_file (what libsndfile says; fewer samples than the header promises), unsupported (over
///          `limits`), out_of_memory
/// Cost     what libsndfile costs; memory up to three times the decoded samples
[[nodiscard]] inline Result<Recording> read_with_sndfile(std::span<const std::byte> bytes,
                                                         std::string_view name,
                                                         const SoundLimits& limits = {}) noexcept {
  const FixedText<192> where = place(name);
  detail::SoundBytes memory{bytes};
  detail::SndFile file(memory);
  if (!file) return bad_file(where, text("libsndfile cannot read it: %s", file.message()));
  const SF_INFO& info = file.info();
  LAMINA_TRY(detail::check_sound_shape(static_cast<std::uint64_t>(info.channels),
                                       static_cast<std::uint64_t>(info.samplerate), where));
  const bool is_length_known = info.frames > 0 && info.frames < SF_COUNT_MAX;
  const std::uint64_t promised = is_length_known ? static_cast<std::uint64_t>(info.frames) : 0;
  LAMINA_TRY(detail::check_sound_length(promised, info.channels, info.samplerate, limits, where));
  auto samples = detail::read_all(file, limits, where);
  if (!samples) return samples.error();
  Recording recording{std::move(*samples), info.channels, info.samplerate};
  if (file.is_broken()) return bad_file(where, text("libsndfile cannot decode it: %s", file.message()));
  // Of MP3 files without an index the length is an estimate.
  const bool is_exact = (info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC;
  if (is_exact && recording.frames() < promised) {
    return bad_file(where, "the file ends before the samples do",
                    text("%llu samples", static_cast<unsigned long long>(promised)),
                    text("%zu samples", recording.frames()), "copy or download the file again");
  }
  if (recording.frames() == 0) return bad_file(where, "there are no samples");
  LAMINA_TRY(detail::check_sound_length(recording.frames(), info.channels, info.samplerate, limits, where));
  LAMINA_TRY(
      detail::check_finite_samples(recording.samples.span(), recording.channels, recording.rate, where));
  return recording;
}

}  // namespace lamina
