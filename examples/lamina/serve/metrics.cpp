// SPDX-License-Identifier: Apache-2.0
// /metrics: counts and gauges in the text form that Prometheus reads.
#include <cstdio>
#include <string>
#include <string_view>

#include "../machine.hpp"
#include "endpoints.hpp"

namespace program::serving {
namespace {

class MetricsText {
 public:
  void counter(std::string_view name, std::string_view help, double value) {
    one(name, "counter", help, value);
  }
  void gauge(std::string_view name, std::string_view help, double value) { one(name, "gauge", help, value); }
  void head(std::string_view name, std::string_view kind, std::string_view help) {
    text_.append("# HELP lamina_").append(name).append(" ").append(help);
    text_.append("\n# TYPE lamina_").append(name).append(" ").append(kind).append("\n");
  }
  void sample(std::string_view name, std::string_view labels, double value) {
    char number[40];
    std::snprintf(number, sizeof number, " %.17g\n", value);
    text_.append("lamina_").append(name).append(labels).append(number);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void one(std::string_view name, std::string_view kind, std::string_view help, double value) {
    head(name, kind, help);
    sample(name, "", value);
  }

  std::string text_;
};

double number_of(std::uint64_t count) { return static_cast<double>(count); }

}  // namespace

void metrics(Service& service, Exchange& exchange) {
  const lamina::SchedulerCounts counts = service.scheduler().counts();
  MetricsText text;
  text.head("requests_total", "counter",
            "Requests that were answered, by status; 499: the client went away.");
  const RequestCounts& requests = service.counts();
  for (std::size_t i = 0; i < RequestCounts::statuses.size(); ++i) {
    const std::string label = "{status=\"" + std::to_string(RequestCounts::statuses[i]) + "\"}";
    text.sample("requests_total", label, number_of(requests.by_status[i]));
  }
  text.counter("answers_total", "Answers that ended.", number_of(counts.answers));
  text.counter("answer_errors_total", "Answers that ended in an error.", number_of(counts.errors));
  text.counter("prompt_tokens_total", "Tokens of all prompts.", number_of(counts.prompt_tokens));
  text.counter("prompt_tokens_read_total", "Tokens of prompts that were not kept from before.",
               number_of(counts.prompt_tokens_read));
  text.counter("answer_tokens_total", "Tokens of all answers.", number_of(counts.answer_tokens));
  text.counter("media_total", "Requests with pictures or sounds.", number_of(requests.media));
  text.counter("passes_total", "Passes over the weights.", number_of(counts.passes));
  text.counter("pass_seconds_total", "Time in passes.", counts.pass_seconds);
  text.counter("draft_tokens_total", "Tokens that were drafted.", number_of(counts.drafted));
  text.counter("draft_accepted_total", "Drafted tokens that were drawn then.", number_of(counts.accepted));
  text.counter("draft_seconds_total", "Time of the drafter.", counts.draft_seconds);
  text.gauge("answers_running", "Answers that are being written.", number_of(counts.running));
  text.gauge("answers_waiting", "Answers that wait for a slot.", number_of(counts.waiting));
  text.gauge("slots", "Answers that can be written at the same time.",
             number_of(service.scheduler().options().parallel));
  text.gauge("kept_bytes", "Memory of what was read and is kept.", number_of(counts.kept_bytes));
  text.gauge("resident_bytes", "Memory that the process holds.", number_of(resident_memory_bytes()));
  exchange.answer(200, "text/plain; version=0.0.4; charset=utf-8", text.take());
}

}  // namespace program::serving
