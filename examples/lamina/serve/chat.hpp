// SPDX-License-Identifier: Apache-2.0
// A wish for the next message of a conversation as orders for the engine.
#pragma once

#include <lamina/core/error.hpp>

#include "delivery.hpp"
#include "http.hpp"
#include "requests.hpp"
#include "service.hpp"

namespace program::serving {

/// Encodes media, renders and encodes the conversation, compiles what the answer must be.
///
/// Errors   context_full, bad_argument, unsupported, those of readers of media; they name the field
[[nodiscard]] lamina::Result<Orders> order_chat(Service& service, const Exchange& exchange, ChatWish& wish);

/// Reads a request's body, then does `then(value)`, which returns a `Status`; refuses where something is
/// wrong.
template <class Then>
void with_request(Service& service, Exchange& exchange, Then&& then) {
  auto request = parse_request(exchange.body());
  const lamina::Status status = request ? then(std::move(*request)) : lamina::Status(request.error());
  if (status) return;
  const ApiError error = api_error(status.error());
  service.counts().add(error.status);
  refuse(exchange, error);
}

}  // namespace program::serving
