// SPDX-License-Identifier: Apache-2.0
// `lamina plan`: memory and cost of a model before it is loaded, and the C++ header of its variant.
#include "plan.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include <lamina/weights/as_header.hpp>
#include <lamina/weights/check_numbers.hpp>
#include <lamina/weights/check_tensors.hpp>

#include "commands.hpp"
#include "drafting.hpp"
#include "machine.hpp"
#include "model.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "report.hpp"
#include "terminal.hpp"

namespace program {

Json kinds_json(const lamina::ModelPlan& plan) {
  Json kinds = Json::array();
  for (int k = 0; k < plan.kind_count; ++k) {
    const lamina::LayerKindPlan& kind = plan.kinds[static_cast<std::size_t>(k)];
    kinds.push_back({{"kind", kind_name(plan, k)},
                     {"layers", kind.count},
                     {"first_layer", kind.first},
                     {"heads", kind.layer.heads},
                     {"kv_heads", kind.layer.kv_heads},
                     {"head_dim", kind.layer.head_dim},
                     {"window", kind.layer.window},
                     {"ffn_width", kind.layer.ffn_width},
                     {"experts", kind.layer.experts},
                     {"weights_bytes", kind.weights.bytes},
                     {"cache_bytes", kind.kv_bytes},
                     {"bytes_per_token", kind.weights.active_bytes + cache_bytes_read(plan, k)},
                     {"flops_per_token", 2 * (kind.weights.multiply_adds + kind.attention_multiply_adds)}});
  }
  return kinds;
}

Json layers_json(const lamina::ModelPlan& plan, int layer_count) {
  Json layers = Json::array();
  for (int i = 0; i < layer_count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    layers.push_back(
        {{"layer", i}, {"kind", kind_name(plan, plan.kind_of[at])}, {"kv_owner", plan.owner_of[at]}});
  }
  return layers;
}

namespace {

using lamina::Error;
using lamina::ErrorCode;

struct PlanFlags {
  CommonOptions common;
  std::string file;
  std::string variant;
  std::string format;
  std::uint32_t parallel = 1;
  bool as_header = false;
  bool check_weights = false;
};

/// Stands for the threads of the session that is planned; never runs anything.
class PlannedThreads final : public lamina::Executor {
 public:
  explicit PlannedThreads(std::uint32_t width) : width_(width) {}
  [[nodiscard]] std::uint32_t width() const noexcept override { return width_; }
  void run(Job, void*, std::uint32_t) noexcept override {}

