// SPDX-License-Identifier: Apache-2.0
// Encoder types against vision.md §1.1, §4.1 (tensor counts, shapes), and their facts.

#include <cstdint>

#include <lamina/schedule/encoders/facts.hpp>
#include <lamina/variants/encoders/gemma4_unified_vision.hpp>
#include <lamina/variants/encoders/gemma4_vision_base.hpp>
#include <lamina/variants/encoders/gemma4_vision_large.hpp>

#include "models/encoders/demo_vision.hpp"
#include "models/encoders/vision_small_standardised.hpp"
#include "models/encoders/vision_small_unified.hpp"

namespace {

namespace la = lamina;
using la::Format;

constexpr la::EncoderSizes e2b{1536, 10'240};
constexpr la::EncoderSizes e4b{2560, 10'240};
constexpr la::EncoderSizes moe{2816, 10'240};
constexpr la::EncoderSizes unified{3840, 1120};

static_assert(la::Encoder<la::Gemma4VisionBase> && la::Encoder<la::Gemma4VisionLarge> &&
              la::Encoder<la::Gemma4UnifiedVision>);
static_assert(!la::Encoder<int> && !la::Encoder<la::PatchFront<16>>);

// --- Tensors, §4.1: with the projection, and the ranges of E2B and E4B ---

static_assert(la::encoder_totals<la::Gemma4VisionBase>(e2b, Format::bf16).tensors == 659);
static_assert(la::encoder_totals<la::Gemma4VisionBase>(e4b, Format::bf16).tensors == 659);
static_assert(la::encoder_totals<la::Gemma4VisionLarge>(moe, Format::bf16).tensors == 356);
static_assert(la::encoder_totals<la::Gemma4UnifiedVision>(unified, Format::bf16).tensors == 10);

// --- Parameters and bytes ---

// 768 · 768 patches, 2 · 10240 · 768 positions, layers of 4 · 768² + 3 · 768 · 3072 and 4 · 768 + 2 · 64,
// ranges.
constexpr std::int64_t base_layer = 4 * 768 * 768 + 3 * 768 * 3072;
constexpr std::int64_t base_vectors = 4 * 768 + 2 * 64;
static_assert(la::encoder_totals<la::Gemma4VisionBase>(e2b, Format::bf16).parameters ==
              768 * 768 + 2 * 10'240 * 768 + 16 * (base_layer + base_vectors + 28) + 1536 * 768);
static_assert(la::encoder_totals<la::Gemma4VisionBase>(e2b, Format::bf16).bytes ==
              2 * (768 * 768 + 2 * 10'240 * 768 + 16 * base_layer + 1536 * 768) +
                  4 * 16 * (base_vectors + 28));
// 4304 columns are no whole blocks of 32: those matrices stay F16, the others become Q8_0 (34 bytes per 32).
constexpr std::int64_t large_q8 = 1152 * 768 + 27 * (4 * 1152 * 1152 + 2 * 4304 * 1152) + 2816 * 1152;
static_assert(la::encoder_totals<la::Gemma4VisionLarge>(moe, Format::q8_0).bytes ==
              (large_q8 + 2 * 10'240 * 1152) / 32 * 34 + 2 * std::int64_t{27} * 1152 * 4304 +
                  4 * (27 * (4 * 1152 + 2 * 72) + 2 * 1152));

// --- Operations of 280 soft tokens ---

constexpr la::EncoderWork base_280 = la::encoder_work<la::Gemma4VisionBase>(e2b, 280);
static_assert(base_280.weights == 2520 * (768 * 768 + 16 * base_layer) + std::int64_t{280} * 1536 * 768);
static_assert(base_280.attention == 16 * std::int64_t{2} * 12 * 64 * 2520 * 2520);
static_assert(base_280.flops() == 2 * (base_280.weights + base_280.attention));
constexpr la::EncoderWork unified_280 = la::encoder_work<la::Gemma4UnifiedVision>(unified, 280);
static_assert(unified_280.weights == 280 * (std::int64_t{6912} * 3840 + 3840 * 3840) &&
              unified_280.attention == 0);

// --- Structure ---

constexpr la::EncoderDescription base = la::describe_encoder<la::Gemma4VisionBase>();
static_assert(base.input == la::MediaKind::picture && base.input_width == 768 && base.hidden == 768 &&
              base.layers == 16 && base.heads == 12 && base.head_dim == 64 && base.ffn_width == 3072 &&
              base.output_width == 768 && base.clipped == 1 && base.standardised == 0);
constexpr la::EncoderDescription large = la::describe_encoder<la::Gemma4VisionLarge>();
static_assert(large.hidden == 1152 && large.layers == 27 && large.heads == 16 && large.head_dim == 72 &&
              large.ffn_width == 4304 && large.clipped == 0 && large.standardised == 1);
constexpr la::EncoderDescription without_layers = la::describe_encoder<la::Gemma4UnifiedVision>();
static_assert(without_layers.input_width == 6912 && without_layers.layers == 0 && without_layers.heads == 0 &&
              without_layers.hidden == 3840);
static_assert(base.serves(base) && !base.serves(large) && !large.serves(base));
static_assert([] {
  la::EncoderDescription unclipped = base;
  unclipped.clipped = 0;  // a file without ranges
  return base.serves(unclipped) && !unclipped.serves(base);
}());
static_assert(
    la::describe_encoder<la::models::DemoVision>().serves(la::describe_encoder<la::models::DemoVision>()));
static_assert(!la::describe_encoder<la::models::DemoVision>().serves(
    la::describe_encoder<la::models::VisionSmallStandardised>()));
static_assert(la::describe_encoder<la::models::VisionSmallUnified>().layers == 0);

// --- Kinds ---

using Attention = la::Gemma4VisionBase::Attention;
static_assert(la::AttentionKind<Attention>);
static_assert(la::rope_axes_of<Attention>() == 2 && la::rotary_pairs_of<Attention>() == 16 &&
              la::rope_base_of<Attention>() == 100.0F && la::sees_block_of<Attention>() &&
              la::clamps_inputs_of<Attention>() && la::query_scale_of<Attention>() == 1.0F);
static_assert(la::head_slot_of<Attention>() == 64 &&
              la::head_slot_of<la::Gemma4VisionLarge::Attention>() == 96);
using Local = la::LocalAttention<la::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 8, .window = 4}>;
static_assert(la::rope_axes_of<Local>() == 1 && la::head_slot_of<Local>() == 8 &&
              !la::sees_block_of<Local>());
static_assert(la::FfnKind<la::PatchFfn<8>> && la::clamps_inputs_of<la::PatchFfn<8, true>>());

}  // namespace
