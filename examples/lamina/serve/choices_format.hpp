// SPDX-License-Identifier: Apache-2.0
// What /v1/chat/completions and /v1/completions have in common: documents with a list of choices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delivery.hpp"
#include "requests.hpp"

namespace program::serving {

class ChoicesFormat : public AnswerFormat {
 public:
  /// `object` names a document, `piece` one of those of a stream.
  ChoicesFormat(Service& service, const AnswerWish& wish, std::size_t prompt_tokens, const char* id,
                const char* object, const char* piece)
      : service_(service),
        top_(wish.top_log_probabilities),
        id_(service.new_id(id)),
        created_(now_seconds()),
        prompt_tokens_(prompt_tokens),
        wants_usage_(wish.wants_usage),
        object_(object),
        piece_(piece) {}

  Json whole(const std::vector<EndedAnswer>& answers) final {
    Json choices = Json::array();
    for (std::size_t i = 0; i < answers.size(); ++i) choices.push_back(whole_choice(i, answers[i]));
    return with_numbers(document(object_, std::move(choices)), answers);
  }
  void progress(EventWriter& writer, const News& news, std::size_t prompt_tokens) final {
    Json made = document(piece_, Json::array());
    made["prompt_progress"] = progress_json(news, prompt_tokens);
    writer.event(made);
  }
  void error(EventWriter& writer, const ApiError& error) final {
    writer.event(error_json(error));
    writer.raw("data: [DONE]\n\n");
  }
  void finish(EventWriter& writer, const std::vector<EndedAnswer>& answers) final {
    if (wants_usage_) writer.event(with_numbers(document(piece_, Json::array()), answers));
    writer.raw("data: [DONE]\n\n");
  }

 protected:
  /// A choice of a document that is not a stream.
  [[nodiscard]] virtual Json whole_choice(std::size_t index, const EndedAnswer& ended) = 0;

  /// Writes one choice as an event.
  void write_choice(EventWriter& writer, Json choice) const {
    Json made = document(piece_, Json::array({std::move(choice)}));
    if (wants_usage_) made["usage"] = nullptr;
    writer.event(made);
  }

  Service& service_;
  std::optional<std::uint32_t> top_;  ///< log-probabilities are wanted, and so many beside each

 private:
  [[nodiscard]] Json document(const char* object, Json choices) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", service_.model_name()},
            {"system_fingerprint", fingerprint()},
            {"choices", std::move(choices)}};
  }
  [[nodiscard]] Json with_numbers(Json made, const std::vector<EndedAnswer>& answers) const {
    made["usage"] = usage_json(answers, prompt_tokens_);
    made["timings"] = timings_json(answers);
    return made;
  }

  std::string id_;
  std::int64_t created_;
  std::size_t prompt_tokens_;
  bool wants_usage_;
  const char* object_;
  const char* piece_;
};

}  // namespace program::serving
