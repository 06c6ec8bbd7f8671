// SPDX-License-Identifier: Apache-2.0
// Choice of experts: softmax over all, the k most probable, renormalised, times their scales.
// Source: text-decoder.md §2.6.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/config.hpp>

namespace lamina {

/// One expert chosen for a token, and what its output is multiplied with.
struct RoutedExpert {
  std::uint32_t expert = 0;
  float weight = 0.0F;
};

/// Chooses the chosen.size() experts of largest logit, most probable first; of equal ones the lower index.
///
/// weight = p / Σ chosen p · scale. The softmax over all experts cancels in p / Σ p, so it runs over the
/// chosen only. The scale comes after renormalising and is not normalised again. If any logit is not finite,
/// all weights are NaN: whether its expert would have been chosen is not known.
///
/// Shapes    logits [X] · expert_scale [X] or null (all 1) · chosen [k]
/// Requires  1 <= k <= X
/// Cost      X · k comparisons at worst, k exponentials
inline void route(std::span<const float> logits, const float* expert_scale,
                  std::span<RoutedExpert> chosen) noexcept {
  std::size_t filled = 0;
  for (std::size_t x = 0; x < logits.size(); ++x) {
    // Insertion from the back: an equal logit stays behind the earlier expert. A NaN sinks below every
    // number.
    const bool room = filled < chosen.size();
    std::size_t place = room ? filled : chosen.size() - 1;
    const auto ahead = [&](std::size_t i) {
      const float other = logits[chosen[i].expert];
      return logits[x] > other || (std::isnan(other) && !std::isnan(logits[x]));
    };
    if (!room && !ahead(place)) continue;
    while (place > 0 && ahead(place - 1)) {
      chosen[place] = chosen[place - 1];
      --place;
    }
    chosen[place].expert = static_cast<std::uint32_t>(x);
    if (room) ++filled;
  }
  float sum = 0.0F;
  for (const float logit : logits) sum += logit * 0.0F;  // 0, or NaN
  const float largest = logits[chosen[0].expert];
  for (RoutedExpert& one : chosen) {
    one.weight = std::exp(logits[one.expert] - largest);
    sum += one.weight;
  }
  for (RoutedExpert& one : chosen) {
    one.weight = one.weight / sum * (expert_scale != nullptr ? expert_scale[one.expert] : 1.0F);
  }
}

}  // namespace lamina
