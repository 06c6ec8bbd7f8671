// SPDX-License-Identifier: Apache-2.0
// The encoders of pictures against the reference implementation: inner values and soft tokens, from both
// kinds of files. Tolerances: golden/vision/README.md; never wider.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/blocks/decode.hpp>
#include <lamina/blocks/quantize.hpp>
#include <lamina/core/threads.hpp>

#include "support/expect_error.hpp"
#include "support/loaded_encoder.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::PassValue;
using lamina::Precision;

constexpr double front_tolerance = 2e-5;
constexpr double layer_tolerance = 2e-4;
constexpr double pooled_tolerance = 4e-4;
constexpr double soft_tolerance = 1e-4;
constexpr double unified_tolerance = 6e-4;

const std::vector<StoredValue> tower_values{
    {"patch_embed", PassValue::input_rows, 0, front_tolerance},
    {"layer_0", PassValue::layer_output, 0, layer_tolerance},
    {"layer_1", PassValue::layer_output, 1, layer_tolerance},
    {"layer_2", PassValue::layer_output, 2, layer_tolerance},
    {"pooled", PassValue::pooled, 0, pooled_tolerance},
    {"tower_out", PassValue::encoded, 0, pooled_tolerance},
    {"soft", PassValue::soft_tokens, 0, soft_tolerance},
};

void check_tower(const std::string& model, const std::string& stored) {
  const ReferenceArrays arrays(golden_path("vision/" + model + "/" + stored + ".safetensors"));
  REQUIRE(arrays.valid());
  for (const std::string& path : tower_files(model)) {
    CAPTURE(path);
    const LoadedEncoder encoder(path);
    std::size_t images = 0;
    for (; arrays.index().contains("image" + std::to_string(images) + ".patches"); ++images) {
      const std::string prefix = "image" + std::to_string(images) + ".";
      const ReferencePicture picture(arrays, prefix + "patches", prefix + "positions", 16);
      check_stored(encoder, picture.input(), 64, arrays, prefix, tower_values);
    }
    CHECK(images == (stored == "tower_two" ? 2 : 1));
  }
}

TEST_CASE("towers: every stored value is within its tolerance, from safetensors and from a projector file") {
  check_tower("e2b", "tower_one");
  check_tower("e2b", "tower_two");
  check_tower("moe", "tower_two");
}

TEST_CASE("encoder-free pictures: every stored value is within its tolerance, from both files") {
  const ReferenceArrays arrays(golden_path("vision/unified/embedder.safetensors"));
  REQUIRE(arrays.valid());
  const std::vector<StoredValue> values{{"dense", PassValue::input_rows, 0, unified_tolerance},
                                        {"ln2", PassValue::row_norm, 0, unified_tolerance},
                                        {"pos_norm", PassValue::position_norm, 0, unified_tolerance},
                                        {"soft", PassValue::soft_tokens, 0, unified_tolerance}};
  for (const std::string& path : tower_files("unified")) {
    CAPTURE(path);
    const LoadedEncoder encoder(path);
    std::size_t images = 0;
    for (; arrays.index().contains("image" + std::to_string(images) + ".blocks"); ++images) {
      const std::string prefix = "image" + std::to_string(images) + ".";
      const ReferencePicture picture(arrays, prefix + "blocks", prefix + "positions", 48);
      const EncoderRecorder recorder = check_stored(encoder, picture.input(), 2, arrays, prefix, values);
      // The first two blocks; a projector file has them channel by channel.
      const auto want = arrays.get<float>(prefix + "ln1");
      auto got = recorder.get(PassValue::input_norm);
      got.resize(want.size());
      if (encoder.file->layout == lamina::MediaLayout::gguf) {
        const auto planar = got;
        for (std::size_t i = 0; i < got.size(); ++i)
          got[i] = planar[i / 6912 * 6912 + i % 3 * 2304 + i % 6912 / 3];
      }
      CHECK(distance(got, want).largest <= unified_tolerance);
    }
    CHECK(images >= 2);
  }
}

/// What the tests below encode: a picture of 15 x 15 patches for towers, of 2 x 3 blocks without one.
struct Case {
  std::string model;
  std::string arrays;
  std::string squares;
  std::uint32_t side;
  // Figures for these pictures in golden/vision/README.md, "Effect of rounding the input of every matrix
  // product": case image_mid, without a tower both pictures of two_images. Numbers that are rounded in
  // another order differ by as much, but not in the same way: `another_rounding`.
  Distance bf16;
  double int8_rms;
};

constexpr double another_rounding = 1.25;

