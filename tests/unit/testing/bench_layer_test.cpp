// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>

#include <lamina/schedule/variant.hpp>
#include <lamina/testing/bench_layer.hpp>

namespace {

using lamina::Format;
using lamina::LayerBenchOptions;

constexpr int hidden = 256;
constexpr int width = 512;
using Local =
    lamina::LocalAttention<lamina::AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 64, .window = 8}>;
using Owner = lamina::Layer<Local, lamina::DenseFfn<width>>;
using Reader = lamina::Layer<lamina::SharedKv<Local>, lamina::DenseFfn<width>>;

constexpr double feed_forward = 3.0 * hidden * width;
constexpr double query_and_output = 2.0 * hidden * 256;
constexpr double key_and_value = 2.0 * hidden * 64;
constexpr double attention_of_a_key = 4.0 * 4 * 64;

LayerBenchOptions small() {
  LayerBenchOptions options;
  options.repeats = 1;
  options.footprint = 1;
  return options;
}

TEST_CASE("bench_layer counts the operations of all rows, within the window") {
  LayerBenchOptions options = small();
  options.rows = 3;
  options.depth = 7;  // the rows see 8 keys each: the window
  const auto timing = lamina::native::bench_layer<Owner, Format::q8_0, hidden>(options);
  REQUIRE(timing);
  CHECK(timing->seconds > 0);
  CHECK(timing->fastest <= timing->seconds);
  CHECK(timing->slowest >= timing->seconds);
  CHECK(timing->kernel.view() == "Q8_0 x int8");
  const double products = 2 * 3 * (feed_forward + query_and_output + key_and_value);
  CHECK(timing->flop == products + 3 * 8 * attention_of_a_key);
}

TEST_CASE("a layer that shares keys and values has no product for them; exact precision has no codes") {
  LayerBenchOptions options = small();
  options.precision = lamina::Precision::exact;
  const auto timing = lamina::native::bench_layer<Reader, Format::q8_0, hidden>(options);
  REQUIRE(timing);
  CHECK(timing->kernel.view() == "Q8_0 x f32");
  CHECK(timing->flop == 2 * (feed_forward + query_and_output) + attention_of_a_key);
}

TEST_CASE("a prompt's last owner stores all rows and goes on with one") {
  LayerBenchOptions options = small();
  options.rows = 5;
  options.ends_prompt = true;
  const auto timing = lamina::native::bench_layer<Owner, Format::bf16, hidden>(options);
  REQUIRE(timing);
  const double products = 2 * (feed_forward + query_and_output + 5 * key_and_value);
  CHECK(timing->flop == products + 5 * attention_of_a_key);
}

TEST_CASE("nothing to time is an error") {
  LayerBenchOptions options = small();
  SUBCASE("no rows") { options.rows = 0; }
  SUBCASE("no repeats") { options.repeats = 0; }
  const auto timing = lamina::native::bench_layer<Owner, Format::q8_0, hidden>(options);
  REQUIRE_FALSE(timing);
  CHECK(timing.error().code == lamina::ErrorCode::bad_argument);
}

}  // namespace
