// SPDX-License-Identifier: Apache-2.0
// Errors as OpenAI's clients expect them.
#pragma once

#include <string>
#include <string_view>

#include <lamina/core/error.hpp>

#include "../report.hpp"
#include "http.hpp"

namespace program::serving {

inline constexpr std::string_view json_type = "application/json";

/// An error of the interface.
struct ApiError {
  int status = 400;
  std::string message;
  std::string_view type = "invalid_request_error";
  std::string param{};  ///< empty: none
  std::string code{};
};

/// The error of the interface that an error of the library is.
[[nodiscard]] ApiError api_error(const lamina::Error& error);

/// {"error": {"message", "type", "param", "code"}}
[[nodiscard]] Json error_json(const ApiError& error);

/// Answers with an error.
void refuse(Exchange& exchange, const ApiError& error);
inline void refuse(Exchange& exchange, const lamina::Error& error) { refuse(exchange, api_error(error)); }

/// Answers with a document.
void answer_json(Exchange& exchange, const Json& document);

}  // namespace program::serving
