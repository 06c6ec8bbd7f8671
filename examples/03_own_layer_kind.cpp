// SPDX-License-Identifier: Apache-2.0
// Own layer kinds: attention that sees its own block of tokens only, and a feed-forward block with squared
// ReLU. An attention kind needs facts alone; a feed-forward kind needs its weights and one kernel.
#include <cstdio>

#include <lamina/lamina.hpp>
#include <lamina/testing/random_weights.hpp>

#include "print_error.hpp"

namespace shop {

/// A token sees the tokens of its own block of `shape.window`, up to itself.
template <lamina::AttnShape S>
struct BlockAttention {
  static constexpr lamina::AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr lamina::KeyRange visible(std::uint32_t position) {
    return {position / S.window * S.window, position + 1};
  }
};
static_assert(lamina::AttentionKind<
              BlockAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8}>>);

/// x += W_down(max(0, W_up x)²), without norms.
template <int Width>
struct SquaredRelu {
  static constexpr int width = Width;
};

struct SquaredReluWeights {
  lamina::Linear up;    ///< [Width, D]
  lamina::Linear down;  ///< [D, Width]
};

}  // namespace shop

template <int Width>
struct lamina::Slots<shop::SquaredRelu<Width>> {
  using Weights = shop::SquaredReluWeights;
  static constexpr std::array<Slot<Weights>, 2> list(const Dims& dims) {
    return {{{&Weights::up, "relu_up.weight", Width, dims.hidden},
             {&Weights::down, "relu_down.weight", dims.hidden, Width}}};
  }
};

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
template <int Width>
struct FfnKernel<shop::SquaredRelu<Width>> {
  static void run(Pass& pass, const shop::SquaredReluWeights& weights) noexcept {
    Workspace& work = pass.work;
    ProductInput input(pass, work.codes, work.stream, pass.rows, pass.hidden, pass.hidden);
    multiply(pass, input, {{weights.up, work.gate, Width}});
    for (std::size_t i = 0; i < std::size_t{pass.rows} * Width; ++i) {
      const float positive = work.gate[i] < 0.0F ? 0.0F : work.gate[i];  // a NaN stays one: the pass ends
      work.gate[i] = positive * positive;
    }
    ProductInput hidden(pass, work.codes, work.gate, pass.rows, Width, Width);
    multiply(pass, hidden, {{weights.down, work.branch, pass.hidden}});
    add(work.stream, work.branch, std::size_t{pass.rows} * pass.hidden);
  }
};
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

namespace shop {
struct Model {
  static constexpr std::string_view name = "shop-model";
  static constexpr lamina::Dims dims{.hidden = 64, .vocab = 256, .max_context = 512};
  using Near = BlockAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8}>;
  using Far = lamina::GlobalAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 32}>;
  using Layers = lamina::Schedule<lamina::Repeat<3, lamina::Layer<Near, SquaredRelu<128>>>,
                                  lamina::Layer<Far, lamina::DenseFfn<96>>>;
};
static_assert(lamina::layer_count<Model> == 4 && lamina::distinct_layers<Model> == 2);
}  // namespace shop

int main() {
  const lamina::WeightFile weights = lamina::testing::random_weights<shop::Model>(lamina::Format::q8_0, 1);
  auto session =
      lamina::Session::create(lamina::native::make_model_entry<shop::Model>(), weights, {.context = 64});
  if (!session) return print_error(session.error());
  const auto logits = session->step(7);
  if (!logits) return print_error(logits.error());
  std::printf("logit of token 0: %.3f\n", static_cast<double>((*logits)[0]));
}
