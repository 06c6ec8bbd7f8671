// SPDX-License-Identifier: Apache-2.0
// Reading video files through FFmpeg, in a library beside the program: it is loaded when the first one is
// read, because FFmpeg's hundred libraries would make every start of the program ten times as long.
#include <lamina/media/video/ffmpeg.hpp>

#include "video_files.hpp"

extern "C" __attribute__((visibility("default"))) lamina::VideoFileReader lamina_video_file_reader() {
  return &lamina::read_video_file;
}
