// SPDX-License-Identifier: Apache-2.0
// Between the program and the library beside it that speaks HTTP.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "../serve/http.hpp"

namespace program::serving {

/// As `HttpServer::create`.
using HttpServerMaker = lamina::Result<std::unique_ptr<HttpServer>> (*)(const std::string& host,
                                                                        std::uint16_t port,
                                                                        const HttpLimits& limits,
                                                                        HttpHandler& handler);
using HttpServerMakerOf = HttpServerMaker (*)();

inline constexpr const char* http_library = "lamina-http.so";
inline constexpr const char* http_server_maker_name = "lamina_http_server_maker";

}  // namespace program::serving
