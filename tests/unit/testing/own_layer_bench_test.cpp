// SPDX-License-Identifier: Apache-2.0
// bench_layer with kinds of somebody's own that have no norms: what comes out of a layer is larger than what
// went in.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <lamina/schedule/variant.hpp>
#include <lamina/testing/bench_layer.hpp>

namespace own {

/// A token sees the tokens of its own block of `shape.window`, up to itself.
template <lamina::AttnShape S>
struct BlockAttention {
  static constexpr lamina::AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr lamina::KeyRange visible(std::uint32_t position) {
    return {position / S.window * S.window, position + 1};
  }
};

/// x += (W_down W_up x)³, or with an error in it, divided by zero.
template <int Width, bool Right = true>
struct Cubic {
  static constexpr int width = Width;
};

struct CubicWeights {
  lamina::WeightMatrix up;    ///< [Width, D]
  lamina::WeightMatrix down;  ///< [D, Width]
};

}  // namespace own

template <int Width, bool Right>
struct lamina::Slots<own::Cubic<Width, Right>> {
  using Weights = own::CubicWeights;
  static constexpr std::array<Slot<Weights>, 2> list(const Dims& dims) {
    return {{{&Weights::up, "cubic_up.weight", Width, dims.hidden},
             {&Weights::down, "cubic_down.weight", dims.hidden, Width}}};
  }
};

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
template <int Width, bool Right>
struct FfnKernel<own::Cubic<Width, Right>> {
  static void run(Pass& pass, const own::CubicWeights& weights) noexcept {
    Workspace& work = pass.work;
    ProductInput input(pass, work.codes, work.stream, pass.rows, pass.hidden, pass.hidden);
    multiply(pass, input, {{weights.up, work.gate, Width}});
    ProductInput hidden(pass, work.codes, work.gate, pass.rows, Width, Width);
    multiply(pass, hidden, {{weights.down, work.branch, pass.hidden}});
    for (std::size_t i = 0; i < std::size_t{pass.rows} * pass.hidden; ++i)
      work.branch[i] *= work.branch[i] * work.branch[i] / (Right ? 1.0F : 0.0F);
    add(work.stream, work.branch, std::size_t{pass.rows} * pass.hidden);
  }
};
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

namespace {

using Near = own::BlockAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8}>;
using Growing = lamina::Layer<Near, own::Cubic<128>>;

TEST_CASE("an own kind without norms is timed with default options, in any form of pass") {
  lamina::LayerBenchOptions options;
  SUBCASE("decoding") {}
  SUBCASE("a prompt") {
    options.rows = 12;
    options.depth = 20;
    options.repeats = 1;
  }
  SUBCASE("the end of a prompt, exact") {
    options.rows = 3;
    options.ends_prompt = true;
    options.precision = lamina::Precision::exact;
    options.repeats = 1;
  }
  const auto timing = lamina::native::bench_layer<Growing, lamina::Format::q8_0>(options);
  if (!timing) FAIL(std::string(describe(timing.error()).view()));
  CHECK(timing->seconds > 0);
}

TEST_CASE("a layer whose result is no number is found out, wherever it stands") {
  const auto timing =
      lamina::native::bench_layer<lamina::Layer<Near, own::Cubic<128, false>>, lamina::Format::q8_0>(
          {.repeats = 1, .footprint = 1});
  REQUIRE_FALSE(timing);
  CHECK(timing.error().what.view() == "a layer's result is not finite");
}

}  // namespace
