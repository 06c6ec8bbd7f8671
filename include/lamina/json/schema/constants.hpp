// SPDX-License-Identifier: Apache-2.0
// `const` and `enum`: values to places that allow these and nothing else, keys in any order.
// Source: JSON Schema Validation 2020-12 §6.1.2, §6.1.3.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <lamina/chat/value.hpp>
#include <lamina/masks/graph/graph.hpp>

namespace lamina::detail {

/// A number and how it is usually written.
[[nodiscard]] inline masks::NumberChoice number_choice(const std::string& digits) {
  masks::NumberChoice choice{masks::Decimal::read(digits), {digits}};
  if (digits.ends_with(".0")) choice.spellings.push_back(digits.substr(0, digits.size() - 2));
  // Very large and very small ones may come with an exponent.
  const masks::Decimal& value = choice.value;
  const auto power = static_cast<std::int64_t>(value.digits.size()) + value.exponent - 1;
  if (value.is_zero() || (power < 15 && power > -5)) return choice;
  std::string mantissa = (value.negative ? "-" : "") + value.digits.substr(0, 1);
  if (value.digits.size() > 1) mantissa += "." + value.digits.substr(1);
  const std::string size = std::to_string(power < 0 ? -power : power);
  for (const char* e : {"e", "E"}) {
    for (const char* sign : {"+", ""}) {
      for (const char* zero : {"", "0"})
        choice.spellings.push_back(mantissa + e + (power < 0 ? "-" : sign) + (size.size() == 1 ? zero : "") +
                                   size);
    }
  }
  return choice;
}

/// Adds one value to an atom that allows a list of values; false for lists and objects.
[[nodiscard]] inline bool add_scalar(masks::SchemaAtom& atom, const Value& value) {
  using masks::JsonTypes;
  switch (value.kind) {
    case Value::Kind::null:
      atom.types |= JsonTypes::null;
      return true;
    case Value::Kind::boolean:
      atom.types = static_cast<std::uint8_t>(atom.types | (value.truth ? JsonTypes::yes : JsonTypes::no));
      return true;
    case Value::Kind::string:
      atom.types |= JsonTypes::string;
      atom.string.choices->push_back(value.text);
      return true;
    case Value::Kind::integer:
    case Value::Kind::real:
      atom.types |= JsonTypes::number;
      atom.number.choices->push_back(number_choice(value.text));
      return true;
    case Value::Kind::list:
    case Value::Kind::object:
      break;
  }
  return false;
}

/// The place that allows one of `values`.
[[nodiscard]] inline masks::NodeId add_constants(masks::SchemaGraph& graph,
                                                 const std::vector<const Value*>& values) {
  using masks::SchemaGraph;
  using Kind = masks::SchemaNode::Kind;
  masks::SchemaAtom scalars;
  scalars.types = 0;
  scalars.string.choices.emplace();
  scalars.number.choices.emplace();
  masks::SchemaNode any{Kind::any, 0, {}};
  for (const Value* value : values) {
    if (add_scalar(scalars, *value)) continue;
    masks::SchemaAtom atom;
    if (value->is(Value::Kind::list)) {
      atom.types = masks::JsonTypes::array;
      for (const Value& item : value->items) atom.array.prefix.push_back(add_constants(graph, {&item}));
      atom.array.least = atom.array.most = static_cast<std::uint32_t>(value->items.size());
    } else {
      atom.types = masks::JsonTypes::object;
      for (std::size_t i = 0; i < value->items.size(); ++i) {
        atom.object.properties.emplace_back(value->keys[i], add_constants(graph, {&value->items[i]}));
        atom.object.required.push_back(value->keys[i]);
      }
      atom.object.additional = SchemaGraph::never;
    }
    any.parts.push_back(graph.add_atom(std::move(atom)));
  }
  auto& texts = *scalars.string.choices;
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  if (scalars.types != 0) any.parts.push_back(graph.add_atom(std::move(scalars)));
  if (any.parts.empty()) return SchemaGraph::never;
  if (any.parts.size() == 1) return any.parts.front();
  return graph.add(std::move(any));
}

}  // namespace lamina::detail