const std::vector<Case> cases{
    {"e2b", "tower_two", "patches", 16, {0.021, 0.005}, 0.017},
    {"moe", "tower_two", "patches", 16, {0.017, 0.0046}, 0.017},
    {"unified", "embedder", "blocks", 48, {0.015, 0.0041}, 0.014},
};

struct LoadedCase {
  ReferenceArrays arrays;
  LoadedEncoder encoder;
  ReferencePicture picture;

  explicit LoadedCase(const Case& one, const std::string& file = "/mmproj.gguf")
      : arrays(golden_path("vision/" + one.model + "/" + one.arrays + ".safetensors")),
        encoder(golden_path("vision/" + one.model) + file),
        picture(arrays, "image0." + one.squares, "image0.positions", one.side) {}
};

TEST_CASE("the same bits for every chunk and number of threads, in both precisions") {
  for (const Case& one : cases) {
    CAPTURE(one.model);
    const LoadedCase loaded(one);
    for (const Precision precision : {Precision::exact, Precision::fast}) {
      std::vector<float> first;
      for (const std::uint32_t chunk : {512U, 64U, 7U, 1U << 20}) {
        for (std::uint32_t threads = 1; threads <= 3; ++threads) {
          const auto pool = make_pool(threads);
          lamina::EncodeOptions options;
          options.precision = precision;
          options.chunk = chunk;
          options.executor = pool.get();
          const auto soft = loaded.encoder.encode(loaded.picture.input(), options);
          if (first.empty()) first = soft;
          CAPTURE(chunk);
          CAPTURE(threads);
          CHECK(soft == first);
        }
      }
    }
  }
}

TEST_CASE("both kinds of files give the same soft tokens") {
  for (const Case& one : cases) {
    CAPTURE(one.model);
    const LoadedCase from_gguf(one);
    const LoadedCase from_directory(one, "");
    const auto a = from_gguf.encoder.encode(from_gguf.picture.input(), exact_encoding());
    const auto b = from_directory.encoder.encode(from_directory.picture.input(), exact_encoding());
    CHECK(distance(a, b).largest <= soft_tolerance);
  }
}

/// Distance of the soft tokens of all pictures of a case, put together, from others.
template <class Encode, class Want>
Distance distance_of_all(const Case& one, const ReferenceArrays& arrays, Encode encode, Want want) {
  std::vector<float> got;
  std::vector<float> expected;
  for (int i = 0; i < (one.model == "unified" ? 2 : 1); ++i) {
    const std::string prefix = "image" + std::to_string(i) + ".";
    const ReferencePicture picture(arrays, prefix + one.squares, prefix + "positions", one.side);
    const std::vector<float> soft = encode(picture.input());
    const std::vector<float> reference = want(picture.input(), prefix + "soft");
    got.insert(got.end(), soft.begin(), soft.end());
    expected.insert(expected.end(), reference.begin(), reference.end());
  }
  return distance(got, expected);
}

TEST_CASE("fast: soft tokens differ from the reference by no more than rounding explains") {
  for (const Case& one : cases) {
    CAPTURE(one.model);
    const LoadedCase loaded(one, "");
    const Distance found = distance_of_all(
        one, loaded.arrays, [&](const lamina::MediaInput& input) { return loaded.encoder.encode(input, {}); },
        [&](const lamina::MediaInput&, const std::string& name) { return loaded.arrays.get<float>(name); });
    CHECK(found.largest <= another_rounding * one.bf16.largest);
    CHECK(found.rms <= another_rounding * one.bf16.rms);
  }
}

/// A file whose matrices are in another encoding.
struct Recoded {
  std::vector<std::vector<std::byte>> bytes;

  Recoded(lamina::MediaFile& file, lamina::Format format) {
    for (lamina::TensorView& tensor : file.weights.tensors) {
      const auto columns = static_cast<std::size_t>(tensor.dims[0]);
      if (tensor.dims[1] == 1 || columns % lamina::info_of(format).block_elements != 0) continue;
      const auto rows = static_cast<std::size_t>(tensor.dims[1] * tensor.dims[2]);
      std::vector<std::byte>& out = bytes.emplace_back(rows * lamina::row_bytes(format, columns));
      std::vector<float> row(columns);
      for (std::size_t r = 0; r < rows; ++r) {
        lamina::decode_row(tensor.format, tensor.bytes.data() + r * lamina::row_bytes(tensor.format, columns),
                           columns, row.data());
        REQUIRE(lamina::quantize_row(format, row.data(), columns,
                                     out.data() + r * lamina::row_bytes(format, columns)));
      }
      tensor.format = format;
      tensor.bytes = out;
    }
  }
};

