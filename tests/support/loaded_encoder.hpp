// SPDX-License-Identifier: Apache-2.0
// An encoder of a file, bound, with what it takes to run it; and pictures put together from reference
// patches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/core/block.hpp>
#include <lamina/encoders/encoder_entry.hpp>
#include <lamina/huggingface/media/directory.hpp>

#include "support/reference.hpp"

/// All encoders compiled into this program (generated).
std::span<const lamina::EncoderEntry* const> lamina_encoders();

/// Keeps everything that encoding shows, rows of chunks one after the other.
class EncoderRecorder final : public lamina::PassObserver {
 public:
  struct Shown {
    lamina::PassValue what;
    std::uint32_t layer;
    std::vector<float> values;
  };
  void show(lamina::PassValue what, std::uint32_t layer, const float* values, std::size_t rows,
            std::size_t width) noexcept override {
    for (Shown& one : shown) {
      if (one.what != what || one.layer != layer) continue;
      one.values.insert(one.values.end(), values, values + rows * width);
      return;
    }
    shown.push_back({what, layer, {values, values + rows * width}});
  }
  void show_routing(std::uint32_t, std::span<const lamina::RoutedExpert>, std::size_t) noexcept override {}
  [[nodiscard]] std::vector<float> get(lamina::PassValue what, std::uint32_t layer = 0) const {
    for (const Shown& one : shown) {
      if (one.what == what && one.layer == layer) return one.values;
    }
    return {};
  }

 private:
  std::vector<Shown> shown;
};

struct LoadedEncoder {
  std::unique_ptr<lamina::MediaFile> file;
  const lamina::EncoderEntry* entry = nullptr;
  lamina::Block memory;
  const lamina::EncoderCore* core = nullptr;

  /// Opens a directory or a projector file; the test stops if that fails.
  explicit LoadedEncoder(const std::string& path, lamina::MediaKind input = lamina::MediaKind::picture) {
    auto opened = lamina::open_media(path);
    REQUIRE_MESSAGE(static_cast<bool>(opened), std::string(opened ? "" : describe(opened.error()).c_str()));
    file = std::make_unique<lamina::MediaFile>(std::move(*opened));
    const auto found = lamina::encoder_entry_of(*file, input, lamina_encoders());
    REQUIRE_MESSAGE(static_cast<bool>(found), std::string(found ? "" : describe(found.error()).c_str()));
    entry = *found;
    auto block = lamina::Block::take(entry->core_bytes(file->encoder_of(input)->sizes), {}, "encoder");
    REQUIRE(static_cast<bool>(block));
    memory = std::move(*block);
    lamina::Arena arena(memory.bytes());
    const auto bound = entry->bind(*file, arena);
    REQUIRE_MESSAGE(static_cast<bool>(bound), std::string(bound ? "" : describe(bound.error()).c_str()));
    core = *bound;
  }

  [[nodiscard]] std::size_t text_hidden() const {
    return static_cast<std::size_t>(core->description().sizes.text_hidden);
  }

  /// Soft tokens of an input; the test stops if encoding fails.
  std::vector<float> encode(const lamina::MediaInput& input, const lamina::EncodeOptions& options) const {
    const auto shape = entry->shape_of(input);
    REQUIRE_MESSAGE(static_cast<bool>(shape), std::string(shape ? "" : describe(shape.error()).c_str()));
    std::vector<float> out(shape->tokens * text_hidden());
    std::vector<std::byte> scratch(entry->scratch_bytes(options, shape->tokens));
    const auto status = core->encode(input, options, scratch, out);
    REQUIRE_MESSAGE(static_cast<bool>(status), std::string(status ? "" : describe(status.error()).c_str()));
    return out;
  }
};

/// A picture of reference data, which stores it as squares of `side` pixels and their positions.
struct ReferencePicture {
  std::vector<std::uint8_t> pixels;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  ReferencePicture(const ReferenceArrays& arrays, const std::string& squares, const std::string& positions,
                   std::uint32_t side) {
    const auto bytes = arrays.get<std::uint8_t>(squares);
    const auto at = arrays.get<std::int32_t>(positions);
    const std::size_t count = at.size() / 2;
    REQUIRE(bytes.size() == count * side * side * 3);
    width = (static_cast<std::uint32_t>(at[2 * count - 2]) + 1) * side;
    height = (static_cast<std::uint32_t>(at[2 * count - 1]) + 1) * side;
    pixels.resize(std::size_t{width} * height * 3);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const std::size_t square = i / (side * side * 3);
      const std::size_t row = i / (side * 3) % side;
      const std::size_t y = static_cast<std::size_t>(at[2 * square + 1]) * side + row;
      const std::size_t x = static_cast<std::size_t>(at[2 * square]) * side;
      pixels[(y * width + x) * 3 + i % (side * 3)] = bytes[i];
    }
  }
  [[nodiscard]] lamina::MediaInput input() const {
    return lamina::MediaInput::picture(pixels, width, height);
  }
};

/// An inner value or the result of an encoder that reference data holds, and how far from it float32 may be.
struct StoredValue {
  const char* name;
  lamina::PassValue what;
  std::uint32_t layer;
  double tolerance;
};

inline lamina::EncodeOptions exact_encoding() {
  lamina::EncodeOptions options;
  options.precision = lamina::Precision::exact;
  return options;
}

/// Both files of a model's towers: the directory and the projector file.
inline std::vector<std::string> tower_files(const std::string& model) {
  const std::string directory = golden_path("vision/" + model);
  return {directory, directory + "/mmproj.gguf"};
}

/// Encodes `input` exactly, in chunks of `chunk` rows, and checks what is shown meanwhile against the arrays
/// "<prefix><name>". Returns all that was shown.
inline EncoderRecorder check_stored(const LoadedEncoder& encoder, const lamina::MediaInput& input,
                                    std::uint32_t chunk, const ReferenceArrays& arrays,
                                    const std::string& prefix, const std::vector<StoredValue>& values) {
  EncoderRecorder recorder;
  lamina::EncodeOptions options = exact_encoding();
  options.chunk = chunk;
  options.observer = &recorder;
  const auto soft = encoder.encode(input, options);
  for (const StoredValue& one : values) {
    CAPTURE(prefix + one.name);
    const auto want = arrays.get<float>(prefix + one.name);
    CHECK(distance(recorder.get(one.what, one.layer), want).largest <= one.tolerance);
  }
  CHECK(recorder.get(lamina::PassValue::soft_tokens) == soft);
  return recorder;
}
