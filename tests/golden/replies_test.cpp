// SPDX-License-Identifier: Apache-2.0
// Answers of the demo model under random schemas, behind thoughts and in calls of tools, too: all of them
// parse and validate. The validator is this test's own. LAMINA_TEST_ROUNDS=1000: so many answers.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/core/utf8.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/json/schema/calls.hpp>
#include <lamina/json/schema/compiler.hpp>
#include <lamina/json/value.hpp>
#include <lamina/masks/calls/constraint.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/masks/token_index.hpp>
#include <lamina/sampling/random.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/golden.hpp"
#include "support/loaded_model.hpp"

namespace {

using lamina::Value;

/// Draws schemas.
class SchemaWriter {
 public:
  explicit SchemaWriter(std::uint64_t seed) : random_(seed) {}

  Value object(int depth) {
    Value schema = typed("object");
    Value properties = Value::object();
    Value required = Value::list();
    for (std::uint64_t i = 1 + below(4); i > 0; --i) {
      const std::string name = std::string(1, static_cast<char>('a' + below(26))) + std::to_string(i);
      properties.append(name, any(depth - 1));
      if (below(3) > 0) required.items.push_back(Value::string(name));
    }
    schema.append("properties", std::move(properties));
    schema.append("required", std::move(required));
    schema.append("additionalProperties", Value::boolean(false));
    return schema;
  }

 private:
  std::uint64_t below(std::uint64_t count) { return random_.next() % count; }
  static Value typed(std::string_view type) {
    Value schema = Value::object();
    schema.append("type", Value::string(type));
    return schema;
  }
  Value any(int depth) {
    switch (below(depth > 0 ? 8 : 6)) {
      case 0:
        return bounded("integer");
      case 1:
        return bounded("number");
      case 2:
        return text();
      case 3:
        return list_of_values();
      case 4:
        return typed("boolean");
      case 5: {
        Value schema = Value::object();
        Value both = Value::list();
        both.items.push_back(typed("null"));
        both.items.push_back(bounded("integer"));
        schema.append("anyOf", std::move(both));
        return schema;
      }
      case 6: {
        Value schema = typed("array");
        schema.append("items", any(depth - 1));
        const std::uint64_t least = below(3);
        schema.append("minItems", Value::integer(std::to_string(least)));
        schema.append("maxItems", Value::integer(std::to_string(least + below(2))));
        return schema;
      }
      default:
        return object(depth);
    }
  }
  Value bounded(std::string_view type) {
    Value schema = typed(type);
    const auto least = static_cast<std::int64_t>(below(2000)) - 1000;
    const std::int64_t most = least + 7 + static_cast<std::int64_t>(below(500));
    schema.append("minimum", Value::integer(std::to_string(least)));
    Value rest = Value::object();
    rest.append("maximum", Value::integer(std::to_string(most)));
    if (below(2) == 0) {
      Value all = Value::list();
      all.items.push_back(std::move(rest));
      schema.append("allOf", std::move(all));
    } else {
      schema.append("maximum", std::move(rest.items[0]));
    }
    if (below(2) == 0)
      schema.append("multipleOf", type == "integer" ? Value::integer("7") : Value::real(0.25));
    return schema;
  }
  Value text() {
    Value schema = typed("string");
    const std::uint64_t least = below(4);
    schema.append("minLength", Value::integer(std::to_string(least)));
    schema.append("maxLength", Value::integer(std::to_string(least + below(9))));
    return schema;
  }
  static Value list_of_values() {
    Value schema = Value::object();
    Value list = Value::list();
    list.items.push_back(Value::string("north"));
    list.items.push_back(Value::string("south \"pole\""));
    list.items.push_back(Value::integer("42"));
    list.items.push_back(Value{});
    schema.append("enum", std::move(list));
    return schema;
  }

