// SPDX-License-Identifier: Apache-2.0
// The form that an answer has to keep: the schema of a response, calls of tools.
#pragma once

#include <memory>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/masks/token_constraint.hpp>

#include "requests.hpp"
#include "service.hpp"

namespace program::serving {

/// A constraint for each of the answers that are wanted; none where they are free.
///
/// Errors   bad_argument, unsupported: the place in the schema
[[nodiscard]] lamina::Result<std::vector<std::shared_ptr<lamina::TokenConstraint>>> constraints_of(
    Service& service, const ChatWish& wish);

}  // namespace program::serving
