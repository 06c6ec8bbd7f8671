// SPDX-License-Identifier: Apache-2.0
// `synth VARIANT FORMAT OUT.gguf [--seed N]`: writes a full-size model or drafter with seeded random weights,
// streamed through one buffer. Blocks are made in their encoding, with scales that keep activations finite;
// nothing is quantised.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/schedule.hpp>
#include <lamina/testing/random_blocks.hpp>
#include <lamina/variants/drafters/gemma4_12b_drafter.hpp>
#include <lamina/variants/drafters/gemma4_26b_a4b_drafter.hpp>
#include <lamina/variants/drafters/gemma4_31b_drafter.hpp>
#include <lamina/variants/drafters/gemma4_e2b_drafter.hpp>
#include <lamina/variants/drafters/gemma4_e4b_drafter.hpp>
#include <lamina/variants/gemma4_12b.hpp>
#include <lamina/variants/gemma4_26b_a4b.hpp>
#include <lamina/variants/gemma4_31b.hpp>
#include <lamina/variants/gemma4_e2b.hpp>
#include <lamina/variants/gemma4_e4b.hpp>

#include "../examples/models/demo.hpp"
#include "../tests/models/drafters/demo_drafter.hpp"
#include "gguf_writer.hpp"
#include "synth_model.hpp"

namespace {

using bench::Numbers;
using bench::SynthTensor;
using lamina::Format;
using lamina::ModelDescription;

struct KnownVariant {
  std::string_view name;
  const ModelDescription& (*describe)();
};

template <lamina::Variant V>
constexpr KnownVariant known() {
  constexpr std::string_view prefix = "gemma4-";
  std::string_view name = V::name;
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  return {name, []() -> const ModelDescription& {
            static constexpr ModelDescription description = [] {
              ModelDescription model = lamina::describe<V>();
              model.clusters = V::dims.clusters;  // of drafters that have them, as in published files
              model.selected_clusters = std::min(32, model.clusters);
              return model;
            }();
            return description;
          }};
}

constexpr std::array variants{known<lamina::Gemma4E2b>(),         known<lamina::Gemma4E4b>(),
                              known<lamina::Gemma4_12b>(),        known<lamina::Gemma4_26bA4b>(),
                              known<lamina::Gemma4_31b>(),        known<lamina::models::Demo>(),
                              known<lamina::Gemma4E2bDrafter>(),  known<lamina::Gemma4E4bDrafter>(),
                              known<lamina::Gemma4_12bDrafter>(), known<lamina::Gemma4_26bA4bDrafter>(),
                              known<lamina::Gemma4_31bDrafter>(), known<lamina::models::DemoDrafter>()};

struct Request {
  const KnownVariant* variant = nullptr;
  Format format = Format::q4_0;
  std::string out;
  std::uint64_t seed = 1;
  bool sizes_only = false;
};

int print_usage() {
  std::fputs("usage: synth VARIANT FORMAT OUT.gguf [--seed N] [--sizes]\n  VARIANT  ", stderr);
  for (const KnownVariant& variant : variants) {
    std::fprintf(stderr, " %.*s", static_cast<int>(variant.name.size()), variant.name.data());
  }
  std::fputs(
      "\n  FORMAT    q4_0, q8_0, q4_k, bf16 ...: encoding of the matrices; the rest as in published files"
      "\n  --seed N  other weights and another vocabulary (default 1)"
      "\n  --sizes   only print the sizes; OUT.gguf may be missing\n",
      stderr);
  return 2;
}

const lamina::FormatInfo* format_named(std::string_view text) {
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  const lamina::FormatInfo* found = lamina::find_format(name);
  return found != nullptr && found->format != Format::i32 ? found : nullptr;
}

std::optional<Request> parse(std::span<char*> arguments) {
  Request request;
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--sizes") {
      request.sizes_only = true;
    } else if (argument == "--seed" && i + 1 < arguments.size()) {
      const std::string_view number = arguments[++i];
      const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), request.seed);
      if (problem != std::errc{} || end != number.data() + number.size()) return std::nullopt;
    } else if (argument.starts_with("-")) {
      return std::nullopt;
    } else {
      words.push_back(argument);
    }
  }
  if (words.size() != 3 && !(words.size() == 2 && request.sizes_only)) return std::nullopt;
  for (const KnownVariant& variant : variants) {
    if (variant.name == words[0]) request.variant = &variant;
  }
  const lamina::FormatInfo* format = format_named(words[1]);
  if (request.variant == nullptr || format == nullptr) return std::nullopt;
  request.format = format->format;
  if (words.size() == 3) request.out = words[2];
  return request;
}

// --- Tensor data ---

/// Rotation divisors of a global layer: a quarter of the pairs rotates, the others stand still (§3.5).
std::vector<float> rope_divisors(std::size_t count) {
  std::vector<float> divisors(count, 1e30F);
  std::fill_n(divisors.begin(), count / 4, 1.0F);
  return divisors;
}

/// Every number below `count` once, neighbours far from each other, as a vocabulary's clusters have them.
std::vector<std::uint32_t> scattered(std::size_t count) {
  constexpr std::uint64_t step = 7919;  // a prime that divides no vocabulary's size
  std::vector<std::uint32_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<std::uint32_t>(i * step % count);
  return numbers;
}

