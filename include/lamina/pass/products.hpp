// SPDX-License-Identifier: Apache-2.0
// Matrix products, split over threads by output rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/blocks/interleave.hpp>
#include <lamina/formats/linear.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/pass/pass.hpp>

namespace lamina {

/// Rows entering matrix products; clamped and quantised or rounded when the first weight asks for it.
class ProductInput {
 public:
  /// `prepared` is memory for the quantised or rounded copy; values [rows, columns] with `stride` floats
  /// between rows. Rows groups[i] .. groups[i + 1], counted from groups[0], enter products of their own; no
  /// groups: all rows together.
  ProductInput(const Pass& pass, std::byte* prepared, const float* values, std::uint32_t rows,
               std::uint32_t columns, std::size_t stride, std::span<const std::uint32_t> groups = {}) noexcept
      : pass_(pass), prepared_(prepared), groups_(groups) {
    input_.values = values;
    input_.stride = stride;
    input_.rows = rows;
    input_.columns = columns;
    original_ = input_;
  }

  /// Whether the rows that one weight was given stay valid when the other one asks.
  [[nodiscard]] bool serves_both(const Linear& one, const Linear& other) const noexcept {
    return one.input == other.input && (form_for(one) == form_for(other) || form_for(one) == Form::values ||
                                        form_for(other) == Form::values);
  }

  /// The rows in the form that this weight multiplies with, within its input range. Valid until a weight asks
  /// that `serves_both` does not allow beside it.
  [[nodiscard]] const ActivationRows& rows_for(const Linear& weight) noexcept {
    if (weight.input != range_) clamp_to(weight.input);
    if (form_for(weight) == Form::quantized && input_.quantized == nullptr) quantize();
    if (form_for(weight) == Form::rounded && input_.rounded == nullptr) round();
    return input_;
  }

 private:
  enum class Form : std::uint8_t { values, quantized, rounded };

  [[nodiscard]] Form form_for(const Linear& weight) const noexcept {
    if (activation_kind(weight.format, pass_.precision) == ActivationKind::int8) return Form::quantized;
    const bool is_rounded =
        rounds_to_bf16(weight.format, pass_.precision) && pass_.linear.round_rows != nullptr;
    return is_rounded ? Form::rounded : Form::values;
  }

  void round() noexcept {
    auto* rounded = reinterpret_cast<std::uint16_t*>(prepared_);
    pass_.team.split(input_.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      pass_.linear.round_rows(input_.values + range.first * input_.stride, input_.stride, input_.columns,
                              range.count, rounded + range.first * rounded_row_numbers(input_.columns));
    });
    input_.rounded = rounded;
    input_.quantized = nullptr;
  }

  void quantize() noexcept {
    static_assert(rows_per_share % activation_tile == 0);
    input_.quantized = prepared_;
    input_.rounded = nullptr;
    pass_.team.split(input_.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      if (groups_.empty()) return quantize_rows(range.first, range.count);
      // Tiles do not reach from group to group: whoever has a group's first row does all of it.
      for (std::size_t i = 0; i + 1 < groups_.size(); ++i) {
        const std::uint32_t first = groups_[i] - groups_.front();
        if (first >= range.first && first < range.first + range.count)
          quantize_rows(first, groups_[i + 1] - groups_[i]);
      }
    });
  }

  /// Requires `work.clamped` if the range leaves anything out: kinds state `clamps_inputs`.
  void clamp_to(const ClipRange& range) noexcept {
    range_ = range;
    input_ = original_;
    if (!range) return;
    LAMINA_DCHECK(pass_.work.clamped != nullptr);
    input_.values = pass_.work.clamped;
    input_.stride = input_.columns;
    pass_.team.split(input_.rows, rows_per_share, [&](IndexRange part, std::uint32_t) noexcept {
      for (std::size_t row = part.first; row < part.first + part.count; ++row) {
        const float* from = original_.values + row * original_.stride;
        float* to = pass_.work.clamped + row * input_.columns;
        std::transform(from, from + input_.columns, to,
                       [&](float x) { return std::clamp(x, range.min, range.max); });  // a NaN stays one
      }
    });
  }

  void quantize_rows(std::uint32_t first, std::uint32_t count) const noexcept {
    pass_.linear.quantize_rows(input_.values + first * input_.stride, input_.stride, input_.columns, count,
                               prepared_ + first * quantized_row_bytes(input_.columns));
  }

  const Pass& pass_;
  std::byte* prepared_;
  std::span<const std::uint32_t> groups_;
  ActivationRows original_{};  ///< as given
  ActivationRows input_{};     ///< within `range_`
  ClipRange range_{};
};

/// Rows first .. first + count of `x`: one of the groups of its `ProductInput`.
[[nodiscard]] inline ActivationRows rows_of(const ActivationRows& x, std::uint32_t first,
                                            std::uint32_t count) noexcept {
  ActivationRows part = x;
  part.rows = count;
  part.values += first * x.stride;
  if (x.quantized != nullptr) part.quantized += first * quantized_row_bytes(x.columns);
  if (x.rounded != nullptr) part.rounded += first * rounded_row_numbers(x.columns);
  return part;
}

/// Clamps rows `first .. first + count` of a product's output to its range.
inline void clamp_output(const BoundProduct& product, std::uint32_t first, std::uint32_t count) noexcept {
  const ClipRange range = product.weight.output;
  for (std::size_t row = 0; row < product.rows.rows; ++row) {
    float* out = product.out + row * product.stride + first;
    std::transform(out, out + count, out, [&](float y) { return std::clamp(y, range.min, range.max); });
  }
}

