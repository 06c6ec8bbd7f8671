// SPDX-License-Identifier: Apache-2.0
// Times one kind of layer on its own, own kinds included: random weights or those of a file, any depth and
// batch.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/executor.hpp>
#include <lamina/core/types.hpp>
#include <lamina/attention/kv_rows-inl.hpp>
#include <lamina/linear/linear-inl.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/packing/check_interleaving.hpp>
#include <lamina/layers/layer-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/rows.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/forward/rotary_tables.hpp>
#include <lamina/forward/layer_caches.hpp>
#include <lamina/forward/workspace.hpp>
#include <lamina/schedule/facts.hpp>
#include <lamina/schedule/kv_layout.hpp>
#include <lamina/testing/layer_timing.hpp>
#include <lamina/testing/random_layers.hpp>
#include <lamina/weights/bind.hpp>
#include <lamina/weights/weight_file.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Layers of one kind, each with a cache of its own, that a run walks through one after the other. Each of
/// them starts with the same random stream: through hundreds of equal layers a kind without norms would let
/// it grow out of every float, and what it computed then could not be checked.
template <LayerKind Kind, int Hidden>
class LayerBench final : public LayerTimer {
  using Model = testing::detail::ModelAround<Kind, Hidden>;
  using Attention = typename Kind::attention;
  static constexpr std::uint32_t index = layer_count<Model> - 1;  ///< of the kind in the model around it
  static constexpr std::size_t per_layer = layer_count<Model> * per_layer_width<Model>();

 public:
  /// Binds layers `layers` of `file`, whose kind must be `Kind`, and fills the caches. `file` must outlive
  /// the bench.
  ///
  /// Errors   mismatch (the file's tensors are of another shape), out_of_memory, bad_argument (no layers or
  ///          rows)
  [[nodiscard]] Status prepare(const WeightFile& file, std::span<const std::uint32_t> layers,
                               const LayerBenchOptions& options) {
    if (layers.empty() || options.rows == 0 || options.repeats == 0) {
      return Error{ErrorCode::bad_argument,    "bench_layer", "nothing to time",
                   "layers, rows and repeats", "none",        ""};
    }
    LAMINA_TRY(check_interleaving(file, linear_kernels()));
    LAMINA_TRY(check_cache_formats(options.cache));
    options_ = options;
    Arena measuring = Arena::measuring();
    LAMINA_TRY(take(file, layers, measuring));
    memory_ = std::make_unique<testing::detail::PageBlock>(measuring.bytes_needed());
    Arena arena(memory_->bytes());
    LAMINA_TRY(take(file, layers, arena));
    if (arena.overflowed()) return testing::detail::no_memory(measuring.bytes_needed());
    epsilon_ = file.description.norm_epsilon;
    fill();
    return Done{};
  }

  [[nodiscard]] Status check() override {
    for (Copy& copy : copies_) {
      run_layer(copy);
      std::copy_n(work_.stream, checked_.size(), checked_.data());
      run_layer(copy);
      if (std::memcmp(work_.stream, checked_.data(), checked_.size_bytes()) != 0) {
        return Error{ErrorCode::bad_argument, "bench_layer", "two runs of one layer differ",
                     "the same bits",         "others",      ""};
      }
      for (const float value : checked_) {
        if (!std::isfinite(value)) {
          return Error{ErrorCode::bad_argument,          "bench_layer",
                       "a layer's result is not finite", "finite numbers",
                       text("%g", double{value}),        ""};
        }
      }
    }
    return Done{};
  }

  void run() noexcept override {
    for (Copy& copy : copies_) run_layer(copy);
  }

  [[nodiscard]] std::size_t layers() const noexcept override { return copies_.size(); }

  [[nodiscard]] LayerTiming cost() const noexcept override {
    LayerTiming timing;
    timing.target = linear_kernels().target;
    count_cost(timing);
    return timing;
  }

 private:
  struct Copy {
    Copy() noexcept {}  // an aggregate would need the protected destructor of the cache's base
    LayerWeights<Kind> weights{};
    CacheOf<Model> cache;
  };

