// SPDX-License-Identifier: Apache-2.0
// Cache sizes against text-decoder.md §4.2 (K and V both stored) and §4.3 (layouts of K=V layers).

#include "published.hpp"

namespace {

using namespace published;
constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;

// --- §4.2 ---

template <class V>
constexpr bool grows_by(std::int64_t global_bytes, std::int64_t local_part) {
  return la::kv_growth_bytes<V, la::Bf16>() == global_bytes &&
         la::kv_bytes<V, la::Bf16>(8 * kib) == 8 * kib * global_bytes + local_part;
}
static_assert(grows_by<E2b>(6144, 6 * mib));
static_assert(grows_by<E4b>(16'384, 20 * mib));

template <class V>
constexpr bool totals_are(std::int64_t at_32k, std::int64_t at_128k) {
  return rounds_to(la::kv_bytes<V, la::Bf16>(32 * kib), at_32k) &&
         rounds_to(la::kv_bytes<V, la::Bf16>(128 * kib), at_128k);
}
template <class V>
constexpr bool totals_are(std::int64_t at_32k, std::int64_t at_128k, std::int64_t at_256k) {
  return totals_are<V>(at_32k, at_128k) && rounds_to(la::kv_bytes<V, la::Bf16>(256 * kib), at_256k);
}
static_assert(totals_are<E2b>(193, 756) && rounds_to(la::kv_bytes<E2b, la::Bf16>(8 * kib), 53));
static_assert(totals_are<E4b>(520, 2020) && rounds_to(la::kv_bytes<E4b, la::Bf16>(8 * kib), 145));

static_assert(la::kv_bytes<E2b, la::Bf16>(32'768) == 207'618'048);
static_assert(la::kv_bytes<E4b, la::Bf16>(131'072) - 20 * mib == 2048 * mib);

// Local layers keep min(tokens, window) rows; shared layers keep none.
static_assert(la::kv_bytes<E2b, la::Bf16>(0) == 0);
static_assert(la::kv_bytes<E2b, la::Bf16>(1) == 6144 + 12'288);
static_assert(la::kv_bytes<E2b, la::Bf16>(512) == 512 * (6144 + 12'288));
static_assert(la::kv_bytes<E2b, la::Bf16>(513) == 512 * 12'288 + 513 * 6144);

// --- §4.3: what K=V layers store ---

constexpr la::AttnShape key_is_value = la::Gemma4_31b::Global::shape;
static_assert(la::key_columns(key_is_value, 64) + 512 == 640);

// Their local layers have an own V.
static_assert(grows_by<M12b>(10'240, 320 * mib));
static_assert(grows_by<M26b>(12'800, 200 * mib));
static_assert(grows_by<M31b>(51'200, 800 * mib));
static_assert(totals_are<M12b>(625, 1562, 2812));
static_assert(totals_are<M26b>(586, 1758, 3320));
static_assert(totals_are<M31b>(2344, 7031, 13'281));
static_assert(!totals_are<M31b>(2345, 7031, 13'281));  // the comparison can fail

// --- Formats: int8 has one float32 scale per stored vector of a head ---

static_assert(la::kv_bytes<E2b, la::F32>(1000) == 2 * la::kv_bytes<E2b, la::Bf16>(1000));
static_assert(la::kv_growth_bytes<E2b, la::Int8>() == 3 * (2 * 512 + 2 * 4));
static_assert(la::kv_bytes<E2b, la::Int8>(1) == 3 * (2 * 512 + 2 * 4) + 12 * (2 * 256 + 2 * 4));
static_assert(la::kv_growth_bytes<M31b, la::Int8>() == 10 * 4 * (640 + 2 * 4));
// Rows start at multiples of 16 bytes.
static_assert(la::kv_vector_bytes(36, la::CacheFormat::int8) == 48);
static_assert(la::kv_vector_bytes(36, la::CacheFormat::bf16) == 80);

// --- A format for each class of attention ---

using GlobalInt8 = la::ByClass<la::Bf16, la::Int8>;
using LocalInt8 = la::ByClass<la::Int8, la::Bf16>;
static_assert(la::kv_growth_bytes<M31b, GlobalInt8>() == 10 * 4 * (640 + 2 * 4));
static_assert(la::kv_bytes<M31b, GlobalInt8>(256 * kib) == 256 * kib * 10 * 4 * (640 + 2 * 4) + 800 * mib);
static_assert(la::kv_growth_bytes<M31b, LocalInt8>() == 51'200);
static_assert(la::kv_bytes<M31b, LocalInt8>(256 * kib) + la::kv_bytes<M31b, GlobalInt8>(256 * kib) ==
              la::kv_bytes<M31b, la::Bf16>(256 * kib) + la::kv_bytes<M31b, la::Int8>(256 * kib));
static_assert(la::kv_bytes<E2b, la::ByClass<la::F32, la::Int8>>(1) ==
              3 * (2 * 512 + 2 * 4) + 12 * 2 * 4 * 256);
static_assert(la::kv_bytes<E2b, la::ByClass<la::Int8, la::Int8>>(1000) == la::kv_bytes<E2b, la::Int8>(1000));

constexpr auto bf16 = la::CacheFormat::bf16;
constexpr auto int8 = la::CacheFormat::int8;
constexpr auto f32 = la::CacheFormat::f32;
constexpr la::CacheFormats mixed = la::CacheFormats(bf16).with_global(int8);
static_assert(mixed.of_window(0) == int8 && mixed.of_window(1) == bf16 && !mixed.are_equal());
static_assert(la::CacheFormats() == bf16 && la::CacheFormats(int8) == int8 && mixed != bf16 && mixed != int8);
static_assert(is_known(mixed) && !is_known(mixed.with_global(static_cast<la::CacheFormat>(3))) &&
              !is_known(la::CacheFormats(static_cast<la::CacheFormat>(3)).with_global(int8)));

constexpr bool names_lead_back() {
  for (const auto local : {bf16, int8, f32}) {
    for (const auto global : {bf16, int8, f32}) {
      const la::CacheFormats formats = la::CacheFormats(local).with_global(global);
      if (la::find_cache_formats(name_of(formats)) != formats) return false;
    }
  }
  return true;
}
static_assert(names_lead_back());
static_assert(name_of(mixed) == "local=bf16,global=int8" && name_of(la::CacheFormats(f32)) == "f32");
static_assert(la::find_cache_formats("global=int8,local=bf16") == mixed);
static_assert(la::find_cache_formats("global=int8") == mixed);
static_assert(la::find_cache_formats("local=bf16", int8) == mixed);
static_assert(la::find_cache_formats("local=int8,global=int8", f32) == int8);
constexpr bool is_refused(std::string_view text) { return !la::find_cache_formats(text); }
static_assert(is_refused("") && is_refused("q4") && is_refused("bf16 ") && is_refused("BF16"));
static_assert(is_refused("bf16,int8") && is_refused("local") && is_refused("local=") && is_refused("=int8"));
static_assert(is_refused("local=q4") && is_refused("globally=int8") && is_refused("global=int8=bf16"));
static_assert(is_refused("global=int8,") && is_refused(",global=int8") && is_refused("global=int8,int8"));
static_assert(is_refused("global=int8,global=int8") && is_refused("local=bf16, global=int8"));

}  // namespace
