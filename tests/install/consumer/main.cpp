// SPDX-License-Identifier: Apache-2.0
// An application: the version, and facts of a model type at compile time.
#include <cstdio>

#include <lamina/core/config.hpp>
#include <lamina/schedule.hpp>
#include <lamina/session.hpp>
#include <lamina/variants/gemma4_e2b.hpp>

int main() {
  std::printf("lamina %s\n", LAMINA_VERSION_STRING);
  return sizeof(lamina::SessionOptions) > 0 ? 0 : 1;
}