  void run_layer(Copy& copy) noexcept {
    std::copy_n(stream_.data(), stream_.size(), work_.stream);
    Pass pass{.linear = linear_kernels(),
              .team = Team(options_.executor),
              .precision = options_.precision,
              .cache = options_.cache,
              .epsilon = epsilon_,
              .hidden = Hidden,
              .per_layer_floats = per_layer,
              .work = work_,
              .rotaries = rotary_.tables(),
              .observer = nullptr,
              .layer = index};
    put_rows(pass, 1, false, [&](std::size_t) {
      return RowSource{copy.cache.layers, options_.depth, tokens_, options_.ends_prompt ? 1 : options_.rows};
    });
    const RotaryRows& rotary = pass.rotaries[RotaryTables<Model>::table_of_kind[distinct_layers<Model> - 1]];
    if (&copy == copies_.data()) fill_rotary(pass, rotary);
    const AttentionSite site{rotary};
    HWY_NAMESPACE::run_layer<Kind>(pass, copy.weights, site, true);
  }

  Status take(const WeightFile& file, std::span<const std::uint32_t> layers, Arena& arena) {
    const SessionOptions session = session_options_of(options_);
    copies_ = arena.take<Copy>(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Copy measured;
      Copy& copy = copies_.empty() ? measured : copies_[i];
      const FixedText<160> prefix = text("blk.%u.", layers[i]);
      LAMINA_TRY(
          bind_slots(file, arena, prefix, Slots<Attention>::list(Model::dims), copy.weights.attention));
      LAMINA_TRY(
          bind_slots(file, arena, prefix, Slots<typename Kind::ffn>::list(Model::dims), copy.weights.ffn));
      LAMINA_TRY(bind_slots(file, arena, prefix, Slots<typename Kind::per_layer>::list(Model::dims),
                            copy.weights.per_layer));
      LAMINA_TRY(bind_slots(file, arena, prefix, layer_scale_slots, copy.weights.scale));
      copy.cache.take(session.engine(), session.sequence(), nullptr, arena);
      const std::size_t page_bytes = CacheOf<Model>::page_bytes(session.cache);
      const std::uint32_t pages = kv_blocks(session.context);
      std::byte* memory = arena.take_untouched<std::byte>(pages * page_bytes).data();
      for (std::byte*& page : copy.cache.pages) page = std::exchange(memory, memory + page_bytes);
    }
    LAMINA_TRY(rotary_.take_frequencies(file.description, {}, arena));
    rotary_.take_angles(options_.rows, arena);
    work_ = take_workspace<Model>(session.engine(), arena);
    const std::size_t stream_floats = std::size_t{options_.rows} * Hidden;
    stream_ = arena.take<float>(stream_floats);
    checked_ = arena.take<float>(stream_floats);
    tokens_ = arena.take<TokenId>(options_.rows);
    ones_ = arena.take<float>(static_cast<std::size_t>(Attention::shape.head_dim));
    return Done{};
  }

  /// Random stream, per-layer inputs, keys and values.
  void fill() noexcept {
    testing::RandomNumbers random(options_.seed);
    for (float& value : stream_) value = random.next_float();
    for (std::size_t i = 0; i < options_.rows * per_layer; ++i) work_.per_layer[i] = random.next_float();
    std::fill(ones_.begin(), ones_.end(), 1.0F);
    for (Copy& copy : copies_) {
      KvRows& rows = copy.cache.layers[index];
      rows.key_norm = ones_.data();  // of a reader's owner, which is not there
      if constexpr (Attention::owns_kv) {
        rows.key_norm = key_norm_for_readers<Attention>(copy.weights.attention);
      }
      const std::uint32_t kept = std::min(options_.depth, rows.block_count * kv_block);
      for (std::uint32_t position = options_.depth - kept; position < options_.depth; ++position) {
        for (std::size_t i = 0; i < std::size_t{rows.kv_heads} * Attention::shape.head_dim; ++i) {
          work_.key[i] = random.next_float() / 8.0F;
          work_.value[i] = random.next_float();
        }
        with_cache_format(rows.format, [&](auto format) HWY_ATTR {
          store_kv<LayoutOf<Attention, format()>>(rows, position, work_.key, work_.value);
        });
      }
    }
  }

  /// Experts that the last run read.
  [[nodiscard]] std::uint32_t experts_read() const noexcept {
    if constexpr (requires { Kind::ffn::shape.active; }) {
      std::uint32_t read = 0;
      for (int i = 0; i < Kind::ffn::shape.experts; ++i)
        read += work_.expert_begin[i + 1] > work_.expert_begin[i] ? 1 : 0;
      return read;
    } else {
      return 1;
    }
  }

