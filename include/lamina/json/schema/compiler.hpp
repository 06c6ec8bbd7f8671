// SPDX-License-Identifier: Apache-2.0
// A JSON Schema document to a graph of places: every keyword becomes a rule, or the document is refused.
// Source: JSON Schema Core and Validation 2020-12; draft-07 and draft-04 where they differ.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>
#include <lamina/json/schema/constants.hpp>
#include <lamina/json/schema/keywords.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/json/schema/places.hpp>
#include <lamina/json/value.hpp>
#include <lamina/masks/regex/nfa.hpp>
#include <lamina/masks/graph/formats.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/graph/prune.hpp>
#include <lamina/masks/graph/simplify.hpp>

namespace lamina {

/// How schemas are read.
struct SchemaOptions {
  bool formats = true;                                ///< `format` is a rule, not a comment
  std::size_t places = 100'000;                       ///< at most
  std::size_t pattern_states = std::size_t{1} << 20;  ///< of all patterns together
};

namespace detail {

/// Builds the graph of one document.
class SchemaCompiler {
 public:
  SchemaCompiler(const Value& document, SchemaDraft draft, const SchemaOptions& options)
      : document_(&document), options_(options), draft_(draft), places_(document, draft) {}

  [[nodiscard]] Result<masks::SchemaGraph> compile() {
    auto root = place(*document_, "", "");
    if (!root) return root.error();
    graph_.root = *root;
    while (!waiting_.empty()) {  // not by recursion: references may go on and on
      const Waiting next = std::move(waiting_.back());
      waiting_.pop_back();
      LAMINA_TRY(fill(next));
    }
    LAMINA_TRY(masks::GraphSimplifier(graph_).run());
    LAMINA_TRY(masks::NumberPruner(graph_).run());
    return std::move(graph_);
  }

 private:
  using Kind = Value::Kind;
  using NodeKind = masks::SchemaNode::Kind;
  using NodeId = masks::NodeId;
  using SchemaGraph = masks::SchemaGraph;

  struct Waiting {
    NodeId id;
    const Value* schema;
    std::string pointer;
    std::string base;
  };

  /// What one schema object becomes.
  struct Parts {
    const Value& schema;
    const std::string& pointer;
    const std::string& base;
    masks::SchemaAtom atom{};
    std::vector<NodeId> all{};  ///< beside the atom
  };

  /// The node of a schema; what is in it follows later.
  [[nodiscard]] Result<NodeId> place(const Value& schema, std::string pointer, std::string base) {
    if (schema.is(Kind::boolean)) return schema.truth ? SchemaGraph::always : SchemaGraph::never;
    if (!schema.is(Kind::object))
      return bad(pointer, "not a schema", "an object or a boolean", kind_name(schema));
    if (const auto known = known_.find(&schema); known != known_.end()) return known->second;
    if (graph_.nodes.size() >= options_.places)
      return unsupported(pointer, "schema is too large", text("at most %zu places", options_.places).view());
    const NodeId id = graph_.add({NodeKind::all, 0, {}});
    known_.emplace(&schema, id);
    waiting_.push_back({id, &schema, std::move(pointer), std::move(base)});
    return id;
  }
  [[nodiscard]] Result<NodeId> child(const Parts& parts, const Value& schema, std::string_view key) {
    return place(schema, with_step(parts.pointer, key), parts.base);
  }

  [[nodiscard]] Status fill(const Waiting& waiting) {
    const std::string base = places_.base_of(*waiting.schema, waiting.base);
    Parts parts{*waiting.schema, waiting.pointer, base};
    const Value* ref = waiting.schema->find("$ref");
    if (ref != nullptr && draft_ <= SchemaDraft::draft6_7) {
      LAMINA_TRY(reference(parts, *ref));
    } else {
      for (std::size_t i = 0; i < waiting.schema->items.size(); ++i)
        LAMINA_TRY(keyword(parts, waiting.schema->keys[i], waiting.schema->items[i]));
      LAMINA_TRY(items(parts));
      LAMINA_TRY(conditions(parts));
    }
    auto& atom = parts.atom;
    atom.number.integer = (atom.types & masks::JsonTypes::number) == masks::JsonTypes::integer;
    atom.number.written_whole = draft_ == SchemaDraft::draft4;
    const bool empty = atom.types == masks::JsonTypes::all && atom.number.is_empty() &&
                       atom.string.is_empty() && atom.array.is_empty() && atom.object.is_empty();
    if (!empty) parts.all.push_back(graph_.add_atom(std::move(atom)));
    graph_.nodes[waiting.id].parts = std::move(parts.all);
    return Done{};
  }