  lamina::Random random_;
};

double number_of(const Value& value) { return std::strtod(value.text.c_str(), nullptr); }

std::size_t characters_of(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(lamina::decode_utf8(text).size);
  return count;
}

/// Whether a value is one of a schema that `SchemaWriter` writes.
bool fits_schema(const Value& schema, const Value& value) {
  using Kind = Value::Kind;
  const Value* const choices = schema.find("enum");
  if (choices != nullptr) {
    return std::any_of(choices->items.begin(), choices->items.end(), [&](const Value& choice) {
      return choice.kind == value.kind && choice.text == value.text;
    });
  }
  for (const char* key : {"anyOf", "allOf"}) {
    const Value* const parts = schema.find(key);
    if (parts == nullptr) continue;
    const auto holds = [&](const Value& part) { return fits_schema(part, value); };
    const bool all = std::string_view(key) == "allOf";
    if (all ? !std::all_of(parts->items.begin(), parts->items.end(), holds)
            : !std::any_of(parts->items.begin(), parts->items.end(), holds))
      return false;
  }
  const auto count = [&](const char* key, double other) {
    const Value* const limit = schema.find(key);
    return limit != nullptr ? number_of(*limit) : other;
  };
  const bool is_number = value.is(Kind::integer) || value.is(Kind::real);
  if (is_number) {
    const double number = number_of(value);
    if (number < count("minimum", -HUGE_VAL) || number > count("maximum", HUGE_VAL)) return false;
    if (const double step = count("multipleOf", 0); step > 0 && std::fmod(number, step) != 0) return false;
  }
  const Value* const type = schema.find("type");
  if (type == nullptr) return true;
  if (type->text == "integer") return value.is(Kind::integer);
  if (type->text == "number") return is_number;
  if (type->text == "boolean") return value.is(Kind::boolean);
  if (type->text == "null") return value.is(Kind::null);
  if (type->text == "string") {
    const auto size = static_cast<double>(characters_of(value.text));
    return value.is(Kind::string) && size >= count("minLength", 0) && size <= count("maxLength", HUGE_VAL);
  }
  if (type->text == "array") {
    const auto size = static_cast<double>(value.items.size());
    return value.is(Kind::list) && size >= count("minItems", 0) && size <= count("maxItems", HUGE_VAL) &&
           std::all_of(value.items.begin(), value.items.end(),
                       [&](const Value& item) { return fits_schema(*schema.find("items"), item); });
  }
  if (!value.is(Kind::object)) return false;
  const Value& properties = *schema.find("properties");
  for (std::size_t i = 0; i < value.keys.size(); ++i) {
    const Value* const property = properties.find(value.keys[i]);
    if (property == nullptr || !fits_schema(*property, value.items[i])) return false;
  }
  const auto& required = schema.find("required")->items;
  return std::all_of(required.begin(), required.end(),
                     [&](const Value& name) { return value.find(name.text) != nullptr; });
}

}  // namespace

TEST_CASE("replies: every answer under a random schema parses and validates, thoughts and calls among them") {
  const char* const wanted = std::getenv("LAMINA_TEST_ROUNDS");
  const std::size_t rounds = wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : 36;
  const auto model = must(lamina::Model::open(demo_path, lamina_registry()));
  const auto index = must(lamina::TokenIndex::create(*model.tokenizer()));
  std::size_t valid = 0, with_thoughts = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    SchemaWriter writer(round);
    const Value schema = writer.object(2);
    const bool calls = round % 3 == 1, thinks = round % 3 == 2;
    lamina::ChatOptions options;
    options.context = 2048;
    options.snapshot_bytes = 0;
    options.thinking = thinks;
    options.generation.sampling = lamina::SamplingOptions::greedy();
    options.generation.sampling->temperature = 1.5F;
    options.generation.seed = round;
    if (thinks) {
      options.generation.think_budget = 12;
      options.generation.bias = {{model.tokenizer()->special().channel_open, 12.0F}};
    }
    if (calls) {
      Value function = Value::object();
      function.append("name", Value::string("note"));
      function.append("parameters", schema);
      auto graph = must(lamina::compile_calls(std::span(&function, 1)));
      options.generation.constraint = must(lamina::CallConstraint::create(
          std::make_shared<const lamina::masks::SchemaGraph>(std::move(graph)), index, {true, 1}));
      options.tools = {std::move(function)};
    } else {
      options.generation.constraint = std::make_shared<lamina::SchemaConstraint>(
          std::make_shared<const lamina::masks::SchemaGraph>(must(lamina::compile_schema(schema))), index,
          lamina::masks::JsonTextLimits::for_writing());
    }
    auto chat = must(lamina::Chat::create(model, options));
    const auto answer = must(chat.say("Write something."));
    CAPTURE(answer.text);
    CHECK((answer.stop == lamina::StopReason::end_of_turn || answer.stop == lamina::StopReason::stop_token));
    with_thoughts += answer.thought.empty() ? 0U : 1U;
    if (calls) {
      REQUIRE(answer.calls.size() == 1);
      CAPTURE(answer.calls[0].body);
      CHECK(answer.calls[0].well_formed);
      const bool fits = fits_schema(schema, answer.calls[0].arguments);
      CHECK(fits);
      valid += fits ? 1U : 0U;
    } else {
      const auto value = lamina::parse_json_value(answer.text);
      REQUIRE(static_cast<bool>(value));
      const bool fits = fits_schema(schema, *value);
      CHECK(fits);
      valid += fits ? 1U : 0U;
    }
  }
  CHECK(valid == rounds);
  CHECK(with_thoughts >= rounds / 6);
  MESSAGE(valid << " of " << rounds << " answers are valid, " << with_thoughts << " of them behind thoughts");
}
