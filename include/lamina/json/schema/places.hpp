// SPDX-License-Identifier: Apache-2.0
// The places of a schema document that references can name: its identifiers, anchors and pointers.
// Source: JSON Schema Core 2020-12 §8.2, §9.
#pragma once

#include <algorithm>
#include <charconv>
#include <iterator>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>
#include <lamina/json/schema/uri.hpp>

namespace lamina {

/// The drafts that are told apart.
enum class SchemaDraft : std::uint8_t { draft4, draft6_7, draft2019, draft2020 };

namespace detail {

/// One place: the schema, its pointer for messages, and the base of references in it.
struct SchemaPlace {
  const Value* schema = nullptr;
  std::string pointer;
  std::string base;
};

/// Finds what `$ref` names, within one document.
class SchemaPlaces {
 public:
  SchemaPlaces(const Value& document, SchemaDraft draft) : draft_(draft) { visit(document, "", ""); }

  /// The base of references at a place that itself stands under `base`.
  [[nodiscard]] std::string base_of(const Value& schema, const std::string& base) const {
    const Value* id = schema.find(draft_ == SchemaDraft::draft4 ? "id" : "$id");
    // Beside "$ref", drafts up to 7 read nothing.
    const bool hidden = draft_ <= SchemaDraft::draft6_7 && schema.find("$ref") != nullptr;
    if (id == nullptr || hidden || !id->is(Value::Kind::string) || id->text.starts_with('#')) return base;
    return resolve_uri(base, id->text);
  }

  /// Null if the reference leads out of the document.
  [[nodiscard]] const SchemaPlace* find(const std::string& base, std::string_view reference) {
    const std::string uri = resolve_uri(base, reference);
    const std::size_t hash = uri.find('#');
    const std::string fragment =
        hash == uri.npos ? "" : unescape_percent(std::string_view(uri).substr(hash + 1));
    const std::string root = uri.substr(0, hash);
    if (!fragment.empty() && !fragment.starts_with('/')) {
      const auto anchor = named_.find(root + "#" + fragment);
      return anchor == named_.end() ? nullptr : &anchor->second;
    }
    const auto start = named_.find(root);
    if (start == named_.end()) return nullptr;
    if (fragment.empty()) return &start->second;
    const std::string whole = root + "#" + fragment;
    if (const auto known = named_.find(whole); known != named_.end()) return &known->second;
    SchemaPlace place = start->second;
    if (!follow(place, fragment)) return nullptr;
    return &named_.emplace(whole, std::move(place)).first->second;
  }

 private:
  [[nodiscard]] static std::string unescape_percent(std::string_view text) {
    // Steps of pointers keep "~0" and "~1".
    std::string out;
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('~', begin), text.size());
      out += unescape_pointer(text.substr(begin, end - begin), true);
      if (end == text.size()) break;
      out += '~';
      begin = end + 1;
    }
    return out;
  }

  [[nodiscard]] bool follow(SchemaPlace& place, std::string_view pointer) const {
    while (!pointer.empty()) {
      pointer.remove_prefix(1);
      const std::size_t end = std::min(pointer.find('/'), pointer.size());
      const std::string step = unescape_pointer(pointer.substr(0, end), false);
      pointer.remove_prefix(end);
      const Value* next = nullptr;
      if (place.schema->is(Value::Kind::list)) {
        std::size_t index = 0;
        const auto read = std::from_chars(step.data(), step.data() + step.size(), index);
        if (read.ec == std::errc{} && read.ptr == step.data() + step.size() &&
            index < place.schema->items.size())
          next = &place.schema->items[index];
      } else {
        next = place.schema->find(step);
      }
      if (next == nullptr) return false;
      place.schema = next;
      place.pointer = with_step(place.pointer, step);
      if (!pointer.empty()) place.base = base_of(*next, place.base);
    }
    return true;
  }

  void visit(const Value& schema, const std::string& pointer, const std::string& outer) {
    if (schema.is(Value::Kind::object)) {
      const std::string base = base_of(schema, outer);
      const SchemaPlace place{&schema, pointer, outer};
      if (pointer.empty()) named_.emplace("", place);
      if (base != outer || pointer.empty()) named_.emplace(base.substr(0, base.find('#')), place);
      const auto anchor = [&](std::string_view name) {
        named_.emplace(base.substr(0, base.find('#')) + "#" + std::string(name), place);
      };
      for (const char* key : {"$anchor", "$dynamicAnchor"}) {
        if (const Value* name = schema.find(key); name != nullptr && name->is(Value::Kind::string))
          anchor(name->text);
      }
      for (const char* key : {"$id", "id"}) {
        const Value* id = schema.find(key);
        if (id != nullptr && id->is(Value::Kind::string) && id->text.starts_with('#') && id->text.size() > 1)
          anchor(std::string_view(id->text).substr(1));
      }
      for (std::size_t i = 0; i < schema.items.size(); ++i)
        visit_keyword(schema.keys[i], schema.items[i], with_step(pointer, schema.keys[i]), base);
    }
  }
  /// Schemas lie in some keywords only; elsewhere an "$id" names nothing.
  void visit_keyword(std::string_view key, const Value& value, const std::string& pointer,
                     const std::string& base) {
    constexpr std::string_view direct[] = {"additionalItems",
                                           "additionalProperties",
                                           "contains",
                                           "contentSchema",
                                           "else",
                                           "if",
                                           "items",
                                           "not",
                                           "propertyNames",
                                           "then",
                                           "unevaluatedItems",
                                           "unevaluatedProperties"};
    constexpr std::string_view within[] = {"$defs",       "allOf",        "anyOf",
                                           "definitions", "dependencies", "dependentSchemas",
                                           "items",       "oneOf",        "patternProperties",
                                           "prefixItems", "properties"};
    const bool is_direct = std::find(std::begin(direct), std::end(direct), key) != std::end(direct);
    const bool is_within = std::find(std::begin(within), std::end(within), key) != std::end(within);
    if (is_direct && !(is_within && value.is(Value::Kind::list))) return visit(value, pointer, base);
    if (!is_within) return;
    for (std::size_t i = 0; i < value.items.size(); ++i)
      visit(value.items[i], with_step(pointer, value.keys.empty() ? std::to_string(i) : value.keys[i]), base);
  }

  SchemaDraft draft_;
  std::unordered_map<std::string, SchemaPlace> named_;
};

}  // namespace detail

}  // namespace lamina