std::vector<float> random_vector(const Numbers& numbers, std::size_t count,
                                 lamina::testing::RandomNumbers& random) {
  std::vector<float> values(count);
  const float spread = numbers.deviation * std::sqrt(3.0F);  // of even numbers with this deviation
  for (float& value : values) value = numbers.mean + spread * random.next_float();
  return values;
}

/// Streams the numbers of all tensors into a file.
class TensorStream {
 public:
  TensorStream(bench::GgufWriter& writer, std::uint64_t seed)
      : writer_(writer), random_(seed), buffer_(buffer_bytes) {}

  [[nodiscard]] lamina::Status write(const SynthTensor& tensor) {
    const auto count = static_cast<std::size_t>(tensor.tensor.dims[0]);
    if (tensor.tensor.format == Format::i32) {
      const std::vector<std::uint32_t> numbers = scattered(count);
      LAMINA_TRY(writer_.write(std::as_bytes(std::span(numbers))));
    } else if (tensor.numbers.deviation == 0.0F) {
      LAMINA_TRY(write_floats(rope_divisors(count)));
    } else if (tensor.numbers.mean != 0.0F) {
      LAMINA_TRY(write_floats(random_vector(tensor.numbers, count, random_)));
    } else {
      LAMINA_TRY(write_blocks(tensor));
    }
    return writer_.pad();
  }

 private:
  static constexpr std::size_t buffer_bytes = std::size_t{4} << 20;

  [[nodiscard]] lamina::Status write_floats(const std::vector<float>& values) {
    return writer_.write(std::as_bytes(std::span(values)));
  }

  [[nodiscard]] lamina::Status write_blocks(const SynthTensor& tensor) {
    const lamina::testing::RandomBlocks blocks(tensor.tensor.format, tensor.numbers.deviation);
    const std::size_t block_bytes = lamina::info_of(tensor.tensor.format).block_bytes;
    const std::size_t whole_blocks = buffer_bytes / block_bytes * block_bytes;
    for (std::uint64_t left = tensor.tensor.bytes(); left > 0;) {
      const std::span piece(buffer_.data(),
                            static_cast<std::size_t>(std::min<std::uint64_t>(left, whole_blocks)));
      blocks.fill(piece, random_);
      LAMINA_TRY(writer_.write(piece));
      left -= piece.size();
    }
    return lamina::Done{};
  }

  bench::GgufWriter& writer_;
  lamina::testing::RandomNumbers random_;
  std::vector<std::byte> buffer_;
};

lamina::Status write_file(const Request& request, const std::vector<SynthTensor>& tensors) {
  bench::GgufWriter writer(request.out);
  std::vector<bench::GgufTensor> list;
  for (const SynthTensor& tensor : tensors) list.push_back(tensor.tensor);
  const auto& model = request.variant->describe();
  LAMINA_TRY(
      writer.begin(bench::synth_entries(model, request.format, request.variant->name, request.seed), list));
  TensorStream stream(writer, request.seed);
  for (const SynthTensor& tensor : tensors) LAMINA_TRY(stream.write(tensor));
  return writer.finish();
}

int fail(const lamina::Error& error) {
  std::fprintf(stderr, "synth: %s\n", lamina::describe(error).c_str());
  return 1;
}

/// Writes the file, unless only sizes are wanted.
int finish(const Request& request, const std::vector<SynthTensor>& tensors) {
  if (request.sizes_only) return 0;
  const auto start = std::chrono::steady_clock::now();
  if (const auto status = write_file(request, tensors); !status) return fail(status.error());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("wrote %s in %.1f s\n", request.out.c_str(), seconds.count());
  return 0;
}

int synth(const Request& request) {
  const ModelDescription& model = request.variant->describe();
  const bench::PublishedMix mix{request.format, model.layer_count, model.layers[0].experts > 0};
  const auto tensors = bench::synth_tensors(model, mix);
  if (!tensors) return fail(tensors.error());

  if (model.target_hidden > 0) {
    std::uint64_t bytes = 0;
    for (const SynthTensor& tensor : *tensors) bytes += tensor.tensor.bytes();
    std::printf("%.*s %s: %zu tensors, %.1f MB\n", static_cast<int>(request.variant->name.size()),
                request.variant->name.data(), lamina::info_of(request.format).name.data(), tensors->size(),
                static_cast<double>(bytes) / 1e6);
    return finish(request, *tensors);
  }
  const auto plan = std::make_unique<lamina::ModelPlan>();
  lamina::make_plan(model, {}, mix, *plan);
  std::printf("%.*s %s: %zu tensors, %.3f billion weights, %.1f MB, %.1f MB read per decoded token\n",
              static_cast<int>(request.variant->name.size()), request.variant->name.data(),
              lamina::info_of(request.format).name.data(), tensors->size(),
              static_cast<double>(plan->weights.parameters) / 1e9,
              static_cast<double>(plan->weights.bytes) / 1e6,
              static_cast<double>(plan->weights.active_bytes) / 1e6);
  return finish(request, *tensors);
}

}  // namespace

int main(int count, char** arguments) {
  const auto request = parse({arguments + 1, static_cast<std::size_t>(count > 0 ? count - 1 : 0)});
  return request ? synth(*request) : print_usage();
}
