// SPDX-License-Identifier: Apache-2.0
// A program compiled with LAMINA_FORMATS and LAMINA_CACHE_FORMATS: runs the demo model, refuses all the rest.
//   link_left_out DEMO.gguf FOLDER_OF_QUANTISED_FILES
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

#include <lamina/lamina.hpp>
#include <lamina/testing/bench_layer.hpp>
#include <lamina/testing/random_weights.hpp>

#include "models/demo.hpp"

namespace {

using lamina::CacheFormat;
using lamina::Format;

int failures = 0;

void expect(bool holds, std::string_view what) {
  if (holds) return;
  ++failures;
  std::printf("does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
}

/// Whether the error says that something is not in this program.
bool says_left_out(const lamina::Error& error) {
  const bool says = error.code == lamina::ErrorCode::unsupported &&
                    error.what.view().ends_with("is not in this program") && !error.hint.empty();
  if (!says) std::printf("  %s\n", describe(error).c_str());
  return says;
}

const lamina::ModelEntry& demo() { return lamina::native::make_model_entry<lamina::models::Demo>(); }

void run_demo(const char* path) {
  auto file = lamina::open_gguf(path);
  if (!file) return expect(false, describe(file.error()));
  for (const bool packed : {false, true}) {
    if (packed) expect(static_cast<bool>(lamina::pack_weights(demo(), *file)), "the weights can be packed");
    for (const auto precision : {lamina::Precision::fast, lamina::Precision::exact}) {
      auto session =
          lamina::Session::create(demo(), *file, {.context = 16, .chunk = 4, .precision = precision});
      if (!session) return expect(false, describe(session.error()));
      const lamina::TokenId tokens[] = {2, 300, 301, 302, 303};
      expect(static_cast<bool>(session->prompt(tokens)), "a prompt is read");
      float sum = 0;
      for (const float logit : session->logits()) sum += std::fabs(logit);
      expect(std::isfinite(sum) && sum > 0, "logits are numbers");
    }
  }
  for (const CacheFormat format : {CacheFormat::f32, CacheFormat::int8}) {
    const auto session = lamina::Session::create(demo(), *file, {.context = 16, .cache = format});
    expect(!session && says_left_out(session.error()), name_of(format));
    for (const bool is_global : {false, true}) {
      lamina::CacheFormats mix;
      (is_global ? mix.global : mix.local) = format;
      const auto mixed = lamina::Session::create(demo(), *file, {.context = 16, .cache = mix});
      const std::string_view says = is_global ? "format of global layers" : "format of local layers";
      expect(!mixed && says_left_out(mixed.error()) &&
                 mixed.error().what.view().find(says) != std::string_view::npos,
             name_of(mix));
    }
  }
}

/// Files whose matrices are in other encodings are refused when they are opened.
void refuse_files(const std::string& folder) {
  for (const char* name :
       {"q-dense-iq4_nl.gguf", "q-dense-q6_k.gguf", "q-e2b-q4_0.gguf", "q-moe-q4_k_m.gguf"}) {
    const auto file = lamina::open_gguf(folder + "/" + name);
    expect(!file && says_left_out(file.error()), name);
  }
}

/// Weights that come from elsewhere are refused when they are bound, in every encoding but those that are
/// there.
void refuse_weights() {
  for (const lamina::FormatInfo& info : lamina::all_formats) {
    if (info.format == Format::i32) continue;
    const lamina::WeightFile file = lamina::testing::random_weights<lamina::models::Demo>(info.format, 1);
    const auto session = lamina::Session::create(demo(), file, {.context = 16});
    bool all_there = true;
    for (const lamina::TensorView& tensor : file.tensors) all_there &= is_built_in(tensor.format);
    expect(all_there ? static_cast<bool>(session) : !session && says_left_out(session.error()), info.name);
  }
}

/// Nothing is timed in an encoding that is not there.
void refuse_bench() {
  using Kind = lamina::Layer<lamina::models::Demo::Local, lamina::DenseFfn<64>>;
  const auto timing = lamina::native::bench_layer<Kind, Format::q4_0, 128>({.repeats = 1, .footprint = 1});
  expect(!timing && says_left_out(timing.error()), "bench_layer");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  static_assert(is_built_in(Format::f32) && is_built_in(Format::q8_0) && !is_built_in(Format::q4_k));
  static_assert(is_built_in(CacheFormat::bf16) && !is_built_in(CacheFormat::f32));
  run_demo(arguments[1]);
  refuse_files(arguments[2]);
  refuse_weights();
  refuse_bench();
  return failures == 0 ? 0 : 1;
}
