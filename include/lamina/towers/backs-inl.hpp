// SPDX-License-Identifier: Apache-2.0
// The backs of encoders: from rows of the stream to those that are projected, and the projection itself.
// Source: vision.md §3.5 to §3.7.
#if defined(LAMINA_TOWERS_BACKS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TOWERS_BACKS_INL_HPP
#undef LAMINA_TOWERS_BACKS_INL_HPP
#else
#define LAMINA_TOWERS_BACKS_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <lamina/encoders/media_input.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/norm-inl.hpp>
#include <lamina/schedule/encoders/slots.hpp>
#include <lamina/towers/encoder_scratch.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// How a back runs; an own kind specialises it.
template <class Kind>
struct BackKernel {
  static_assert(
      sizeof(Kind) == 0,
      "lamina: BackKernel: this kind of back has no kernel; specialise lamina::BackKernel<Kind> with "
      "static void run(Pass&, const Weights&, const MediaShape&, std::uint32_t chunk, float* encoded)");
};

/// The stream as it is.
template <>
struct BackKernel<PlainBack> {
  static void run(const Pass& pass, const NoWeights&, const MediaShape& shape, std::uint32_t,
                  float* encoded) noexcept {
    std::copy_n(pass.work.stream, std::size_t{shape.tokens} * pass.hidden, encoded);
  }
};

template <int Side, bool Standardised>
struct BackKernel<PooledBack<Side, Standardised>> {
  /// encoded = (√D · mean of a square of rows - shift) · scale. `pass` has all rows.
  static void run(const Pass& pass, const PooledBackWeights& weights, const MediaShape& shape, std::uint32_t,
                  float* encoded) noexcept {
    const auto width = std::size_t{pass.hidden};
    const std::uint32_t columns = shape.columns / Side;
    const float root = std::sqrt(static_cast<float>(pass.hidden));
    pass.team.split(shape.tokens, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      for (std::uint32_t token = range.first; token < range.first + range.count; ++token) {
        float* out = encoded + token * width;
        std::fill_n(out, width, 0.0F);
        for (std::uint32_t i = 0; i < Side * Side; ++i) {
          const std::uint32_t row = token / columns * Side + i / Side;
          const std::uint32_t column = token % columns * Side + i % Side;
          add(out, pass.work.stream + (std::size_t{row} * shape.columns + column) * width, width);
        }
        scale(out, width, 1.0F / (Side * Side));
        scale(out, width, root);
      }
    });
    pass.show(PassValue::pooled, encoded, width);
    if constexpr (Standardised) {
      const float* shift = weights.shift.f32();
      const float* factor = weights.scale.f32();
      pass.team.split(shape.tokens, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
        for (std::size_t token = range.first; token < range.first + range.count; ++token) {
          float* out = encoded + token * width;
          for (std::size_t i = 0; i < width; ++i) out[i] = (out[i] - shift[i]) * factor[i];
        }
      });
    }
  }
};

/// out = W RMS0(encoded) for the rows of `pass`: those of a chunk. Reports numbers that are not finite.
///
/// Shapes    encoded [T, width] · out [T, text hidden]
inline void project_rows(const Pass& pass, const Linear& matrix, const float* encoded, std::uint32_t width,
                         float* out) noexcept {
  float* normed = pass.work.normed;
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    bool finite = true;
    for (std::size_t row = range.first; row < range.first + range.count; ++row) {
      finite &= rms_norm(encoded + row * width, nullptr, normed + row * width, width, pass.epsilon);
    }
    if (!finite) pass.report_not_finite(PassFault::before);
  });
  ProductInput product(pass, pass.work.codes, normed, pass.rows, width, width);
  multiply(pass, product, {{matrix, out, matrix.rows}});
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    const std::size_t columns = matrix.rows;
    if (!all_finite(out + range.first * columns, range.count * columns))
      pass.report_not_finite(PassFault::inside);
  });
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
