// SPDX-License-Identifier: Apache-2.0
// The pictures in a folder, by name: the frames of a video.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>

namespace lamina {

/// Whether a folder lies at a path (links followed).
[[nodiscard]] inline bool is_folder(const std::string& path) noexcept {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
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
    std::vector<std::string> names;
    // Not <filesystem>: its iterator ends the program where memory is refused.
    struct Close {
      void operator()(DIR* folder) const noexcept { ::closedir(folder); }
    };
    const std::unique_ptr<DIR, Close> folder(::opendir(path.c_str()));
    const auto unreadable = [&where] {
      return file_error(ErrorCode::io, where, "cannot read the folder", "its names", std::strerror(errno));
    };
    if (folder == nullptr) return unreadable();
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(folder.get());
      if (entry == nullptr && errno != 0) return unreadable();
      if (entry == nullptr) break;
      if (!is_picture_name(entry->d_name)) continue;
      if (names.size() == most) {
        return file_error(ErrorCode::out_of_memory, where, "folder has too many pictures",
                          text("at most %zu", most), "more");
      }
      names.emplace_back(entry->d_name);
    }
    if (names.empty())
      return bad_file(where, "folder without pictures", "PNG, JPEG, BMP, GIF or PPM files", "none");
    std::sort(names.begin(), names.end());
    return names;
  });
}

}  // namespace lamina
