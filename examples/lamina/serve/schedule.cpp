// SPDX-License-Identifier: Apache-2.0
// /schedule: the model's layers by kind, what each kind costs, and how long each layer takes.
#include <algorithm>
#include <utility>
#include <vector>

#include "../machine.hpp"
#include "../plan.hpp"
#include "api_error.hpp"
#include "endpoints.hpp"

namespace program::serving {
namespace {

using lamina::Done;
using lamina::Result;
using lamina::Status;

/// Notes how long each layer of a pass takes: from what was shown before its output to its output.
class LayerClock final : public lamina::PassObserver {
 public:
  explicit LayerClock(std::size_t layers) : seconds_(layers) {
    for (auto& one : seconds_) one.reserve(most_passes);
  }

  void show(lamina::PassValue what, std::uint32_t layer, const float*, std::size_t,
            std::size_t) noexcept override {
    using lamina::PassValue;
    if (what == PassValue::layer_output && layer < seconds_.size() && seconds_[layer].size() < most_passes)
      seconds_[layer].push_back(watch_.seconds());
    if (what == PassValue::layer_output || what == PassValue::embedding || what == PassValue::per_layer_input)
      watch_ = Stopwatch();
  }
  void show_routing(std::uint32_t, std::span<const lamina::RoutedExpert>, std::size_t) noexcept override {}

  /// The median of all passes but the first, which warms up.
  [[nodiscard]] std::vector<double> medians() const {
    std::vector<double> out;
    for (std::vector<double> times : seconds_) {
      if (times.size() > 1) times.erase(times.begin());
      const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
      std::nth_element(times.begin(), middle, times.end());
      out.push_back(times.empty() ? 0 : *middle);
    }
    return out;
  }

  static constexpr std::size_t most_passes = 16;

 private:
  std::vector<std::vector<double>> seconds_;  ///< [layers][passes]
  Stopwatch watch_;
};

/// Decodes some tokens in a small session of its own while no pass runs: they share the threads.
class LayerProbe final : public lamina::SlotTask {
 public:
  LayerProbe(const lamina::Model& model, lamina::SessionOptions options)
      : clock(static_cast<std::size_t>(model.file().description.layer_count)),
        model_(model),
        options_(options) {
    options_.observer = &clock;
  }

  void run(lamina::Sequence&, bool) override { status = decode(); }

  LayerClock clock;
  Status status = Done{};

 private:
  Status decode() {
    auto session = lamina::Session::create(model_, options_);
    if (!session) return session.error();
    // Others wait meanwhile: after a third of a second it is enough.
    constexpr double most_seconds = 1.0 / 3;
    const Stopwatch watch;
    for (std::size_t i = 0; i < LayerClock::most_passes && (i < 2 || watch.seconds() < most_seconds); ++i) {
      if (const auto logits = session->step(static_cast<lamina::TokenId>(i + 1)); !logits)
        return logits.error();
    }
    return Done{};
  }

  const lamina::Model& model_;
  lamina::SessionOptions options_;
};

}  // namespace

Result<std::vector<double>> Service::layer_seconds() {
  const std::lock_guard lock(layer_mutex_);
  if (!layer_seconds_.empty()) return layer_seconds_;
  lamina::SessionOptions options =
      session_options(flags_.common, model().file().description,
                      {.context = static_cast<std::uint32_t>(LayerClock::most_passes), .chunk = 1});
  options.executor = engine_.pool.get();
  if (experts_on_disk_) {
    // No more of them than the measuring needs: those of the engine are in memory, too.
    const Planner planner(model().file().description, &model().file(), lamina::Format::f32, &model().entry());
    options.expert_cache_bytes = model().expert_bytes(planner.experts().active);
  }
  LayerProbe probe(model(), options);
  LAMINA_TRY(scheduler_->with_slot(0, probe));
  if (!probe.status) return probe.status.error();
  layer_seconds_ = probe.clock.medians();
  return layer_seconds_;
}

void schedule(Service& service, Exchange& exchange) {
  const lamina::Model& model = service.model();
  const auto measured = service.layer_seconds();
  if (!measured) return refuse(exchange, api_error(measured.error()));
  const lamina::ModelDescription& description = model.file().description;
  lamina::SessionOptions options;
  options.context = service.scheduler().options().context;
  options.cache = service.flags().common.cache_value();
  // The encodings are those of the file: none is left to be filled in.
  const Planner planner(description, &model.file(), lamina::Format::f32, &model.entry());
  const auto plan = planner.plan(options);
  Json kinds = kinds_json(*plan);
  Json layers = layers_json(*plan, description.layer_count);
  std::vector<double> sums(kinds.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i]["milliseconds"] = (*measured)[i] * 1000;
    sums[static_cast<std::size_t>(plan->kind_of[i])] += (*measured)[i] * 1000;
  }
  for (std::size_t k = 0; k < kinds.size(); ++k) kinds[k]["milliseconds"] = sums[k] / plan->kinds[k].count;
  service.counts().add(200);
  answer_json(exchange, {{"kinds", std::move(kinds)}, {"layers", std::move(layers)}});
}

}  // namespace program::serving
