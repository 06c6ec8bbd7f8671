// SPDX-License-Identifier: Apache-2.0
// Attention with the norms around it: x += RMS(W_o · softmax(q·k)·v).
// Source: text-decoder.md §2.3, §2.4, §4.3.
#if defined(LAMINA_LAYERS_ATTENTION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_ATTENTION_INL_HPP
#undef LAMINA_LAYERS_ATTENTION_INL_HPP
#else
#define LAMINA_LAYERS_ATTENTION_INL_HPP
#endif

#include <lamina/layers/attention_kind.hpp>
#include <lamina/layers/attention_steps-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/stream-inl.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Attention of one kind: n = RMS(x), q = s RoPE(RMS(W_q n)), k = RoPE(RMS(W_k n)), v = RMS0(W_v n),
/// x += RMS(W_o softmax(q Kᵀ) V). T rows, D hidden, H query heads, G key/value heads of d elements.
///
/// Norms, scale, rotation and what rows see are facts of the kind (schedule/concepts.hpp). Specialise this
/// template for a kind that is built differently: the steps are in layers/attention_steps-inl.hpp, and `run`
/// is all it needs. With `store` and `attend_stored` besides, rows that may end after the last owner of
/// keys and values skip what nobody wants of them.
template <class Kind>
struct AttentionKernel {
  using Sizes = AttentionSizes<Kind>;

  /// Runs the block on all rows of `pass`; `site` tells where in the model it stands.
  static void run(Pass& pass, const AttentionWeights& w, const AttentionSite& site) noexcept {
    normalise_stream(pass, w.norm.f32());  // n [T, D]
    if constexpr (Kind::owns_kv) {
      project(pass, {query_of(pass, w), key_of(pass, w), value_of(pass, w)});  // [T, H d], 2 [T, G d]
      store_keys_and_values<Kind>(pass, w.k_norm.f32(), site.rotary);          // k, v [T, G d] -> cache
    } else {
      project(pass, {query_of(pass, w)});  // [T, H d]
    }
    attend_and_add(pass, w, site);
  }

  /// The first half of `run`: only writes keys and values, for rows that may end then.
  static void store(Pass& pass, const AttentionWeights& w,
                    const AttentionSite& site) noexcept requires Kind::owns_kv {
    normalise_stream(pass, w.norm.f32());                            // n [T, D]
    project(pass, {key_of(pass, w), value_of(pass, w)});             // 2 [T, G d]
    store_keys_and_values<Kind>(pass, w.k_norm.f32(), site.rotary);  // k, v [T, G d] -> cache
  }

  /// The second half of `run`, for the rows that go on. Requires `store` has run for them.
  static void attend_stored(Pass& pass, const AttentionWeights& w,
                            const AttentionSite& site) noexcept requires Kind::owns_kv {
    normalise_stream(pass, w.norm.f32());  // n [T, D]
    project(pass, {query_of(pass, w)});    // [T, H d]
    attend_and_add(pass, w, site);
  }

 private:
  static void attend_and_add(Pass& pass, const AttentionWeights& w, const AttentionSite& site) noexcept {
    finish_queries<Kind>(pass, w.q_norm.f32(), site.rotary);  // q [T, H d]
    attend_all<Kind>(pass);                                   // softmax(q Kᵀ) V [T, H d]
    project_attended<Kind>(pass, w.output);                   // W_o · [T, D]
    add_branch(pass, w.post_norm.f32());                      // x += RMS(·) [T, D]
  }

  static Product query_of(const Pass& pass, const AttentionWeights& w) noexcept {
    return {w.q, pass.work.query, Sizes::query_stride};
  }
  static Product key_of(const Pass& pass, const AttentionWeights& w) noexcept {
    return {w.k, pass.work.key, Sizes::kv_stride};
  }
  static Product value_of(const Pass& pass, const AttentionWeights& w) noexcept {
    return {w.v, pass.work.value, Sizes::kv_stride};  // absent where V is the raw key: multiplies nothing
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
