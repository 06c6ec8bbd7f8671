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
#include <array>
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
#include <lamina/runtime/check_segments.hpp>
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
    norm_epsilon_ = file.description.norm_epsilon;
    final_softcap_ = file.description.final_softcap;
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
    LAMINA_TRY(check_segments(segments, options_, V::dims.vocab));
    std::array<RowRun, most_segments> runs;
    Pass pass = start(segments, runs);
    embed(pass);
    for (std::uint32_t layer = 0; layer < layers && pass.rows > 0; ++layer) {
      run_layer(pass, layer, layer + 1 == first_reader && has_unwanted_rows(pass));
      // A kernel of the user's may have kept them: they cost time then, and nothing else.
      if (layer + 1 == first_reader) keep_wanted_rows(pass);
    }
    if (pass.rows == 0) return std::span<const float>();
    pass.layer = 0;
    compute_logits(pass, weights_.global, final_softcap_);
    return std::span<const float>(work_.logits, std::size_t{pass.rows} * V::dims.vocab);
  }

  SequenceCache& first_cache() noexcept override { return sequence_; }

 private:
  Pass start(std::span<const Segment> segments, std::array<RowRun, most_segments>& runs) noexcept {
    std::uint32_t rows = 0;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const auto count = static_cast<std::uint32_t>(segments[i].tokens.size());
      runs[i] = {static_cast<Sequence<V>*>(segments[i].cache)->layers,
                 rows,
                 count,
                 segments[i].first_position,
                 wanted_rows(segments[i]),
                 segments[i].tokens};
      rows += count;
    }
    Pass pass{.linear = *linear_,
              .team = Team(options_.executor),
              .precision = options_.precision,
              .cache = options_.cache,
              .epsilon = norm_epsilon_,
              .hidden = V::dims.hidden,
              .per_layer_floats = layers * per_layer,
              .work = work_,
              .runs = {runs.data(), segments.size()},
              .rows = rows,
              .rotaries = rotary_.tables(),
              .observer = options_.observer};
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

  void run_layer(Pass& pass, std::uint32_t layer, bool drop_unwanted) noexcept {
    with_kind_of<V>(layer, [&]<std::size_t K>() {
      using Kind = KindAt<kinds_of<V>, K>;
      pass.layer = layer;
      const AttentionSite site{pass.rotaries[RotaryTables<V>::table_of_kind[K]], key_norm(layer),
                               drop_unwanted};
      LayerKernel<Kind>::run(pass, weights_.template layer<K>(layer), site);
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
  float norm_epsilon_ = 1e-6F;
  float final_softcap_ = 0.0F;
  ModelWeights<V> weights_{};
  RotaryTables<V> rotary_{};
  Workspace work_{};
  Sequence<V> sequence_;
  float embedding_scale_ = 1.0F;
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
