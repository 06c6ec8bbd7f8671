// SPDX-License-Identifier: Apache-2.0
// Looks up (part of) one row of an embedding table of any format.
// Source: text-decoder.md §2.1.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_EMBED_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_EMBED_INL_HPP_
#undef LAMINA_KERNELS_EMBED_INL_HPP_
#else
#define LAMINA_KERNELS_EMBED_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/core/config.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/kernels/interleave-inl.hpp>
#include <lamina/simd/prelude.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Decodes part of a row and multiplies it by `scale`; see `LinearKernels::embed_row`. Both roundings are
/// float32.
inline void embed_row(const WeightMatrix& table, std::uint32_t row, std::uint32_t first, std::uint32_t count,
                      float scale, float* out) noexcept {
  LAMINA_DCHECK(table.stack == 1 && row < table.rows && first + count <= table.columns);
  decode_columns(table, interleave_height, row, first, count, out);
  const float second_scale = table.scales != nullptr ? *table.scales : 1.0f;
  for (std::size_t i = 0; i < count; ++i) out[i] = out[i] * second_scale * scale;
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_EMBED_INL_HPP_
