// SPDX-License-Identifier: Apache-2.0
// Writes values as JSON, the plain way, for tests that read and compare them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/chat/value.hpp>

namespace lamina {

/// Appends a text as a JSON string; the text must be valid UTF-8.
inline void append_json_string(std::string_view text, std::string& out) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

/// Appends a value as JSON without spaces, keys in order. Requires `nests_within(value, deepest_value)`.
inline void append_json(const Value& value, std::string& out) {
  switch (value.kind) {
    case Value::Kind::null:
      out += "null";
      return;
    case Value::Kind::boolean:
      out += value.truth ? "true" : "false";
      return;
    case Value::Kind::integer:
    case Value::Kind::real:
      out += value.text;
      return;
    case Value::Kind::string:
      append_json_string(value.text, out);
      return;
    case Value::Kind::list:
    case Value::Kind::object:
      break;
  }
  const bool is_object = value.kind == Value::Kind::object;
  out += is_object ? '{' : '[';
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) out += ',';
    if (is_object) {
      append_json_string(value.keys[i], out);
      out += ':';
    }
    append_json(value.items[i], out);
  }
  out += is_object ? '}' : ']';
}

}  // namespace lamina
