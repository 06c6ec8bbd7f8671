// SPDX-License-Identifier: Apache-2.0
// `lamina bench`: speed of prefill and decode, beside what the machine can do.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench_flags.hpp"
#include "bench_parallel.hpp"
#include "bench_session.hpp"
#include "commands.hpp"
#include "drafting.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "model.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "plan.hpp"
#include "probe.hpp"
#include "report.hpp"
#include "stand_in.hpp"
#include "target.hpp"

namespace program {
namespace {

using lamina::TokenId;

/// Ceilings of this machine.
struct Ceilings {
  double bytes_per_s = 0;
  double int8_ops_per_s = 0;
};

/// Cost of one token of a test.
struct TokenCost {
  double bytes = 0;
  double ops = 0;
};

Json speed_json(std::vector<double> speeds) {
  if (speeds.empty()) return Json();
  std::sort(speeds.begin(), speeds.end());
  const std::size_t half = speeds.size() / 2;
  const double median = speeds.size() % 2 == 1 ? speeds[half] : (speeds[half - 1] + speeds[half]) / 2;
  return {{"median", median}, {"min", speeds.front()}, {"max", speeds.back()}};
}

Json row_json(const std::string& test, std::uint32_t tokens, std::uint32_t depth, std::uint32_t threads,
              const std::vector<double>& speeds, const TokenCost& cost, const Ceilings& ceilings) {
  const Json speed = speed_json(speeds);
  const double median = speed.is_null() ? 0 : speed["median"].get<double>();
  return {{"test", test},
          {"tokens", tokens},
          {"depth", depth},
          {"threads", threads},
          {"target", target_name()},
          {"kernels", kernel_names()},
          {"tokens_per_s", speed},
          {"bytes_per_token", cost.bytes},
          {"bandwidth_probe_bytes_per_s", ceilings.bytes_per_s},
          {"share_of_bandwidth", speed.is_null() ? Json() : Json(median * cost.bytes / ceilings.bytes_per_s)},
          {"int8_peak_ops_per_s", ceilings.int8_ops_per_s},
          {"share_of_peak", speed.is_null() ? Json() : Json(median * cost.ops / ceilings.int8_ops_per_s)},
          {"expert_hit_rate", Json()},
          {"expert_bytes_read", Json()},
          {"peak_rss_bytes", peak_memory_bytes()}};
}

/// Fields of what a test asked of experts on disk, bytes for each of its tokens; null where none are there.
void add_expert_fields(Json& row, const lamina::ExpertReads& reads, double tokens) {
  const bool any = reads.asked > 0 && tokens > 0;
  row["expert_hit_rate"] =
      any ? Json(static_cast<double>(reads.found) / static_cast<double>(reads.asked)) : Json();
  row["expert_bytes_read"] = any ? Json(static_cast<double>(reads.bytes) / tokens) : Json();
}

/// Seconds by rows are null where no pass had so many.
Json drafted_json(const DraftedSpeeds& speeds) {
  Json draft = drafts_json(speeds.counts);
  draft["step_s"] = speeds.step_s;
  for (const double seconds : speeds.pass_s) draft["pass_s"].push_back(seconds > 0 ? Json(seconds) : Json());
  draft["speedup"] = speed_json(speeds.speedups);
  return draft;
}

TokenCost decode_cost(const Planner& planner, lamina::SessionOptions options, std::uint32_t depth) {
  options.context = std::max(depth, 1U);
  const auto plan = planner.plan(options);
  return {static_cast<double>(bytes_per_token(*plan, planner.description().layer_count)),
          static_cast<double>(plan->decode_flops)};
}

/// A pass over the weights is shared by the tokens of a chunk; all but the last token stop after the last KV
/// owner.
TokenCost prefill_cost(const Planner& planner, lamina::SessionOptions options, std::uint32_t tokens) {
  const auto plan = planner.plan(options);
  double bytes = 0;
  for (int i = 0; i < plan->first_reader; ++i) {
    bytes += static_cast<double>(
        plan->kinds[static_cast<std::size_t>(plan->kind_of[static_cast<std::size_t>(i)])].weights.bytes);
  }
  return {bytes / std::min(tokens, options.chunk), 2.0 * static_cast<double>(plan->owner_multiply_adds)};
}

Json kind_rows(const Planner& planner, lamina::SessionOptions options, std::uint32_t depth,
               std::uint32_t threads, const Ceilings& ceilings) {
  options.context = std::max(depth, 1U);
  const auto plan = planner.plan(options);
  Json rows = Json::array();
  for (int k = 0; k < plan->kind_count; ++k) {
    const lamina::LayerKindPlan& kind = plan->kinds[static_cast<std::size_t>(k)];
    const TokenCost cost{
        static_cast<double>(kind.weights.active_bytes + cache_bytes_read(*plan, k)),
        2.0 * static_cast<double>(kind.weights.multiply_adds + kind.attention_multiply_adds)};
    rows.push_back(row_json("layer " + kind_name(*plan, k) + " x" + std::to_string(kind.count), 1, depth,
                            threads, {}, cost, ceilings));
  }
  return rows;
}

/// The end of a row's line: experts found in memory, and bytes read of the others.
void print_experts(const Json& row) {
  if (row["expert_hit_rate"].is_null()) return;
  putf("  %.1f %% of the experts in memory, %s read/token", 100 * row["expert_hit_rate"].get<double>(),
       format_bytes(row["expert_bytes_read"].get<double>()).c_str());
}

/// What drafting did in a row's test, where it did.
void print_drafts(const Json& row) {
  if (const auto draft = row.find("draft"); draft != row.end()) {
    const Json& speedup = (*draft)["speedup"];
    putf("   %.2fx, %s of %s drafts in %s passes", speedup.is_null() ? 0.0 : speedup["median"].get<double>(),
         (*draft)["accepted"].dump().c_str(), (*draft)["drafted"].dump().c_str(),
         (*draft)["passes"].dump().c_str());
  }
}

void print_row(const Json& row) {
  const auto number = [&](const char* key) { return row[key].is_null() ? 0.0 : row[key].get<double>(); };
  const Json& speed = row["tokens_per_s"];
  putf("%-28s %7s %7s", row["test"].get_ref<const std::string&>().c_str(), row["tokens"].dump().c_str(),
       row["depth"].dump().c_str());
  if (speed.is_null()) {
    putf(" %10s %21s %12s\n", "", "", format_bytes(number("bytes_per_token")).c_str());
    return;
  }
  putf(" %10.2f %10.2f-%10.2f %12s %8.1f %% %8.1f %%", speed["median"].get<double>(),
       speed["min"].get<double>(), speed["max"].get<double>(),
       format_bytes(number("bytes_per_token")).c_str(), 100 * number("share_of_bandwidth"),
       100 * number("share_of_peak"));
  print_experts(row);
  print_drafts(row);
  put("\n");
}

/// Reads "3/4,1/2,0"; of nothing, one that is as the drafter has it. Errors: bad_argument.
lamina::Result<std::vector<Acceptance>> parse_acceptances(std::string_view text) {
  std::vector<Acceptance> list;
  if (text.empty()) list.push_back({0, 0});
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view one = text.substr(0, comma);
    const std::size_t slash = std::min(one.find('/'), one.size());
    Acceptance acceptance;
    const bool reads = read_number(one.substr(0, slash), 0U, 1000U, acceptance.right) &&
                       (slash == one.size() || read_number(one.substr(slash + 1), 1U, 1000U, acceptance.of));
    if (!reads || acceptance.right > acceptance.of) {
      return lamina::Error{lamina::ErrorCode::bad_argument,
                           "--draft-acceptance",
                           "no share of drafts",
                           "shares from 0 to 1, such as 3/4",
                           one,
                           ""};
    }
    list.push_back(acceptance);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

/// `--parallel`: one row for each number of sequences.
int bench_parallel(const BenchFlags& flags, const std::vector<TokenId>& depths,
                   const std::vector<Acceptance>& acceptances) {
  const bool json = flags.common.json;
  const auto counts = parse_ids(flags.parallel, "--parallel");
  if (!counts || counts->empty() || *std::min_element(counts->begin(), counts->end()) == 0 ||
      *std::max_element(counts->begin(), counts->end()) > 1024)
    return fail_usage("--parallel: not a list of numbers from 1 to 1024", "for example --parallel 1,2,4,8,16",
                      json);
  const std::uint32_t generate = std::max(flags.generate, 2U);
  const std::uint32_t deepest = *std::max_element(depths.begin(), depths.end());
  const std::uint32_t most = *std::max_element(counts->begin(), counts->end());
  const std::uint64_t needed =
      std::max(std::uint64_t{deepest} + generate, std::uint64_t{flags.mix ? flags.prompt : 0});

  catch_interrupts();
  auto file = open_file(flags.common.model);
  if (!file) return fail(file.error(), json);
  if (const auto status = check_length(
          needed, static_cast<std::uint32_t>(file->weights.description.max_context), file->weights);
      !status)
    return fail(status.error(), json);
  auto started = start(std::move(*file), flags.common,
                       {.context = static_cast<std::uint32_t>(needed),
                        .chunk = std::max(512U, most + 1),
                        .logits_rows = most + 1,
                        .sequences = most,
                        .sequence_context = deepest + generate,
                        .has_longer = flags.mix,
                        .drafts = !acceptances.empty()});
  if (!started) return fail(started.error(), json);
  if (!acceptances.empty() && !started->drafter)
    return fail_usage("--draft-acceptance: there is no drafter", "name it with --draft FILE", json);
  const std::uint32_t threads = started->pool != nullptr ? started->pool->width() : 1;
  if (!json) {
    putf("target %s, %u threads\n", target_name().c_str(), threads);
    putf("%-28s %7s %7s %12s %12s %12s\n", "test", "seqs", "depth", "tokens/s", "of each", "prompt/s");
  }
  Json rows = Json::array();
  std::vector<ParallelTest> tests;
  for (const std::uint32_t depth : depths) {
    for (const std::uint32_t count : *counts) {
      tests.push_back({.sequences = count,
                       .depth = depth,
                       .generate = generate,
                       .mix = flags.mix,
                       .prompt = flags.prompt,
                       .prompt_rows = flags.mix_rows,
                       .drafts = draft_options(flags.common)});
      tests.back().drafts.measures = !flags.fixed_length;
      for (const Acceptance& acceptance : acceptances) {
        tests.push_back(tests.back());
        tests.back().drafter = &*started->drafter;
        tests.back().acceptance = acceptance;
      }
    }
  }
  for (const ParallelTest& test : tests) {
    if (output_failed() || interrupted()) break;
    const std::uint32_t count = test.sequences;
    std::string name = test.mix ? "decode beside a prompt" : "decode together";
    if (test.drafter != nullptr) name += ", " + test.acceptance.name();
    std::vector<double> all;
    std::vector<double> prompt;
    std::vector<double> speedups;
    lamina::DraftCounts drafts;
    const lamina::ExpertReads before = started->engine->expert_reads();
    double tokens = 0;
    for (std::uint32_t i = 0; i < flags.repeat && !interrupted(); ++i) {
      const auto speed = measure_parallel(*started->engine, test);
      if (!speed) return fail(speed.error(), json);
      if (interrupted()) break;
      all.push_back(speed->decode_per_s);
      prompt.push_back(speed->prompt_per_s);
      if (speed->plain_per_s > 0) speedups.push_back(speed->decode_per_s / speed->plain_per_s);
      tokens += static_cast<double>(speed->decoded + speed->read);
      drafts.drafted += speed->drafted;
      drafts.accepted += speed->accepted;
      drafts.passes += speed->passes;
    }
    const Json speeds = speed_json(all);
    if (speeds.is_null()) break;
    const double median = speeds["median"].get<double>();
    const double read = speed_json(prompt)["median"].get<double>();
    Json row{{"test", name},
             {"sequences", count},
             {"tokens", generate},
             {"depth", test.depth},
             {"threads", threads},
             {"target", target_name()},
             {"tokens_per_s", speeds},
             {"tokens_per_s_each", median / count},
             {"prompt_tokens", flags.mix ? flags.prompt : 0},
             {"prompt_tokens_per_s", read},
             {"peak_rss_bytes", peak_memory_bytes()}};
    add_expert_fields(row, started->engine->expert_reads() - before, tokens);
    if (test.drafter != nullptr) {
      row["draft"] = {{"drafted", drafts.drafted},
                      {"accepted", drafts.accepted},
                      {"passes", drafts.passes},
                      {"speedup", speed_json(speedups)}};
    }
    if (!json) {
      putf("%-28s %7u %7u %12.2f %12.2f %12.2f", name.c_str(), count, test.depth, median, median / count,
           read);
      print_experts(row);
      print_drafts(row);
      put("\n");
    }
    flush_output();
    rows.push_back(std::move(row));
  }
  if (json) print(Json{{"rows", rows}});
  return interrupted() ? exit_interrupted : exit_done;
}

int bench(const BenchFlags& flags) {
  const bool json = flags.common.json;
  const auto depths = parse_ids(flags.depths, "--depth");
  if (!depths || depths->empty())
    return fail_usage("--depth: not a list of numbers", "for example --depth 0,4096", json);
  const auto acceptances = parse_acceptances(flags.acceptance);
  if (!acceptances)
    return fail_usage(describe(acceptances.error()).view(), "for example --draft-acceptance 3/4,1/2,1/10,0",
                      json);
  if (!flags.parallel.empty()) {
    if (flags.mix && !flags.acceptance.empty())
      return fail_usage("bench: --mix and --draft-acceptance exclude each other", "leave one of them out",
                        json);
    return bench_parallel(flags, *depths,
                          flags.acceptance.empty() ? std::vector<Acceptance>() : *acceptances);
  }
  if (flags.mix) {
    return fail_usage("bench: --mix needs sequences that decode meanwhile", "lamina bench --parallel 8 --mix",
                      json);
  }
  const std::uint32_t deepest = *std::max_element(depths->begin(), depths->end());
  const bool may_draft =
      !flags.common.no_draft && !(flags.common.draft.empty() && drafters_beside(flags.common.model).empty());
  const std::uint64_t needed =
      std::uint64_t{deepest} + std::max(flags.prompt, SessionBench::text_tokens(flags, may_draft));

  catch_interrupts();
  auto file = open_file(flags.common.model);
  if (!file) return fail(file.error(), json);
  const std::int32_t most = file->weights.description.max_context;
  const std::uint64_t context = flags.common.context > 0
                                    ? flags.common.context
                                    : std::min<std::uint64_t>(needed, static_cast<std::uint64_t>(most));
  if (const auto status = check_length(needed, static_cast<std::uint32_t>(context), file->weights); !status) {
    return fail(status.error(), json);
  }
  const SessionNeeds needs{.context = static_cast<std::uint32_t>(context), .drafts = true};
  auto started = start(std::move(*file), flags.common, needs);
  if (!started) return fail(started.error(), json);
  Engine& engine = *started;

  if (!flags.acceptance.empty() && !engine.drafter) {
    return fail_usage("--draft-acceptance: there is no drafter", "name it with --draft FILE", json);
  }

  const std::uint32_t threads = engine.pool != nullptr ? engine.pool->width() : 1;
  if (const std::string warning = target_warning(); !warning.empty() && !flags.common.quiet) {
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  note(flags.common, "measuring the machine ...");
  const Ceilings ceilings{probe_bandwidth(engine.pool.get()), probe_int8_peak(engine.pool.get())};
  note(flags.common, "%s read, %.3g int8 operations a second, %u threads",
       format_bytes(ceilings.bytes_per_s).c_str(), ceilings.int8_ops_per_s, threads);

  const Planner planner(engine.model->file().description, &engine.model->file(), lamina::Format::f32,
                        &engine.model->entry());
  const lamina::SessionOptions& options = engine.session->options();
  SessionBench tests(engine, flags, static_cast<std::uint32_t>(needed));
  Json rows = Json::array();
  if (!json) {
    putf("target %s, products by %s\n", target_name().c_str(), kernel_names().c_str());
    putf("%-28s %7s %7s %10s %21s %12s %10s %10s\n", "test", "tokens", "depth", "tokens/s", "min - max",
         "bytes/token", "bandwidth", "int8 peak");
  }
  const auto add = [&](Json row) {
    if (!json) print_row(row);
    flush_output();  // a row takes long enough to be waited for
    rows.push_back(std::move(row));
  };
  for (const std::uint32_t depth : *depths) {
    if (output_failed()) break;
    if (flags.prompt > 0 && !interrupted()) {
      const auto speeds = tests.prefill(depth);
      if (!speeds) return fail(speeds.error(), json);
      Json row = row_json("prefill", flags.prompt, depth, threads, *speeds,
                          prefill_cost(planner, options, flags.prompt), ceilings);
      add_expert_fields(row, tests.expert_reads(), tests.tokens_measured());
      add(std::move(row));
    }
    if (flags.generate > 0 && !interrupted()) {
      const TokenCost cost = decode_cost(planner, options, depth + flags.generate / 2);
      if (engine.drafter) {
        if (const auto status = tests.write_greedy(depth); !status) return fail(status.error(), json);
      }
      const auto speeds = tests.decode(depth);
      if (!speeds) return fail(speeds.error(), json);
      Json decoded = row_json("decode", flags.generate, depth, threads, *speeds, cost, ceilings);
      add_expert_fields(decoded, tests.expert_reads(), tests.tokens_measured());
      add(std::move(decoded));
      for (const Acceptance& acceptance : engine.drafter ? *acceptances : std::vector<Acceptance>()) {
        if (interrupted()) break;
        const auto ahead = tests.decode_ahead(depth, acceptance);
        if (!ahead) return fail(ahead.error(), json);
        Json row = row_json("decode, " + acceptance.name(), flags.generate, depth, threads,
                            ahead->tokens_per_s, cost, ceilings);
        add_expert_fields(row, tests.expert_reads(), tests.tokens_measured());
        row["draft"] = drafted_json(*ahead);
        add(std::move(row));
      }
    }
    for (Json& row : kind_rows(planner, options, depth, threads, ceilings)) add(std::move(row));
  }
  if (json) print(Json{{"rows", rows}});
  return interrupted() ? exit_interrupted : exit_done;
}

}  // namespace

void add_bench(Program& program) {
  CLI::App* command = program.app.add_subcommand("bench", "Speed of prefill and decode");
  auto flags = std::make_shared<BenchFlags>();
  add_common_flags(*command, flags->common);
  add_memory_flags(*command, flags->common);
  add_draft_flags(*command, flags->common);
  command->add_option("--draft-acceptance", flags->acceptance,
                      "Put right and wrong drafts in the place of the drafter's, which runs all the same: so "
                      "many are right, such as 3/4,1/2,1/10,0");
  command->add_flag("--draft-fixed", flags->fixed_length,
                    "Always --draft-max drafts, instead of as many as pay");
  add_number(*command, "--prompt", flags->prompt, 0U, 1U << 24,
             "Tokens of the prefill test, 0: no such test (default 512)");
  add_number(*command, "--generate", flags->generate, 0U, 1U << 24,
             "Tokens of the decode test, 0: no such test (default 128)");
  command->add_option("--depth", flags->depths,
                      "Tokens in the cache before each test, such as 0,4096 (default 0)");
  add_number(*command, "--repeat", flags->repeat, 1U, 1000U,
             "Repetitions of each test after one to warm up (default 3)");
  command->add_option("--parallel", flags->parallel,
                      "Decode with so many sequences together instead, such as 1,2,4,8,16");
  command->add_flag("--mix", flags->mix, "With --parallel: one more sequence reads a prompt meanwhile");
  add_number(*command, "--mix-rows", flags->mix_rows, 1U, 8192U,
             "Tokens of that prompt in a pass at most (default 16)");
  command->callback([&program, flags] { program.action = [flags] { return bench(*flags); }; });
}

}  // namespace program
