// SPDX-License-Identifier: Apache-2.0
// Where a model comes from, and how it is opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/executor.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/tokenizer/vocabulary.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Where the bytes of a model lie.
class ModelSource {
 public:
  /// A GGUF file (single, any shard of a split one, packed); with `OpenOptions::directories` also a Hugging
  /// Face directory or a safetensors file in one.
  ModelSource(std::string path) : path_(std::move(path)) {}  // NOLINT(google-explicit-constructor)
  ModelSource(const char* path) : path_(path) {}             // NOLINT(google-explicit-constructor)

  /// A whole GGUF file in memory: flash, or inside the program. `bytes` must outlive the model; `name` is for
  /// messages.
  [[nodiscard]] static ModelSource memory(std::span<const std::byte> bytes, std::string_view name) {
    ModelSource source{std::string(name)};
    source.bytes_ = bytes;
    source.in_memory_ = true;
    return source;
  }
  /// A whole GGUF file that begins `offset` bytes into the file at `path` and has `length` bytes: an
  /// uncompressed entry of an APK, a region of a firmware image.
  [[nodiscard]] static ModelSource part(std::string path, std::uint64_t offset, std::uint64_t length) {
    ModelSource source(std::move(path));
    source.offset_ = offset;
    source.length_ = length;
    source.is_part_ = true;
    return source;
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }  ///< or the name for messages
  [[nodiscard]] bool in_memory() const noexcept { return in_memory_; }
  [[nodiscard]] bool is_part() const noexcept { return is_part_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::uint64_t length() const noexcept { return length_; }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
  std::uint64_t offset_ = 0;
  std::uint64_t length_ = 0;
  bool in_memory_ = false;
  bool is_part_ = false;
};

/// The compiled-in model types that a file may be of: one, or a list that stays where it is.
class ModelEntries {
 public:
  ModelEntries(const ModelEntry& entry) noexcept : one_(&entry) {}  // NOLINT(google-explicit-constructor)
  ModelEntries(std::span<const ModelEntry* const> entries) noexcept : list_(entries) {}  // NOLINT

  [[nodiscard]] std::span<const ModelEntry* const> list() const noexcept {
    return one_ != nullptr ? std::span<const ModelEntry* const>(&one_, 1) : list_;
  }

 private:
  const ModelEntry* one_ = nullptr;
  std::span<const ModelEntry* const> list_;
};

/// What opening does now.
enum class OpenStep : std::uint8_t {
  parsing,     ///< reads metadata, checks every tensor
  vocabulary,  ///< builds the tokenizer
  packing,     ///< interleaves weights; counted in bytes
  reading,     ///< reads weights ahead; counted in bytes
};

/// Is told how far opening is. `report` returns false to cancel.
struct OpenProgress {
  bool (*report)(void* context, OpenStep step, std::uint64_t done, std::uint64_t total) = nullptr;
  void* context = nullptr;
};

/// Reads what is no GGUF file; `huggingface/directories.hpp` has the one for Hugging Face directories.
struct DirectoryReader {
  Result<WeightFile> (*open)(const std::string& path);
  Result<VocabularyData> (*read_vocabulary)(std::span<const std::byte> tokenizer_json,
                                            std::string_view source);
  Result<WeightFile> (*open_drafter)(const std::string& path) = nullptr;
};

/// How a model is opened.
struct OpenOptions {
  bool tokenizer = true;    ///< false: ids only; nothing is read for text
  bool pack = true;         ///< interleave weights in memory where that pays (`pack_weights`)
  bool read_ahead = false;  ///< read all weights now, so that the first token does not wait for the disk
  /// Experts of a layer that engines hold in memory (`EngineOptions::expert_cache_bytes`); all others stay in
  /// the file, and none is packed. 0: all are used where they lie, or packed.
  std::uint32_t expert_slots = 0;
  /// Most bytes of memory that the model may need to run at speed: matrices (mapped or packed), vectors, and
  /// the tokenizer; 0: no limit. Tables that are read row by row stay on disk and do not count; of experts on
  /// disk one engine's slots do.
  std::uint64_t memory_budget = 0;
  Executor* executor = nullptr;  ///< for packing; null: the calling thread
  OpenProgress progress{};
  const DirectoryReader* directories = nullptr;
};

}  // namespace lamina
