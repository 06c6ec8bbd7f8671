// SPDX-License-Identifier: Apache-2.0
// Addresses of schemas: `$id`, `$ref` and what one is beside the other.
// Source: RFC 3986 §5.2 (references), RFC 6901 §6 (pointers in fragments).
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <lamina/core/config.hpp>

namespace lamina::detail {

/// A reference read beside a base; fragments stay.
[[nodiscard]] inline std::string resolve_uri(std::string_view base, std::string_view reference) {
  base = base.substr(0, base.find('#'));
  const std::size_t colon = reference.find(':');
  if (colon != reference.npos && reference.find_first_of("/?#") > colon) return std::string(reference);
  if (reference.empty() || reference.starts_with('#')) return std::string(base) + std::string(reference);
  const std::size_t scheme = base.find("://");
  const std::size_t path = scheme == base.npos ? 0 : std::min(base.find('/', scheme + 3), base.size());
  if (reference.starts_with('/')) return std::string(base.substr(0, path)) + std::string(reference);
  const std::size_t slash = base.rfind('/');
  if (slash == base.npos || slash < path) {
    return std::string(base.substr(0, path)) + (path > 0 ? "/" : "") + std::string(reference);
  }
  return std::string(base.substr(0, slash + 1)) + std::string(reference);
}

/// One step of a JSON pointer, with "~1", "~0" and, from a URI, "%25" read.
[[nodiscard]] inline std::string unescape_pointer(std::string_view step, bool from_uri) {
  const auto hex = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string plain;
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (from_uri && step[i] == '%' && i + 2 < step.size() && hex(step[i + 1]) >= 0 && hex(step[i + 2]) >= 0) {
      plain += static_cast<char>(hex(step[i + 1]) * 16 + hex(step[i + 2]));
      i += 2;
    } else {
      plain += step[i];
    }
  }
  std::string out;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const bool escape =
        plain[i] == '~' && i + 1 < plain.size() && (plain[i + 1] == '0' || plain[i + 1] == '1');
    out += !escape ? plain[i] : plain[++i] == '0' ? '~' : '/';
  }
  return out;
}

/// A pointer with one more step.
[[nodiscard]] inline std::string with_step(std::string_view pointer, std::string_view step) {
  std::string out(pointer);
  out += '/';
  for (const char c : step) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

}  // namespace lamina::detail
