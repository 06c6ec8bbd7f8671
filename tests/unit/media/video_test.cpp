// SPDX-License-Identifier: Apache-2.0
// Videos: which frames are taken and when they are shown, from lists, GIF files, folders and video files.
#include <cstddef>
#include <cstdint>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/pass/soft_tokens.hpp>
#include <lamina/media/video/video.hpp>
#if defined(LAMINA_HAS_FFMPEG)
#include <lamina/media/video/ffmpeg.hpp>
#endif

#include "support/expect_error.hpp"
#include "support/picture_builder.hpp"
#include "support/temporary_directory.hpp"

namespace {

using lamina::ErrorCode;
using lamina::Picture;
using lamina::Video;
using lamina::VideoOptions;
using Indices = std::vector<std::size_t>;

Indices sampled(std::size_t total, double rate, const lamina::FrameSampling& sampling) {
  const auto indices = lamina::sample_frames(total, rate, sampling);
  REQUIRE_MESSAGE(static_cast<bool>(indices), message_of(indices));
  return *indices;
}

std::vector<Picture> grey_pictures(std::size_t count, std::size_t width = 48, std::size_t height = 48) {
  std::vector<Picture> pictures;
  for (std::size_t i = 0; i < count; ++i) {
    auto picture = Picture::make(width, height, "test");
    REQUIRE(static_cast<bool>(picture));
    for (std::uint8_t& value : picture->rgb()) value = static_cast<std::uint8_t>(10 * (i + 1));
    pictures.push_back(*std::move(picture));
  }
  return pictures;
}

/// The red of each frame's first pixel.
std::vector<int> reds(const Video& video) {
  std::vector<int> values;
  for (const lamina::VideoFrame& frame : video.frames) values.push_back(frame.picture.rgb()[0]);
  return values;
}

std::vector<std::string> times(const Video& video) {
  std::vector<std::string> texts;
  for (const lamina::VideoFrame& frame : video.frames)
    texts.emplace_back(lamina::timestamp_text(frame.seconds).view());
  return texts;
}

TEST_CASE("sample_frames: evenly spaced from the first, never more than there are") {
  CHECK(sampled(7, 0.05, {.frames = 3}) == Indices{0, 2, 4});
  CHECK(sampled(5, 24, {}) == Indices{0, 1, 2, 3, 4});
  CHECK(sampled(1, 24, {}) == Indices{0});
  CHECK(sampled(32, 24, {}).back() == 31);
  CHECK(sampled(64, 24, {})[31] == 62);
  CHECK(sampled(10, 24, {.frames = 4}) == Indices{0, 2, 5, 7});
  CHECK(sampled(10, 24, {.frames = 1}) == Indices{0});
  // In double 3 · (37/37) and its like may fall below the whole number that they are.
  for (std::size_t total = 1; total < 300; ++total) {
    for (std::size_t count = 1; count <= total; ++count) {
      const Indices indices = sampled(total, 1, {.frames = count});
      for (std::size_t j = 0; j < count; ++j) {
        if (indices[j] != j * total / count) FAIL_CHECK(total << " " << count << " " << j);
      }
    }
  }
}

TEST_CASE("sample_frames: at a rate, at least one, capped") {
  CHECK(sampled(100, 25, {.per_second = 1}) == Indices{0, 25, 50, 75});
  CHECK(sampled(100, 25, {.frames = 2, .per_second = 1}) == Indices{0, 50});
  CHECK(sampled(100, 25, {.per_second = 0.9}) == Indices{0, 33, 66});
  CHECK(sampled(10, 25, {.per_second = 0.01}) == Indices{0});
  CHECK(sampled(10, 25, {.per_second = 1e300}).size() == 10);
}

TEST_CASE("sample_frames: no frames and no rates are errors") {
  expect_error(lamina::sample_frames(0, 24), ErrorCode::bad_argument, "video frames", "no number");
  expect_error(lamina::sample_frames(5, 24, {.frames = 0}), ErrorCode::bad_argument, "video frames",
               "no number");
  expect_error(lamina::sample_frames(SIZE_MAX, 24), ErrorCode::bad_argument, "video frames", "no number");
  for (const double rate : {0.0, -1.0, static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
    expect_error(lamina::sample_frames(5, rate), ErrorCode::bad_argument, "video rate", "no rate");
    if (rate != 0)
      expect_error(lamina::sample_frames(5, 24, {.per_second = rate}), ErrorCode::bad_argument, "video rate",
                   "no rate");
  }
}

TEST_CASE("timestamp_text: minutes and seconds, minutes over 59 too") {
  CHECK(lamina::timestamp_text(0).view() == "00:00");
  CHECK(lamina::timestamp_text(59.999).view() == "00:59");
  CHECK(lamina::timestamp_text(60).view() == "01:00");
  CHECK(lamina::timestamp_text(80).view() == "01:20");
  CHECK(lamina::timestamp_text(75 * 60).view() == "75:00");
  CHECK(lamina::timestamp_text(100 * 60 + 7).view() == "100:07");
  CHECK(lamina::timestamp_text(-1).view() == "00:00");
  CHECK(lamina::timestamp_text(NAN).view() == "00:00");
}

TEST_CASE("video_of_pictures: frames 0, 2 and 4 of 7 at 0.05 a second, resized for 70 soft tokens") {
  auto pictures = grey_pictures(7, 64, 48);
  const auto video = lamina::video_of_pictures(pictures, {.sampling = {.frames = 3}, .frame_rate = 0.05});
  REQUIRE_MESSAGE(static_cast<bool>(video), message_of(video));
  CHECK(reds(*video) == std::vector<int>{10, 30, 50});
  CHECK(times(*video) == std::vector<std::string>{"00:00", "00:40", "01:20"});
  CHECK(video->soft_tokens() == 63);
  CHECK(video->frames[2].picture.width() == 432);
}

TEST_CASE("video_of_pictures: 24 frames a second are assumed; sizes must agree; none is an error") {
  auto pictures = grey_pictures(25);
  const auto video = lamina::video_of_pictures(pictures);
  REQUIRE_MESSAGE(static_cast<bool>(video), message_of(video));
  CHECK(video->frames.size() == 25);
  CHECK(video->frames[24].seconds == 1);
  auto mixed = grey_pictures(2);
  mixed.push_back(std::move(grey_pictures(1, 48, 96)[0]));
  expect_error(lamina::video_of_pictures(mixed), ErrorCode::bad_file, "video frames", "another size");
  expect_error(lamina::video_of_pictures({}), ErrorCode::bad_file, "video frames", "without frames");
  auto many = grey_pictures(3);
  expect_error(lamina::video_of_pictures(many, {.max_source_frames = 2}), ErrorCode::out_of_memory,
               "video frames", "too many");
}

std::string moving_gif(std::vector<std::uint32_t> delays) {
  std::vector<GifFrameSpec> frames;
  for (std::size_t i = 0; i < delays.size(); ++i) {
    const auto colour = static_cast<std::uint8_t>(1 + i % 3);
    frames.push_back({.width = 2, .height = 1, .indices = {colour, colour}, .delay = delays[i]});
  }
  return gif_file(2, 1, frames);
}

/// The letter of each frame's first pixel.
std::string colours(const Video& video) {
  std::string letters;
  for (const lamina::VideoFrame& frame : video.frames) {
    const std::uint8_t* pixel = frame.picture.rgb().data();
    const int sum = pixel[0] + pixel[1] + pixel[2];
    letters += sum == 765 ? 'W' : sum == 0 ? 'K' : pixel[0] == 255 ? 'R' : pixel[1] == 255 ? 'G' : 'B';
  }
  return letters;
}

Video gif_video(const std::string& file, const VideoOptions& options = {}) {
  const std::vector<std::byte> exact(as_bytes(file).begin(), as_bytes(file).end());
  auto video = lamina::decode_gif_video(exact, "dir/a.gif", options);
  REQUIRE_MESSAGE(static_cast<bool>(video), message_of(video));
  return *std::move(video);
}

TEST_CASE("GIF videos: each frame at the sum of the delays before it; no delay is a tenth of a second") {
  const Video video = gif_video(moving_gif({4000, 2000, 0, 1, 6000}));
  CHECK(colours(video) == "RGBRG");
  CHECK(times(video) == std::vector<std::string>{"00:00", "00:40", "01:00", "01:00", "01:00"});
  CHECK(video.frames[4].seconds == doctest::Approx(60.2));
  const Video given = gif_video(moving_gif({4000, 2000, 0}), {.frame_rate = 0.1});
  CHECK(times(given) == std::vector<std::string>{"00:00", "00:10", "00:20"});
  // A rate counts the file's own time: 6 seconds in 3 frames.
  CHECK(colours(gif_video(moving_gif({200, 200, 200}), {.sampling = {.per_second = 0.34}})) == "RG");
  CHECK(colours(gif_video(moving_gif({10, 10, 10, 10, 10, 10}), {.sampling = {.frames = 3}})) == "RBG");
}

TEST_CASE("GIF videos: frames are left, cleared or undone before the next, of three and of more") {
  const auto frame = [](std::uint32_t left, std::uint8_t colour, std::uint32_t disposal) {
    return GifFrameSpec{.left = left, .width = 1, .height = 1, .indices = {colour}, .disposal = disposal};
  };
  const auto shown = [](const std::vector<GifFrameSpec>& frames) {
    const std::string file = gif_file(2, 1, frames);
    auto reader = lamina::GifReader::open(as_bytes(file), {}, "test");
    REQUIRE(static_cast<bool>(reader));
    std::vector<std::string> pictures;
    for (;;) {
      const auto found = reader->next();
      REQUIRE_MESSAGE(static_cast<bool>(found), message_of(found));
      if (!*found) return pictures;
      const auto picture = reader->picture();
      REQUIRE(static_cast<bool>(picture));
      std::string letters;
      for (std::size_t x = 0; x < 2; ++x) {
        const std::uint8_t* pixel = picture->rgb().data() + 3 * x;
        letters += pixel[0] == 255 && pixel[1] == 255 ? 'W'
                   : pixel[0] == 255                  ? 'R'
                   : pixel[1] == 255                  ? 'G'
                   : pixel[2] == 255                  ? 'B'
                                                      : 'K';
      }
      pictures.push_back(letters);
    }
  };
  using Shown = std::vector<std::string>;
  CHECK(shown({frame(0, 1, 0), frame(1, 2, 1), frame(0, 3, 0)}) == Shown{"RW", "RG", "BG"});
  CHECK(shown({frame(0, 1, 2), frame(1, 2, 2), frame(0, 3, 0)}) == Shown{"RW", "WG", "BW"});
  CHECK(shown({frame(0, 1, 0), frame(0, 2, 3), frame(1, 3, 0)}) == Shown{"RW", "GW", "RB"});
  CHECK(shown({frame(0, 1, 3), frame(1, 2, 3), frame(1, 3, 3), frame(0, 2, 0)}) ==
        Shown{"RW", "WG", "WB", "GW"});
}

TEST_CASE("GIF videos: damaged ones, and more frames than allowed") {
  const std::string file = moving_gif({10, 10});
  const auto error = [](const std::string& bytes, const VideoOptions& options, ErrorCode code,
                        std::string_view what) {
    expect_error(lamina::decode_gif_video(as_bytes(bytes), "dir/a.gif", options), code, "a.gif", what);
  };
  error(file.substr(0, file.size() - 1), {}, ErrorCode::bad_file, "truncated");
  error(gif_file(2, 1, {}), {}, ErrorCode::bad_file, "without frames");
  error("no", {}, ErrorCode::bad_file, "not a GIF");
  error(file, {.max_source_frames = 1}, ErrorCode::out_of_memory, "too many");
  error(file, {.limits = {.max_pixels = 1}}, ErrorCode::out_of_memory, "too large");
}

TEST_CASE("folders: pictures by name, others left alone, only those taken are read") {
  const TemporaryDirectory directory;
  const auto png = [](std::uint8_t red) { return rgb_png(1, 1, std::vector<std::uint8_t>{red, 0, 0}); };
  expect_error(lamina::read_video(directory.path()), ErrorCode::bad_file, "lamina-test", "without pictures");
  directory.write("frame_2.PNG", png(30));
  directory.write("frame_1.png", png(20));
  directory.write("frame_10.jpeg", png(10));
  directory.write("notes.txt", "not a frame");
  directory.write(".hidden.png", "not a frame");
  directory.write("png", "not a frame");
  const auto video = lamina::read_video(directory.path(), {.frame_rate = 0.5});
  REQUIRE_MESSAGE(static_cast<bool>(video), message_of(video));
  CHECK(reds(*video) == std::vector<int>{20, 10, 30});
  CHECK(times(*video) == std::vector<std::string>{"00:00", "00:02", "00:04"});
  directory.write("frame_11.ppm", "damaged");
  const auto two = lamina::read_video(directory.path(), {.sampling = {.frames = 2}});
  expect_error(two, ErrorCode::bad_file, "frame_11.ppm", "not a picture");
  const auto one = lamina::read_video(directory.path(), {.sampling = {.frames = 1}});
  REQUIRE_MESSAGE(static_cast<bool>(one), message_of(one));
  CHECK(reds(*one) == std::vector<int>{20});
  expect_error(lamina::read_video(directory.path(), {.max_source_frames = 3}), ErrorCode::out_of_memory,
               "lamina-test", "too many");
  expect_error(lamina::read_video_folder(directory.path("none")), ErrorCode::io, "none", "cannot read");
}

TEST_CASE("read_video: GIF files by their bytes, others by whoever reads them") {
  const TemporaryDirectory directory;
  const std::string gif = directory.write("a.mp4", moving_gif({10, 10, 10}));
  const auto video = lamina::read_video(gif);
  REQUIRE_MESSAGE(static_cast<bool>(video), message_of(video));
  CHECK(colours(*video) == "RGB");
  const std::string other = directory.write("b.mp4", "something else");
  expect_error(lamina::read_video(other), ErrorCode::unsupported, "b.mp4", "not a video");
  expect_error(lamina::read_video(directory.path("none.mp4")), ErrorCode::io, "none.mp4", "cannot open");
  const auto reader = [](const std::string& path, const VideoOptions&) {
    return lamina::Result<Video>(lamina::bad_file(lamina::place(path), "asked"));
  };
  expect_error(lamina::read_video(other, {}, reader), ErrorCode::bad_file, "b.mp4", "asked");
}

#if defined(LAMINA_HAS_FFMPEG)

/// An uncompressed video of grey frames: 16 of 235 is black, 235 white.
std::string grey_y4m(std::size_t frames, std::string_view head = "YUV4MPEG2 W64 H48 F2:1 Ip C420jpeg\n") {
  std::string file(head);
  for (std::size_t i = 0; i < frames; ++i) {
    file +=
        "FRAME\n" + std::string(64 * 48, static_cast<char>(20 + 10 * i)) + std::string(2 * 32 * 24, '\x80');
  }
  return file;
}

TEST_CASE("FFmpeg: sampled frames of a video file and their times") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("grey.y4m", grey_y4m(12));
  const auto video = lamina::read_video(path, {.sampling = {.frames = 4}}, lamina::read_video_file);
  REQUIRE_MESSAGE(static_cast<bool>(video), message_of(video));
  REQUIRE(video->frames.size() == 4);
  CHECK(video->soft_tokens() == 63);
  // Twelve frames, two a second: frames 0, 3, 6 and 9; grey levels are stretched from 16..235 to 0..255.
  const double seconds[] = {0, 1.5, 3, 4.5};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(video->frames[i].seconds == seconds[i]);
    const double level = (20 + 30.0 * static_cast<double>(i) - 16) * 255 / 219;
    CHECK(std::abs(video->frames[i].picture.rgb()[0] - level) < 2.5);
  }
  const auto by_rate = lamina::read_video(path, {.sampling = {.per_second = 0.5}}, lamina::read_video_file);
  REQUIRE_MESSAGE(static_cast<bool>(by_rate), message_of(by_rate));
  CHECK(by_rate->frames.size() == 3);
}

