// SPDX-License-Identifier: Apache-2.0
// Any bytes as a picture: decoded from a block of exactly their size, twice with the same outcome (memory
// that was never written would differ), resized, and as a GIF video.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include <lamina/media/picture/decode.hpp>
#include <lamina/media/picture/prepare.hpp>
#include <lamina/media/video/video.hpp>

// Damaged JPEG files let numbers of stb_image 2.27 overflow, which changes levels and nothing else: not
// sought here.
#pragma clang attribute push(__attribute__((no_sanitize("signed-integer-overflow", "shift"))), \
                             apply_to = function)
#include <lamina/media/picture/define_stb.hpp>
#pragma clang attribute pop

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto block = std::make_unique<std::byte[]>(size);
  if (size != 0) std::memcpy(block.get(), data, size);
  const std::span<const std::byte> bytes(block.get(), size);
  const lamina::PictureLimits limits{.max_bytes = 1 << 20, .max_pixels = 1 << 14, .max_side = 1 << 12};
  if (lamina::picture_format(bytes) == lamina::PictureFormat::gif) {
    const lamina::VideoOptions options{
        .sampling = {.frames = 2}, .limits = {1 << 20, 1 << 12, 1 << 12}, .max_source_frames = 100};
    (void)lamina::decode_gif_video(bytes, "fuzz.gif", options);
  }
  const auto first = lamina::decode_picture(bytes, "fuzz.bin", limits);
  auto again = lamina::decode_picture(bytes, "fuzz.bin", limits);
  if (static_cast<bool>(first) != static_cast<bool>(again)) __builtin_trap();
  if (!first) {
    if (first.error().where.view() != "fuzz.bin") __builtin_trap();
  } else {
    const std::size_t pixels = first->width() * first->height();
    if (pixels == 0 || pixels > limits.max_pixels || first->rgb().size() != 3 * pixels) __builtin_trap();
    if (!std::equal(first->rgb().begin(), first->rgb().end(), again->rgb().begin())) __builtin_trap();
    // Resizing costs a hundred times what decoding does.
    if (size % 16 != 0) return 0;
    const auto prepared = lamina::prepare_picture(*std::move(again), 70);
    if (!prepared || !lamina::check_as_is(*prepared) || lamina::soft_tokens(*prepared) > 70) __builtin_trap();
  }
  return 0;
}
