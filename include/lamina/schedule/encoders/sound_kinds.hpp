// SPDX-License-Identifier: Apache-2.0
// The parts of encoders for sounds as empty types: what makes rows of features or samples, the blocks of a
// conformer layer, what makes soft tokens of rows. Source: audio.md §1 (numbers), §3, §7 (meaning).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/schedule/encoders/kinds.hpp>
#include <lamina/schedule/schedule.hpp>

namespace lamina {

/// Log-mel features of a frame.
inline constexpr int sound_features = 128;

// --- Fronts ---

/// A row for every four frames of features: two convolutions of 3 · 3 with step 2 on both axes, each with a
/// norm over its channels and ReLU, then a matrix (§3.3).
template <int Channels, int MoreChannels>
struct SubsampleFront {
  static_assert(Channels > 0 && MoreChannels > 0,
                "lamina: SubsampleFront: channels must be > 0; give those of the two convolutions");
  static constexpr MediaKind input = MediaKind::log_mel;
  static constexpr int input_width = sound_features;
  static constexpr int channels = Channels;
  static constexpr int more_channels = MoreChannels;
  static constexpr int taps = 9;
  static constexpr int bins = sound_features / 2;       ///< along the features, behind the first convolution
  static constexpr int more_bins = sound_features / 4;  ///< behind the second one
  static constexpr int product_width = more_bins * MoreChannels;  ///< of what enters the matrix

  /// Multiply-adds of one row of the stream.
  template <class Dims>
  static constexpr std::int64_t multiply_adds(const Dims& dims) {
    constexpr std::int64_t first = std::int64_t{2} * bins * taps * Channels;
    constexpr std::int64_t second = std::int64_t{more_bins} * taps * Channels * MoreChannels;
    return first + second + std::int64_t{product_width} * dims.hidden;
  }

  /// Rows of the stream that a thread makes at a time: a megabyte of scratch.
  static constexpr std::size_t step = 4;
  static constexpr std::size_t time_rows = 2 * step + 1;  ///< behind the first convolution, for these rows
  /// Rows of activations that enter a product together.
  static constexpr std::size_t product_rows = std::max(time_rows * bins, step* more_bins);
  /// Floats of scratch that a thread needs.
  static constexpr std::size_t thread_floats =
      time_rows * bins * (taps + Channels) + step * more_bins * taps * Channels;
};

/// A row for every 640 samples, without layers behind it (§7).
struct SampleFront {
  static constexpr MediaKind input = MediaKind::samples;
  static constexpr int input_width = 640;
  template <class Dims>
  static constexpr std::int64_t multiply_adds(const Dims&) {
    return 0;
  }
};

// --- Blocks of a conformer layer ---

/// Attention over the last `S.window` rows, the own one included, with a projected row for each distance and
/// capped scores (§3.6). There are rows for one distance more: see `AudioKeys`.
template <AttnShape S, bool Clipped = false>
struct RelativeAttention {
  static_assert(detail::AttentionRules<S>::hold);
  static_assert(
      S.window > 0 && !S.key_is_value && S.kv_heads == S.heads,
      "lamina: RelativeAttention: window must be > 0, key_is_value false, kv_heads equal to heads; give "
      "the rows that a row sees");
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr bool query_norm = false;
  static constexpr bool key_norm = false;
  static constexpr bool value_norm = false;
  static constexpr int rotary_pairs = 0;
  static constexpr bool clamps_inputs = Clipped;
  static constexpr int distances = S.window + 1;
  static constexpr float cap = 50.0F;

  /// Keys that a row sees, of `rows`; the product with a distance's row is half of the work of another key.
  static constexpr std::int64_t keys_of(std::int64_t rows) {
    return std::min<std::int64_t>(rows, S.window) * 3 / 2;
  }
};

/// The dense block that stands before attention and again behind the convolution: SiLU without a gate (§3.5).
template <int Width, bool Clipped = false>
struct ConformerFfn {
  static_assert(Width > 0, "lamina: ConformerFfn: width must be > 0; give the hidden width of the block");
  static constexpr int width = Width;
  static constexpr bool clamps_inputs = Clipped;
};

/// Gated linear unit, convolution of each channel over its last `Taps` rows, SiLU (§3.7).
template <int Taps, bool Clipped = false>
struct LightConvolution {
  static_assert(Taps > 0, "lamina: LightConvolution: taps must be > 0; give the rows that a row sees");
  static constexpr int taps = Taps;
  static constexpr bool clamps_inputs = Clipped;
};

/// One layer: a dense block, attention, convolution, a second dense block, a norm (§3.2).
template <class Attention, class Ffn, class Convolution>
struct ConformerLayer {
  using attention = Attention;
  using ffn = Ffn;
  using per_layer = NoPerLayerInput;
  using convolution = Convolution;
  /// Of the gated linear unit, in rows that the dense blocks use otherwise.
  static constexpr int more_width = 2 * Attention::shape.heads * Attention::shape.head_dim;

  /// Floats that stay for all rows while the layer runs: keys, values, and what the convolution sees.
  template <class Dims>
  static constexpr std::size_t scratch_floats(const Dims& dims, std::size_t rows) {
    constexpr auto width = static_cast<std::size_t>(Attention::shape.heads * Attention::shape.head_dim);
    return rows * (2 * width + static_cast<std::size_t>(dims.hidden));
  }
};

// --- Backs ---

/// The rows times a matrix with bias (§3.9).
template <int Width>
struct MatrixBack {
  static_assert(Width > 0, "lamina: MatrixBack: width must be > 0; give that of the rows that are projected");
  static constexpr int width = Width;
  static constexpr int rows_per_token = 1;
};

}  // namespace lamina
