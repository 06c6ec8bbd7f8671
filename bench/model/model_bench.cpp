// SPDX-License-Identifier: Apache-2.0
// `bench_model MODEL.gguf`: prefill and decode of a whole model at any depth, beside what the machine can do;
// with --explain also beside the sum of its layer benches, in turns.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/engine/model_entry.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/schedule/plan.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/recognise.hpp>

#include "../../examples/lamina/bench_parallel.hpp"
#include "../arguments.hpp"
#include "../layers/timed_variant.hpp"
#include "../machine.hpp"
#include "../report.hpp"
#include "explain.hpp"
#include "progress.hpp"

extern std::span<const lamina::ModelEntry* const> lamina_registry();

namespace {

using lamina::TokenId;

/// "p512@4096": a prompt of 512 tokens after 4096 others; "n64": 64 tokens decoded one by one; "n32x8": 32
/// each of 8 sequences that decode together.
struct Test {
  bool is_prefill = false;
  std::uint32_t tokens = 0;
  std::uint32_t sequences = 1;
  std::uint32_t depth = 0;

  [[nodiscard]] std::string name() const {
    if (sequences > 1) return "n" + std::to_string(tokens) + "x" + std::to_string(sequences);
    return is_prefill ? "prefill" : "decode";
  }
};

/// What one token of a test needs.
struct TokenCost {
  double bytes = 0;
  double ops = 0;
};

struct Request {
  std::string model;
  std::vector<Test> tests;
  std::uint32_t threads = 1;
  std::uint32_t repeats = 3;
  std::uint32_t deepest = 16384;
  lamina::CacheFormats cache{};
  bool explain = false;
  bool pack = true;
  bool json = false;
};

int print_usage() {
  std::fputs(
      "usage: bench_model MODEL.gguf [--tests p512,p2048,n128,n128@4096] [--threads 1] [--repeats 3]\n"
      "                   [--deepest 16384] [--cache FORMATS] [--explain] [--no-pack] [--json]\n"
      "  --tests     p512: prompt, n128: decoding one by one, n32x8: of 8 sequences together (tokens/s of "
      "all);\n"
      "              @4096 behind it: after that many tokens\n"
      "  --cache     bf16, int8 or f32, or one for each class of layers, as local=bf16,global=int8\n"
      "  --deepest   leaves out tests at greater depth: filling a cache takes as long as reading a prompt\n"
      "  --no-pack   computes from the mapped file\n"
      "  --explain   adds up layer benches on the same weights, in turns with the model\n",
      stderr);
  return 2;
}

int fail(const lamina::Error& error) {
  std::fprintf(stderr, "bench_model: %s\n", lamina::describe(error).c_str());
  return 1;
}

/// Each has a row of a pass.
constexpr std::uint32_t most_sequences = lamina::SessionOptions{}.chunk;

std::optional<Test> parse_test(std::string_view text) {
  if (text.empty() || (text[0] != 'p' && text[0] != 'n')) return std::nullopt;
  Test test{.is_prefill = text[0] == 'p'};
  text.remove_prefix(1);
  const auto tokens = bench::take_number(text);
  if (!tokens || *tokens == 0) return std::nullopt;
  test.tokens = *tokens;
  if (text.starts_with('x') && !test.is_prefill) {
    text.remove_prefix(1);
    const auto sequences = bench::take_number(text);
    if (!sequences || *sequences == 0 || *sequences > most_sequences) return std::nullopt;
    test.sequences = *sequences;
  }
  if (text.empty()) return test;
  if (text[0] != '@') return std::nullopt;
  text.remove_prefix(1);
  const auto depth = bench::take_number(text);
  if (!depth || !text.empty()) return std::nullopt;
  test.depth = *depth;
  return test;
}

/// The tokens that all engines are fed: begin of text, then random ones.
class TokenSource {
 public:
  explicit TokenSource(std::uint32_t vocab) : vocab_(vocab) {}
  [[nodiscard]] std::vector<TokenId> take(std::uint32_t count, bool from_start) {
    std::vector<TokenId> tokens;
    for (std::uint32_t i = 0; i < count; ++i) {
      state_ = state_ * 1664525U + 1013904223U;
      tokens.push_back(from_start && i == 0 ? 2 : static_cast<TokenId>((state_ >> 8) % vocab_));
    }
    return tokens;
  }

