// SPDX-License-Identifier: Apache-2.0
// The five variants against text-decoder.md §1.1, number by number, and §2.4.3 (sources of shared keys and
// values).

#include <array>

#include "published.hpp"

namespace {

using namespace published;

/// One column of the table in §1.1.
struct Column {
  int layers, hidden, period, heads, kv_local, kv_global, window, shared, per_layer, max_context;
  int ffn_owners, ffn_shared;  // width before and after the first shared layer
  bool key_is_value;
  int experts = 0, active = 0, expert_width = 0;
};

template <class V>
constexpr bool matches(const Column& column) {
  const la::ModelDescription model = la::describe<V>();
  if (model.layer_count != column.layers || model.hidden != column.hidden || model.vocab != 262'144 ||
      model.max_context != column.max_context || model.per_layer_input != column.per_layer) {
    return false;
  }
  const int first_shared = column.layers - column.shared;
  for (int i = 0; i < column.layers; ++i) {
    const bool global = i % column.period == column.period - 1;
    la::LayerDescription expected;
    expected.attention = global ? la::AttentionClass::global : la::AttentionClass::local;
    expected.owns_kv = i < first_shared;
    expected.key_is_value = global && column.key_is_value;
    expected.heads = column.heads;
    expected.kv_heads = global ? column.kv_global : column.kv_local;
    expected.head_dim = global ? 512 : 256;
    expected.window = global ? 0 : column.window;
    expected.ffn_width = i < first_shared ? column.ffn_owners : column.ffn_shared;
    expected.experts = column.experts;
    expected.active_experts = column.active;
    expected.expert_width = column.expert_width;
    if (!(model.layers[static_cast<std::size_t>(i)] == expected)) return false;
  }
  return true;
}

constexpr Column e2b{.layers = 35,
                     .hidden = 1536,
                     .period = 5,
                     .heads = 8,
                     .kv_local = 1,
                     .kv_global = 1,
                     .window = 512,
                     .shared = 20,
                     .per_layer = 256,
                     .max_context = 131'072,
                     .ffn_owners = 6144,
                     .ffn_shared = 12'288,
                     .key_is_value = false};
constexpr Column e4b{.layers = 42,
                     .hidden = 2560,
                     .period = 6,
                     .heads = 8,
                     .kv_local = 2,
                     .kv_global = 2,
                     .window = 512,
                     .shared = 18,
                     .per_layer = 256,
                     .max_context = 131'072,
                     .ffn_owners = 10'240,
                     .ffn_shared = 10'240,
                     .key_is_value = false};
constexpr Column m12b{.layers = 48,
                      .hidden = 3840,
                      .period = 6,
                      .heads = 16,
                      .kv_local = 8,
                      .kv_global = 1,
                      .window = 1024,
                      .shared = 0,
                      .per_layer = 0,
                      .max_context = 262'144,
                      .ffn_owners = 15'360,
                      .ffn_shared = 15'360,
                      .key_is_value = true};
constexpr Column m26b{.layers = 30,
                      .hidden = 2816,
                      .period = 6,
                      .heads = 16,
                      .kv_local = 8,
                      .kv_global = 2,
                      .window = 1024,
                      .shared = 0,
                      .per_layer = 0,
                      .max_context = 262'144,
                      .ffn_owners = 2112,
                      .ffn_shared = 2112,
                      .key_is_value = true,
                      .experts = 128,
                      .active = 8,
                      .expert_width = 704};
constexpr Column m31b{.layers = 60,
                      .hidden = 5376,
                      .period = 6,
                      .heads = 32,
                      .kv_local = 16,
                      .kv_global = 4,
                      .window = 1024,
                      .shared = 0,
                      .per_layer = 0,
                      .max_context = 262'144,
                      .ffn_owners = 21'504,
                      .ffn_shared = 21'504,
                      .key_is_value = true};

static_assert(matches<E2b>(e2b));
static_assert(matches<E4b>(e4b));
static_assert(matches<M12b>(m12b));
static_assert(matches<M26b>(m26b));
static_assert(matches<M31b>(m31b));
static_assert(!matches<E2b>(e4b) && !matches<M12b>(m31b));  // the comparison can fail

// --- Kinds: code is generated per kind (style: E2B 4, E4B 4, the others 2) ---

static_assert(la::distinct_layers<E2b> == 4 && la::distinct_layers<E4b> == 4);
static_assert(la::distinct_layers<M12b> == 2 && la::distinct_layers<M26b> == 2 &&
              la::distinct_layers<M31b> == 2);
static_assert(la::kind_counts<E2b> == std::array{12, 3, 16, 4});
static_assert(la::kind_counts<E4b> == std::array{20, 4, 15, 3});
static_assert(la::kind_counts<M12b> == std::array{40, 8});
static_assert(la::kind_counts<M26b> == std::array{25, 5});
static_assert(la::kind_counts<M31b> == std::array{50, 10});

// --- Rotation (§2.4.1): all 128 pairs of local heads, 64 of the 256 of global ones ---

static_assert(la::layer_at<E2b, 0>::attention::rotary_pairs == 128);
static_assert(la::layer_at<E2b, 4>::attention::rotary_pairs == 64);
static_assert(la::layer_at<E2b, 34>::attention::rotary_pairs == 64);

// --- Owners (§2.4.3): the last owner of the same type ---

static_assert(la::owner_count<E2b> == 15 && la::reader_count<E2b> == 20 && la::first_reader<E2b>() == 15);
static_assert(la::owner_count<E4b> == 24 && la::reader_count<E4b> == 18 && la::first_reader<E4b>() == 24);
static_assert(la::owner_count<M12b> == 48 && la::first_reader<M12b>() == 48);
static_assert(la::owner_count<M26b> == 30 && la::first_reader<M26b>() == 30);
static_assert(la::owner_count<M31b> == 60 && la::first_reader<M31b>() == 60);

template <class V>
constexpr bool owners_are(int first_shared, int local_source, int global_source) {
  const la::ModelDescription model = la::describe<V>();
  for (int i = 0; i < la::layer_count<V>; ++i) {
    const bool global = model.layers[static_cast<std::size_t>(i)].window == 0;
    const int expected = i < first_shared ? i : global ? global_source : local_source;
    if (la::kv_owner<V>(i) != expected) return false;
  }
  return true;
}
static_assert(owners_are<E2b>(15, 13, 14));
static_assert(owners_are<E4b>(24, 22, 23));
static_assert(la::kv_owner<E2b>(20) == 13 && la::kv_owner<E2b>(24) == 14);  // §8.6
static_assert(owners_are<M12b>(48, -1, -1) && owners_are<M26b>(30, -1, -1) && owners_are<M31b>(60, -1, -1));

// --- Widths ---

static_assert(la::per_layer_width<E2b>() == 256 && la::per_layer_width<E4b>() == 256);
static_assert(la::per_layer_width<M12b>() == 0 && la::per_layer_width<M26b>() == 0 &&
              la::per_layer_width<M31b>() == 0);
static_assert(la::global_head_dim<E2b>() == 512 && la::global_head_dim<M31b>() == 512);

static_assert(E2b::name == "gemma4-e2b" && E4b::name == "gemma4-e4b" && M12b::name == "gemma4-12b" &&
              M26b::name == "gemma4-26b-a4b" && M31b::name == "gemma4-31b");

}  // namespace
