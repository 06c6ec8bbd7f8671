// SPDX-License-Identifier: Apache-2.0
// Bytes per decoded token and multiply-adds per prompt token against figures measured for full-size files,
// which fix what they include: all matrices of the layers with chosen experts, router and per-layer
// projection; bytes also the head, the vectors and one row of the per-layer table; multiply-adds neither head
// nor attention scores.

#include "published.hpp"

namespace {

using namespace published;

constexpr std::int64_t rounded_millions(std::int64_t count) { return (count + 500'000) / 1'000'000; }

// --- Multiply-adds per prompt token, and up to the last KV owner ---

static_assert(rounded_millions(la::prompt_multiply_adds<E2b>()) == 1877);
static_assert(rounded_millions(la::owner_multiply_adds<E2b>()) == 570);
static_assert(rounded_millions(la::prompt_multiply_adds<E4b>()) == 3973);
static_assert(rounded_millions(la::owner_multiply_adds<E4b>()) == 2302);
static_assert(rounded_millions(la::prompt_multiply_adds<M26b>()) == 3084);
static_assert(la::owner_multiply_adds<M26b>() == la::prompt_multiply_adds<M26b>());
static_assert(rounded_millions(la::prompt_multiply_adds<M31b>()) == 29'287);
static_assert(la::owner_multiply_adds<M31b>() == la::prompt_multiply_adds<M31b>());

// --- Megabytes of weights per decoded token, in the mixes of those files ---

/// Matrices in one encoding, embedding tables in another, the per-layer projection in BF16, vectors in
/// float32.
struct Mix {
  la::Format matrices;
  la::Format tables;
  constexpr la::Format operator()(const la::WeightFact& weight) const {
    if (weight.use == la::SlotUse::vector) return la::Format::f32;
    if (weight.name == "per_layer_model_proj.weight") return la::Format::bf16;
    const bool table = weight.name == "token_embd.weight" || weight.name == "per_layer_token_embd.weight";
    return la::stored_format(table ? tables : matrices, weight.columns);
  }
};

/// As `Mix` with Q4_K, and Q6_K for attn_v and ffn_down of the layers that "use more bits" (weight-files.md
/// §5.1).
struct MixQ4K {
  int layers;
  constexpr la::Format operator()(const la::WeightFact& weight) const {
    const int eighth = layers / 8;
    const bool more = weight.layer >= 0 && (weight.layer < eighth || weight.layer >= 7 * layers / 8 ||
                                            (weight.layer - eighth) % 3 == 2);
    const bool raised = weight.name == "attn_v.weight" || weight.name == "ffn_down.weight";
    return Mix{more && raised ? la::Format::q6_k : la::Format::q4_k, la::Format::q6_k}(weight);
  }
};

constexpr Mix q4_0{la::Format::q4_0, la::Format::q6_k};
constexpr Mix q8_0{la::Format::q8_0, la::Format::q8_0};
static_assert(rounded_millions(la::active_weight_bytes<E2b>(q4_0)) == 1407);
static_assert(rounded_millions(la::active_weight_bytes<E2b>(q8_0)) == 2436);
static_assert((la::active_weight_bytes<E2b>(MixQ4K{35}) + 50'000) / 100'000 == 14'735);  // 1473.5
static_assert(rounded_millions(la::active_weight_bytes<E4b>(q4_0)) == 2827);
static_assert(rounded_millions(la::active_weight_bytes<M26b>(q4_0)) == 2380);
static_assert(rounded_millions(la::active_weight_bytes<M31b>(q4_0)) == 17'635);

// A dense model without tables reads every weight; one with experts or tables does not.
static_assert(la::active_weight_bytes<M31b>(q4_0) == la::weight_bytes<M31b>(q4_0));
static_assert(la::active_weight_bytes<M26b>(q4_0) < la::weight_bytes<M26b>(q4_0) / 5);

// --- Attention and whole passes ---

// 28 local and 7 global layers of E2B, 8 heads: 2 * 8 * (28 * 256 * min(p + 1, 512) + 7 * 512 * (p + 1)).
static_assert(la::attention_multiply_adds<E2b>(0) == 16 * (28 * 256 + 7 * 512));
static_assert(la::attention_multiply_adds<E2b>(999) == 16 * (28 * 256 * 512 + 7 * 512 * 1000));
static_assert(la::decode_flops<E2b>(999) == 2 * (la::prompt_multiply_adds<E2b>() + 262'144LL * 1536 +
                                                 la::attention_multiply_adds<E2b>(999)));

// A prompt of one token is a decoded token; each further one adds the owners' part only.
static_assert(la::prefill_flops<E2b>(1) == la::decode_flops<E2b>(0));
static_assert(la::prefill_flops<M26b>(1) == la::decode_flops<M26b>(0));
template <class V>
constexpr std::int64_t prefill_by_steps(std::int64_t tokens) {
  std::int64_t sum = la::decode_flops<V>(tokens - 1);
  for (std::int64_t position = 0; position + 1 < tokens; ++position) {
    sum += 2 * (la::owner_multiply_adds<V>() +
                la::attention_multiply_adds<V>(position, 0, la::first_reader<V>()));
  }
  return sum;
}
static_assert(la::prefill_flops<E2b>(700) == prefill_by_steps<E2b>(700));
static_assert(la::prefill_flops<M12b>(1100) == prefill_by_steps<M12b>(1100));

}  // namespace
