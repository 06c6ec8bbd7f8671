// SPDX-License-Identifier: Apache-2.0
// Counts every heap allocation of a test program: operator new in all its forms and malloc, calloc, realloc.
//
// It replaces the global allocation functions of the program (weakly: several source files may include it).
// Under AddressSanitizer, which owns malloc, it counts through the sanitizer's hook instead.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define LAMINA_COUNT_BY_HOOK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LAMINA_COUNT_BY_HOOK 1
#endif
#endif

namespace lamina_test {

inline std::atomic<std::size_t> allocation_total{0};
inline std::atomic<std::size_t> allocated_bytes{0};

/// Allocations of all threads since it was made.
class AllocationCounter {
 public:
  AllocationCounter() noexcept;
  [[nodiscard]] std::size_t count() const noexcept { return allocation_total.load() - start_; }
  /// Bytes asked for in all of them, whether given back or not.
  [[nodiscard]] std::size_t bytes() const noexcept { return allocated_bytes.load() - start_bytes_; }

 private:
  std::size_t start_ = 0;
  std::size_t start_bytes_ = allocated_bytes.load();
};

inline void count_allocation(std::size_t bytes) noexcept {
  allocation_total.fetch_add(1, std::memory_order_relaxed);
  allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace lamina_test

#if defined(LAMINA_COUNT_BY_HOOK)

extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                                         void (*)(const volatile void*));

inline lamina_test::AllocationCounter::AllocationCounter() noexcept {
  static const int installed = __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t bytes) { lamina_test::count_allocation(bytes); },
      [](const volatile void*) {});
  static_cast<void>(installed);
  start_ = allocation_total.load();
}

#else

// glibc's own names of the functions that are replaced here; operator new and everything else ends in one of
// them.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

[[gnu::weak]] void* malloc(std::size_t bytes) noexcept {
  lamina_test::count_allocation(bytes);
  return __libc_malloc(bytes);
}
[[gnu::weak]] void* calloc(std::size_t count, std::size_t bytes) noexcept {
  lamina_test::count_allocation(count * bytes);
  return __libc_calloc(count, bytes);
}
[[gnu::weak]] void* realloc(void* block, std::size_t bytes) noexcept {
  lamina_test::count_allocation(bytes);
  return __libc_realloc(block, bytes);
}
[[gnu::weak]] void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  lamina_test::count_allocation(bytes);
  return __libc_memalign(alignment, bytes);
}
[[gnu::weak]] void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  lamina_test::count_allocation(bytes);
  return __libc_memalign(alignment, bytes);
}
[[gnu::weak]] int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
  lamina_test::count_allocation(bytes);
  *block = __libc_memalign(alignment, bytes);
  return *block != nullptr ? 0 : ENOMEM;
}
}

inline lamina_test::AllocationCounter::AllocationCounter() noexcept : start_(allocation_total.load()) {}

#endif
