// SPDX-License-Identifier: Apache-2.0
// A callable of any type behind one type; copies share it. Compiles in less time than the standard's.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <lamina/core/config.hpp>

namespace lamina {

/// Holds a callable, or none.
///
/// Threads   those of the callable
template <class Signature>
class SharedCall;

template <class Returned, class... Arguments>
class SharedCall<Returned(Arguments...)> {
 public:
  SharedCall() = default;
  template <class Call>
  requires(!std::same_as<std::remove_cvref_t<Call>, SharedCall> &&
           std::is_invocable_r_v<Returned, Call&, Arguments...>)
      SharedCall(Call call)  // NOLINT(google-explicit-constructor)
      : held_(std::make_shared<Held<Call>>(std::move(call))) {}

  [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }
  /// Requires that there is one.
  Returned operator()(Arguments... arguments) const {
    return held_->call(std::forward<Arguments>(arguments)...);
  }

 private:
  struct Any {
    virtual ~Any() = default;
    virtual Returned call(Arguments... arguments) = 0;
  };
  template <class Call>
  struct Held final : Any {
    explicit Held(Call call) : own(std::move(call)) {}
    Returned call(Arguments... arguments) override { return own(std::forward<Arguments>(arguments)...); }
    Call own;
  };

  std::shared_ptr<Any> held_;
};

namespace detail {

template <class Signature>
struct SignatureParts;
template <class Returned, class... Arguments>
struct SignatureParts<Returned (*)(Arguments...)> {
  using Type = Returned(Arguments...);
};
template <class Owner, class Returned, class... Arguments>
struct SignatureParts<Returned (Owner::*)(Arguments...)> {
  using Type = Returned(Arguments...);
};
template <class Owner, class Returned, class... Arguments>
struct SignatureParts<Returned (Owner::*)(Arguments...) const> {
  using Type = Returned(Arguments...);
};

template <class Call>
[[nodiscard]] constexpr auto signature_of() noexcept {
  if constexpr (std::is_pointer_v<Call>) {
    return std::type_identity<typename SignatureParts<Call>::Type>{};
  } else {
    return std::type_identity<typename SignatureParts<decltype(&Call::operator())>::Type>{};
  }
}

}  // namespace detail

}  // namespace lamina
