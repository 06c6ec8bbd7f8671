// SPDX-License-Identifier: Apache-2.0
// What the library for video files offers, to who loads it.
#pragma once

#include <lamina/media/video/video.hpp>

namespace program {

/// The library's file, beside the program, and the only function that is looked up in it:
/// `lamina_video_file_reader`.
inline constexpr const char* video_library = "lamina-video.so";
inline constexpr const char* video_reader_name = "lamina_video_file_reader";
using VideoReaderOf = lamina::VideoFileReader (*)();

}  // namespace program
