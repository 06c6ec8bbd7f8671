// SPDX-License-Identifier: Apache-2.0
// Structs as arguments of tools: what the model is told of them, and what is taken of what it gives.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/prompt.hpp>
#include <lamina/chat/tool_syntax.hpp>
#include <lamina/chat/tools/tool.hpp>

#include "support/expect_error.hpp"

namespace {

using lamina::choices;
using lamina::ErrorCode;
using lamina::field;
using lamina::Value;

enum class Unit : std::uint8_t { celsius, fahrenheit };

struct Place {
  double latitude = 0;
  float longitude = 0;
  static constexpr auto fields =
      lamina::fields(field("latitude", &Place::latitude), field("longitude", &Place::longitude));
};

struct Weather {
  std::string city;
  std::optional<std::int8_t> days;
  Unit unit = Unit::celsius;
  std::vector<Place> around;
  bool wind = false;
  std::optional<std::string> detail;
  static constexpr auto fields = lamina::fields(
      field("city", &Weather::city, "where"), field("days", &Weather::days, "how many days ahead"),
      field("unit", &Weather::unit, "of degrees", choices("celsius", "fahrenheit")),
      field("around", &Weather::around), field("wind", &Weather::wind),
      field("detail", &Weather::detail, "how much", choices("much", "little")));
};

/// A struct that cannot list its own members.
struct Foreign {
  std::uint64_t number = 0;
};

}  // namespace

template <>
inline constexpr auto lamina::fields_of<Foreign> = lamina::fields(lamina::field("number", &Foreign::number));

namespace {

Value arguments_of_weather() {
  Value place = Value::object();
  place.append("latitude", Value::real(52.5));
  place.append("longitude", Value::integer("13"));
  Value around = Value::list();
  around.items.push_back(std::move(place));
  Value arguments = Value::object();
  arguments.append("city", Value::string("Berlin"));
  arguments.append("unit", Value::string("fahrenheit"));
  arguments.append("around", std::move(around));
  arguments.append("wind", Value::boolean(true));
  return arguments;
}

/// The same with another value at `key`.
Value with(std::string_view key, Value value) {
  Value arguments = arguments_of_weather();
  for (std::size_t i = 0; i < arguments.keys.size(); ++i) {
    if (arguments.keys[i] == key) {
      arguments.items[i] = std::move(value);
      return arguments;
    }
  }
  arguments.append(key, std::move(value));
  return arguments;
}

}  // namespace

TEST_CASE("tools: the declaration follows from the struct") {
  const auto tool = lamina::tool("weather", "The weather.", [](const Weather&) { return 1; });
  CHECK(tool.name() == "weather");
  lamina::Prompt prompt;
  REQUIRE(static_cast<bool>(lamina::write_declaration(tool.declaration(), prompt)));
  std::string text = prompt.text();
  for (std::size_t at = text.find("<|\"|>"); at != text.npos; at = text.find("<|\"|>"))
    text.replace(at, 5, "'");
  CHECK(text ==
        "declaration:weather{description:'The weather.',parameters:{properties:{"
        "around:{items:{additionalProperties:false,properties:{latitude:{type:'NUMBER'},longitude:{type:'"
        "NUMBER'}},required:['latitude',"
        "'longitude'],type:'OBJECT'},type:'ARRAY'},"
        "city:{description:'where',type:'STRING'},days:{description:'how many days ahead',type:'INTEGER'},"
        "detail:{description:'how much',enum:['much','little'],type:'STRING'},"
        "unit:{description:'of degrees',enum:['celsius','fahrenheit'],type:'STRING'},wind:{type:'BOOLEAN'}},"
        "required:['city','unit','around','wind'],type:'OBJECT'}}");
  const Value* days = tool.declaration().find("parameters")->find("properties")->find("days");
  REQUIRE(days != nullptr);
  CHECK(days->find("minimum")->text == "-128");
  CHECK(days->find("maximum")->text == "127");
}

