// SPDX-License-Identifier: Apache-2.0
// The forward pass of a model: embedding, the fold over the schedule, the head.
// Source: text-decoder.md §2, §2.4.3 (rows that may stop early).
#if defined(LAMINA_RUNTIME_RUNNER_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_RUNTIME_RUNNER_INL_HPP
#undef LAMINA_RUNTIME_RUNNER_INL_HPP
#else
#define LAMINA_RUNTIME_RUNNER_INL_HPP
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/formats/half.hpp>
#include <lamina/layers/embedding-inl.hpp>
#include <lamina/layers/head-inl.hpp>
#include <lamina/layers/layer-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/rows.hpp>
#include <lamina/forward/bound_model.hpp>
#include <lamina/forward/layer_caches.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/forward/rotary_tables.hpp>
#include <lamina/engine/runner.hpp>
#include <lamina/forward/workspace.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Runs passes of model `V` over bound weights, with scratch memory of its own. Lives in the engine's arena.
template <Variant V>
class ModelRunner final : public Runner {
 public:
  static constexpr auto layers = static_cast<std::uint32_t>(layer_count<V>);
  static constexpr auto first_reader = static_cast<std::uint32_t>(lamina::first_reader<V>());
  static constexpr auto per_layer = static_cast<std::uint32_t>(per_layer_width<V>());
  static constexpr auto experts = static_cast<std::uint32_t>(pass_widths<V>().experts);

  /// Takes from a measuring arena what `prepare` takes from a real one.
  static constexpr void measure(const EngineOptions& options, Arena& arena) noexcept {
    RotaryTables<V>{}.take_angles(options.rows, arena);
    static_cast<void>(take_workspace<V>(options, arena));
    RowCache rows;
    if (keeps_rows(options)) rows.take_memory(options.row_cache_bytes, options.rows, arena);
    ExpertCache cache;
    if (keeps_experts(options)) cache.take_memory(options.expert_cache_bytes, layers, experts, arena);
  }

  /// Takes all scratch memory from `arena`; `model` must outlive it.
  ///
  /// Errors   bad_argument (no row fits into `row_cache_bytes`, or not a token's experts into
  ///          `expert_cache_bytes`)
  [[nodiscard]] Status prepare(const BoundModel<V>* model, const EngineOptions& options,
                               const LinearKernels& linear, Arena& arena) noexcept {
    model_ = model;
    options_ = options;
    linear_ = &linear;
    rotary_ = model->rotary;
    rotary_.take_angles(options.rows, arena);
    work_ = take_workspace<V>(options, arena);
    const float root = std::sqrt(static_cast<float>(V::dims.hidden));
    const bool round = rounds_embedding_scale(options);
    embedding_scale_ = round ? bfloat_to_float(float_to_bfloat(root)) : root;
    LAMINA_TRY(prepare_rows(arena));
    return prepare_experts(arena);
  }

  void expect(std::span<const TokenId> tokens) const noexcept override {
    if (!rows_.is_attached()) return;
    for (const TokenId token : tokens) rows_.expect(token);
  }

  [[nodiscard]] ExpertReads expert_reads() const noexcept override { return experts_.reads(); }
  void embed(TokenId token, float* out) const noexcept override {
    linear_->embed_row(model_->weights.global.embedding, token, 0, V::dims.hidden, embedding_scale_, out);
  }

  Result<PassRows> run(std::span<const RunnerFeed> feeds) noexcept override {
    Pass pass = start(feeds);
    embed(pass);
    if (fault_) return fault_.error();
    for (std::uint32_t layer = 0; layer < layers && pass.rows > 0; ++layer) {
      run_layer(pass, layer);
      if (fault_) return fault_.error();
    }
    if (pass.rows == 0) return PassRows{};
    pass.layer = 0;
    pass.step = PassStep::logits;
    compute_logits(pass, model_->weights.global, model_->final_softcap);
    if (fault_) return fault_.error();
    return PassRows{work_.logits, work_.normed};
  }

 private:
  static constexpr bool keeps_rows(const EngineOptions& options) noexcept {
    return per_layer > 0 && options.per_layer_rows == PerLayerRows::disk;
  }
  static constexpr bool keeps_experts(const EngineOptions& options) noexcept {
    return experts > 0 && options.expert_cache_bytes > 0;
  }