  [[nodiscard]] Status keyword(Parts& parts, std::string_view key, const Value& value) {
    const SchemaKeyword* known = find_keyword(key);
    if (known == nullptr) return Done{};  // unknown ones are comments
    const std::string at = with_step(parts.pointer, key);
    if (known->use == KeywordUse::refused) {
      if (value.is(Kind::boolean) && value.truth && key.starts_with("unevaluated")) return Done{};
      return unsupported(at, "keyword is not supported", "another one");
    }
    if (draft_ == SchemaDraft::draft4 && known->since > SchemaDraft::draft4) return Done{};
    switch (known->use) {
      case KeywordUse::number:
        return number_keyword(parts, key, value, at);
      case KeywordUse::count:
        return count_keyword(parts, key, value, at);
      case KeywordUse::schema:
        return schema_keyword(parts, key, value);
      case KeywordUse::schemas:
        return schemas_keyword(parts, key, value, at);
      case KeywordUse::members:
        return members_keyword(parts, key, value, at);
      case KeywordUse::other:
        return other_keyword(parts, key, value, at);
      case KeywordUse::later:
      case KeywordUse::refused:
        break;
    }
    return Done{};
  }

  [[nodiscard]] Status number_keyword(Parts& parts, std::string_view key, const Value& value,
                                      const std::string& at) {
    masks::NumberRule& rule = parts.atom.number;
    const bool low = key == "minimum" || key == "exclusiveMinimum";
    if (value.is(Kind::boolean) && key.starts_with("exclusive") && draft_ == SchemaDraft::draft4) {
      const Value* side = parts.schema.find(low ? "minimum" : "maximum");
      if (!value.truth || side == nullptr || !is_number(*side)) return Done{};
      return narrow(rule, low, {masks::Decimal::read(side->text), true});
    }
    if (!is_number(value)) return bad(at, "not a number", "a number", kind_name(value));
    masks::Decimal number = masks::Decimal::read(value.text);
    if (key != "multipleOf") return narrow(rule, low, {std::move(number), key.starts_with("exclusive")});
    if (number.is_zero() || number.negative) return bad(at, "divisor is not positive", "above 0", value.text);
    if (number.digits.size() > 18) return unsupported(at, "divisor has too many digits", "at most 18");
    rule.multiples_of.push_back(std::move(number));
    return Done{};
  }
  [[nodiscard]] static Status narrow(masks::NumberRule& rule, bool low, masks::NumberBound bound) {
    auto& side = low ? rule.least : rule.most;
    const int order = side ? bound.value.compare(side->value) : 0;
    if (!side || (low ? order > 0 : order < 0) || (order == 0 && bound.exclusive)) side = std::move(bound);
    return Done{};
  }

  [[nodiscard]] Status count_keyword(Parts& parts, std::string_view key, const Value& value,
                                     const std::string& at) {
    const masks::Decimal number = is_number(value) ? masks::Decimal::read(value.text) : masks::Decimal{};
    if (!is_number(value) || !number.is_integer() || number.negative)
      return bad(at, "not a count", "a whole number from 0",
                 is_number(value) ? value.text : kind_name(value));
    const auto count = static_cast<std::uint32_t>(std::min(number.about(), 4e9));
    masks::SchemaAtom& atom = parts.atom;
    const std::pair<std::string_view, std::uint32_t*> counts[] = {
        {"minLength", &atom.string.least},
        {"maxLength", &atom.string.most},
        {"minItems", &atom.array.least},
        {"maxItems", &atom.array.most},
        {"minProperties", &atom.object.least},
        {"maxProperties", &atom.object.most},
        {"minContains", &atom.array.least_contained},
        {"maxContains", &atom.array.most_contained}};
    for (const auto& [name, place] : counts) {
      if (name == key) *place = count;
    }
    return Done{};
  }

