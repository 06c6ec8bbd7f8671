// SPDX-License-Identifier: Apache-2.0
// `bench_encoders`: times encoders of published models on one picture or sound, with random weights, against
// what this machine can do at most.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/block.hpp>
#include <lamina/encoders/encoder_entry.hpp>
#include <lamina/testing/random_encoder.hpp>
#include <lamina/variants/encoders/gemma4_audio.hpp>
#include <lamina/variants/encoders/gemma4_unified_vision.hpp>
#include <lamina/variants/encoders/gemma4_vision_base.hpp>
#include <lamina/variants/encoders/gemma4_vision_large.hpp>

#include "../arguments.hpp"
#include "../machine.hpp"

std::span<const lamina::EncoderEntry* const> lamina_encoders();

namespace {

struct Published {
  std::string_view name;
  lamina::MediaKind input;
  lamina::EncoderSizes sizes;
  lamina::MediaFile (*make)(const lamina::EncoderSizes&, lamina::Format, std::uint64_t);
};

const Published published[] = {
    {"base",
     lamina::MediaKind::picture,
     {1536, 10'240},
     &lamina::testing::random_encoder<lamina::Gemma4VisionBase>},
    {"large",
     lamina::MediaKind::picture,
     {2816, 10'240},
     &lamina::testing::random_encoder<lamina::Gemma4VisionLarge>},
    {"unified",
     lamina::MediaKind::picture,
     {3840, 1120},
     &lamina::testing::random_encoder<lamina::Gemma4UnifiedVision>},
    {"audio", lamina::MediaKind::log_mel, {1536}, &lamina::testing::random_encoder<lamina::Gemma4Audio>},
};

/// An input that becomes `tokens` soft tokens. Owns what `media` views.
struct RandomInput {
  std::vector<std::uint8_t> pixels;
  std::vector<float> features;
  lamina::MediaInput media;
};

/// A picture as square as whole soft tokens allow, or 40 ms of sound for each token.
RandomInput random_input(lamina::MediaKind kind, std::uint32_t tokens) {
  RandomInput input;
  lamina::testing::RandomNumbers random(7);
  if (kind == lamina::MediaKind::log_mel) {
    input.features.resize(std::size_t{tokens} * 4 * lamina::sound_features);
    for (float& feature : input.features) feature = 2 * random.next_float() - 2;
    input.media = lamina::MediaInput::log_mel(input.features);
    return input;
  }
  std::uint32_t rows = 1;
  for (std::uint32_t i = 1; i * i <= tokens; ++i) rows = tokens % i == 0 ? i : rows;
  const std::uint32_t height = rows * 48;
  const std::uint32_t width = tokens / rows * 48;
  input.pixels.resize(std::size_t{width} * height * 3);
  for (std::uint8_t& byte : input.pixels) byte = static_cast<std::uint8_t>(random.next() >> 40);
  input.media = lamina::MediaInput::picture(input.pixels, width, height);
  return input;
}

int fail(const lamina::Error& error) {
  std::fprintf(stderr, "bench_encoders: %s\n", lamina::describe(error).c_str());
  return 1;
}

/// Times one encoder; prints a line.
int time_encoder(const Published& one, std::uint32_t tokens, const lamina::EncodeOptions& options,
                 lamina::Format format, std::uint32_t repeats, const bench::Ceilings& ceilings) {
  const lamina::MediaFile file = one.make(one.sizes, format, 1);
  const auto entry = lamina::encoder_entry_of(file, one.input, lamina_encoders());
  if (!entry) return fail(entry.error());
  auto memory = lamina::Block::take((*entry)->core_bytes(one.sizes), {}, "encoder");
  if (!memory) return fail(memory.error());
  lamina::Arena arena(memory->bytes());
  const auto core = (*entry)->bind(file, arena);
  if (!core) return fail(core.error());

  const RandomInput input = random_input(one.input, tokens);
  std::vector<std::byte> scratch((*entry)->scratch_bytes(options, tokens));
  std::vector<float> out(tokens * static_cast<std::size_t>(one.sizes.text_hidden));
  double best = 1e30;
  double best_cpu = 1e30;  // of all threads, divided among them: what a machine with other work says too
  for (std::uint32_t i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    const auto status = (*core)->encode(input.media, options, scratch, out);
    if (!status) return fail(status.error());
    const double cpu = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    best_cpu = std::min(best_cpu, cpu / (options.executor != nullptr ? options.executor->width() : 1));
  }
  const lamina::EncoderWork work = (*entry)->work(one.sizes, tokens);
  const bool is_bf16 = lamina::rounds_to_bf16(format, options.precision);
  const double peak = is_bf16 ? ceilings.bf16_ops_per_s : ceilings.float_ops_per_s;
  const double products = 2.0 * static_cast<double>(work.weights);
  const double attention = 2.0 * static_cast<double>(work.attention);
  // What all products would take at the peak of the weights' format; some attention computes in float32.
  const double ideal = (products + attention) / peak;
  std::printf(
      "%-8s %4u tokens  %-5s %-5s %8.1f ms (CPU %.1f ms a thread)  products %.0f GFLOP  attention %.0f GFLOP "
      " "
      "share of the peak %.2f (CPU %.2f)  scratch %.1f MB\n",
      std::string(one.name).c_str(), tokens, std::string(lamina::info_of(format).name).c_str(),
      std::string(lamina::name_of(options.precision)).c_str(), best * 1e3, best_cpu * 1e3, products / 1e9,
      attention / 1e9, ideal / best, ideal / best_cpu, static_cast<double>(scratch.size()) / 1e6);
  return 0;
}

int print_usage() {
  std::fputs(
      "usage: bench_encoders [base|large|unified|audio] [--tokens 280] [--threads 1] [--repeats 3] "
      "[--exact]\n"
      "                      [--chunk 512] [--format BF16|F16|F32]\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view name = "base";
  std::uint32_t tokens = 280;
  std::uint32_t threads = 1;
  std::uint32_t repeats = 3;
  lamina::EncodeOptions options;
  lamina::Format format = lamina::Format::bf16;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    std::uint32_t* number = flag == "--tokens"    ? &tokens
                            : flag == "--threads" ? &threads
                            : flag == "--repeats" ? &repeats
                            : flag == "--chunk"   ? &options.chunk
                                                  : nullptr;
    if (number != nullptr) {
      if (i + 1 == argc) return print_usage();
      std::string_view text = argv[++i];
      const auto value = bench::take_number(text);
      if (!value || !text.empty() || *value == 0) return print_usage();
      *number = *value;
    } else if (flag == "--exact") {
      options.precision = lamina::Precision::exact;
    } else if (flag == "--format" && i + 1 < argc) {
      const lamina::FormatInfo* info = lamina::find_format(argv[++i]);
      if (info == nullptr || !lamina::is_float(info->format)) return print_usage();
      format = info->format;
    } else if (!flag.starts_with("-")) {
      name = flag;
    } else {
      return print_usage();
    }
  }
  const auto* one = std::find_if(std::begin(published), std::end(published),
                                 [&](const Published& each) { return each.name == name; });
  if (one == std::end(published)) return print_usage();
  const auto pool = bench::start_threads(threads);
  if (!pool) return fail(pool.error());
  options.executor = pool->get();
  const bench::Ceilings ceilings = bench::measure_ceilings(pool->get());
  std::printf("peak of %u threads: bf16 %.0f, float32 %.0f GFLOP/s\n", threads, ceilings.bf16_ops_per_s / 1e9,
              ceilings.float_ops_per_s / 1e9);
  return time_encoder(*one, tokens, options, format, repeats, ceilings);
}
