// SPDX-License-Identifier: Apache-2.0
// Looks up the files that CMake put into the program: LAMINA_PAGE_FILES is a list, PAGE(name, symbol)
// PAGE(...).
#include "page.hpp"

#include <cstddef>

#define PAGE(name, symbol)                                                     \
  extern "C" const char lamina_page_##symbol##_begin[]; /* NOLINT(c-arrays) */ \
  extern "C" const char lamina_page_##symbol##_end[];   /* NOLINT(c-arrays) */
LAMINA_PAGE_FILES
#undef PAGE

namespace program::serving {

const PageFile* page_file(std::string_view path) noexcept {
#define PAGE(name, symbol)        \
  {name,                          \
   {lamina_page_##symbol##_begin, \
    static_cast<std::size_t>(lamina_page_##symbol##_end - lamina_page_##symbol##_begin)}},
  static const PageFile files[] = {LAMINA_PAGE_FILES};
#undef PAGE
  if (path.empty() || path.front() != '/') return nullptr;
  path.remove_prefix(1);
  if (path.empty()) path = "index.html";
  for (const PageFile& file : files) {
    if (file.name == path) return &file;
  }
  return nullptr;
}

std::string_view page_type(std::string_view name) noexcept {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

}  // namespace program::serving
