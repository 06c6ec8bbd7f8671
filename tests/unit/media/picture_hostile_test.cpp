// SPDX-License-Identifier: Apache-2.0
// Files that mean harm: cut, of no size, huge, inflating, inconsistent. Each is an error that names the file,
// and none takes more memory than its stated size accounts for.
#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <stb/stb_image_write.h>

#include <lamina/media/picture/decode.hpp>
#include <lamina/media/picture/prepare.hpp>

#include "support/expect_error.hpp"
#include "support/picture_builder.hpp"

/// Of stb_image_write.h, which declares it only where it is compiled.
extern "C" unsigned char* stbi_zlib_compress(unsigned char* data, int data_len, int* out_len, int quality);

namespace {

using lamina::ErrorCode;

lamina::Result<lamina::Picture> decode_hostile(std::string_view file,
                                               const lamina::PictureLimits& limits = {}) {
  const std::vector<std::byte> exact(as_bytes(file).begin(), as_bytes(file).end());
  return lamina::decode_picture(exact, "dir/bad.bin", limits);
}

void expect_bad_picture(std::string_view file, std::string_view what) {
  expect_error(decode_hostile(file), ErrorCode::bad_file, "bad.bin", what);
}

std::string deflated(std::string data) {
  int size = 0;
  unsigned char* packed = stbi_zlib_compress(reinterpret_cast<unsigned char*>(data.data()),
                                             static_cast<int>(data.size()), &size, 8);
  std::string result(reinterpret_cast<char*>(packed), static_cast<std::size_t>(size));
  std::free(packed);
  return result;
}

std::string jpeg_of(int width, int height) {
  std::string file;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(3 * width * height), 90);
  stbi_write_jpg_to_func(append, &file, width, height, 3, pixels.data(), 90);
  return file;
}

