// SPDX-License-Identifier: Apache-2.0
// Matrix products of every format in both precisions: against the reference, and bit for bit however they are
// divided.
#define HWY_TARGET_INCLUDE "unit/linear/matmul_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/formats/half.hpp>
#include <lamina/blocks/interleave.hpp>
#include <lamina/linear/linear-inl.hpp>
#include <lamina/testing/reference_linear.hpp>
#include <lamina/simd/compat-inl.hpp>
#include <lamina/testing/random_matrix.hpp>

#include "support/kernel_data.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {
const LinearKernels* kernels_of_target() { return &linear_kernels(); }
int lanes_of_target() { return compat::lanes32; }
bool target_rounds_to_bf16() { return compat::has_bf16_dot; }
}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
namespace {

HWY_EXPORT(kernels_of_target);
HWY_EXPORT(lanes_of_target);
HWY_EXPORT(target_rounds_to_bf16);

constexpr std::uint32_t widths[] = {1, 2, 3, 4, 5, 8, 16, 33};
constexpr std::uint32_t most_tokens = 33;
constexpr float untouched = -12345.5F;

/// Activations [most_tokens, columns] and their quantised copy by the kernels of the current target.
struct Activations {
  std::uint32_t columns;
  std::vector<float> values;
  std::vector<std::byte> memory;
  std::vector<std::uint16_t> rounded;

  Activations(std::uint32_t columns_, std::uint64_t seed)
      : columns(columns_), values(test::normal_vector(std::size_t{most_tokens} * (columns_ + 3), seed)) {}

  [[nodiscard]] std::size_t stride() const { return columns + 3; }

  /// The first `rows` rows, quantised if `kind` says so.
  ActivationRows rows(const LinearKernels& kernels, std::uint32_t count, ActivationKind kind) {
    ActivationRows x;
    x.values = values.data();
    x.stride = stride();
    x.rows = count;
    x.columns = columns;
    if (kind == ActivationKind::int8) {
      memory.assign(count * quantized_row_bytes(columns), std::byte{0});
      kernels.quantize_rows(values.data(), stride(), columns, count, memory.data());
      x.quantized = memory.data();
    }
    return x;
  }

