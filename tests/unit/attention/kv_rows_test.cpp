// SPDX-License-Identifier: Apache-2.0
// Cache rows: sizes, slots, what is stored where, and queries shaped for K=V layers.
#define HWY_TARGET_INCLUDE "unit/attention/kv_rows_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/attention/kv_rows-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

template <class Layout>
double element(const std::byte* row, const float* scale, std::size_t column) {
  const auto* elements = reinterpret_cast<const typename Layout::Element*>(row);
  if constexpr (Layout::format == CacheFormat::bf16) {
    return static_cast<double>(std::bit_cast<float>(std::uint32_t{elements[column]} << 16));
  } else if constexpr (Layout::scaled) {
    return static_cast<double>(elements[column]) * static_cast<double>(*scale);
  } else {
    return static_cast<double>(elements[column]);
  }
}

/// Stores positions around the ring and reads the survivors back.
template <class Layout>
void check_store() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", head_dim ", Layout::head_dim, ", format ",
       std::string(name_of(Layout::format)), ", shared pairs ", Layout::shared_pairs);
  constexpr std::size_t dim = Layout::head_dim;
  constexpr std::uint32_t heads = 3;
  constexpr std::uint32_t blocks = 2;
  constexpr std::uint32_t slots = blocks * kv_block;
  constexpr std::uint32_t positions = 300;
  Arena measuring = Arena::measuring();
  static_cast<void>(take_kv_ring<Layout>(measuring, heads, blocks));
  std::vector<std::byte> memory(measuring.bytes_needed());
  Arena arena(memory);
  const KvRows rows = take_kv_ring<Layout>(arena, heads, blocks);
  REQUIRE(!arena.overflowed());
  for (std::uint32_t p = 0; p < positions; ++p) {
    const auto keys = test::normal_vector(heads * dim, 2 * p);
    const auto values = test::normal_vector(heads * dim, 2 * p + 1);
    store_kv<Layout>(rows, p, keys.data(), values.data());
  }
  // Half a step of the format: 2^-9 of a bf16 element, half of max / 127 of an int8 row, nothing of float32.
  const auto bound = [](const float* row, std::size_t n, double exact) {
    if (Layout::format == CacheFormat::f32) return 0.0;
    if (Layout::format == CacheFormat::bf16) return std::fabs(exact) * 0x1p-8;
    double largest = 0.0;
    for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(static_cast<double>(row[i])));
    return largest / 127.0 * 0.50001;
  };
  std::size_t wrong = 0;
  std::size_t checked = 0;
  for (std::uint32_t p = positions - slots; p < positions; ++p) {
    const auto keys = test::normal_vector(heads * dim, 2 * p);
    const auto values = test::normal_vector(heads * dim, 2 * p + 1);
    for (std::uint32_t h = 0; h < heads; ++h) {
      const KvHeadRows row = head_rows<Layout>(rows, h, p);
      CHECK(row.keys == head_rows<Layout>(rows, h, p + slots).keys);
      std::vector<float> expected_key(keys.begin() + static_cast<std::ptrdiff_t>(h * dim),
                                      keys.begin() + static_cast<std::ptrdiff_t>((h + 1) * dim));
      if (Layout::key_is_value) {
        std::vector<float> rotated;
        for (std::size_t i = 0; i < dim; ++i) {
          if (i % (dim / 2) < Layout::shared_pairs) rotated.push_back(expected_key[i]);
        }
        expected_key = rotated;
      }
      REQUIRE(expected_key.size() == static_cast<std::size_t>(Layout::key_columns));
      for (std::size_t i = 0; i < expected_key.size(); ++i, ++checked) {
        const double exact = static_cast<double>(expected_key[i]);
        const double found = element<Layout>(row.keys, row.key_scales, i);
        wrong += !(std::fabs(found - exact) <= bound(expected_key.data(), expected_key.size(), exact));
      }
      for (std::size_t i = 0; i < dim; ++i, ++checked) {
        const double exact = static_cast<double>(values[h * dim + i]);
        const double found = element<Layout>(row.values, row.value_scales, i);
        wrong += !(std::fabs(found - exact) <= bound(values.data() + h * dim, dim, exact));
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(checked == std::size_t{slots} * heads * (Layout::key_columns + dim));
}

void test_store() {
  check_store<KvRowLayout<4, CacheFormat::int8>>();
  check_store<KvRowLayout<12, CacheFormat::bf16, 2>>();
  check_store<KvRowLayout<16, CacheFormat::f32>>();
  check_store<KvRowLayout<64, CacheFormat::bf16>>();
  check_store<KvRowLayout<64, CacheFormat::int8>>();
  check_store<KvRowLayout<16, CacheFormat::int8, 2>>();
  check_store<KvRowLayout<128, CacheFormat::bf16, 16>>();
}

/// q · k must be what it was: Σ over the shaped query equals Σ over the plain one with k = [w ⊙ v | rotated].
void test_prepare() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  using Layout = KvRowLayout<32, CacheFormat::f32, 4>;
  const auto plain = test::normal_vector(2 * 32, 81);
  const auto weight = test::normal_vector(32, 82);
  auto shaped = plain;
  prepare_queries<Layout>(shaped.data(), 2, weight.data());
  for (std::size_t v = 0; v < 2; ++v) {
    for (std::size_t i = 0; i < 12; ++i) {
      CHECK(shaped[v * 32 + i] == plain[v * 32 + 4 + i] * weight[4 + i]);
      CHECK(shaped[v * 32 + 12 + i] == plain[v * 32 + 20 + i] * weight[20 + i]);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(shaped[v * 32 + 24 + i] == plain[v * 32 + i]);
      CHECK(shaped[v * 32 + 28 + i] == plain[v * 32 + 16 + i]);
    }
  }
  auto untouched = plain;
  prepare_queries<KvRowLayout<32, CacheFormat::f32>>(untouched.data(), 2, nullptr);
  CHECK(untouched == plain);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_store);
HWY_EXPORT(test_prepare);
TEST_CASE("stored rows are within half a step of what was given, also after the ring wrapped") {
  CHECK(LAMINA_ON_EACH_TARGET(test_store) > 0);
}
TEST_CASE("queries of K=V layers carry the key norm's weight") {
  CHECK(LAMINA_ON_EACH_TARGET(test_prepare) > 0);
}

// text-decoder.md §4.2, §4.3: bytes per position of E2B and of K=V layers.
static_assert(KvRowLayout<256, CacheFormat::bf16>::bytes_per_position == 1024);
static_assert(KvRowLayout<512, CacheFormat::bf16>::bytes_per_position == 2048);
static_assert(KvRowLayout<512, CacheFormat::bf16, 64>::bytes_per_position == 1280);
static_assert(KvRowLayout<256, CacheFormat::int8>::bytes_per_position == 520);
static_assert(KvRowLayout<24, CacheFormat::int8>::key_row_bytes == 32);
static_assert(kv_block_bytes<KvRowLayout<256, CacheFormat::bf16>>(2) == 2 * kv_block * 1024);
static_assert(kv_blocks(0) == 0 && kv_blocks(1) == 1 && kv_blocks(kv_block) == 1 && kv_blocks(513) == 9);
}  // namespace lamina
#endif
