// SPDX-License-Identifier: Apache-2.0
// The head: logits = cap · tanh(E RMS(x) / cap).
// Source: text-decoder.md §2.8.
#if defined(LAMINA_LAYERS_HEAD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_HEAD_INL_HPP
#undef LAMINA_LAYERS_HEAD_INL_HPP
#else
#define LAMINA_LAYERS_HEAD_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/soft_cap-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/stream-inl.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Writes the logits of the T rows of `pass` to `work.logits` [T, V], V tokens; `cap` 0 means no cap. Reports
/// logits that are not finite before the cap.
inline void compute_logits(const Pass& pass, const GlobalWeights& weights, float cap) noexcept {
  const Linear& head = weights.head ? weights.head : weights.embedding;
  normalise_stream(pass, weights.norm.f32());  // n [T, D]
  pass.show(PassValue::final_norm, pass.work.normed, pass.hidden);
  ProductInput input(pass, pass.work.codes, pass.work.normed, pass.rows, pass.hidden, pass.hidden);
  multiply(pass, input, {{head, pass.work.logits, head.rows}});  // z = E n [T, V]
  constexpr std::uint32_t grain = 4096;  // logits a thread caps at least: some microseconds of work
  pass.team.split(pass.rows * head.rows, grain, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    float* logits = pass.work.logits + range.first;
    // cap · tanh(z / cap) [T, V], cut anywhere
    const bool finite = cap == 0.0F ? all_finite(logits, range.count) : soft_cap(logits, range.count, cap);
    if (!finite) pass.report_not_finite(PassFault::inside);
  });
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
