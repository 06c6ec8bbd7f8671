// SPDX-License-Identifier: Apache-2.0
// An application: the version, and a session over a model that another translation unit would compile.
#include <cstdio>

#include <lamina/core/config.hpp>
#include <lamina/session.hpp>

#if defined(HWY_HIGHWAY_INCLUDED) || defined(HIGHWAY_HWY_BASE_H_) || defined(BOOST_HANA_CONFIG_HPP)
#error "lamina/session.hpp must show neither Highway nor Boost.Hana"
#endif

int main() {
  std::printf("lamina %s\n", LAMINA_VERSION_STRING);
  const auto file = lamina::open_gguf("no such file");
  return file ? 1 : 0;
}
