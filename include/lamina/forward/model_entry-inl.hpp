// SPDX-License-Identifier: Apache-2.0
// Makes the erased entry of a model type: the one place where a variant meets the kernels.
#if defined(LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP
#undef LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP
#else
#define LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/linear/linear-inl.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/packing/check_interleaving.hpp>
#include <lamina/engine/memory_plan.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/forward/runner-inl.hpp>
#include <lamina/schedule/describe.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// The erased model `V`: what makes runners and caches over its weights.
template <Variant V>
class ModelCoreOf final : public ModelCore {
 public:
  BoundModel<V> bound{};

  Result<Runner*> make_runner(const EngineOptions& options, Arena& arena) const noexcept override {
    LAMINA_TRY(check_cache_formats(options.cache));
    ModelRunner<V>* runner = arena.take<ModelRunner<V>>(1).data();
    if (runner != nullptr) LAMINA_TRY(runner->prepare(&bound, options, linear_kernels(), arena));
    if (arena.overflowed()) return too_small("engine");
    return static_cast<Runner*>(runner);
  }

  Result<SequenceCache*> make_cache(const EngineOptions& engine, const SequenceOptions& sequence,
                                    Arena& arena) const noexcept override {
    LAMINA_TRY(check_views(kinds_of<V>{}, sequence.context));
    CacheOf<V>* cache = arena.take<CacheOf<V>>(1).data();
    if (cache != nullptr) cache->take(engine, sequence, &bound.weights, arena);
    if (arena.overflowed()) return too_small("sequence");
    if (cache != nullptr) LAMINA_TRY(cache->check(engine.cache));
    return static_cast<SequenceCache*>(cache);
  }

  /// Checks what rows see in every kind of attention.
  template <class... Kinds>
  static Status check_views(TypeList<Kinds...>, std::uint32_t context) noexcept {
    Status status = Done{};
    static_cast<void>(
        ((status = check_visible<typename Kinds::attention>(context), static_cast<bool>(status)) && ...));
    return status;
  }

  static Error too_small(const char* what) noexcept {
    return {ErrorCode::out_of_memory,     what, "the memory block is too small", "", "",
            "ask how many bytes it takes"};
  }
};

/// The entry of model `V` for this translation unit's target. Instantiates every layer kind of `V` once.
template <Variant V>
struct EntryOf {
  static const ModelDescription& describe() noexcept {
    static constexpr ModelDescription description = lamina::describe<V>();
    return description;
  }

  static const LinearKernels& kernels() noexcept { return linear_kernels(); }

  static constexpr std::size_t model_bytes() noexcept {
    Arena arena = Arena::measuring();
    static_cast<void>(arena.take<ModelCoreOf<V>>(1));
    BoundModel<V>::measure(arena);
    return arena.bytes_needed();
  }

  static constexpr std::size_t runner_bytes(const EngineOptions& options) noexcept {
    Arena arena = Arena::measuring();
    static_cast<void>(arena.take<ModelRunner<V>>(1));
    ModelRunner<V>::measure(options, arena);
    return arena.bytes_needed();
  }

  static constexpr std::size_t cache_bytes(const EngineOptions& engine,
                                           const SequenceOptions& sequence) noexcept {
    Arena arena = Arena::measuring();
    CacheOf<V> cache;
    static_cast<void>(arena.take<CacheOf<V>>(1));
    cache.take(engine, sequence, nullptr, arena);
    return arena.bytes_needed();
  }

  static Result<const ModelCore*> bind(const WeightFile& file, Arena& arena) noexcept {
    LAMINA_TRY(check_structure(file, describe(), V::name));
    LAMINA_TRY(check_interleaving(file, linear_kernels()));
    ModelCoreOf<V>* core = arena.take<ModelCoreOf<V>>(1).data();
    if (core == nullptr) return ModelCoreOf<V>::too_small("model");
    LAMINA_TRY(core->bound.bind(file, arena));
    if (arena.overflowed()) return ModelCoreOf<V>::too_small("model");
    return static_cast<const ModelCore*>(core);
  }

  static constexpr ModelEntry entry{{V::name, &describe, &kernels, &ModelWeights<V>::visit_matrices},
                                    &model_bytes,
                                    &runner_bytes,
                                    &cache_bytes,
                                    sees_blocks<V>(),
                                    &CacheOf<V>::page_bytes,
                                    &CacheOf<V>::ring_bytes,
                                    &bind};
};

/// The entry of model `V`, for `Model::create`, `Session::create` and for lists of compiled-in models.
template <Variant V>
[[nodiscard]] const ModelEntry& make_model_entry() noexcept {
  return EntryOf<V>::entry;
}

/// What a session of model `V` takes, as a constant: to size a static buffer, or to refuse to compile.
template <Variant V>
[[nodiscard]] constexpr MemoryPlan plan(const SessionOptions& options) noexcept {
  return plan_memory(EntryOf<V>::entry, options);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if !defined(HWY_TARGET_INCLUDE)
namespace lamina {
/// The code of this translation unit's target. An alias has no linkage: units with other flags have their
/// own.
namespace native = LAMINA_MODE::HWY_NAMESPACE;
}  // namespace lamina
#endif

#endif
