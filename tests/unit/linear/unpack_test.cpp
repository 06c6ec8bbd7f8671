// SPDX-License-Identifier: Apache-2.0
// Panels of every integer format against the scalar readers, byte for byte.
#define HWY_TARGET_INCLUDE "unit/linear/unpack_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/blocks/decode.hpp>
#include <lamina/linear/unpack_k-inl.hpp>
#include <lamina/testing/random_matrix.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

/// Differences between a panel and the scalar reader; both vectors of the panel hold the same rows.
int wrong_panel_entries(Format format, std::uint32_t columns) {
  constexpr std::uint32_t lanes = compat::lanes32;
  constexpr std::uint32_t most_columns = 1024;
  REQUIRE(columns <= most_columns);
  const testing::RandomMatrix weights(format, lanes, columns, 5);
  const WeightMatrix w = weights.matrix();
  const std::size_t blocks = columns / 32;
  const CodeClass shape = code_class(format);
  HWY_ALIGN static std::uint32_t codes[most_columns / 32 * panel_block_words];
  HWY_ALIGN static float scales[most_columns / 32 * panel_rows * 4];
  std::memset(codes, 0xEE, sizeof codes);
  const Panel panel{codes, scales};
  RowPointers rows;
  for (std::uint32_t r = 0; r < lanes; ++r) rows[r] = w.row(r);
  for (int v = 0; v < panel_vectors; ++v) unpack_rows(format, rows, blocks, panel, v);

  int wrong = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    for (int v = 0; v < panel_vectors; ++v) {
      const PanelSlot slot = panel_slot(panel, shape, v, b);
      for (std::uint32_t lane = 0; lane < lanes; ++lane) {
        CodeBlock block;
        decode_codes(format, w.row(lane), b, block);
        for (std::uint32_t e = 0; e < 32; ++e) {
          std::uint8_t byte[4];
          std::memcpy(byte, slot.codes + e / 4 * lanes + lane, 4);
          const int stored = byte[e % 4];
          const int expected = block.code[e] + shape.code_offset();
          // What the class promises: byte products are exact only in this range.
          const int most = shape.range == compat::CodeRange::nibble     ? 15
                           : shape.range == compat::CodeRange::six_bits ? 63
                                                                        : 255;
          if (shape.range != compat::CodeRange::full && (expected < 0 || expected > most)) ++wrong;
          if (stored != static_cast<std::uint8_t>(expected)) ++wrong;
        }
        // A class without halves or offsets must be right to leave them out.
        if (!shape.halves && block.scale[0] != block.scale[1]) ++wrong;
        if (!shape.halves && block.offset[0] != block.offset[1]) ++wrong;
        if (!shape.offsets && (block.offset[0] != 0 || block.offset[1] != 0)) ++wrong;
        std::vector<float> expected = {block.scale[0]};
        if (shape.halves) expected.push_back(block.scale[1]);
        if (shape.offsets) expected.push_back(block.offset[0] / (shape.halves ? 32.0F : 8.0F));
        if (shape.offsets && shape.halves) expected.push_back(block.offset[1] / 32.0F);
        if (expected.size() != static_cast<std::size_t>(shape.scales_per_block())) ++wrong;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          if (slot.scales[i * lanes + lane] != expected[i]) ++wrong;
        }
      }
    }
  }
  return wrong;
}

void test_unpack() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  int formats = 0;
  for (const FormatInfo& info : all_formats) {
    if (!has_codes(info.format)) continue;
    INFO("format ", info.name);
    CHECK(wrong_panel_entries(info.format, info.block_elements) == 0);
    CHECK(wrong_panel_entries(info.format, 1024) == 0);
    ++formats;
  }
  CHECK(formats == 25);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_unpack);
TEST_CASE("unpack: panels hold what the scalar readers give") {
  CHECK(LAMINA_ON_EACH_TARGET(test_unpack) > 0);
}
}  // namespace lamina
#endif