  /// Gives `x`, rows of these, its rounded copy where the target has one.
  void round(const LinearKernels& kernels, ActivationRows& x) {
    if (kernels.round_rows == nullptr) return;
    rounded.assign(x.rows * rounded_row_numbers(columns), 0x5A5A);
    kernels.round_rows(x.values, x.stride, columns, x.rows, rounded.data());
    x.rounded = rounded.data();
  }
};

/// Calls the kernel with scratch memory that shows writes past its end.
void multiply(const LinearKernels& kernels, const WeightMatrix& w, const ActivationRows& x,
              Precision precision, std::vector<float>& out, std::size_t stride, std::uint32_t first,
              std::uint32_t count) {
  const std::size_t bytes = matmul_scratch_bytes(x.rows);
  std::vector<std::byte> scratch(bytes + 64, std::byte{0x5A});
  kernels.matmul(w, x, precision, out.data(), stride, first, count, {scratch.data(), bytes});
  CHECK(std::all_of(scratch.begin() + static_cast<std::ptrdiff_t>(bytes), scratch.end(),
                    [](std::byte b) { return b == std::byte{0x5A}; }));
}

/// True if the current target rounds such products to bf16.
bool rounds(Format format, Precision precision) {
  return rounds_to_bf16(format, precision) && HWY_DYNAMIC_DISPATCH(target_rounds_to_bf16)();
}

float rounded_to_bf16(float value) { return bfloat_to_float(float_to_bfloat(value)); }

/// The weights of a matrix, rounded to bf16.
std::vector<std::uint16_t> bf16_of(const WeightMatrix& w) {
  std::vector<float> values(w.columns);
  std::vector<std::uint16_t> bits;
  for (std::uint32_t row = 0; row < w.rows; ++row) {
    decode_row(w.format, w.row(row), w.columns, values.data());
    for (const float value : values) bits.push_back(float_to_bfloat(value));
  }
  return bits;
}

/// Roundings that a term can pass through on its way into the sum (see the head of each matmul_*-inl.hpp).
double roundings(const WeightMatrix& w, ActivationKind kind, bool rounds_to_bf16, int lanes) {
  const double columns = w.columns;
  if (kind == ActivationKind::int8) return columns / 32 + 8;
  const double step = rounds_to_bf16 ? 1024 : 512;
  return std::ceil(std::min(columns, step) / lanes) + std::log2(lanes) + std::ceil(columns / step) + 2;
}

/// Checks one matrix on the current target; returns the number of elements compared with the reference.
std::size_t check_matrix(const WeightMatrix& w, Precision precision, Activations& activations,
                         std::vector<ReferenceProduct>& reference, ActivationKind reference_kind) {
  const LinearKernels& kernels = *HWY_DYNAMIC_DISPATCH(kernels_of_target)();
  const int lanes = HWY_DYNAMIC_DISPATCH(lanes_of_target)();
  const ActivationKind kind = activation_kind(w.format, precision);
  REQUIRE(kind == reference_kind);
  INFO("target ", std::string(kernels.target), " format ", std::string(info_of(w.format).name), " ",
       std::string(name_of(precision)), " ", w.rows, " x ", w.columns);
  const std::size_t stride = w.rows + 5;

  // All tokens, all rows: against the reference.
  const ActivationRows all = activations.rows(kernels, most_tokens, kind);
  const bool is_rounded = rounds(w.format, precision);
  if (reference.empty()) {
    ActivationRows entering = all;
    std::vector<float> rounded = activations.values;
    for (float& value : rounded) value = rounded_to_bf16(value);
    WeightMatrix weights = w;
    const std::vector<std::uint16_t> rounded_weights = bf16_of(w);
    if (is_rounded) {
      entering.values = rounded.data();
      weights.format = Format::bf16;
      weights.data = reinterpret_cast<const std::byte*>(rounded_weights.data());
    }
    for (std::uint32_t t = 0; t < most_tokens; ++t) {
      for (std::uint32_t r = 0; r < w.rows; ++r) {
        reference.push_back(reference_product(weights, r, entering, t, kind));
      }
    }
  }
  std::vector<float> wide(most_tokens * stride, untouched);
  multiply(kernels, w, all, precision, wide, stride, 0, w.rows);
  const double relative = 1.01 * roundings(w, kind, is_rounded, lanes) * 0x1p-24;
  double worst = 0;
  std::size_t compared = 0;
  bool past_the_rows = false;
  for (std::uint32_t t = 0; t < most_tokens; ++t) {
    for (std::uint32_t r = 0; r < w.rows; ++r, ++compared) {
      const ReferenceProduct& expected = reference[t * w.rows + r];
      const double error = std::fabs(double{wide[t * stride + r]} - expected.value);
      worst = std::isfinite(error) ? std::max(worst, error / (expected.magnitude + 1e-30)) : INFINITY;
    }
    for (std::size_t r = w.rows; r < stride; ++r) past_the_rows |= wide[t * stride + r] != untouched;
  }
  CHECK(worst <= relative);
  CHECK_FALSE(past_the_rows);

  // Fewer tokens, rounded before or not, and rows in three parts in any order: the same bits.
  const std::uint32_t cut[] = {0, w.rows / 7, w.rows / 2 + 1 <= w.rows ? w.rows / 2 + 1 : w.rows, w.rows};
  for (const std::uint32_t width : widths) {
    ActivationRows some = activations.rows(kernels, width, kind);
    if (kind != ActivationKind::int8) activations.round(kernels, some);
    for (const bool in_parts : {false, true}) {
      std::vector<float> narrow(width * stride, untouched);
      if (in_parts) {
        for (const int part : {2, 0, 1}) {
          multiply(kernels, w, some, precision, narrow, stride, cut[part], cut[part + 1] - cut[part]);
        }
      } else {
        multiply(kernels, w, some, precision, narrow, stride, 0, w.rows);
      }
      const bool same = std::memcmp(narrow.data(), wide.data(), narrow.size() * sizeof(float)) == 0;
      INFO(width, " tokens", in_parts ? ", rows in parts" : "");
      CHECK(same);
    }
  }
  return compared;
}

/// Checks one format and shape on all targets.
void check_shape(Format format, std::uint32_t rows, std::uint32_t columns, Precision precision) {
  const testing::RandomMatrix weights(format, rows, columns,
                                      100 + static_cast<std::uint64_t>(format) + columns);
  WeightMatrix w = weights.matrix();
  const float second_scale = 0.37F;
  if (format == Format::nvfp4) w.scales = &second_scale;
  Activations activations(columns, 17);
  const ActivationKind kind = activation_kind(format, precision);
  std::size_t compared = 0;
  const int targets = testing::for_each_target([&] {
    // Quantised codes may differ between targets in ties; the reference follows the target's own.
    std::vector<ReferenceProduct> reference;
    compared += check_matrix(w, precision, activations, reference, kind);
  });
  CHECK(targets > 0);
  CHECK(compared == static_cast<std::size_t>(targets) * rows * most_tokens);
}

/// Compares products and rows of an interleaved matrix with those of the stored one, bit for bit.
void check_interleaved(Format format, std::uint32_t rows, std::uint32_t columns) {
  const LinearKernels& kernels = *HWY_DYNAMIC_DISPATCH(kernels_of_target)();
  const testing::RandomMatrix weights(format, rows, columns, 7);
  const WeightMatrix stored = weights.matrix();
  INFO("target ", std::string(kernels.target), " format ", std::string(info_of(format).name), " ", rows,
       " x ", columns);
  // In two parts, as threads do it, to an odd address.
  std::vector<std::byte> memory(stored.bytes() + 2, std::byte{0x5A});
  const std::uint32_t half = rows / 2 / kernels.interleave_height * kernels.interleave_height;
  kernels.interleave(stored, half, rows - half, memory.data() + 1);
  kernels.interleave(stored, 0, half, memory.data() + 1);
  CHECK(memory.front() == std::byte{0x5A});
  CHECK(memory.back() == std::byte{0x5A});
  WeightMatrix interleaved = stored;
  interleaved.data = memory.data() + 1;
  interleaved.packing = Packing::interleaved;
  CHECK(std::memcmp(interleaved.data, stored.data, stored.bytes()) != 0);

  Activations activations(columns, 23);
  for (const Precision precision : {Precision::fast, Precision::exact}) {
    for (const std::uint32_t width : widths) {
      const ActivationRows x = activations.rows(kernels, width, activation_kind(format, precision));
      std::vector<float> expected(std::size_t{width} * rows, untouched);
      std::vector<float> got(expected.size(), untouched);
      multiply(kernels, stored, x, precision, expected, rows, 0, rows);
      multiply(kernels, interleaved, x, precision, got, rows, half, rows - half);
      multiply(kernels, interleaved, x, precision, got, rows, 0, half);
      INFO(width, " tokens, ", name_of(precision));
      CHECK(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0);
    }
  }
  std::vector<float> expected(columns);
  std::vector<float> got(columns);
  bool same = true;
  for (std::uint32_t row = 0; row < rows; ++row) {
    kernels.embed_row(stored, row, 0, columns, 2.5F, expected.data());
    kernels.embed_row(interleaved, row, 0, columns, 2.5F, got.data());
    same = same && got == expected;
  }
  CHECK(same);
}

/// More than one step of 1024 columns, and not a multiple of it, in whole blocks of the format.
std::uint32_t long_columns(Format format) {
  const std::uint32_t block = info_of(format).block_elements;
  return 1024 + (block == 1 ? 77 : block == 32 ? 96 : block);
}

/// Whether a product has no finite number where it should have none, and the bits of `clean` elsewhere.
int damage_errors(const std::vector<float>& out, const std::vector<float>& clean, std::uint32_t rows,
                  std::uint32_t token, std::uint32_t row) {
  int wrong = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool is_hit = i / rows == token || i % rows == row;
    wrong += is_hit ? std::isfinite(out[i]) : std::memcmp(&out[i], &clean[i], sizeof(float)) != 0;
  }
  return wrong;
}

