// SPDX-License-Identifier: Apache-2.0
// Interleaving for this target's vectors: as many rows as a vector has 32-bit lanes.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_INTERLEAVE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_INTERLEAVE_INL_HPP_
#undef LAMINA_KERNELS_INTERLEAVE_INL_HPP_
#else
#define LAMINA_KERNELS_INTERLEAVE_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/formats/interleave.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Rows of a group; 0 on targets that compute one lane at a time.
inline constexpr std::uint32_t interleave_height = LAMINA_ONE_LANE ? 0 : compat::lanes32;

/// Interleaves a range of rows; see `LinearKernels::interleave`.
inline void interleave(const WeightMatrix& w, std::size_t first, std::size_t count, std::byte* to) noexcept {
  LAMINA_DCHECK(can_interleave(w.format) && w.packing == Packing::rows);
  for (std::size_t row = first; interleave_height > 0 && row < first + count; row += interleave_height) {
    interleave_rows(w.format, w.columns, interleave_height, w.row(row), to + row * w.bytes_per_row());
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_INTERLEAVE_INL_HPP_