/// Binds the (changed) file of an encoder again.
lamina::Result<const lamina::EncoderCore*> bind_again(const LoadedEncoder& encoder,
                                                      std::vector<std::byte>& memory) {
  memory.resize(encoder.entry->core_bytes(encoder.core->description().sizes));
  lamina::Arena arena(memory);
  return encoder.entry->bind(*encoder.file, arena);
}

/// Encodes with a core of its own.
std::vector<float> encode_with(const LoadedEncoder& encoder, const lamina::EncoderCore& core,
                               const lamina::MediaInput& input, const lamina::EncodeOptions& options) {
  const std::uint32_t tokens = encoder.entry->shape_of(input)->tokens;
  std::vector<float> out(tokens * encoder.text_hidden());
  std::vector<std::byte> scratch(encoder.entry->scratch_bytes(options, tokens));
  const auto status = core.encode(input, options, scratch, out);
  REQUIRE_MESSAGE(static_cast<bool>(status), message_of(status));
  return out;
}

TEST_CASE("matrices may be F32, F16, BF16 or Q8_0") {
  for (const Case& one : cases) {
    CAPTURE(one.model);
    for (const lamina::Format format :
         {lamina::Format::f32, lamina::Format::f16, lamina::Format::bf16, lamina::Format::q8_0}) {
      CAPTURE(lamina::info_of(format).name);
      const LoadedCase loaded(one);
      const Recoded recoded(*loaded.encoder.file, format);
      std::vector<std::byte> memory;
      const auto core = bind_again(loaded.encoder, memory);
      REQUIRE_MESSAGE(static_cast<bool>(core), message_of(core));
      // The same numbers in float32: all others hold these bf16 numbers as they are, Q8_0 rounds them.
      std::vector<std::byte> wide_memory;
      const Recoded wide(*loaded.encoder.file, lamina::Format::f32);
      const auto wide_core = bind_again(loaded.encoder, wide_memory);
      REQUIRE_MESSAGE(static_cast<bool>(wide_core), message_of(wide_core));
      const auto want = [&](const lamina::MediaInput& picture, const std::string& name) {
        return format == lamina::Format::q8_0
                   ? encode_with(loaded.encoder, **wide_core, picture, exact_encoding())
                   : loaded.arrays.get<float>(name);
      };
      const auto difference = [&](const lamina::EncodeOptions& options) {
        return distance_of_all(
            one, loaded.arrays,
            [&](const lamina::MediaInput& picture) {
              return encode_with(loaded.encoder, **core, picture, options);
            },
            want);
      };
      CHECK(difference(exact_encoding()).largest <=
            (one.model == "unified" ? unified_tolerance : soft_tolerance));
      const Distance fast = difference({});
      // Other weights than those of the figure: only the mean of the differences can be compared.
      if (format != lamina::Format::q8_0) CHECK(fast.largest <= another_rounding * one.bf16.largest);
      CHECK(fast.rms <= another_rounding * (format == lamina::Format::q8_0 ? one.int8_rms : one.bf16.rms));
    }
  }
}

TEST_CASE("scratch memory is what the facts say, to the byte, and one byte less is refused") {
  for (const Case& one : cases) {
    CAPTURE(one.model);
    const LoadedCase loaded(one);
    const lamina::MediaInput input = loaded.picture.input();
    const std::uint32_t tokens = loaded.encoder.entry->shape_of(input)->tokens;
    for (const std::uint32_t chunk : {16U, 512U}) {
      const auto pool = make_pool(2);
      lamina::EncodeOptions options = exact_encoding();
      options.chunk = chunk;
      options.executor = pool.get();
      const std::size_t bytes = loaded.encoder.entry->scratch_bytes(options, tokens);
      // Whatever the block's address: the slack of alignment is part of the bytes. Behind it lie guards.
      std::vector<std::byte> memory(bytes + 256, std::byte{0x5A});
      std::vector<float> out(tokens * loaded.encoder.text_hidden());
      for (std::size_t shift = 0; shift < 64; shift += 21) {
        REQUIRE(static_cast<bool>(
            loaded.encoder.core->encode(input, options, std::span(memory).subspan(shift, bytes), out)));
        for (std::size_t i = shift + bytes; i < memory.size(); ++i) REQUIRE(memory[i] == std::byte{0x5A});
      }
      expect_error(loaded.encoder.core->encode(input, options, std::span(memory).first(bytes - 1), out),
                   lamina::ErrorCode::out_of_memory, "encode", "scratch");
    }
    // One line of what `bind` takes is slack of alignment, which may not be needed: two less are not enough.
    const std::size_t core_bytes = loaded.encoder.entry->core_bytes(loaded.encoder.core->description().sizes);
    std::vector<std::byte> small(core_bytes - 2 * lamina::arena_alignment);
    lamina::Arena arena{std::span<std::byte>(small)};
    expect_error(loaded.encoder.entry->bind(*loaded.encoder.file, arena), lamina::ErrorCode::out_of_memory,
                 "", "too small");
  }
}

