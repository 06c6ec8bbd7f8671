// SPDX-License-Identifier: Apache-2.0
// A model and its one sequence in memory that the linker lays out: for programs without a heap.
#if defined(LAMINA_FORWARD_STATIC_SESSION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_FORWARD_STATIC_SESSION_INL_HPP
#undef LAMINA_FORWARD_STATIC_SESSION_INL_HPP
#else
#define LAMINA_FORWARD_STATIC_SESSION_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/forward/bound_model.hpp>
#include <lamina/forward/layer_caches.hpp>
#include <lamina/forward/runner-inl.hpp>
#include <lamina/linear/linear-inl.hpp>
#include <lamina/weights/gguf/stored_model.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// What `Session` is to programs with a heap. It refers to no allocation function, not even in code that
/// never runs, and computes the same bits. Lives in the memory that it is given and is never destroyed.
///
/// Threads   one at a time
template <Variant V>
class StaticSession {
 public:
  /// Bytes of memory that `open` takes: a constant, to size a static buffer with.
  [[nodiscard]] static constexpr std::size_t bytes(const SessionOptions& options) noexcept {
    Arena arena = Arena::measuring();
    static_cast<void>(arena.take<StaticSession>(1));
    measure_stored_model<V>(arena);
    BoundModel<V>::measure(arena);
    static_cast<void>(arena.take<ModelRunner<V>>(1));
    ModelRunner<V>::measure(options.engine(), arena);
    static_cast<void>(arena.take<CacheOf<V>>(1));
    CacheOf<V>{}.take(options.engine(), options.sequence(), nullptr, arena);
    static_cast<void>(arena.take_untouched<std::byte>(page_bytes(options)));
    return arena.bytes_needed();
  }

  /// Makes a session in `memory` of a plain GGUF file whose bytes, as `memory`, outlive it. `name` is for
  /// messages.
  ///
  /// Errors   as `read_stored_model` and `bind_slots`; bad_argument (options), out_of_memory (`memory`)
  [[nodiscard]] static Result<StaticSession*> open(std::span<const std::byte> file, std::string_view name,
                                                   const SessionOptions& options,
                                                   std::span<std::byte> memory) noexcept {
    Arena arena(memory);
    auto* session = arena.take<StaticSession>(1).data();
    const auto model = read_stored_model<V>(file, name, arena);
    if (!model) return model.error();
    LAMINA_TRY(check_options(options, static_cast<std::uint32_t>(model->description.max_context)));
    if (session == nullptr) return too_small(name);
    LAMINA_TRY(session->bound_.bind(*model, arena));
    ModelRunner<V>* runner = arena.take<ModelRunner<V>>(1).data();
    CacheOf<V>* cache = arena.take<CacheOf<V>>(1).data();
    if (runner == nullptr || cache == nullptr) return too_small(name);
    LAMINA_TRY(runner->prepare(&session->bound_, options.engine(), linear_kernels(), arena));
    cache->take(options.engine(), options.sequence(), &session->bound_.weights, arena);
    std::byte* pages = arena.take_untouched<std::byte>(page_bytes(options)).data();
    if (arena.overflowed()) return too_small(name);
    LAMINA_TRY(cache->check(options.cache));
    for (std::byte*& page : cache->pages) {
      page = pages;
      pages += CacheOf<V>::page_bytes(options.cache);
    }
    session->runner_ = runner;
    session->cache_ = cache;
    session->options_ = options;
    return session;
  }

  /// Feeds tokens after those that are there, in passes of `options.chunk`, and returns the logits [vocab] of
  /// the last one; valid until the next call.
  ///
  /// Errors   context_full, bad_argument (no token, or one outside the vocabulary), not_finite; nothing is fed
  ///          then, but for whole passes before one that is not finite
  [[nodiscard]] Result<std::span<const float>> feed(std::span<const TokenId> tokens) noexcept {
    constexpr auto vocab = static_cast<TokenId>(V::dims.vocab);
    if (tokens.size() > options_.context - position_)
      return check_length(position_ + tokens.size(), options_.context, V::dims.max_context).error();
    if (tokens.empty() || *std::max_element(tokens.begin(), tokens.end()) >= vocab) {
      return Error{ErrorCode::bad_argument,     "tokens", "no token, or one outside the vocabulary",
                   text("ids below %u", vocab), "others", ""};
    }
    const float* logits = nullptr;
    while (!tokens.empty()) {
      const auto piece = tokens.first(std::min<std::size_t>(tokens.size(), options_.chunk));
      tokens = tokens.subspan(piece.size());
      const RunnerFeed pass{cache_, position_, piece, tokens.empty() ? 1U : 0U};
      const auto rows = runner_->run({&pass, 1});
      if (!rows) return rows.error();
      position_ += static_cast<std::uint32_t>(piece.size());
      logits = rows->logits;
    }
    return std::span<const float>(logits, vocab);
  }

  [[nodiscard]] std::uint32_t position() const noexcept { return position_; }  ///< tokens fed so far
  void reset() noexcept { position_ = 0; }                                     ///< forgets them

 private:
  static constexpr std::size_t page_bytes(const SessionOptions& options) noexcept {
    return kv_blocks(options.context) * CacheOf<V>::page_bytes(options.cache);
  }
  static Error too_small(std::string_view name) noexcept {
    return {ErrorCode::out_of_memory,
            name,
            "the memory block is too small",
            "",
            "",
            "StaticSession::bytes says how many bytes it takes"};
  }

  BoundModel<V> bound_{};
  SessionOptions options_{};
  ModelRunner<V>* runner_ = nullptr;
  CacheOf<V>* cache_ = nullptr;
  std::uint32_t position_ = 0;
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if !defined(HWY_TARGET_INCLUDE)
namespace lamina {
namespace native = LAMINA_MODE::HWY_NAMESPACE;  // as in model_entry-inl.hpp
}  // namespace lamina
#endif

#endif
