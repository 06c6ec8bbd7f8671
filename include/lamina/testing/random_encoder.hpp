// SPDX-License-Identifier: Apache-2.0
// Seeded random weights for any encoder type, in memory: to test and to time towers without a file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/formats/format.hpp>
#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/testing/random_weights.hpp>
#include <lamina/weights/media/media_file.hpp>

namespace lamina::testing {

/// Makes a file of encoder `E` with random weights: matrices in `format` where their rows are whole blocks of
/// it, else in BF16; clipped ones with ranges that leave out a little.
template <Encoder E>
[[nodiscard]] MediaFile random_encoder(const EncoderSizes& sizes, Format format, std::uint64_t seed = 1) {
  MediaFile file;
  file.weights.path = std::string(E::name) + "-random";
  file.layout = sizes.layout;
  EncoderDescription description = describe_encoder<E>();
  description.sizes = sizes;
  (E::Front::input == MediaKind::picture ? file.vision : file.audio) = description;
  detail::TensorWriter writer(file.weights, format, seed);
  visit_encoder_slots<E>(sizes, [&](int layer, const auto& slots, bool clipped) {
    std::string prefix;
    if (layer >= 0) prefix = std::string(layer_prefix(E::Front::input)) + std::to_string(layer) + '.';
    writer.write(prefix, slots);
    for (const auto& slot : slots) {
      constexpr std::string_view suffix = "weight";
      if (!clipped || slot.use != SlotUse::matrix || !slot.name.ends_with(suffix)) continue;
      const std::string stem = prefix + std::string(slot.name.substr(0, slot.name.size() - suffix.size()));
      for (const char* side : {"input", "output"}) {
        for (const bool is_low : {true, false}) {
          auto owner = std::make_unique<detail::OwnedBytes>(sizeof(float));
          const float bound = is_low ? -3.0F : 3.0F;
          std::memcpy(owner->bytes.data(), &bound, sizeof bound);
          file.weights.tensors.push_back({stem + side + (is_low ? "_min" : "_max"),
                                          Format::f32,
                                          {1, 1, 1, 1},
                                          owner->bytes,
                                          Packing::rows});
          file.weights.owners.push_back(std::move(owner));
        }
      }
    }
    return true;
  });
  static_cast<void>(sort_tensors(file.weights.tensors, file.weights.path));
  return file;
}

}  // namespace lamina::testing
