// SPDX-License-Identifier: Apache-2.0
// Archetypes: types with the required members of each concept and nothing else, not even a constructor. What
// the library needs of a kind beyond what its concept says does not compile here.

#include <lamina/forward/bound_model.hpp>
#include <lamina/forward/layer_caches.hpp>
#include <lamina/forward/workspace.hpp>
#include <lamina/schedule.hpp>

namespace la = lamina;

namespace archetypes {

struct Owner {
  Owner() = delete;
  static constexpr la::AttnShape shape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 32};
  static constexpr bool owns_kv = true;
};

struct Reader {
  Reader() = delete;
  static constexpr la::AttnShape shape = Owner::shape;
  static constexpr bool owns_kv = false;
  using owner = Owner;
};

struct Ffn {
  Ffn() = delete;
  static constexpr int width = 24;
};
struct FfnWeights {
  la::Linear matrix;
};

struct PerLayer {
  PerLayer() = delete;
  static constexpr int width = 8;
};
struct PerLayerWeights {
  la::Linear matrix;
};

}  // namespace archetypes

template <>
struct lamina::Slots<archetypes::Ffn> {
  using Weights = archetypes::FfnWeights;
  static constexpr std::array<Slot<Weights>, 1> list(const Dims& dims) {
    return {{{&Weights::matrix, "own_ffn.weight", dims.hidden, dims.hidden}}};
  }
};
template <>
struct lamina::Slots<archetypes::PerLayer> {
  using Weights = archetypes::PerLayerWeights;
  static constexpr std::array<Slot<Weights>, 1> list(const Dims& dims) {
    return {{{&Weights::matrix, "own_input.weight", dims.hidden, 8}}};
  }
};

namespace archetypes {

struct Model {
  Model() = delete;
  static constexpr const char* name = "archetype";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Owner, Ffn, PerLayer>, la::Layer<Reader, Ffn, PerLayer>>;
};

static_assert(la::AttentionKind<Owner> && la::AttentionKind<Reader>);
static_assert(la::FfnKind<Ffn> && la::PerLayerKind<PerLayer> && la::Variant<Model>);
static_assert(la::AttentionKind<la::SharedKv<Owner>>);

// Facts and plans.
static_assert(la::kv_owner<Model>(1) == 0 && la::first_reader<Model>() == 1);
static_assert(la::describe<Model>().layers[1].window == 32);
static_assert(la::kv_bytes<Model, la::F32>(1000) == 32 * 2 * 2 * 16 * 4);
static_assert(la::parameter_count<Model>() > 0 && la::decode_flops<Model>(10) > 0);
static_assert(la::pass_widths<Model>().query == 64 && la::pass_widths<Model>().ffn == 24);
static_assert(!la::pass_widths<Model>().clamps_inputs);

// What they are without optional members.
static_assert(la::rotary_pairs_of<Owner>() == 8 && la::rope_base_of<Owner>() == 0.0F);
static_assert(la::query_scale_of<Owner>() == 1.0F);
static_assert(la::head_norms_of<Owner>().query && la::head_norms_of<Owner>().key &&
              la::head_norms_of<Owner>().value);
static_assert(la::visible_keys<Owner>(100).first == 69 && la::visible_keys<Owner>(100).end == 101);

}  // namespace archetypes

// Weights and caches.
template struct lamina::BoundModel<archetypes::Model>;
template class lamina::CacheOf<archetypes::Model>;

namespace archetypes {

// --- All optional members, and what SharedKv does with them ---

struct Everything {
  Everything() = delete;
  static constexpr la::AttnShape shape = Owner::shape;
  static constexpr bool owns_kv = true;
  static constexpr float query_scale = 0.25F;
  static constexpr bool query_norm = false;
  static constexpr bool key_norm = false;
  static constexpr bool value_norm = false;
  static constexpr float rope_base = 500.0F;
  static constexpr int rotary_pairs = 3;
  static constexpr bool clamps_inputs = true;
  static constexpr la::KeyRange visible(std::uint32_t position) { return {position, position + 1}; }
};
using Shared = la::SharedKv<Everything>;
static_assert(la::AttentionKind<Everything> && la::AttentionKind<Shared>);
static_assert(la::query_scale_of<Shared>() == 0.25F && la::rope_base_of<Shared>() == 500.0F);
static_assert(!la::head_norms_of<Shared>().query && !la::head_norms_of<Shared>().key &&
              !la::head_norms_of<Shared>().value);
static_assert(la::rotary_pairs_of<Shared>() == 3 && la::visible_keys<Shared>(7).first == 7);
static_assert(Shared::clamps_inputs);
static_assert(la::Slots<Everything>::list(Model::dims).size() == 6);  // norm, q, k, v, output, post norm
static_assert(la::Slots<Shared>::list(Model::dims).size() == 4);
static_assert(la::Slots<Owner>::list(Model::dims).size() == 8);

struct Clamping {
  Clamping() = delete;
  static constexpr const char* name = "clamping";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  static constexpr float final_softcap = 0;
  using Layers = la::Schedule<la::Layer<Everything, Ffn>>;
};
static_assert(la::pass_widths<Clamping>().clamps_inputs);
static_assert(la::describe<Clamping>().final_softcap == 0 && la::describe<Model>().final_softcap == 30);

// Kinds that differ only in their base have frequencies of their own.
struct OtherBase : Owner {
  static constexpr float rope_base = 77.0F;
};
struct Bases : Model {
  using Layers = la::Schedule<la::Layer<Owner, Ffn>, la::Layer<OtherBase, Ffn>>;
};
static_assert(la::RotaryTables<Bases>::table_count == 2 && la::RotaryTables<Model>::table_count == 1);

}  // namespace archetypes
