// SPDX-License-Identifier: Apache-2.0
// Concepts: what is a kind, what is none, and kinds of a user's own.

#include "published.hpp"

using namespace published;

namespace {

using Local = E2b::Local;
using Global = E2b::Global;

// --- The library's kinds ---

static_assert(la::AttentionKind<Local> && la::AttentionKind<Global> &&
              la::AttentionKind<la::SharedKv<Local>>);
static_assert(la::FfnKind<la::DenseFfn<64>> && la::FfnKind<M26b::Ffn>);
static_assert(la::PerLayerKind<la::PerLayerInput<16>> && la::PerLayerKind<la::NoPerLayerInput>);
static_assert(la::LayerKind<la::Layer<Local, la::DenseFfn<64>>>);
static_assert(la::Variant<E2b> && la::Variant<E4b> && la::Variant<M12b> && la::Variant<M26b> &&
              la::Variant<M31b>);

// --- What is none ---

// In a named namespace: clang warns of constants nobody reads in an unnamed one, and these are meant not to
// be read.
}  // namespace
namespace no_kinds {
struct Empty {};
struct ShapeOnly {
  static constexpr la::AttnShape shape = Local::shape;
};
struct NumberForShape {
  static constexpr int shape = 8;
  static constexpr bool owns_kv = true;
};
struct SharesNothing {  // neither owns keys and values nor says whose it reads
  static constexpr la::AttnShape shape = Local::shape;
  static constexpr bool owns_kv = false;
};
struct WidthOnly {  // no weights
  static constexpr int width = 8;
};
struct NoLayers {
  static constexpr std::string_view name = "none";
  static constexpr la::Dims dims{.hidden = 8, .vocab = 8};
};
struct ListForLayers : NoLayers {
  using Layers = la::TypeList<la::Layer<Local, la::DenseFfn<64>>>;
};
struct NoName {
  static constexpr la::Dims dims = E2b::dims;
  using Layers = E2b::Layers;
};

}  // namespace no_kinds
namespace {
using namespace no_kinds;

static_assert(!la::AttentionKind<int> && !la::AttentionKind<Empty> && !la::AttentionKind<ShapeOnly>);
static_assert(!la::AttentionKind<NumberForShape> && !la::AttentionKind<SharesNothing>);
static_assert(!la::AttentionKind<la::DenseFfn<64>> && !la::AttentionKind<M26b::Ffn>);
static_assert(!la::FfnKind<int> && !la::FfnKind<Empty> && !la::FfnKind<WidthOnly> && !la::FfnKind<Local>);
static_assert(!la::PerLayerKind<Empty> && !la::PerLayerKind<Local>);
static_assert(!la::LayerKind<Local> && !la::LayerKind<int> && !la::LayerKind<Empty>);
static_assert(!la::Variant<int> && !la::Variant<NoLayers> && !la::Variant<ListForLayers> &&
              !la::Variant<NoName>);
static_assert(!la::Variant<E2b::Layers>);

// --- A user's attention kind: an empty type with two facts ---

template <la::AttnShape S>
struct StridedAttention {
  static constexpr la::AttnShape shape = S;
  static constexpr bool owns_kv = true;
};
using Strided = StridedAttention<Local::shape>;
static_assert(la::AttentionKind<Strided>);
static_assert(la::rotary_pairs_of<Strided>() == 128);       // all pairs, as it does not say otherwise
static_assert(la::SharedKv<Strided>::rotary_pairs == 128);  // and it can be shared
static_assert(la::AttentionKind<la::SharedKv<Strided>>);
static_assert(la::rotary_pairs_of<Global>() == 64);

// --- A user's feed-forward kind: a width and its weights ---

struct PlainFfnWeights {
  la::WeightMatrix up;
  la::WeightMatrix down;
};
struct PlainFfn {
  static constexpr int width = 96;
};

}  // namespace

template <>
struct lamina::Slots<PlainFfn> {
  using Weights = PlainFfnWeights;
  static constexpr std::array<Slot<Weights>, 2> list(const Dims& dims) {
    return {{{&Weights::up, "ffn_up.weight", 96, dims.hidden},
             {&Weights::down, "ffn_down.weight", dims.hidden, 96}}};
  }
};

namespace {

static_assert(la::FfnKind<PlainFfn>);

struct Own {
  static constexpr std::string_view name = "own";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100, .max_context = 1000};
  using Layers = la::Schedule<la::Repeat<2, la::Layer<Strided, PlainFfn>>, la::Layer<Global, PlainFfn>,
                              la::Layer<la::SharedKv<Strided>, PlainFfn>>;
};
static_assert(la::Variant<Own> && la::distinct_layers<Own> == 3 && la::kv_owner<Own>(3) == 1);
static_assert(la::describe<Own>().layers[0].attention == la::AttentionClass::local);  // it has a window
static_assert(la::describe<Own>().layers[2].attention == la::AttentionClass::global);
static_assert(la::describe<Own>().layers[0].ffn_width == 96);
// Weights: embedding, final norm, 256 rotation factors; 4 layers of attention, feed-forward block and scale.
constexpr std::int64_t q_and_output = 2 * 8 * 64;  // times head_dim
static_assert(la::parameter_count<Own>() ==
              6400 + 64 + 256 + 4 * (2 * 64 * 96 + 1 + 2 * 64) +   // outside, feed-forward, scale, two norms
                  2 * (256 * (q_and_output + 2 * 64) + 2 * 256) +  // strided: q, output, k, v, two head norms
                  512 * (q_and_output + 2 * 64) + 2 * 512 +        // global
                  256 * q_and_output + 256);                       // shared: no k, v, k_norm
static_assert(la::kv_bytes<Own, la::Bf16>(1000) == 2 * 512 * 2 * 256 * 2 + 1000 * 2 * 512 * 2);

}  // namespace
