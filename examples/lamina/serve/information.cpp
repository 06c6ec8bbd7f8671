// SPDX-License-Identifier: Apache-2.0
// What the server is: its health, its model; and text to ids and back.
#include <string>
#include <utility>
#include <vector>

#include "../transcript.hpp"
#include "api_error.hpp"
#include "chat.hpp"
#include "endpoints.hpp"

namespace program::serving {

using lamina::Done;
using lamina::Status;

void health(Service& service, Exchange& exchange) {
  if (service.cut())
    return refuse(exchange, ApiError{503, "the server is stopping", "server_error", "", "stopping"});
  answer_json(exchange, {{"status", "ok"}});
}

void models(Service& service, Exchange& exchange) {
  const lamina::ModelDescription& model = service.model().file().description;
  answer_json(exchange, {{"object", "list"},
                         {"data", Json::array({{{"id", service.model_name()},
                                                {"object", "model"},
                                                {"created", service.started()},
                                                {"owned_by", "lamina"},
                                                {"context_length", service.scheduler().options().context},
                                                {"meta",
                                                 {{"vocab", model.vocab},
                                                  {"hidden", model.hidden},
                                                  {"layers", model.layer_count},
                                                  {"max_context", model.max_context}}}}})}});
}

void tokenize(Service& service, Exchange& exchange) {
  with_request(service, exchange, [&](const lamina::Value& request) -> Status {
    const Fields fields(request);
    if (fields.find("content") == nullptr) return fields.missing("content", "a string");
    std::string content;
    bool add_special = false;
    bool parse_special = false;
    bool with_pieces = false;
    LAMINA_TRY(fields.text("content", content));
    LAMINA_TRY(fields.flag("add_special", add_special));
    LAMINA_TRY(fields.flag("parse_special", parse_special));
    LAMINA_TRY(fields.flag("with_pieces", with_pieces));
    const lamina::TextSpan span{content, parse_special ? lamina::Special::match : lamina::Special::ignore};
    std::vector<lamina::TokenId> ids;
    LAMINA_TRY(service.tokenizer().encode(std::span(&span, 1), ids,
                                          add_special ? lamina::Bos::once : lamina::Bos::as_written));
    Json tokens = Json::array();
    for (const lamina::TokenId id : ids) {
      if (with_pieces) {
        tokens.push_back({{"id", id}, {"piece", token_text(id, service.tokenizer())}});
      } else {
        tokens.push_back(id);
      }
    }
    service.counts().add(200);
    answer_json(exchange, {{"tokens", std::move(tokens)}});
    return Done{};
  });
}

void detokenize(Service& service, Exchange& exchange) {
  with_request(service, exchange, [&](const lamina::Value& request) -> Status {
    const Fields fields(request);
    const lamina::Value* tokens = fields.find("tokens");
    if (tokens == nullptr) return fields.missing("tokens", "a list of ids");
    const auto ids = read_ids(*tokens, "tokens", service.defaults().vocab);
    if (!ids) return ids.error();
    service.counts().add(200);
    answer_json(exchange, {{"content", service.tokenizer().decode(*ids)}});
    return Done{};
  });
}

void properties(Service& service, Exchange& exchange) {
  const lamina::ModelDescription& model = service.model().file().description;
  Json layers = Json::array();
  for (std::int32_t i = 0; i < model.layer_count; ++i) {
    const lamina::LayerDescription& layer = model.layers[static_cast<std::size_t>(i)];
    layers.push_back({{"attention", layer.attention == lamina::AttentionClass::local ? "local" : "global"},
                      {"owns_kv", layer.owns_kv},
                      {"window", layer.window},
                      {"ffn_width", layer.ffn_width},
                      {"experts", layer.experts}});
  }
  std::uint64_t model_bytes = 0;
  for (const lamina::TensorView& tensor : service.model().file().tensors) model_bytes += tensor.bytes.size();
  const lamina::SchedulerOptions& options = service.scheduler().options();
  const lamina::SamplingOptions& sampling = *service.defaults().generation.sampling;
  answer_json(exchange, {{"model", service.model_name()},
                         {"build_info", fingerprint()},
                         {"total_slots", options.parallel},
                         {"context", options.context},
                         {"queue", options.queue},
                         {"layers", std::move(layers)},
                         {"hidden", model.hidden},
                         {"vocab", model.vocab},
                         {"max_context", model.max_context},
                         {"model_bytes", model_bytes},
                         {"engine_bytes", service.scheduler().engine().memory_bytes()},
                         {"default_generation_settings",
                          {{"temperature", sampling.temperature},
                           {"top_k", sampling.top_k},
                           {"top_p", sampling.top_p},
                           {"min_p", sampling.min_p},
                           {"repeat_penalty", sampling.repetition_penalty}}}});
}

}  // namespace program::serving
