// SPDX-License-Identifier: Apache-2.0
// Makes the erased entry of a type of drafter: the one place where it meets the kernels.
#if defined(LAMINA_FORWARD_DRAFTER_ENTRY_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_FORWARD_DRAFTER_ENTRY_INL_HPP
#undef LAMINA_FORWARD_DRAFTER_ENTRY_INL_HPP
#else
#define LAMINA_FORWARD_DRAFTER_ENTRY_INL_HPP
#endif

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/engine/drafting/drafter_entry.hpp>
#include <lamina/forward/drafting/drafter_runner-inl.hpp>
#include <lamina/linear/linear-inl.hpp>
#include <lamina/packing/check_interleaving.hpp>
#include <lamina/schedule/describe.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// The erased drafter `V`.
template <Variant V>
class DrafterCoreOf final : public DrafterCore {
 public:
  BoundDrafter<V> bound{};

  Status check_cache(const SequenceCache& cache, CacheFormats formats) const noexcept override {
    return TargetViews<V>::check(cache, formats);
  }

  Result<DraftRunner*> make_runner(const EngineOptions& options, const Runner& target,
                                   Arena& arena) const noexcept override {
    LAMINA_TRY(check_cache_formats(options.cache));
    DrafterRunner<V>* runner = arena.take<DrafterRunner<V>>(1).data();
    if (runner != nullptr) runner->attach(&bound, options, target, linear_kernels(), arena);
    if (arena.overflowed()) return too_small();
    return static_cast<DraftRunner*>(runner);
  }

  static Error too_small() noexcept {
    return {ErrorCode::out_of_memory,     "drafter", "the memory block is too small", "", "",
            "ask how many bytes it takes"};
  }
};

/// The entry of drafter `V` for this translation unit's target.
template <Variant V>
struct DrafterEntryOf {
  static_assert(
      V::dims.target_hidden > 0,
      "lamina: Drafter: target_hidden must be > 0; set it to the width of the model that it drafts for");
  static_assert(V::dims.clusters == 0 || V::dims.vocab % (V::dims.clusters > 0 ? V::dims.clusters : 1) == 0,
                "lamina: Drafter: clusters must divide vocab; all clusters have the same number of tokens");
  static constexpr auto clusters = static_cast<std::uint32_t>(V::dims.clusters);
  static constexpr auto vocab = static_cast<std::uint32_t>(V::dims.vocab);

  static const ModelDescription& describe() noexcept {
    static constexpr ModelDescription description = lamina::describe<V>();
    return description;
  }

  static const LinearKernels& kernels() noexcept { return linear_kernels(); }

  /// All matrices; but one whose rows are looked up here and there stays as it lies.
  static void visit_matrices(void (*visit)(void* context, std::string_view name), void* context) {
    struct Filter {
      void (*visit)(void* context, std::string_view name);
      void* context;
    } filter{visit, context};
    ModelWeights<V>::visit_matrices(
        [](void* filtered, std::string_view name) {
          const auto& to = *static_cast<const Filter*>(filtered);
          if (clusters == 0 || name != "token_embd.weight") to.visit(to.context, name);
        },
        &filter);
  }

  static constexpr std::size_t model_bytes() noexcept {
    Arena arena = Arena::measuring();
    static_cast<void>(arena.take<DrafterCoreOf<V>>(1));
    BoundModel<V>::measure(arena);
    if (clusters > 0) static_cast<void>(TokenClusters::take(vocab, clusters, arena));
    return arena.bytes_needed();
  }

  static constexpr std::size_t runner_bytes(const EngineOptions& options) noexcept {
    Arena arena = Arena::measuring();
    static_cast<void>(arena.take<DrafterRunner<V>>(1));
    DrafterRunner<V> runner;
    runner.take_memory(options, arena);
    return arena.bytes_needed();
  }

  static Result<const DrafterCore*> bind(const WeightFile& file, Arena& arena) noexcept {
    LAMINA_TRY(check_structure(file, describe(), V::name));
    LAMINA_TRY(check_interleaving(file, linear_kernels()));
    DrafterCoreOf<V>* core = arena.take<DrafterCoreOf<V>>(1).data();
    if (core == nullptr) return DrafterCoreOf<V>::too_small();
    BoundDrafter<V>& bound = core->bound;
    LAMINA_TRY(bound.model.bind(file, arena));
    if (clusters > 0) bound.clusters = TokenClusters::take(vocab, clusters, arena);
    if (arena.overflowed()) return DrafterCoreOf<V>::too_small();
    if (bound.model.weights.global.centroids && file.description.clusters > 0) {
      LAMINA_TRY(bound.clusters.read(file));
      bound.selected = static_cast<std::uint32_t>(file.description.selected_clusters);
    }
    return static_cast<const DrafterCore*>(core);
  }

  static constexpr DrafterEntry entry{
      {V::name, &describe, &kernels, &visit_matrices}, &model_bytes, &runner_bytes, &bind};
};

/// The entry of drafter `V`, for `Drafter::open` and for lists of compiled-in drafters.
template <Variant V>
[[nodiscard]] const DrafterEntry& make_drafter_entry() noexcept {
  return DrafterEntryOf<V>::entry;
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if !defined(HWY_TARGET_INCLUDE)
namespace lamina {
/// The code of this translation unit's target.
namespace native = LAMINA_MODE::HWY_NAMESPACE;
}  // namespace lamina
#endif

#endif