 private:
  std::uint32_t vocab_;
  std::uint32_t state_ = 1;
};

double peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

/// A model, its session and the tests on it.
class ModelBench {
 public:
  ModelBench(const Request& request, lamina::WeightFile file, lamina::Executor* executor,
             const lamina::ModelEntry& entry)
      : request_(request),
        file_(std::move(file)),
        executor_(executor),
        entry_(entry),
        tokens_(static_cast<std::uint32_t>(file_.description.vocab)),
        document_(bench::Row().add("name", "model").add("model", entry.name).add("file", file_name())) {}

  lamina::Status run() {
    before_ = bench::measure_ceilings(executor_);
    LAMINA_TRY(start());
    if (!request_.json) print_head();
    for (const Test& test : request_.tests) {
      std::vector<double> speeds;
      double depth = 0;
      for (std::uint32_t i = 0; i < request_.repeats; ++i) {
        if (test.sequences == 1) LAMINA_TRY(go_to(test.depth));
        depth += test.sequences == 1 ? session_->position() : test.depth;
        const auto speed = measure(test);
        if (!speed) return speed.error();
        speeds.push_back(*speed);
      }
      report(test, static_cast<std::uint32_t>(depth / request_.repeats), speeds);
    }
    if (request_.explain) LAMINA_TRY(explain());
    after_ = bench::measure_ceilings(executor_);
    finish();
    return lamina::Done{};
  }

 private:
  [[nodiscard]] std::string file_name() const {
    return std::string(request_.model.substr(request_.model.find_last_of('/') + 1));
  }

  [[nodiscard]] lamina::SessionOptions session_options() const {
    std::uint32_t context = 512;
    std::uint32_t together = 0;  // tokens of sequences beside the session's
    lamina::SessionOptions options;
    for (const Test& test : request_.tests) {
      context = std::max(context, test.depth + test.tokens * (test.depth > 0 ? request_.repeats : 1));
      if (test.sequences == 1) continue;
      const std::uint32_t pages = (test.depth + test.tokens) / lamina::kv_block + 1;
      together = std::max(together, test.sequences * pages * lamina::kv_block);
      options.logits_rows = std::max(options.logits_rows, test.sequences);
    }
    options.context = std::min(context, static_cast<std::uint32_t>(file_.description.max_context));
    options.chunk = std::min(options.chunk, options.context);
    options.cache_tokens = options.context + together;
    options.cache = request_.cache;
    options.executor = executor_;
    return options;
  }

  lamina::Status start() {
    auto session = lamina::Session::create(entry_, file_, session_options());
    if (!session) return session.error();
    session_.emplace(std::move(*session));
    // Pages come in and clocks rise: of the weights with any prompt, of the session with a whole pass.
    std::uint32_t warm_up = 32;
    for (const Test& test : request_.tests) {
      if (test.is_prefill) warm_up = std::max(warm_up, test.tokens);
    }
    const std::uint32_t most = std::min(session_->options().chunk, session_->context() - 1);
    LAMINA_TRY(session_->prompt(tokens_.take(std::min(warm_up, most), true)));
    return session_->prompt(tokens_.take(1, false));
  }

  /// Feeds tokens until `depth` are there. Repeats at a depth go on where the last one ended: filling the
  /// cache again would take longer than the test.
  lamina::Status go_to(std::uint32_t depth) {
    const std::uint32_t at = session_->position();
    const bool is_repeat = depth > 0 && at >= depth && at <= depth + drift_;
    if (is_repeat) return lamina::Done{};
    if (at > depth || depth == 0) session_->reset();
    bench::Progress progress("filling the cache", depth - session_->position());
    while (session_->position() < depth) {
      const std::uint32_t count = std::min(depth - session_->position(), session_->options().chunk);
      LAMINA_TRY(session_->prompt(tokens_.take(count, session_->position() == 0)));
      progress.add(count);
    }
    drift_ = 0;
    return lamina::Done{};
  }

  /// Tokens per second, of all sequences.
  lamina::Result<double> measure(const Test& test) {
    if (test.sequences > 1) {
      // As `lamina bench --parallel` does it, which takes its first token to warm up.
      const auto speed = program::measure_parallel(
          session_->engine(),
          {.sequences = test.sequences, .depth = test.depth, .generate = test.tokens + 1});
      if (!speed) return speed.error();
      return speed->decode_per_s;
    }
    const auto seconds = time(test);
    if (!seconds) return seconds.error();
    return test.tokens / *seconds;
  }

