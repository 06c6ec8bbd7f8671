// SPDX-License-Identifier: Apache-2.0
// Quantised models: the float path within the float bound, the integer path within the rounding figures.
// Tolerances: golden/quant/README.md and cases.json; never wider.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/packing/pack_weights.hpp>

#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::TokenId;

/// With a cache that is not rounded: the figures are for rounded matrix inputs.
lamina::SessionOptions exact_cache_options(lamina::Precision precision) {
  lamina::SessionOptions options = options_for(precision);
  options.cache = lamina::CacheFormat::f32;
  return options;
}

TEST_CASE("quantised files give the reference's logits") {
  const nlohmann::json cases = read_json(golden_path("quant/cases.json"));
  REQUIRE(cases.is_object());
  const ReferenceArrays reference(golden_path("quant/logits.safetensors"));
  REQUIRE(reference.valid());
  const auto vocab = cases["vocab"].get<std::size_t>();
  std::size_t compared = 0;
  std::size_t continued = 0;
  for (const nlohmann::json& file : cases["files"]) {
    const auto name = file["file"].get<std::string>();
    CAPTURE(name);
    const LoadedModel model(golden_path("quant/" + name));
    lamina::Session exact = model.session(exact_cache_options(lamina::Precision::exact));
    lamina::Session fast = model.session(exact_cache_options(lamina::Precision::fast));
    for (const nlohmann::json& one : file["cases"]) {
      CAPTURE(one["name"].get<std::string>());
      const auto prompt = one["prompt"].get<std::vector<TokenId>>();
      const auto want = reference.get<float>(one["logits_key"].get<std::string>());
      const auto first = one["logits_first_position"].get<std::size_t>() * vocab;
      const auto got_exact = all_logits(exact, prompt, 128);
      CHECK(distance(std::span(got_exact).subspan(first), want).largest <=
            file["tolerance_float_path_max_abs"].get<double>());

      const auto got_fast = all_logits(fast, prompt, 128);
      const auto rows = std::span(got_fast).subspan(first);
      const double rms = distance(rows, want).rms;
      const double kl = mean_kl(rows, want, vocab);
      CHECK(rms > 0.0);  // int8 activations must show
      CHECK(rms <= file["tolerance_int8_path"]["rms"].get<double>());
      CHECK(kl <= file["tolerance_int8_path"]["mean_kl"].get<double>());
      ++compared;
      if (!one.contains("greedy")) continue;
      const auto expected = one["greedy"]["tokens"].get<std::vector<TokenId>>();
      CHECK(greedy(exact, prompt, expected.size()) == expected);
      if (one["greedy"].value("same_with_int8_activations", false)) {
        CHECK(greedy(fast, prompt, expected.size()) == expected);
      }
      ++continued;
    }
  }
  CHECK(compared == 24);
  CHECK(continued >= 8);
}

TEST_CASE("packed weights give the same bits, in both precisions, split over threads or not") {
  const nlohmann::json cases = read_json(golden_path("quant/cases.json"));
  std::size_t packed_files = 0;
  for (const nlohmann::json& file : cases["files"]) {
    const auto name = file["file"].get<std::string>();
    CAPTURE(name);
    const auto prompt = file["cases"][0]["prompt"].get<std::vector<TokenId>>();
    const LoadedModel stored(golden_path("quant/" + name));
    LoadedModel packed(golden_path("quant/" + name));
    const auto pool = make_pool(2);
    const auto bytes = lamina::pack_weights(*packed.entry, packed.file, pool.get());
    REQUIRE(static_cast<bool>(bytes));
    if (*bytes > 0) ++packed_files;
    // Once more: nothing is left to do.
    const auto again = lamina::pack_weights(*packed.entry, packed.file);
    CHECK((again && *again == 0));
    for (const auto precision : {lamina::Precision::fast, lamina::Precision::exact}) {
      lamina::Session a = stored.session(exact_cache_options(precision));
      lamina::Session b = packed.session(exact_cache_options(precision));
      const auto logits = all_logits(a, prompt, 128);
      CHECK(all_logits(b, prompt, 128) == logits);
      CHECK(all_logits(a, prompt, 1) == all_logits(b, prompt, 1));
      // Fed without asking for logits, so that rows end at the last KV owner.
      b.reset();
      REQUIRE(static_cast<bool>(b.prompt(prompt)));
      CHECK(std::equal(b.logits().rbegin(), b.logits().rend(), logits.rbegin()));
    }
  }
  CHECK(packed_files >= 4);
}

TEST_CASE("packing stops when it is told to, and what is packed serves one target only") {
  const std::string path = golden_path(
      "quant/" + read_json(golden_path("quant/cases.json"))["files"][0]["file"].get<std::string>());
  const std::vector<TokenId> prompt{2, 95, 35, 29};
  const LoadedModel stored(path);
  LoadedModel packed(path);
  int calls = 0;
  const auto thrice = [](void* context, std::uint64_t, std::uint64_t) {
    return ++*static_cast<int*>(context) <= 3;
  };
  const auto bytes = lamina::pack_weights(*packed.entry, packed.file, nullptr, {thrice, &calls});
  REQUIRE(static_cast<bool>(bytes));
  CHECK(calls == 4);
  CHECK(*bytes > 0);
  lamina::Session a = stored.session(exact_cache_options(lamina::Precision::fast));
  lamina::Session b = packed.session(exact_cache_options(lamina::Precision::fast));
  CHECK(all_logits(a, prompt, 4) == all_logits(b, prompt, 4));

  packed.file.interleave_height *= 2;
  const auto session =
      lamina::Session::create(*packed.entry, packed.file, exact_cache_options(lamina::Precision::fast));
  REQUIRE_FALSE(static_cast<bool>(session));
  CHECK(session.error().code == lamina::ErrorCode::mismatch);
  const auto more = lamina::pack_weights(*packed.entry, packed.file);
  REQUIRE_FALSE(static_cast<bool>(more));
  CHECK(more.error().code == lamina::ErrorCode::mismatch);
}

}  // namespace