/// How work is cut into units, which threads take neighbour after neighbour (`DealtUnits`): the same for
/// every thread, long ones first, then short ones, for the last one of a thread is what others wait for.
struct UnitPlan {
  static constexpr std::uint32_t pieces_of_long = 4;

  std::uint64_t total;
  std::uint32_t width;   ///< threads that get units
  std::uint32_t longs;   ///< units of `pieces_of_long` pieces, of each thread
  std::uint32_t shorts;  ///< units of 1 piece, of each thread

  /// Requires total > 0, width > 0.
  [[nodiscard]] static constexpr UnitPlan of(std::uint64_t total, std::uint32_t width) noexcept {
    constexpr std::uint64_t least_piece = std::uint64_t{1} << 18;  // about a microsecond of decoding
    constexpr std::uint32_t most_pieces = 64;
    constexpr std::uint32_t most_shorts = 16;
    const auto threads = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(total / least_piece, 1, width));
    if (threads == 1) return {total, 1, 0, 1};
    const auto pieces =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(total / least_piece / threads, most_pieces));
    const std::uint32_t longs = pieces > most_shorts ? (pieces - most_shorts) / pieces_of_long : 0;
    return {total, threads, longs, pieces - longs * pieces_of_long};
  }

  [[nodiscard]] constexpr std::uint32_t units() const noexcept { return width * (longs + shorts); }

  /// Where a unit begins; that of number units() is `total`.
  [[nodiscard]] constexpr std::uint64_t begin_of(std::uint32_t unit) const noexcept {
    const std::uint32_t thread = unit / (longs + shorts);
    const std::uint32_t own = unit % (longs + shorts);
    const std::uint32_t longs_before = std::min(own, longs);
    const std::uint64_t pieces = std::uint64_t{longs} * pieces_of_long + shorts;
    const std::uint64_t before = thread * pieces + longs_before * pieces_of_long + (own - longs_before);
    const std::uint64_t all = width * pieces;
    return total / all * before + total % all * before / all;
  }
};

/// Runs products with one hand-over to the threads. Requires weights with `stack` 1; absent ones multiply
/// nothing.
inline void run_products(const Pass& pass, std::span<const BoundProduct> products) noexcept {
  // Work of one output row: reading its weights costs about as much as multiplying them with a few rows.
  const auto row_work = [](const BoundProduct& product) -> std::uint64_t {
    constexpr std::uint64_t reading = 4;
    return product.weight ? std::uint64_t{product.weight.columns} * (reading + product.rows.rows) : 0;
  };
  const std::uint32_t width = pass.team.width();
  // Threads share whole slabs of interleaved rows if each gets a few: fewer are worth leaving the stream.
  const auto row_step = [&pass, width](const Linear& weight) -> std::uint32_t {
    if (weight.packing == Packing::rows) return matmul_row_step;
    const auto slab = static_cast<std::uint32_t>(order_of(weight, pass.linear.interleave_height).slab_rows());
    return weight.rows / slab / width >= 4 ? std::max(slab, matmul_row_step) : matmul_row_step;
  };
  std::uint64_t total = 0;
  for (const BoundProduct& product : products) total += row_work(product) * product.weight.rows;
  if (total == 0) return;
  const UnitPlan plan = UnitPlan::of(total, width);
  pass.team.deal(plan.units(), [&](std::uint32_t unit, std::uint32_t part) noexcept {
    const std::span<std::byte> scratch(pass.work.products + part * pass.work.product_bytes,
                                       pass.work.product_bytes);
    const std::uint64_t from = plan.begin_of(unit);
    const std::uint64_t to = plan.begin_of(unit + 1);
    std::uint64_t begin = 0;
    for (const BoundProduct& product : products) {
      const std::uint64_t one_row = row_work(product);
      const std::uint64_t end = begin + one_row * product.weight.rows;
      const std::uint32_t step = row_step(product.weight);
      const auto row_at = [&](std::uint64_t work) -> std::uint32_t {
        if (work <= begin) return 0;
        if (work >= end) return product.weight.rows;
        return static_cast<std::uint32_t>((work - begin) / one_row) / step * step;
      };
      const std::uint32_t first = row_at(from);
      const std::uint32_t last = row_at(to);
      if (last > first) {
        pass.linear.matmul(product.weight, product.rows, pass.precision, product.out, product.stride, first,
                           last - first, scratch);
        if (product.weight.output) clamp_output(product, first, last - first);
      }
      begin = end;
    }
  });
}

/// One product with the input that `multiply` is given.
struct Product {
  Linear weight;
  float* out;
  std::size_t stride;
};

/// Multiplies `input` with every weight, those that take the same rows in one hand-over to the threads.
/// Requires at most 4 products.
inline void multiply(const Pass& pass, ProductInput& input,
                     std::initializer_list<Product> products) noexcept {
  constexpr std::size_t most = 4;
  LAMINA_DCHECK(products.size() <= most);
  BoundProduct bound[most];
  std::size_t count = 0;
  for (const Product& product : products) {
    const bool waits = std::any_of(bound, bound + count, [&](const BoundProduct& before) {
      return !input.serves_both(before.weight, product.weight);
    });
    if (waits) {
      run_products(pass, {bound, count});
      count = 0;
    }
    bound[count++] = {product.weight, input.rows_for(product.weight), product.out, product.stride};
  }
  run_products(pass, {bound, count});
}

}  // namespace lamina
