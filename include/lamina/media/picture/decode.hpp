// SPDX-License-Identifier: Apache-2.0
// Files of pictures to RGB bytes (vision.md §2.1): PNG, JPEG, BMP, GIF (the first frame), binary PPM and PGM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/file_error.hpp>
#include <lamina/media/picture/format/bmp.hpp>
#include <lamina/media/picture/format/gif.hpp>
#include <lamina/media/picture/format/jpeg_header.hpp>
#include <lamina/media/picture/orientation.hpp>
#include <lamina/media/picture/picture.hpp>
#include <lamina/media/picture/format/png_header.hpp>
#include <lamina/media/picture/format/ppm.hpp>
#include <lamina/media/read_file.hpp>

namespace lamina {

enum class PictureFormat : std::uint8_t { unknown, png, jpeg, bmp, gif, ppm };

/// Tells the format of a picture by its first bytes; names of files do not matter.
[[nodiscard]] inline PictureFormat picture_format(std::span<const std::byte> bytes) noexcept {
  ByteScanner scanner(bytes);
  if (scanner.accept("\x89PNG\r\n\x1a\n")) return PictureFormat::png;
  if (scanner.accept("\xFF\xD8\xFF")) return PictureFormat::jpeg;
  if (scanner.accept("GIF87a") || scanner.accept("GIF89a")) return PictureFormat::gif;
  if (scanner.accept("BM")) return PictureFormat::bmp;
  std::uint32_t kind = 0;
  if (scanner.accept("P") && scanner.byte(kind) && kind >= '1' && kind <= '6') return PictureFormat::ppm;
  return PictureFormat::unknown;
}

namespace detail {

/// What stb_image is asked for, after the headers were checked.
struct StbTask {
  std::span<const std::byte> bytes;
  std::size_t width = 0;
  std::size_t height = 0;
  std::uint64_t memory = 0;  ///< bytes that it may hold at once
};

/// Decodes a PNG or JPEG file; <lamina/media/picture/define_stb.hpp> defines it, in one translation unit of
/// the program.
[[nodiscard]] Result<Picture> decode_with_stb(const StbTask& task, const FixedText<192>& where) noexcept;

/// A copy of a PNG file whose palette has an entry, black, for every index that a pixel may hold: stb_image
/// takes the colour of a missing one from memory that was never written.
[[nodiscard]] inline Result<Buffer<std::byte>> complete_palette(std::span<const std::byte> bytes,
                                                                const PngHeader& header,
                                                                const FixedText<192>& where) noexcept {
  const std::size_t missing = 3 * header.missing_entries();
  auto copy = Buffer<std::byte>::make(bytes.size() + missing, where);
  if (!copy) return copy;
  const std::size_t end = header.palette_end;
  std::memcpy(copy->data(), bytes.data(), end);
  std::memset(copy->data() + end, 0, missing);
  std::memcpy(copy->data() + end + missing, bytes.data() + end, bytes.size() - end);
  const std::size_t size = 3 * (header.palette_entries + header.missing_entries());
  std::byte* stated = copy->data() + end - 3 * header.palette_entries - 8;
  for (std::size_t i = 0; i < 4; ++i) stated[i] = static_cast<std::byte>(size >> (24 - 8 * i) & 255);
  return copy;
}

[[nodiscard]] inline Result<Picture> decode_png(std::span<const std::byte> bytes, const PictureLimits& limits,
                                                const FixedText<192>& where) noexcept {
  const auto header = read_png_header(bytes, limits, where);
  if (!header) return header.error();
  Buffer<std::byte> completed;
  if (header->missing_entries() != 0) {
    auto copy = complete_palette(bytes, *header, where);
    if (!copy) return copy.error();
    completed = *std::move(copy);
    bytes = completed.span();
  }
  // Inflated pixels (while they grow: three times), decoded ones and, interlaced, composed ones, with one
  // channel more than stored; and the compressed bytes, of which stb_image keeps up to twice as many.
  constexpr std::uint64_t channels[7] = {1, 0, 3, 3, 2, 0, 4};
  const std::uint64_t pixel = (channels[header->colour_type] + 1) * (header->depth == 16 ? 2 : 1);
  const std::uint64_t rows = header->height;
  const std::uint64_t memory = (std::uint64_t{1} << 20) + 4 * std::uint64_t{bytes.size()} +
                               6 * (std::uint64_t{header->width} * pixel + 1) * rows;
  auto picture = decode_with_stb({bytes, header->width, header->height, memory}, where);
  if (!picture) return picture;
  return turn_upright(*std::move(picture), header->orientation, where);
}

[[nodiscard]] inline Result<Picture> decode_jpeg(std::span<const std::byte> bytes,
                                                 const PictureLimits& limits,
                                                 const FixedText<192>& where) noexcept {
  const auto header = read_jpeg_header(bytes, limits, where);
  if (!header) return header.error();
  // Up to four components, each a byte and a 16-bit coefficient a pixel of whole blocks, and the result.
  const std::uint64_t area = (std::uint64_t{header->width} + 32) * (std::uint64_t{header->height} + 32);
  const std::uint64_t memory = (std::uint64_t{1} << 20) + 16 * area;
  auto picture = decode_with_stb({bytes, header->width, header->height, memory}, where);
  if (!picture) return picture;
  return turn_upright(*std::move(picture), header->orientation, where);
}

[[nodiscard]] inline Result<Picture> decode_first_gif_frame(std::span<const std::byte> bytes,
                                                            const PictureLimits& limits,
                                                            const FixedText<192>& where) noexcept {
  auto reader = GifReader::open(bytes, limits, where);
  if (!reader) return reader.error();
  const auto found = reader->next();
  if (!found) return found.error();
  if (!*found) return bad_file(where, "GIF without pixels", "a frame", "none");
  return reader->picture();
}

}  // namespace detail

/// Decodes a picture of any format of `PictureFormat` to upright RGB: transparency is blended onto white, of
/// 16-bit channels the upper byte counts.
///
/// Differs: the reference shows 16-bit grey PNG files almost white, since it cuts values at 255.
///
/// `name` names the file in errors. Sizes are checked against `limits` before memory is taken or a pixel is
/// decoded; memory stays below about 50 bytes a pixel of the stated size, whatever a file inflates to.
///
/// Errors   bad_file (of no known format, truncated, damaged), unsupported (a kind of a format that is not
///          read), out_of_memory (over a limit, or the system refused)
/// Threads  safe
[[nodiscard]] inline Result<Picture> decode_picture(std::span<const std::byte> bytes, std::string_view name,
                                                    const PictureLimits& limits = {}) noexcept {
  const FixedText<192> where = place(file_name_of(name));
  if (bytes.size() > limits.max_bytes || bytes.size() > INT32_MAX) {
    return file_error(ErrorCode::out_of_memory, where, "file is too large",
                      text("at most %llu bytes", static_cast<unsigned long long>(limits.max_bytes)),
                      text("%zu bytes", bytes.size()));
  }
  switch (picture_format(bytes)) {
    case PictureFormat::png:
      return detail::decode_png(bytes, limits, where);
    case PictureFormat::jpeg:
      return detail::decode_jpeg(bytes, limits, where);
    case PictureFormat::bmp:
      return detail::decode_bmp(bytes, limits, where);
    case PictureFormat::gif:
      return detail::decode_first_gif_frame(bytes, limits, where);
    case PictureFormat::ppm:
      return detail::decode_ppm(bytes, limits, where);
    case PictureFormat::unknown:
      break;
  }
  return bad_file(where, "not a picture that can be read", "PNG, JPEG, BMP, GIF, PPM or PGM",
                  bytes.empty() ? "an empty file" : "other bytes");
}

/// Reads and decodes the picture in a file.
///
/// Errors   as `read_file` and `decode_picture`
[[nodiscard]] inline Result<Picture> read_picture(const std::string& path, const PictureLimits& limits = {}) {
  const auto bytes = read_file(path, limits.max_bytes);
  if (!bytes) return bytes.error();
  return decode_picture(bytes->span(), path, limits);
}

}  // namespace lamina
