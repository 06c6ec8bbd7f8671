// SPDX-License-Identifier: Apache-2.0
// Any bytes as a GGUF file: container, metadata, model, vocabulary, numbers (weight-files.md §7 item 11).
//
// A read behind a value is seen only where the value is the last thing in memory. So a value is read again
// from files that end with it, in blocks of exactly their size, as it is and as an empty array.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/weights/as_header.hpp>
#include <lamina/weights/check_numbers.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>

namespace {

using lamina::GgufMetadata;
using lamina::GgufType;
using lamina::GgufValue;

/// Reads every value in every way, whatever its type.
void read_metadata(const GgufMetadata& metadata) {
  constexpr lamina::IntegerRange any{std::numeric_limits<std::int32_t>::min(),
                                     std::numeric_limits<std::int32_t>::max()};
  std::int32_t layers[3];
  for (const GgufMetadata::Entry& entry : metadata.entries()) {
    (void)metadata.integer(entry.key, any);
    (void)metadata.integer(entry.key, {0, 1});
    (void)metadata.real(entry.key);
    (void)metadata.boolean_or(entry.key, false);
    (void)metadata.string(entry.key);
    (void)metadata.strings(entry.key);
    (void)metadata.integers(entry.key, any, layers);
    (void)metadata.integer_list(entry.key, any);
  }
}

template <class T>
void write(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void write_entry(std::string& out, const GgufMetadata::Entry& entry) {
  const GgufValue& value = entry.value;
  write(out, std::uint64_t{entry.key.size()});
  out += entry.key;
  write(out, value.type);
  if (value.type == GgufType::array) {
    write(out, value.element);
    write(out, value.count);
  } else if (value.type == GgufType::string) {
    write(out, std::uint64_t{value.bytes.size()});
  }
  out.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
}

/// A file without tensors whose last byte is the last one of entry `last`.
std::string file_ending_with(std::span<const GgufMetadata::Entry> entries, std::size_t last) {
  std::string out = "GGUF";
  write(out, std::uint32_t{3});
  write(out, std::uint64_t{0});
  write(out, std::uint64_t{entries.size()});
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i != last) write_entry(out, entries[i]);
  }
  write_entry(out, entries[last]);
  return out;
}

/// Parses from a block of memory of exactly the file's size and reads what there is.
void read_exactly(const std::string& file, std::span<const lamina::TensorView> tensors) {
  const auto block = std::make_unique<std::byte[]>(file.size());
  std::memcpy(block.get(), file.data(), file.size());
  const auto contents = lamina::parse_gguf({block.get(), file.size()}, "fuzz.gguf");
  if (!contents) return;
  read_metadata(contents->metadata);
  (void)lamina::detail::shard_count(contents->metadata);
  (void)lamina::read_gguf_vocabulary(contents->metadata);
  (void)lamina::describe_gguf(contents->metadata, tensors);
  (void)lamina::generation_defaults(contents->metadata, 512);
}

/// One value, another one for each input, at the end of a file of its own and at the end of a file with all
/// the others, so that the readers of whole models come to it; as it is and as an empty array.
void read_a_value_at_the_end(const lamina::GgufFile& file, std::span<const std::byte> input) {
  const auto given = file.metadata.entries();
  if (given.empty()) return;
  std::size_t chosen = input.size();
  for (const std::byte byte : input) chosen = chosen * 31 + std::to_integer<std::size_t>(byte);
  chosen %= given.size();
  std::vector<GgufMetadata::Entry> entries(given.begin(), given.end());
  const GgufValue value = entries[chosen].value;
  for (const GgufValue& last : {value, GgufValue{GgufType::array, value.element, 0, {}}}) {
    entries[chosen].value = last;
    read_exactly(file_ending_with(std::span(entries).subspan(chosen, 1), 0), {});
    read_exactly(file_ending_with(entries, chosen), file.tensors);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = lamina::read_gguf_file(bytes, "fuzz.gguf");
  if (!file) return 0;
  read_metadata(file->metadata);
  read_a_value_at_the_end(*file, bytes);
  (void)lamina::read_gguf_vocabulary(file->metadata);
  const auto weights = lamina::read_gguf(bytes, "fuzz.gguf");
  if (!weights) return 0;
  (void)lamina::check_numbers(*weights);
  if (lamina::as_header(weights->description, "fuzz").empty()) __builtin_trap();
  return 0;
}
