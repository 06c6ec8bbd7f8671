// SPDX-License-Identifier: Apache-2.0
// Who listens to an answer: functions of the events they want, or an observer.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>
#include <variant>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/events/event.hpp>
#include <lamina/chat/response_parser.hpp>

namespace lamina {

/// Functions as one overload set: `On{[](const Text& piece) { … }, [](const ToolCall& call) { … }}`. Events
/// that none of them takes are passed over.
template <class... Functions>
struct On : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
On(Functions...) -> On<Functions...>;

/// Listens to nothing.
struct NoEvents {
  void operator()(const Stop&) const noexcept {}
};

namespace detail {

template <class Call>
inline constexpr bool is_overload_set = false;
template <class... Functions>
inline constexpr bool is_overload_set<On<Functions...>> = true;

/// Functions of the pieces that the parser gives (`ResponseEvent`), generic ones included.
template <class Call>
concept TakesPieces = !is_overload_set<std::remove_cvref_t<Call>> &&
                      std::is_invocable_v<std::remove_reference_t<Call>&, const ResponseEvent&>;
template <class Call, class One>
concept Takes = std::is_invocable_v < std::remove_reference_t<Call>
&, const One& > ;
template <class Call>
concept TakesEvents = is_overload_set<std::remove_cvref_t<Call>> || Takes<Call, Text> ||
    Takes<Call, Thought> || Takes<Call, ToolCall> || Takes<Call, MalformedCall> || Takes<Call, Stop>;

/// Calls `call` with one event, if it takes such. False if it returned false: the answer is to end.
template <class Call, class One>
[[nodiscard]] bool tell(Call& call, const One& one) {
  if constexpr (!Takes<Call, One>) {
    return true;
  } else if constexpr (std::is_convertible_v<std::invoke_result_t<Call&, const One&>, bool>) {
    return static_cast<bool>(call(one));
  } else {
    call(one);
    return true;
  }
}

}  // namespace detail

/// What `Chat` tells of an answer while it comes: a function of `Event`, of one of its alternatives or of
/// `ResponseEvent`, several functions (`On`), or an `AnswerObserver`. A function that returns false ends the
/// answer.
template <class Candidate>
concept EventListener = std::derived_from<std::remove_cvref_t<Candidate>, AnswerObserver> ||
    detail::TakesPieces<Candidate> || detail::TakesEvents<Candidate>;

namespace detail {

/// An observer that tells a function of events.
template <class Call>
class EventTeller final : public AnswerObserver {
 public:
  explicit EventTeller(Call& call) : call_(call) {}
  void take(const ResponseEvent& piece) override {
    if constexpr (TakesPieces<Call>) {
      goes_on_ = tell(call_, piece) && goes_on_;
    } else {
      const Event event = event_of(piece);
      goes_on_ = std::visit([&](const auto& one) { return tell(call_, one); }, event) && goes_on_;
    }
  }
  /// Tells how the answer ended.
  void end(StopReason reason) {
    if constexpr (!TakesPieces<Call>) static_cast<void>(tell(call_, Stop{reason}));
  }
  [[nodiscard]] bool goes_on() override { return goes_on_; }

 private:
  Call& call_;
  bool goes_on_ = true;
};

}  // namespace detail

}  // namespace lamina
