// SPDX-License-Identifier: Apache-2.0
// Cache formats for tests that go through them: every format in every class of attention.
#pragma once

#include <array>

#include <lamina/core/types.hpp>

/// One for both classes, and two mixes that have the other formats in each of them.
inline constexpr std::array cache_formats{
    lamina::CacheFormats(lamina::CacheFormat::bf16),
    lamina::CacheFormats(lamina::CacheFormat::int8).with_global(lamina::CacheFormat::f32),
    lamina::CacheFormats(lamina::CacheFormat::f32).with_global(lamina::CacheFormat::int8)};
