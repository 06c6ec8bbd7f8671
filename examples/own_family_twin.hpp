// SPDX-License-Identifier: Apache-2.0
// Gemma 3's text model in plain loops of doubles, to check a model type against: no code of the library but
// the reading of named tensors, which must be float32.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <lamina/core/types.hpp>
#include <lamina/weights/weight_file.hpp>

namespace own_family {

using Row = std::vector<double>;

class Twin {
 public:
  struct Shape {
    std::size_t heads;
    std::size_t head_dim;
    std::size_t window;
    std::size_t global_every;  ///< every sixth layer sees everything
  };

  Twin(const lamina::WeightFile& file, const Shape& shape)
      : file_(file), shape_(shape), hidden_(static_cast<std::size_t>(file.description.hidden)) {}

  /// Logits [vocab] after the last token.
  [[nodiscard]] Row logits_after(std::span<const lamina::TokenId> tokens) const {
    const Row embedding = tensor("token_embd.weight");
    std::vector<Row> stream;
    for (const lamina::TokenId token : tokens) {
      Row x(hidden_);
      for (std::size_t i = 0; i < hidden_; ++i)
        x[i] = embedding[static_cast<std::size_t>(token) * hidden_ + i] *
               std::sqrt(static_cast<double>(hidden_));
      stream.push_back(x);
    }
    for (int i = 0; i < file_.description.layer_count; ++i) {
      const std::string layer = "blk." + std::to_string(i) + ".";
      attention(layer, static_cast<std::size_t>(i + 1) % shape_.global_every == 0, stream);
      feed_forward(layer, stream);
    }
    return product(embedding, normed(stream.back(), tensor("output_norm.weight")));
  }

 private:
  [[nodiscard]] Row tensor(const std::string& name) const {
    const lamina::TensorView& found = *file_.find(name);
    std::vector<float> floats(found.bytes.size() / sizeof(float));
    std::memcpy(floats.data(), found.bytes.data(), found.bytes.size());
    return Row(floats.begin(), floats.end());
  }

  /// x / sqrt(mean(x²) + epsilon) · weight
  [[nodiscard]] static Row normed(Row x, const Row& weight) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double factor = 1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= factor * weight[i];
    return x;
  }

  [[nodiscard]] static Row product(const Row& matrix, const Row& x) {
    Row y(matrix.size() / x.size());
    for (std::size_t r = 0; r < y.size(); ++r)
      for (std::size_t c = 0; c < x.size(); ++c) y[r] += matrix[r * x.size() + c] * x[c];
    return y;
  }

  /// One head of a row, normed and turned: element i with element i + d/2 by position · base^(-2i/d).
  [[nodiscard]] Row turned(const Row& row, std::size_t head, const Row& weight, std::size_t position,
                           double base) const {
    const std::size_t d = shape_.head_dim;
    const auto first = row.begin() + static_cast<std::ptrdiff_t>(head * d);
    const Row x = normed(Row(first, first + static_cast<std::ptrdiff_t>(d)), weight);
    Row y = x;
    for (std::size_t i = 0; i < d / 2; ++i) {
      const double angle = static_cast<double>(position) *
                           std::pow(base, -2 * static_cast<double>(i) / static_cast<double>(d));
      y[i] = x[i] * std::cos(angle) - x[i + d / 2] * std::sin(angle);
      y[i + d / 2] = x[i + d / 2] * std::cos(angle) + x[i] * std::sin(angle);
    }
    return y;
  }

  void attention(const std::string& layer, bool global, std::vector<Row>& stream) const {
    const std::size_t d = shape_.head_dim;
    const double base = global ? 1e6 : 1e4;
    const Row q_weight = tensor(layer + "attn_q.weight");
    const Row q_norm = tensor(layer + "attn_q_norm.weight");
    const Row k_norm = tensor(layer + "attn_k_norm.weight");
    std::vector<Row> inputs, keys, values;
    for (std::size_t t = 0; t < stream.size(); ++t) {
      inputs.push_back(normed(stream[t], tensor(layer + "attn_norm.weight")));
      keys.push_back(turned(product(tensor(layer + "attn_k.weight"), inputs[t]), 0, k_norm, t, base));
      values.push_back(product(tensor(layer + "attn_v.weight"), inputs[t]));
    }
    const Row output = tensor(layer + "attn_output.weight");
    const Row post = tensor(layer + "post_attention_norm.weight");
    for (std::size_t t = 0; t < stream.size(); ++t) {
      const Row queries = product(q_weight, inputs[t]);
      const std::size_t first = global || t < shape_.window ? 0 : t + 1 - shape_.window;
      Row attended(shape_.heads * d);
      for (std::size_t head = 0; head < shape_.heads; ++head) {
        const Row q = turned(queries, head, q_norm, t, base);
        Row scores;
        for (std::size_t at = first; at <= t; ++at) {
          double score = 0;
          for (std::size_t i = 0; i < d; ++i) score += q[i] * keys[at][i];
          scores.push_back(score / std::sqrt(static_cast<double>(d)));
        }
        const double largest = *std::max_element(scores.begin(), scores.end());
        double sum = 0;
        for (double& score : scores) sum += score = std::exp(score - largest);
        for (std::size_t at = first; at <= t; ++at)
          for (std::size_t i = 0; i < d; ++i)
            attended[head * d + i] += scores[at - first] / sum * values[at][i];
      }
      add(stream[t], normed(product(output, attended), post));
    }
  }

  void feed_forward(const std::string& layer, std::vector<Row>& stream) const {
    const Row gate_weight = tensor(layer + "ffn_gate.weight");
    const Row up_weight = tensor(layer + "ffn_up.weight");
    const Row down_weight = tensor(layer + "ffn_down.weight");
    for (Row& x : stream) {
      const Row n = normed(x, tensor(layer + "ffn_norm.weight"));
      Row gate = product(gate_weight, n);
      const Row up = product(up_weight, n);
      for (std::size_t i = 0; i < gate.size(); ++i) {
        const double z = gate[i];
        const double inner = std::sqrt(2 / 3.14159265358979323846) * (z + 0.044715 * z * z * z);
        gate[i] = 0.5 * z * (1 + std::tanh(inner)) * up[i];
      }
      add(x, normed(product(down_weight, gate), tensor(layer + "post_ffw_norm.weight")));
    }
  }

  static void add(Row& x, const Row& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  const lamina::WeightFile& file_;
  Shape shape_;
  std::size_t hidden_;
};

}  // namespace own_family
