// SPDX-License-Identifier: Apache-2.0
// Facts of the encoders of sounds against the numbers of the specification (audio.md §1, §4.1).
#include <lamina/schedule/encoders/facts.hpp>
#include <lamina/variants/encoders/gemma4_audio.hpp>
#include <lamina/variants/encoders/gemma4_unified_audio.hpp>

namespace {

using lamina::Format;
using lamina::Gemma4Audio;
using lamina::Gemma4UnifiedAudio;

constexpr lamina::EncoderSizes e2b{.text_hidden = 1536};
constexpr lamina::EncoderSizes e4b{.text_hidden = 2560};

// 304.8 million in the tower, and the matrix into the text model; four numbers beside each of 120 clipped
// matrices.
constexpr auto totals = lamina::encoder_totals<Gemma4Audio>(e2b, Format::bf16);
static_assert(totals.parameters == 304'824'608 + 1536 * 1536 + 4 * 120);
static_assert(totals.tensors == 752);
static_assert(lamina::encoder_totals<Gemma4Audio>(e4b, Format::bf16).parameters - totals.parameters ==
              (2560 - 1536) * 1536);
static_assert(lamina::encoder_totals<Gemma4UnifiedAudio>({.text_hidden = 3840}, Format::bf16).parameters ==
              3840 * 640);

// A layer multiplies with all of its matrices but the one for distances, and with the taps of its
// convolution.
constexpr std::int64_t layer = 4 * 4096 * 1024 + 7 * 1024 * 1024 + 5 * 1024;
constexpr std::int64_t front = 2 * 64 * 9 * 128 + 32 * 9 * 128 * 32 + 1024 * 1024;
constexpr std::int64_t back = 1536 * 1024 + 1536 * 1536;
constexpr auto ten_seconds = lamina::encoder_work<Gemma4Audio>(e2b, 250);
static_assert(ten_seconds.weights == 250 * (12 * layer + front + back));
// Twelve keys, each with a row for its distance: three products of 128 numbers for each of them and head.
static_assert(ten_seconds.attention == 12 * 250 * 12 * std::int64_t{8} * 128 * 3);
static_assert(lamina::encoder_work<Gemma4UnifiedAudio>({.text_hidden = 3840}, 1).weights == 3840 * 640);

constexpr auto described = lamina::describe_encoder<Gemma4Audio>();
static_assert(described.input == lamina::MediaKind::log_mel && described.layers == 12 &&
              described.heads == 8);
static_assert(described.convolution == 5 && described.channels == 128 && described.more_channels == 32);
static_assert(described.clipped == 1 && described.output_width == 1536 && described.input_width == 128);

}  // namespace
