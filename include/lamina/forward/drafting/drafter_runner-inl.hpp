// SPDX-License-Identifier: Apache-2.0
// The forward pass of a drafter: token and hidden state in, a few layers that read the target's caches, head.
// Source: mtp-assistant.md §3.
#if defined(LAMINA_FORWARD_DRAFTER_RUNNER_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_FORWARD_DRAFTER_RUNNER_INL_HPP
#undef LAMINA_FORWARD_DRAFTER_RUNNER_INL_HPP
#else
#define LAMINA_FORWARD_DRAFTER_RUNNER_INL_HPP
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/engine/drafting/drafter_entry.hpp>
#include <lamina/forward/bound_model.hpp>
#include <lamina/forward/drafting/clustered_head-inl.hpp>
#include <lamina/forward/drafting/target_rows.hpp>
#include <lamina/forward/drafting/token_clusters.hpp>
#include <lamina/forward/rotary_tables.hpp>
#include <lamina/forward/workspace.hpp>
#include <lamina/layers/layer-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/rows.hpp>
#include <lamina/pass/stream-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Weights of drafter `V`, and the tokens of its clusters.
template <Variant V>
struct BoundDrafter {
  BoundModel<V> model{};
  TokenClusters clusters{};
  std::uint32_t selected = 0;  ///< clusters whose tokens get logits; 0: all tokens do
};

/// Runs steps of drafter `V` over bound weights, with scratch memory of its own.
template <Variant V>
class DrafterRunner final : public DraftRunner {
 public:
  static constexpr auto layers = static_cast<std::uint32_t>(layer_count<V>);
  static constexpr auto width = static_cast<std::uint32_t>(V::dims.hidden);          ///< d
  static constexpr auto target = static_cast<std::uint32_t>(V::dims.target_hidden);  ///< T
  static constexpr auto clusters = static_cast<std::uint32_t>(V::dims.clusters);
  static constexpr auto vocab = static_cast<std::uint32_t>(V::dims.vocab);
  static constexpr std::size_t gathered_bytes =
      gathered_rows * width * sizeof(float);  ///< of the widest encoding

  /// Takes all scratch memory from `arena`. Over a measuring arena only counts.
  constexpr void take_memory(const EngineOptions& options, Arena& arena) noexcept {
    EngineOptions own = options;
    own.logits_rows = own.rows;  // all of them are wanted
    rotary_.take_angles(own.rows, arena);
    work_ = take_workspace<V>(own, arena);
    views_ = arena.take<TargetViews<V>>(own.rows);
    joined_ = arena.take_untouched<float>(std::size_t{own.rows} * 2 * target).data();
    joined_codes_ = arena.take_untouched<std::byte>(own.rows * prepared_row_bytes(2 * target)).data();
    hidden_ = arena.take_untouched<float>(std::size_t{own.rows} * target).data();
    if constexpr (clusters > 0) {
      const std::size_t threads = own.executor != nullptr ? own.executor->width() : 1;
      gathered_ = arena.take_untouched<std::byte>(threads * gathered_bytes).data();
      scores_ = arena.take_untouched<float>(std::size_t{own.rows} * clusters).data();
      order_ = arena.take<std::uint32_t>(clusters);
      selected_ = arena.take<std::uint32_t>(clusters);
      ids_ = arena.take_untouched<TokenId>(std::size_t{own.rows} * vocab).data();
    }
  }

  /// `drafter` and `of_target`, the runner of the target's engine, must outlive it.
  void attach(const BoundDrafter<V>* drafter, const EngineOptions& options, const Runner& of_target,
              const LinearKernels& linear, Arena& arena) noexcept {
    drafter_ = drafter;
    options_ = options;
    target_ = &of_target;
    linear_ = &linear;
    rotary_ = drafter->model.rotary;
    take_memory(options, arena);
  }

