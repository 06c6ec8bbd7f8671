// SPDX-License-Identifier: Apache-2.0
// Schemas, patterns and grammars from anywhere: compiled or refused, and run over bytes from anywhere, in
// bounded time and memory. The input is one text, a zero byte, and another.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>

namespace {

/// Feeds a text as far as it is taken, byte by byte, with the memory given back on the way.
template <class Machine>
void run(Machine machine, std::string_view text) {
  auto state = machine.start();
  for (const char c : text) {
    static_cast<void>(machine.hash(state));
    static_cast<void>(machine.body(state));
    static_cast<void>(machine.accepts(state));
    if (!machine.step(state, static_cast<std::uint8_t>(c))) return;
    machine.compact(state);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t border = input.find('\0');
  const std::string_view rules = input.substr(0, border);
  const std::string_view text = border == input.npos ? std::string_view() : input.substr(border + 1);
  lamina::SchemaOptions options;
  options.pattern_states = std::size_t{1} << 14;
  if (const auto graph = lamina::compile_schema(rules, options))
    run(lamina::masks::SchemaMachine(*graph), text);
  lamina::masks::RegexLimits limits;
  limits.states = std::size_t{1} << 14;
  if (const auto nfa = lamina::masks::compile_regex(rules, lamina::masks::RegexUse::whole, limits))
    run(lamina::masks::RegexMachine(*nfa), text);
  if (const auto grammar = lamina::compile_grammar(rules)) run(lamina::masks::GrammarMachine(*grammar), text);
  return 0;
}
