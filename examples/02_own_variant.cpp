// SPDX-License-Identifier: Apache-2.0
// A model of your own as a type: a struct of ten lines, facts the compiler checks, and its plan on the
// screen. Needs the schedule headers only: no vector code, no weights.

#include <cinttypes>
#include <cstdio>

#include <lamina/schedule.hpp>

namespace la = lamina;
namespace shop {

using Local = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 128, .window = 512}>;
using Global = la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256}>;
template <class Attention, int Width>
using Block = la::Layer<Attention, la::DenseFfn<Width>>;

/// 24 layers: three rounds of three local and one global layer, then as many that share their keys and
/// values.
struct Counter {
  static constexpr std::string_view name = "shop-counter";
  static constexpr la::Dims dims{.hidden = 1024, .vocab = 32'768, .max_context = 32'768};
  using Owners = la::Repeat<3, la::Repeat<3, Block<Local, 4096>>, Block<Global, 4096>>;
  using Readers =
      la::Repeat<3, la::Repeat<3, Block<la::SharedKv<Local>, 8192>>, Block<la::SharedKv<Global>, 8192>>;
  using Layers = la::Schedule<Owners, Readers>;
};

// Facts are constants: they size memory, and they stand in static_asserts.
static_assert(la::Variant<Counter>);
static_assert(la::layer_count<Counter> == 24);
static_assert(la::distinct_layers<Counter> == 4);  // code is generated per kind, not per layer
static_assert(la::kv_owner<Counter>(12) == 10);    // the last local layer that owns keys and values
static_assert(la::first_reader<Counter>() == 12);  // prompt tokens stop here: half of the layers
static_assert(la::kv_bytes<Counter, la::Bf16>(32'768) == 206'045'184);
static_assert(la::kv_bytes<Counter, la::Int8>(32'768) < 110'000'000);
static_assert(la::weight_bytes<Counter, la::Format::q4_0>() < 320'000'000);

// A schedule is a Hana sequence of types: this one is the same model with its readers cut off.
struct Half : Counter {
  static constexpr std::string_view name = "shop-counter-half";
  using Layers =
      decltype(la::from_hana(la::hana::take_front(la::to_hana<Counter::Layers>(), la::hana::size_c<12>)));
};
static_assert(la::layer_count<Half> == 12 && la::reader_count<Half> == 0);

/// Prints what a model costs, one line per kind of layer.
template <la::Variant V>
void print_plan(std::int64_t context) {
  static la::ModelPlan plan;  // 60 KB: too much for small stacks
  la::make_plan(la::describe<V>(), {.context = context}, la::UniformFormat{la::Format::q4_0}, plan);
  std::printf("%.*s: %d layers of %d kinds\n", static_cast<int>(V::name.size()), V::name.data(),
              la::layer_count<V>, plan.kind_count);
  for (int k = 0; k < plan.kind_count; ++k) {
    const la::LayerKindPlan& kind = plan.kinds[static_cast<std::size_t>(k)];
    std::printf("  %2d x %-6s %-10s  weights %8" PRId64 " B  cache %9" PRId64 " B  each\n", kind.count,
                kind.layer.window > 0 ? "local" : "global", kind.layer.owns_kv ? "owns K, V" : "shares",
                kind.weights.bytes, kind.kv_bytes);
  }
  std::printf("  weights %" PRId64 " B, per token %" PRId64 " B, cache %" PRId64 " B at %" PRId64 " tokens\n",
              plan.weights.bytes, plan.weights.active_bytes, plan.kv_bytes, context);
}

}  // namespace shop

int main() {
  shop::print_plan<shop::Counter>(32'768);
  shop::print_plan<shop::Half>(32'768);
}
