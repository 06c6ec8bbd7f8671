// SPDX-License-Identifier: Apache-2.0
// A video as encoders read it: sampled frames, each a small picture and its time (vision.md §6), made of a
// list of pictures, an animated GIF or a folder of pictures.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/media/picture/decode.hpp>
#include <lamina/media/picture/format/gif.hpp>
#include <lamina/media/picture/prepare.hpp>
#include <lamina/media/read_file.hpp>
#include <lamina/media/video/frame_folder.hpp>
#include <lamina/media/video/sampling.hpp>

namespace lamina {

struct VideoFrame {
  Picture picture;     ///< resized with `video_frame_budget`
  double seconds = 0;  ///< from the beginning of the video
};

/// Frames in the order of time, all of one size.
struct Video {
  std::vector<VideoFrame> frames;
  /// Of one frame.
  [[nodiscard]] std::size_t soft_tokens() const noexcept {
    return frames.empty() ? 0 : lamina::soft_tokens(frames.front().picture);
  }
};

struct VideoOptions {
  FrameSampling sampling = {};
  double frame_rate = 0;  ///< of the source; 0: what it says, for pictures `assumed_frame_rate`
  Resampling resampling = Resampling::resize16;  ///< what the reference always takes for video
  PictureLimits limits = {};
  std::size_t max_source_frames = 100'000;  ///< frames of the source, taken or not
};

namespace detail {

/// Adds a frame, resized; all must come in one size, so that they have as many soft tokens each.
[[nodiscard]] inline Status add_frame(Video& video, Picture picture, double seconds,
                                      const VideoOptions& options, std::pair<std::size_t, std::size_t>& size,
                                      const FixedText<192>& where) {
  if (video.frames.empty()) size = {picture.width(), picture.height()};
  if (size != std::pair(picture.width(), picture.height())) {
    return bad_file(where, "frame of another size than the first", size_text(size.first, size.second),
                    size_text(picture.width(), picture.height()));
  }
  auto prepared = prepare_picture(std::move(picture), video_frame_budget, options.resampling, where);
  if (!prepared) return prepared.error();
  video.frames.push_back({*std::move(prepared), seconds});
  return Done{};
}

[[nodiscard]] inline Status check_frame_count(std::size_t total, const VideoOptions& options,
                                              const FixedText<192>& where) noexcept {
  if (total == 0) return bad_file(where, "video without frames", "at least 1", "none");
  if (total <= options.max_source_frames) return Done{};
  return file_error(ErrorCode::out_of_memory, where, "video has too many frames",
                    text("at most %zu", options.max_source_frames), "more");
}

/// The frames that `sampling` takes of `total`, each as `read(index)` gives it: a Result<Picture>.
template <class Read>
[[nodiscard]] Result<Video> sample_pictures(std::size_t total, const VideoOptions& options,
                                            const FixedText<192>& where, Read read) {
  LAMINA_TRY(check_frame_count(total, options, where));
  const double rate = options.frame_rate != 0 ? options.frame_rate : assumed_frame_rate;
  const auto indices = sample_frames(total, rate, options.sampling);
  if (!indices) return indices.error();
  Video video;
  std::pair<std::size_t, std::size_t> size;
  for (const std::size_t index : *indices) {
    auto picture = read(index);
    if (!picture) return picture.error();
    LAMINA_TRY(
        add_frame(video, *std::move(picture), static_cast<double>(index) / rate, options, size, where));
  }
  return video;
}

}  // namespace detail

/// A video of pictures that are in memory already; those that are taken are moved out of the list.
///
/// Errors   bad_argument, bad_file (sizes differ, no picture), out_of_memory
[[nodiscard]] inline Result<Video> video_of_pictures(std::span<Picture> pictures,
                                                     const VideoOptions& options = {}) {
  return guard_memory("video frames", [&] {
    return detail::sample_pictures(pictures.size(), options, "video frames", [&](std::size_t index) {
      return Result<Picture>(std::move(pictures[index]));
    });
  });
}

/// A video of the pictures in a folder, in the order of their names. Files whose names do not end like those
/// of pictures are left alone; only those that are taken are read.
///
/// Errors   as `list_frames`, `read_picture` and `video_of_pictures`
[[nodiscard]] inline Result<Video> read_video_folder(const std::string& path,
                                                     const VideoOptions& options = {}) {
  return guard_memory(path, [&]() -> Result<Video> {
    const auto names = list_frames(path, options.max_source_frames);
    if (!names) return names.error();
    return detail::sample_pictures(names->size(), options, place(file_name_of(path)), [&](std::size_t index) {
      return read_picture(path + "/" + (*names)[index], options.limits);
    });
  });
}

/// A video of the frames of a GIF file; each is shown at the sum of the delays before it.
///
/// Memory for one frame as stored, and for the small ones that are taken.
///
/// Errors   as `decode_picture` and `video_of_pictures`
[[nodiscard]] inline Result<Video> decode_gif_video(std::span<const std::byte> bytes, std::string_view name,
                                                    const VideoOptions& options = {}) {
  const FixedText<192> where = place(file_name_of(name));
  return guard_memory(name, [&]() -> Result<Video> {
    auto scan = GifReader::open(bytes, options.limits, where);
    if (!scan) return scan.error();
    // A frame of no or one hundredth means "as fast as can be"; every viewer shows those for a tenth.
    const auto shown = [](const GifReader& reader) {
      return reader.delay() < 2 ? 0.1 : 0.01 * reader.delay();
    };
    std::vector<double> starts;
    double end = 0;
    for (;;) {
      const auto found = scan->skip();
      if (!found) return found.error();
      if (!*found) break;
      starts.push_back(end);
      end += shown(*scan);
      if (starts.size() > options.max_source_frames) break;
    }
    LAMINA_TRY(detail::check_frame_count(starts.size(), options, where));
    const double rate =
        options.frame_rate != 0 ? options.frame_rate : static_cast<double>(starts.size()) / end;
    const auto indices = sample_frames(starts.size(), rate, options.sampling);
    if (!indices) return indices.error();
    auto reader = GifReader::open(bytes, options.limits, where);
    if (!reader) return reader.error();
    Video video;
    std::pair<std::size_t, std::size_t> size;
    std::size_t decoded = 0;
    for (const std::size_t index : *indices) {
      for (; decoded <= index; ++decoded) {
        if (const auto found = reader->next(); !found) return found.error();
      }
      auto picture = reader->picture();
      if (!picture) return picture.error();
      const double seconds = options.frame_rate != 0 ? static_cast<double>(index) / rate : starts[index];
      LAMINA_TRY(detail::add_frame(video, *std::move(picture), seconds, options, size, where));
    }
    return video;
  });
}

/// Reads files that are neither folders nor GIF files: `read_video_file` of <lamina/media/video/ffmpeg.hpp>,
/// in programs that have FFmpeg's libraries.
using VideoFileReader = Result<Video> (*)(const std::string& path, const VideoOptions& options);

/// What is said of a video file that nothing here reads.
[[nodiscard]] inline Error no_video_file(const std::string& path) noexcept {
  return file_error(ErrorCode::unsupported, place(file_name_of(path)), "not a video that this program reads",
                    "an animated GIF or a folder of pictures", "another file",
                    "other video files need a build with FFmpeg's libraries");
}

/// Reads a video: a folder of pictures, a GIF file, or what `other_files` reads.
///
/// Errors   as `read_video_folder`, `decode_gif_video` and `other_files`; unsupported (another file without
///          `other_files`)
[[nodiscard]] inline Result<Video> read_video(const std::string& path, const VideoOptions& options = {},
                                              VideoFileReader other_files = nullptr) {
  return guard_memory(path, [&]() -> Result<Video> {
    if (is_folder(path)) return read_video_folder(path, options);
    // A GIF file may be as large as a picture may be; other files are not read into memory.
    const auto head = read_head(path, 6);
    if (!head) return head.error();
    if (picture_format(head->span()) == PictureFormat::gif) {
      const auto bytes = read_file(path, options.limits.max_bytes);
      if (!bytes) return bytes.error();
      return decode_gif_video(bytes->span(), path, options);
    }
    if (other_files != nullptr) return other_files(path, options);
    return no_video_file(path);
  });
}

}  // namespace lamina
