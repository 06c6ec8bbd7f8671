// SPDX-License-Identifier: Apache-2.0
// Rows of embedding tables of every format.
#define HWY_TARGET_INCLUDE "unit/linear/embed_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/linear/row_group-inl.hpp>
#include <lamina/testing/random_matrix.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

void test_embed_row() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  constexpr std::uint32_t columns = 512;
  constexpr std::uint32_t row = 2;
  const float scale = 39.1918358F;
  const float second_scale = 0.37F;
  int formats = 0;
  for (const FormatInfo& info : all_formats) {
    INFO("format ", info.name);
    const testing::RandomMatrix weights(info.format, 3, columns, 9);
    WeightMatrix table = weights.matrix();
    std::vector<float> expected(columns);
    decode_row(info.format, table.row(row), columns, expected.data());
    for (const bool scaled : {false, true}) {
      table.scales = scaled ? &second_scale : nullptr;
      std::vector<float> out(columns + 1, -1.5F);
      embed_row(table, row, 0, columns, scale, out.data());
      int wrong = 0;
      for (std::uint32_t i = 0; i < columns; ++i) {
        const float value = scaled ? expected[i] * second_scale : expected[i];
        wrong += out[i] != value * scale ? 1 : 0;
      }
      CHECK(wrong == 0);
      CHECK(out[columns] == -1.5F);
      std::vector<float> part(columns / 2 + 1, -1.5F);
      embed_row(table, row, columns / 2, columns / 2, scale, part.data());
      CHECK(std::equal(part.begin(), part.end() - 1, out.begin() + columns / 2));
      CHECK(part.back() == -1.5F);
    }
    ++formats;
  }
  CHECK(formats == 29);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_embed_row);
TEST_CASE("embed_row: decodes and scales a row, or a part of one") {
  CHECK(LAMINA_ON_EACH_TARGET(test_embed_row) > 0);
}
}  // namespace lamina
#endif