  [[nodiscard]] Status schema_keyword(Parts& parts, std::string_view key, const Value& value) {
    auto node = child(parts, value, key);
    if (!node) return node.error();
    if (key == "additionalProperties") parts.atom.object.additional = *node;
    if (key == "propertyNames") parts.atom.object.names = *node;
    if (key == "contains") parts.atom.array.contains = *node;
    if (key == "not") parts.all.push_back(graph_.add({NodeKind::inverse, 0, {*node}}));
    return Done{};
  }

  [[nodiscard]] Status schemas_keyword(Parts& parts, std::string_view key, const Value& value,
                                       const std::string& at) {
    if (!value.is(Kind::list) || value.items.empty())
      return bad(at, "not a list of schemas", "at least one", kind_name(value));
    masks::SchemaNode node{key == "allOf"   ? NodeKind::all
                           : key == "anyOf" ? NodeKind::any
                                            : NodeKind::one,
                           0,
                           {}};
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      auto part = place(value.items[i], with_step(at, std::to_string(i)), parts.base);
      if (!part) return part.error();
      node.parts.push_back(*part);
    }
    parts.all.push_back(graph_.add(std::move(node)));
    return Done{};
  }

  [[nodiscard]] Status members_keyword(Parts& parts, std::string_view key, const Value& value,
                                       const std::string& at) {
    if (!value.is(Kind::object)) return bad(at, "not an object", "an object", kind_name(value));
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const std::string& name = value.keys[i];
      const std::string member = with_step(at, name);
      const bool list = value.items[i].is(Kind::list);
      if (key == "dependentRequired" || (key == "dependencies" && list)) {
        masks::SchemaAtom wanted;
        LAMINA_TRY(read_names(value.items[i], member, wanted.object.required));
        depend(parts, name, graph_.add_atom(std::move(wanted)));
        continue;
      }
      auto node = place(value.items[i], member, parts.base);
      if (!node) return node.error();
      if (key == "properties") {
        parts.atom.object.properties.emplace_back(name, *node);
      } else if (key == "patternProperties") {
        auto number = pattern(name, member);
        if (!number) return number.error();
        parts.atom.object.patterns.emplace_back(*number, *node);
      } else {
        depend(parts, name, *node);
      }
    }
    return Done{};
  }
  /// Objects with a key follow a schema: others are free of it.
  void depend(Parts& parts, const std::string& name, NodeId schema) {
    masks::SchemaAtom with;
    with.types = masks::JsonTypes::object;
    with.object.required.push_back(name);
    const NodeId has = graph_.add_atom(std::move(with));
    const NodeId free = graph_.add({NodeKind::inverse, 0, {has}});
    parts.all.push_back(graph_.add({NodeKind::any, 0, {free, schema}}));
  }

