// SPDX-License-Identifier: Apache-2.0
// The fronts of encoders for pictures: from pixels to rows of the stream.
// Source: vision.md §3.1, §3U.
#if defined(LAMINA_TOWERS_FRONTS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TOWERS_FRONTS_INL_HPP
#undef LAMINA_TOWERS_FRONTS_INL_HPP
#else
#define LAMINA_TOWERS_FRONTS_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/encoders/media_input.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/layer_norm-inl.hpp>
#include <lamina/schedule/encoders/slots.hpp>
#include <lamina/towers/encoder_scratch.hpp>
#include <lamina/towers/pictures.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// What a front works on besides its weights.
struct FrontInput {
  const MediaInput& media;
  const MediaShape& shape;
  const EncoderSizes& sizes;
  const EncoderScratch& scratch;
};

/// How a front runs; an own kind specialises it.
template <class Kind>
struct FrontKernel {
  static_assert(
      sizeof(Kind) == 0,
      "lamina: FrontKernel: this kind of front has no kernel; specialise lamina::FrontKernel<Kind> "
      "with static Result<MediaShape> shape_of(const MediaInput&, std::uint32_t rows_per_token), "
      "MediaShape shape_for(std::uint32_t tokens, std::uint32_t rows_per_token), Status check(const "
      "MediaInput&, const MediaShape&, const EncoderSizes&) and void run(const Pass&, const Weights&, "
      "const FrontInput&, std::uint32_t first_row)");
};

namespace detail {

/// Adds the learned vectors of a row's column and row in the picture.
inline void add_positions(const Pass& pass, const WeightMatrix& table, const FrontInput& input,
                          std::uint32_t index, std::uint32_t thread, float* row) noexcept {
  // The stack lies as one matrix: [axis, position, D], or [position, axis, D] where the stack is positions.
  WeightMatrix all = table;
  all.rows = table.rows * table.stack;
  all.stack = 1;
  const std::uint32_t position[2] = {index % input.shape.columns, index / input.shape.columns};
  const bool axis_first = table.stack == 2 && table.rows == static_cast<std::uint32_t>(input.sizes.positions);
  float* vector = pass.work.table_rows + thread * std::size_t{pass.hidden};
  for (std::uint32_t axis = 0; axis < 2; ++axis) {
    const std::uint32_t at = axis_first ? axis * table.rows + position[axis] : position[axis] * 2 + axis;
    pass.linear.embed_row(all, at, 0, pass.hidden, 1.0F, vector);
    add(row, vector, pass.hidden);
  }
}

}  // namespace detail

template <int Side>
struct FrontKernel<PatchFront<Side>> {
  static Result<MediaShape> shape_of(const MediaInput& input, std::uint32_t per_token) noexcept {
    std::uint32_t side = 1;
    while (side * side < per_token) ++side;
    return picture_shape(input, Side, side);
  }
  static constexpr MediaShape shape_for(std::uint32_t tokens, std::uint32_t per_token) noexcept {
    return {tokens * per_token, tokens * per_token, tokens};
  }
  static Status check(const MediaInput& input, const MediaShape& shape, const EncoderSizes& sizes) noexcept {
    return check_positions(input, shape, sizes);
  }

  /// stream = W u + column vector + row vector, of the rows of `pass` from `first` on.
  static void run(const Pass& pass, const PatchFrontWeights& weights, const FrontInput& input,
                  std::uint32_t first) noexcept {
    constexpr auto width = static_cast<std::uint32_t>(PatchFront<Side>::input_width);
    float* squares = input.scratch.input;
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      for (std::uint32_t i = range.first; i < range.first + range.count; ++i) {
        cut_square(input.media, first + i, Side, input.sizes.layout, signed_pixel_values,
                   squares + std::size_t{i} * width);
      }
    });
    ProductInput product(pass, pass.work.codes, squares, pass.rows, width, width);
    multiply(pass, product, {{weights.matrix, pass.work.stream, pass.hidden}});
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t thread) HWY_ATTR {
      for (std::uint32_t i = range.first; i < range.first + range.count; ++i) {
        detail::add_positions(pass, weights.positions, input, first + i, thread,
                              pass.work.stream + std::size_t{i} * pass.hidden);
      }
    });
    pass.show(PassValue::input_rows, pass.work.stream, pass.hidden);
  }
};

template <int Side>
struct FrontKernel<BlockFront<Side>> {
  static constexpr float epsilon = 1e-5F;  ///< of the three norms; that of files is the projection's (§7)

  static Result<MediaShape> shape_of(const MediaInput& input, std::uint32_t) noexcept {
    return picture_shape(input, Side, 1);
  }
  static constexpr MediaShape shape_for(std::uint32_t tokens, std::uint32_t) noexcept {
    return {tokens, tokens, tokens};
  }
  static Status check(const MediaInput& input, const MediaShape& shape, const EncoderSizes& sizes) noexcept {
    return check_positions(input, shape, sizes);
  }

  /// stream = LN3(LN2(W LN1(b) + c) + column vector + row vector), of the rows of `pass` from `first` on.
  static void run(const Pass& pass, const BlockFrontWeights& w, const FrontInput& input,
                  std::uint32_t first) noexcept {
    constexpr auto width = static_cast<std::uint32_t>(BlockFront<Side>::input_width);
    float* squares = input.scratch.input;
    const auto for_each_row = [&](auto body) noexcept {
      pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t thread) HWY_ATTR {
        bool finite = true;
        for (std::uint32_t i = range.first; i < range.first + range.count; ++i) finite &= body(i, thread);
        if (!finite) pass.report_not_finite(PassFault::inside);
      });
    };
    for_each_row([&](std::uint32_t i, std::uint32_t) HWY_ATTR {
      float* square = squares + std::size_t{i} * width;
      cut_square(input.media, first + i, Side, input.sizes.layout, pixel_values, square);
      return layer_norm(square, w.input_norm.f32(), w.input_shift.f32(), width, epsilon);
    });
    pass.show(PassValue::input_norm, squares, width);
    ProductInput product(pass, pass.work.codes, squares, pass.rows, width, width);
    multiply(pass, product, {{w.matrix, pass.work.stream, pass.hidden}});
    const auto row_at = [&](std::uint32_t i) { return pass.work.stream + std::size_t{i} * pass.hidden; };
    for_each_row([&](std::uint32_t i, std::uint32_t) HWY_ATTR {
      add(row_at(i), w.bias.f32(), pass.hidden);
      return true;
    });
    pass.show(PassValue::input_rows, pass.work.stream, pass.hidden);
    for_each_row([&](std::uint32_t i, std::uint32_t) HWY_ATTR {
      return layer_norm(row_at(i), w.norm.f32(), w.shift.f32(), pass.hidden, epsilon);
    });
    pass.show(PassValue::row_norm, pass.work.stream, pass.hidden);
    for_each_row([&](std::uint32_t i, std::uint32_t thread) HWY_ATTR {
      detail::add_positions(pass, w.positions, input, first + i, thread, row_at(i));
      return layer_norm(row_at(i), w.position_norm.f32(), w.position_shift.f32(), pass.hidden, epsilon);
    });
    pass.show(PassValue::position_norm, pass.work.stream, pass.hidden);
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
