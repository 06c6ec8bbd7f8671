// SPDX-License-Identifier: Apache-2.0
// A program of three kinds of units: without kernels, compiled for one target, and for every target by the
// plain header of dispatch. The last must agree with the second on each target, and none may take over
// another.
//   link_plain_dispatch DEMO.gguf
#include <cmath>
#include <cstdio>
#include <string_view>
#include <vector>

#include <lamina/dispatch/dispatched.hpp>
#include <lamina/lamina.hpp>

#include "models/demo.hpp"

namespace {

using lamina::models::Demo;

/// The logits after a prompt, as `entry` computes them in float32; empty if it refuses.
std::vector<float> logits_of(const lamina::ModelEntry& entry, const char* path) {
  auto file = lamina::open_gguf(path);
  if (!file || !lamina::pack_weights(entry, *file)) return {};
  auto session = lamina::Session::create(
      entry, *file,
      {.context = 16, .precision = lamina::Precision::exact, .cache = lamina::CacheFormat::bf16});
  const lamina::TokenId tokens[] = {2, 300, 301, 302, 303};
  if (!session || !session->prompt(tokens)) return {};
  return {session->logits().begin(), session->logits().end()};
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const std::vector<float> fixed = logits_of(lamina::native::make_model_entry<Demo>(), arguments[1]);
  if (fixed.empty()) return 2;
  int failures = 0;
  std::size_t run = 0;
  for (const lamina::LevelEntry& level : lamina::dispatched_model<Demo>().levels) {
    const std::string_view name = name_of(level.level);
    if (!lamina::cpu_has(level.level)) continue;
    ++run;
    const lamina::ModelEntry& entry = lamina::dispatched<Demo>(level.level);
    const std::vector<float> got = logits_of(entry, arguments[1]);
    double largest = got.size() == fixed.size() ? 0 : 1e9;
    for (std::size_t i = 0; i < got.size() && largest < 1e9; ++i)
      largest = std::fmax(largest, std::fabs(double{got[i]} - double{fixed[i]}));
    std::printf("%.*s: target %s, logits differ by %g at most\n", static_cast<int>(name.size()), name.data(),
                entry.kernels().target, largest);
    // Keys may round to bf16 to the other side: 1.4e-3 was seen.
    failures += !(largest <= 4e-3);
  }
  return failures == 0 && run >= 2 ? 0 : 1;
}
