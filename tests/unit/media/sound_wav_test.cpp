// SPDX-License-Identifier: Apache-2.0
// WAV files of every coding, and what is wrong with the others.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/sound/wav.hpp>

#include "support/expect_error.hpp"
#include "support/wav_builder.hpp"

namespace {

using lamina::ErrorCode;

lamina::Result<lamina::Recording> read_bytes_of(const std::string& file,
                                                const lamina::SoundLimits& limits = {}) {
  return lamina::read_wav(builder::bytes_of(file), "a.wav", limits);
}

std::vector<float> samples_of(const std::string& file) {
  const auto recording = read_bytes_of(file);
  CHECK(message_of(recording) == "");
  if (!recording) return {};
  const auto values = recording->samples.span();
  return {values.begin(), values.end()};
}

TEST_CASE("PCM of every width has full scale 1") {
  WavBuilder wav;
  wav.bits = 8;
  CHECK(samples_of(wav.put<std::uint8_t>({0, 128, 255, 192}).file()) ==
        std::vector<float>{-1.0F, 0.0F, 127 / 128.0F, 0.5F});
  wav = {};
  CHECK(samples_of(wav.put<std::int16_t>({-32'768, 0, 32'767, 1}).file()) ==
        std::vector<float>{-1.0F, 0.0F, 32'767 / 32'768.0F, 1 / 32'768.0F});
  wav = {};
  wav.bits = 24;
  wav.data = std::string("\x00\x00\x80\xFF\xFF\x7F\x01\x00\x00\xFF\xFF\xFF", 12);
  CHECK(samples_of(wav.file()) ==
        std::vector<float>{-1.0F, 8'388'607 / 8'388'608.0F, 1 / 8'388'608.0F, -1 / 8'388'608.0F});
  wav = {};
  wav.bits = 32;
  CHECK(samples_of(wav.put<std::int32_t>({INT32_MIN, 1 << 30, 0}).file()) ==
        std::vector<float>{-1.0F, 0.5F, 0.0F});
}

TEST_CASE("PCM of odd widths lies at the upper end of its bytes") {
  WavBuilder wav;
  wav.bits = 12;
  CHECK(samples_of(wav.put<std::int16_t>({-32'768, 16'384}).file()) == std::vector<float>{-1.0F, 0.5F});
}

TEST_CASE("floats are taken as they are") {
  WavBuilder wav;
  wav.tag = 3;
  wav.bits = 32;
  CHECK(samples_of(wav.put<float>({0.25F, -1.5F}).file()) == std::vector<float>{0.25F, -1.5F});
  wav = {};
  wav.tag = 3;
  wav.bits = 64;
  CHECK(samples_of(wav.put<double>({0.1, -1.0}).file()) == std::vector<float>{0.1F, -1.0F});
}

TEST_CASE("an extensible format names its coding in a GUID") {
  WavBuilder wav;
  wav.is_extensible = true;
  wav.bits = 32;
  wav.used_bits = 24;
  CHECK(samples_of(wav.put<std::int32_t>({INT32_MIN, 1 << 30}).file()) == std::vector<float>{-1.0F, 0.5F});
  wav.tag = 3;
  wav.data.clear();
  CHECK(samples_of(wav.put<float>({0.25F}).file()) == std::vector<float>{0.25F});
  std::string other = wav.file();
  other[46] = 'x';  // within the GUID
  expect_error(read_bytes_of(other), ErrorCode::unsupported, "a.wav: fmt chunk",
               "coded in a way that is not read");
  wav.used_bits = 33;
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: fmt chunk", "more bits");
  wav.is_extensible = false;
  wav.tag = 0xFFFE;
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: fmt chunk",
               "too short for an extensible format");
}

TEST_CASE("channels, rate and frames are those of the header") {
  WavBuilder wav;
  wav.channels = 2;
  wav.rate = 44'100;
  const auto recording = read_bytes_of(wav.put<std::int16_t>({1, 2, 3, 4, 5, 6}).file());
  REQUIRE(message_of(recording) == "");
  CHECK(recording->channels == 2);
  CHECK(recording->rate == 44'100);
  CHECK(recording->frames() == 3);
  CHECK(recording->samples.span()[3] == 4 / 32'768.0F);
}

TEST_CASE("other chunks are skipped, with the byte that fills an odd one") {
  WavBuilder wav;
  wav.before = WavBuilder::chunk("LIST", "odd") + WavBuilder::chunk("fact", "1234");
  wav.after = WavBuilder::chunk("LIST", "more");
  wav.bits = 8;
  CHECK(samples_of(wav.put<std::uint8_t>({128, 0, 128}).file()) == std::vector<float>{0.0F, -1.0F, 0.0F});
}

TEST_CASE("sizes of 64 bits stand in a ds64 chunk") {
  WavBuilder wav;
  wav.put<std::int16_t>({16'384, 0});
  std::string ds64;
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{2}})
    ds64 += builder::raw(value);
  for (const char* magic : {"RF64", "BW64"}) {
    std::string file = magic;
    file += builder::raw(UINT32_MAX);
    file += "WAVE" + WavBuilder::chunk("ds64", ds64) + WavBuilder::chunk("fmt ", wav.format()) + "data";
    file += builder::raw(UINT32_MAX);
    const std::string right = file + wav.data + WavBuilder::chunk("LIST", "not samples");
    CHECK(samples_of(right) == std::vector<float>{0.5F, 0.0F});
    expect_error(read_bytes_of(file + "ab"), ErrorCode::bad_file, "a.wav: data chunk",
                 "ends before the samples do");
  }
}

TEST_CASE("a recording without an end is read to the end of the file") {
  WavBuilder wav;
  wav.put<std::int16_t>({16'384, 0});
  wav.data += 'x';  // half a sample, where the stream was cut
  wav.data_size = wav.riff_size = UINT32_MAX;
  CHECK(samples_of(wav.file()) == std::vector<float>{0.5F, 0.0F});
  wav.data_size = 0;
  for (const std::int64_t riff : {0, 36}) {
    wav.riff_size = riff;
    CHECK(samples_of(wav.file()) == std::vector<float>{0.5F, 0.0F});
  }
  wav.data_size = wav.riff_size = 0x7FFF'F000;
  CHECK(samples_of(wav.file()) == std::vector<float>{0.5F, 0.0F});
}

TEST_CASE("a file that truly holds no samples is refused") {
  WavBuilder wav;
  wav.after = WavBuilder::chunk("LIST", "words");
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: data chunk", "no samples");
  wav.after.clear();
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: data chunk", "no samples");
  wav.data_size = UINT32_MAX;
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: data chunk", "no samples");
}

TEST_CASE("a header that claims ten hours of a small file is refused with both numbers") {
  WavBuilder wav;
  wav.put<std::int16_t>({1, 2, 3, 4});
  wav.data_size = 36'000LL * 16'000 * 2;
  const auto recording = read_bytes_of(wav.file());
  expect_error(recording, ErrorCode::bad_file, "a.wav: data chunk", "ends before the samples do");
  if (recording) return;
  CHECK(recording.error().expected.view() == "1152000000 bytes (36000.0 s)");
  CHECK(recording.error().found.view() == "8 bytes (0.0 s)");
}

TEST_CASE("every truncation is refused") {
  WavBuilder wav;
  wav.before = WavBuilder::chunk("LIST", "words");
  const std::string file = wav.put<std::int16_t>({1, 2, 3, 4}).file();
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(read_bytes_of(file.substr(0, size)));
  }
}

TEST_CASE("the limits hold before memory is taken") {
  WavBuilder wav;
  wav.put<std::int16_t>({1, 2, 3, 4});
  expect_error(read_bytes_of(wav.file(), {.max_seconds = 3.5 / 16'000}), ErrorCode::unsupported, "a.wav",
               "longer than the limit");
  expect_error(read_bytes_of(wav.file(), {.max_seconds = std::numeric_limits<double>::quiet_NaN()}),
               ErrorCode::unsupported, "a.wav", "longer than the limit");
  expect_error(read_bytes_of(wav.file(), {.max_bytes = 15}), ErrorCode::unsupported, "a.wav",
               "larger than the limit");
  CHECK(read_bytes_of(wav.file(), {.max_seconds = 4.0 / 16'000, .max_bytes = 16}));
}

TEST_CASE("absurd channels and rates are refused") {
  WavBuilder wav;
  wav.put<std::int16_t>({1, 2});
  for (const std::uint16_t channels : {std::uint16_t{0}, std::uint16_t{65}, std::uint16_t{0xFFFF}}) {
    wav.channels = channels;
    expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: fmt chunk", "number of channels");
  }
  wav.channels = 1;
  for (const std::uint32_t rate : {0U, 1U, 999U, 768'001U, 0x8000'0000U, 0xFFFF'FFFFU}) {
    wav.rate = rate;
    expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: fmt chunk", "sample rate");
  }
  for (const std::uint32_t rate : {1'000U, 768'000U}) {
    wav.rate = rate;
    CHECK(read_bytes_of(wav.file()));
  }
}

TEST_CASE("samples that are no numbers are refused, and said where") {
  WavBuilder wav;
  wav.tag = 3;
  wav.bits = 32;
  wav.channels = 2;
  wav.put<float>({0, 0, 0, std::numeric_limits<float>::quiet_NaN()});
  const auto nan = read_bytes_of(wav.file());
  expect_error(nan, ErrorCode::bad_file, "a.wav: data chunk", "not a finite number");
  if (!nan) CHECK(nan.error().found.view() == "NaN in sample 1 of channel 1 (at 0.000 s)");
  wav.data.clear();
  wav.put<float>({-std::numeric_limits<float>::infinity(), 0});
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: data chunk", "not a finite number");
  wav.data.clear();
  wav.bits = 64;
  wav.put<double>({0, 1e300});  // no float32
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: data chunk", "not a finite number");
}

TEST_CASE("frames must be as large as their samples") {
  WavBuilder wav;
  wav.put<std::int16_t>({1, 2});
  for (const int frame : {0, 1, 3, 4}) {
    wav.frame_bytes = frame;
    expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: fmt chunk", "size of a frame");
  }
  wav.frame_bytes = -1;
  wav.data += 'x';
  expect_error(read_bytes_of(wav.file()), ErrorCode::bad_file, "a.wav: data chunk", "whole frame");
}

TEST_CASE("compressed sound is named and refused") {
  WavBuilder wav;
  wav.put<std::int16_t>({1, 2});
  const auto found = [&](std::uint16_t tag) {
    wav.tag = tag;
    const auto recording = read_bytes_of(wav.file());
    expect_error(recording, ErrorCode::unsupported, "a.wav: fmt chunk", "coded in a way that is not read");
    return recording ? std::string() : std::string(recording.error().found.view());
  };
  CHECK(found(2) == "Microsoft ADPCM");
  CHECK(found(6) == "A-law");
  CHECK(found(7) == "mu-law");
  CHECK(found(0x11) == "IMA ADPCM");
  CHECK(found(0x55) == "MP3");
  CHECK(found(0x1234) == "format tag 0x1234");
}

TEST_CASE("widths that no sample has are refused") {
  WavBuilder wav;
  wav.put<std::int16_t>({1, 2});
  for (const std::uint16_t bits : {std::uint16_t{0}, std::uint16_t{33}, std::uint16_t{64}}) {
    wav.bits = bits;
    expect_error(read_bytes_of(wav.file()), ErrorCode::unsupported, "a.wav: fmt chunk", "this width");
  }
  wav.tag = 3;
  wav.bits = 16;
  expect_error(read_bytes_of(wav.file()), ErrorCode::unsupported, "a.wav: fmt chunk", "this width");
}

TEST_CASE("what is no WAV file is told from a broken one") {
  expect_error(read_bytes_of(""), ErrorCode::bad_file, "a.wav", "is no WAV file");
  expect_error(read_bytes_of("RIFF....AVI LIST"), ErrorCode::bad_file, "a.wav", "is no WAV file");
  WavBuilder wav;
  wav.magic = "RIFX";
  expect_error(read_bytes_of(wav.file()), ErrorCode::unsupported, "a.wav", "big-endian");
  const std::string head("RIFF\0\0\0\0WAVE", 12);
  expect_error(read_bytes_of(head), ErrorCode::bad_file, "a.wav", "no fmt chunk");
  expect_error(read_bytes_of(head + WavBuilder::chunk("fmt ", WavBuilder().format())), ErrorCode::bad_file,
               "a.wav", "no data chunk");
  expect_error(read_bytes_of(head + WavBuilder::chunk("data", "ab")), ErrorCode::bad_file,
               "a.wav: data chunk", "no fmt chunk before it");
  expect_error(read_bytes_of(head + WavBuilder::chunk("fmt ", "short")), ErrorCode::bad_file,
               "a.wav: fmt chunk", "too short");
}

}  // namespace
