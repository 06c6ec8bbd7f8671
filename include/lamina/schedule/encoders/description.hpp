// SPDX-License-Identifier: Apache-2.0
// An encoder's structure as values: what its type says and what a file says, in one comparable form.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <lamina/schedule/encoders/kinds.hpp>

namespace lamina {

/// Who laid out the tensors of towers: the two orders differ where no shape tells.
enum class MediaLayout : std::uint8_t {
  gguf,          ///< projector files: patches channel by channel
  hugging_face,  ///< checkpoints: patches pixel by pixel
};

/// Numbers of an encoder's file that are no part of its type: one type serves several text models.
struct EncoderSizes {
  std::int32_t text_hidden = 0;  ///< width of a soft token: that of the text model's stream
  std::int32_t positions = 0;    ///< entries of a position table on each axis; 0: there is none
  MediaLayout layout = MediaLayout::gguf;
};

/// Structure of an encoder, and what its file may say without changing the type.
struct EncoderDescription {
  MediaKind input = MediaKind::picture;
  std::int32_t input_width = 0;  ///< numbers of one input row: of a patch, a block, a frame
  std::int32_t hidden = 0;
  std::int32_t layers = 0;
  std::int32_t heads = 0;
  std::int32_t head_dim = 0;
  std::int32_t ffn_width = 0;
  std::int32_t output_width = 0;   ///< of the rows that are projected
  std::int32_t clipped = 0;        ///< 1: matrices have ranges
  std::int32_t standardised = 0;   ///< 1: soft tokens are standardised before the projection
  std::int32_t convolution = 0;    ///< taps of the convolution inside a layer; 0: none
  std::int32_t channels = 0;       ///< of the first filter that reduces a sound; 0: none
  std::int32_t more_channels = 0;  ///< of the second one

  // Run-time numbers, no part of the type.
  EncoderSizes sizes;
  float norm_epsilon = 1e-6F;
  std::int32_t picture_tokens = 0;  ///< soft tokens of a picture that the model is meant for; 0: not stated

  /// Whether code for this structure computes what a file of structure `other` means: all but the run-time
  /// numbers is the same; code for matrices with ranges takes those without, too.
  [[nodiscard]] constexpr bool serves(const EncoderDescription& other) const noexcept;
};

namespace detail {

struct EncoderField {
  std::string_view name;
  std::int32_t EncoderDescription::*value;
};

inline constexpr std::array<EncoderField, 12> encoder_fields{{
    {"input_width", &EncoderDescription::input_width},
    {"hidden", &EncoderDescription::hidden},
    {"layers", &EncoderDescription::layers},
    {"heads", &EncoderDescription::heads},
    {"head_dim", &EncoderDescription::head_dim},
    {"ffn_width", &EncoderDescription::ffn_width},
    {"output_width", &EncoderDescription::output_width},
    {"clipped", &EncoderDescription::clipped},
    {"standardised", &EncoderDescription::standardised},
    {"convolution", &EncoderDescription::convolution},
    {"channels", &EncoderDescription::channels},
    {"more_channels", &EncoderDescription::more_channels},
}};

}  // namespace detail

namespace detail {

/// Whether a type with `expected` in a field can be of a file that has `found` there.
constexpr bool field_serves(const EncoderField& field, std::int32_t expected, std::int32_t found) noexcept {
  return expected == found || (field.value == &EncoderDescription::clipped && found == 0);
}

}  // namespace detail

constexpr bool EncoderDescription::serves(const EncoderDescription& other) const noexcept {
  for (const detail::EncoderField& field : detail::encoder_fields) {
    if (!detail::field_serves(field, this->*field.value, other.*field.value)) return false;
  }
  return input == other.input;
}

}  // namespace lamina
