// SPDX-License-Identifier: Apache-2.0
// Cache sizes against text-decoder.md §4.2 (K and V both stored) and §4.3 (layouts of K=V layers).

#include "published.hpp"

namespace {

using namespace published;
using la::KvLayout;

constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;
constexpr KvLayout both = KvLayout::key_and_value;

// --- §4.2 ---

template <class V>
constexpr bool grows_by(std::int64_t global_bytes, std::int64_t local_part) {
  return la::kv_growth_bytes<V, la::Bf16>(both) == global_bytes &&
         la::kv_bytes<V, la::Bf16>(8 * kib, both) == 8 * kib * global_bytes + local_part;
}
static_assert(grows_by<E2b>(6144, 6 * mib));
static_assert(grows_by<E4b>(16'384, 20 * mib));
static_assert(grows_by<M12b>(16'384, 320 * mib));
static_assert(grows_by<M26b>(20'480, 200 * mib));
static_assert(grows_by<M31b>(81'920, 800 * mib));

template <class V>
constexpr bool totals_are(KvLayout layout, std::int64_t at_32k, std::int64_t at_128k) {
  return rounds_to(la::kv_bytes<V, la::Bf16>(32 * kib, layout), at_32k) &&
         rounds_to(la::kv_bytes<V, la::Bf16>(128 * kib, layout), at_128k);
}
template <class V>
constexpr bool totals_are(KvLayout layout, std::int64_t at_32k, std::int64_t at_128k, std::int64_t at_256k) {
  return totals_are<V>(layout, at_32k, at_128k) &&
         rounds_to(la::kv_bytes<V, la::Bf16>(256 * kib, layout), at_256k);
}
static_assert(totals_are<E2b>(both, 193, 756) && rounds_to(la::kv_bytes<E2b, la::Bf16>(8 * kib), 53));
static_assert(totals_are<E4b>(both, 520, 2020) && rounds_to(la::kv_bytes<E4b, la::Bf16>(8 * kib), 145));
static_assert(totals_are<M12b>(both, 812, 2312, 4312) &&
              rounds_to(la::kv_bytes<M12b, la::Bf16>(8 * kib, both), 438));
static_assert(totals_are<M26b>(both, 820, 2695, 5195) &&
              rounds_to(la::kv_bytes<M26b, la::Bf16>(8 * kib, both), 352));
static_assert(totals_are<M31b>(both, 3281, 10'781, 20'781) &&
              rounds_to(la::kv_bytes<M31b, la::Bf16>(8 * kib, both), 1406));
static_assert(!totals_are<M31b>(both, 3282, 10'781, 20'781));  // the comparison can fail

static_assert(la::kv_bytes<E2b, la::Bf16>(32'768) == 207'618'048);
static_assert(la::kv_bytes<E4b, la::Bf16>(131'072) - 20 * mib == 2048 * mib);

// Local layers keep min(tokens, window) rows; shared layers keep none.
static_assert(la::kv_bytes<E2b, la::Bf16>(0) == 0);
static_assert(la::kv_bytes<E2b, la::Bf16>(1) == 6144 + 12'288);
static_assert(la::kv_bytes<E2b, la::Bf16>(512) == 512 * (6144 + 12'288));
static_assert(la::kv_bytes<E2b, la::Bf16>(513) == 512 * 12'288 + 513 * 6144);

// --- §4.3: layouts, which change nothing where V has its own weights ---

static_assert(la::kv_bytes<E2b, la::Bf16>(777, KvLayout::value_only) ==
              la::kv_bytes<E2b, la::Bf16>(777, both));

constexpr la::AttnShape key_is_value = la::Gemma4_31b::Global::shape;
static_assert(la::key_columns(key_is_value, 64, both) + 512 == 1024);
static_assert(la::key_columns(key_is_value, 64, KvLayout::value_and_rotated_key) + 512 == 640);
static_assert(la::key_columns(key_is_value, 64, KvLayout::value_only) + 512 == 512);

template <class V>
constexpr bool layouts_grow_by(std::int64_t rotated, std::int64_t value) {
  return la::kv_growth_bytes<V, la::Bf16>() == rotated &&  // the default layout
         la::kv_growth_bytes<V, la::Bf16>(KvLayout::value_and_rotated_key) == rotated &&
         la::kv_growth_bytes<V, la::Bf16>(KvLayout::value_only) == value;
}
static_assert(layouts_grow_by<M12b>(10'240, 8192));
static_assert(layouts_grow_by<M26b>(12'800, 10'240));
static_assert(layouts_grow_by<M31b>(51'200, 40'960));
static_assert(totals_are<M12b>(KvLayout::value_and_rotated_key, 625, 1562, 2812));
static_assert(totals_are<M26b>(KvLayout::value_and_rotated_key, 586, 1758, 3320));
static_assert(totals_are<M31b>(KvLayout::value_and_rotated_key, 2344, 7031, 13'281));
static_assert(totals_are<M12b>(KvLayout::value_only, 562, 1312, 2312));
static_assert(totals_are<M26b>(KvLayout::value_only, 508, 1445, 2695));
static_assert(totals_are<M31b>(KvLayout::value_only, 2031, 5781, 10'781));

// --- Formats: int8 has one float32 scale per stored vector of a head ---

static_assert(la::kv_bytes<E2b, la::F32>(1000) == 2 * la::kv_bytes<E2b, la::Bf16>(1000));
static_assert(la::kv_growth_bytes<E2b, la::Int8>() == 3 * (2 * 512 + 2 * 4));
static_assert(la::kv_bytes<E2b, la::Int8>(1) == 3 * (2 * 512 + 2 * 4) + 12 * (2 * 256 + 2 * 4));
static_assert(la::kv_growth_bytes<M31b, la::Int8>() == 10 * 4 * (640 + 2 * 4));
static_assert(la::kv_growth_bytes<M31b, la::Int8>(KvLayout::value_only) == 10 * 4 * (512 + 4));

}  // namespace
