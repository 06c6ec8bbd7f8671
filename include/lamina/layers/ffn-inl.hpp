// SPDX-License-Identifier: Apache-2.0
// The dense feed-forward block: x += RMS(W_down(gelu(W_gate n) ⊙ W_up n)), n = RMS(x).
// Source: text-decoder.md §2.5.
#if defined(LAMINA_LAYERS_FFN_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_FFN_INL_HPP
#undef LAMINA_LAYERS_FFN_INL_HPP
#else
#define LAMINA_LAYERS_FFN_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/rows/geglu-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/stream-inl.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Feed-forward block of one kind; an own kind specialises it.
template <class Kind>
struct FfnKernel {
  static_assert(
      sizeof(Kind) == 0,
      "lamina: FfnKernel: this feed-forward kind has no kernel; specialise lamina::FfnKernel<Kind> with "
      "static void run(Pass&, const Slots<Kind>::Weights&)");
};

/// Rows of a matrix that is wider than what is used of it.
struct StridedRows {
  float* first;
  std::size_t stride;  ///< floats from row to row
};

/// gate = gelu_tanh(gate) ⊙ up for `rows` rows of `width`.
inline void geglu_rows(const Pass& pass, StridedRows gate, StridedRows up, std::size_t width,
                       std::uint32_t rows) noexcept {
  pass.team.split(rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    for (std::size_t row = range.first; row < range.first + range.count; ++row) {
      float* out = gate.first + row * gate.stride;
      geglu(out, up.first + row * up.stride, out, width);
    }
  });
}

/// out = W_down(gelu(W_gate n) ⊙ W_up n) with n in `work.normed`. T rows, D hidden, F = `width`.
inline void dense_mlp(const Pass& pass, const Linear& gate, const Linear& up, const Linear& down,
                      std::uint32_t width, float* out) noexcept {
  Workspace& work = pass.work;
  ProductInput input(pass, work.codes, work.normed, pass.rows, pass.hidden, pass.hidden);
  multiply(pass, input, {{gate, work.gate, width}, {up, work.up, width}});  // g = W_gate n, u = W_up n [T, F]
  geglu_rows(pass, {work.gate, width}, {work.up, width}, width, pass.rows);  // h = gelu(g) ⊙ u [T, F]
  ProductInput hidden(pass, work.codes, work.gate, pass.rows, width, width);
  multiply(pass, hidden, {{down, out, pass.hidden}});  // W_down h [T, D]
  pass.show(PassValue::feed_forward, out, pass.hidden);
}

/// x += RMS(W_down(gelu(W_gate n) ⊙ W_up n)), n = RMS(x). T rows, D hidden.
template <int Width>
struct FfnKernel<DenseFfn<Width>> {
  static void run(Pass& pass, const DenseFfnWeights& w) noexcept {
    normalise_stream(pass, w.norm.f32());                            // n [T, D]
    dense_mlp(pass, w.gate, w.up, w.down, Width, pass.work.branch);  // W_down(gelu(W_gate n) ⊙ W_up n) [T, D]
    add_branch(pass, w.post_norm.f32());                             // x += RMS(·) [T, D]
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
