// SPDX-License-Identifier: Apache-2.0
// Makes the erased entry of a model type: the one place where a variant meets the kernels.
#if defined(LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP
#undef LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP
#else
#define LAMINA_RUNTIME_MODEL_ENTRY_INL_HPP
#endif

#include <cstddef>

#include <lamina/kernels/linear-inl.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/layers/check_interleaving.hpp>
#include <lamina/runtime/model_entry.hpp>
#include <lamina/runtime/runner-inl.hpp>
#include <lamina/schedule/describe.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// The entry of model `V` for this translation unit's target. Instantiates every layer kind of `V` once.
template <Variant V>
struct EntryOf {
  static const ModelDescription& describe() noexcept {
    static constexpr ModelDescription description = lamina::describe<V>();
    return description;
  }

  static const LinearKernels& kernels() noexcept { return linear_kernels(); }

  static std::size_t session_bytes(const SessionOptions& options) noexcept {
    Arena arena = Arena::measuring();
    WeightFile nothing;  // over a measuring arena no tensor is looked up
    ModelRunner<V> runner;
    static_cast<void>(arena.take<ModelRunner<V>>(1));
    static_cast<void>(runner.prepare(nothing, options, linear_kernels(), arena));
    return arena.bytes_needed();
  }

  static Result<Runner*> make(const WeightFile& file, const SessionOptions& options, Arena& arena) noexcept {
    LAMINA_TRY(check_structure(file, describe(), V::name));
    LAMINA_TRY(check_interleaving(file, linear_kernels()));
    LAMINA_TRY(check_cache_format(options.cache));
    ModelRunner<V>* runner = arena.take<ModelRunner<V>>(1).data();
    if (runner == nullptr) {
      return Error{ErrorCode::out_of_memory,       "session", "the memory block is too small", "", "",
                   "ask ModelEntry::session_bytes"};
    }
    if (Status status = runner->prepare(file, options, linear_kernels(), arena); !status)
      return status.error();
    return static_cast<Runner*>(runner);
  }

  static constexpr ModelEntry entry{V::name,        &describe, &kernels, &ModelWeights<V>::visit_matrices,
                                    &session_bytes, &make};
};

/// The entry of model `V`, for `Session::create` and for lists of compiled-in models.
template <Variant V>
[[nodiscard]] const ModelEntry& make_model_entry() noexcept {
  return EntryOf<V>::entry;
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
