// SPDX-License-Identifier: Apache-2.0
// Scratch memory of encoders as constants: it grows with soft tokens and chunk, and stays far below what all
// inner values of all rows would take.
#define LAMINA_EXTERN_LINEAR_KERNELS
#define LAMINA_EXTERN_ATTENTION_KERNELS
#include <cstddef>

#include <lamina/towers/encoder_entry-inl.hpp>
#include <lamina/variants/encoders/gemma4_unified_vision.hpp>
#include <lamina/variants/encoders/gemma4_vision_base.hpp>
#include <lamina/variants/encoders/gemma4_vision_large.hpp>

namespace {

namespace la = lamina;
using la::native::encoder_scratch_bytes;

constexpr la::EncodeOptions with(std::uint32_t chunk, la::Precision precision) {
  la::EncodeOptions options;
  options.chunk = chunk;
  options.precision = precision;
  return options;
}
constexpr la::EncodeOptions exact = with(512, la::Precision::exact);
constexpr la::EncodeOptions fast = with(512, la::Precision::fast);
constexpr la::EncodeOptions small_chunk = with(64, la::Precision::exact);

template <class E>
constexpr bool grows = encoder_scratch_bytes<E>(exact, 70) < encoder_scratch_bytes<E>(exact, 280) &&
                       encoder_scratch_bytes<E>(exact, 280) < encoder_scratch_bytes<E>(exact, 1120) &&
                       encoder_scratch_bytes<E>(small_chunk, 1120) < encoder_scratch_bytes<E>(exact, 1120);
static_assert(grows<la::Gemma4VisionBase> && grows<la::Gemma4VisionLarge> && grows<la::Gemma4UnifiedVision>);

// A picture of 1120 soft tokens: 10 080 rows. Stream, keys and values in float32, or these in bf16.
constexpr std::size_t rows = 10'080;
constexpr std::size_t stream = rows * 768 * sizeof(float);
static_assert(encoder_scratch_bytes<la::Gemma4VisionBase>(exact, 1120) > 3 * stream &&
              encoder_scratch_bytes<la::Gemma4VisionBase>(exact, 1120) < 140'000'000);
static_assert(encoder_scratch_bytes<la::Gemma4VisionBase>(fast, 1120) > 2 * stream &&
              encoder_scratch_bytes<la::Gemma4VisionBase>(fast, 1120) < 110'000'000);
// Rows rounded to bf16 take two bytes a number, those of blocks are 6912 wide. Heads of 72 take 96 numbers of
// keys and values.
static_assert(encoder_scratch_bytes<la::Gemma4VisionLarge>(exact, 1120) < 222'000'000);
static_assert(encoder_scratch_bytes<la::Gemma4UnifiedVision>(exact, 1120) < 72'000'000);

}  // namespace
