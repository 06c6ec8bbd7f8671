// SPDX-License-Identifier: Apache-2.0
// Loads the library beside the program that speaks HTTP.
#include "http.hpp"

#include <string>
#include <string_view>

#include <dlfcn.h>
#include <unistd.h>

#include "../http/http_server.hpp"

namespace program::serving {
namespace {

/// What the library offers; null if it is not there.
HttpServerMaker load_http_library() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0 || static_cast<std::size_t>(size) == sizeof path) return nullptr;
  const std::string_view program(path, static_cast<std::size_t>(size));
  const std::string library = std::string(program.substr(0, program.rfind('/') + 1)) + http_library;
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays loaded: servers hold its code
  if (loaded == nullptr) return nullptr;
  const auto maker_of = reinterpret_cast<HttpServerMakerOf>(dlsym(loaded, http_server_maker_name));
  return maker_of != nullptr ? maker_of() : nullptr;
}

}  // namespace

lamina::Result<std::unique_ptr<HttpServer>> HttpServer::create(const std::string& host, std::uint16_t port,
                                                               const HttpLimits& limits,
                                                               HttpHandler& handler) {
  if (const HttpServerMaker make = load_http_library()) return make(host, port, limits, handler);
  const char* reason = dlerror();
  return lamina::Error{lamina::ErrorCode::unsupported,
                       http_library,
                       "the library that speaks HTTP cannot be loaded",
                       "it beside the program, and cpp-httplib installed",
                       lamina::FixedText<160>(reason != nullptr ? reason : "another library"),
                       "Debian and Ubuntu: package libcpp-httplib-dev"};
}

}  // namespace program::serving
