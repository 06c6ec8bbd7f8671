// SPDX-License-Identifier: Apache-2.0
// Attention against the double-precision oracle, and bit equality over chunks, tiles, rings and splits.
#define HWY_TARGET_INCLUDE "unit/attention/attend_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <lamina/attention/attend-inl.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/attention/kv_rows-inl.hpp>
#include <support/attend_cases-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

template <class Layout>
void check_layout(std::uint32_t positions) {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", head_dim ", Layout::head_dim, ", format ",
       std::string(name_of(Layout::format)), ", shared pairs ", Layout::shared_pairs);
  const Kernel kernel = kernel_of<Layout>();
  // A score of a few units is a chain of head_dim / lanes roundings that walk at random, about 3e-7 each at
  // the size of its partial sums; the error enters the weights as it is. The rest of the arithmetic adds
  // 2e-6.
  const double chain =
      static_cast<double>(Layout::head_dim) / static_cast<double>(hn::Lanes(detail::KeyTag<Layout>()));
  const double tolerance = 2e-6 + 3e-7 * std::sqrt(chain);
  for (const Case& c : attend_cases(positions)) {
    for (const bool ahead : {false, true}) {
      INFO("kv_heads ", c.kv_heads, ", group ", c.group, ", window ", c.window, ", see ahead ", ahead);
      CHECK(check_case(kernel, c, ahead) < tolerance);
    }
  }
}

template <class Layout>
void check_damage() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", head_dim ", Layout::head_dim, ", format ",
       std::string(name_of(Layout::format)), ", shared pairs ", Layout::shared_pairs);
  CHECK(hidden_damage(kernel_of<Layout>()) == 0);
}

void test_damage() {
  check_damage<KvRowLayout<16, CacheFormat::f32, 2>>();
  check_damage<KvRowLayout<32, CacheFormat::bf16>>();
  check_damage<KvRowLayout<64, CacheFormat::int8>>();
#if !defined(LAMINA_SANITIZED)
  check_damage<KvRowLayout<16, CacheFormat::f32>>();
  check_damage<KvRowLayout<512, CacheFormat::bf16, 64>>();
  check_damage<KvRowLayout<512, CacheFormat::int8, 64>>();
#endif
}

// Sanitizers make one layout cost minutes of compile time, and find their errors in small ones.
#if defined(LAMINA_SANITIZED)
#define LAMINA_CHECK_LARGE(...) static_cast<void>(0)
#else
#define LAMINA_CHECK_LARGE(...) check_layout<__VA_ARGS__>(300)
#endif

void test_attend_f32() {
  check_layout<KvRowLayout<16, CacheFormat::f32, 2>>(300);
  LAMINA_CHECK_LARGE(KvRowLayout<16, CacheFormat::f32>);
  LAMINA_CHECK_LARGE(KvRowLayout<48, CacheFormat::f32>);
  LAMINA_CHECK_LARGE(KvRowLayout<20, CacheFormat::f32, 6>);
}
void test_attend_bf16() {
  check_layout<KvRowLayout<32, CacheFormat::bf16>>(520);
  LAMINA_CHECK_LARGE(KvRowLayout<4, CacheFormat::bf16>);  // vectors of one lane
  LAMINA_CHECK_LARGE(KvRowLayout<4, CacheFormat::bf16, 2>);
  LAMINA_CHECK_LARGE(KvRowLayout<256, CacheFormat::bf16>);
  LAMINA_CHECK_LARGE(KvRowLayout<512, CacheFormat::bf16, 64>);
}
void test_attend_int8() {
  check_layout<KvRowLayout<64, CacheFormat::int8>>(520);
  LAMINA_CHECK_LARGE(KvRowLayout<12, CacheFormat::int8, 2>);
  LAMINA_CHECK_LARGE(KvRowLayout<128, CacheFormat::int8>);
  LAMINA_CHECK_LARGE(KvRowLayout<512, CacheFormat::int8, 64>);
}
#undef LAMINA_CHECK_LARGE

/// Rows that see nothing, and scores so far apart that every exponential but one is 0.
void test_attend_extremes() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  using Layout = KvRowLayout<32, CacheFormat::f32>;
  const OwnedRows cache(kernel_of<Layout>(), 1, 600);
  for (std::uint32_t p = 0; p < 600; ++p) {
    std::vector<float> key(32, 0.0F), value(32, static_cast<float>(p));
    key[0] = p == 77 ? 1000.0F : -1000.0F;
    store_kv<Layout>(cache.view, p, key.data(), value.data());
  }
  std::vector<float> q(3 * 32, 0.0F);
  q[0] = q[32] = q[64] = 3.0F;
  const KeyRange visible[] = {{0, 600}, {50, 50}, {300, 301}};
  std::vector<float> out(3 * 32, -1.0F);
  const AttendRows rows{q.data(), visible, out.data(), 3, 1};
  std::vector<float> scratch(attend_scratch_floats<Layout>(1));
  attend<Layout>(cache.view, rows, 0, 0, 3, scratch.data());
  CHECK(out[0] == 77.0F);
  CHECK(out[31] == 77.0F);
  CHECK(out[32] == 0.0F);
  CHECK(out[63] == 0.0F);
  CHECK(out[64] == 300.0F);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_attend_f32);
HWY_EXPORT(test_attend_bf16);
HWY_EXPORT(test_attend_int8);
HWY_EXPORT(test_attend_extremes);
HWY_EXPORT(test_damage);

TEST_CASE("attention over float32 rows equals the oracle and keeps its bits") {
  CHECK(LAMINA_ON_EACH_TARGET(test_attend_f32) > 0);
}
TEST_CASE("attention over bf16 rows equals the oracle and keeps its bits") {
  CHECK(LAMINA_ON_EACH_TARGET(test_attend_bf16) > 0);
}
TEST_CASE("attention over int8 rows equals the oracle and keeps its bits") {
  CHECK(LAMINA_ON_EACH_TARGET(test_attend_int8) > 0);
}
TEST_CASE("attention copes with rows that see nothing and with far-apart scores") {
  CHECK(LAMINA_ON_EACH_TARGET(test_attend_extremes) > 0);
}

TEST_CASE("attention does not hide NaN and infinities") { CHECK(LAMINA_ON_EACH_TARGET(test_damage) > 0); }

TEST_CASE("causal_keys is exactly min(position + 1, window) positions long") {
  for (const std::uint32_t window : {0U, 1U, 2U, 16U, 512U}) {
    for (std::uint32_t position = 0; position < 1000; ++position) {
      const KeyRange seen = causal_keys(position, window);
      CHECK(seen.end == position + 1);
      CHECK(seen.end - seen.first == (window == 0 ? position + 1 : std::min(position + 1, window)));
    }
  }
}

}  // namespace lamina
#endif
