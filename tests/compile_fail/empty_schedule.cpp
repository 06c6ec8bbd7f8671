// SPDX-License-Identifier: Apache-2.0
// A model without layers.
// EXPECT: lamina: Variant: its schedule must have a layer; put layers into Layers

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<>;
};
static_assert(la::Variant<Model>);
