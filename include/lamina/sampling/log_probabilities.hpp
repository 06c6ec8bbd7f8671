// SPDX-License-Identifier: Apache-2.0
// How likely the model thought tokens, before anything filters them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <lamina/core/types.hpp>

namespace lamina {

/// A token and the natural logarithm of its probability.
struct TokenLogProbability {
  TokenId id = 0;
  double log_probability = 0;
};

/// What was drawn, and the likeliest tokens at its place: likeliest first, equal ones by id.
struct TokenChoice {
  TokenLogProbability chosen;
  std::vector<TokenLogProbability> likeliest;
};

/// The probabilities of one row of logits. Logits that are not numbers count as minus infinity.
///
/// Requires  `chosen` < logits.size()
/// Cost      two passes over the logits
[[nodiscard]] inline TokenChoice log_probabilities(std::span<const float> logits, TokenId chosen,
                                                   std::size_t likeliest) {
  const auto before = [&](TokenId a, TokenId b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  };
  std::vector<TokenId> best;
  float top = -INFINITY;
  for (TokenId id = 0; id < logits.size(); ++id) {
    if (!(logits[id] > -INFINITY)) continue;
    top = std::max(top, logits[id]);
    if (best.size() == likeliest && (likeliest == 0 || !before(id, best.back()))) continue;
    if (best.size() == likeliest) best.pop_back();
    best.insert(std::upper_bound(best.begin(), best.end(), id, before), id);
  }
  double sum = 0;
  for (const float logit : logits) {
    if (logit > -INFINITY) sum += std::exp(double{logit} - double{top});
  }
  const double total = double{top} + std::log(sum);
  TokenChoice out;
  out.chosen = {chosen, double{logits[chosen]} - total};
  for (const TokenId id : best) out.likeliest.push_back({id, double{logits[id]} - total});
  return out;
}

}  // namespace lamina