  template <class Weights, class List>
  void count_weights(const Weights& weights, const List& slots, LayerTiming& timing,
                     double& largest) const noexcept {
    for (const auto& slot : slots) {
      const WeightMatrix& weight = slot.member.of(weights);
      if (!weight) continue;
      const double matrix_bytes = static_cast<double>(weight.bytes_per_row()) * weight.rows;
      const bool is_stack = weight.stack > 1;
      timing.bytes += matrix_bytes * (is_stack ? experts_read() : 1);
      if (weight.rows == 1 || weight.columns == 1) continue;
      const double active = is_stack ? lamina::detail::active_experts<typename Kind::ffn>() : 1;
      const bool all_rows =
          !options_.ends_prompt || slot.name == "attn_k.weight" || slot.name == "attn_v.weight";
      timing.flop += 2.0 * (all_rows ? options_.rows : 1) * active * weight.rows * weight.columns;
      if (matrix_bytes * active <= largest) continue;
      largest = matrix_bytes * active;
      timing.kernel = info_of(weight.format).name;
      timing.kernel.append(
          activation_kind(weight.format, options_.precision) == ActivationKind::int8 ? " x int8" : " x f32");
    }
  }

  void count_cost(LayerTiming& timing) const noexcept {
    const LayerWeights<Kind>& weights = copies_.front().weights;
    double largest = 0;
    count_weights(weights.attention, Slots<Attention>::list(Model::dims), timing, largest);
    count_weights(weights.ffn, Slots<typename Kind::ffn>::list(Model::dims), timing, largest);
    count_weights(weights.per_layer, Slots<typename Kind::per_layer>::list(Model::dims), timing, largest);
    KeyRange all = visible_keys<Attention>(options_.depth);
    for (std::uint32_t row = options_.ends_prompt ? options_.rows - 1 : 0; row < options_.rows; ++row) {
      const KeyRange seen = visible_keys<Attention>(options_.depth + row);
      timing.flop += 4.0 * Attention::shape.heads * Attention::shape.head_dim * (seen.end - seen.first);
      all.end = seen.end;
    }
    timing.bytes += static_cast<double>(all.end - all.first) *
                    static_cast<double>(kv_row_bytes(Attention::shape, rotary_pairs_of<Attention>(),
                                                     cache_format_of<Attention>(options_.cache)));
  }

  LayerBenchOptions options_;
  std::unique_ptr<testing::detail::PageBlock> memory_;
  std::span<Copy> copies_;
  RotaryTables<Model> rotary_{};
  Workspace work_{};
  std::span<float> stream_;    ///< [rows, Hidden] what every layer starts with
  std::span<float> checked_;   ///< [rows, Hidden] result of a layer's first run
  std::span<TokenId> tokens_;  ///< [rows] of no importance to a layer
  std::span<float> ones_;      ///< [head_dim]
  float epsilon_ = 1e-6F;
};

/// Times the layers `layers` of `file`, all of kind `Kind`, in a stream of width `Hidden`; per layer.
///
/// Errors   as `LayerBench::prepare` and `LayerBench::check`
template <LayerKind Kind, int Hidden>
[[nodiscard]] Result<LayerTiming> bench_layers_of(const WeightFile& file,
                                                  std::span<const std::uint32_t> layers,
                                                  const LayerBenchOptions& options) {
  LayerBench<Kind, Hidden> bench;
  LAMINA_TRY(bench.prepare(file, layers, options));
  return time_layers(bench, options.repeats);
}

/// Times a layer of kind `Kind` with random weights, matrices in the encoding `F`, in a stream of width
/// `Hidden`.
///
/// Results are checked before time counts: finite, and the same bits in two runs.
/// Errors   as `bench_layers_of`
/// Cost     `options.footprint` bytes, or one layer if that is more, and about a second
template <LayerKind Kind, Format F, int Hidden = 1536>
[[nodiscard]] Result<LayerTiming> bench_layer(const LayerBenchOptions& options = {}) {
  const auto file = testing::detail::random_layers<Kind, Hidden>(F, options.footprint, options.seed);
  if (!file) return file.error();
  std::vector<std::uint32_t> layers(static_cast<std::size_t>(file->description.layer_count));
  std::iota(layers.begin(), layers.end(), 0U);
  return bench_layers_of<Kind, Hidden>(*file, layers, options);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

namespace lamina {
namespace native = LAMINA_MODE::HWY_NAMESPACE;
}
