// SPDX-License-Identifier: Apache-2.0
// `bench_layers`: times every layer kind of a variant on its own, with random weights of any format.
#include <cctype>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/formats/format.hpp>

#include "../arguments.hpp"
#include "../machine.hpp"
#include "../report.hpp"
#include "timed_variant.hpp"

namespace {

struct Request {
  std::vector<std::string> variants;
  std::vector<lamina::Format> formats;
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> depths;
  std::vector<std::uint32_t> threads;
  lamina::LayerBenchOptions options;
  bool json = false;
};

int print_usage() {
  std::fputs(
      "usage: bench_layers [VARIANT,...] [--formats q4_0,q8_0,q4_k,q6_k,bf16] [--rows 1,512]\n"
      "                    [--depths 0] [--threads 1] [--repeats 9] [--cache bf16|int8|f32] [--exact]\n"
      "                    [--footprint MEGABYTES] [--json]\n"
      "  VARIANT ",
      stderr);
  for (const bench::TimedVariant* variant : bench::timed_variants()) {
    std::fprintf(stderr, " %.*s", static_cast<int>(variant->name.size()), variant->name.data());
  }
  std::fputs(" (default e2b)\n", stderr);
  return 2;
}

int fail(const lamina::Error& error) {
  std::fprintf(stderr, "bench_layers: %s\n", lamina::describe(error).c_str());
  return 1;
}

const bench::TimedVariant* find_variant(std::string_view name) {
  for (const bench::TimedVariant* variant : bench::timed_variants()) {
    if (variant->name == name) return variant;
  }
  return nullptr;
}

const lamina::FormatInfo* find_format(std::string name) {
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return lamina::find_format(name);
}

/// Prints or collects one row per kind.
class LayersBench {
 public:
  explicit LayersBench(const Request& request)
      : request_(request), document_(bench::Row().add("name", "layers")) {}

  int run() {
    for (const std::uint32_t threads : request_.threads) {
      const auto pool = bench::start_threads(threads);
      if (!pool) return fail(pool.error());
      options_ = request_.options;
      options_.executor = pool->get();
      ceilings_ = bench::measure_ceilings(pool->get());
      threads_ = threads;
      if (!request_.json) print_head();
      for (const std::string& variant : request_.variants) {
        for (const lamina::Format format : request_.formats) {
          if (const auto status = run(*find_variant(variant), format); !status) return fail(status.error());
        }
      }
    }
    if (request_.json) document_.print();
    return 0;
  }

 private:
  void print_head() const {
    std::printf("%u threads: %.1f GB/s read, %.0f int8 Gop/s\n", threads_, ceilings_.bytes_per_s / 1e9,
                ceilings_.int8_ops_per_s / 1e9);
    std::printf("%-8s %-24s %-6s %5s %7s %10s %8s %9s %10s %10s  %s\n", "variant", "kind", "format", "rows",
                "depth", "us/layer", "GB/s", "GFLOP/s", "bandwidth", "int8 peak", "target, kernel");
  }

  lamina::Status run(const bench::TimedVariant& variant, lamina::Format format) {
    for (const bench::TimedKind& kind : variant.kinds) {
      for (const std::uint32_t rows : request_.rows) {
        for (const std::uint32_t depth : request_.depths) {
          options_.rows = rows;
          options_.depth = depth;
          const auto timer = kind.of_random(format, options_);
          if (!timer) return timer.error();
          const auto timing = lamina::time_layers(**timer, options_.repeats);
          if (!timing) return timing.error();
          report(variant, kind, format, *timing);
        }
      }
    }
    return lamina::Done{};
  }

  void report(const bench::TimedVariant& variant, const bench::TimedKind& kind, lamina::Format format,
              const lamina::LayerTiming& timing) {
    const std::string name = bench::kind_name(variant.describe().layers[kind.layers.front()]);
    const double bandwidth_share = timing.bytes_per_s() / ceilings_.bytes_per_s;
    const double peak_share = timing.flop_per_s() / ceilings_.int8_ops_per_s;
    if (!request_.json) {
      std::printf("%-8.*s %-24s %-6s %5u %7u %10.1f %8.1f %9.1f %8.1f %% %8.1f %%  %s, %s\n",
                  static_cast<int>(variant.name.size()), variant.name.data(), name.c_str(),
                  lamina::info_of(format).name.data(), options_.rows, options_.depth, timing.seconds * 1e6,
                  timing.bytes_per_s() / 1e9, timing.flop_per_s() / 1e9, 100 * bandwidth_share,
                  100 * peak_share, timing.target, timing.kernel.c_str());
      std::fflush(stdout);
      return;
    }
    bench::Row row;
    row.add("variant", variant.name).add("kind", name);
    row.add("layers", static_cast<double>(kind.layers.size()));
    row.add("format", lamina::info_of(format).name).add("threads", threads_);
    row.add("rows", options_.rows).add("depth", options_.depth);
    row.add("seconds", timing.seconds).add("fastest", timing.fastest).add("slowest", timing.slowest);
    row.add("bytes", timing.bytes).add("flop", timing.flop);
    row.add("bandwidth_probe_bytes_per_s", ceilings_.bytes_per_s).add("share_of_bandwidth", bandwidth_share);
    row.add("int8_peak_ops_per_s", ceilings_.int8_ops_per_s).add("share_of_peak", peak_share);
    row.add("target", timing.target).add("kernel", timing.kernel.view());
    document_.add("rows", row);
  }

  const Request& request_;
  lamina::LayerBenchOptions options_;
  bench::Ceilings ceilings_;
  std::uint32_t threads_ = 1;
  bench::JsonDocument document_;
};

}  // namespace

int main(int count, char** values) {
  bench::Arguments arguments(count, values);
  Request request;
  const std::string variants = arguments.word();
  request.variants = bench::split(variants.empty() ? "e2b" : variants);
  bool wrong = false;
  for (const std::string& name : bench::split(arguments.value("--formats", "q4_0,q8_0,q4_k,q6_k,bf16"))) {
    const lamina::FormatInfo* format = find_format(name);
    wrong = wrong || format == nullptr || format->format == lamina::Format::i32;
    if (!wrong) request.formats.push_back(format->format);
  }
  for (const std::string& name : request.variants) wrong = wrong || find_variant(name) == nullptr;
  request.rows = arguments.numbers("--rows", "1,512");
  request.depths = arguments.numbers("--depths", "0");
  request.threads = arguments.numbers("--threads", "1");
  request.options.repeats = arguments.number("--repeats", 9);
  request.options.footprint = std::size_t{arguments.number("--footprint", 256)} << 20;
  const auto cache = lamina::find_cache_formats(arguments.value("--cache", "bf16"));
  wrong = wrong || !cache;
  request.options.cache = cache.value_or(request.options.cache);
  if (arguments.flag("--exact")) request.options.precision = lamina::Precision::exact;
  request.json = arguments.flag("--json");
  if (arguments.complain() || wrong) return print_usage();
  return LayersBench(request).run();
}
