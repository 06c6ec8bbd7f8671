// SPDX-License-Identifier: Apache-2.0
// The pictures in a folder, by name: the frames of a video.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>

namespace lamina {

/// Whether a folder lies at a path (links followed).
[[nodiscard]] inline bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

/// Whether a name ends as those of pictures do that can be read, in capitals or not.
[[nodiscard]] inline bool is_picture_name(std::string_view name) noexcept {
  const std::size_t dot = name.rfind('.');
  if (dot == 0 || dot == std::string_view::npos) return false;  // hidden files are no frames
  constexpr std::array<std::string_view, 8> endings{"png", "jpg", "jpeg", "bmp", "gif", "ppm", "pgm", "pnm"};
  const std::string_view ending = name.substr(dot + 1);
  return name.front() != '.' && std::any_of(endings.begin(), endings.end(), [ending](std::string_view known) {
           return std::equal(ending.begin(), ending.end(), known.begin(), known.end(), [](char a, char b) {
             return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
           });
         });
}

/// The names of the pictures in a folder, sorted byte by byte: frame_002.png comes before frame_010.png, and
/// frame_10.png before frame_2.png.
///
/// Errors   io (the folder cannot be read), bad_file (no picture in it), out_of_memory (more than `most`)
[[nodiscard]] inline Result<std::vector<std::string>> list_frames(const std::string& path, std::size_t most) {
  const FixedText<192> where = place(file_name_of(path));
  return guard_memory(path, [&]() -> Result<std::vector<std::string>> {
    std::error_code reason;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entries(path, reason);
    for (const std::filesystem::directory_iterator end; !reason && entries != end;
         entries.increment(reason)) {
      std::string name = entries->path().filename().string();
      if (!is_picture_name(name)) continue;
      if (names.size() == most) {
        return file_error(ErrorCode::out_of_memory, where, "folder has too many pictures",
                          text("at most %zu", most), "more");
      }
      names.push_back(std::move(name));
    }
    if (reason) {
      return file_error(ErrorCode::io, where, "cannot read the folder", "its names", reason.message());
    }
    if (names.empty())
      return bad_file(where, "folder without pictures", "PNG, JPEG, BMP, GIF or PPM files", "none");
    std::sort(names.begin(), names.end());
    return names;
  });
}

}  // namespace lamina
