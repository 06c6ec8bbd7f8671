// SPDX-License-Identifier: Apache-2.0
// Refuses memory on demand: operator new in all its forms fails at the n-th call of this thread.
//
// Include it in exactly one source file of a program with exceptions: it replaces the global operators.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "held.hpp"

namespace lamina_test {

/// What one thread is still granted.
struct Grants {
  std::size_t calls = SIZE_MAX;  ///< calls that succeed; of those behind them every one fails
  std::size_t bytes = SIZE_MAX;  ///< larger blocks are refused
  std::size_t refused = 0;       ///< calls that were
  std::size_t thrown = 0;        ///< of them, those that could only throw
};
inline thread_local Grants grants;

inline void* granted(std::size_t bytes, std::size_t alignment) noexcept {
  if (grants.calls == 0 || bytes > grants.bytes) {
    ++grants.refused;
    return nullptr;
  }
  if (grants.calls != SIZE_MAX) --grants.calls;
  const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
  void* block = std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
  if (block != nullptr) ++blocks_held;
  return block;
}
inline void give_back(void* block) noexcept {
  if (block != nullptr) --blocks_held;
  std::free(block);
}
inline void* granted_or_throw(std::size_t bytes, std::size_t alignment) {
  if (void* block = granted(bytes, alignment); block != nullptr) return block;
  ++grants.thrown;
  throw std::bad_alloc();
}

}  // namespace lamina_test

// The forms for arrays are made of these by the standard library. Not inline: compilers would see malloc meet
// delete.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return lamina_test::granted_or_throw(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return lamina_test::granted_or_throw(bytes, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return lamina_test::granted(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
  return lamina_test::granted(bytes, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { lamina_test::give_back(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { lamina_test::give_back(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept {
  lamina_test::give_back(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  lamina_test::give_back(block);
}