/// One activation, or every scale that a block of a row has (of float formats an element), not finite: no
/// product with it is finite, all others have the same bits.
void check_damage(Format format) {
  const LinearKernels& kernels = *HWY_DYNAMIC_DISPATCH(kernels_of_target)();
  const FormatInfo& info = info_of(format);
  INFO("target ", std::string(kernels.target), " format ", std::string(info.name));
  const std::uint32_t columns = info.block_elements == 1 ? 77 : 512;
  const std::uint32_t rows = std::max(16U, kernels.interleave_height);
  constexpr std::uint32_t none = 0xFFFFFFFF;
  const testing::RandomMatrix weights(format, rows, columns, 31);
  WeightMatrix w = weights.matrix();
  const float second_scale = 0.37F;
  if (format == Format::nvfp4) w.scales = &second_scale;
  const std::size_t last_block = (columns / info.block_elements - 1) * info.block_bytes;
  const std::uint32_t damaged_row = rows - 3;
  std::vector<std::byte> bytes(w.data, w.data + w.bytes());
  std::byte* const block = bytes.data() + damaged_row * w.bytes_per_row() + last_block;
  const auto to_interleaved = [&](std::vector<std::byte>& memory) {
    WeightMatrix damaged = w;
    damaged.data = bytes.data();
    memory.resize(bytes.size());
    kernels.interleave(damaged, 0, rows, memory.data());
    damaged.data = memory.data();
    damaged.packing = Packing::interleaved;
    return damaged;
  };
  const auto for_each_form = [&](auto check) {
    WeightMatrix damaged = w;
    damaged.data = bytes.data();
    check(damaged);
    std::vector<std::byte> memory;
    if (kernels.interleave_height > 0 && can_interleave(format)) check(to_interleaved(memory));
  };
  // Infinities and NaN of f16, and of f32 and bf16.
  constexpr std::uint16_t damaged_halves[] = {0x7C00, 0xFC00, 0x7E00, 0x7C01, 0x7F80, 0xFFC0};
  int wrong = 0;
  int damages = 0;
  for (const Precision precision : {Precision::fast, Precision::exact}) {
    const ActivationKind kind = activation_kind(format, precision);
    for (const std::uint32_t width : {1U, 7U}) {
      const auto product = [&](const WeightMatrix& matrix, Activations& activations) {
        std::vector<float> out(std::size_t{width} * rows, untouched);
        multiply(kernels, matrix, activations.rows(kernels, width, kind), precision, out, rows, 0, rows);
        return out;
      };
      Activations activations(columns, 29);
      const auto clean = product(w, activations);
      for (const float damage : {test::not_finite[0], test::not_finite[3], test::not_finite[4]}) {
        for (const std::size_t column :
             {std::size_t{0}, std::size_t{columns} / 2, std::size_t{columns} - 1}) {
          Activations damaged(columns, 29);
          damaged.values[(width - 1) * damaged.stride() + column] = damage;
          for_each_form([&](const WeightMatrix& matrix) {
            wrong += damage_errors(product(matrix, damaged), clean, rows, width - 1, none);
          });
        }
      }
      // Weights: whatever two (of f32 four) bytes of the block make a scale infinite or NaN.
      for (std::size_t at = 0; at + 2 <= info.block_bytes; ++at) {
        for (const std::uint16_t half : damaged_halves) {
          std::byte before[2];
          std::memcpy(before, block + at, 2);
          std::memcpy(block + at, &half, 2);
          if (has_non_finite_scale(format, block, info.block_elements)) {
            ++damages;
            for_each_form([&](const WeightMatrix& matrix) {
              wrong += damage_errors(product(matrix, activations), clean, rows, none, damaged_row);
            });
          }
          std::memcpy(block + at, before, 2);
        }
      }
    }
  }
  CHECK(wrong == 0);
  // Scales of single bytes are not hit by that.
  const Format without[] = {Format::i32, Format::nvfp4, Format::mxfp4};
  CHECK((damages > 0) == (std::count(std::begin(without), std::end(without), format) == 0));
}

}  // namespace

