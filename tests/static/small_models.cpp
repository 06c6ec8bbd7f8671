// SPDX-License-Identifier: Apache-2.0
// The small models against their files: tensors in the GGUF files, and the layer patterns of their
// configurations.

#include <cstdint>
#include <string_view>

#include <lamina/schedule.hpp>

#include "models/assistant_31b.hpp"
#include "models/assistant_e2b.hpp"
#include "models/demo.hpp"
#include "models/q_dense.hpp"
#include "models/q_e2b.hpp"
#include "models/q_moe.hpp"
#include "models/tiny_12b.hpp"
#include "models/tiny_26b_a4b.hpp"
#include "models/tiny_31b.hpp"
#include "models/tiny_e2b.hpp"
#include "models/tiny_e4b.hpp"
#include "models/vision_e2b.hpp"
#include "models/vision_moe.hpp"
#include "models/vision_unified.hpp"

namespace {

namespace la = lamina;
using namespace la::models;

// --- Tensors and parameters in golden/**/*.gguf ---

template <class V>
constexpr bool file_holds(std::int64_t tensors, std::int64_t parameters, bool ghosts = false) {
  const la::WeightTotals unused = ghosts ? la::ghost_totals<V>(la::Format::f32) : la::WeightTotals{};
  return la::tensor_count<V>() + unused.tensors == tensors &&
         la::parameter_count<V>() + unused.parameters == parameters;
}
static_assert(file_holds<TinyE2b>(176, 364'138, true));  // has the unused keys and values of shared layers
static_assert(file_holds<TinyE4b>(195, 393'420));
static_assert(file_holds<Tiny12b>(169, 269'852));
static_assert(file_holds<Tiny26bA4b>(134, 524'646));
static_assert(file_holds<Tiny31b>(169, 429'596));
static_assert(file_holds<QE2b>(54, 2'429'891));
static_assert(file_holds<QDense>(30, 887'618));
static_assert(file_holds<QMoe>(46, 2'070'856));
static_assert(file_holds<Demo>(161, 2'391'050));
static_assert(!file_holds<TinyE2b>(176, 364'138));  // the comparison can fail

// --- Layer patterns: L local, G global; lower case shares keys and values ---

template <class V>
constexpr bool pattern_is(std::string_view pattern) {
  const la::ModelDescription model = la::describe<V>();
  if (static_cast<std::size_t>(model.layer_count) != pattern.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const la::LayerDescription& layer = model.layers[i];
    const bool local = layer.attention == la::AttentionClass::local;
    const char letter = local ? (layer.owns_kv ? 'L' : 'l') : (layer.owns_kv ? 'G' : 'g');
    if (letter != pattern[i]) return false;
  }
  return true;
}
static_assert(pattern_is<TinyE2b>("LLLLGllllg") && pattern_is<AssistantE2b>("LLLLGllllg") &&
              pattern_is<Demo>("LLLLGllllg"));
static_assert(pattern_is<TinyE4b>("LLLLLGLllllg"));
static_assert(pattern_is<Tiny12b>("LLLLLGLLLLLG") && pattern_is<Tiny31b>("LLLLLGLLLLLG"));
static_assert(pattern_is<Tiny26bA4b>("LLLLLG") && pattern_is<Assistant31b>("LLLLLG"));
static_assert(pattern_is<VisionMoe>("LLGLLG") && pattern_is<VisionUnified>("LLGLLG"));
static_assert(pattern_is<QE2b>("LGg") && pattern_is<QDense>("LG") && pattern_is<QMoe>("LG"));
static_assert(!pattern_is<QE2b>("LGG"));  // the comparison can fail

// --- Owners where the pattern is not that of a published model ---

static_assert(la::kv_owner<TinyE4b>(7) == 6 && la::kv_owner<TinyE4b>(11) == 5 &&
              la::first_reader<TinyE4b>() == 7);
static_assert(la::kv_owner<QE2b>(2) == 1 && la::first_reader<QE2b>() == 2 && la::distinct_layers<QE2b> == 3);

// --- Widths that differ inside a model ---

static_assert(la::describe<Demo>().layers[4].ffn_width == 256 &&
              la::describe<Demo>().layers[5].ffn_width == 512);
static_assert(la::describe<AssistantE2b>().layers[0].ffn_width == 96);
static_assert(la::describe<Tiny26bA4b>().layers[0].experts == 8 &&
              la::describe<QMoe>().layers[0].experts == 3);

// Equal structure, equal type: the picture data needs no model of its own.
static_assert(la::describe<VisionE2b>().same_structure(la::describe<AssistantE2b>()));
static_assert(!la::describe<TinyE2b>().same_structure(la::describe<AssistantE2b>()));

}  // namespace
