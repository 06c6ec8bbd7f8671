// SPDX-License-Identifier: Apache-2.0
// The parts of encoders for pictures as empty types: what makes rows of an input, the two blocks of a layer,
// what makes soft tokens of rows. Source: vision.md §1 (numbers), §3 and §3U (meaning).
#pragma once

#include <cstdint>

#include <lamina/schedule/kinds.hpp>

namespace lamina {

/// What an encoder is given.
enum class MediaKind : std::uint8_t {
  picture,  ///< RGB bytes
  log_mel,  ///< log-mel features of a sound
  samples,  ///< 16 kHz samples of a sound
};

// --- Fronts: from an input to rows of the stream ---

/// A row for each square of `Side` · `Side` pixels: its values in [-1, 1] times a matrix, plus a learned
/// vector for its column and one for its row (§3.1).
template <int Side>
struct PatchFront {
  static_assert(Side > 0, "lamina: PatchFront: side must be > 0; give the pixels of a patch's side");
  static constexpr MediaKind input = MediaKind::picture;
  static constexpr int side = Side;
  static constexpr int input_width = Side * Side * 3;
};

/// A row for each square of `Side` · `Side` pixels, without layers behind it: norm, matrix with bias, norm,
/// a learned vector for its column and one for its row, norm (§3U).
template <int Side>
struct BlockFront {
  static_assert(Side > 0, "lamina: BlockFront: side must be > 0; give the pixels of a block's side");
  static constexpr MediaKind input = MediaKind::picture;
  static constexpr int side = Side;
  static constexpr int input_width = Side * Side * 3;
};

// --- Blocks of a layer ---

/// Attention in which every row sees all rows of its picture. Each half of a head is rotated by itself, the
/// first with the row's column in the picture, the second with its row (§3.2, §3.3).
template <AttnShape S, bool Clipped = false>
struct PatchAttention {
  static_assert(detail::AttentionRules<S>::hold);
  static_assert(S.window == 0 && !S.key_is_value,
                "lamina: PatchAttention: window must be 0 and key_is_value false; every row sees all rows of "
                "its picture, with keys and values of their own");
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr int rope_axes = 2;
  static constexpr int rotary_pairs = S.head_dim / 4;  ///< on each axis
  static constexpr float rope_base = 100.0F;
  static constexpr bool sees_block = true;
  /// Of 72 elements two vectors of four are the widest that divide them; 96 take whole ones.
  static constexpr int head_slot = S.head_dim <= 32 ? S.head_dim : (S.head_dim + 31) / 32 * 32;
  static constexpr bool clamps_inputs = Clipped;
};

/// The dense block of a picture's layer, GeGLU as `DenseFfn`, under the names that projector files have.
template <int Width, bool Clipped = false>
struct PatchFfn {
  static_assert(Width > 0, "lamina: PatchFfn: width must be > 0; give the hidden width of the block");
  static constexpr int width = Width;
  static constexpr bool clamps_inputs = Clipped;
};

// --- Backs: from rows of the stream to those that are projected ---

/// Means of squares of `Side` · `Side` rows, times √hidden (§3.5); standardised with vectors of the file if
/// that is said (§3.6).
template <int Side, bool Standardised = false>
struct PooledBack {
  static_assert(Side > 0, "lamina: PooledBack: side must be > 0; give the patches of a soft token's side");
  static constexpr int side = Side;
  static constexpr int rows_per_token = Side * Side;
  static constexpr bool standardised = Standardised;
};

/// The rows as they are.
struct PlainBack {
  static constexpr int rows_per_token = 1;
};

}  // namespace lamina