TEST_CASE("matmul: every format, fast") {
  for (const FormatInfo& info : all_formats)
    check_shape(info.format, 37, long_columns(info.format), Precision::fast);
}

TEST_CASE("matmul: every format, exact") {
  for (const FormatInfo& info : all_formats)
    check_shape(info.format, 11, long_columns(info.format), Precision::exact);
}

TEST_CASE("matmul: rows around multiples of a panel") {
  for (const std::uint32_t rows : {1U, 2U, 7U, 8U, 15U, 16U, 17U, 31U, 32U, 33U, 64U}) {
    check_shape(Format::q4_0, rows, 64, Precision::fast);
    check_shape(Format::q6_k, rows, 256, Precision::fast);
    check_shape(Format::bf16, rows, 40, Precision::fast);
  }
}

TEST_CASE("matmul: float formats of any number of columns") {
  for (const Format format : {Format::f32, Format::f16, Format::bf16}) {
    for (std::uint32_t columns = 1; columns <= 300; columns += columns < 40 ? 1 : 13) {
      check_shape(format, 3, columns, Precision::fast);
    }
  }
}

TEST_CASE("matmul: small integers give exact sums") {
  constexpr std::uint32_t rows = 9;
  constexpr std::uint32_t columns = 2 * 1024 + 45;
  std::vector<std::uint16_t> bits(rows * columns);
  test::Random random(3);
  for (std::uint16_t& b : bits) b = float_to_bfloat(std::floor(random.uniform() * 8));
  WeightMatrix w;
  w.format = Format::bf16;
  w.data = reinterpret_cast<const std::byte*>(bits.data());
  w.rows = rows;
  w.columns = columns;
  Activations activations(columns, 5);
  for (float& value : activations.values) value = std::floor(value * 40);  // 8 bits hold them
  const int targets = testing::for_each_target([&] {
    const LinearKernels& kernels = *HWY_DYNAMIC_DISPATCH(kernels_of_target)();
    const ActivationRows x = activations.rows(kernels, most_tokens, ActivationKind::f32);
    for (const Precision precision : {Precision::fast, Precision::exact}) {
      INFO("target ", std::string(kernels.target), " ", std::string(name_of(precision)));
      std::vector<float> out(std::size_t{most_tokens} * rows);
      multiply(kernels, w, x, precision, out, rows, 0, rows);
      int wrong = 0;
      for (std::uint32_t t = 0; t < most_tokens; ++t) {
        for (std::uint32_t r = 0; r < rows; ++r) {
          const ReferenceProduct expected = reference_product(w, r, x, t, ActivationKind::f32);
          REQUIRE(expected.magnitude < 0x1p24);
          wrong += double{out[t * rows + r]} != expected.value;
        }
      }
      CHECK(wrong == 0);
    }
  });
  CHECK(targets > 0);
}