 private:
  std::uint32_t width_;
};

/// What `--budget` asks.
struct Budget {
  std::uint64_t bytes = 0;
  bool fits = false;
  std::uint32_t context = 0;  ///< largest that fits
};

Json plan_json(const Planner& planner, const lamina::SessionOptions& options, const std::string& name,
               std::uint32_t parallel, const std::optional<Budget>& budget) {
  const auto plan = planner.plan(options);
  const MemoryNeeds memory = planner.memory(options, {parallel});
  const ExpertSizes experts = planner.experts();
  const int count = planner.description().layer_count;
  Json document{{"model", name},
                {"formats", planner.formats()},
                {"context", options.context},
                {"sequences", parallel},
                {"cache_format", std::string(lamina::name_of(options.cache))},
                {"precision", std::string(lamina::name_of(options.precision))},
                {"parameters", plan->weights.parameters},
                {"weights_bytes", memory.weights},
                {"weights_on_disk_bytes", memory.on_disk},
                {"experts", experts.count},
                {"expert_slots", experts.each == 0 ? 0 : options.expert_cache_bytes / experts.each},
                {"tokenizer_bytes", memory.tokenizer},
                {"cache_bytes", memory.cache},
                {"workspace_bytes", memory.workspace < 0 ? Json() : Json(memory.workspace)},
                {"drafter_bytes", memory.drafter},
                {"total_bytes", memory.total()},
                {"cache_bytes_per_more_token", plan->kv_growth_bytes},
                {"bytes_per_token", bytes_per_token(*plan, count)},
                {"flops_per_token", plan->decode_flops},
                {"first_reader", plan->first_reader},
                {"kinds", kinds_json(*plan)}};
  if (memory.workspace >= 0) {
    document["workspace"] = {{"vectors_bytes", memory.session.vectors},
                             {"ring_slack_bytes", memory.session.ring_slack},
                             {"page_rounding_bytes", memory.session.page_rounding},
                             {"row_cache_bytes", memory.session.row_cache},
                             {"expert_cache_bytes", memory.session.expert_cache},
                             {"scratch_bytes", memory.session.scratch},
                             {"bookkeeping_bytes", memory.session.bookkeeping}};
  }
  document["layers"] = layers_json(*plan, count);
  if (budget) {
    document["budget"] = {
        {"budget_bytes", budget->bytes}, {"fits", budget->fits}, {"largest_context", budget->context}};
  }
  return document;
}

void print_layers(const Json& document) {
  put("\nlayers (kind: index, \"<\" and the layer whose keys and values it reads)\n");
  for (const Json& kind : document["kinds"]) {
    std::string line;
    for (const Json& layer : document["layers"]) {
      if (layer["kind"] != kind["kind"]) continue;
      line += " " + layer["layer"].dump();
      if (layer["kv_owner"] != layer["layer"]) line += "<" + layer["kv_owner"].dump();
    }
    putf("  %-20s%s\n", kind["kind"].get_ref<const std::string&>().c_str(), line.c_str());
  }
}

void print_plan(const Json& document) {
  const auto bytes = [&](const char* key) { return format_bytes(document[key].get<double>()); };
  const auto word = [&](const char* key) { return document[key].get<std::string>(); };
  putf("%s, %s, %s cache of %s tokens, %.3g billion weights\n", word("model").c_str(),
       word("formats").c_str(), word("cache_format").c_str(), document["context"].dump().c_str(),
       document["parameters"].get<double>() / 1e9);
  if (document["sequences"] != 1)
    putf("for %s sequences of so many tokens\n", document["sequences"].dump().c_str());
  put("\n");
  putf("weights    %12s", bytes("weights_bytes").c_str());
  if (document["weights_on_disk_bytes"].get<double>() > 0) {
    putf("   of them %s read from disk", bytes("weights_on_disk_bytes").c_str());
  }
  if (document["tokenizer_bytes"] != 0) putf("\ntokenizer  %12s", bytes("tokenizer_bytes").c_str());
  putf("\ncache      %12s   %s for each more token\n", bytes("cache_bytes").c_str(),
       bytes("cache_bytes_per_more_token").c_str());
  if (document["workspace_bytes"].is_null()) {
    put("workspace       unknown   no compiled-in model fits this file\n");
  } else {
    putf("workspace  %12s", bytes("workspace_bytes").c_str());
    const char* before = "   ";
    for (const auto& [key, name] : {std::pair{"scratch_bytes", "scratch"},
                                    {"vectors_bytes", "vectors"},
                                    {"row_cache_bytes", "rows of per-layer embeddings"},
                                    {"expert_cache_bytes", "experts"},
                                    {"ring_slack_bytes", "rings beyond their windows"},
                                    {"page_rounding_bytes", "last page"},
                                    {"bookkeeping_bytes", "tables"}}) {
      const double size = document["workspace"][key].get<double>();
      if (size > 0) putf("%s%s %s", std::exchange(before, ", "), name, format_bytes(size).c_str());
    }
    put("\n");
  }
  if (document["drafter_bytes"].get<double>() > 0) {
    putf("drafter    %12s   beside the model; --no-draft leaves it out\n", bytes("drafter_bytes").c_str());
  }
  putf("total      %12s   of memory", bytes("total_bytes").c_str());
  if (document["expert_slots"] != 0) {
    putf(", with %s of the %s experts of each layer", document["expert_slots"].dump().c_str(),
         document["experts"].dump().c_str());
  }
  put("\n");
  putf("one token  %12s   read, %.4g GFLOP\n\n", bytes("bytes_per_token").c_str(),
       document["flops_per_token"].get<double>() / 1e9);

  putf("%-20s %6s %12s %12s %12s %10s\n", "layer kind", "layers", "weights", "cache", "read/token", "MFLOP");
  for (const Json& kind : document["kinds"]) {
    putf("%-20s %6s %12s %12s %12s %10.4g\n", kind["kind"].get_ref<const std::string&>().c_str(),
         kind["layers"].dump().c_str(), format_bytes(kind["weights_bytes"].get<double>()).c_str(),
         format_bytes(kind["cache_bytes"].get<double>()).c_str(),
         format_bytes(kind["bytes_per_token"].get<double>()).c_str(),
         kind["flops_per_token"].get<double>() / 1e6);
  }
  print_layers(document);
}

std::uint64_t bytes_of(const lamina::WeightFile& file) {
  std::uint64_t bytes = 0;
  for (const lamina::TensorView& tensor : file.tensors) bytes += tensor.bytes.size();
  return bytes;
}

/// Scans all tensors for numbers that are not finite, under a progress bar.
lamina::Status check_weights(const lamina::WeightFile& file, const CommonOptions& common) {
  ProgressBar bar("checking weights", bytes_of(file), common.talks());
  std::uint64_t done = 0;
  for (const lamina::TensorView& tensor : file.tensors) {
    LAMINA_TRY(lamina::check_numbers(file, tensor));
    bar.at(done += tensor.bytes.size());
  }
  return lamina::Done{};
}

/// Plans and prints; `file` null for `--variant`.
int show(const PlanFlags& flags, const lamina::ModelDescription& description, const lamina::WeightFile* file,
         const lamina::ModelEntry* entry, lamina::Format format, const std::string& name) {
  PlannedThreads threads(flags.common.thread_count());
  lamina::SessionOptions options = session_options(flags.common, description);
  CommonOptions as_it_lies = flags.common;
  as_it_lies.no_pack = true;
  const auto drafter = open_drafter(as_it_lies, description, nullptr);
  if (!drafter) return fail(drafter.error(), flags.common.json);
  options.executor = &threads;
  BytesBeside beside;
  if (*drafter) beside.drafter = plan_drafter(**drafter, flags.common, flags.parallel, options);
  const Planner planner(description, file, format, entry, beside);
  if (options.context > static_cast<std::uint32_t>(description.max_context)) {
    return fail(Error{ErrorCode::bad_argument, "context", "tokens of context outside the model's range",
                      lamina::text("1 to %d", description.max_context), lamina::text("%u", options.context),
                      "choose a smaller context (-c)"},
                flags.common.json);
  }
  if (const auto planned =
          plan_experts(planner, flags.common.expert_slots, {flags.parallel}, flags.common.budget, options);
      !planned)
    return fail(planned.error(), flags.common.json);
  std::optional<Budget> budget;
  if (flags.common.budget) {
    const std::uint64_t bytes = *flags.common.budget;
    budget = Budget{bytes, static_cast<bool>(check_budget(planner, options, {flags.parallel}, bytes)),
                    planner.largest_context(options, bytes, {flags.parallel})};
  }
  Json document = plan_json(planner, options, name, flags.parallel, budget);
  if (flags.check_weights)  // whoever gets here passed
    document["weights_check"] = {
        {"finite", true}, {"tensors", file->tensors.size()}, {"bytes", bytes_of(*file)}};
  if (flags.common.json) {
    print(document);
  } else {
    print_plan(document);
    if (flags.check_weights) {
      putf("\nweights are clean: all numbers of %zu tensors, %s, are finite\n", file->tensors.size(),
           format_bytes(static_cast<double>(bytes_of(*file))).c_str());
    }
    if (budget && budget->fits) putf("\nfits; the largest context that fits is %u\n", budget->context);
  }
  if (!budget || budget->fits) return exit_done;
  // The document has said it already: only the lines for people are left.
  return fail(check_budget(planner, options, {flags.parallel}, budget->bytes).error(), false);
}

int plan(const PlanFlags& flags) {
  if (!flags.variant.empty() && !flags.file.empty()) {
    return fail_usage("--variant and a file exclude each other", "leave one of them out", flags.common.json);
  }
  if (!flags.variant.empty() && flags.check_weights) {
    return fail_usage("--variant has no weights to check", "name a file: lamina plan -m FILE --check-weights",
                      flags.common.json);
  }
  if (!flags.variant.empty()) {
    lamina::Format format = lamina::Format::q4_0;
    if (!flags.format.empty()) {
      std::string upper = flags.format;
      for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      const lamina::FormatInfo* info = lamina::find_format(upper);
      if (info == nullptr) {
        return fail_usage("--format: no such encoding: " + flags.format, "for example q4_0, q8_0, q4_k, bf16",
                          flags.common.json);
      }
      format = info->format;
    }
    const auto entry = find_variant(flags.variant);
    if (!entry) return fail(entry.error(), flags.common.json);
    const lamina::ModelDescription& description = (*entry)->describe();
    if (flags.as_header) {
      put(lamina::as_header(description, (*entry)->name));
      return exit_done;
    }
    return show(flags, description, nullptr, *entry, format, std::string((*entry)->name));
  }
  if (!flags.format.empty()) {
    return fail_usage("--format needs --variant: a file has its own encodings",
                      "lamina plan --variant e2b --format q4_0", flags.common.json);
  }
  const auto file = open_weights(flags.file);
  if (!file) return fail(file.error(), flags.common.json);
  if (flags.check_weights) {
    if (const auto clean = check_weights(*file, flags.common); !clean)
      return fail(clean.error(), flags.common.json);
  }
  if (flags.as_header) {
    put(lamina::as_header(file->description, lamina::header_name(file->path)));
    return exit_done;
  }
  const auto entry = find_entry(*file);
  if (!entry) note(flags.common, "note: %s", describe(entry.error()).c_str());
  return show(flags, file->description, &*file, entry ? *entry : nullptr, lamina::Format::f32,
              entry ? std::string((*entry)->name) : "not compiled in");
}

}  // namespace

void add_plan(Program& program) {
  CLI::App* command = program.app.add_subcommand("plan", "Memory and cost of a model");
  auto flags = std::make_shared<PlanFlags>();
  add_common_flags(*command, flags->common);
  add_memory_flags(*command, flags->common);
  add_draft_flags(*command, flags->common);
  command->add_option("file", flags->file, "GGUF file or Hugging Face directory (as -m)");
  command->add_option("--variant", flags->variant,
                      "A compiled-in model instead of a file: e2b, e4b, 12b, 26b-a4b, 31b");
  command->add_option("--format", flags->format, "Encoding of the variant's matrices (default q4_0)");
  add_number(*command, "--parallel", flags->parallel, 1U, 1024U,
             "Sequences of so many tokens each, in one engine (default 1)");
  command->add_flag("--as-header", flags->as_header,
                    "Print the C++ header of a variant with the file's structure");
  command->add_flag("--check-weights", flags->check_weights,
                    "Read all of the file's weights and look for infinite and NaN numbers");
  command->callback([&program, flags] {
    program.action = [flags] {
      if (!flags->file.empty() && !flags->common.model.empty()) {
        return fail_usage("a file is named twice", "give it once, with or without -m", flags->common.json);
      }
      if (flags->file.empty()) flags->file = flags->common.model;
      flags->common.model = flags->file;
      return plan(*flags);
    };
  });
}

}  // namespace program
