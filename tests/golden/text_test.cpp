// SPDX-License-Identifier: Apache-2.0
// The text decoders against the reference implementation: logits, greedy continuations, inner values, chunks,
// threads. Tolerances: golden/text/README.md and cases.json of each model; never wider.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/cache_formats.hpp"
#include "support/golden_checks.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::PassValue;
using lamina::Precision;
using lamina::TokenId;

#if defined(LAMINA_SANITIZED)  // one model per kind of layer
const char* const model_names[] = {"tiny-e2b", "tiny-12b", "tiny-26b-a4b", "tiny-31b"};
#else
const char* const model_names[] = {"tiny-e2b", "tiny-e4b", "tiny-12b", "tiny-26b-a4b", "tiny-31b"};
#endif

TEST_CASE("exact logits and greedy continuations equal the reference") {
  for (const char* name : model_names) {
    CAPTURE(name);
    check_logits(name);
  }
}

// Sanitizers look for other errors than wrong bits, and multiply the time of this test by ten.
#if defined(LAMINA_SANITIZED)
constexpr std::uint32_t fewest_threads = 3;
constexpr std::uint32_t chunks[] = {100U, 16U};
#else
constexpr std::uint32_t fewest_threads = 1;
constexpr std::uint32_t chunks[] = {100U, 1U, 3U, 16U};
#endif

TEST_CASE(
    "the same bits for every chunk and thread count, in both precisions and all cache formats of each "
    "class") {
  for (const char* name : model_names) {
    CAPTURE(name);
    const LoadedModel model(weight_files(golden_path(std::string("text/") + name)).at(0));
    const nlohmann::json cases = read_json(golden_path(std::string("text/") + name) + "/cases.json");
    std::vector<TokenId> prompt;
    for (const auto& one : cases["cases"]) {
      if (one["name"] == "p100") prompt = tokens_of(one["prompt"]);
    }
    REQUIRE(prompt.size() == 100);
    for (const Precision precision : {Precision::exact, Precision::fast}) {
      for (const lamina::CacheFormats cache : cache_formats) {
        std::vector<float> first;
        std::vector<float> first_last;
        for (const std::uint32_t chunk : chunks) {
          for (std::uint32_t threads = fewest_threads; threads <= 3; ++threads) {
            const auto pool = make_pool(threads);
            lamina::SessionOptions options = exact_options(chunk);
            options.precision = precision;
            options.cache = cache;
            options.executor = pool.get();
            lamina::Session session = model.session(options);
            const auto logits = all_logits(session, prompt, chunk);
            // Fed without asking for logits, so that rows end at the last KV owner.
            session.reset();
            REQUIRE(static_cast<bool>(session.prompt(prompt)));
            const std::vector<float> last(session.logits().begin(), session.logits().end());
            if (first.empty()) {
              first = logits;
              first_last = last;
              REQUIRE(std::equal(last.rbegin(), last.rend(), logits.rbegin()));
            }
            CAPTURE(chunk);
            CAPTURE(threads);
            CHECK(logits == first);
            CHECK(last == first_last);
          }
        }
      }
    }
  }
}

TEST_CASE("int8 in the caches of one class of layers moves exact logits, and no further than in both") {
  const lamina::CacheFormats f32 = lamina::CacheFormat::f32;
  const lamina::CacheFormats int8 = lamina::CacheFormat::int8;
  for (const char* name : model_names) {
    CAPTURE(name);
    const std::string directory = golden_path(std::string("text/") + name);
    const LoadedModel model(weight_files(directory).at(0));
    const ReferenceArrays reference(directory + "/logits.safetensors");
    const nlohmann::json cases = read_json(directory + "/cases.json");
    for (const auto& one : cases["cases"]) {
      if (one["name"] != "p100" && one["name"] != "p33") continue;
      const auto first = one["logits_first_position"].get<std::size_t>() * cases["vocab"].get<std::size_t>();
      const auto want = reference.get<float>(one["logits_key"].get<std::string>());
      const auto moved = [&](lamina::CacheFormats cache) {
        lamina::SessionOptions options = exact_options(64);
        options.cache = cache;
        lamina::Session session = model.session(options);
        const auto got = all_logits(session, tokens_of(one["prompt"]), 64);
        return distance(std::span(got).subspan(first), want).rms;
      };
      const double both = moved(int8);
      for (const lamina::CacheFormats mix : {f32.with_global(int8.global), int8.with_global(f32.global)}) {
        CAPTURE(name_of(mix));
        const double found = moved(mix);
        CHECK(found > cases["noise_rms"].get<double>());
        // Roundings do not know of each other: their squares add up, and a tenth is left to chance.
        CHECK(found < 1.1 * both);
      }
    }
  }
}

