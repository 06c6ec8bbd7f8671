// SPDX-License-Identifier: Apache-2.0
// Errors as values: what went wrong, where, what was expected, what was found and what to do about it.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#if !defined(LAMINA_WITHOUT_STDIO)
#include <cstdio>
#endif
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include <lamina/core/config.hpp>
#if defined(LAMINA_WITHOUT_STDIO)
#include <lamina/core/plain/format.hpp>
#endif
#include <lamina/core/utf8.hpp>

namespace lamina {

// --- Text without a heap ---

/// A string of at most `N - 1` bytes that lives inside its owner, so that reporting an error never allocates.
///
/// Holds whole, harmless UTF-8 characters only, whatever file or tensor name it is made of: control
/// characters (`is_control`) and each byte that belongs to no character become '?'. Longer text is cut
/// between two characters and ends in "...".
template <std::size_t N>
class FixedText {
  static_assert(N > 4, "lamina: FixedText: there must be room for a character and its end");

 public:
  constexpr FixedText() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): reads as a string
  FixedText(std::string_view text) { append(text); }
  FixedText(const char* text) : FixedText(std::string_view(text)) {}

  void append(std::string_view text) noexcept {
    while (!text.empty() && !is_cut_) {
      const Utf8Step step = decode_utf8(text);
      const bool shown = step.status == Utf8Status::valid && !is_control(step.scalar);
      put(shown ? head_of(text, step.size) : "?");
      text.remove_prefix(step.status == Utf8Status::valid ? step.size : 1);
    }
  }

  [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }
  [[nodiscard]] const char* c_str() const noexcept { return data_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  operator std::string_view() const noexcept { return view(); }  // NOLINT(google-explicit-constructor)

 private:
  void put(std::string_view character) noexcept {
    if (size_ + character.size() >= N) return cut();
    for (const char byte : character) data_[size_++] = byte;
    data_[size_] = '\0';
  }
  void cut() noexcept {
    is_cut_ = true;
    while (size_ + 4 > N) {
      // The last byte of a character, then what leads to it.
      while ((static_cast<std::uint8_t>(data_[--size_]) & 0xC0) == 0x80) continue;
    }
    for (int i = 0; i < 3; ++i) data_[size_++] = '.';
    data_[size_] = '\0';
  }

  char data_[N] = {};
  std::size_t size_ = 0;
  bool is_cut_ = false;
};

/// Formats like printf into a text of fixed size.
__attribute__((format(printf, 1, 2))) inline FixedText<160> text(const char* format, ...) noexcept {
  char buffer[512] = "";
  std::va_list arguments;
  va_start(arguments, format);
#if defined(LAMINA_WITHOUT_STDIO)
  detail::PlainFormat(buffer, sizeof buffer).write(format, arguments);
#else
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
#endif
  va_end(arguments);
  return FixedText<160>(std::string_view(buffer));
}

// --- Error ---

enum class ErrorCode : std::uint8_t {
  io,             ///< the operating system refused: open, read, map
  bad_file,       ///< the bytes break the rules of their container or encoding
  unsupported,    ///< legal, but not something this build can run
  mismatch,       ///< the file does not fit the model type
  out_of_memory,  ///< the arena or a limit is too small
  context_full,   ///< more tokens than the session was planned for
  bad_argument,   ///< the caller's value is outside its documented range
  not_finite,     ///< a NaN or an infinity arose while computing: damaged weights, or an overflow
  cancelled,      ///< the caller said to stop
};

/// The stable name of a code, used in JSON output.
[[nodiscard]] constexpr std::string_view name_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::io:
      return "io";
    case ErrorCode::bad_file:
      return "bad_file";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::mismatch:
      return "mismatch";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::context_full:
      return "context_full";
    case ErrorCode::bad_argument:
      return "bad_argument";
    case ErrorCode::not_finite:
      return "not_finite";
    case ErrorCode::cancelled:
      return "cancelled";
  }
  return "unknown";
}

/// What went wrong. `what`, `expected` and `found` make the sentence "what: expected ..., found ...".
struct Error {
  ErrorCode code = ErrorCode::bad_argument;
  FixedText<192> where;     ///< file, tensor, key, option: the thing to look at
  FixedText<160> what;      ///< the rule that does not hold
  FixedText<160> expected;  ///< may be empty
  FixedText<160> found;     ///< may be empty
  FixedText<256> hint;      ///< what the user can do; may be empty
};

/// Writes "where: what: expected E, found F" (parts that are empty are left out).
[[nodiscard]] inline FixedText<640> describe(const Error& error) noexcept {
  FixedText<640> line;
  if (!error.where.empty()) {
    line.append(error.where);
    line.append(": ");
  }
  line.append(error.what);
  if (!error.expected.empty()) {
    line.append(": expected ");
    line.append(error.expected);
    line.append(", found ");
    line.append(error.found);
  }
  return line;
}

// --- Result ---

/// Either a value or an `Error`. Never throws; reading the wrong side is a debug-checked precondition
/// (`LAMINA_DCHECK`), and so is reading the value after the result was moved from.
///
/// A temporary gives its value as a temporary, so that `auto& x = *open(...)` does not compile.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept : ok_(true) { ::new (static_cast<void*>(&value_)) T(std::move(value)); }  // NOLINT
  Result(const Error& error) noexcept : ok_(false) {
    ::new (static_cast<void*>(&error_)) Error(error);
  }  // NOLINT
  Result(Result&& other) noexcept { take(std::move(other)); }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      destroy();
      take(std::move(other));
    }
    return *this;
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { destroy(); }

  [[nodiscard]] explicit operator bool() const noexcept { return ok_; }
  [[nodiscard]] T& operator*() & noexcept { return value(); }
  [[nodiscard]] const T& operator*() const& noexcept { return value(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(value()); }
  [[nodiscard]] T* operator->() noexcept { return &value(); }
  [[nodiscard]] const T* operator->() const noexcept { return &value(); }
  [[nodiscard]] const Error& error() const noexcept {
    LAMINA_DCHECK(!ok_);
    return error_;
  }

 private:
  T& value() noexcept {
    LAMINA_DCHECK(ok_ && !moved_from_);
    return value_;
  }
  const T& value() const noexcept {
    LAMINA_DCHECK(ok_ && !moved_from_);
    return value_;
  }
  void take(Result&& other) noexcept {
    LAMINA_DCHECK(!other.moved_from_);
    ok_ = other.ok_;
    moved_from_ = other.moved_from_;
    if (ok_) {
      ::new (static_cast<void*>(&value_)) T(std::move(other.value_));
      other.moved_from_ = true;
    } else {
      ::new (static_cast<void*>(&error_)) Error(other.error_);
    }
  }
  void destroy() noexcept {
    if (ok_) value_.~T();
  }

  union {
    T value_;
    Error error_;
  };
  bool ok_ = false;
  bool moved_from_ =
      false;  // there in every build, so that builds with and without checks agree on the layout
};

/// Success, or an `Error`: the result of an operation that has no value.
struct Done {};
using Status = Result<Done>;

/// Returns the error of `expression` from the enclosing function if there is one.
#define LAMINA_TRY(expression)                               \
  do {                                                       \
    if (auto lamina_status = (expression); !lamina_status) { \
      return lamina_status.error();                          \
    }                                                        \
  } while (false)

}  // namespace lamina