  Result<DraftedRows> run(std::span<const DraftRow> rows) noexcept override {
    Pass pass = start(rows);
    pass.step = PassStep::embedding;
    ProductInput input(pass, joined_codes_, joined_, pass.rows, 2 * target, 2 * target);
    multiply(pass, input, {{drafter_->model.weights.global.pre_projection, work_.stream, width}});
    pass.show(PassValue::embedding, work_.stream, width);  // x = W_pre [e, h] [rows, d]
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      run_layer(pass, layer);
      if (fault_) return fault_.error();
    }
    pass.layer = 0;
    pass.step = PassStep::logits;
    const DraftedRows drafted = run_head(pass);
    if (fault_) return fault_.error();
    return drafted;
  }

 private:
  Pass start(std::span<const DraftRow> rows) noexcept {
    Pass pass{.linear = *linear_,
              .team = Team(options_.executor),
              .precision = options_.precision,
              .cache = options_.cache,
              .epsilon = drafter_->model.norm_epsilon,
              .hidden = width,
              .work = work_,
              .rotaries = rotary_.tables(),
              .observer = options_.observer,
              .fault = &fault_};
    fault_.clear();
    for (const DraftRow& row : rows) {
      const std::uint32_t i = pass.rows++;
      work_.rows[i] = {row.token, i, row.position};
      views_[i].take(*row.cache);
      work_.caches[i] = views_[i].layers;
      target_->embed(row.token, joined_ + std::size_t{i} * 2 * target);
      std::copy_n(row.hidden, target, joined_ + (std::size_t{i} * 2 + 1) * target);
    }
    pass.wanted = pass.rows;
    pass.caches = {work_.caches, pass.rows};
    for (const RotaryRows& rotary : pass.rotaries) fill_rotary(pass, rotary);
    return pass;
  }

  void run_layer(Pass& pass, std::uint32_t layer) noexcept {
    with_kind_of<V>(layer, [&]<std::size_t K>() {
      using Kind = KindAt<kinds_of<V>, K>;
      pass.layer = layer;
      pass.step = PassStep::attention;
      const AttentionSite site{pass.rotaries[RotaryTables<V>::table_of_kind[K]]};
      HWY_NAMESPACE::run_layer<Kind>(pass, drafter_->model.weights.template layer<K>(layer), site, false);
    });
  }

  /// Logits, and hidden states for the next step.
  DraftedRows run_head(const Pass& pass) noexcept {
    const GlobalWeights& w = drafter_->model.weights.global;
    normalise_stream(pass, w.norm.f32());  // u [rows, d]
    pass.show(PassValue::final_norm, work_.normed, width);
    ProductInput input(pass, work_.codes, work_.normed, pass.rows, width, width);
    DraftedRows drafted{work_.logits, nullptr, vocab, hidden_};
    const Product post{w.post_projection, hidden_, target};  // h = W_post u [rows, T]
    if (clusters == 0 || drafter_->selected == 0) {
      const Linear& head = w.head ? w.head : w.embedding;
      multiply(pass, input, {post, {head, work_.logits, vocab}});  // z = E u [rows, V]
    } else {
      multiply(pass, input, {post, {w.centroids, scores_, clusters}});  // c = C u [rows, C]
      const std::span<std::uint32_t> selected = selected_.first(drafter_->selected);
      drafted.count = drafter_->selected * static_cast<std::uint32_t>(drafter_->clusters.of(0).size());
      drafted.ids = ids_;
      for (std::size_t row = 0; row < pass.rows; ++row) {
        select_clusters({scores_ + row * clusters, clusters}, order_, selected);
        clustered_logits(pass, w.embedding, drafter_->clusters, selected, work_.normed + row * width,
                         ids_ + row * drafted.count, work_.logits + row * drafted.count, gathered_,
                         gathered_bytes);
      }
    }
    for (std::size_t row = 0; row < pass.rows; ++row) {
      if (!all_finite(work_.logits + row * drafted.count, drafted.count) ||
          !all_finite(hidden_ + row * target, target))
        pass.report_not_finite(PassFault::inside);
    }
    return drafted;
  }

  EngineOptions options_{};
  const LinearKernels* linear_ = nullptr;
  const BoundDrafter<V>* drafter_ = nullptr;
  const Runner* target_ = nullptr;
  RotaryTables<V> rotary_{};
  Workspace work_{};
  std::span<TargetViews<V>> views_;  ///< [rows]
  float* joined_ = nullptr;          ///< [rows, 2 T] token and hidden state
  std::byte* joined_codes_ = nullptr;
  float* hidden_ = nullptr;  ///< [rows, T] for the next step
  float* scores_ = nullptr;  ///< [rows, C] of clusters
  std::span<std::uint32_t> order_;
  std::span<std::uint32_t> selected_;
  std::byte* gathered_ = nullptr;  ///< [threads, gathered_bytes]
  TokenId* ids_ = nullptr;         ///< [rows, V] those of the selected clusters
  PassFault fault_{};
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
