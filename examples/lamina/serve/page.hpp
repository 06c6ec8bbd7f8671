// SPDX-License-Identifier: Apache-2.0
// The files of the web page, inside the program: everything in examples/lamina/page.
#pragma once

#include <string_view>

namespace program::serving {

/// A file of the page.
struct PageFile {
  std::string_view name;  ///< "index.html"
  std::string_view bytes;
};

/// The file of a path, "/" standing for index.html; null if there is none.
[[nodiscard]] const PageFile* page_file(std::string_view path) noexcept;

/// The media type of a file, by its name.
[[nodiscard]] std::string_view page_type(std::string_view name) noexcept;

}  // namespace program::serving
