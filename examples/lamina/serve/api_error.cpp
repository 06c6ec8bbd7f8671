// SPDX-License-Identifier: Apache-2.0
// From errors of the library to those of the interface.
#include "api_error.hpp"

namespace program::serving {

using lamina::ErrorCode;

ApiError api_error(const lamina::Error& error) {
  ApiError out;
  out.message = describe(error).view();
  if (!error.hint.empty()) out.message += " (" + std::string(error.hint.view()) + ")";
  out.code = lamina::name_of(error.code);
  switch (error.code) {
    case ErrorCode::context_full:
      out.code = "context_length_exceeded";
      out.param = "messages";
      return out;
    case ErrorCode::io:
    case ErrorCode::not_finite:
      out.status = 500;
      out.type = "server_error";
      return out;
    case ErrorCode::cancelled:
    case ErrorCode::out_of_memory:
      out.status = 503;
      out.type = "server_error";
      return out;
    case ErrorCode::bad_file:
    case ErrorCode::unsupported:
    case ErrorCode::mismatch:
    case ErrorCode::bad_argument:
      out.param = error.where.view();
      return out;
  }
  return out;
}

Json error_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"error",
           {{"message", error.message},
            {"type", std::string(error.type)},
            {"param", or_null(error.param)},
            {"code", or_null(error.code)}}}};
}

void refuse(Exchange& exchange, const ApiError& error) {
  if (error.status == 429 || error.status == 503) exchange.add_header("Retry-After", "1");
  exchange.answer(error.status, json_type, dump(error_json(error)));
}

void answer_json(Exchange& exchange, const Json& document) {
  exchange.answer(200, json_type, dump(document));
}

}  // namespace program::serving
