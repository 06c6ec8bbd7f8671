// SPDX-License-Identifier: Apache-2.0
// Formats by their first bytes, and FLAC, Ogg and MP3 through libsndfile where there is one.
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/sound/decode.hpp>

#include "support/expect_error.hpp"
#include "support/wav_builder.hpp"

namespace {

using lamina::ErrorCode;
using lamina::SoundFormat;

SoundFormat format_of(const std::string& head) { return lamina::sound_format_of(builder::bytes_of(head)); }

lamina::Result<lamina::Recording> read(const std::string& file, const lamina::SoundLimits& limits = {}) {
  return lamina::read_recording(builder::bytes_of(file), "a.sound", limits);
}

TEST_CASE("formats are told by their first bytes") {
  CHECK(format_of(WavBuilder().file()) == SoundFormat::wav);
  CHECK(format_of("RIFF....AVI ") == SoundFormat::other);
  CHECK(format_of("fLaC") == SoundFormat::flac);
  CHECK(format_of("OggS") == SoundFormat::ogg);
  CHECK(format_of("ID3") == SoundFormat::mp3);
  CHECK(format_of("\xFF\xFB\x90\x64") == SoundFormat::mp3);
  CHECK(format_of("\xFF\xF3\x40\xC4") == SoundFormat::mp3);
  CHECK(format_of("\xFF\xD8\xFF\xE0") == SoundFormat::other);  // JPEG
  CHECK(format_of("\xFF\xFF\xFF\xFF") == SoundFormat::other);
  CHECK(format_of("\xFF\xFB") == SoundFormat::other);
  CHECK(format_of("") == SoundFormat::other);
}

TEST_CASE("other files are refused") {
  expect_error(read("\x89PNG\r\n"), ErrorCode::bad_file, "a.sound", "no sound file that is read");
  expect_error(read(""), ErrorCode::bad_file, "a.sound", "no sound file that is read");
}

TEST_CASE("a build without libsndfile says what to install") {
  for (const SoundFormat format : {SoundFormat::flac, SoundFormat::ogg, SoundFormat::mp3}) {
    const lamina::Result<lamina::Recording> missing = lamina::detail::sndfile_missing(format, "a.sound");
    expect_error(
        missing, ErrorCode::unsupported, "a.sound",
        std::string(name_of(format)) + " files are read by libsndfile, which this build does not have");
    if (!missing) CHECK(missing.error().hint.view().find("libsndfile1-dev") != std::string_view::npos);
#if !defined(LAMINA_WITH_SNDFILE)
    const std::string head = format == SoundFormat::flac  ? "fLaC"
                             : format == SoundFormat::ogg ? "OggS"
                                                          : "ID3";
    expect_error(read(head), ErrorCode::unsupported, "a.sound", "read by libsndfile");
#endif
  }
}

TEST_CASE("a sound is one channel of 16 kHz, whatever the file has") {
  WavBuilder wav;
  wav.channels = 2;
  wav.rate = 48'000;
  for (const float value : tone(440, 48'000, 4'800)) {
    wav.put<std::int16_t>({static_cast<std::int16_t>(value * 32'767), 0});
  }
  const std::string file = wav.file();
  const auto sound = lamina::read_sound(builder::bytes_of(file), "a.wav");
  REQUIRE(message_of(sound) == "");
  CHECK(sound->samples.size() == 1'600);
  CHECK(sound->seconds() == doctest::Approx(0.1));
  const std::vector<float> expected = tone(440, 16'000, 1'600, 0.25);
  for (std::size_t i = 200; i < 1'400; ++i) CHECK(std::abs(sound->samples.span()[i] - expected[i]) < 1e-4F);
}

#if defined(LAMINA_WITH_SNDFILE)

/// A file in memory that libsndfile writes.
struct Written {
  std::string bytes;
  sf_count_t position = 0;

  static sf_count_t size(void* self) {
    return static_cast<sf_count_t>(static_cast<Written*>(self)->bytes.size());
  }
  static sf_count_t tell(void* self) { return static_cast<Written*>(self)->position; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    auto& file = *static_cast<Written*>(self);
    file.position = offset + (whence == SEEK_CUR ? file.position : whence == SEEK_END ? size(self) : 0);
    return file.position;
  }
  static sf_count_t read(void*, sf_count_t, void*) { return 0; }
  static sf_count_t write(const void* from, sf_count_t count, void* self) {
    auto& file = *static_cast<Written*>(self);
    const auto end = static_cast<std::size_t>(file.position + count);
    if (file.bytes.size() < end) file.bytes.resize(end);
    std::memcpy(file.bytes.data() + file.position, from, static_cast<std::size_t>(count));
    file.position += count;
    return count;
  }
};

std::string encoded(int format, const std::vector<float>& samples, int channels, int rate) {
  Written written;
  SF_VIRTUAL_IO access{Written::size, Written::seek, Written::read, Written::write, Written::tell};
  SF_INFO info{};
  info.channels = channels;
  info.samplerate = rate;
  info.format = format;
  SNDFILE* file = sf_open_virtual(&access, SFM_WRITE, &info, &written);
  if (file == nullptr) return {};
  sf_writef_float(file, samples.data(), static_cast<sf_count_t>(samples.size()) / channels);
  sf_close(file);
  return written.bytes;
}

TEST_CASE("FLAC is read without loss") {
  const std::vector<float> samples = tone(440, 22'050, 30'000);
  const std::string file = encoded(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, samples, 2, 22'050);
  REQUIRE(!file.empty());
  const auto recording = read(file);
  REQUIRE(message_of(recording) == "");
  CHECK(recording->channels == 2);
  CHECK(recording->rate == 22'050);
  REQUIRE(recording->samples.size() == samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (std::abs(recording->samples.span()[i] - samples[i]) > 1.01F / 32'768) FAIL_CHECK("sample ", i);
  }
}

TEST_CASE("Ogg and MP3 are read, as near as they are") {
  const int mp3 = 0x230000 | 0x0082;  // SF_FORMAT_MPEG, layer III: names that libsndfile has from 1.1 on
  for (const int format : {SF_FORMAT_OGG | SF_FORMAT_VORBIS, mp3}) {
    const std::string file = encoded(format, tone(440, 44'100, 88'200), 1, 44'100);
    if (file.empty()) continue;  // libsndfile before 1.1 has no MP3
    const auto sound = lamina::read_sound(builder::bytes_of(file), "a.sound");
    REQUIRE(message_of(sound) == "");
    CHECK(sound->seconds() > 1.95);
    CHECK(sound->seconds() < 2.15);
    double energy = 0;
    for (const float value : sound->samples.span())
      energy += static_cast<double>(value) * static_cast<double>(value);
    CHECK(std::sqrt(energy / static_cast<double>(sound->samples.size())) ==
          doctest::Approx(0.5 / std::sqrt(2)).epsilon(0.05));
  }
}

TEST_CASE("damaged files are refused, and the limits hold for every format") {
  const std::string file = encoded(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, tone(440, 16'000, 160'000), 1, 16'000);
  REQUIRE(!file.empty());
  expect_error(read(file, {.max_seconds = 9.9}), ErrorCode::unsupported, "a.sound", "longer than the limit");
  expect_error(read(file, {.max_bytes = 639'999}), ErrorCode::unsupported, "a.sound",
               "larger than the limit");
  CHECK(read(file, {.max_seconds = 10, .max_bytes = 640'000}));
  CHECK_FALSE(read(file.substr(0, file.size() / 2)));
  CHECK_FALSE(read(file.substr(0, 50)));
  CHECK_FALSE(read("fLaC"));
  CHECK_FALSE(read("OggS and nothing else"));
  CHECK_FALSE(read("ID3 and nothing else"));
  // STREAMINFO holds the number of samples in 36 bits; claim ten hours.
  std::string claims = file;
  const std::uint64_t ten_hours = 36'000ULL * 16'000;
  for (int i = 0; i < 4; ++i)
    claims[25 - static_cast<std::size_t>(i)] = static_cast<char>(ten_hours >> 8 * i);
  expect_error(read(claims), ErrorCode::unsupported, "a.sound", "longer than the limit");
  expect_error(read(claims, {.max_seconds = 1e6, .max_bytes = 1ULL << 40}), ErrorCode::bad_file, "a.sound",
               "");
}

#endif

}  // namespace
