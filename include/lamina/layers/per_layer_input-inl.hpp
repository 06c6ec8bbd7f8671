// SPDX-License-Identifier: Apache-2.0
// The per-layer-input gate: x += RMS(W_proj(gelu(W_g x) ⊙ ple_l)).
// Source: text-decoder.md §2.7.
#if defined(LAMINA_LAYERS_PER_LAYER_INPUT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_PER_LAYER_INPUT_INL_HPP
#undef LAMINA_LAYERS_PER_LAYER_INPUT_INL_HPP
#else
#define LAMINA_LAYERS_PER_LAYER_INPUT_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/layers/ffn-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/stream-inl.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Per-layer input of one kind; an own kind specialises it.
template <class Kind>
struct PerLayerKernel {
  static_assert(sizeof(Kind) == 0,
                "lamina: PerLayerKernel: this per-layer kind has no kernel; specialise "
                "lamina::PerLayerKernel<Kind> with "
                "static void run(Pass&, const Slots<Kind>::Weights&)");
};

template <>
struct PerLayerKernel<NoPerLayerInput> {
  static void run(Pass&, const NoWeights&) noexcept {}
};

/// x += RMS(W_proj(gelu(W_g x) ⊙ ple_l)) in layer l of L. T rows, D hidden, P = Width.
template <int Width>
struct PerLayerKernel<PerLayerInput<Width>> {
  static void run(Pass& pass, const PerLayerInputWeights& w) noexcept {
    Workspace& work = pass.work;
    const StridedRows ple{work.per_layer + std::size_t{pass.layer} * Width,
                          pass.per_layer_floats};  // ple_l [T, P], of [T, L, P]
    ProductInput stream(pass, work.codes, work.stream, pass.rows, pass.hidden, pass.hidden);
    multiply(pass, stream, {{w.gate, work.gate, Width}});         // g = W_g x [T, P]
    geglu_rows(pass, {work.gate, Width}, ple, Width, pass.rows);  // h = gelu(g) ⊙ ple_l [T, P]
    ProductInput gated(pass, work.codes, work.gate, pass.rows, Width, Width);
    multiply(pass, gated, {{w.projection, work.branch, pass.hidden}});  // W_proj h [T, D]
    add_branch(pass, w.post_norm.f32());                                // x += RMS(·) [T, D]
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
