// SPDX-License-Identifier: Apache-2.0
// The rows of a matrix as this target's vectors take them: interleaved, in groups, and one by one.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_ROW_GROUP_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_ROW_GROUP_INL_HPP_
#undef LAMINA_LINEAR_ROW_GROUP_INL_HPP_
#else
#define LAMINA_LINEAR_ROW_GROUP_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/blocks/interleave.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/linear/unpack-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Rows of a group that lie interleaved: as many as a vector has 32-bit lanes; 0 on targets that compute one
/// lane at a time.
inline constexpr std::uint32_t interleave_height = LAMINA_ONE_LANE ? 0 : compat::lanes32;

/// Interleaves a range of rows; see `LinearKernels::interleave`.
inline void interleave(const WeightMatrix& w, std::size_t first, std::size_t count, std::byte* to) noexcept {
  LAMINA_DCHECK(can_interleave(w.format) && w.packing == Packing::rows);
  for (std::size_t row = first; interleave_height > 0 && row < first + count; row += interleave_height) {
    const std::size_t in_matrix = row % w.rows;
    interleave_group(order_of(w, interleave_height), in_matrix, w.row(row),
                     to + (row - in_matrix) * w.bytes_per_row());
  }
}

/// Decodes part of a row of a table and multiplies it by `scale`; see `LinearKernels::embed_row`. Both
/// roundings are float32. Source: text-decoder.md §2.1.
inline void embed_row(const WeightMatrix& table, std::uint32_t row, std::uint32_t first, std::uint32_t count,
                      float scale, float* out) noexcept {
  LAMINA_DCHECK(table.stack == 1 && row < table.rows && first + count <= table.columns);
  decode_columns(table, interleave_height, row, first, count, out);
  const float second_scale = table.scales != nullptr ? *table.scales : 1.0f;
  for (std::size_t i = 0; i < count; ++i) out[i] = out[i] * second_scale * scale;
}

/// Some consecutive rows of a matrix: at most `panel_rows`, or a slab of interleaved ones.
struct RowGroup {
  const WeightMatrix& matrix;
  std::size_t first;
  std::uint32_t rows;
  [[nodiscard]] const std::byte* begin() const noexcept { return matrix.row(first); }
  [[nodiscard]] const std::byte* end() const noexcept { return matrix.row(first + panel_rows); }
};

/// The rows of vector `v` of a panel, at `column`. Rows past the group repeat its last one; their results are
/// dropped.
inline void point_at_rows(const RowGroup& group, std::size_t column, int v, RowPointers& rows) noexcept {
  const std::byte* first = group.begin() + row_bytes(group.matrix.format, column);
  for (int lane = 0; lane < compat::lanes32; ++lane) {
    const auto row = static_cast<std::uint32_t>(v * compat::lanes32 + lane);
    rows[lane] = first + std::min(row, group.rows - 1) * group.matrix.bytes_per_row();
  }
}

#if !LAMINA_ONE_LANE
/// The same of interleaved rows. Requires group.rows to be a multiple of `interleave_height`.
inline InterleavedRows interleaved_at(const RowGroup& group, std::size_t column, int v) noexcept {
  const std::size_t row = group.rows > interleave_height ? static_cast<std::size_t>(v * compat::lanes32) : 0;
  return {group.matrix.data + order_of(group.matrix, interleave_height).place(group.first + row, column)};
}
#endif

/// Writes what came out for `rows` <= `panel_rows` rows. As memcpy GCC makes a string instruction of it,
/// which takes 5 % of the time of a prompt.
HWY_INLINE void store_results(const float* from, std::uint32_t rows, float* to) noexcept {
  const compat::TagF32 d;
  constexpr auto lanes = static_cast<std::uint32_t>(compat::lanes32);
  std::uint32_t row = 0;
  for (; row + lanes <= rows; row += lanes) hn::StoreU(hn::LoadU(d, from + row), d, to + row);
  for (; row < rows; ++row) to[row] = from[row];
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_ROW_GROUP_INL_HPP_
