// SPDX-License-Identifier: Apache-2.0
// Facts of an encoder type as constexpr functions: weights and operations.
#pragma once

#include <cstdint>

#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/weight_totals.hpp>

namespace lamina {

/// All sums of a file with every matrix of an encoder in one encoding, the ranges of clipped matrices
/// included (four numbers each). `multiply_adds` are those of one row each.
template <Encoder E>
constexpr WeightTotals encoder_totals(const EncoderSizes& sizes, Format format) {
  WeightTotals sum;
  visit_encoder_slots<E>(sizes, [&](int layer, const auto& slots, bool clipped) {
    sum += detail::total_of(slots, layer, 1, UniformFormat{format});
    for (const auto& slot : slots) {
      if (!clipped || slot.use != SlotUse::matrix) continue;
      constexpr std::int64_t numbers = 4;
      sum += {numbers, numbers, numbers * std::int64_t{sizeof(float)}, 0, 0};
    }
    return true;
  });
  return sum;
}

/// Keys that a row of an attention kind sees, of `rows`: what the kind states as `keys_of`, else all.
template <class Attention>
constexpr std::int64_t keys_seen(std::int64_t rows) {
  if constexpr (requires { Attention::keys_of(rows); }) {
    return Attention::keys_of(rows);
  } else {
    return rows;
  }
}

/// Multiply-adds of an input that becomes `tokens` soft tokens.
struct EncoderWork {
  std::int64_t weights = 0;    ///< of matrices of the file
  std::int64_t attention = 0;  ///< of scores and weighted values
  [[nodiscard]] constexpr std::int64_t flops() const noexcept { return 2 * (weights + attention); }
};

/// What an input of `tokens` soft tokens costs; norms, rotation and softmax, under 1 %, are left out.
template <Encoder E>
constexpr EncoderWork encoder_work(const EncoderSizes& sizes, std::int64_t tokens) {
  const std::int64_t rows = tokens * E::Back::rows_per_token;
  EncoderWork work;
  const auto total = [](const auto& slots) {
    return detail::total_of(slots, 0, 1, UniformFormat{Format::f32}).multiply_adds;
  };
  if constexpr (requires { E::Front::multiply_adds(E::dims); }) {
    work.weights += rows * E::Front::multiply_adds(E::dims);
  } else {
    work.weights += rows * total(Slots<typename E::Front>::list(E::dims, sizes));
  }
  [&]<class... Kinds>(TypeList<Kinds...>) {
    [[maybe_unused]] const auto add = [&]<class Kind>(int kind) {
      for (int layer = 0; layer < encoder_layers<E>; ++layer) {
        if (detail::Tables<typename E::Layers>::kind[static_cast<std::size_t>(layer)] != kind) continue;
        LayerSlots<Kind>::visit(layer_dims<E>(), [&](const auto& slots, auto) {
          work.weights += rows * total(slots);
          return true;
        });
        constexpr AttnShape shape = Kind::attention::shape;
        work.attention +=
            2 * std::int64_t{shape.heads} * shape.head_dim * rows * keys_seen<typename Kind::attention>(rows);
      }
    };
    [[maybe_unused]] int kind = 0;
    (add.template operator()<Kinds>(kind++), ...);
  }(encoder_kinds<E>{});
  work.weights += tokens * total(Slots<typename E::Back>::list(E::dims, sizes));
  work.weights += tokens * total(projector_slots(E::Front::input, output_width<E>(), sizes));
  return work;
}

}  // namespace lamina
