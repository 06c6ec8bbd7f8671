// SPDX-License-Identifier: Apache-2.0
// Slots against text-decoder.md §3.3 (rows), §3.4 (counts), §1.1 and weight-files.md §2.3 (totals), §3.6
// (shapes, counts).

#include "published.hpp"

namespace {

using namespace published;

// --- Attention rows, §3.3: local q, local k and v, global q, global k, global v ---

template <class V, int Local, int Global>
constexpr bool rows_are(int local_q, int local_kv, int global_q, int global_k, int global_v) {
  return rows_of<V, Local>("attn_q.weight") == local_q && rows_of<V, Local>("attn_k.weight") == local_kv &&
         rows_of<V, Local>("attn_v.weight") == local_kv && rows_of<V, Global>("attn_q.weight") == global_q &&
         rows_of<V, Global>("attn_k.weight") == global_k && rows_of<V, Global>("attn_v.weight") == global_v &&
         rows_of<V, Local>("attn_output.weight") == V::dims.hidden;
}
static_assert(rows_are<E2b, 0, 4>(2048, 256, 4096, 512, 512));
static_assert(rows_are<E4b, 0, 5>(2048, 512, 4096, 1024, 1024));
static_assert(rows_are<M12b, 0, 5>(4096, 2048, 8192, 512, 0));
static_assert(rows_are<M26b, 0, 5>(4096, 2048, 8192, 1024, 0));
static_assert(rows_are<M31b, 0, 5>(8192, 4096, 16'384, 2048, 0));

// Shared layers have queries, no keys, values or key norms.
static_assert(rows_of<E2b, 15>("attn_q.weight") == 2048 && rows_of<E2b, 15>("attn_k.weight") == 0 &&
              rows_of<E2b, 15>("attn_v.weight") == 0 && rows_of<E2b, 15>("attn_k_norm.weight") == 0 &&
              rows_of<E2b, 15>("attn_q_norm.weight") == 1);

// --- Feed-forward and per-layer rows, weight-files.md §3.6 ---

static_assert(rows_of<E2b, 14>("ffn_gate.weight") == 6144 && rows_of<E2b, 15>("ffn_gate.weight") == 12'288);
static_assert(rows_of<E2b, 0>("inp_gate.weight") == 256 && rows_of<E2b, 0>("proj.weight") == 1536);
static_assert(rows_of<M26b, 0>("ffn_gate_inp.weight") == 128 &&
              rows_of<M26b, 0>("ffn_gate_up_exps.weight") == 1408 &&
              rows_of<M26b, 0>("ffn_down_exps.weight") == 2816 &&
              rows_of<M26b, 0>("ffn_gate.weight") == 2112);

// --- Tensors, §3.4: GGUF has rope_freqs besides; first-generation files have the unused keys and values too
// ---

static_assert(la::tensor_count<E2b>() - 1 == 540 && la::tensor_count<E4b>() - 1 == 665);
static_assert(la::tensor_count<M12b>() - 1 == 666 && la::tensor_count<M26b>() - 1 == 657 &&
              la::tensor_count<M31b>() - 1 == 832);
constexpr la::WeightTotals ghosts_e2b = la::ghost_totals<E2b>(la::Format::bf16);
constexpr la::WeightTotals ghosts_e4b = la::ghost_totals<E4b>(la::Format::bf16);
static_assert(la::tensor_count<E2b>() + ghosts_e2b.tensors == 601);
static_assert(la::tensor_count<E4b>() + ghosts_e4b.tensors == 720);
static_assert(la::ghost_totals<M12b>(la::Format::bf16) == la::WeightTotals{});
static_assert(ghosts_e2b.parameters == 18'880'512 &&
              ghosts_e4b.parameters == 55'055'616);  // 18.88 M, 55.06 M

// Vectors and router against matrices, weight-files.md §3.6.
static_assert(vector_count<E2b>() == 263 && la::tensor_count<E2b>() - vector_count<E2b>() == 278);
static_assert(vector_count<E4b>() == 321 && la::tensor_count<E4b>() - vector_count<E4b>() == 345);
static_assert(vector_count<M12b>() == 338 && la::tensor_count<M12b>() - vector_count<M12b>() == 329);
static_assert(vector_count<M26b>() == 392 && la::tensor_count<M26b>() - vector_count<M26b>() == 266);
static_assert(vector_count<M31b>() == 422 && la::tensor_count<M31b>() - vector_count<M31b>() == 411);

// --- Parameters, weight-files.md §2.3 (with 256 rotation factors; E2B and E4B with ghosts) and
// text-decoder.md §1.1 ---

static_assert(la::parameter_count<E2b>() + ghosts_e2b.parameters == 4'647'450'147);
static_assert(la::parameter_count<E4b>() + ghosts_e4b.parameters == 7'518'069'290);
static_assert(la::parameter_count<M12b>() == 11'907'350'576);
static_assert(la::parameter_count<M26b>() == 25'233'142'046);
static_assert(la::parameter_count<M31b>() == 30'697'345'596);
constexpr std::int64_t rounded_millions(std::int64_t count) { return (count + 500'000) / 1'000'000; }
static_assert(rounded_millions(la::parameter_count<E2b>()) == 4629);
static_assert(rounded_millions(la::parameter_count<E4b>()) == 7463);
static_assert(rounded_millions(la::parameter_count<M12b>()) == 11'907);
static_assert(rounded_millions(la::parameter_count<M26b>()) == 25'233);
static_assert(rounded_millions(la::parameter_count<M31b>()) == 30'697);

// The per-layer table of E2B, 2.349 G weights, is read one row per token.
constexpr auto table_f32_rest_f16 = [](const la::WeightFact& weight) {
  return weight.use == la::SlotUse::table ? la::Format::f32 : la::Format::f16;
};
constexpr auto all_f16 = [](const la::WeightFact&) { return la::Format::f16; };
static_assert(rounded_millions((la::weight_bytes<E2b>(table_f32_rest_f16) - la::weight_bytes<E2b>(all_f16)) /
                               2) == 2349);
static_assert(la::active_weight_bytes<E2b>(table_f32_rest_f16) - la::active_weight_bytes<E2b>(all_f16) ==
              2 * 8960);
static_assert(la::weight_bytes<E2b>(la::UniformFormat{la::Format::f32}) ==
              4 * la::parameter_count<E2b>());  // nothing counted twice, nothing left out

// Active parameters of 26B-A4B, about 3.82 G with the head.
static_assert(la::active_weight_bytes<M26b>(all_f16) / 2 / 10'000'000 == 382);

// --- Bytes ---

// One encoding for all matrices, float32 for vectors (well under a million of them).
static_assert(la::weight_bytes<M12b, la::Format::bf16>() < 2 * la::parameter_count<M12b>() + 4 * 1'000'000 &&
              la::weight_bytes<M12b, la::Format::bf16>() > 2 * la::parameter_count<M12b>());

// Rows that are no whole number of blocks fall back as in published files (26B: 2112 and 704 against 256).
static_assert(la::stored_format(la::Format::q4_k, 704) == la::Format::q5_0);
static_assert(la::stored_format(la::Format::q6_k, 2112) == la::Format::q8_0);
static_assert(la::stored_format(la::Format::q5_k, 2112) == la::Format::q5_1);
static_assert(la::stored_format(la::Format::iq4_xs, 704) == la::Format::iq4_nl);
static_assert(la::stored_format(la::Format::q3_k, 704) == la::Format::q4_0);
static_assert(la::stored_format(la::Format::q4_k, 2816) == la::Format::q4_k);
static_assert(la::stored_format(la::Format::q4_0, 16) == la::Format::f16);

}  // namespace
