// SPDX-License-Identifier: Apache-2.0
// Random schemas.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/schema_walk.hpp"

/// Writes schemas of all keywords.
class SchemaMaker {
 public:
  explicit SchemaMaker(std::uint64_t seed) : dice_(seed) {}

  std::string schema(int depth) {
    if (dice_.one_in(24)) return dice_.one_in(3) ? "false" : "true";
    members_.emplace_back();
    const std::string kind =
        dice_.one_of({"any", "number", "string", "array", "array", "object", "object", "list"});
    if (depth == 0 && (kind == "array" || kind == "object")) {
      add("type", dice_.one_of({"\"boolean\"", "\"null\"", "\"integer\"", "\"string\""}));
    } else {
      if (kind == "any" && dice_.one_in(2))
        add("type", dice_.one_of({"\"boolean\"", "\"null\"", "[\"integer\",\"string\"]"}));
      if (kind != "any" && kind != "list" && !dice_.one_in(6))
        add("type", kind == "number" && dice_.one_in(2) ? "\"integer\"" : "\"" + kind + "\"");
      if (kind == "number") number();
      if (kind == "string") string();
      if (kind == "array") array(depth);
      if (kind == "object") object(depth);
      if (kind == "list") values();
    }
    if (depth > 0 && dice_.one_in(3)) combine(depth);
    std::string out = "{" + members_.back() + "}";
    members_.pop_back();
    return out;
  }

 private:
  void add(const std::string& key, const std::string& value) {
    std::string& members = members_.back();
    if (members.find("\"" + key + "\":") == 0 || members.find(",\"" + key + "\":") != members.npos) return;
    members += (members.empty() ? "\"" : ",\"") + key + "\":" + value;
  }
  std::string count(std::uint32_t most) { return std::to_string(dice_.below(most + 1)); }
  std::string name() { return dice_.one_of({"\"a\"", "\"b\"", "\"ab\"", "\"x\"", "\"xy\"", "\"c\\\"d\""}); }
  std::string names() {
    std::string out = "[" + name();
    for (std::uint32_t more = dice_.below(3); more > 0; --more) out += "," + name();
    return out + "]";
  }
  void number() {
    if (dice_.one_in(2)) add("minimum", dice_.one_of({"0", "1", "-2", "2.5", "9"}));
    if (dice_.one_in(2)) add("maximum", dice_.one_of({"3", "4", "10", "12", "2.75"}));
    if (dice_.one_in(4)) add("multipleOf", dice_.one_of({"1", "2", "0.5", "3"}));
  }
  void string() {
    if (dice_.one_in(3)) add("minLength", count(4));
    if (dice_.one_in(3)) add("maxLength", count(5));
    if (dice_.one_in(3)) add("pattern", pattern());
    if (dice_.one_in(10)) add("format", dice_.one_of({"\"date\"", "\"ipv4\"", "\"uuid\""}));
  }
  std::string pattern() {
    return dice_.one_of({"\"^[ab]+$\"", "\"^(ab)*$\"", "\"^x\"", "\"y$\"", "\"^[a-c]{2,3}$\"", "\"b\"",
                         "\"^.$\"", "\"^(a|bb|xy)$\"", "\"[0-9]{3}\""});
  }
  void array(int depth) {
    if (dice_.one_in(2)) add("items", schema(depth - 1));
    if (dice_.one_in(3)) {
      std::string list = "[" + schema(depth - 1);
      for (std::uint32_t more = dice_.below(3); more > 0; --more) list += "," + schema(depth - 1);
      add("prefixItems", list + "]");
    }
    if (dice_.one_in(2)) add("uniqueItems", "true");
    if (dice_.one_in(3)) {
      add("contains", schema(depth - 1));
      if (dice_.one_in(2)) add("minContains", count(3));
      if (dice_.one_in(3)) add("maxContains", count(3));
    }
    if (dice_.one_in(2)) add("minItems", count(4));
    if (dice_.one_in(3)) add("maxItems", count(5));
  }
  void object(int depth) {
    if (dice_.one_in(2)) {
      std::string list = "{" + name() + ":" + schema(depth - 1);
      for (std::uint32_t more = dice_.below(3); more > 0; --more) {
        const std::string key = name();
        if (list.find(key + ":") == list.npos) list += "," + key + ":" + schema(depth - 1);
      }
      add("properties", list + "}");
    }
    if (dice_.one_in(3)) add("required", names());
    if (dice_.one_in(4)) add("additionalProperties", dice_.one_in(2) ? "false" : schema(depth - 1));
    if (dice_.one_in(5)) add("patternProperties", "{" + pattern() + ":" + schema(depth - 1) + "}");
    if (dice_.one_in(5)) add("propertyNames", schema(0));
    if (dice_.one_in(5)) add("dependentRequired", "{" + name() + ":" + names() + "}");
    if (dice_.one_in(8)) add("dependentSchemas", "{" + name() + ":" + schema(depth - 1) + "}");
    if (dice_.one_in(4)) add("minProperties", count(3));
    if (dice_.one_in(4)) add("maxProperties", count(4));
  }
  void values() {
    std::string list = "[";
    for (std::uint32_t more = 1 + dice_.below(4); more > 0; --more)
      list += dice_.one_of({"1", "2", "3", "2.5", "null", "true", "false", "\"a\"", "\"ab\"", "\"b\"", "[]",
                            "[1]", "{}", "{\"a\":1}", "\"x\\ny\""}) +
              (more > 1 ? "," : "]");
    add("enum", list);
  }
  void combine(int depth) {
    const std::string key = dice_.one_of({"anyOf", "oneOf", "allOf", "not", "if"});
    if (key == "not") return add(key, schema(depth - 1));
    if (key == "if") {
      add(key, schema(depth - 1));
      if (!dice_.one_in(3)) add("then", schema(depth - 1));
      if (!dice_.one_in(3)) add("else", schema(depth - 1));
      return;
    }
    std::string list = "[" + schema(depth - 1);
    for (std::uint32_t more = 1 + dice_.below(2); more > 0; --more) list += "," + schema(depth - 1);
    add(key, list + "]");
  }

  Dice dice_;
  std::vector<std::string> members_;
};
