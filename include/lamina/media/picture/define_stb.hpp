// SPDX-License-Identifier: Apache-2.0
// Compiles stb_image for the decoders of PNG and JPEG: exactly one translation unit of a program with
// pictures includes this header, before anything that includes stb_image itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include <lamina/media/picture/colour.hpp>
#include <lamina/media/picture/decode.hpp>

#if defined(STBI_INCLUDE_STB_IMAGE_H)
#error \
    "lamina: include <lamina/media/picture/define_stb.hpp> before stb_image: it chooses how that is compiled"
#endif

namespace lamina::detail {

/// Memory of one call of stb_image: counted, so that a file cannot make it take more than its header accounts
/// for, and zeroed, because stb_image 2.27 reads tables that a damaged file did not fill.
struct StbMemory {
  // Keeps what malloc promises about alignment.
  static constexpr std::size_t prefix = alignof(std::max_align_t) > sizeof(std::size_t)
                                            ? alignof(std::max_align_t)
                                            : sizeof(std::size_t);
  static inline thread_local std::uint64_t left = 0;

  static void* take(std::size_t bytes) noexcept {
    if (bytes > left) return nullptr;
    auto* block = static_cast<std::byte*>(std::calloc(1, prefix + bytes));
    if (block == nullptr) return nullptr;
    std::memcpy(block, &bytes, sizeof bytes);
    left -= bytes;
    return block + prefix;
  }
  static void give(void* memory) noexcept {
    if (memory == nullptr) return;
    std::byte* block = static_cast<std::byte*>(memory) - prefix;
    std::size_t bytes = 0;
    std::memcpy(&bytes, block, sizeof bytes);
    left += bytes;
    std::free(block);
  }
  static void* grow(void* memory, std::size_t from, std::size_t to) noexcept {
    void* grown = take(to);
    if (grown == nullptr || memory == nullptr) return grown;
    std::memcpy(grown, memory, from < to ? from : to);
    give(memory);
    return grown;
  }
};

}  // namespace lamina::detail

// Static: a program that has stb_image of its own keeps it, with its own settings.
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ASSERT(condition) static_cast<void>(0)
#define STBI_MALLOC(bytes) lamina::detail::StbMemory::take(bytes)
#define STBI_REALLOC_SIZED(memory, from, to) lamina::detail::StbMemory::grow(memory, from, to)
#define STBI_FREE(memory) lamina::detail::StbMemory::give(memory)

// A copy of stb_image that is no system header shows its warnings.
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace lamina::detail {

Result<Picture> decode_with_stb(const StbTask& task, const FixedText<192>& where) noexcept {
  StbMemory::left = task.memory;
  int width = 0;
  int height = 0;
  int channels = 0;
  stbi_uc* pixels = stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(task.bytes.data()),
                                          static_cast<int>(task.bytes.size()), &width, &height, &channels, 0);
  if (pixels == nullptr) {
    const char* reason = stbi_failure_reason();
    if (reason != nullptr && std::strcmp(reason, "outofmem") == 0) {
      return file_error(ErrorCode::out_of_memory, where, "decoding takes too much memory",
                        text("at most %llu bytes for %s pixels", static_cast<unsigned long long>(task.memory),
                             size_text(task.width, task.height).c_str()),
                        "more, or the system refused");
    }
    return bad_file(where, "picture is damaged", "pixels that can be decoded",
                    reason != nullptr ? reason : "others");
  }
  struct Owner {
    stbi_uc* pixels;
    ~Owner() { StbMemory::give(pixels); }
  } const owner{pixels};
  if (static_cast<std::size_t>(width) != task.width || static_cast<std::size_t>(height) != task.height) {
    return bad_file(where, "picture is damaged", size_text(task.width, task.height),
                    size_text(static_cast<std::size_t>(width), static_cast<std::size_t>(height)));
  }
  auto picture = Picture::make(task.width, task.height, where);
  if (!picture) return picture;
  const auto count = static_cast<std::size_t>(channels);
  to_rgb({pixels, task.width * task.height * count}, count, picture->rgb());
  return picture;
}

}  // namespace lamina::detail
