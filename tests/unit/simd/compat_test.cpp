// SPDX-License-Identifier: Apache-2.0
// The bridge over Highway's gaps: byte products at their extremes, sums of lanes.
#define HWY_TARGET_INCLUDE "unit/simd/compat_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <cstdint>
#include <cstring>
#include <string>

#include <doctest/doctest.h>

#include <lamina/simd/compat-inl.hpp>

#include "support/kernel_data.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int lanes = compat::lanes32;

/// Bytes of `quads` vectors.
template <int quads>
struct ByteBlock {
  HWY_ALIGN std::int8_t byte[quads * lanes * 4];
};

/// What every lane's sum starts with.
constexpr std::int32_t start = 1000;

/// Lanes that differ from the exact sum, for bytes given by two functions of the position.
template <compat::CodeRange range, int quads, class Weight, class Activation>
int wrong_lanes(Weight weight, Activation activation) {
  constexpr int offset = range == compat::CodeRange::full ? compat::full_range_offset : 0;
  ByteBlock<quads> w;
  ByteBlock<quads> x;
  std::int32_t expected[lanes];
  for (int lane = 0; lane < lanes; ++lane) {
    expected[lane] = start;
    for (int i = 0; i < 4 * quads; ++i) {
      const int position = (i / 4 * lanes + lane) * 4 + i % 4;
      const int code = weight(position);
      const int value = activation(position);
      w.byte[position] = static_cast<std::int8_t>(static_cast<std::uint8_t>(code + offset));
      x.byte[position] = static_cast<std::int8_t>(value);
      expected[lane] += (code + offset) * value;
    }
  }
  const compat::TagI32 d;
  compat::VecI32 sum = hn::Set(d, 77);  // what is in them before must not matter
  compat::ByteSums partial{};
  const auto load = [d](const ByteBlock<quads>& from, int quad) HWY_ATTR {
    return hn::Load(d, reinterpret_cast<const std::int32_t*>(from.byte + quad * lanes * 4));
  };
  HWY_UNROLL(8)
  for (int quad = 0; quad < quads; ++quad) {
    compat::add_byte_products<range>(sum, partial, load(w, quad), load(x, quad), start, quad, quads);
  }
  HWY_ALIGN std::int32_t got[lanes];
  hn::Store(sum, d, got);
  int wrong = 0;
  for (int lane = 0; lane < lanes; ++lane) wrong += got[lane] != expected[lane] ? 1 : 0;
  return wrong;
}

template <compat::CodeRange range, int quads>
int wrong_in_range(int least, int most) {
  test::Random random(7);
  int wrong = 0;
  // The corners, where int16 sums are largest.
  for (const int weight : {least, most}) {
    for (const int value : {-127, 127}) {
      wrong += wrong_lanes<range, quads>([=](int) { return weight; }, [=](int) { return value; });
      wrong += wrong_lanes<range, quads>([=](int) { return weight; },
                                         [=](int i) { return i % 2 != 0 ? value : -value; });
    }
  }
  const auto pick = [&random](int from, int to) {
    return from + static_cast<int>(random.bits() % static_cast<std::uint64_t>(to - from + 1));
  };
  for (int repeat = 0; repeat < 100; ++repeat) {
    wrong += wrong_lanes<range, quads>([&](int) { return pick(least, most); },
                                       [&](int) { return pick(-127, 127); });
  }
  return wrong;
}

void test_byte_products() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  using compat::CodeRange;
  CHECK(wrong_in_range<CodeRange::nibble, 8>(0, 15) == 0);
  CHECK(wrong_in_range<CodeRange::nibble, 4>(0, 15) == 0);
  CHECK(wrong_in_range<CodeRange::six_bits, 8>(0, 63) == 0);
  CHECK(wrong_in_range<CodeRange::six_bits, 4>(0, 63) == 0);
  CHECK(wrong_in_range<CodeRange::full, 8>(-128, 127) == 0);
  CHECK(wrong_in_range<CodeRange::full, 4>(-128, 127) == 0);
}

void test_reduce_sum() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const compat::TagF32 df;
  const compat::TagI32 di;
  const float sum = compat::ReduceSum(df, hn::Iota(df, 1.0f));
  const std::int32_t integer_sum = compat::ReduceSum(di, hn::Iota(di, 1));
  CHECK(sum == static_cast<float>(lanes * (lanes + 1) / 2));
  CHECK(integer_sum == lanes * (lanes + 1) / 2);
}

void test_store_sums() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const compat::TagF32 df;
  const auto first = hn::Iota(df, 1.0f);  // 1 .. lanes
  const auto shifted = [&](float by) HWY_ATTR { return hn::Add(first, hn::Set(df, by)); };
  float sums[5] = {0, 0, 0, 0, -1.0f};
  compat::StoreSums(df, first, shifted(100.0f), shifted(200.0f), shifted(300.0f), sums);
  const int sum = lanes * (lanes + 1) / 2;
  for (int i = 0; i < 4; ++i) CHECK(sums[i] == static_cast<float>(sum + lanes * 100 * i));
  CHECK(sums[4] == -1.0f);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_byte_products);
HWY_EXPORT(test_reduce_sum);
HWY_EXPORT(test_store_sums);
TEST_CASE("compat: sums of byte products are exact") { CHECK(LAMINA_ON_EACH_TARGET(test_byte_products) > 0); }
TEST_CASE("compat: ReduceSum adds all lanes") { CHECK(LAMINA_ON_EACH_TARGET(test_reduce_sum) > 0); }
TEST_CASE("compat: StoreSums adds all lanes") { CHECK(LAMINA_ON_EACH_TARGET(test_store_sums) > 0); }
}  // namespace lamina
#endif
