// SPDX-License-Identifier: Apache-2.0
#include "beside.hpp"

#include <cstdio>
#include <cstring>

#include <dlfcn.h>
#include <unistd.h>

namespace program {

void* function_beside(const char* library, const char* function) noexcept {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0 || static_cast<std::size_t>(size) == sizeof path) return nullptr;
  path[size] = '\0';
  char* const name = std::strrchr(path, '/') + 1;  // what the system tells is absolute
  const auto room = sizeof path - static_cast<std::size_t>(name - path);
  if (static_cast<std::size_t>(std::snprintf(name, room, "%s", library)) >= room) return nullptr;
  void* const loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return loaded != nullptr ? dlsym(loaded, function) : nullptr;
}

}  // namespace program
