// SPDX-License-Identifier: Apache-2.0
// Any bytes as the body of a request, of every kind: an error that names a field, or a wish within its
// bounds.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <lamina/json/schema/calls.hpp>
#include <lamina/media/data_url.hpp>

#include "lamina/serve/fields.cpp"
#include "lamina/serve/requests.cpp"
#include "lamina/serve/response_requests.cpp"

namespace {

using program::serving::AnswerWish;
using program::serving::ChatWish;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const AnswerWish& wish, const program::serving::RequestDefaults& defaults) {
  const lamina::SamplingOptions& sampling = *wish.options.sampling;
  require(sampling.temperature >= 0 && std::isfinite(sampling.temperature));
  require(sampling.top_p > 0 && sampling.top_p <= 1);
  require(sampling.repetition_penalty > 0);
  require(wish.choices >= 1 && wish.choices <= defaults.most_choices);
  for (const lamina::LogitBias& bias : wish.options.bias) require(bias.id < defaults.vocab);
}

void check(const lamina::Result<ChatWish>& wish, const program::serving::RequestDefaults& defaults) {
  if (!wish) return require(!wish.error().where.empty());
  check(*wish, defaults);
  require(!wish->conversation.messages.empty());
  require(wish->strict.size() == wish->conversation.tools.size());
  // Nothing of a request leads to a file or to the network.
  for (const lamina::Message& message : wish->conversation.messages) {
    for (const lamina::ContentPart& part : message.content.parts)
      require(part.kind == lamina::ContentPart::Kind::text || lamina::is_data_url(part.source));
  }
  if (!wish->conversation.tools.empty()) {
    const auto calls = lamina::compile_calls(wish->conversation.tools);
    if (!calls) require(!calls.error().where.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  program::serving::RequestDefaults defaults;
  defaults.generation.sampling.emplace();
  defaults.vocab = 512;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto request = program::serving::parse_request(text);
  if (!request) return 0;
  check(program::serving::read_response_wish(*request, defaults), defaults);
  const auto completion = program::serving::read_completion_wish(*request, defaults);
  if (completion) check(*completion, defaults);
  check(program::serving::read_chat_wish(std::move(*request), defaults), defaults);
  return 0;
}