  [[nodiscard]] Status other_keyword(Parts& parts, std::string_view key, const Value& value,
                                     const std::string& at) {
    if (key == "$ref") return reference(parts, value);
    if (key == "type") return type(parts.atom, value, at);
    if (key == "const" || key == "enum") {
      std::vector<const Value*> values;
      if (key == "const") {
        values.push_back(&value);
      } else {
        if (!value.is(Kind::list)) return bad(at, "not a list", "a list of values", kind_name(value));
        for (const Value& item : value.items) values.push_back(&item);
      }
      parts.all.push_back(add_constants(graph_, values));
      return Done{};
    }
    if (key == "required") {
      if (draft_ == SchemaDraft::draft4 && value.is(Kind::boolean))
        return unsupported(at, "keyword of draft 3", "a list of names");
      return read_names(value, at, parts.atom.object.required);
    }
    if (key == "uniqueItems") {
      if (!value.is(Kind::boolean)) return bad(at, "not a boolean", "true or false", kind_name(value));
      parts.atom.array.unique = value.truth;
      return Done{};
    }
    if (key == "format" && !options_.formats) return Done{};
    if (!value.is(Kind::string))
      return key == "format" ? Status(Done{}) : bad(at, "not a string", "a string", kind_name(value));
    if (key == "format" && masks::is_hard_format(value.text))
      return unsupported(at, "format is not supported", "another one");
    std::string text = value.text;
    if (key == "format") {
      auto rule = masks::format_rule(value.text);
      if (!rule) return Done{};
      parts.atom.string.most = std::min(parts.atom.string.most, rule->most);
      text = std::move(rule->pattern);
    }
    auto number = pattern(text, at);
    if (!number) return number.error();
    parts.atom.string.patterns.push_back(*number);
    return Done{};
  }

