// SPDX-License-Identifier: Apache-2.0
// The table of this target's matrix products: `linear_kernels()`.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_LINEAR_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_LINEAR_INL_HPP_
#undef LAMINA_LINEAR_LINEAR_INL_HPP_
#else
#define LAMINA_LINEAR_LINEAR_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/linear/linear.hpp>
#include <lamina/simd/prelude.hpp>
#if !defined(LAMINA_EXTERN_LINEAR_KERNELS)
#include <lamina/linear/matmul_bf16-inl.hpp>
#include <lamina/linear/matmul_codes-inl.hpp>
#include <lamina/linear/matmul_floats-inl.hpp>
#include <lamina/linear/quantize-inl.hpp>
#include <lamina/linear/row_group-inl.hpp>
#endif

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

#if !defined(LAMINA_EXTERN_LINEAR_KERNELS)

static_assert(!HWY_HAVE_SCALABLE,
              "lamina: matrix products: vectors of unknown size (SVE, RVV) are not supported; "
              "add these targets to HWY_DISABLED_TARGETS");

/// Products of any format in either precision; see `LinearKernels::matmul`.
inline void matmul(const WeightMatrix& w, const ActivationRows& x, Precision precision, float* out,
                   std::size_t out_stride, std::uint32_t first_row, std::uint32_t row_count,
                   std::span<std::byte> scratch) noexcept {
  LAMINA_DCHECK(w.stack == 1 && w.columns == x.columns && std::uint64_t{first_row} + row_count <= w.rows);
  if (activation_kind(w.format, precision) == ActivationKind::int8) {
    matmul_codes(w, x, out, out_stride, first_row, row_count, scratch);
#if defined(LAMINA_BF16_DOT)
  } else if (rounds_to_bf16(w.format, precision) && is_built_in(w.format)) {
    matmul_bf16(w, x, out, out_stride, first_row, row_count, scratch);
#endif
  } else {
    matmul_floats(w, x, out, out_stride, first_row, row_count, scratch);
  }
  if (w.scales == nullptr) return;
  for (std::size_t t = 0; t < x.rows; ++t) {
    float* y = out + t * out_stride + first_row;
    for (std::uint32_t r = 0; r < row_count; ++r) y[r] *= *w.scales;
  }
}

/// The products of this translation unit's target, compiled in it.
[[nodiscard]] inline const LinearKernels& own_linear_kernels() noexcept {
#if defined(__OPTIMIZE__)
  constexpr bool optimised = true;
#else
  constexpr bool optimised = false;
#endif
#if defined(LAMINA_TARGET_NAME)
  constexpr const char* name = LAMINA_TARGET_NAME;
#else
  constexpr const char* name = &HWY_STR(HWY_NAMESPACE)[2];  // without its "N_"
#endif
  static constexpr LinearKernels kernels {
    .target = name, .products = compat::product_names, .optimised = optimised,
    .quantize_rows = &quantize_rows,
#if defined(LAMINA_BF16_DOT)
    .round_rows = &round_rows,
#else
    .round_rows = nullptr,
#endif
    .interleave_height = interleave_height, .interleave = &interleave, .matmul = &matmul,
    .embed_row = &embed_row
  };
  return kernels;
}

#endif

/// The products that layers use: this unit's own, or those of the unit of linear/define_linear.hpp. Members
/// of templates call it, so that it is the same function in all units of a program.
[[nodiscard]] inline const LinearKernels& linear_kernels() noexcept {
#if defined(LAMINA_EXTERN_LINEAR_KERNELS) || defined(LAMINA_DEFINES_LINEAR_KERNELS)
  return extern_linear_kernels();
#else
  return own_linear_kernels();
#endif
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_LINEAR_INL_HPP_
