// SPDX-License-Identifier: Apache-2.0
// Stands for a board: hands each argument to the firmware and shows what comes back. The firmware itself
// needs nothing of this, nor of the C library but memmove and its like and a few functions of <math.h>.
//   07_firmware "Reverse lamina."
#include <cstdio>
#include <cstring>

#include "firmware.hpp"

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    char answer[256];
    const long bytes = firmware_answer(arguments[i], std::strlen(arguments[i]), answer, sizeof answer);
    if (bytes < 0) return std::printf("error %ld\n", -1 - bytes), 1;
    std::printf("%.*s\n", static_cast<int>(bytes), answer);
  }
  std::printf("%zu bytes of static memory\n", firmware_memory_bytes());
  return 0;
}