/// The largest memory that this process has held, in bytes.
std::size_t peak_memory() {
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

std::string small_gif() { return gif_file(2, 2, {{.width = 2, .height = 2, .indices = {1, 2, 3, 0}}}); }

std::string bmp_head(std::uint32_t width, std::uint32_t height, std::uint32_t bits,
                     std::uint32_t pixels_at = 54) {
  FileBytes out;
  out.text("BM")
      .little(0, 4)
      .little(0, 4)
      .little(pixels_at, 4)
      .little(40, 4)
      .little(width, 4)
      .little(height, 4);
  return out.little(1, 2)
      .little(bits, 2)
      .little(0, 4)
      .little(0, 4)
      .little(0, 4)
      .little(0, 4)
      .little(0, 4)
      .little(0, 4)
      .str();
}

TEST_CASE("hostile: every cut of a good file is an error") {
  const std::vector<std::uint8_t> pixels(12, 7);
  const std::string files[] = {rgb_png(2, 2, pixels), jpeg_of(9, 9), small_gif(),
                               bmp_head(2, 2, 24) + std::string(16, 'x'),
                               "P6 2 2 255\n" + std::string(12, 'x')};
  for (const std::string& file : files) {
    REQUIRE(static_cast<bool>(decode_hostile(file)));
    // The first frame of a GIF file is whole without the end mark.
    const std::size_t end = file.starts_with("GIF") ? file.size() - 1 : file.size();
    for (std::size_t size = 0; size < end; ++size) {
      const auto picture = decode_hostile(std::string_view(file).substr(0, size));
      if (picture) FAIL_CHECK(file.substr(0, 4) << " cut to " << size << " of " << file.size());
      if (!picture) CHECK(picture.error().where.view() == "bad.bin");
    }
  }
}

TEST_CASE("hostile: garbage is of no known format") {
  expect_bad_picture("", "not a picture");
  expect_bad_picture("hello, world", "not a picture");
  expect_bad_picture(std::string(1000, '\0'), "not a picture");
  expect_bad_picture("RIFF\x10\0\0\0WEBPVP8 ", "not a picture");
  for (const std::string_view head : {"\x89PNG\r\n\x1a\n", "\xFF\xD8\xFF", "GIF89a", "BM", "P6"}) {
    for (const char filler : {'\0', '\x11', ' ', '\xFF'})
      CHECK_FALSE(static_cast<bool>(decode_hostile(std::string(head) + std::string(5000, filler))));
  }
}

TEST_CASE("hostile: pictures without pixels") {
  expect_bad_picture(png_file({.width = 0}, ""), "without pixels");
  expect_bad_picture(png_file({.height = 0}, ""), "without pixels");
  expect_bad_picture(bmp_head(0, 1, 24), "without pixels");
  expect_bad_picture(bmp_head(1, 0, 24), "without pixels");
  expect_bad_picture("P6 0 5 255\n", "without pixels");
  expect_bad_picture("P6 5 0 255\n", "without pixels");
  expect_bad_picture(gif_file(0, 3, {}), "without pixels");
  expect_bad_picture(gif_file(3, 3, {}), "without pixels");
  std::string jpeg = jpeg_of(8, 8);
  const std::size_t frame = jpeg.find("\xFF\xC0");
  REQUIRE(frame != std::string::npos);
  jpeg[frame + 7] = jpeg[frame + 8] = 0;
  expect_bad_picture(jpeg, "without pixels");
}

TEST_CASE("hostile: huge dimensions are refused before memory is taken") {
  const std::size_t before = peak_memory();
  const auto refused = [](const std::string& file) {
    expect_error(decode_hostile(file), ErrorCode::out_of_memory, "bad.bin", "too large");
  };
  refused(png_file({.width = 0x7FFFFFFF, .height = 0x7FFFFFFF}, ""));
  refused(png_file({.width = 0xFFFFFFFF, .height = 1}, ""));
  refused(png_file({.width = 65'535, .height = 65'535}, ""));
  refused(png_file({.width = 65'536, .height = 1}, ""));
  refused(bmp_head(0x7FFFFFFF, 0x7FFFFFFF, 24));
  refused(bmp_head(50'000, 0U - 50'000U, 24));
  refused("P6 999999999 999999999 255\n");
  refused("P6 60000 60000 255\n");
  refused(gif_file(65'535, 65'535, {}));
  std::string jpeg = jpeg_of(8, 8);
  const std::size_t frame = jpeg.find("\xFF\xC0");
  for (std::size_t i = 5; i < 9; ++i) jpeg[frame + i] = '\xFF';
  refused(jpeg);
  CHECK(peak_memory() - before < std::size_t{32} << 20);
  // Limits are the caller's.
  const std::vector<std::uint8_t> pixels(27, 1);
  CHECK(static_cast<bool>(decode_hostile(rgb_png(3, 3, pixels), {.max_pixels = 9, .max_side = 3})));
  expect_error(decode_hostile(rgb_png(3, 3, pixels), {.max_pixels = 8}), ErrorCode::out_of_memory, "bad.bin",
               "too large");
  expect_error(decode_hostile(rgb_png(3, 3, pixels), {.max_side = 2}), ErrorCode::out_of_memory, "bad.bin",
               "too large");
  expect_error(decode_hostile(rgb_png(3, 3, pixels), {.max_bytes = 20}), ErrorCode::out_of_memory, "bad.bin",
               "too large");
}

TEST_CASE("hostile: a header that claims more pixels than there are") {
  expect_bad_picture(png_file({.width = 4000, .height = 4000}, "few"), "damaged");
  expect_bad_picture(bmp_head(4000, 4000, 24) + "few", "truncated");
  expect_bad_picture("P6 4000 4000 255\nfew", "truncated");
  expect_bad_picture(gif_file(2000, 2000, {{.width = 2000, .height = 2000, .indices = {1, 2, 3}}}),
                     "too few pixels");
}

TEST_CASE("hostile: a PNG file that inflates to more than its pixels takes no more memory than they") {
  const std::size_t before = peak_memory();
  const std::string bomb = deflated(std::string(std::size_t{64} << 20, '\0'));
  REQUIRE(bomb.size() < 1'000'000);
  const std::size_t with_bomb = peak_memory();
  std::string pixels;
  for (int i = 0; i < 40; ++i) pixels += png_chunk("IDAT", i == 0 ? bomb : "");
  expect_error(decode_hostile(png_head({.width = 8, .height = 8}) + pixels + png_chunk("IEND", "")),
               ErrorCode::out_of_memory, "bad.bin", "too much memory");
  CHECK(with_bomb > before);
  CHECK(peak_memory() - with_bomb < std::size_t{16} << 20);
}

TEST_CASE("hostile: 1 x 10000 pixels, both ways, are a picture like any other") {
  const std::vector<std::uint8_t> pixels(30'000, 200);
  for (const bool is_wide : {false, true}) {
    for (const int budget : {70, 1120}) {
      auto picture = decode_hostile(rgb_png(is_wide ? 10'000 : 1, is_wide ? 1 : 10'000, pixels));
      REQUIRE_MESSAGE(static_cast<bool>(picture), message_of(picture));
      const auto prepared = lamina::prepare_picture(*std::move(picture), budget);
      REQUIRE_MESSAGE(static_cast<bool>(prepared), message_of(prepared));
      CHECK((is_wide ? prepared->height() : prepared->width()) == 48);
      for (const std::uint8_t value : prepared->rgb()) {
        if (value < 199 || value > 201) FAIL("level " << int{value});
      }
    }
  }
}

TEST_CASE("hostile PNG: chunks, depths, palettes") {
  expect_bad_picture("\x89PNG\r\n\x1a\n" + png_chunk("IDAT", "x") + png_chunk("IEND", ""), "wrong order");
  expect_bad_picture(png_head({}) + png_head({}).substr(8) + png_chunk("IEND", ""), "wrong order");
  expect_bad_picture(png_head({}) + png_chunk("IEND", ""), "without pixels");
  expect_bad_picture(png_file({.depth = 3}, ""), "colour type or depth");
  expect_bad_picture(png_file({.depth = 200}, ""), "colour type or depth");
  expect_bad_picture(png_file({.depth = 4, .colour_type = 2}, ""), "colour type or depth");
  expect_bad_picture(png_file({.depth = 16, .colour_type = 3}, ""), "colour type or depth");
  expect_bad_picture(png_file({.colour_type = 1}, ""), "colour type or depth");
  expect_bad_picture(png_file({.colour_type = 255}, ""), "colour type or depth");
  expect_bad_picture(png_file({.interlace = 2}, ""), "unknown method");
  expect_bad_picture(png_file({.colour_type = 3}, "xx"), "without its palette");
  const std::string palette = png_chunk("PLTE", "abc");
  expect_bad_picture(png_file({.colour_type = 3, .before_pixels = palette + palette}, "xx"), "PNG palette");
  expect_bad_picture(png_file({.colour_type = 3, .before_pixels = png_chunk("PLTE", "ab")}, "xx"),
                     "PNG palette");
  expect_bad_picture(png_file({.colour_type = 3, .before_pixels = png_chunk("PLTE", "")}, "xx"),
                     "PNG palette");
  expect_bad_picture(
      png_file({.depth = 1, .colour_type = 3, .before_pixels = png_chunk("PLTE", "abcabcabc")}, "xx"),
      "PNG palette");
  expect_error(decode_hostile(png_file({.before_pixels = png_chunk("CgBI", "1234")}, "xxxx")),
               ErrorCode::unsupported, "bad.bin", "not known");
  // A length that leaves the file.
  std::string file = png_file({}, "0000");
  file.replace(file.find("IDAT") - 4, 4, "\xFF\xFF\xFF\xFF");
  expect_bad_picture(file, "truncated");
}

TEST_CASE("hostile JPEG: segments, tables, frames, scans") {
  const std::string good = jpeg_of(8, 8);
  const std::size_t scan = good.find("\xFF\xDA");
  REQUIRE(scan != std::string::npos);
  // More codes than a decoder's table has room for, as two files of a fuzzer once showed.
  std::string table(17 + 16 * 255, '\1');
  for (std::size_t i = 1; i <= 16; ++i) table[i] = '\xFF';
  expect_bad_picture(with_segment(good, jpeg_segment(0xC4, table)), "Huffman");
  // More codes of one bit than there are, a table with a number that there is not.
  expect_bad_picture(
      with_segment(good, jpeg_segment(0xC4, std::string(1, '\0') + '\3' + std::string(15, '\0') + "abc")),
      "Huffman");
  expect_bad_picture(with_segment(good, jpeg_segment(0xC4, '\x04' + std::string(16, '\0'))), "Huffman");
  expect_bad_picture(with_segment(good, jpeg_segment(0xC4, "short")), "Huffman");
  // 256 codes of 16 bits: legal, but more than stb_image tells apart.
  std::string many(1, '\0');
  many += std::string(15, '\0') + '\xFF' + std::string(255, 'x');
  CHECK(static_cast<bool>(decode_hostile(with_segment(good, jpeg_segment(0xC4, many)))));
  many = std::string(1, '\0') + std::string(14, '\0') + '\1' + '\xFF' + std::string(256, 'x');
  expect_bad_picture(with_segment(good, jpeg_segment(0xC4, many)), "Huffman");
  const std::size_t frame = good.find("\xFF\xC0");
  const std::string frame_segment = good.substr(frame, 19);
  expect_bad_picture(good.substr(0, frame) + frame_segment + good.substr(frame), "JPEG frames");
  expect_bad_picture(good.substr(0, frame) + good.substr(frame + 19), "JPEG segments");
  expect_bad_picture(good.substr(0, scan) + "\xFF\xD9", "without pixels");
  std::string scans = good.substr(0, scan);
  for (int i = 0; i < 101; ++i) scans += good.substr(scan, good.size() - 2 - scan);
  expect_bad_picture(scans + "\xFF\xD9", "JPEG scans");
  std::string four = good;
  four.replace(
      frame, 19,
      jpeg_segment(0xC0, good.substr(frame + 4, 5) + '\4' + good.substr(frame + 10, 9) + "\4\x11" + '\0'));
  expect_error(decode_hostile(four), ErrorCode::unsupported, "bad.bin", "four components");
}

TEST_CASE("hostile JPEG: scans without tables give an error or a picture, and always the same") {
  const std::string good = jpeg_of(8, 8);
  std::string without;
  for (std::size_t at = 2; at + 4 < good.size();) {
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(good[at + 2])) * 256 +
                      static_cast<unsigned char>(good[at + 3]) + 2;
    if (good[at + 1] == '\xDA') {
      without += good.substr(at);
      break;
    }
    if (good[at + 1] != '\xC4') without += good.substr(at, size);
    at += size;
  }
  const std::string file = "\xFF\xD8" + without;
  const auto first = decode_hostile(file);
  for (int i = 0; i < 10; ++i) {
    const auto again = decode_hostile(file);
    REQUIRE(static_cast<bool>(first) == static_cast<bool>(again));
    if (first) CHECK(std::equal(first->rgb().begin(), first->rgb().end(), again->rgb().begin()));
  }
}

TEST_CASE("hostile GIF: frames outside, no colours, codes that there are not") {
  expect_bad_picture(gif_file(2, 2, {{.left = 1, .width = 2, .height = 2, .indices = {0, 0, 0, 0}}}),
                     "outside");
  expect_bad_picture(gif_file(2, 2, {{.top = 65'535, .width = 2, .height = 65'535}}), "outside");
  std::string no_colours = small_gif();
  no_colours[10] = 1;
  no_colours.erase(13, 12);
  expect_bad_picture(no_colours, "without colours");
  std::string block = small_gif();
  block[25] = 0x55;  // where a block begins
  CHECK_FALSE(static_cast<bool>(decode_hostile(block)));
  for (const char size : {'\0', '\x9', '\xFF'}) {
    std::string codes = small_gif();
    codes[codes.find('\x2C') + 10] = size;
    expect_bad_picture(codes, "code size");
  }
  // The first code is one that would have to be made first.
  std::string early = small_gif();
  const std::size_t pixels = early.find('\x2C') + 12;
  early[pixels] = '\x34';  // clear, 6
  expect_bad_picture(early, "too few pixels");
}

TEST_CASE("hostile BMP: headers, masks, offsets") {
  expect_bad_picture(bmp_head(2, 2, 24, 0xFFFFFFFF) + std::string(16, 'x'), "truncated");
  expect_bad_picture(bmp_head(2, 2, 8, 54), "truncated");
  std::string header = bmp_head(2, 2, 24) + std::string(16, 'x');
  header[14] = 13;
  expect_error(decode_hostile(header), ErrorCode::unsupported, "bad.bin", "BMP header");
  for (const std::uint32_t bits : {0U, 2U, 7U, 48U, 0xFFFFU}) {
    expect_error(decode_hostile(bmp_head(2, 2, bits) + std::string(4000, 'x')), ErrorCode::unsupported,
                 "bad.bin", "kind of BMP");
  }
  std::string masks = bmp_head(1, 1, 32, 66);
  masks[30] = 3;
  expect_bad_picture(masks + std::string(12, '\0') + "xxxx", "masks");
  expect_bad_picture(masks + FileBytes().little(0x5, 4).little(0x10, 4).little(0x20, 4).str() + "xxxx",
                     "masks");
}

TEST_CASE("hostile PPM: headers") {
  for (const std::string_view file : {"P6", "P6 ", "P6 1", "P6 x 1 255\n", "P6 -1 1 255\n", "P6 1 1 255",
                                      "P6 99999999999 1 255\n", "P6 # never ends", "P6 1,1 255\nabc"}) {
    CAPTURE(std::string(file));
    CHECK_FALSE(static_cast<bool>(decode_hostile(file)));
  }
  expect_bad_picture("P6 1 1 0\nabc", "largest value");
  expect_bad_picture("P6 1 1 65536\nabcdef", "largest value");
}

}  // namespace
