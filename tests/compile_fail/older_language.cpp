// SPDX-License-Identifier: Apache-2.0
// A compiler that was not told about C++20: one line, not the hundreds that would follow from it.
// FLAGS: -std=c++17
// EXPECT: lamina: needs C\+\+20: compile with -std=c\+\+20
// ERRORS: 1

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
};
constexpr int layers = la::layer_count<Model>;
