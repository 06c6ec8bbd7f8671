// SPDX-License-Identifier: Apache-2.0
// Loads the library beside the program that speaks HTTP.
#include "http.hpp"

#include <string>

#include <dlfcn.h>

#include "../beside.hpp"
#include "../http/http_server.hpp"

namespace program::serving {
namespace {

/// What the library offers; null if it is not there.
HttpServerMaker load_http_library() {
  const auto maker_of =
      reinterpret_cast<HttpServerMakerOf>(function_beside(http_library, http_server_maker_name));
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