TEST_CASE("FFmpeg: files that are no video, cut, too large, or lead elsewhere are errors") {
  const TemporaryDirectory directory;
  const auto read = [](const std::string& path, const VideoOptions& options = {}) {
    return lamina::read_video_file(path, options);
  };
  expect_error(read(directory.write("text.mp4", "no video at all")), ErrorCode::bad_file, "text.mp4",
               "cannot open");
  expect_error(read(directory.path("none.mp4")), ErrorCode::bad_file, "none.mp4", "cannot open");
  expect_error(read(directory.write("empty.y4m", grey_y4m(0))), ErrorCode::bad_file, "empty.y4m",
               "without frames");
  const std::string path = directory.write("grey.y4m", grey_y4m(5));
  expect_error(read(path, {.limits = {.max_pixels = 100}}), ErrorCode::out_of_memory, "grey.y4m",
               "too large");
  expect_error(read(path, {.max_source_frames = 4}), ErrorCode::out_of_memory, "grey.y4m", "too many");
  const std::string whole = grey_y4m(3);
  for (const std::size_t size : {std::size_t{10}, std::size_t{40}, whole.size() / 2, whole.size() - 1}) {
    (void)read(directory.write("cut.y4m", whole.substr(0, size)));
  }
  // A playlist would open other files.
  const std::string list = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + path + "\n#EXT-X-ENDLIST\n";
  expect_error(read(directory.write("list.m3u8", list)), ErrorCode::bad_file, "list.m3u8", "cannot open");
  expect_error(read(directory.write("concat.txt", "ffconcat version 1.0\nfile grey.y4m\n")),
               ErrorCode::bad_file, "concat.txt", "cannot open");
}

#endif

}  // namespace