TEST_CASE("inputs and options out of range are errors") {
  const LoadedCase loaded(cases[0]);
  const LoadedEncoder& encoder = loaded.encoder;
  const lamina::MediaInput good = loaded.picture.input();
  const std::uint32_t tokens = encoder.entry->shape_of(good)->tokens;
  std::vector<std::byte> scratch(encoder.entry->scratch_bytes(exact_encoding(), tokens));
  std::vector<float> out(tokens * encoder.text_hidden());
  const auto expect_refused = [&](const lamina::MediaInput& input, const lamina::EncodeOptions& options,
                                  std::span<float> room, const char* what) {
    CAPTURE(what);
    expect_error(encoder.core->encode(input, options, scratch, room), lamina::ErrorCode::bad_argument,
                 "encode", what);
  };
  const std::vector<std::uint8_t> pixels(48 * 10'512 * 3);
  expect_refused(lamina::MediaInput::samples(out), exact_encoding(), out, "takes pictures");
  expect_refused(lamina::MediaInput::log_mel(out), exact_encoding(), out, "takes pictures");
  for (const auto& [width, height] : {std::pair{0U, 48U}, {48U, 0U}, {47U, 48U}, {48U, 64U}})
    expect_refused(lamina::MediaInput::picture(pixels, width, height), exact_encoding(), out,
                   "sides of a picture");
  expect_refused(lamina::MediaInput::picture(pixels, 48, 48), exact_encoding(), out, "pixels do not fit");
  expect_refused(lamina::MediaInput::picture(pixels, 48 * 65'536, 48 * 65'536), exact_encoding(), out,
                 "too large");
  // This file has 216 positions on a side: 72 soft tokens.
  expect_refused(lamina::MediaInput::picture(std::span(pixels).first(48 * 48 * 73 * 3), 48 * 73, 48),
                 exact_encoding(), out, "longer than the encoder has positions");
  expect_refused(lamina::MediaInput::picture(std::span(pixels).first(48 * 48 * 73 * 3), 48, 48 * 73),
                 exact_encoding(), out, "longer than the encoder has positions");
  expect_refused(good, exact_encoding(), std::span(out).first(out.size() - 1), "room for the soft tokens");
  lamina::EncodeOptions options = exact_encoding();
  options.chunk = 0;
  expect_refused(good, options, out, "chunk");
  options = exact_encoding();
  options.precision = static_cast<Precision>(9);
  expect_refused(good, options, out, "precision");
}

TEST_CASE("encoding reports its steps and stops when it is told to") {
  const LoadedCase loaded(cases[0]);
  const lamina::MediaInput input = loaded.picture.input();
  struct Log {
    std::vector<std::uint32_t> done;
    std::uint32_t stop_at;
  };
  for (const std::uint32_t stop_at : {99U, 0U, 2U, 5U}) {
    Log log{{}, stop_at};
    lamina::EncodeOptions options = exact_encoding();
    options.progress = {[](void* context, std::uint32_t done, std::uint32_t total) {
                          auto& own = *static_cast<Log*>(context);
                          own.done.push_back(done);
                          CHECK(total == 5);  // three layers
                          return done != own.stop_at;
                        },
                        &log};
    const std::uint32_t tokens = loaded.encoder.entry->shape_of(input)->tokens;
    std::vector<std::byte> scratch(loaded.encoder.entry->scratch_bytes(options, tokens));
    std::vector<float> out(tokens * loaded.encoder.text_hidden());
    const auto status = loaded.encoder.core->encode(input, options, scratch, out);
    CHECK(static_cast<bool>(status) == (stop_at == 99));
    if (stop_at != 99) expect_error(status, lamina::ErrorCode::cancelled, "encode", "cancelled");
    std::vector<std::uint32_t> want;
    for (std::uint32_t i = 0; i <= std::min(stop_at, 5U); ++i) want.push_back(i);
    CHECK(log.done == want);
  }
}

// --- Damage ---

/// Puts a NaN or an infinity at the middle of each tensor in turn: binding or encoding must say so.
TEST_CASE("numbers that are not finite are errors, wherever they are") {
  for (const Case& one : cases) {
    CAPTURE(one.model);
    const LoadedCase loaded(one);
    const auto clean = loaded.encoder.file->weights.tensors;
    for (std::size_t i = 0; i < clean.size(); ++i) {
      const std::string& name = clean[i].name;
      if (name.starts_with("a.") || name.starts_with("mm.a.")) continue;  // not of this encoder
      CAPTURE(name);
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const bool is_bound = name.ends_with("_min") || name.ends_with("_max");
        if (is_bound && !std::isnan(bad)) continue;  // an infinite bound bounds nothing
        std::vector<std::byte> bytes(clean[i].bytes.begin(), clean[i].bytes.end());
        const std::size_t element = lamina::info_of(clean[i].format).block_bytes;
        // Of tables a row that this picture uses.
        const std::size_t at = name == "v.position_embd.weight" ? 0 : bytes.size() / element / 2;
        std::vector<std::byte> encoded(element);
        REQUIRE(lamina::quantize_row(clean[i].format, &bad, 1, encoded.data()));
        std::memcpy(bytes.data() + at * element, encoded.data(), element);
        loaded.encoder.file->weights.tensors = clean;
        loaded.encoder.file->weights.tensors[i].bytes = bytes;
        std::vector<std::byte> memory;
        const auto core = bind_again(loaded.encoder, memory);
        if (!core) {
          expect_error(core, lamina::ErrorCode::bad_file, name, "");
          continue;
        }
        const std::uint32_t tokens = loaded.encoder.entry->shape_of(loaded.picture.input())->tokens;
        std::vector<std::byte> scratch(loaded.encoder.entry->scratch_bytes(exact_encoding(), tokens));
        std::vector<float> out(tokens * loaded.encoder.text_hidden());
        // A clipped matrix lets no infinity out: clamped, it is a number.
        const auto status = (*core)->encode(loaded.picture.input(), exact_encoding(), scratch, out);
        const bool is_clamped = one.model == "e2b" && !std::isnan(bad) && name.starts_with("v.blk.");
        if (is_clamped) continue;
        expect_error(status, lamina::ErrorCode::not_finite, "", "infinite or NaN");
      }
    }
  }
}

