// SPDX-License-Identifier: Apache-2.0
// Video files through FFmpeg's libraries: an optional part (CMake target lamina::ffmpeg), to be handed to
// `read_video` as the reader of other files.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/log.h>
#include <libswscale/swscale.h>
}

#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/media/picture/orientation.hpp>
#include <lamina/media/video/video.hpp>

namespace lamina {

namespace detail {

/// Keeps FFmpeg from writing to stderr. The level is one of the whole process: it is set back afterwards.
class QuietLog {
 public:
  QuietLog() noexcept : level_(av_log_get_level()) { av_log_set_level(AV_LOG_QUIET); }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;
  ~QuietLog() { av_log_set_level(level_); }

 private:
  int level_;
};

struct FreeAv {
  void operator()(AVFormatContext* context) const noexcept { avformat_close_input(&context); }
  void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
  void operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }
  void operator()(SwsContext* context) const noexcept { sws_freeContext(context); }
};
template <class T>
using AvOwner = std::unique_ptr<T, FreeAv>;

[[nodiscard]] inline Error av_fault(const FixedText<192>& where, std::string_view what, int code) noexcept {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  (void)av_strerror(code, reason, sizeof reason);
  return file_error(code == AVERROR(ENOMEM) ? ErrorCode::out_of_memory : ErrorCode::bad_file, where, what,
                    "a video that FFmpeg reads", reason);
}

/// The video stream of an open file, its decoder, and one frame after another.
class AvReader {
 public:
  /// Errors   bad_file, unsupported (no video stream, no decoder), out_of_memory
  [[nodiscard]] static Result<AvReader> open(const std::string& path, const PictureLimits& limits,
                                             const FixedText<192>& where) {
    AvReader reader;
    reader.where_ = where;
    reader.limits_ = limits;
    // Containers of local files only: playlists, and addresses inside of containers, would open others.
    AVDictionary* options = nullptr;
    (void)av_dict_set(&options, "protocol_whitelist", "file", 0);
    (void)av_dict_set(
        &options, "format_whitelist",
        "mov,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,mpegvideo,h264,hevc,m4v,ivf,yuv4mpegpipe", 0);
    AVFormatContext* format = nullptr;
    const int opened = avformat_open_input(&format, ("file:" + path).c_str(), nullptr, &options);
    av_dict_free(&options);
    if (opened < 0) return av_fault(where, "cannot open the video", opened);
    reader.format_.reset(format);
    if (const int found = avformat_find_stream_info(format, nullptr); found < 0) {
      return av_fault(where, "cannot read the video's streams", found);
    }
    const AVCodec* codec = nullptr;
    reader.stream_ = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (reader.stream_ < 0 || codec == nullptr) {
      return file_error(ErrorCode::unsupported, where, "file without a video that can be decoded",
                        "a video stream", "none");
    }
    for (unsigned i = 0; i < format->nb_streams; ++i) {
      if (static_cast<int>(i) != reader.stream_) format->streams[i]->discard = AVDISCARD_ALL;
    }
    const AVCodecParameters* parameters = reader.stream()->codecpar;
    LAMINA_TRY(reader.check_size(parameters->width, parameters->height));
    reader.codec_.reset(avcodec_alloc_context3(codec));
    reader.packet_.reset(av_packet_alloc());
    reader.frame_.reset(av_frame_alloc());
    if (reader.codec_ == nullptr || reader.packet_ == nullptr || reader.frame_ == nullptr) {
      return av_fault(where, "cannot open the video's decoder", AVERROR(ENOMEM));
    }
    reader.codec_->max_pixels = static_cast<std::int64_t>(limits.max_pixels);
    int status = avcodec_parameters_to_context(reader.codec_.get(), parameters);
    if (status >= 0) status = avcodec_open2(reader.codec_.get(), codec, nullptr);
    if (status < 0) return av_fault(where, "cannot open the video's decoder", status);
    return reader;
  }

  /// Frames a second, on average; 0 if the file does not say.
  [[nodiscard]] double frame_rate() const noexcept {
    const AVRational rate = stream()->avg_frame_rate;
    return rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
  }

  /// Counts the frames by their packets, up to `most` + 1, and ends the reader: what a header says of their
  /// number may be nothing, or anything.
  [[nodiscard]] Result<std::size_t> count(std::size_t most) {
    std::size_t packets = 0;
    while (packets <= most) {
      const int status = av_read_frame(format_.get(), packet_.get());
      if (status == AVERROR_EOF) break;
      if (status < 0) return av_fault(where_, "cannot read the video", status);
      if (packet_->stream_index == stream_) ++packets;
      av_packet_unref(packet_.get());
    }
    return packets;
  }

  /// Decodes the next frame; false behind the last one. Packets that are damaged are left out.
  [[nodiscard]] Result<bool> next() {
    for (;;) {
      const int received = avcodec_receive_frame(codec_.get(), frame_.get());
      if (received == 0) return true;
      if (received == AVERROR_EOF) return false;
      if (received != AVERROR(EAGAIN)) return av_fault(where_, "cannot decode the video", received);
      const int read = av_read_frame(format_.get(), packet_.get());
      if (read < 0 && read != AVERROR_EOF) return av_fault(where_, "cannot read the video", read);
      int sent = 0;
      if (read == AVERROR_EOF) {
        sent = avcodec_send_packet(codec_.get(), nullptr);
      } else if (packet_->stream_index == stream_) {
        sent = avcodec_send_packet(codec_.get(), packet_.get());
      }
      av_packet_unref(packet_.get());
      if (sent < 0 && sent != AVERROR_INVALIDDATA) return av_fault(where_, "cannot decode the video", sent);
    }
  }