  [[nodiscard]] Status prepare_rows(Arena& arena) noexcept {
    if (!keeps_rows(options_)) return Done{};
    rows_.take_memory(options_.row_cache_bytes, options_.rows, arena);
    if (arena.overflowed() || model_->table_owner == nullptr) return Done{};
    const WeightMatrix& table = model_->weights.global.per_layer_embedding;
    if (rows_.attach(table, *model_->table_owner)) return Done{};
    return Error{ErrorCode::bad_argument,
                 "row_cache_bytes",
                 "no room for a row of per-layer embeddings",
                 text("more than %zu bytes", table.bytes_per_row()),
                 text("%zu", options_.row_cache_bytes),
                 ""};
  }

  [[nodiscard]] Status prepare_experts(Arena& arena) noexcept {
    if constexpr (experts > 0) {
      if (!keeps_experts(options_)) return Done{};
      experts_.take_memory(options_.expert_cache_bytes, layers, experts, arena);
      if (arena.overflowed() || !model_->can_read_experts()) return Done{};
      constexpr auto active = static_cast<std::uint32_t>(pass_widths<V>().active);
      if (experts_.attach(model_->experts, active)) return Done{};
      std::size_t each = 0;
      for (const ExpertStacks& stacks : model_->experts) each += stacks.slot_bytes();
      return Error{ErrorCode::bad_argument,
                   "expert_cache_bytes",
                   "no room for the experts of one token",
                   text("%zu bytes or more: %u experts of each layer", active * each, active),
                   text("%zu", options_.expert_cache_bytes),
                   ""};
    }
    return Done{};
  }

  Pass start(std::span<const RunnerFeed> feeds) noexcept {
    Pass pass{.linear = *linear_,
              .team = Team(options_.executor),
              .precision = options_.precision,
              .cache = options_.cache,
              .blocks = options_.blocks,
              .epsilon = model_->norm_epsilon,
              .hidden = V::dims.hidden,
              .per_layer_floats = layers * per_layer,
              .work = work_,
              .rotaries = rotary_.tables(),
              .observer = options_.observer,
              .table = rows_.is_attached() ? &rows_ : nullptr,
              .experts = experts_.is_attached() ? &experts_ : nullptr,
              .fault = &fault_};
    fault_.clear();
    put_rows(pass, feeds.size(), sees_blocks<V>(), [&](std::size_t i) {
      const RunnerFeed& feed = feeds[i];
      return RowSource{static_cast<const CacheOf<V>*>(feed.cache)->layers, feed.first_position, feed.tokens,
                       feed.wanted};
    });
    for (const RotaryRows& rotary : pass.rotaries) fill_rotary(pass, rotary);
    return pass;
  }

  void embed(const Pass& pass) noexcept {
    // Read while the rest of the embedding is computed.
    for (std::uint32_t i = 0; i < pass.rows && pass.table != nullptr; ++i) rows_.expect(pass.row(i).token);
    embed_tokens(pass, model_->weights.global.embedding, embedding_scale_);
    pass.show(PassValue::embedding, work_.stream, pass.hidden);
    if constexpr (per_layer > 0) {
      embed_per_layer_inputs(pass, model_->weights.global, per_layer, first_reader);
      pass.show(PassValue::per_layer_input, work_.per_layer, pass.per_layer_floats);
    }
  }

  void run_layer(Pass& pass, std::uint32_t layer) noexcept {
    with_kind_of<V>(layer, [&]<std::size_t K>() {
      using Kind = KindAt<kinds_of<V>, K>;
      pass.layer = layer;
      pass.step = PassStep::attention;  // a layer's first block
      const AttentionSite site{pass.rotaries[RotaryTables<V>::table_of_kind[K]]};
      HWY_NAMESPACE::run_layer<Kind>(pass, model_->weights.template layer<K>(layer), site,
                                     layer + 1 == first_reader);
    });
  }

  EngineOptions options_{};
  const LinearKernels* linear_ = nullptr;
  const BoundModel<V>* model_ = nullptr;
  RotaryTables<V> rotary_{};
  Workspace work_{};
  RowCache rows_{};
  ExpertCache experts_{};
  PassFault fault_{};
  float embedding_scale_ = 1.0F;
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
