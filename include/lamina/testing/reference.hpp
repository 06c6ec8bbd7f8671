// SPDX-License-Identifier: Apache-2.0
// Plain C++ twins of the vector kernels, in double precision: the oracle of the tests.
// Source: text-decoder.md §0, §2.4 to §2.8.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <lamina/core/config.hpp>

namespace lamina::reference {

/// Normalises x [n] in double precision; see `rms_norm`.
template <class T>
std::vector<double> rms_norm(const T* x, const std::type_identity_t<T>* weight, std::size_t n,
                             double epsilon) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const double factor = 1.0 / std::sqrt(sum / static_cast<double>(n) + epsilon);
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = static_cast<double>(x[i]) * factor * (weight != nullptr ? static_cast<double>(weight[i]) : 1.0);
  }
  return out;
}

/// Turns the first `pairs` pairs of one head x [head_dim] by angles [pairs] in double precision; see
/// `rotate_heads`.
template <class T>
std::vector<double> rotate(const T* x, std::size_t head_dim, std::size_t pairs, const double* angles) {
  std::vector<double> out(x, x + head_dim);
  for (std::size_t i = 0; i < pairs; ++i) {
    const double low = static_cast<double>(x[i]);
    const double high = static_cast<double>(x[i + head_dim / 2]);
    out[i] = low * std::cos(angles[i]) - high * std::sin(angles[i]);
    out[i + head_dim / 2] = high * std::cos(angles[i]) + low * std::sin(angles[i]);
  }
  return out;
}

/// gelu_tanh(z) = 0.5 z (1 + tanh(√(2/π) (z + 0.044715 z³))), as z times a logistic function so that large
/// negative z keep their digits.
inline double gelu_tanh(double z) {
  const double u = std::sqrt(2.0 / 3.14159265358979323846) * (z + 0.044715 * z * z * z);
  return z / (1.0 + std::exp(-2.0 * u));
}

/// Softmax of z [n].
inline std::vector<double> softmax(const double* z, std::size_t n) {
  const double largest = *std::max_element(z, z + n);
  std::vector<double> out(n);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += out[i] = std::exp(z[i] - largest);
  for (double& value : out) value /= sum;
  return out;
}

/// Attention of one query vector q [head_dim] over `count` keys and values [count, head_dim], scale 1; see
/// `attend`.
inline std::vector<double> attend(const double* q, const double* keys, const double* values,
                                  std::size_t count, std::size_t head_dim) {
  std::vector<double> out(head_dim, 0.0);
  if (count == 0) return out;
  std::vector<double> scores(count, 0.0);
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t i = 0; i < head_dim; ++i) scores[k] += q[i] * keys[k * head_dim + i];
  }
  const std::vector<double> weights = softmax(scores.data(), count);
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t i = 0; i < head_dim; ++i) out[i] += weights[k] * values[k * head_dim + i];
  }
  return out;
}

/// Router weights by the book: softmax over all logits [experts], top `count`, renormalise, scale; see
/// `route`. Returns [count] pairs of index and weight, most probable first, ties to the lower index.
struct Routed {
  std::size_t expert;
  double weight;
};
inline std::vector<Routed> route(const float* logits, const float* scale, std::size_t experts,
                                 std::size_t count) {
  const std::vector<double> wide(logits, logits + experts);
  const std::vector<double> p = softmax(wide.data(), experts);
  std::vector<Routed> all(experts);
  for (std::size_t x = 0; x < experts; ++x) all[x] = {x, p[x]};
  std::stable_sort(all.begin(), all.end(),
                   [](const Routed& a, const Routed& b) { return a.weight > b.weight; });
  all.resize(count);
  double sum = 0.0;
  for (const Routed& one : all) sum += one.weight;
  for (Routed& one : all) {
    one.weight = one.weight / sum * (scale != nullptr ? static_cast<double>(scale[one.expert]) : 1.0);
  }
  return all;
}

}  // namespace lamina::reference
