// SPDX-License-Identifier: Apache-2.0
// Mixture of experts beside a dense block: x += RMS(RMS(mlp(n1)) + RMS(Σ g_e expert_e(n2))).
// Source: text-decoder.md §2.6.
#if defined(LAMINA_LAYERS_MOE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_MOE_INL_HPP
#undef LAMINA_LAYERS_MOE_INL_HPP
#else
#define LAMINA_LAYERS_MOE_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/norm-inl.hpp>
#include <lamina/rows/router.hpp>
#include <lamina/layers/expert_groups.hpp>
#include <lamina/layers/ffn-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/stream-inl.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// n1 = RMS(x), n2 = RMS(x), r = W_r RMS0(x), x += RMS(RMS(mlp(n1)) + RMS(Σ g_e expert_e(n2))). T rows, D
/// hidden, E experts of which every row has K, each F wide; an entry is one row at one of its experts.
template <MoeShape S>
struct FfnKernel<MoeFfn<S>> {
  static constexpr std::uint32_t experts = S.experts;
  static constexpr std::uint32_t active = S.active;
  static constexpr std::uint32_t width = S.expert_width;

  static void run(Pass& pass, const MoeFfnWeights& w) noexcept {
    normalise_stream(pass, w.norm.f32());                                     // n1 [T, D]
    dense_mlp(pass, w.gate, w.up, w.down, S.shared_width, pass.work.branch);  // mlp(n1) [T, D]

    score_experts(pass, w);                                  // r [T, E]
    choose_experts(pass, w);                                 // the K largest of r, their weights g [T, K]
    group_by_expert(pass.work, pass.rows, experts, active);  // entries by expert [T K]

    normalise_stream(pass, w.expert_norm.f32());  // n2 [T, D]
    gather_inputs(pass);                          // n2 of the row of each entry [T K, D]
    run_experts(pass, w);                         // expert_e(n2) [T K, D]
    combine(pass, w);                             // RMS(mlp(n1)) + RMS(Σ g_e expert_e(n2)) [T, D]
    add_branch(pass, w.post_norm.f32());          // x += RMS(·) [T, D]
  }

 private:
  /// r = W_r (RMS0(x) ⊙ scale · D^(-1/2)); always in float32.
  static void score_experts(const Pass& pass, const MoeFfnWeights& w) noexcept {
    Workspace& work = pass.work;
    normalise_stream(pass, w.router_scale.f32());  // RMS0(x) ⊙ scale [T, D]
    scale_rows(pass, work.normed, 1.0F / std::sqrt(static_cast<float>(pass.hidden)));  // · D^(-1/2) [T, D]
    ProductInput input(pass, work.codes, work.normed, pass.rows, pass.hidden, pass.hidden);
    multiply(pass, input, {{w.router, work.router_logits, experts}});  // W_r · [T, E]
    pass.show(PassValue::router_logits, work.router_logits, experts);
  }