  /// The frame that was decoded last, upright.
  [[nodiscard]] Result<Picture> picture() {
    LAMINA_TRY(check_size(frame_->width, frame_->height));
    SwsContext* scaler = sws_getCachedContext(
        scaler_.release(), frame_->width, frame_->height, static_cast<AVPixelFormat>(frame_->format),
        frame_->width, frame_->height, AV_PIX_FMT_RGB24, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT,
        nullptr, nullptr, nullptr);
    scaler_.reset(scaler);
    if (scaler == nullptr) return av_fault(where_, "cannot convert the video's colours", AVERROR(EINVAL));
    auto made = Picture::make(static_cast<std::size_t>(frame_->width),
                              static_cast<std::size_t>(frame_->height), where_);
    if (!made) return made;
    std::uint8_t* const planes[4] = {made->rgb().data(), nullptr, nullptr, nullptr};
    const int strides[4] = {3 * frame_->width, 0, 0, 0};
    const int rows = sws_scale(scaler, frame_->data, frame_->linesize, 0, frame_->height, planes, strides);
    if (rows != frame_->height)
      return av_fault(where_, "cannot convert the video's colours", AVERROR(EINVAL));
    return turn_upright(*std::move(made), orientation(), where_);
  }

 private:
  [[nodiscard]] const AVStream* stream() const noexcept {
    return format_->streams[static_cast<unsigned>(stream_)];
  }

  [[nodiscard]] Status check_size(int width, int height) const noexcept {
    return check_picture_size(static_cast<std::uint64_t>(width < 0 ? 0 : width),
                              static_cast<std::uint64_t>(height < 0 ? 0 : height), limits_, where_);
  }

  /// How the camera was held, as the container says.
  [[nodiscard]] Orientation orientation() const noexcept {
    const std::uint8_t* matrix = nullptr;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVCodecParameters* parameters = stream()->codecpar;
    if (const AVPacketSideData* data = av_packet_side_data_get(
            parameters->coded_side_data, parameters->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
        data != nullptr && data->size >= 9 * sizeof(std::int32_t)) {
      matrix = data->data;
    }
#else
    std::size_t size = 0;
    matrix = av_stream_get_side_data(stream(), AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (size < 9 * sizeof(std::int32_t)) matrix = nullptr;
#endif
    if (matrix == nullptr) return Orientation::upright;
    const double turn = av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix));
    if (!std::isfinite(turn)) return Orientation::upright;
    constexpr Orientation turns[] = {Orientation::upright, Orientation::needs_anticlockwise,
                                     Orientation::turned_180, Orientation::needs_clockwise};
    return turns[static_cast<std::size_t>(std::lround(turn / 90) & 3)];
  }

  AvOwner<AVFormatContext> format_;
  AvOwner<AVCodecContext> codec_;
  AvOwner<AVPacket> packet_;
  AvOwner<AVFrame> frame_;
  AvOwner<SwsContext> scaler_;
  FixedText<192> where_;
  PictureLimits limits_;
  int stream_ = -1;
};

}  // namespace detail

/// Reads a video file of any container and codec that FFmpeg's libraries know. The file is read twice: its
/// frames are counted, then decoded up to the last one that is taken.
///
/// Memory for the decoder's own frames, one decoded one, and the small ones that are taken.
///
/// Errors   bad_file (damaged; fewer frames can be decoded than are taken), unsupported (no video in it),
///          bad_argument, out_of_memory
/// Threads  FFmpeg's messages are silenced meanwhile, for the whole process
[[nodiscard]] inline Result<Video> read_video_file(const std::string& path, const VideoOptions& options) {
  const FixedText<192> where = place(file_name_of(path));
  const detail::QuietLog quiet;
  return guard_memory(path, [&]() -> Result<Video> {
    auto scan = detail::AvReader::open(path, options.limits, where);
    if (!scan) return scan.error();
    const double stated = scan->frame_rate();
    const double rate = options.frame_rate != 0 ? options.frame_rate
                        : stated != 0           ? stated
                                                : assumed_frame_rate;
    const auto total = scan->count(options.max_source_frames);
    if (!total) return total.error();
    LAMINA_TRY(detail::check_frame_count(*total, options, where));
    const auto indices = sample_frames(*total, rate, options.sampling);
    if (!indices) return indices.error();
    auto reader = detail::AvReader::open(path, options.limits, where);
    if (!reader) return reader.error();
    Video video;
    std::pair<std::size_t, std::size_t> size;
    std::size_t decoded = 0;
    for (const std::size_t index : *indices) {
      for (; decoded <= index; ++decoded) {
        const auto found = reader->next();
        if (!found) return found.error();
        // A packet at the end may hold no frame of its own: what is there is the video.
        if (!*found && !video.frames.empty()) return video;
        if (!*found) return bad_file(where, "video without frames", "at least 1", "none");
      }
      auto picture = reader->picture();
      if (!picture) return picture.error();
      LAMINA_TRY(detail::add_frame(video, *std::move(picture), static_cast<double>(index) / rate, options,
                                   size, where));
    }
    return video;
  });
}

}  // namespace lamina