  lamina::Result<double> time(const Test& test) {
    const std::vector<TokenId> tokens = tokens_.take(test.tokens, session_->position() == 0);
    if (test.depth > 0) drift_ += test.tokens;
    const auto start = std::chrono::steady_clock::now();
    if (test.is_prefill) {
      LAMINA_TRY(session_->prompt(tokens));
    } else {
      for (const TokenId token : tokens) {
        if (const auto logits = session_->step(token); !logits) return logits.error();
      }
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  [[nodiscard]] std::unique_ptr<lamina::ModelPlan> plan(std::uint32_t context) const {
    auto plan = std::make_unique<lamina::ModelPlan>();
    lamina::make_plan(
        file_.description, {.context = std::max(context, 1U), .cache = request_.cache},
        [this](const lamina::WeightFact& weight) {
          std::string name = weight.layer < 0 ? "" : "blk." + std::to_string(weight.layer) + ".";
          const lamina::TensorView* tensor = file_.find(name + std::string(weight.name));
          return tensor != nullptr ? tensor->format : lamina::Format::f32;
        },
        *plan);
    return plan;
  }

  /// Bytes and operations of one token of a test, from the model's structure.
  [[nodiscard]] TokenCost cost(const Test& test, std::uint32_t depth) const {
    const auto plan = this->plan(depth + test.tokens / 2);
    TokenCost cost;
    for (int i = 0; i < file_.description.layer_count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto& kind = plan->kinds[static_cast<std::size_t>(plan->kind_of[at])];
      const auto owner = static_cast<std::size_t>(plan->owner_of[at]);
      const auto& owner_kind = plan->kinds[static_cast<std::size_t>(plan->kind_of[owner])];
      if (test.is_prefill && i >= plan->first_reader) break;
      // Of experts, those of different tokens: sequences may choose the same ones.
      const double active = test.sequences * static_cast<double>(kind.weights.active_bytes);
      const double weights = std::min(active, static_cast<double>(kind.weights.bytes)) / test.sequences;
      cost.bytes += test.is_prefill ? static_cast<double>(kind.weights.bytes)
                                    : weights + static_cast<double>(owner_kind.kv_bytes);
      if (test.is_prefill) cost.ops += 2.0 * static_cast<double>(kind.attention_multiply_adds);
    }
    if (test.is_prefill) {
      cost.bytes /= std::min(test.tokens, session_->options().chunk);
      cost.ops += 2.0 * static_cast<double>(plan->owner_multiply_adds);
    } else {
      cost.bytes += static_cast<double>(plan->outside.active_bytes) / test.sequences;
      cost.ops = static_cast<double>(plan->decode_flops);
    }
    return cost;
  }

  void print_head() const {
    std::printf("%.*s, %s, %u threads: %.1f GB/s read, %.0f int8 Gop/s\n",
                static_cast<int>(entry_.name.size()), entry_.name.data(), file_name().c_str(),
                request_.threads, before_.bytes_per_s / 1e9, before_.int8_ops_per_s / 1e9);
    std::printf("%-8s %7s %7s %10s %21s %12s %10s %10s\n", "test", "tokens", "depth", "tokens/s", "min - max",
                "MB/token", "bandwidth", "int8 peak");
  }

  void report(const Test& test, std::uint32_t depth, const std::vector<double>& speeds) {
    const TokenCost cost = this->cost(test, depth);
    const double speed = bench::median(speeds);
    const double bandwidth_share = speed * cost.bytes / before_.bytes_per_s;
    const double peak_share = speed * cost.ops / before_.int8_ops_per_s;
    if (!request_.json) {
      std::printf("%-8s %7u %7u %10.2f %10.2f-%10.2f %12.2f %8.1f %% %8.1f %%\n", test.name().c_str(),
                  test.tokens, depth, speed, *std::min_element(speeds.begin(), speeds.end()),
                  *std::max_element(speeds.begin(), speeds.end()), cost.bytes / 1e6, 100 * bandwidth_share,
                  100 * peak_share);
      std::fflush(stdout);
      return;
    }
    bench::Row row;
    row.add("test", test.name()).add("tokens", test.tokens).add("sequences", test.sequences);
    row.add("depth", test.depth).add("measured_depth", depth);
    row.add("threads", request_.threads).add_spread("tokens_per_s", speeds);
    row.add("bytes_per_token", cost.bytes).add("share_of_bandwidth", bandwidth_share);
    row.add("ops_per_token", cost.ops).add("share_of_peak", peak_share);
    document_.add("rows", row);
  }

  /// The same tests once more, each in turns with the layer benches.
  lamina::Status explain() {
    for (const Test& test : request_.tests) {
      if (test.is_prefill && (test.tokens > session_->options().chunk || test.depth > 0)) continue;
      if (test.sequences > 1) continue;  // layer benches have one sequence
      LAMINA_TRY(go_to(test.depth));
      lamina::LayerBenchOptions options;
      options.rows = test.is_prefill ? test.tokens : 1;
      options.depth = session_->position();
      options.cache = request_.cache;
      options.executor = executor_;
      bench::Explanation explanation;
      LAMINA_TRY(explanation.prepare(file_, entry_.name, options));
      const std::uint32_t rounds = std::max(3U, 3 * request_.repeats);
      const Test piece{
          .is_prefill = test.is_prefill, .tokens = test.is_prefill ? test.tokens : 4, .depth = test.depth};
      for (std::uint32_t i = 0; i < rounds; ++i) {
        if (session_->position() + piece.tokens > session_->context() || piece.depth == 0) {
          LAMINA_TRY(go_to(0));
          if (piece.depth > 0) LAMINA_TRY(go_to(piece.depth));
        }
        const auto seconds = time(piece);
        if (!seconds) return seconds.error();
        explanation.add_round(test.is_prefill ? *seconds : *seconds / piece.tokens);
      }
      const std::string name = test.name();
      if (request_.json) {
        explanation.write(document_, name.c_str(), test.tokens, test.depth, request_.threads);
      } else {
        explanation.print(name.c_str(), test.tokens, test.depth);
      }
    }
    return lamina::Done{};
  }

  void finish() {
    if (!request_.json) {
      std::printf(
          "machine before and after: %.1f and %.1f GB/s, %.0f and %.0f int8 Gop/s; peak RSS %.0f MB\n",
          before_.bytes_per_s / 1e9, after_.bytes_per_s / 1e9, before_.int8_ops_per_s / 1e9,
          after_.int8_ops_per_s / 1e9, peak_memory_bytes() / 1e6);
      return;
    }
    for (const bench::Ceilings& ceilings : {before_, after_}) {
      document_.add("machine", bench::Row()
                                   .add("threads", request_.threads)
                                   .add("bytes_per_s", ceilings.bytes_per_s)
                                   .add("int8_ops_per_s", ceilings.int8_ops_per_s));
    }
    document_.add("memory", bench::Row()
                                .add("peak_rss_bytes", peak_memory_bytes())
                                .add("session_bytes", static_cast<double>(session_->memory_bytes())));
    document_.print();
  }

  const Request& request_;
  lamina::WeightFile file_;
  lamina::Executor* executor_;
  const lamina::ModelEntry& entry_;
  TokenSource tokens_;
  std::optional<lamina::Session> session_;
  std::uint32_t drift_ = 0;  ///< tokens fed since the cache was filled to a depth
  bench::Ceilings before_, after_;
  bench::JsonDocument document_;
};

int bench_model(Request& request) {
  auto file = lamina::open_gguf(request.model);
  if (!file) return fail(file.error());
  std::vector<lamina::Candidate> candidates;
  for (const lamina::ModelEntry* entry : lamina_registry()) {
    candidates.push_back({entry->name, &entry->describe()});
  }
  const auto index = lamina::recognise(file->description, candidates, file->path);
  if (!index) return fail(index.error());
  const auto pool = bench::start_threads(request.threads);
  if (!pool) return fail(pool.error());
  if (request.pack) {
    const auto packed = lamina::pack_weights(*lamina_registry()[*index], *file, pool->get());
    if (!packed) return fail(packed.error());
  }
  ModelBench bench(request, std::move(*file), pool->get(), *lamina_registry()[*index]);
  const auto status = bench.run();
  return status ? 0 : fail(status.error());
}

}  // namespace

int main(int count, char** values) {
  bench::Arguments arguments(count, values);
  Request request;
  request.model = arguments.word();
  request.threads = arguments.number("--threads", 1);
  request.repeats = arguments.number("--repeats", 3);
  request.deepest = arguments.number("--deepest", 16384);
  request.explain = arguments.flag("--explain");
  request.pack = !arguments.flag("--no-pack");
  request.json = arguments.flag("--json");
  bool wrong = request.model.empty() || request.repeats == 0;
  constexpr std::string_view all = "p512,p2048,n128,n128@4096,n128@16384,n128@65536";
  for (const std::string& text : bench::split(arguments.value("--tests", all))) {
    const auto test = parse_test(text);
    wrong = wrong || !test;
    if (test && test->depth <= request.deepest) request.tests.push_back(*test);
  }
  const auto cache = lamina::find_cache_formats(arguments.value("--cache", "bf16"));
  wrong = wrong || !cache;
  request.cache = cache.value_or(request.cache);
  if (arguments.complain() || wrong) return print_usage();
  return bench_model(request);
}