  [[nodiscard]] Status type(masks::SchemaAtom& atom, const Value& value, const std::string& at) {
    using masks::JsonTypes;
    constexpr std::pair<std::string_view, std::uint8_t> names[] = {
        {"null", JsonTypes::null},       {"boolean", JsonTypes::yes | JsonTypes::no},
        {"integer", JsonTypes::integer}, {"number", JsonTypes::number},
        {"string", JsonTypes::string},   {"array", JsonTypes::array},
        {"object", JsonTypes::object}};
    const Value* first = value.is(Kind::list) ? value.items.data() : &value;
    const std::size_t count = value.is(Kind::list) ? value.items.size() : 1;
    std::uint8_t types = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* name = std::find_if(std::begin(names), std::end(names), [&](const auto& entry) {
        return first[i].is(Kind::string) && entry.first == first[i].text;
      });
      if (name == std::end(names))
        return bad(at, "not a type", "null, boolean, integer, number, string, array or object",
                   first[i].text);
      types = static_cast<std::uint8_t>(types | name->second);
    }
    atom.types = types;
    return Done{};
  }

  /// `items`, which is two keywords, and what stands beside it.
  [[nodiscard]] Status items(Parts& parts) {
    const Value* items = parts.schema.find("items");
    const Value* prefix = parts.schema.find("prefixItems");
    std::string_view prefix_key = "prefixItems", rest_key = "items";
    if (draft_ < SchemaDraft::draft2020) prefix = nullptr;
    if (items != nullptr && items->is(Kind::list)) {  // drafts before 2020-12
      prefix = items;
      prefix_key = "items";
      rest_key = "additionalItems";
      items = parts.schema.find("additionalItems");
    }
    if (prefix != nullptr) {
      if (!prefix->is(Kind::list))
        return bad(with_step(parts.pointer, prefix_key), "not a list of schemas", "a list",
                   kind_name(*prefix));
      const std::string at = with_step(parts.pointer, prefix_key);
      for (std::size_t i = 0; i < prefix->items.size(); ++i) {
        auto node = place(prefix->items[i], with_step(at, std::to_string(i)), parts.base);
        if (!node) return node.error();
        parts.atom.array.prefix.push_back(*node);
      }
    }
    if (items == nullptr) return Done{};
    auto rest = child(parts, *items, rest_key);
    if (!rest) return rest.error();
    parts.atom.array.rest = *rest;
    return Done{};
  }

  /// `if`, `then`, `else`.
  [[nodiscard]] Status conditions(Parts& parts) {
    const Value* test = parts.schema.find("if");
    if (test == nullptr || draft_ == SchemaDraft::draft4) return Done{};
    auto condition = child(parts, *test, "if");
    if (!condition) return condition.error();
    for (const char* key : {"then", "else"}) {
      const Value* schema = parts.schema.find(key);
      if (schema == nullptr) continue;
      auto node = child(parts, *schema, key);
      if (!node) return node.error();
      const bool then = key[0] == 't';
      const NodeId out = then ? graph_.add({NodeKind::inverse, 0, {*condition}}) : *condition;
      parts.all.push_back(graph_.add({NodeKind::any, 0, {out, *node}}));
    }
    return Done{};
  }

  [[nodiscard]] Status reference(Parts& parts, const Value& value) {
    const std::string at = with_step(parts.pointer, "$ref");
    if (!value.is(Kind::string)) return bad(at, "not a string", "a reference", kind_name(value));
    const SchemaPlace* target = places_.find(parts.base, value.text);
    if (target == nullptr)
      return unsupported(at, "reference leads out of the schema", "a place in it", value.text);
    auto node = place(*target->schema, target->pointer, target->base);
    if (!node) return node.error();
    parts.all.push_back(*node);
    return Done{};
  }

  [[nodiscard]] Result<std::uint32_t> pattern(const std::string& pattern, const std::string& at) {
    if (const auto known = patterns_.find(pattern); known != patterns_.end()) return known->second;
    masks::RegexLimits limits;
    limits.states = std::min(limits.states, options_.pattern_states - states_);
    auto nfa = masks::compile_regex(pattern, masks::RegexUse::search, limits);
    if (!nfa) {
      Error error = nfa.error();
      error.where = pointer_of(at);
      return error;
    }
    states_ += nfa->nodes.size();
    const auto number = static_cast<std::uint32_t>(graph_.patterns.size());
    graph_.patterns.push_back(std::move(*nfa));
    patterns_.emplace(pattern, number);
    return number;
  }

  [[nodiscard]] Status read_names(const Value& value, const std::string& at,
                                  std::vector<std::string>& names) const {
    if (!value.is(Kind::list)) return bad(at, "not a list of names", "a list of strings", kind_name(value));
    for (const Value& name : value.items) {
      if (!name.is(Kind::string)) return bad(at, "not a list of names", "a list of strings", kind_name(name));
      names.push_back(name.text);
    }
    return Done{};
  }
  [[nodiscard]] static bool is_number(const Value& value) noexcept {
    return value.is(Kind::integer) || value.is(Kind::real);
  }

  [[nodiscard]] static FixedText<192> pointer_of(const std::string& pointer) {
    FixedText<192> out("#");
    out.append(pointer);
    return out;
  }
  [[nodiscard]] static Error bad(const std::string& at, std::string_view what, std::string_view expected,
                                 std::string_view found) {
    return {ErrorCode::bad_argument, pointer_of(at), what, expected, found, ""};
  }
  [[nodiscard]] static Error unsupported(const std::string& at, std::string_view what,
                                         std::string_view expected, std::string_view found = "this") {
    return {ErrorCode::unsupported, pointer_of(at), what, expected, found, ""};
  }

  const Value* document_;
  SchemaOptions options_;
  SchemaDraft draft_;
  SchemaPlaces places_;
  SchemaGraph graph_;
  std::vector<Waiting> waiting_;
  std::unordered_map<const Value*, NodeId> known_;
  std::unordered_map<std::string, std::uint32_t> patterns_;
  std::size_t states_ = 0;
};

}  // namespace detail

/// Reads a schema. What it says is kept whole: a keyword of the specification that cannot be followed is
/// refused, with its JSON pointer as `where`; unknown keywords and unknown formats are comments.
///
/// Errors   bad_argument (no schema), unsupported, out_of_memory
[[nodiscard]] inline Result<masks::SchemaGraph> compile_schema(const Value& document,
                                                               const SchemaOptions& options = {}) {
  return guard_memory("schema", [&]() -> Result<masks::SchemaGraph> {
    const auto draft = detail::draft_of(document);
    if (!draft) return draft.error();
    return detail::SchemaCompiler(document, *draft, options).compile();
  });
}

/// As above, from text.
[[nodiscard]] inline Result<masks::SchemaGraph> compile_schema(std::string_view json,
                                                               const SchemaOptions& options = {}) {
  return guard_memory("schema", [&]() -> Result<masks::SchemaGraph> {
    const auto document = parse_json_value(json);
    if (!document) return document.error();
    return compile_schema(*document, options);
  });
}

}  // namespace lamina