  /// The best experts of every row.
  static void choose_experts(const Pass& pass, const MoeFfnWeights& weights) noexcept {
    Workspace& work = pass.work;
    const float* expert_scale = weights.expert_scale ? weights.expert_scale.f32() : nullptr;
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      for (std::size_t row = range.first; row < range.first + range.count; ++row) {
        route({work.router_logits + row * experts, experts}, expert_scale,
              {work.routed + row * active, active});
      }
    });
    if (pass.observer != nullptr) {
      pass.observer->show_routing(pass.layer, {work.routed, std::size_t{pass.rows} * active}, active);
    }
  }

  static void scale_rows(const Pass& pass, float* rows, float factor) noexcept {
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      scale(rows + std::size_t{range.first} * pass.hidden, std::size_t{range.count} * pass.hidden, factor);
    });
  }

  /// Copies the normalised row of every entry, in the order of experts.
  static void gather_inputs(const Pass& pass) noexcept {
    Workspace& work = pass.work;
    pass.team.split(pass.rows * active, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      for (std::size_t entry = range.first; entry < range.first + range.count; ++entry) {
        std::copy_n(work.normed + std::size_t{work.entry_row[entry]} * pass.hidden, pass.hidden,
                    work.expert_input + entry * pass.hidden);
      }
    });
  }

  /// output = W_down,e(gelu(W_gate,e n2) ⊙ W_up,e n2) of every entry.
  static void run_experts(const Pass& pass, const MoeFfnWeights& weights) noexcept {
    Workspace& work = pass.work;
    const std::uint32_t entries = pass.rows * active;
    const StridedRows gate{work.expert_hidden, 2 * width};        // left half of [T K, 2 F]
    const StridedRows up{work.expert_hidden + width, 2 * width};  // right half
    const std::span<const std::uint32_t> groups(work.expert_begin, experts + 1);
    ProductInput input(pass, work.codes, work.expert_input, entries, pass.hidden, pass.hidden, groups);
    if (weights.expert_gate_up) {                                                  // one matrix [2 F, D]
      run_each(pass, input, {{weights.expert_gate_up, gate.first, gate.stride}});  // g | u [T K, 2 F]
    } else {
      run_each(pass, input,
               {{weights.expert_gate, gate.first, gate.stride},  // g = W_gate,e n2 [T K, F]
                {weights.expert_up, up.first, up.stride}});      // u = W_up,e n2 [T K, F]
    }
    geglu_rows(pass, gate, up, width, entries);  // h = gelu(g) ⊙ u [T K, F]
    ProductInput hidden(pass, work.codes, gate.first, entries, width, gate.stride, groups);
    run_each(pass, hidden, {{weights.expert_down, work.expert_output, pass.hidden}});  // W_down,e h [T K, D]
  }

  /// Every expert multiplies its own entries of `input`; one hand-over for all experts. Requires stacks
  /// without input ranges.
  static void run_each(const Pass& pass, ProductInput& input,
                       std::initializer_list<Product> stacks) noexcept {
    Workspace& work = pass.work;
    std::size_t count = 0;
    for (std::uint32_t expert = 0; expert < experts; ++expert) {
      const std::uint32_t first = work.expert_begin[expert];
      const std::uint32_t rows = work.expert_begin[expert + 1] - first;
      if (rows == 0) continue;
      for (const Product& stack : stacks) {
        work.expert_products[count++] = {stack.weight.at(expert),
                                         rows_of(input.rows_for(stack.weight), first, rows),
                                         stack.out + first * stack.stride, stack.stride};
      }
    }
    run_products(pass, {work.expert_products, count});
  }

  /// branch = RMS(dense) + RMS(Σ weight · output); a row adds its experts by rising index.
  static void combine(const Pass& pass, const MoeFfnWeights& weights) noexcept {
    Workspace& work = pass.work;
    float* sums = work.normed;  // its rows have entered the experts
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      bool finite = true;
      for (std::size_t row = range.first; row < range.first + range.count; ++row) {
        float* sum = sums + row * pass.hidden;
        float* dense = work.branch + row * pass.hidden;
        std::fill_n(sum, pass.hidden, 0.0F);  // [D]
        for (std::size_t i = row * active; i < (row + 1) * active; ++i) {
          multiply_add(sum, work.expert_output + std::size_t{work.row_entries[i]} * pass.hidden,
                       work.row_weights[i], pass.hidden);  // += g_e expert_e(n2) [D]
        }
        // RMS(mlp(n1)) [D], then that + RMS(sum) [D]
        finite &= rms_norm(dense, weights.dense_post_norm.f32(), dense, pass.hidden, pass.epsilon);
        finite &= add_rms_norm(dense, sum, weights.expert_post_norm.f32(), pass.hidden, pass.epsilon);
      }
      if (!finite) pass.report_not_finite(PassFault::inside);
    });
    pass.show(PassValue::expert_sum, sums, pass.hidden);
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
