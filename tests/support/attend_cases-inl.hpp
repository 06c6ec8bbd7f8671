// SPDX-License-Identifier: Apache-2.0
// What must hold for attention over one layout of rows: the oracle's results, and their bits however rows,
// spans and rings are cut.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_TESTS_ATTEND_CASES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TESTS_ATTEND_CASES_INL_HPP
#undef LAMINA_TESTS_ATTEND_CASES_INL_HPP
#else
#define LAMINA_TESTS_ATTEND_CASES_INL_HPP
#endif

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <lamina/attention/attend-inl.hpp>
#include <lamina/attention/kv_rows-inl.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/testing/reference.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

/// One layout's functions and facts, so that the checks below are compiled once and not for every layout.
struct Kernel {
  std::size_t dim, pairs;
  CacheFormat format;
  std::size_t (*block_bytes)(std::uint32_t kv_heads);
  KvHeadRows (*head_rows)(const KvRows&, std::uint32_t kv_head, std::uint32_t position);
  void (*store)(const KvRows&, std::uint32_t, const float*, const float*);
  void (*prepare)(float*, std::size_t, const float*);
  void (*attend)(const KvRows&, const AttendRows&, std::uint32_t, std::uint32_t, std::uint32_t,
                 float*) noexcept;
  void (*attend_spans)(const KvRows&, const AttendRows&, std::uint32_t, std::uint32_t, std::uint32_t,
                       SpanRange, float*, float*) noexcept;
  void (*merge_spans)(const AttendRows&, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t,
                      std::uint32_t, const float*, float*) noexcept;
  std::size_t (*partial_floats)(std::uint32_t, std::uint32_t);
  std::size_t (*scratch_floats)(std::uint32_t);
};

template <class Layout>
void store_rows(const KvRows& rows, std::uint32_t position, const float* keys, const float* values) {
  store_kv<Layout>(rows, position, keys, values);
}
template <class Layout>
void prepare_rows(float* queries, std::size_t vectors, const float* key_norm) {
  prepare_queries<Layout>(queries, vectors, key_norm);
}
template <class Layout>
Kernel kernel_of() {
  return {Layout::head_dim,
          Layout::shared_pairs,
          Layout::format,
          kv_block_bytes<Layout>,
          head_rows<Layout>,
          store_rows<Layout>,
          prepare_rows<Layout>,
          attend<Layout>,
          attend_spans<Layout>,
          merge_spans<Layout>,
          [](std::uint32_t group, std::uint32_t rows) { return attend_partial_floats<Layout>(group, rows); },
          [](std::uint32_t group) { return attend_scratch_floats<Layout>(group); }};
}

/// A cache of its own whose unwritten bytes are NaN in every float format: what leaks from them is seen. Its
/// blocks lie in memory last to first, with gaps.
struct OwnedRows {
  std::vector<std::byte> memory;
  std::vector<std::byte*> table;
  KvRows view;

  OwnedRows(const Kernel& kernel, std::uint32_t kv_heads, std::uint32_t positions) {
    constexpr std::size_t offset = 64;
    const std::size_t stride = kernel.block_bytes(kv_heads) + 2 * offset;
    const std::uint32_t blocks = kv_blocks(positions);
    memory.assign(blocks * stride, std::byte{0xFF});
    for (std::uint32_t i = blocks; i > 0; --i) table.push_back(memory.data() + (i - 1) * stride);
    view = {table.data(), offset, blocks, kv_heads};
  }
};

inline double decoded(CacheFormat format, const std::byte* row, float scale, std::size_t column) {
  if (format == CacheFormat::f32) return static_cast<double>(reinterpret_cast<const float*>(row)[column]);
  if (format == CacheFormat::bf16) {
    const std::uint32_t bits = reinterpret_cast<const std::uint16_t*>(row)[column];
    return static_cast<double>(std::bit_cast<float>(bits << 16));
  }
  return static_cast<double>(reinterpret_cast<const std::int8_t*>(row)[column]) * static_cast<double>(scale);
}

/// The value (or the key that attention must see) of one position, as the cache holds it.
inline std::vector<double> stored_row(const Kernel& kernel, const OwnedRows& rows, std::uint32_t head,
                                      std::uint32_t position, bool key, const std::vector<float>& key_norm) {
  const std::size_t half = kernel.dim / 2;
  const KvHeadRows row = kernel.head_rows(rows.view, head, position);
  const float key_scale = row.key_scales != nullptr ? *row.key_scales : 1.0F;
  const float value_scale = row.value_scales != nullptr ? *row.value_scales : 1.0F;
  std::vector<double> out(kernel.dim);
  for (std::size_t i = 0; i < kernel.dim; ++i) {
    out[i] = decoded(kernel.format, row.values, value_scale, i);
    if (!key) continue;
    if (kernel.pairs == 0) {
      out[i] = decoded(kernel.format, row.keys, key_scale, i);
    } else if (i % half < kernel.pairs) {
      out[i] = decoded(kernel.format, row.keys, key_scale, i % half + (i < half ? 0 : kernel.pairs));
    } else {
      out[i] *= static_cast<double>(key_norm[i]);
    }
  }
  return out;
}

