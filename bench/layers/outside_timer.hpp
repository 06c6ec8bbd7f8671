// SPDX-License-Identifier: Apache-2.0
// Times what surrounds a model's layers: embedding and per-layer inputs of all rows, logits of the last.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/linear/linear-inl.hpp>
#include <lamina/layers/embedding-inl.hpp>
#include <lamina/layers/head-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/rows.hpp>
#include <lamina/forward/rotary_tables.hpp>
#include <lamina/forward/workspace.hpp>
#include <lamina/schedule/facts.hpp>
#include <lamina/testing/layer_timing.hpp>
#include <lamina/testing/random_layers.hpp>
#include <lamina/weights/bind.hpp>
#include <lamina/weights/weight_file.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

template <Variant V>
class OutsideTimer final : public LayerTimer {
  static constexpr auto per_layer = static_cast<std::uint32_t>(per_layer_width<V>());
  static constexpr auto first_reader = static_cast<std::uint32_t>(lamina::first_reader<V>());

 public:
  /// `file` must outlive the timer. Errors: mismatch, out_of_memory.
  [[nodiscard]] Status prepare(const WeightFile& file, const LayerBenchOptions& options) {
    options_ = options;
    cap_ = file.description.final_softcap;
    epsilon_ = file.description.norm_epsilon;
    Arena measuring = Arena::measuring();
    LAMINA_TRY(take(file, measuring));
    memory_ = std::make_unique<testing::detail::PageBlock>(measuring.bytes_needed());
    Arena arena(memory_->bytes());
    LAMINA_TRY(take(file, arena));
    if (arena.overflowed()) return testing::detail::no_memory(measuring.bytes_needed());
    testing::RandomNumbers random(options.seed);
    tokens_.resize(options.rows);
    for (TokenId& token : tokens_) token = static_cast<TokenId>(random.next() % V::dims.vocab);
    return Done{};
  }

  [[nodiscard]] Status check() override {
    run();
    const std::vector<float> first(work_.logits, work_.logits + V::dims.vocab);
    run();
    if (std::memcmp(first.data(), work_.logits, first.size() * sizeof(float)) == 0) return Done{};
    return Error{ErrorCode::bad_argument, "outside", "two runs differ", "the same bits", "others", ""};
  }

  void run() noexcept override {
    Pass pass{.linear = linear_kernels(),
              .team = Team(options_.executor),
              .precision = options_.precision,
              .cache = options_.cache,
              .epsilon = epsilon_,
              .hidden = V::dims.hidden,
              .per_layer_floats = static_cast<std::uint32_t>(layer_count<V>) * per_layer,
              .work = work_,
              .rotaries = rotary_.tables()};
    put_rows(pass, 1, false, [&](std::size_t) { return RowSource{{}, options_.depth, tokens_, 1}; });
    for (const RotaryRows& rotary : pass.rotaries) fill_rotary(pass, rotary);
    embed_tokens(pass, weights_.embedding, std::sqrt(static_cast<float>(V::dims.hidden)));
    if constexpr (per_layer > 0) {
      embed_per_layer_inputs(pass, weights_, per_layer, first_reader);
    }
    pass.drop_unwanted();
    compute_logits(pass, weights_, cap_);
  }

  [[nodiscard]] std::size_t layers() const noexcept override { return 1; }

  [[nodiscard]] LayerTiming cost() const noexcept override {
    LayerTiming timing;
    timing.target = linear_kernels().target;
    const WeightMatrix& head = weights_.head ? weights_.head : weights_.embedding;
    timing.kernel = info_of(head.format).name;
    count(head, 1, timing);
    if constexpr (per_layer > 0) {
      const WeightMatrix& projection = weights_.per_layer_projection;
      constexpr std::uint32_t owners = first_reader * per_layer;
      count(projection.slice(0, owners), options_.rows, timing);
      count(projection.slice(owners, projection.rows - owners), 1, timing);  // for the row that goes on
    }
    return timing;
  }

 private:
  static void count(const WeightMatrix& weight, std::uint32_t rows, LayerTiming& timing) noexcept {
    timing.bytes += static_cast<double>(weight.bytes_per_row()) * weight.rows;
    timing.flop += 2.0 * rows * weight.rows * weight.columns;
  }

  Status take(const WeightFile& file, Arena& arena) {
    LAMINA_TRY(bind_slots(file, arena, "",
                          global_slots(V::dims, per_layer_width<V>(), layer_count<V>, global_head_dim<V>()),
                          weights_));
    LAMINA_TRY(rotary_.take_frequencies(file.description, weights_.rope_factors, arena));
    rotary_.take_angles(options_.rows, arena);
    work_ = take_workspace<V>(session_options_of(options_).engine(), arena);
    return Done{};
  }

  LayerBenchOptions options_;
  std::unique_ptr<testing::detail::PageBlock> memory_;
  GlobalWeights weights_{};
  RotaryTables<V> rotary_{};
  Workspace work_{};
  std::vector<TokenId> tokens_;
  float cap_ = 0;
  float epsilon_ = 1e-6F;
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
