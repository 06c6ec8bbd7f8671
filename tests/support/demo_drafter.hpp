// SPDX-License-Identifier: Apache-2.0
// A drafter of the demo model, for tests of answers.
#pragma once

#include <span>

#include <doctest/doctest.h>

#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/testing/random_weights.hpp>

#include "models/drafters/demo_drafter.hpp"
#include "support/expect_error.hpp"

/// All drafters compiled into this program (generated).
std::span<const lamina::DrafterEntry* const> lamina_drafters();

/// A drafter of the demo model with random weights: what is right comes from who knows the answer.
inline lamina::Drafter demo_drafter() {
  for (const lamina::DrafterEntry* entry : lamina_drafters()) {
    if (entry->name != lamina::models::DemoDrafter::name) continue;
    return must(lamina::Drafter::create(
        *entry, lamina::testing::random_weights<lamina::models::DemoDrafter>(lamina::Format::q8_0, 3)));
  }
  REQUIRE_MESSAGE(false, "the demo model's drafter is not compiled in");
  return must(lamina::Result<lamina::Drafter>(lamina::Error{}));
}
