// SPDX-License-Identifier: Apache-2.0
// The residual stream between blocks: normalised on the way in, branches normed and added on the way out.
// Source: text-decoder.md §2.3.
#if defined(LAMINA_LAYERS_STREAM_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_STREAM_INL_HPP
#undef LAMINA_LAYERS_STREAM_INL_HPP
#else
#define LAMINA_LAYERS_STREAM_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/norm-inl.hpp>
#include <lamina/pass/pass.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// normed = RMS(stream; weight), all rows. Reports a stream that is not finite.
inline void normalise_stream(const Pass& pass, const float* weight) noexcept {
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    bool finite = true;
    for (std::size_t row = range.first; row < range.first + range.count; ++row) {
      finite &= rms_norm(pass.work.stream + row * pass.hidden, weight, pass.work.normed + row * pass.hidden,
                         pass.hidden, pass.epsilon);
    }
    if (!finite) pass.report_not_finite(PassFault::before);
  });
}

/// stream = stream + RMS(branch; weight), all rows. Reports a branch that is not finite.
inline void add_branch(const Pass& pass, const float* weight) noexcept {
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    bool finite = true;
    for (std::size_t row = range.first; row < range.first + range.count; ++row) {
      finite &= add_rms_norm(pass.work.stream + row * pass.hidden, pass.work.branch + row * pass.hidden,
                             weight, pass.hidden, pass.epsilon, 1.0F);
    }
    if (!finite) pass.report_not_finite(PassFault::inside);
  });
}

/// stream = stream · factor, all rows.
inline void scale_stream(const Pass& pass, float factor) noexcept {
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    scale(pass.work.stream + std::size_t{range.first} * pass.hidden, std::size_t{range.count} * pass.hidden,
          factor);
  });
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
