// SPDX-License-Identifier: Apache-2.0
// A fact of a type that is no model: the concept says what is missing.
// EXPECT: Variant
// EXPECT: T::Layers.*(is invalid|would be invalid)|no type named .Layers.
// FIRST: layer_count

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
};
constexpr int layers = la::layer_count<Model>;
