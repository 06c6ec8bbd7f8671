// SPDX-License-Identifier: Apache-2.0
// A window into a pass: inner values as they are computed, for tests, research and embeddings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/rows/router.hpp>

namespace lamina {

/// Which inner value is shown.
enum class PassValue : std::uint8_t {
  embedding,        ///< [hidden] scaled token embedding
  per_layer_input,  ///< [layers * P]
  query,            ///< [heads * head_dim] after norm and rotation
  key,              ///< [kv_heads * head_dim] after norm and rotation
  value,            ///< [kv_heads * head_dim] after norm
  attended,         ///< [heads * head_dim] before the output matrix
  feed_forward,     ///< [hidden] dense block before its norm
  router_logits,    ///< [experts]
  expert_sum,       ///< [hidden] weighted experts before their norm
  layer_output,     ///< [hidden] stream after the layer
  final_norm,       ///< [hidden] input of the head
  input_norm,       ///< [numbers of a block] of an encoder without layers, in the order of its weights
  input_rows,       ///< [hidden] an encoder's rows before its layers or, without layers, before their norm
  row_norm,         ///< [hidden] of an encoder without layers, before positions are added
  position_norm,    ///< [hidden] of an encoder without layers, after positions were added
  pooled,           ///< [hidden] an encoder's pooled rows
  encoded,          ///< [output width] an encoder's rows before the last norm and matrix
  soft_tokens,      ///< [text hidden] what an encoder gives the text model
};

/// Receives inner values of a session's passes. Rows that nobody needs any more are not shown.
class PassObserver {
 public:
  virtual ~PassObserver() = default;
  /// `values` [rows, width]; valid during the call only. `layer` is 0 outside the layers.
  virtual void show(PassValue what, std::uint32_t layer, const float* values, std::size_t rows,
                    std::size_t width) noexcept = 0;
  /// Experts of every row, [rows, active], most probable first.
  virtual void show_routing(std::uint32_t layer, std::span<const RoutedExpert> routed,
                            std::size_t active) noexcept = 0;
};

}  // namespace lamina
