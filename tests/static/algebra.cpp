// SPDX-License-Identifier: Apache-2.0
// Schedules as Hana sequences: flattening, conversions, and ordinary Hana algorithms on them.

#include <type_traits>

#include <boost/hana.hpp>

#include "published.hpp"

namespace {

namespace hana = boost::hana;
using namespace published;

using A = la::Layer<la::LocalAttention<la::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 8, .window = 4}>,
                    la::DenseFfn<16>>;
using B = la::Layer<la::GlobalAttention<la::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16}>,
                    la::DenseFfn<16>>;

// --- Flattening ---

static_assert(la::Schedule<A, B>::size == 2);
static_assert(la::Schedule<la::Repeat<3, A, B>>::size == 6);
static_assert(la::Schedule<la::Repeat<2, la::Repeat<3, A>, B>, A>::size == 9);
static_assert(la::Schedule<la::Schedule<A, B>, la::Schedule<la::Repeat<2, B>>>::size == 4);
static_assert(la::Schedule<la::Repeat<2, la::Schedule<A, B>>>::size == 4);
static_assert(la::to_hana<la::Schedule<la::Repeat<2, A>, B>>() == hana::tuple_t<A, A, B>);
static_assert(la::to_hana<la::Schedule<la::Repeat<2, A, B>>>() == hana::tuple_t<A, B, A, B>);

// --- There and back ---

using Flat = decltype(la::from_hana(la::to_hana<la::Schedule<la::Repeat<2, A>, B>>()));
static_assert(std::is_same_v<Flat, la::Schedule<A, A, B>>);
static_assert(la::to_hana<Flat>() == la::to_hana<la::Schedule<la::Repeat<2, A>, B>>());

// --- Schedules built and inspected with Hana ---

struct Wave {
  static constexpr std::string_view name = "wave";
  static constexpr la::Dims dims{.hidden = 32, .vocab = 64, .max_context = 128};
  // Local layers with a global one between every two.
  using Layers = decltype(la::from_hana(hana::intersperse(
      hana::replicate<hana::tuple_tag>(hana::type_c<A>, hana::size_c<4>), hana::type_c<B>)));
};
static_assert(la::Variant<Wave> && la::layer_count<Wave> == 7);
static_assert(std::is_same_v<la::layer_at<Wave, 3>, B> && std::is_same_v<la::layer_at<Wave, 6>, A>);

constexpr auto is_global = [](auto layer) {
  return hana::bool_c<decltype(layer)::type::attention::shape.window == 0>;
};
static_assert(hana::count_if(la::to_hana<E2b::Layers>(), is_global) == hana::size_c<7>);

// --- The library's own operations ---

static_assert(std::is_same_v<la::kinds_of<Wave>, la::TypeList<A, B>>);
static_assert(la::kind_index<Wave> == std::array{0, 1, 0, 1, 0, 1, 0});
static_assert(la::kind_ordinal<Wave> == std::array{0, 0, 1, 1, 2, 2, 3});
static_assert(la::kv_owners<Wave> == std::array{0, 1, 2, 3, 4, 5, 6});
static_assert(la::owner_layers<Wave>::size == 7 && la::reader_layers<Wave>::size == 0);
static_assert(la::owner_layers<E2b>::size == 15 && la::reader_layers<E2b>::size == 20);
static_assert(hana::concat(la::to_hana<la::owner_layers<E2b>>(), la::to_hana<la::reader_layers<E2b>>()) ==
              la::to_hana<E2b::Layers>());

// A shared layer reads the *last* earlier owner, also between owners; the split comes after the last of them.
using SharedB = la::Layer<la::SharedKv<B::attention>, la::DenseFfn<16>>;
struct Mixed {
  static constexpr std::string_view name = "mixed";
  static constexpr la::Dims dims = Wave::dims;
  using Layers = la::Schedule<B, SharedB, A, B, SharedB, SharedB>;
};
static_assert(la::kv_owners<Mixed> == std::array{0, 0, 2, 3, 3, 3});
static_assert(la::owner_count<Mixed> == 3 && la::reader_count<Mixed> == 3 && la::first_reader<Mixed>() == 4);
static_assert(std::is_same_v<la::kinds_of<Mixed>, la::TypeList<B, SharedB, A>>);

// Layers that differ only in their feed-forward block share one attention, so one owner.
using WideA = la::Layer<A::attention, la::DenseFfn<64>>;
using SharedA = la::Layer<la::SharedKv<A::attention>, la::DenseFfn<16>>;
struct Widths {
  static constexpr std::string_view name = "widths";
  static constexpr la::Dims dims = Wave::dims;
  using Layers = la::Schedule<A, WideA, SharedA>;
};
static_assert(la::kv_owner<Widths>(2) == 1);

}  // namespace
