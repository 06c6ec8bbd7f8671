// SPDX-License-Identifier: Apache-2.0
// Every kind of every format: pixels as the reference sees them (vision.md §2.1).
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <stb/stb_image_write.h>

#include <lamina/media/picture/decode.hpp>

#include "support/expect_error.hpp"
#include "support/picture_builder.hpp"
#include "support/temporary_directory.hpp"

namespace {

using lamina::ErrorCode;
using lamina::Picture;
using Bytes = std::vector<std::uint8_t>;

/// Decodes from a block of exactly the file's size; the picture's bytes.
Bytes decode(std::string_view file, std::size_t width, std::size_t height) {
  const std::vector<std::byte> exact(as_bytes(file).begin(), as_bytes(file).end());
  const auto picture = lamina::decode_picture(exact, "dir/test.bin");
  REQUIRE_MESSAGE(static_cast<bool>(picture), message_of(picture));
  REQUIRE(picture->width() == width);
  REQUIRE(picture->height() == height);
  return {picture->rgb().begin(), picture->rgb().end()};
}

std::string bytes(const std::vector<std::uint8_t>& values) { return FileBytes().bytes(values).str(); }

// --- PNG ---

TEST_CASE("PNG: grey of all depths; of 16 bits the upper byte") {
  CHECK(decode(png_file({.width = 3, .depth = 8, .colour_type = 0}, bytes({0, 0, 100, 255})), 3, 1) ==
        Bytes{0, 0, 0, 100, 100, 100, 255, 255, 255});
  CHECK(decode(png_file({.width = 3, .depth = 1, .colour_type = 0}, bytes({0, 0b10100000})), 3, 1) ==
        Bytes{255, 255, 255, 0, 0, 0, 255, 255, 255});
  CHECK(decode(png_file({.width = 3, .depth = 2, .colour_type = 0}, bytes({0, 0b00011000})), 3, 1) ==
        Bytes{0, 0, 0, 85, 85, 85, 170, 170, 170});
  CHECK(decode(png_file({.width = 2, .depth = 4, .colour_type = 0}, bytes({0, 0x1F})), 2, 1) ==
        Bytes{17, 17, 17, 255, 255, 255});
  CHECK(decode(png_file({.width = 2, .depth = 16, .colour_type = 0}, bytes({0, 0x12, 0xFF, 0xFE, 0})), 2,
               1) == Bytes{0x12, 0x12, 0x12, 0xFE, 0xFE, 0xFE});
}

TEST_CASE("PNG: RGB of 8 and 16 bits, filtered rows") {
  CHECK(decode(png_file({.width = 2, .height = 2}, bytes({1, 10, 20, 30, 1, 1, 1, 2, 5, 5, 5, 0, 0, 0})), 2,
               2) == Bytes{10, 20, 30, 11, 21, 31, 15, 25, 35, 11, 21, 31});
  CHECK(decode(png_file({.depth = 16}, bytes({0, 1, 255, 2, 255, 3, 255})), 1, 1) == Bytes{1, 2, 3});
}

TEST_CASE("PNG: transparency of every kind is blended onto white") {
  const Bytes half_red = {255, 127, 127};  // 255·128/255 + 127 and 0 + 127
  CHECK(decode(png_file({.colour_type = 6}, bytes({0, 255, 0, 0, 128})), 1, 1) == half_red);
  CHECK(decode(png_file({.depth = 16, .colour_type = 6}, bytes({0, 255, 9, 0, 9, 0, 9, 128, 9})), 1, 1) ==
        half_red);
  CHECK(decode(png_file({.width = 2, .colour_type = 4}, bytes({0, 0, 128, 7, 0})), 2, 1) ==
        Bytes{127, 127, 127, 255, 255, 255});
  CHECK(decode(png_file({.depth = 16, .colour_type = 4}, bytes({0, 0, 9, 128, 9})), 1, 1) ==
        Bytes{127, 127, 127});
  // One grey level, one colour, of which there is none: white.
  CHECK(decode(png_file({.width = 2, .colour_type = 0, .before_pixels = png_chunk("tRNS", bytes({0, 7}))},
                        bytes({0, 7, 8})),
               2, 1) == Bytes{255, 255, 255, 8, 8, 8});
  CHECK(decode(
            png_file(
                {.width = 2, .colour_type = 2, .before_pixels = png_chunk("tRNS", bytes({0, 1, 0, 2, 0, 3}))},
                bytes({0, 1, 2, 3, 1, 2, 4})),
            2, 1) == Bytes{255, 255, 255, 1, 2, 4});
  // Entries of the palette.
  const std::string palette =
      png_chunk("PLTE", bytes({255, 0, 0, 0, 255, 0})) + png_chunk("tRNS", bytes({128}));
  CHECK(decode(png_file({.width = 2, .depth = 1, .colour_type = 3, .before_pixels = palette},
                        bytes({0, 0b01000000})),
               2, 1) == Bytes{255, 127, 127, 0, 255, 0});
}

TEST_CASE("PNG: palettes of all depths; colours that a palette has not are black, always") {
  const std::string palette = png_chunk("PLTE", bytes({1, 2, 3, 4, 5, 6, 7, 8, 9}));
  const Bytes expected{7, 8, 9, 1, 2, 3, 0, 0, 0};
  CHECK(decode(png_file({.width = 3, .depth = 2, .colour_type = 3, .before_pixels = palette},
                        bytes({0, 0b10001100})),
               3, 1) == expected);
  CHECK(decode(png_file({.width = 3, .depth = 4, .colour_type = 3, .before_pixels = palette},
                        bytes({0, 0x20, 0xF0})),
               3, 1) == expected);
  CHECK(decode(png_file({.width = 3, .depth = 8, .colour_type = 3, .before_pixels = palette},
                        bytes({0, 2, 0, 255})),
               3, 1) == expected);
}

TEST_CASE("PNG: interlaced") {
  // 3 x 3: pass 1 has the corner, pass 5 row 2 every second column, pass 6 column 1 of every second row, pass
  // 7 row 1.
  const std::string rows = bytes({0, 10, 0, 12, 0, 30, 32, 0, 11, 0, 31, 0, 20, 21, 22});
  const Bytes got = decode(png_file({.width = 3, .height = 3, .colour_type = 0, .interlace = 1}, rows), 3, 3);
  const Bytes expected{10, 11, 12, 20, 21, 22, 30, 31, 32};
  for (std::size_t i = 0; i < 9; ++i) CHECK(got[3 * i] == expected[i]);
}

TEST_CASE("PNG: EXIF data turn the picture, in either byte order") {
  const Bytes stored{1, 1, 1, 2, 2, 2, 3, 3, 3};
  for (const bool is_little : {false, true}) {
    const std::string chunk = png_chunk("eXIf", exif_data(6, is_little));
    CHECK(decode(rgb_png(3, 1, stored, chunk), 1, 3) == stored);
    CHECK(decode(rgb_png(3, 1, stored, png_chunk("eXIf", exif_data(2, is_little))), 3, 1) ==
          Bytes{3, 3, 3, 2, 2, 2, 1, 1, 1});
  }
}

// --- JPEG ---

/// A JPEG file of the best quality.
std::string jpeg_file(int width, int height, int channels, const Bytes& pixels) {
  std::string file;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  REQUIRE(stbi_write_jpg_to_func(append, &file, width, height, channels, pixels.data(), 100) == 1);
  return file;
}

/// Two halves, left and right, over one another by 16 rows: red, green, blue, white.
std::string four_colours() {
  const std::array<Bytes, 4> colours{Bytes{255, 0, 0}, Bytes{0, 255, 0}, Bytes{0, 0, 255},
                                     Bytes{255, 255, 255}};
  Bytes pixels;
  for (std::size_t y = 0; y < 32; ++y) {
    for (std::size_t x = 0; x < 48; ++x) {
      const Bytes& colour = colours[2 * (y / 16) + x / 24];
      pixels.insert(pixels.end(), colour.begin(), colour.end());
    }
  }
  return jpeg_file(48, 32, 3, pixels);
}

/// The colours in the four corners: "RGBW" where upright.
std::string corners(std::string_view file, std::size_t width, std::size_t height) {
  const Bytes rgb = decode(file, width, height);
  std::string found;
  for (const std::size_t y : {std::size_t{2}, height - 3}) {
    for (const std::size_t x : {std::size_t{2}, width - 3}) {
      const std::uint8_t* pixel = rgb.data() + 3 * (y * width + x);
      const auto is = [pixel](int r, int g, int b) {
        return std::abs(pixel[0] - r) < 6 && std::abs(pixel[1] - g) < 6 && std::abs(pixel[2] - b) < 6;
      };
      found += is(255, 0, 0)       ? 'R'
               : is(0, 255, 0)     ? 'G'
               : is(0, 0, 255)     ? 'B'
               : is(255, 255, 255) ? 'W'
                                   : '?';
    }
  }
  return found;
}

TEST_CASE("JPEG: colours, and the eight orientations of EXIF data in both byte orders") {
  const std::string file = four_colours();
  CHECK(corners(file, 48, 32) == "RGBW");
  const char* expected[9] = {"", "RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"};
  for (std::uint32_t way = 1; way <= 8; ++way) {
    for (const bool is_little : {false, true}) {
      CAPTURE(way);
      const std::string exif = jpeg_segment(0xE1, std::string("Exif\0\0", 6) + exif_data(way, is_little));
      CHECK(corners(with_segment(file, exif), way < 5 ? 48 : 32, way < 5 ? 32 : 48) == expected[way]);
    }
  }
}

TEST_CASE("JPEG: what stands where EXIF data may, turns nothing") {
  const std::string file = four_colours();
  CHECK(corners(with_segment(file, jpeg_segment(0xE1, "http://ns.adobe.com/xap/1.0/")), 48, 32) == "RGBW");
  CHECK(corners(with_segment(file, jpeg_segment(0xE1, std::string("Exif\0\0", 6))), 48, 32) == "RGBW");
  // The first EXIF data count.
  const auto exif = [](std::uint32_t way) {
    return jpeg_segment(0xE1, std::string("Exif\0\0", 6) + exif_data(way, true));
  };
  CHECK(corners(with_segment(file, exif(3) + exif(1)), 48, 32) == "WBGR");
}

/// A JPEG of one grey block: its difference of the direct component, in units of 8 grey levels, is 2 bits
/// "size 3", and three bits of value.
std::string one_block_jpeg(std::uint32_t frame_marker, std::uint32_t last_coefficient) {
  std::string quantities(65, '\1');
  quantities[0] = 0;
  std::string lengths(16, '\0');
  lengths[0] = 1;
  const std::string direct = '\0' + lengths + '\7';    // one code, 0: seven bits follow
  const std::string others = '\x10' + lengths + '\0';  // one code, 0: end of block
  FileBytes frame;
  frame.byte(8).big(8, 2).big(8, 2).byte(1).byte(1).byte(0x11).byte(0);
  FileBytes scan;
  scan.byte(1).byte(1).byte(0).byte(0).byte(last_coefficient).byte(0);
  FileBytes file;
  file.byte(0xFF)
      .byte(0xD8)
      .text(jpeg_segment(0xDB, quantities))
      .text(jpeg_segment(frame_marker, frame.str()));
  file.text(jpeg_segment(0xC4, direct)).text(jpeg_segment(0xC4, others)).text(jpeg_segment(0xDA, scan.str()));
  // 0, 1100100 (100 of 8 per grey level: 12.5), 0, and ones to the end of the byte.
  return file.byte(0b01100100).byte(last_coefficient == 0 ? 0x7F : 0b01111111).byte(0xFF).byte(0xD9).str();
}

TEST_CASE("JPEG: one component is grey, baseline and progressive") {
  for (const auto& [marker, last] : {std::pair{0xC0U, 63U}, std::pair{0xC2U, 0U}}) {
    const Bytes rgb = decode(one_block_jpeg(marker, last), 8, 8);
    for (const std::uint8_t value : rgb) CHECK(std::abs(value - 140) <= 1);
  }
}

TEST_CASE("JPEG: kinds that are not read are named") {
  expect_error(lamina::decode_picture(as_bytes(one_block_jpeg(0xC3, 63)), "a/b.jpg"), ErrorCode::unsupported,
               "b.jpg", "kind of JPEG");
  expect_error(lamina::decode_picture(as_bytes(one_block_jpeg(0xC9, 63)), "b.jpg"), ErrorCode::unsupported,
               "b.jpg", "kind of JPEG");
}

// --- BMP ---

struct BmpSpec {
  std::uint32_t header = 40;
  std::int32_t width = 2, height = 2;
  std::uint32_t bits = 24;
  std::uint32_t compression = 0;
  std::uint32_t colours = 0;
  std::string behind_header = {};  ///< palette or masks
};

std::string bmp_file(const BmpSpec& spec, const std::string& rows) {
  const auto at = static_cast<std::uint32_t>(14 + spec.header + spec.behind_header.size());
  FileBytes out;
  out.text("BM").little(0, 4).little(0, 4).little(at, 4).little(spec.header, 4);
  const int side = spec.header == 12 ? 2 : 4;
  out.little(static_cast<std::uint32_t>(spec.width), side)
      .little(static_cast<std::uint32_t>(spec.height), side);
  out.little(1, 2).little(spec.bits, 2);
  if (spec.header != 12)
    out.little(spec.compression, 4)
        .little(0, 4)
        .little(0, 4)
        .little(0, 4)
        .little(spec.colours, 4)
        .little(0, 4);
  std::string file = out.str();
  // Headers of more than 40 bytes hold the masks themselves.
  if (spec.header > 40) {
    std::string rest(spec.header - 40, '\0');
    const std::string& masks = spec.behind_header;
    rest.replace(0, masks.size(), masks);
    file[10] = static_cast<char>(14 + spec.header);
    return file + rest + rows;
  }
  return file + spec.behind_header + rows;
}

TEST_CASE("BMP: 24 bits, from below and from above, rows padded to four bytes") {
  const std::string rows = bytes({3, 2, 1, 6, 5, 4, 0, 0, 9, 8, 7, 12, 11, 10, 0, 0});
  CHECK(decode(bmp_file({}, rows), 2, 2) == Bytes{7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6});
  CHECK(decode(bmp_file({.height = -2}, rows), 2, 2) == Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  CHECK(decode(bmp_file({.header = 12}, rows), 2, 2) == Bytes{7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("BMP: palettes of 1, 4 and 8 bits, also short and OS/2's; colours that are not there are black") {
  const std::string palette = bytes({3, 2, 1, 0, 6, 5, 4, 0});
  const std::string old_palette = bytes({3, 2, 1, 6, 5, 4});
  CHECK(decode(bmp_file({.height = 1, .bits = 1, .behind_header = palette}, bytes({0b01000000, 0, 0, 0})), 2,
               1) == Bytes{1, 2, 3, 4, 5, 6});
  CHECK(decode(bmp_file({.height = 1, .bits = 4, .colours = 2, .behind_header = palette},
                        bytes({0x1F, 0, 0, 0})),
               2, 1) == Bytes{4, 5, 6, 0, 0, 0});
  CHECK(decode(bmp_file({.height = 1, .bits = 8, .behind_header = palette}, bytes({1, 200, 0, 0})), 2, 1) ==
        Bytes{4, 5, 6, 0, 0, 0});
  CHECK(decode(bmp_file({.header = 12, .height = 1, .bits = 8, .behind_header = old_palette},
                        bytes({1, 0, 0, 0})),
               2, 1) == Bytes{4, 5, 6, 1, 2, 3});
  CHECK(decode(bmp_file({.header = 12, .height = 1, .bits = 1, .behind_header = old_palette},
                        bytes({0b10000000, 0, 0, 0})),
               2, 1) == Bytes{4, 5, 6, 1, 2, 3});
}

TEST_CASE("BMP: 16 and 32 bits by default masks and by stated ones") {
  const std::string pair = bytes({0x1F, 0x7C, 0xE0, 0x03});  // red and blue; green
  CHECK(decode(bmp_file({.height = 1, .bits = 16}, pair), 2, 1) == Bytes{255, 0, 255, 0, 255, 0});
  const std::string masks565 = FileBytes().little(0xF800, 4).little(0x7E0, 4).little(0x1F, 4).str();
  CHECK(decode(bmp_file({.height = 1, .bits = 16, .compression = 3, .behind_header = masks565},
                        bytes({0xE0, 7, 0, 0xF8})),
               2, 1) == Bytes{0, 255, 0, 255, 0, 0});
  // The fourth byte of plain 32 bits means nothing; with a mask of its own it is opacity.
  const std::string pixel = bytes({0, 0, 255, 128});
  CHECK(decode(bmp_file({.width = 1, .height = 1, .bits = 32}, pixel), 1, 1) == Bytes{255, 0, 0});
  const std::string masks =
      FileBytes().little(0xFF0000, 4).little(0xFF00, 4).little(0xFF, 4).little(0xFF000000, 4).str();
  for (const std::uint32_t header : {56U, 108U, 124U}) {
    CAPTURE(header);
    CHECK(decode(bmp_file({.header = header,
                           .width = 1,
                           .height = 1,
                           .bits = 32,
                           .compression = 3,
                           .behind_header = masks},
                          pixel),
                 1, 1) == Bytes{255, 127, 127});
  }
  CHECK(
      decode(bmp_file({.width = 1, .height = 1, .bits = 32, .compression = 6, .behind_header = masks}, pixel),
             1, 1) == Bytes{255, 127, 127});
}

TEST_CASE("BMP: run lengths are refused by name") {
  expect_error(lamina::decode_picture(
                   as_bytes(bmp_file({.bits = 8, .compression = 1}, std::string(2000, 'x'))), "r.bmp"),
               ErrorCode::unsupported, "r.bmp", "kind of BMP");
}

// --- PPM ---

TEST_CASE("PPM and PGM: one and two bytes, comments, values scaled to the largest") {
  CHECK(decode("P6\n# a comment\n2 1 # another\n255\n" + bytes({1, 2, 3, 4, 5, 6}), 2, 1) ==
        Bytes{1, 2, 3, 4, 5, 6});
  CHECK(decode("P5 2 1 255 " + bytes({9, 255}), 2, 1) == Bytes{9, 9, 9, 255, 255, 255});
  CHECK(decode("P5 3 1 15\n" + bytes({0, 15, 3}), 3, 1) == Bytes{0, 0, 0, 255, 255, 255, 51, 51, 51});
  CHECK(decode("P5 2 1 2\n" + bytes({1, 9}), 2, 1) == Bytes{128, 128, 128, 255, 255, 255});
  CHECK(decode("P6 1 1 65535\n" + bytes({255, 255, 128, 0, 0, 200}), 1, 1) == Bytes{255, 128, 1});
}

TEST_CASE("PPM: text files are refused, and the message says what to do") {
  for (const std::string_view file : {"P3 1 1 255 1 2 3", "P2 1 1 255 1", "P1 1 1 0", "P4 1 1 x"}) {
    const auto picture = lamina::decode_picture(as_bytes(file), "x.ppm");
    expect_error(picture, ErrorCode::unsupported, "x.ppm", "kind of PPM");
    CHECK(picture.error().hint.view() == "write it in the binary form");
  }
}

// --- GIF ---

TEST_CASE("GIF: the first frame; what it leaves out or makes transparent is white") {
  GifFrameSpec frame{.left = 1, .top = 0, .width = 2, .height = 2, .indices = {1, 2, 3, 0}};
  const Bytes expected{255, 255, 255, 255, 0, 0, 0, 255, 0, 255, 255, 255, 0, 0, 255, 0, 0, 0};
  CHECK(decode(gif_file(3, 2, {frame}), 3, 2) == expected);
  frame.transparent = 2;
  Bytes with_hole = expected;
  with_hole[6] = with_hole[8] = 255;
  CHECK(decode(gif_file(3, 2, {frame, frame}), 3, 2) == with_hole);
}

TEST_CASE("GIF: interlaced rows, at any height") {
  for (std::uint32_t height = 1; height <= 20; ++height) {
    GifFrameSpec frame{.width = 1, .height = height, .is_interlaced = true};
    for (const auto& [start, step] :
         {std::pair{0U, 8U}, std::pair{4U, 8U}, std::pair{2U, 4U}, std::pair{1U, 2U}}) {
      for (std::uint32_t y = start; y < height; y += step)
        frame.indices.push_back(static_cast<std::uint8_t>(y % 4));
    }
    const Bytes rgb = decode(gif_file(1, height, {frame}), 1, height);
    for (std::uint32_t y = 0; y < height; ++y) {
      const std::uint32_t shown = rgb[3 * y] != 0 ? 1 : rgb[3 * y + 1] != 0 ? 2 : rgb[3 * y + 2] != 0 ? 3 : 0;
      CHECK(shown == y % 4);
    }
  }
}

TEST_CASE("GIF: codes that grow, and the code that is made as it is used") {
  // 10 equal pixels: clear, 1, then the string of 2, of 3 and of 4, each not known yet; 3 bits, then 4 from
  // code 8 on.
  FileBytes file;
  file.text("GIF89a").little(10, 2).little(1, 2).byte(0x81).byte(0).byte(0);
  file.bytes(Bytes{0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255});
  file.byte(0x2C).little(0, 4).little(10, 2).little(1, 2).byte(0);
  // 100 001 110 111 | 1000 (four bits) | 0101 end, from the lowest bit: 4, 1, 6, 7, 8, 5
  const std::uint32_t packed = 4U | 1U << 3 | 6U << 6 | 7U << 9 | 8U << 12 | 5U << 16;
  file.byte(2).byte(3).little(packed, 3).byte(0).byte(0x3B);
  const Bytes rgb = decode(file.str(), 10, 1);
  for (std::size_t x = 0; x < 10; ++x) CHECK((rgb[3 * x] == 255 && rgb[3 * x + 1] == 0));
}

// --- Files ---

TEST_CASE("read_picture: by its bytes, whatever its name; errors name the file") {
  const TemporaryDirectory directory;
  const auto picture = lamina::read_picture(directory.write("picture.jpg", rgb_png(1, 1, Bytes{1, 2, 3})));
  REQUIRE_MESSAGE(static_cast<bool>(picture), message_of(picture));
  CHECK(picture->rgb()[2] == 3);
  expect_error(lamina::read_picture(directory.path("none.png")), ErrorCode::io, "none.png", "cannot open");
  expect_error(lamina::read_picture(directory.path()), ErrorCode::bad_file, "lamina-test", "regular file");
  expect_error(lamina::read_picture(directory.write("empty.png", "")), ErrorCode::bad_file, "empty.png",
               "empty");
  expect_error(lamina::read_picture("a\0b"), ErrorCode::io, "a", "cannot open");
  expect_error(lamina::read_picture(std::string("a\0b", 3)), ErrorCode::bad_argument, "a", "NUL");
  expect_error(lamina::read_picture(""), ErrorCode::bad_argument, "", "empty");
  expect_error(lamina::read_picture(directory.path("picture.jpg"), {.max_bytes = 10}),
               ErrorCode::out_of_memory, "picture.jpg", "too large");
}

}  // namespace
