// SPDX-License-Identifier: Apache-2.0
// Firmware and tools: the schedule and its facts without an operating system and without Highway.
#include <lamina/schedule.hpp>

#if defined(HWY_HIGHWAY_INCLUDED) || defined(HIGHWAY_HWY_BASE_H_)
#error "lamina/schedule.hpp must not include Highway"
#endif

using Local =
    lamina::LocalAttention<lamina::AttnShape{.heads = 8, .kv_heads = 1, .head_dim = 256, .window = 512}>;
static_assert(Local::owns_kv && Local::shape.window == 512);
