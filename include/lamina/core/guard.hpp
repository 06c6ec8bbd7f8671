// SPDX-License-Identifier: Apache-2.0
// Where memory that the system refuses to a standard container becomes an error: at the library's entrances.
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include <lamina/core/error.hpp>

namespace lamina {

/// The error of memory that was refused. `where` says to what.
[[nodiscard]] inline Error refused_memory(std::string_view where) noexcept {
  return {ErrorCode::out_of_memory, where, "the system refused memory", "", "", ""};
}

/// Whether the system would give `bytes` in one piece now; asks without exceptions, and gives them back. For
/// tables whose size is known beforehand, so that those that are too large are errors in builds without
/// exceptions, too.
[[nodiscard]] inline bool memory_is_there(std::size_t bytes) noexcept {
  void* probe = ::operator new(bytes, std::nothrow);
  ::operator delete(probe);
  return probe != nullptr;
}

/// Returns what `work` returns, a `Result` or `Status`.
///
/// Errors   those of `work`; out_of_memory where a container in it was refused memory, provided that the
///          program is compiled with exceptions. What `work` has changed by then stays changed: it changes
///          what outlives it last. Other exceptions, of the caller's callbacks, pass.
template <class Work>
[[nodiscard]] std::invoke_result_t<Work&> guard_memory([[maybe_unused]] std::string_view where, Work&& work) {
#if defined(__cpp_exceptions)
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return refused_memory(where);
  } catch (const std::length_error&) {  // more than any container can hold
    return refused_memory(where);
  }
#else
  return work();
#endif
}

}  // namespace lamina
