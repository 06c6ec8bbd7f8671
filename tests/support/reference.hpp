// SPDX-License-Identifier: Apache-2.0
// Reference results: JSON cases and named float arrays of the golden folders, and error measures against
// them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/golden.hpp"

/// A parsed JSON file; discarded if it is missing or broken (tests REQUIRE that it is not).
inline nlohmann::json read_json(const std::string& path) {
  return nlohmann::json::parse(read_bytes(path), nullptr, false);
}

/// Named arrays of a trusted safetensors file, for tests only.
class ReferenceArrays {
 public:
  explicit ReferenceArrays(const std::string& path) : bytes_(read_bytes(path)) {
    std::uint64_t header = 0;
    if (bytes_.size() < sizeof header) return;
    std::memcpy(&header, bytes_.data(), sizeof header);
    data_ = sizeof header + static_cast<std::size_t>(header);
    index_ =
        nlohmann::json::parse(bytes_.substr(sizeof header, static_cast<std::size_t>(header)), nullptr, false);
  }

  [[nodiscard]] bool valid() const { return index_.is_object(); }
  [[nodiscard]] const nlohmann::json& index() const { return index_; }
  [[nodiscard]] std::size_t rows(const std::string& name) const {
    return index_[name]["shape"][0].get<std::size_t>();
  }

  /// All elements of an array of 4-byte elements.
  template <class T>
  [[nodiscard]] std::vector<T> get(const std::string& name) const {
    const auto begin = index_[name]["data_offsets"][0].get<std::size_t>();
    const auto end = index_[name]["data_offsets"][1].get<std::size_t>();
    std::vector<T> values((end - begin) / sizeof(T));
    std::memcpy(values.data(), bytes_.data() + data_ + begin, end - begin);
    return values;
  }

 private:
  std::string bytes_;
  std::size_t data_ = 0;
  nlohmann::json index_;
};

/// How far two arrays are apart. A NaN or a difference in size counts as infinitely far.
struct Distance {
  double largest = 0.0;
  double rms = 0.0;
};

inline Distance distance(std::span<const float> got, std::span<const float> want) {
  Distance result;
  if (got.size() != want.size() || got.empty()) return {INFINITY, INFINITY};
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::fabs(double{got[i]} - double{want[i]});
    if (!(difference < INFINITY)) return {INFINITY, INFINITY};
    result.largest = std::max(result.largest, difference);
    result.rms += difference * difference;
  }
  result.rms = std::sqrt(result.rms / static_cast<double>(got.size()));
  return result;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Mean over rows of KL(softmax(want) || softmax(got)), natural logarithm.
inline double mean_kl(std::span<const float> got, std::span<const float> want, std::size_t vocab) {
  const auto log_sum = [](std::span<const float> row) {
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0.0;
    for (const float value : row) sum += std::exp(value - largest);
    return largest + std::log(sum);
  };
  double total = 0.0;
  for (std::size_t begin = 0; begin < want.size(); begin += vocab) {
    const auto want_row = want.subspan(begin, vocab);
    const auto got_row = got.subspan(begin, vocab);
    const double want_sum = log_sum(want_row);
    const double got_sum = log_sum(got_row);
    for (std::size_t i = 0; i < vocab; ++i) {
      const double log_p = want_row[i] - want_sum;
      total += std::exp(log_p) * (log_p - (got_row[i] - got_sum));
    }
  }
  return total / (static_cast<double>(want.size()) / static_cast<double>(vocab));
}