TEST_CASE("matmul: BF16 and F16 products are rounded only where bf16 is multiplied natively") {
  // Halfway to even below and above, a carry into the exponent, the largest number, NaN.
  const std::vector<float> values = {1.00390625F,   1.01171875F, -3.1415927F,  1.9999999F,
                                     3.4028235e38F, 0.0F,        std::nanf("")};
  const std::uint16_t one = float_to_bfloat(1.0F);
  const std::uint16_t half_one = 0x3C00;
  const std::uint16_t weights[] = {0x3C04, 0x3C0C, 0x3FFF, 0x0001, 0x7BFF, 0xC248};  // of f16
  ActivationRows x;
  x.values = values.data();
  x.stride = 1;
  x.rows = static_cast<std::uint32_t>(values.size());
  x.columns = 1;
  const float unit = 1;
  ActivationRows single = x;
  single.values = &unit;
  single.rows = 1;
  const int targets = testing::for_each_target([&] {
    const LinearKernels& kernels = *HWY_DYNAMIC_DISPATCH(kernels_of_target)();
    for (const Precision precision : {Precision::fast, Precision::exact}) {
      INFO("target ", std::string(kernels.target), " ", std::string(name_of(precision)));
      WeightMatrix w;
      w.rows = 1;
      w.columns = 1;
      for (const Format format : {Format::bf16, Format::f16}) {  // activations times 1
        w.format = format;
        w.data = reinterpret_cast<const std::byte*>(format == Format::f16 ? &half_one : &one);
        std::vector<float> out(values.size(), untouched);
        multiply(kernels, w, x, precision, out, 1, 0, 1);
        for (std::size_t i = 0; i + 1 < values.size(); ++i)
          CHECK(out[i] == (rounds(format, precision) ? rounded_to_bf16(values[i]) : values[i]));
        CHECK(std::isnan(out.back()));
      }
      w.data = reinterpret_cast<const std::byte*>(weights);  // 1 times weights of f16
      w.rows = static_cast<std::uint32_t>(std::size(weights));
      std::vector<float> out(w.rows, untouched);
      multiply(kernels, w, single, precision, out, w.rows, 0, w.rows);
      for (std::uint32_t i = 0; i < w.rows; ++i) {
        const float weight = half_to_float(weights[i]);
        CHECK(out[i] == (rounds(Format::f16, precision) ? rounded_to_bf16(weight) : weight));
      }
    }
  });
  CHECK(targets > 0);
}

TEST_CASE("matmul: blocks of 32 in any number") {
  for (const Format format : {Format::q4_0, Format::q8_0, Format::q4_1, Format::iq4_nl}) {
    for (std::uint32_t columns = 32; columns <= 320; columns += 32)
      check_shape(format, 5, columns, Precision::fast);
  }
}

TEST_CASE("matmul: no product with a NaN or an infinity is finite, in any format") {
  const int targets = testing::for_each_target([&] {
    for (const FormatInfo& info : all_formats) check_damage(info.format);
  });
  CHECK(targets > 0);
}

TEST_CASE("interleaved rows: the same bits in products and tables") {
  int with_groups = 0;
  testing::for_each_target([&] {
    const std::uint32_t height = HWY_DYNAMIC_DISPATCH(kernels_of_target)()->interleave_height;
    if (height == 0) return;
    ++with_groups;
    int formats = 0;
    for (const FormatInfo& info : all_formats) {
      if (!can_interleave(info.format)) continue;
      check_interleaved(info.format, 5 * height, long_columns(info.format));
      check_interleaved(info.format, height, info.block_elements);
      check_interleaved(info.format, 11 * height, 3 * 1536 + 256);  // slabs and runs, the last ones shorter
      ++formats;
    }
    CHECK(formats == 6);
  });
  CHECK(with_groups > 0);
}

}  // namespace lamina
#endif
