// SPDX-License-Identifier: Apache-2.0
// An application that chooses the code of its model by CPU: prints the target of each level and a logit.
#include <cmath>
#include <cstdio>

#include <lamina/dispatch/dispatched.hpp>
#include <lamina/session.hpp>
#include <lamina/testing/random_weights.hpp>

#include "parrot.hpp"

#if defined(HWY_HIGHWAY_INCLUDED)
#error "lamina/dispatch/dispatched.hpp must not show Highway"
#endif

int main() {
  for (const lamina::LevelEntry& level : lamina::dispatched_model<shop::Parrot>().levels) {
    if (!lamina::cpu_has(level.level)) continue;
    const lamina::ModelEntry& model = lamina::dispatched<shop::Parrot>(level.level);
    lamina::WeightFile file = lamina::testing::random_weights<shop::Parrot>(lamina::Format::q8_0, 1);
    if (!lamina::pack_weights(model, file)) return 1;
    auto session = lamina::Session::create(model, file, {.context = 16});
    const lamina::TokenId tokens[] = {1, 2, 3};
    if (!session || !session->prompt(tokens)) return 2;
    const float logit = session->logits()[0];
    if (!std::isfinite(logit)) return 3;
    std::printf("target %s: %f\n", model.kernels().target, double{logit});
  }
}
