// SPDX-License-Identifier: Apache-2.0
// The formats of JSON Schema as regular expressions.
// Source: JSON Schema Validation 2020-12 §7.3; RFC 3339 (dates, durations), 5321 (mail), 1123 (hosts), 2673
// and 4291 (addresses), 3986 and 3987 (URI, IRI), 4122 (UUID), 6901 (pointers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <lamina/masks/graph/graph.hpp>

namespace lamina::masks {

/// What a format demands.
struct FormatRule {
  std::string pattern;
  std::uint32_t most = no_limit;  ///< characters
};

/// Formats that the specification defines and that are not in reach of a regular expression.
[[nodiscard]] inline bool is_hard_format(std::string_view name) noexcept {
  constexpr std::string_view names[] = {"regex", "idn-email", "idn-hostname", "uri-template"};
  for (const std::string_view hard : names) {
    if (hard == name) return true;
  }
  return false;
}

namespace detail {

inline std::string ipv6_pattern(const std::string& ipv4) {
  const std::string h = "[0-9a-fA-F]{1,4}", tail = "(?:" + h + ":" + h + "|" + ipv4 + ")";
  std::string out = "(?:(?:" + h + ":){6}" + tail + "|::(?:" + h + ":){5}" + tail;
  for (int before = 0; before <= 4; ++before) {
    const std::string head =
        before == 0 ? h + "?" : "(?:(?:" + h + ":){0," + std::to_string(before) + "}" + h + ")?";
    const int after = 4 - before;
    out += "|(?:" + (before == 0 ? "(?:" + h + ")?" : head) + ")::(?:" + h + ":){" + std::to_string(after) +
           "}" + tail;
  }
  out += "|(?:(?:" + h + ":){0,5}" + h + ")?::" + h + "|(?:(?:" + h + ":){0,6}" + h + ")?::)";
  return out;
}

/// A URI or a reference; `more` are characters beyond ASCII that may stand in it.
inline std::string uri_pattern(bool reference, const std::string& ipv6, const std::string& more) {
  const std::string plain = "A-Za-z0-9._~!$&'()*+,;=" + more, escaped = "|%[0-9A-Fa-f]{2})";
  const std::string pchar = "(?:[" + plain + ":@-]" + escaped, segment = pchar + "*";
  const std::string authority = "(?:(?:[" + plain + ":-]" + escaped + "*@)?(?:\\[(?:" + ipv6 +
                                "|[vV][0-9A-Fa-f]+\\.[" + plain + ":-]+)\\]|(?:[" + plain + "-]" + escaped +
                                "*)(?::[0-9]*)?";
  const std::string absolute =
      "//" + authority + "(?:/" + segment + ")*|/(?:" + pchar + "+(?:/" + segment + ")*)?|";
  const std::string end = "(?:\\?(?:" + pchar + "|[/?])*)?(?:#(?:" + pchar + "|[/?])*)?";
  const std::string uri = "[A-Za-z][A-Za-z0-9+.-]*:(?:" + absolute + pchar + "+(?:/" + segment + ")*|)" + end;
  if (!reference) return uri;
  const std::string no_colon = "(?:[" + plain + "@-]" + escaped + "+";
  return uri + "|(?:" + absolute + no_colon + "(?:/" + segment + ")*|)" + end;
}

}  // namespace detail

/// What a format demands; nothing for names that the specification does not define (they are comments).
[[nodiscard]] inline std::optional<FormatRule> format_rule(std::string_view name) {
  const std::string date =
      "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
      "02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])"
      "00)-02-29)";
  const std::string time =
      "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?(?:[zZ]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
      ")|"
      "23:59:60(?:\\.[0-9]+)?(?:[zZ]|[+-]00:00))";
  const std::string byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  const std::string ipv4 = byte + "(?:\\." + byte + "){3}";
  // Without "--" as third and fourth character: "xn--" needs Punycode, others are reserved (RFC 5890).
  const std::string ends = "[A-Za-z0-9]", inner = "[A-Za-z0-9-]";
  const std::string label = ends + "(?:" + ends + "|" + inner + ends + "|" + inner + inner + ends + "|" +
                            inner + "(?:" + ends + inner + "|-" + ends + ")" + inner + "{0,58}" + ends + ")?";
  const std::string host = label + "(?:\\." + label + ")*";
  const std::string pointer = "(?:/(?:[^/~]|~[01])*)*";
  const auto whole = [](const std::string& pattern, std::uint32_t most = no_limit) {
    return FormatRule{"^(?:" + pattern + ")$", most};
  };
  if (name == "date") return whole(date);
  if (name == "time") return whole(time);
  if (name == "date-time") return whole(date + "[tT]" + time);
  if (name == "duration") {
    const std::string hours = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
    const std::string days = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)";
    return whole("P(?:[0-9]+W|" + days + "(?:" + hours + ")?|" + hours + ")");
  }
  if (name == "email") {
    const std::string word = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    const std::string local = "(?:" + word + "(?:\\." + word + ")*|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")";
    return whole(local + "@(?:" + host + "|\\[(?:" + ipv4 + "|IPv6:" + detail::ipv6_pattern(ipv4) + ")\\])");
  }
  if (name == "hostname") return whole(host, 253);
  if (name == "ipv4") return whole(ipv4);
  if (name == "ipv6") return whole(detail::ipv6_pattern(ipv4));
  if (name == "uuid") return whole("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
  if (name == "uri" || name == "uri-reference")
    return whole(detail::uri_pattern(name != "uri", detail::ipv6_pattern(ipv4), ""));
  if (name == "iri" || name == "iri-reference") {
    return whole(
        detail::uri_pattern(name != "iri", detail::ipv6_pattern(ipv4),
                            "\\u{A0}-\\u{D7FF}\\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFEF}\\u{10000}-\\u{EFFFD}"));
  }
  if (name == "json-pointer") return whole(pointer);
  if (name == "relative-json-pointer") return whole("(?:0|[1-9][0-9]*)(?:#|" + pointer + ")");
  return std::nullopt;
}

}  // namespace lamina::masks
