// SPDX-License-Identifier: Apache-2.0
// A function that a model may call.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <lamina/chat/tools/decode_struct.hpp>
#include <lamina/chat/tools/describe.hpp>
#include <lamina/chat/tools/fields.hpp>
#include <lamina/chat/tools/shared_call.hpp>
#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>

namespace lamina {

/// A function with the declaration that the model reads; made by `tool`.
class Tool {
 public:
  using Function = SharedCall<Result<Value>(const Value& arguments)>;

  /// `declaration`: {"name", "description", "parameters"}; `function` takes an object, or null for none.
  Tool(Value declaration, Function function)
      : declaration_(std::move(declaration)), function_(std::move(function)) {}

  [[nodiscard]] std::string_view name() const noexcept {
    const Value* name = declaration_.find("name");
    return name != nullptr ? std::string_view(name->text) : std::string_view();
  }
  [[nodiscard]] const Value& declaration() const noexcept { return declaration_; }
  /// Errors   bad_argument (arguments that do not fit: the function is not called), those of the function
  [[nodiscard]] Result<Value> call(const Value& arguments) const { return function_(arguments); }

 private:
  Value declaration_;
  Function function_;
};

namespace detail {

template <class Returned>
inline constexpr bool is_result = false;
template <class Returned>
inline constexpr bool is_result<Result<Returned>> = true;

/// What a function returned, as the model reads it.
template <class Returned>
[[nodiscard]] Result<Value> result_of(Returned returned) {
  if constexpr (!is_result<Returned>) {
    return value_of(returned);
  } else if constexpr (std::is_same_v<Returned, Status>) {
    if (!returned) return returned.error();
    return Value::string("done");
  } else {
    if (!returned) return returned.error();
    return value_of(*returned);
  }
}

[[nodiscard]] inline Value declaration_of(std::string_view name, std::string_view description,
                                          Value parameters) {
  Value declaration = Value::object();
  declaration.append("name", Value::string(name));
  declaration.append("description", Value::string(description));
  declaration.append("parameters", std::move(parameters));
  return declaration;
}

struct NoArguments {
  static constexpr auto fields = lamina::fields();
};

template <class Returned, class Arguments, class Call>
[[nodiscard]] Tool make_tool(std::string_view name, std::string_view description, Call call,
                             std::type_identity<Returned(Arguments)>) {
  using Struct = std::remove_cvref_t<Arguments>;
  static_assert(HasFields<Struct>, "a tool takes a struct with `fields`, or nothing");
  return {declaration_of(name, description, schema_of<Struct>()),
          [call = std::move(call), where = std::string(name)](const Value& given) -> Result<Value> {
            auto arguments = decode_struct<Struct>(given, where);
            if (!arguments) return arguments.error();
            return result_of<Returned>(call(std::move(*arguments)));
          }};
}
template <class Returned, class Call>
[[nodiscard]] Tool make_tool(std::string_view name, std::string_view description, Call call,
                             std::type_identity<Returned()>) {
  return {declaration_of(name, description, schema_of<NoArguments>()),
          [call = std::move(call), where = std::string(name)](const Value& given) -> Result<Value> {
            if (!given.is(Value::Kind::null)) {
              auto none = decode_struct<NoArguments>(given, where);
              if (!none) return none.error();
            }
            return result_of<Returned>(call());
          }};
}

}  // namespace detail

/// Makes a tool of a callable, which is copied: it takes a struct with `fields`, by value or reference, or
/// nothing, and returns what `value_of` takes, or a `Result` of that, or a `Status`. The schema that the
/// model is told, and the checks of what it gives, follow from the struct.
template <class Call>
[[nodiscard]] Tool tool(std::string_view name, std::string_view description, Call call) {
  return detail::make_tool(name, description, std::move(call), detail::signature_of<Call>());
}

}  // namespace lamina
