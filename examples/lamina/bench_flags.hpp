// SPDX-License-Identifier: Apache-2.0
// What `lamina bench` is asked for.
#pragma once

#include <cstdint>
#include <string>

#include "options.hpp"

namespace program {

struct BenchFlags {
  CommonOptions common;
  std::uint32_t prompt = 512;
  std::uint32_t generate = 128;
  std::string depths = "0";
  std::uint32_t repeat = 3;
  std::string parallel;  ///< numbers of sequences; empty: one, in a session
  bool mix = false;
  std::uint32_t mix_rows = 16;
  std::string acceptance;  ///< shares of drafts that are right, by a stand-in; empty: the drafter's own
  bool fixed_length = false;
};

}  // namespace program