TEST_CASE("tools: arguments become the struct") {
  const auto weather = must(lamina::decode_struct<Weather>(with("days", Value::real(3.0)), "weather"));
  CHECK(weather.city == "Berlin");
  CHECK(weather.days == 3);
  CHECK(weather.unit == Unit::fahrenheit);
  REQUIRE(weather.around.size() == 1);
  CHECK(weather.around[0].latitude == 52.5);
  CHECK(weather.around[0].longitude == 13);
  CHECK(weather.wind);
  CHECK_FALSE(weather.detail.has_value());
  CHECK_FALSE(must(lamina::decode_struct<Weather>(with("days", {}), "weather")).days.has_value());
  Value number = Value::object();
  number.append("number", Value::integer("18446744073709551615"));
  CHECK(must(lamina::decode_struct<Foreign>(number)).number == UINT64_MAX);
}

TEST_CASE("tools: what does not fit is refused by name") {
  const auto refuse = [](const Value& arguments, std::string_view where, std::string_view what) {
    expect_error(lamina::decode_struct<Weather>(arguments, "weather"), ErrorCode::bad_argument, where, what);
  };
  const std::string_view misfit = "does not fit";
  refuse(with("city", Value::integer("1")), "weather.city", misfit);
  refuse(with("days", Value::integer("128")), "weather.days", misfit);
  refuse(with("days", Value::real(2.5)), "weather.days", misfit);
  refuse(with("days", Value::real(1e30)), "weather.days", misfit);
  refuse(with("days", Value::string("3")), "weather.days", misfit);
  refuse(with("unit", Value::string("kelvin")), "weather.unit", misfit);
  refuse(with("detail", Value::string("some")), "weather.detail", misfit);
  refuse(with("wind", Value::string("true")), "weather.wind", misfit);
  refuse(with("around", Value::object()), "weather.around", misfit);
  refuse(with("colour", Value::string("red")), "weather", "no member of this name");
  refuse(Value{}, "weather", misfit);
  Value place = Value::object();
  place.append("latitude", Value::string("north"));
  Value around = Value::list();
  around.items.push_back(place);
  refuse(with("around", around), "weather.around[0].latitude", misfit);
  around.items[0] = Value::object();
  refuse(with("around", around), "weather.around[0]", "is missing");
  Value number = Value::object();
  number.append("number", Value::real(18446744073709551616.0));
  expect_error(lamina::decode_struct<Foreign>(number), ErrorCode::bad_argument, "value.number", misfit);
}

TEST_CASE("tools: results and errors of callables, and arguments that never reach them") {
  std::size_t calls = 0;
  const auto tool = lamina::tool("weather", "", [&](Weather given) -> lamina::Result<Weather> {
    ++calls;
    if (given.city.empty()) return lamina::Error{ErrorCode::bad_argument, "city", "is unknown", "", "", ""};
    return given;
  });
  const Value result = must(tool.call(arguments_of_weather()));
  CHECK(result.find("city")->text == "Berlin");
  CHECK(result.find("unit")->text == "fahrenheit");
  CHECK(result.find("days")->is(Value::Kind::null));
  CHECK(result.find("around")->items[0].find("latitude")->text == "52.5");
  expect_error(tool.call(with("city", Value::string(""))), ErrorCode::bad_argument, "city", "is unknown");
  CHECK(calls == 2);
  expect_error(tool.call(with("city", Value{})), ErrorCode::bad_argument, "weather.city", "does not fit");
  CHECK(calls == 2);

  const auto plain = lamina::tool("time", "", [] { return "noon"; });
  CHECK(must(plain.call({})).text == "noon");
  expect_error(plain.call(arguments_of_weather()), ErrorCode::bad_argument, "time", "no member of this name");
  const auto act = lamina::tool("ring", "", []() -> lamina::Status { return lamina::Done{}; });
  CHECK(must(act.call(Value::object())).text == "done");
}
