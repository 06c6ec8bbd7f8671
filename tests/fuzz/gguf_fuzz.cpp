// SPDX-License-Identifier: Apache-2.0
// Any bytes as a GGUF file: container, metadata, model, vocabulary, numbers (weight-files.md §7 item 11).
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <lamina/weights/as_header.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/gguf.hpp>
#include <lamina/weights/gguf_vocabulary.hpp>

namespace {

/// Reads every value in every way, whatever its type.
void read_metadata(const lamina::GgufMetadata& metadata) {
  constexpr lamina::IntegerRange any{std::numeric_limits<std::int32_t>::min(),
                                     std::numeric_limits<std::int32_t>::max()};
  for (const lamina::GgufMetadata::Entry& entry : metadata.entries()) {
    (void)metadata.integer(entry.key, any);
    (void)metadata.real(entry.key);
    (void)metadata.boolean_or(entry.key, false);
    (void)metadata.string(entry.key);
    (void)metadata.strings(entry.key);
    (void)metadata.integer_list(entry.key, any);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = lamina::read_gguf_file(bytes, "fuzz.gguf");
  if (!file) return 0;
  read_metadata(file->metadata);
  (void)lamina::read_gguf_vocabulary(file->metadata);
  const auto weights = lamina::read_gguf(bytes, "fuzz.gguf");
  if (!weights) return 0;
  (void)lamina::check_numbers(*weights);
  if (lamina::as_header(weights->description, "fuzz").empty()) __builtin_trap();
  return 0;
}
