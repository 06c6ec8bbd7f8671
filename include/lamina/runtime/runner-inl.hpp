// SPDX-License-Identifier: Apache-2.0
// The forward pass of a model: embedding, the fold over the schedule, the head.
// Source: text-decoder.md §2, §2.4.3 (rows that may stop early).
#if defined(LAMINA_RUNTIME_RUNNER_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_RUNTIME_RUNNER_INL_HPP
#undef LAMINA_RUNTIME_RUNNER_INL_HPP
#else
#define LAMINA_RUNTIME_RUNNER_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/formats/half.hpp>
#include <lamina/layers/embedding-inl.hpp>
#include <lamina/layers/head-inl.hpp>
#include <lamina/layers/layer-inl.hpp>
#include <lamina/layers/pass.hpp>
#include <lamina/layers/rows.hpp>
#include <lamina/runtime/model_entry.hpp>
#include <lamina/runtime/model_weights.hpp>
#include <lamina/runtime/rotary_tables.hpp>
#include <lamina/runtime/runner.hpp>
#include <lamina/runtime/sequence.hpp>
#include <lamina/runtime/workspace.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Runs passes of model `V`. Lives in the session's arena.
template <Variant V>
class ModelRunner final : public Runner {
 public:
  static constexpr auto layers = static_cast<std::uint32_t>(layer_count<V>);
  static constexpr auto first_reader = static_cast<std::uint32_t>(lamina::first_reader<V>());
  static constexpr auto per_layer = static_cast<std::uint32_t>(per_layer_width<V>());

  /// Takes all memory from `arena` and binds the weights. Over a measuring arena only counts.
  Status prepare(const WeightFile& file, const SessionOptions& options, const LinearKernels& linear,
                 Arena& arena) noexcept {
    options_ = options;
    linear_ = &linear;
    description_ = &file.description;
    LAMINA_TRY(weights_.bind(file, arena));
    LAMINA_TRY(rotary_.take(file.description, weights_.global.rope_factors, options.chunk, arena));
    work_ = take_workspace<V>(options, arena);
    sequence_.take(options, arena);
    if (arena.overflowed()) {
      return Error{ErrorCode::out_of_memory,       "session", "the memory block is too small", "", "",
                   "ask ModelEntry::session_bytes"};
    }
    const float root = std::sqrt(static_cast<float>(V::dims.hidden));
    const bool round =
        options.embedding_scale == EmbeddingScale::bf16 ||
        (options.embedding_scale == EmbeddingScale::automatic && options.precision == Precision::fast);
    embedding_scale_ = round ? bfloat_to_float(float_to_bfloat(root)) : root;
    return Done{};
  }

  Result<std::span<const float>> forward(std::span<const Segment> segments) noexcept override {
    LAMINA_TRY(check(segments));
    Pass pass = start(segments);
    embed(pass);
    for (std::uint32_t layer = 0; layer < layers && pass.rows > 0; ++layer) run_layer(pass, layer);
    if (pass.rows == 0) return std::span<const float>{};
    pass.layer = 0;
    compute_logits(pass, weights_.global, description_->final_softcap);
    return std::span<const float>{work_.logits, std::size_t{pass.rows} * V::dims.vocab};
  }

  SequenceCache& first_cache() noexcept override { return sequence_; }

 private:
  static std::uint32_t wanted_of(const Segment& segment) noexcept {
    const auto count = static_cast<std::uint32_t>(segment.tokens.size());
    return segment.logits == LogitsWanted::all    ? count
           : segment.logits == LogitsWanted::last ? std::min(count, 1U)
                                                  : 0;
  }

  /// The workspace has room for so many rows, sequences and logits, and no more.
  Status check(std::span<const Segment> segments) const noexcept {
    std::size_t rows = 0;
    std::size_t wanted = 0;
    for (const Segment& segment : segments) {
      rows += segment.tokens.size();
      wanted += wanted_of(segment);
    }
    if (rows > options_.chunk || segments.size() > options_.chunk) {
      return Error{ErrorCode::bad_argument,
                   "pass",
                   "more rows or segments than a pass has room for",
                   text("at most %u", options_.chunk),
                   text("%zu rows in %zu segments", rows, segments.size()),
                   "raise SessionOptions::chunk"};
    }
    if (wanted > options_.logits_rows) {
      return Error{ErrorCode::bad_argument,
                   "pass",
                   "more logits wanted than a pass has room for",
                   text("at most %u rows", options_.logits_rows),
                   text("%zu", wanted),
                   "raise SessionOptions::logits_rows"};
    }
    return Done{};
  }

  Pass start(std::span<const Segment> segments) noexcept {
    Pass pass{.linear = *linear_,
              .team = Team(options_.executor),
              .precision = options_.precision,
              .cache = options_.cache,
              .epsilon = description_->norm_epsilon,
              .hidden = V::dims.hidden,
              .per_layer_floats = layers * per_layer,
              .work = work_,
              .rotaries = rotary_.tables(),
              .observer = options_.observer};
    put_rows(pass, segments.size(), [&](std::size_t i) {
      const Segment& segment = segments[i];
      return RowSource{static_cast<Sequence<V>*>(segment.cache)->layers, segment.first_position,
                       segment.tokens, wanted_of(segment)};
    });
    for (const RotaryRows& rotary : pass.rotaries) fill_rotary(pass, rotary);
    return pass;
  }

  void embed(const Pass& pass) noexcept {
    embed_tokens(pass, weights_.global.embedding, embedding_scale_);
    pass.show(PassValue::embedding, work_.stream, pass.hidden);
    if constexpr (per_layer > 0) {
      embed_per_layer_inputs(pass, weights_.global, per_layer, first_reader);
      pass.show(PassValue::per_layer_input, work_.per_layer, pass.per_layer_floats);
    }
  }

  void run_layer(Pass& pass, std::uint32_t layer) noexcept {
    with_kind_of<V>(layer, [&]<std::size_t K>() {
      using Kind = KindAt<kinds_of<V>, K>;
      pass.layer = layer;
      const AttentionSite site{pass.rotaries[RotaryTables<V>::table_of_kind[K]], key_norm(layer)};
      HWY_NAMESPACE::run_layer<Kind>(pass, weights_.template layer<K>(layer), site,
                                     layer + 1 == first_reader);
    });
  }

  /// k_norm weight of the layer whose keys `layer` reads.
  const float* key_norm(std::uint32_t layer) noexcept {
    const auto owner = static_cast<std::uint32_t>(kv_owner<V>(static_cast<int>(layer)));
    return with_kind_of<V>(
        owner, [&]<std::size_t K>() { return weights_.template layer<K>(owner).attention.k_norm.f32(); });
  }

  SessionOptions options_{};
  const LinearKernels* linear_ = nullptr;
  const ModelDescription* description_ = nullptr;
  ModelWeights<V> weights_{};
  RotaryTables<V> rotary_{};
  Workspace work_{};
  Sequence<V> sequence_;
  float embedding_scale_ = 1.0F;
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
