// SPDX-License-Identifier: Apache-2.0
// The plan of a description gives the same numbers as the facts of the type it describes.

#include "models/q_e2b.hpp"
#include "models/tiny_26b_a4b.hpp"
#include "models/tiny_e4b.hpp"
#include "published.hpp"

namespace {

using namespace published;

template <class V, class Kv, la::Format F>
constexpr bool plan_agrees(std::int64_t context) {
  la::ModelPlan plan;
  la::make_plan(la::describe<V>(), {context, Kv::format}, la::UniformFormat{F}, plan);
  if (!(plan.weights == la::weight_totals<V>(F))) return false;
  if (plan.kind_count != la::distinct_layers<V> || plan.first_reader != la::first_reader<V>()) return false;
  la::WeightTotals by_kind = plan.outside;
  std::int64_t kv = 0;
  for (int k = 0; k < plan.kind_count; ++k) {
    const la::LayerKindPlan& kind = plan.kinds[static_cast<std::size_t>(k)];
    if (kind.count != la::kind_counts<V>[static_cast<std::size_t>(k)]) return false;
    by_kind += kind.weights.times(kind.count);
    kv += kind.kv_bytes * kind.count;
  }
  for (int i = 0; i < la::layer_count<V>; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (plan.kind_of[at] != la::kind_index<V>[at] || plan.owner_of[at] != la::kv_owner<V>(i)) return false;
  }
  return by_kind == plan.weights && kv == plan.kv_bytes && plan.kv_bytes == la::kv_bytes<V, Kv>(context) &&
         plan.kv_growth_bytes == la::kv_growth_bytes<V, Kv>() &&
         plan.owner_multiply_adds == la::owner_multiply_adds<V>() &&
         plan.head_multiply_adds == la::head_multiply_adds<V>() &&
         plan.decode_flops == la::decode_flops<V>(context - 1);
}

static_assert(plan_agrees<E2b, la::Bf16, la::Format::q4_0>(32'768));
static_assert(plan_agrees<E4b, la::Int8, la::Format::q8_0>(300));
static_assert(plan_agrees<M12b, la::F32, la::Format::bf16>(131'072));
static_assert(plan_agrees<M26b, la::Int8, la::Format::q4_k>(262'144));
static_assert(plan_agrees<M31b, la::Bf16, la::Format::q6_k>(8192));
static_assert(plan_agrees<la::models::QE2b, la::Bf16, la::Format::q4_k>(100));
static_assert(plan_agrees<la::models::TinyE4b, la::Bf16, la::Format::f16>(100));
static_assert(plan_agrees<la::models::Tiny26bA4b, la::Bf16, la::Format::f32>(100));

// A file may claim what no type can: a reader without an owner. The plan says so instead of guessing.
constexpr int orphan = [] {
  la::ModelDescription model = la::describe<la::models::QE2b>();
  model.layers[1].owns_kv = false;
  return la::kv_owner(model, 2);
}();
static_assert(orphan == -1);

}  // namespace
