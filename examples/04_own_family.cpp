// SPDX-License-Identifier: Apache-2.0
// Another family of models as types: the text model of Gemma 3 at 270M. Its attention has no value norm,
// scales its queries, rotates all pairs and knows its own base; nothing is capped at the end. No kernel is
// needed. A small model of the same build is checked against plain loops; the large one is for a file.
//
// GGUF files of Gemma 3 hold norm weights with the 1 of Gemma's (1 + w) added: RMS(x) · w is right for them.
#include <cmath>
#include <cstdio>
#include <vector>

#include <lamina/lamina.hpp>
#include <lamina/testing/random_weights.hpp>

#include "own_family_twin.hpp"
#include "print_error.hpp"

namespace gemma3 {

constexpr float inverse_root(int square) {
  int root = 1;
  while (root * root < square) ++root;
  return 1.0F / static_cast<float>(root);
}

/// Gemma 3's attention, with a window or without.
template <lamina::AttnShape S>
struct Attention {
  static constexpr lamina::AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr bool value_norm = false;
  static constexpr float query_scale = inverse_root(S.head_dim);
  static constexpr float rope_base = S.window > 0 ? 1e4F : 1e6F;
};

template <int Heads, int HeadDim, int Window, int Width>
struct Blocks {
  template <int W>
  using Attends =
      Attention<lamina::AttnShape{.heads = Heads, .kv_heads = 1, .head_dim = HeadDim, .window = W}>;
  using Local = lamina::Layer<Attends<Window>, lamina::DenseFfn<Width>>;
  using Global = lamina::Layer<Attends<0>, lamina::DenseFfn<Width>>;
};

struct Text270m : Blocks<4, 256, 512, 2048> {
  static constexpr std::string_view name = "gemma3-270m";
  static constexpr lamina::Dims dims{.hidden = 640, .vocab = 262'144, .max_context = 32'768};
  static constexpr float final_softcap = 0;
  using Layers = lamina::Schedule<lamina::Repeat<3, lamina::Repeat<5, Local>, Global>>;
};
static_assert(lamina::layer_count<Text270m> == 18 && lamina::distinct_layers<Text270m> == 2);
// Gemma 3 has no factor per layer and no divisors of its frequencies, which slots offer: 18 and 128 less.
static_assert(lamina::parameter_count<Text270m>() - 18 - 128 == 268'098'176);

/// The same build, small enough for plain loops.
struct Small : Blocks<4, 16, 24, 96> {
  static constexpr std::string_view name = "gemma3-small";
  static constexpr lamina::Dims dims{.hidden = 64, .vocab = 320, .max_context = 512};
  static constexpr float final_softcap = 0;
  using Layers = lamina::Schedule<lamina::Repeat<5, Local>, Global, Local>;
};

}  // namespace gemma3

int main() {
  lamina::WeightFile weights = lamina::testing::random_weights<gemma3::Small>(lamina::Format::f32, 7);
  std::erase_if(weights.tensors,
                [](const auto& tensor) { return tensor.name.ends_with("output_scale.weight"); });
  // Longer than the window, and than the ring that holds it.
  std::vector<lamina::TokenId> tokens(200);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<lamina::TokenId>((i * i * 31 + 7) % 320);

  auto session = lamina::Session::create(lamina::native::make_model_entry<gemma3::Small>(), weights,
                                         {.context = 256,
                                          .chunk = 48,
                                          .precision = lamina::Precision::exact,
                                          .cache = lamina::CacheFormat::f32});
  if (!session) return print_error(session.error());
  if (const auto done = session->prompt(tokens); !done) return print_error(done.error());

  const own_family::Twin twin{weights, {.heads = 4, .head_dim = 16, .window = 24, .global_every = 6}};
  const std::vector<double> expected = twin.logits_after(tokens);
  double error = 0;
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error = std::fmax(error, std::fabs(double{session->logits()[i]} - expected[i]));
    largest = std::fmax(largest, std::fabs(expected[i]));
  }
  std::printf("gemma3-small: largest logit %.3f, largest difference from plain loops %.2g\n", largest, error);
  return error <= 1e-5 * largest ? 0 : 1;
}