TEST_CASE("a session starts afresh after reset, and another session does not disturb it") {
  const LoadedModel model(weight_files(golden_path("text/tiny-e2b")).at(0));
  const std::vector<TokenId> prompt{2, 95, 35, 29, 295, 7, 8, 9};
  lamina::Session one = model.session(exact_options(8));
  lamina::Session two = model.session(exact_options(8));
  const auto first = all_logits(one, prompt, 8);
  all_logits(two, std::vector<TokenId>(300, 17), 8);
  CHECK(all_logits(one, prompt, 8) == first);
  CHECK(all_logits(two, prompt, 8) == first);
}

// --- Inner values ---

/// Keeps everything that a pass shows.
class Recorder final : public lamina::PassObserver {
 public:
  struct Shown {
    PassValue what;
    std::uint32_t layer;
    std::vector<float> values;
  };
  void show(PassValue what, std::uint32_t layer, const float* values, std::size_t rows,
            std::size_t width) noexcept override {
    shown.push_back({what, layer, {values, values + rows * width}});
  }
  void show_routing(std::uint32_t layer, std::span<const lamina::RoutedExpert> routed,
                    std::size_t) noexcept override {
    if (experts.size() <= layer) experts.resize(layer + 1);
    experts[layer].assign(routed.begin(), routed.end());
  }
  [[nodiscard]] std::vector<float> get(PassValue what, std::uint32_t layer) const {
    for (const Shown& one : shown) {
      if (one.what == what && one.layer == layer) return one.values;
    }
    return {};
  }

  std::vector<Shown> shown;
  std::vector<std::vector<lamina::RoutedExpert>> experts;
};

void check_trace(const std::string& name, std::size_t least) {
  const std::string directory = golden_path("text/" + name);
  const nlohmann::json cases = read_json(directory + "/cases.json");
  const ReferenceArrays trace(directory + "/trace.safetensors");
  REQUIRE(trace.valid());
  const double tolerance = cases["trace_tolerance_max_abs"].get<double>();
  std::vector<TokenId> prompt;
  for (const auto& one : cases["cases"]) {
    if (one["name"] == cases["trace_case"]) prompt = tokens_of(one["prompt"]);
  }
  REQUIRE(!prompt.empty());
  const LoadedModel model(weight_files(directory).at(0));
  Recorder recorder;
  lamina::SessionOptions options = exact_options(64);
  options.observer = &recorder;
  lamina::Session session = model.session(options);
  all_logits(session, prompt, prompt.size());

  struct Name {
    const char* suffix;
    PassValue what;
  };
  const Name inner[] = {{"q", PassValue::query},          {"k", PassValue::key},
                        {"v", PassValue::value},          {"attn", PassValue::attended},
                        {"mlp", PassValue::feed_forward}, {"experts", PassValue::expert_sum}};
  std::size_t compared = 0;
  const auto compare = [&](const std::string& key, const std::vector<float>& got) {
    if (!trace.index().contains(key)) return;
    CAPTURE(key);
    CHECK(distance(got, trace.get<float>(key)).largest <= tolerance);
    ++compared;
  };
  compare("embed", recorder.get(PassValue::embedding, 0));
  compare("ple", recorder.get(PassValue::per_layer_input, 0));
  compare("final_norm", recorder.get(PassValue::final_norm, 0));
  for (std::uint32_t layer = 0; layer < static_cast<std::uint32_t>(model.file.description.layer_count);
       ++layer) {
    compare("h." + std::to_string(layer), recorder.get(PassValue::layer_output, layer));
    const std::string prefix = "l" + std::to_string(layer) + ".";
    for (const Name& one : inner) compare(prefix + one.suffix, recorder.get(one.what, layer));
    if (!trace.index().contains(prefix + "expert_idx")) continue;
    const auto want_index = trace.get<std::int32_t>(prefix + "expert_idx");
    const auto want_weight = trace.get<float>(prefix + "expert_w");
    const auto& routed = recorder.experts.at(layer);
    REQUIRE(routed.size() == want_index.size());
    for (std::size_t i = 0; i < routed.size(); ++i) {
      CHECK(static_cast<std::int32_t>(routed[i].expert) == want_index[i]);
      CHECK(std::fabs(routed[i].weight - want_weight[i]) <= tolerance);
    }
    ++compared;
  }
  CHECK(compared >= least);
}

TEST_CASE("inner values equal the reference trace") {
  check_trace("tiny-e2b", 29);
  check_trace("tiny-26b-a4b", 25);
  for (const char* name : {"tiny-e4b", "tiny-12b", "tiny-31b"}) {  // in the full set of reference data only
    if (std::filesystem::exists(golden_path(std::string("text/") + name + "/trace.safetensors")))
      check_trace(name, 20);
  }
}

}  // namespace
