// SPDX-License-Identifier: Apache-2.0
// Attention with queries and probabilities rounded to bf16, on this machine's own target: where it multiplies
// bf16 natively, which no target of Highway's dispatch does in all versions.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include <support/attend_cases-inl.hpp>

namespace lamina {
namespace native = LAMINA_MODE::HWY_NAMESPACE;
namespace {

/// Roundings to 8 bits of queries and probabilities: scores have a deviation of about 2 and change by some
/// 2⁻⁹ of that, results by as much of themselves. Measured: at most 0.0073. A pair of columns or positions
/// that is exchanged, left out or used twice makes 0.05 and more.
constexpr double tolerance = 0.01;

template <class Layout>
void check_rounded() {
  INFO("head_dim ", Layout::head_dim, ", shared pairs ", Layout::shared_pairs);
  const auto kernel = native::kernel_of<Layout>();
  for (const auto& c : native::attend_cases(300)) {
    for (const bool ahead : {false, true}) {
      INFO("kv_heads ", c.kv_heads, ", group ", c.group, ", window ", c.window, ", see ahead ", ahead);
      CHECK(native::check_case(kernel, c, ahead, true) < tolerance);
    }
  }
}

TEST_CASE("attention in bf16 equals the oracle but for its roundings and keeps its bits") {
  check_rounded<KvRowLayout<32, CacheFormat::bf16>>();
  check_rounded<KvRowLayout<64, CacheFormat::bf16>>();
  check_rounded<KvRowLayout<96, CacheFormat::bf16, 12>>();
  check_rounded<KvRowLayout<256, CacheFormat::bf16>>();
  check_rounded<KvRowLayout<512, CacheFormat::bf16, 64>>();
}

TEST_CASE("attention in bf16 over int8 rows equals the oracle but for its roundings and keeps its bits") {
  check_rounded<KvRowLayout<32, CacheFormat::int8>>();
  check_rounded<KvRowLayout<96, CacheFormat::int8, 12>>();
  check_rounded<KvRowLayout<256, CacheFormat::int8>>();
  check_rounded<KvRowLayout<512, CacheFormat::int8, 64>>();
}

TEST_CASE("attention in bf16 does not hide NaN and infinities") {
  CHECK(native::hidden_damage(native::kernel_of<KvRowLayout<32, CacheFormat::bf16>>(), true) == 0);
  CHECK(native::hidden_damage(native::kernel_of<KvRowLayout<512, CacheFormat::bf16, 64>>(), true) == 0);
  CHECK(native::hidden_damage(native::kernel_of<KvRowLayout<64, CacheFormat::int8>>(), true) == 0);
  CHECK(native::hidden_damage(native::kernel_of<KvRowLayout<512, CacheFormat::int8, 64>>(), true) == 0);
}

}  // namespace
}  // namespace lamina
