// SPDX-License-Identifier: Apache-2.0
// The sums of plan.hpp.
#include "plan.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/engine/open_model.hpp>

#include "machine.hpp"

namespace program {

using lamina::Format;

namespace {

constexpr std::string_view row_table = "per_layer_token_embd.weight";

}  // namespace

Format Planner::format_of(const lamina::WeightFact& weight) const {
  if (file_ != nullptr) {
    std::string name = weight.layer < 0 ? std::string() : "blk." + std::to_string(weight.layer) + ".";
    name += weight.name;
    if (const lamina::TensorView* tensor = file_->find(name)) return tensor->format;
  }
  return lamina::UniformFormat{format_}(weight);
}

std::string Planner::formats() const {
  if (file_ == nullptr) return std::string(lamina::info_of(format_).name);
  std::map<std::string_view, std::size_t> bytes;
  for (const lamina::TensorView& tensor : file_->tensors) {
    if (tensor.dims[1] > 1) bytes[lamina::info_of(tensor.format).name] += tensor.bytes.size();
  }
  std::vector<std::pair<std::string_view, std::size_t>> sorted(bytes.begin(), bytes.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string list;
  for (const auto& [name, size] : sorted) {
    if (!list.empty()) list += ", ";
    list += name;
  }
  return list;
}

std::unique_ptr<lamina::ModelPlan> Planner::plan(const lamina::SessionOptions& options) const {
  auto plan = std::make_unique<lamina::ModelPlan>();
  const lamina::PlanOptions wanted{.context = options.context, .cache = options.cache};
  lamina::make_plan(
      *description_, wanted, [this](const lamina::WeightFact& weight) { return format_of(weight); }, *plan);
  return plan;
}

std::int64_t Planner::row_table_bytes() const {
  const std::int64_t columns = std::int64_t{description_->per_layer_input} * description_->layer_count;
  if (columns == 0) return 0;
  const lamina::WeightFact table{
      row_table, -1, description_->vocab, static_cast<int>(columns), 1, lamina::SlotUse::table};
  return static_cast<std::int64_t>(lamina::row_bytes(format_of(table), static_cast<std::size_t>(columns))) *
         description_->vocab;
}

ExpertSizes Planner::experts() const {
  ExpertSizes sizes;
  for (int i = 0; i < description_->layer_count; ++i) {
    const lamina::LayerDescription& layer = description_->layers[static_cast<std::size_t>(i)];
    sizes.count = std::max(sizes.count, static_cast<std::uint32_t>(layer.experts));
    sizes.active = std::max(sizes.active, static_cast<std::uint32_t>(layer.active_experts));
    const lamina::WeightFact stacks[] = {{"ffn_gate_up_exps.weight", i, 2 * layer.expert_width,
                                          description_->hidden, layer.experts, lamina::SlotUse::matrix},
                                         {"ffn_down_exps.weight", i, description_->hidden, layer.expert_width,
                                          layer.experts, lamina::SlotUse::matrix}};
    for (const lamina::WeightFact& stack : stacks) {
      if (file_ != nullptr || layer.experts == 0) continue;
      const std::size_t one = lamina::row_bytes(format_of(stack), static_cast<std::size_t>(stack.columns)) *
                              static_cast<std::size_t>(stack.rows);
      sizes.stored += static_cast<std::int64_t>(one) * stack.stack;
      sizes.each += lamina::aligned_size(one);
    }
  }
  if (file_ == nullptr || sizes.count == 0) return sizes;
  for (const lamina::TensorView& tensor : file_->tensors) {
    if (!lamina::is_stack(tensor)) continue;
    sizes.stored += static_cast<std::int64_t>(tensor.bytes.size());
    sizes.each += lamina::aligned_size(tensor.bytes.size() / tensor.dims[2]);
  }
  return sizes;
}

std::uint32_t cache_tokens(std::uint64_t blocks) noexcept {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(blocks * lamina::kv_block, UINT32_MAX / lamina::kv_block * lamina::kv_block));
}

std::uint64_t engine_bytes(const lamina::ModelEntry& entry, const lamina::EngineOptions& engine,
                           const PlannedSequences& sequences, std::uint32_t longest) {
  const auto bytes_of = [&](std::uint32_t context) -> std::uint64_t {
    return lamina::Engine::sequence_bytes(entry, engine, {context});
  };
  return entry.model_bytes() + lamina::Engine::bytes(entry, engine) +
         sequences.count * bytes_of(sequences.context_of(longest)) +
         (sequences.has_longer ? bytes_of(longest) : 0);
}

namespace {

/// The plan of a session, or of the sequences of one engine.
lamina::MemoryPlan plan_sequences(const lamina::ModelEntry& entry, lamina::SessionOptions options,
                                  const PlannedSequences& sequences) {
  lamina::MemoryPlan plan = lamina::plan_memory(entry, options);
  if (sequences.count == 1 && sequences.context == 0 && !sequences.has_longer) return plan;
  // Counted in whole pages, as `start` plans them.
  lamina::EngineOptions engine = options.engine();
  engine.cache_tokens = cache_tokens(sequences.kv_blocks(options.context));
  const std::uint32_t longer = sequences.has_longer ? 1 : 0;
  lamina::SessionOptions each = options;
  each.context = sequences.context_of(options.context);
  const lamina::MemoryPlan one = lamina::plan_memory(entry, each);
  plan.cache = plan.cache * longer + one.cache * sequences.count;
  plan.ring_slack = plan.ring_slack * longer + one.ring_slack * sequences.count;
  plan.page_rounding = plan.page_rounding * longer + one.page_rounding * sequences.count;
  plan.total_bytes = engine_bytes(entry, engine, sequences, options.context);
  plan.bookkeeping = plan.total_bytes - plan.vectors - plan.cache - plan.ring_slack - plan.page_rounding -
                     plan.row_cache - plan.expert_cache - plan.scratch;
  return plan;
}

}  // namespace

MemoryNeeds Planner::memory(const lamina::SessionOptions& options, const PlannedSequences& sequences) const {
  const auto planned = plan(options);
  MemoryNeeds needs;
  needs.weights = planned->weights.bytes;
  needs.on_disk = row_table_bytes();
  needs.tokenizer =
      static_cast<std::int64_t>(file_ != nullptr ? lamina::tokenizer_bytes(*file_)
                                                 : std::uint64_t{lamina::Tokenizer::bytes_per_token} *
                                                       static_cast<std::uint64_t>(description_->vocab));
  needs.towers = static_cast<std::int64_t>(beside_.towers);
  needs.drafter = static_cast<std::int64_t>(beside_.drafter);
  lamina::SessionOptions each = options;
  each.context = sequences.context_of(options.context);
  needs.cache = plan(each)->kv_bytes * sequences.count + (sequences.has_longer ? planned->kv_bytes : 0);
  if (options.expert_cache_bytes > 0) needs.on_disk += experts().stored;
  if (entry_ != nullptr) {
    needs.session = plan_sequences(*entry_, options, sequences);
    needs.workspace = static_cast<std::int64_t>(needs.session.total_bytes - needs.session.cache);
  }
  return needs;
}

std::uint32_t Planner::largest_context(lamina::SessionOptions options, std::uint64_t budget,
                                       const PlannedSequences& sequences) const {
  const auto fits = [&](std::uint32_t context) {
    options.context = context;
    return static_cast<std::uint64_t>(memory(options, sequences).total()) <= budget;
  };
  std::uint32_t low = 0;
  auto high = static_cast<std::uint32_t>(description_->max_context);
  if (fits(high)) return high;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

lamina::Status plan_experts(const Planner& planner, std::uint32_t wanted, const PlannedSequences& sequences,
                            std::optional<std::uint64_t> budget, lamina::SessionOptions& options) {
  options.expert_cache_bytes = 0;
  const ExpertSizes experts = planner.experts();
  if (experts.count == 0) return lamina::Done{};
  if (wanted > 0 && (wanted < experts.active || wanted > experts.count)) {
    return lamina::Error{lamina::ErrorCode::bad_argument,
                         "--expert-slots",
                         "experts of a layer out of range",
                         lamina::text("%u, which one token needs, to %u", experts.active, experts.count),
                         lamina::text("%u", wanted),
                         ""};
  }
  const auto needed = [&] { return static_cast<std::uint64_t>(planner.memory(options, sequences).total()); };
  const auto hold = [&](std::uint64_t slots) { options.expert_cache_bytes = slots * experts.each; };
  if (wanted > 0) {
    hold(wanted);
  } else if (budget && needed() > *budget) {
    hold(experts.active);
    const std::uint64_t room = *budget - std::min(*budget, needed());
    hold(std::min<std::uint64_t>(experts.count, experts.active + room / experts.each));
  }
  return lamina::Done{};
}

lamina::Status check_budget(const Planner& planner, const lamina::SessionOptions& options,
                            const PlannedSequences& sequences, std::uint64_t budget) {
  const auto needed = static_cast<std::uint64_t>(planner.memory(options, sequences).total());
  if (needed <= budget) return lamina::Done{};
  const auto size = [](std::uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  const std::uint32_t context = planner.largest_context(options, budget, sequences);
  return lamina::Error{lamina::ErrorCode::out_of_memory,
                       "--budget",
                       "model does not fit",
                       lamina::FixedText<160>("at most " + size(budget)),
                       lamina::FixedText<160>(size(needed)),
                       context > 0
                           ? lamina::text("a context of %u tokens would fit: -c %u", context, context).view()
                           : "no context fits: choose a smaller format or model"};
}

std::string kind_name(const lamina::ModelPlan& plan, int kind) {
  const auto base = [](const lamina::LayerDescription& layer) {
    std::string name = layer.owns_kv ? "" : "shared ";
    name += layer.attention == lamina::AttentionClass::local ? "local" : "global";
    if (layer.key_is_value) name += " K=V";
    return name;
  };
  const lamina::LayerDescription& layer = plan.kinds[static_cast<std::size_t>(kind)].layer;
  std::string name = base(layer);
  // The width only where the rest does not tell the kinds apart.
  for (int other = 0; other < plan.kind_count; ++other) {
    if (other != kind && base(plan.kinds[static_cast<std::size_t>(other)].layer) == name) {
      return name + " " + std::to_string(layer.ffn_width);
    }
  }
  return name;
}

std::int64_t cache_bytes_read(const lamina::ModelPlan& plan, int kind) {
  const lamina::LayerKindPlan& found = plan.kinds[static_cast<std::size_t>(kind)];
  const std::int16_t owner = plan.owner_of[static_cast<std::size_t>(found.first)];
  if (owner < 0) return 0;
  return plan.kinds[static_cast<std::size_t>(plan.kind_of[static_cast<std::size_t>(owner)])].kv_bytes;
}

std::int64_t bytes_per_token(const lamina::ModelPlan& plan, int layer_count) {
  std::int64_t bytes = plan.weights.active_bytes;
  for (int i = 0; i < layer_count; ++i)
    bytes += cache_bytes_read(plan, plan.kind_of[static_cast<std::size_t>(i)]);
  return bytes;
}

}  // namespace program