TEST_CASE("a tensor that is missing or has another shape is an error that names it") {
  for (const Case& one : cases) {
    CAPTURE(one.model);
    const LoadedCase loaded(one);
    const auto clean = loaded.encoder.file->weights.tensors;
    for (std::size_t i = 0; i < clean.size(); ++i) {
      const std::string name = clean[i].name;
      if (name.starts_with("a.") || name.starts_with("mm.a.")) continue;
      CAPTURE(name);
      auto& tensors = loaded.encoder.file->weights.tensors;
      std::vector<std::byte> memory;
      const bool is_bound = name.ends_with("_min") || name.ends_with("_max");
      tensors = clean;
      tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
      const auto without = bind_again(loaded.encoder, memory);
      CHECK(static_cast<bool>(without) == is_bound);  // a bound may be absent
      if (!is_bound) expect_error(without, lamina::ErrorCode::mismatch, name, "missing");
      tensors = clean;
      tensors[i].dims[0] += 1;
      expect_error(bind_again(loaded.encoder, memory), lamina::ErrorCode::mismatch, name, "shape");
    }
  }
}

TEST_CASE("ranges of clipped matrices that hold nothing are refused") {
  const LoadedCase loaded(cases[0]);
  for (lamina::TensorView& tensor : loaded.encoder.file->weights.tensors) {
    constexpr std::string_view low = "v.blk.1.ffn_up.input_min";
    constexpr std::string_view high = "v.blk.1.ffn_up.input_max";
    if (tensor.name == low) {
      tensor.name = high;
    } else if (tensor.name == high) {
      tensor.name = low;
    }
  }
  REQUIRE(static_cast<bool>(lamina::sort_tensors(loaded.encoder.file->weights.tensors, "swapped")));
  std::vector<std::byte> memory;
  expect_error(bind_again(loaded.encoder, memory), lamina::ErrorCode::bad_file, "v.blk.1.ffn_up.input",
               "range is empty");
}

TEST_CASE("without its ranges a clipped tower computes something else") {
  const LoadedCase loaded(cases[0]);
  auto& tensors = loaded.encoder.file->weights.tensors;
  std::erase_if(tensors, [](const auto& tensor) {
    return tensor.name.starts_with("v.") && (tensor.name.ends_with("_min") || tensor.name.ends_with("_max"));
  });
  std::vector<std::byte> memory;
  const auto core = bind_again(loaded.encoder, memory);
  REQUIRE(static_cast<bool>(core));
  const auto soft = encode_with(loaded.encoder, **core, loaded.picture.input(), exact_encoding());
  CHECK(distance(soft, loaded.arrays.get<float>("image0.soft")).largest > 0.1);
}

}  // namespace
