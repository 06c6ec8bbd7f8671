// SPDX-License-Identifier: Apache-2.0
// Facts of a model type at compile time, from the installed headers.
#include <lamina/schedule.hpp>
#include <lamina/variants/gemma4_e2b.hpp>

static_assert(lamina::Variant<lamina::Gemma4E2b>);
static_assert(lamina::layer_count<lamina::Gemma4E2b> == 35);
