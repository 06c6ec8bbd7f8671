// SPDX-License-Identifier: Apache-2.0
// The table of paths.
#include "routes.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include <lamina/media/data_url.hpp>

#include "api_error.hpp"
#include "endpoints.hpp"
#include "page.hpp"

namespace program::serving {
namespace {

struct Route {
  std::string_view method;
  std::string_view path;
  void (*answer)(Service&, Exchange&);
  bool is_open = false;  ///< needs no key
};

constexpr Route routes[] = {
    {"POST", "/v1/chat/completions", &chat_completions},
    {"POST", "/v1/completions", &completions},
    {"POST", "/v1/responses", &responses},
    {"GET", "/v1/models", &models},
    {"POST", "/tokenize", &tokenize},
    {"POST", "/detokenize", &detokenize},
    {"GET", "/health", &health, true},
    {"GET", "/props", &properties},
    {"GET", "/schedule", &schedule},
    {"GET", "/metrics", &metrics},
    {"GET", "/slots", &slots},
    {"POST", "/slots/", &slot_action},  // and a number
};

/// The route of a path, with this method if there is one.
const Route* find_route(std::string_view method, std::string_view path) noexcept {
  const Route* found = nullptr;
  for (const Route& route : routes) {
    const bool is_folder = route.path.ends_with('/');
    if (is_folder ? !path.starts_with(route.path) || path.size() == route.path.size() : route.path != path)
      continue;
    if (route.method == method) return &route;
    found = &route;
  }
  return found;
}

/// Compares without telling by its time how much is right.
bool same_text(std::string_view a, std::string_view b) noexcept {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    differs = static_cast<unsigned char>(differs | (a[i] ^ b[b.empty() ? 0 : i % b.size()]));
  return differs == 0;
}

constexpr std::size_t longest_path = 256;

}  // namespace

bool Routes::is_allowed(const Exchange& exchange) const {
  const std::string& key = service_.flags().api_key;
  if (key.empty()) return true;
  const std::string given = exchange.header("Authorization");
  constexpr std::string_view scheme = "bearer ";
  return lamina::detail::begins_with(given, scheme) &&
         same_text(std::string_view(given).substr(scheme.size()), key);
}

void Routes::refuse_counted(Exchange& exchange, int status, std::string_view message, std::string_view code) {
  service_.counts().add(status);
  refuse(exchange, ApiError{status, std::string(message), "invalid_request_error", "", std::string(code)});
}

bool Routes::refuses_body(Exchange& exchange) {
  // Browsers name the page that asks; nothing here is offered to pages of others.
  const std::string origin = exchange.header("Origin");
  const std::string site = exchange.header("Sec-Fetch-Site");
  const std::size_t at = origin.find("://");
  const bool is_foreign =
      !origin.empty() && (at == std::string::npos || origin.substr(at + 3) != exchange.header("Host"));
  if (is_foreign || site == "cross-site" || site == "same-site") {
    refuse_counted(exchange, 403, "requests of other sites' pages are not taken", "forbidden_origin");
    return true;
  }
  const std::string length = exchange.header("Content-Length");
  if (!length.empty()) {
    std::uint64_t bytes = 0;
    const auto read = std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (read.ptr != length.data() + length.size() || read.ec == std::errc::invalid_argument) {
      refuse_counted(exchange, 400, "Content-Length is no number", "bad_request");
      return true;
    }
    if (read.ec != std::errc{} || bytes > most_body_) {
      refuse_counted(exchange, 413,
                     "the request is too long: at most " + std::to_string(most_body_) + " bytes",
                     "request_too_large");
      return true;
    }
  }
  const std::string type = exchange.header("Content-Type");
  if (!type.empty() && !lamina::detail::begins_with(type, "application/json")) {
    refuse_counted(exchange, 415, "the body must be application/json", "unsupported_media_type");
    return true;
  }
  // Nothing is unpacked: a small body may hold a large one.
  if (!exchange.header("Content-Encoding").empty()) {
    refuse_counted(exchange, 415, "the body must not be compressed", "unsupported_encoding");
    return true;
  }
  return false;
}

bool Routes::answers_head(Exchange& exchange) {
  const std::string_view path = exchange.path();
  const bool is_get = exchange.method() == "GET";
  if (path.size() > longest_path) {
    refuse_counted(exchange, 404, "there is nothing at this path", "not_found");
    return true;
  }
  if (is_get && !service_.flags().no_page) {
    if (const PageFile* file = page_file(path)) {
      service_.counts().add(200);
      exchange.add_header("Cache-Control", "no-cache");
      exchange.add_header("X-Content-Type-Options", "nosniff");
      exchange.add_header(
          "Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
          "media-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'");
      exchange.answer(200, page_type(file->name), std::string(file->bytes));
      return true;
    }
  }
  const Route* route = find_route(exchange.method(), path);
  if (route == nullptr) {
    refuse_counted(exchange, 404, "there is nothing at this path", "not_found");
    return true;
  }
  if (!route->is_open && !is_allowed(exchange)) {
    exchange.add_header("WWW-Authenticate", "Bearer");
    refuse_counted(exchange, 401, "the API key is missing or wrong", "invalid_api_key");
    return true;
  }
  if (route->method != exchange.method()) {
    exchange.add_header("Allow", std::string(route->method));
    refuse_counted(exchange, 405, "this path takes " + std::string(route->method), "method_not_allowed");
    return true;
  }
  return !is_get && refuses_body(exchange);
}

void Routes::refuse_full(Exchange& exchange) {
  service_.counts().add(503);
  refuse(exchange,
         {503, "too many long requests at a time: try again later", "server_error", "", "bodies_full"});
}

void Routes::handle(Exchange& exchange) {
  if (const Route* route = find_route(exchange.method(), exchange.path())) route->answer(service_, exchange);
}

}  // namespace program::serving
