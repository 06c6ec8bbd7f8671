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

    score_experts(pass, w);                            // r [T, E]
    choose_experts(pass, w);                           // the K largest of r, their weights g [T, K]
    const std::uint32_t chosen = order_experts(pass);  // those of any row, in the order in which they run
    group_by_expert(pass.work, pass.rows, experts, active);  // entries by expert [T K]

    normalise_stream(pass, w.expert_norm.f32());                       // n2 [T, D]
    gather_inputs(pass);                                               // n2 of the row of each entry [T K, D]
    if (!run_experts(pass, w, chosen)) return pass.report_not_read();  // expert_e(n2) [T K, D]
    combine(pass, w);                     // RMS(mlp(n1)) + RMS(Σ g_e expert_e(n2)) [T, D]
    add_branch(pass, w.post_norm.f32());  // x += RMS(·) [T, D]
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

  /// Those that are in memory come first, so that nothing that is read for the others takes their room
  /// before.
  static std::uint32_t order_experts(const Pass& pass) noexcept {
    return place_experts(pass.work, pass.rows, experts, active, [&](std::uint32_t expert) {
      return pass.experts != nullptr && pass.experts->holds(pass.layer, expert);
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

  /// Runs the `chosen` experts: at once where they lie in memory, else as many at a time as have room. False
  /// if some could not be read.
  [[nodiscard]] static bool run_experts(const Pass& pass, const MoeFfnWeights& weights,
                                        std::uint32_t chosen) noexcept {
    if (pass.experts == nullptr) {
      run_places(pass, weights, {0, chosen});
      return true;
    }
    const auto places = [&](std::uint32_t first) -> std::span<const std::uint32_t> {
      return {pass.work.expert_at + first, std::min(chosen - first, pass.experts->slots())};
    };
    pass.experts->expect(pass.layer, places(0));
    for (std::uint32_t first = 0; first < chosen;) {
      const std::span<const std::uint32_t> now = places(first);
      if (!pass.experts->fetch(pass.team, pass.layer, now)) return false;
      const auto count = static_cast<std::uint32_t>(now.size());
      pass.experts->expect(pass.layer, places(first + count));  // while these compute
      run_places(pass, weights, {first, count});
      first += count;
    }
    return true;
  }

  /// output = W_down,e(gelu(W_gate,e n2) ⊙ W_up,e n2) of every entry of the experts at some places: E of T K
  /// entries.
  static void run_places(const Pass& pass, const MoeFfnWeights& weights, IndexRange places) noexcept {
    Workspace& work = pass.work;
    const std::span<const std::uint32_t> groups(work.expert_begin + places.first, places.count + 1);
    const std::uint32_t entries = groups.back() - groups.front();
    const std::size_t begin = groups.front();
    float* const inner = work.expert_hidden + begin * 2 * width;
    const StridedRows gate{inner, 2 * width};        // left half of [E, 2 F]
    const StridedRows up{inner + width, 2 * width};  // right half
    ProductInput input(pass, work.codes, work.expert_input + begin * pass.hidden, entries, pass.hidden,
                       pass.hidden, groups);
    if (weights.expert_gate_up) {  // one matrix [2 F, D]
      run_each(pass, input, places, {{weights.expert_gate_up, gate.first, gate.stride}});  // g | u [E, 2 F]
    } else {
      run_each(pass, input, places,
               {{weights.expert_gate, gate.first, gate.stride},  // g = W_gate,e n2 [E, F]
                {weights.expert_up, up.first, up.stride}});      // u = W_up,e n2 [E, F]
    }
    geglu_rows(pass, gate, up, width, entries);  // h = gelu(g) ⊙ u [E, F]
    ProductInput hidden(pass, work.codes, gate.first, entries, width, gate.stride, groups);
    run_each(pass, hidden, places,
             {{weights.expert_down, work.expert_output + begin * pass.hidden, pass.hidden}});  // W_down,e h
  }

  /// Every expert at some places multiplies its own entries of `input`, which begins with the first's; one
  /// hand-over for all of them. Requires stacks without input ranges.
  static void run_each(const Pass& pass, ProductInput& input, IndexRange places,
                       std::initializer_list<Product> stacks) noexcept {
    Workspace& work = pass.work;
    std::size_t count = 0;
    for (std::uint32_t place = places.first; place < places.first + places.count; ++place) {
      const std::uint32_t first = work.expert_begin[place] - work.expert_begin[places.first];
      const std::uint32_t rows = work.expert_begin[place + 1] - work.expert_begin[place];
      for (const Product& stack : stacks) {
        work.expert_products[count++] = {expert_of(pass, stack.weight, work.expert_at[place]),
                                         rows_of(input.rows_for(stack.weight), first, rows),
                                         stack.out + first * stack.stride, stack.stride};
      }
    }
    run_products(pass, {work.expert_products, count});
  }

  /// One of a stack, where it lies now.
  [[nodiscard]] static Linear expert_of(const Pass& pass, const Linear& stack,
                                        std::uint32_t expert) noexcept {
    return pass.experts != nullptr ? pass.experts->at(pass.layer, stack, expert) : stack.at(expert);
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
