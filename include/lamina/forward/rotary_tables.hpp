// SPDX-License-Identifier: Apache-2.0
// Rotation frequencies of a model's attention kinds, one table for kinds that rotate alike.
// Source: text-decoder.md §2.4.1, weight-files.md §3.5 (a file's own divisors).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/rows/rope.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/schedule/variant.hpp>

namespace lamina {

/// How an attention kind rotates: what its frequencies depend on.
struct Rotation {
  bool windowed = false;  ///< layers with a window have their own base in descriptions, and no divisors
  float base = 0.0F;      ///< as the kind states it; 0: that of the model's description
  std::uint32_t head_dim = 0;
  std::uint32_t pairs = 0;
  friend constexpr bool operator==(const Rotation&, const Rotation&) = default;
};

/// Frequencies, and room for the angles of a pass, of all rotations in a model.
template <Variant V>
class RotaryTables {
  static constexpr auto kinds = static_cast<std::size_t>(distinct_layers<V>);
  static constexpr std::array<Rotation, kinds> rotation_of_kind = []<class... Kinds>(TypeList<Kinds...>) {
    return std::array<Rotation, kinds>{
        Rotation{Kinds::attention::shape.window > 0, rope_base_of<typename Kinds::attention>(),
                 static_cast<std::uint32_t>(Kinds::attention::shape.head_dim),
                 static_cast<std::uint32_t>(rotary_pairs_of<typename Kinds::attention>())}...};
  }(kinds_of<V>{});

 public:
  /// Per layer kind: index of its table. Kinds with the same rotation share the first one's.
  static constexpr std::array<std::size_t, kinds> table_of_kind = [] {
    std::array<std::size_t, kinds> tables{};
    std::size_t count = 0;
    for (std::size_t k = 0; k < kinds; ++k) {
      const auto same =
          std::find(rotation_of_kind.begin(), rotation_of_kind.begin() + k, rotation_of_kind[k]);
      const auto earlier = static_cast<std::size_t>(same - rotation_of_kind.begin());
      tables[k] = earlier < k ? tables[earlier] : count++;
    }
    return tables;
  }();
  static constexpr std::size_t table_count =
      *std::max_element(table_of_kind.begin(), table_of_kind.end()) + 1;

  /// Takes room for the frequencies from `arena` and fills them; `factors` are the file's divisors for layers
  /// without a window, or null.
  ///
  /// Errors   bad_file (a divisor that is not positive), unsupported (the file rotates pairs that the kind
  ///          does not)
  [[nodiscard]] Status take_frequencies(const ModelDescription& model, const WeightMatrix& factors,
                                        Arena& arena) noexcept {
    for (std::size_t k = 0; k < kinds; ++k) {
      if (!is_first(k)) continue;
      const Rotation& rotation = rotation_of_kind[k];
      RotaryRows& table = tables_[table_of_kind[k]];
      table.pairs = rotation.pairs;
      table.frequencies = arena.take<float>(rotation.pairs).data();
      if (table.frequencies == nullptr) continue;  // too small: the caller checks
      const float* divisors = !rotation.windowed && factors ? factors.f32() : nullptr;
      if (divisors != nullptr) LAMINA_TRY(check_divisors({divisors, factors.columns}, rotation.pairs));
      const float described = rotation.windowed ? model.rope_base_local : model.rope_base_global;
      const float base = rotation.base > 0.0F ? rotation.base : described;
      rope_frequencies(table.frequencies, static_cast<int>(rotation.pairs),
                       static_cast<int>(rotation.head_dim), double{base}, 1.0, divisors);
    }
    return Done{};
  }

  /// Takes from a measuring arena what `take_frequencies` takes from a real one.
  static constexpr void measure_frequencies(Arena& arena) noexcept {
    for (std::size_t k = 0; k < kinds; ++k) {
      if (is_first(k)) static_cast<void>(arena.take<float>(rotation_of_kind[k].pairs));
    }
  }

  /// Takes room from `arena` for the angles of a pass of `rows` rows. Over a measuring arena only counts.
  constexpr void take_angles(std::size_t rows, Arena& arena) noexcept {
    for (std::size_t k = 0; k < kinds; ++k) {
      RotaryRows& table = tables_[table_of_kind[k]];
      if (!is_first(k)) continue;
      table.cosines = arena.take_untouched<float>(rows * rotation_of_kind[k].pairs).data();
      table.sines = arena.take_untouched<float>(rows * rotation_of_kind[k].pairs).data();
    }
  }

  [[nodiscard]] std::span<const RotaryRows> tables() const noexcept { return tables_; }

 private:
  /// Whether no earlier kind has the table of kind `k`.
  static constexpr bool is_first(std::size_t k) noexcept {
    return std::find(table_of_kind.begin(), table_of_kind.begin() + k, table_of_kind[k]) ==
           table_of_kind.begin() + k;
  }

  static Status check_divisors(std::span<const float> divisors, std::size_t pairs) noexcept {
    // Files switch a pair off by dividing by 1e30; from 1e20 on an angle stays under 1e-9 at any position.
    constexpr float off = 1e20F;
    for (std::size_t i = 0; i < divisors.size(); ++i) {
      if (!(divisors[i] > 0.0F)) {
        return Error{ErrorCode::bad_file,
                     "rope_freqs.weight",
                     text("divisor %zu is not positive", i),
                     "above 0",
                     text("%g", double{divisors[i]}),
                     ""};
      }
      if (i >= pairs && divisors[i] < off) {
        return Error{ErrorCode::unsupported,
                     "rope_freqs.weight",
                     "the file rotates more pairs than the model type",
                     text("%zu pairs", pairs),
                     text("divisor %zu is %g", i, double{divisors[i]}),
                     "define a kind with more `rotary_pairs`"};
      }
    }
    return Done{};
  }

  std::array<RotaryRows, table_count> tables_{};
};

}  // namespace lamina