struct Case {
  std::uint32_t kv_heads;
  std::uint32_t group;
  std::uint32_t window;
  std::uint32_t positions;
  std::uint32_t rows;
};

/// Every window with another grouping; 10'000 is larger than the context of `positions`.
inline std::vector<Case> attend_cases(std::uint32_t positions) {
  return {{1, 8, 0, positions, 21},  {3, 1, 1, positions, 7},    {2, 2, 2, positions, 18},
          {1, 4, 16, positions, 24}, {2, 4, 200, positions, 13}, {1, 16, 10'000, positions, 5},
          {1, 3, 65, positions, 33}, {1, 33, 0, 70, 2},          {2, 1, 0, 1, 1}};
}

/// Everything that must hold for one layout and one case. Returns the largest error relative to the largest
/// value.
inline double check_case(const Kernel& kernel, const Case& c, bool blocks_see_ahead, bool may_round = false) {
  const std::size_t dim = kernel.dim;
  const std::uint32_t heads = c.kv_heads * c.group;
  const std::size_t width = heads * dim;
  const std::uint32_t first_position = c.positions - c.rows;
  // Scores get a deviation of about 2: neither uniform nor one-hot.
  const float spread = std::sqrt(2.0F / std::sqrt(static_cast<float>(dim)));
  const auto key_norm = test::normal_vector(dim, 7, 1.0F);
  OwnedRows linear(kernel, c.kv_heads, c.positions);
  const std::uint32_t reach = c.window == 0 ? c.positions : std::min(c.positions, c.window + c.rows);
  OwnedRows ring(kernel, c.kv_heads, reach);
  for (std::uint32_t p = 0; p < c.positions; ++p) {
    const auto keys = test::normal_vector(c.kv_heads * dim, 1000 + 2 * p, spread);
    const auto values = test::normal_vector(c.kv_heads * dim, 1001 + 2 * p);
    kernel.store(linear.view, p, keys.data(), values.data());
    kernel.store(ring.view, p, keys.data(), values.data());
  }
  const auto plain = test::normal_vector(c.rows * width, 3, spread);
  std::vector<float> queries = plain;
  kernel.prepare(queries.data(), c.rows * heads, key_norm.data());
  std::vector<KeyRange> visible;
  for (std::uint32_t r = 0; r < c.rows; ++r) {
    visible.push_back(causal_keys(first_position + r, c.window));
    // Rows of a block of 12 see to its end, as image tokens do.
    if (blocks_see_ahead) visible.back().end = std::min(c.positions, first_position + r / 12 * 12 + 12);
  }

  std::vector<float> whole(c.rows * width, -1.0F);
  AttendRows rows{queries.data(), visible.data(), whole.data(), c.rows, heads, may_round};
  std::vector<float> scratch(kernel.scratch_floats(c.group), std::bit_cast<float>(0xFFFFFFFFU));
  for (std::uint32_t h = 0; h < c.kv_heads; ++h)
    kernel.attend(linear.view, rows, h, 0, c.rows, scratch.data());

  // The oracle sees the stored rows, so the tolerance is that of float32 arithmetic in every format.
  double worst = 0.0;
  double largest = 0.0;
  for (std::uint32_t r = 0; r < c.rows; r += std::max(1U, c.rows / 3)) {
    const KeyRange seen = visible[r];
    for (std::uint32_t h = 0; h < heads; h += std::max(1U, heads - 1)) {
      std::vector<double> keys, values;
      for (std::uint32_t p = seen.first; p < seen.end; ++p) {
        const auto key = stored_row(kernel, linear, h / c.group, p, true, key_norm);
        const auto value = stored_row(kernel, linear, h / c.group, p, false, key_norm);
        keys.insert(keys.end(), key.begin(), key.end());
        values.insert(values.end(), value.begin(), value.end());
      }
      const std::vector<double> q(plain.begin() + static_cast<std::ptrdiff_t>(r * width + h * dim),
                                  plain.begin() + static_cast<std::ptrdiff_t>(r * width + (h + 1) * dim));
      const auto expected =
          reference::attend(q.data(), keys.data(), values.data(), seen.end - seen.first, dim);
      for (std::size_t i = 0; i < dim; ++i) {
        const double error = std::fabs(expected[i] - static_cast<double>(whole[r * width + h * dim + i]));
        worst = std::max(worst, std::isnan(error) ? 1e30 : error);
        largest = std::max(largest, std::fabs(expected[i]));
      }
    }
  }

  // Same bits from the ring, in chunks of any size, which also cut the tiles elsewhere.
  const auto same = [&](const std::vector<float>& other) {
    return std::memcmp(whole.data(), other.data(), whole.size() * sizeof(float)) == 0;
  };
  for (const std::uint32_t chunk : {1U, 3U, 16U}) {
    std::vector<float> out(whole.size(), -2.0F);
    rows.out = out.data();
    for (std::uint32_t r = 0; r < c.rows; r += chunk) {
      for (std::uint32_t h = c.kv_heads; h-- > 0;) {
        kernel.attend(ring.view, rows, h, r, std::min(c.rows, r + chunk), scratch.data());
      }
    }
    INFO("ring, chunk ", chunk);
    CHECK(same(out));
  }
  // Same bits from partial results computed last span first, for single rows and for tiles.
  for (const std::uint32_t tile : {1U, attend_tile_rows(c.group)}) {
    std::vector<float> out(whole.size(), -3.0F);
    rows.out = out.data();
    const std::size_t stride = kernel.partial_floats(c.group, tile);
    for (std::uint32_t r = 0; r < c.rows; r += tile) {
      const std::uint32_t end = std::min(c.rows, r + tile);
      const std::size_t step = kernel.partial_floats(c.group, end - r);
      const SpanRange spans = spans_of(rows, r, end);
      std::vector<float> partials(spans.count() * stride, std::bit_cast<float>(0xFFFFFFFFU));
      for (std::uint32_t h = 0; h < c.kv_heads; ++h) {
        for (std::uint32_t s = spans.end; s-- > spans.first;) {
          kernel.attend_spans(ring.view, rows, h, r, end, {s, s + 1},
                              partials.data() + (s - spans.first) * step, scratch.data());
        }
        kernel.merge_spans(rows, c.kv_heads, h, r, end, spans.count(), partials.data(), scratch.data());
      }
    }
    INFO("split, tile ", tile);
    CHECK(same(out));
  }
  return worst / largest;
}

/// One number that is not finite in a query, key or value: who sees it gets nothing finite, all others the
/// bits they had. Returns how many rows did not.
inline int hidden_damage(const Kernel& kernel, bool may_round = false) {
  const std::size_t dim = kernel.dim;
  constexpr std::uint32_t positions = 300;
  constexpr std::uint32_t row_count = 3;
  // Rows of different tiles and spans, the last but one far behind the damage.
  const KeyRange visible[row_count] = {{0, 300}, {90, 250}, {0, 120}};
  constexpr std::uint32_t damaged_key = 80;
  const bool sees[row_count] = {true, false, true};
  const std::vector<float> ones(dim, 1.0F);
  enum What { nothing, query, key, value };
  std::vector<float> clean;
  std::vector<float> scratch(kernel.scratch_floats(1));
  const auto attended = [&](What what, std::size_t element, float damage) {
    OwnedRows cache(kernel, 1, positions);
    for (std::uint32_t p = 0; p < positions; ++p) {
      auto keys = test::normal_vector(dim, 500 + p, 0.3F);
      auto values = test::normal_vector(dim, 900 + p);
      if (p == damaged_key && what == key) keys[element] = damage;
      if (p == damaged_key && what == value) values[element] = damage;
      kernel.store(cache.view, p, keys.data(), values.data());
    }
    auto queries = test::normal_vector(row_count * dim, 3, 0.3F);
    if (what == query) queries[2 * dim + element] = damage;
    kernel.prepare(queries.data(), row_count, ones.data());
    std::vector<float> out(row_count * dim, -1.0F);
    const AttendRows rows{queries.data(), visible, out.data(), row_count, 1, may_round};
    // Alone, so that rows of a tile are not hit by what its other rows see.
    for (std::uint32_t r = 0; r < row_count; ++r)
      kernel.attend(cache.view, rows, 0, r, r + 1, scratch.data());
    return out;
  };
  clean = attended(nothing, 0, 0.0F);
  int wrong = 0;
  for (const float damage : test::not_finite) {
    for (const What what : {query, key, value}) {
      for (const std::size_t element : {std::size_t{0}, dim / 2 - 1, dim - 1}) {
        // On K=V layouts the rest of a key is not stored: it is the value.
        const bool is_stored = kernel.pairs == 0 || element % (dim / 2) < kernel.pairs;
        if (what == key && !is_stored) continue;
        const auto out = attended(what, element, damage);
        for (std::uint32_t r = 0; r < row_count; ++r) {
          const float* row = out.data() + r * dim;
          if (what == query ? r == 2 : sees[r]) {
            wrong += all_finite(row, dim);
          } else {
            wrong += std::memcmp(row, clean.data() + r * dim, dim * sizeof(float)) != 0;
          }
        }
      }
    }
  }
  return wrong;
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
