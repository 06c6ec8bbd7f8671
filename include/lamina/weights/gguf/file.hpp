// SPDX-License-Identifier: Apache-2.0
// GGUF files, single or split: path or bytes -> tensors and metadata, and on to a checked model.
// Source: weight-files.md §1.6 (split files), §7 (order of checks).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/gguf/description.hpp>
#include <lamina/weights/gguf/parse.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// A GGUF file with all its shards: any kind of GGUF, also one that holds only a vocabulary.
struct GgufFile {
  GgufMetadata metadata;            ///< of the first shard
  std::vector<TensorView> tensors;  ///< of all shards, sorted by name, unique
  std::vector<std::unique_ptr<ByteOwner>> owners;
  std::uint32_t interleave_height = 0;  ///< as in `WeightFile`
  std::string path;                     ///< as the user named it
};

/// Opens a GGUF file and, if it is one shard of several, all others from the same directory.
///
/// Errors   io, bad_file (container rules; shards that are missing or disagree), unsupported, out_of_memory
/// Cost     maps the files; reads metadata and descriptors only
[[nodiscard]] Result<GgufFile> open_gguf_file(const std::string& path);

/// Parses a GGUF file that lies in memory; `bytes` must outlive the result. Split files are unsupported here.
[[nodiscard]] Result<GgufFile> read_gguf_file(std::span<const std::byte> bytes, std::string_view name);

/// Parses a split GGUF file whose shards lie in memory, first shard first; the bytes must outlive the result.
/// One whole file counts as a single shard. Errors: as `open_gguf_file`.
[[nodiscard]] Result<GgufFile> read_gguf_shards(std::span<const std::span<const std::byte>> shards,
                                                std::string_view name);

/// Checks that a GGUF file is a complete Gemma 4 text model. For a model type of your own, whatever the
/// file's architecture, see `make_weight_file<V>` (weights/make_weight_file.hpp).
///
/// Errors   unsupported (another kind of file, or an encoding), bad_file (metadata), mismatch (a tensor is
///          missing or has another shape than the metadata implies)
[[nodiscard]] Result<WeightFile> make_weight_file(GgufFile file);

/// Opens a Gemma 4 text model. Errors: as `open_gguf_file` and `make_weight_file`.
[[nodiscard]] inline Result<WeightFile> open_gguf(const std::string& path) {
  return guard_memory(path, [&]() -> Result<WeightFile> {
    auto file = open_gguf_file(path);
    if (!file) return file.error();
    return make_weight_file(std::move(*file));
  });
}

/// Reads a Gemma 4 text model that lies in memory (the one inside the program); `bytes` must outlive the
/// result.
[[nodiscard]] inline Result<WeightFile> read_gguf(std::span<const std::byte> bytes, std::string_view name) {
  return guard_memory(name, [&]() -> Result<WeightFile> {
    auto file = read_gguf_file(bytes, name);
    if (!file) return file.error();
    return make_weight_file(std::move(*file));
  });
}

namespace detail {

inline constexpr std::int64_t max_shards = 1024;

/// "<prefix>-00002-of-00003.gguf", cut into its parts.
struct ShardName {
  std::string_view prefix;  ///< with its directory
  std::int64_t number = 0;  ///< 1-based
  std::int64_t count = 0;
};

/// Reads a shard's file name; false if it does not follow the pattern.
[[nodiscard]] inline bool parse_shard_name(std::string_view path, ShardName& name) noexcept {
  constexpr std::string_view pattern = "-00000-of-00000.gguf";
  if (path.size() <= pattern.size()) return false;
  const std::string_view tail = path.substr(path.size() - pattern.size());
  std::int64_t numbers[2] = {0, 0};
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '0') {
      if (tail[i] != pattern[i]) return false;
      continue;
    }
    if (tail[i] < '0' || tail[i] > '9') return false;
    std::int64_t& number = numbers[i < 6 ? 0 : 1];
    number = number * 10 + (tail[i] - '0');
  }
  name = {path.substr(0, path.size() - pattern.size()), numbers[0], numbers[1]};
  return true;
}

/// Path of shard `number` (1-based), built from the opened file's own prefix only, never from file contents.
[[nodiscard]] inline std::string shard_path(const ShardName& name, std::int64_t number) {
  std::string path(name.prefix);
  path += text("-%05d-of-%05d.gguf", static_cast<int>(number), static_cast<int>(name.count)).view();
  return path;
}

/// Shards a file says it is one of; 1 for a single file.
[[nodiscard]] inline Result<std::int64_t> shard_count(const GgufMetadata& metadata) {
  return metadata.integer_or("split.count", {0, max_shards}, 1);
}

/// One parsed file of a set.
struct GgufShard {
  std::unique_ptr<MappedFile> bytes;  ///< null where the caller holds the bytes
  GgufContents contents;
};

/// Maps and parses one file of a set.
[[nodiscard]] inline Result<GgufShard> open_shard(const std::string& path) {
  auto mapped = open_mapped(path);
  if (!mapped) return mapped.error();
  auto contents = parse_gguf((*mapped)->bytes(), file_name_of(path));
  if (!contents) return contents.error();
  return GgufShard{std::move(*mapped), std::move(*contents)};
}

/// Every shard must say that it is the one its name says, of as many as the first one says.
[[nodiscard]] inline Status check_shard(const GgufMetadata& metadata, std::int64_t number,
                                        std::int64_t count) {
  const auto own_count = metadata.integer("split.count", {1, max_shards});
  if (!own_count) return own_count.error();
  if (*own_count != count) {
    return bad_file(place(metadata.source(), "split.count"), "shards disagree on how many there are",
                    text("%d", static_cast<int>(count)), text("%d", static_cast<int>(*own_count)));
  }
  const auto own_number = metadata.integer("split.no", {0, max_shards - 1});
  if (!own_number) return own_number.error();
  if (*own_number != number - 1) {
    return bad_file(place(metadata.source(), "split.no"), "shard is not the one its file name says",
                    text("%d", static_cast<int>(number - 1)), text("%d", static_cast<int>(*own_number)));
  }
  return Done{};
}

inline void append(GgufFile& file, GgufShard shard) {
  for (TensorView& tensor : shard.contents.tensors) {
    // These are read as a whole for every token; in large pages that costs fewer address translations.
    if (tensor.packing == Packing::interleaved && shard.bytes != nullptr) {
      shard.bytes->prefer_large_pages(tensor.bytes);
    }
    file.tensors.push_back(std::move(tensor));
  }
  file.interleave_height = shard.contents.interleave_height;
  if (shard.bytes != nullptr) file.owners.push_back(std::move(shard.bytes));
}

/// Adds shard `number` (1-based) of `count` to a file; shards come in order.
[[nodiscard]] inline Status add_shard(GgufFile& file, GgufShard shard, std::int64_t number,
                                      std::int64_t count) {
  LAMINA_TRY(check_shard(shard.contents.metadata, number, count));
  if (number == 1) file.metadata = std::move(shard.contents.metadata);
  append(file, std::move(shard));
  return Done{};
}

/// All shards together must hold as many tensors as the first one says.
[[nodiscard]] inline Status check_total(const GgufFile& file) {
  const auto total = static_cast<std::int64_t>(file.tensors.size());
  const auto stated = file.metadata.integer_or("split.tensors.count", {0, INT32_MAX}, total);
  if (!stated) return stated.error();
  if (*stated == total) return Done{};
  return bad_file(place(file.metadata.source(), "split.tensors.count"), "shards do not hold all tensors",
                  text("%lld", static_cast<long long>(*stated)), text("%lld", static_cast<long long>(total)));
}

/// Opens all shards of a set in order; `file` has the path, and `name` what it says.
[[nodiscard]] inline Status open_shards(GgufFile& file, const ShardName& name) {
  for (std::int64_t number = 1; number <= name.count; ++number) {
    auto shard = open_shard(shard_path(name, number));
    if (!shard) {
      Error error = shard.error();
      if (error.code == ErrorCode::io)
        error.hint = "all shards must lie in one directory under their original names";
      return error;
    }
    LAMINA_TRY(add_shard(file, std::move(*shard), number, name.count));
  }
  return check_total(file);
}

}  // namespace detail

inline Result<GgufFile> open_gguf_file(const std::string& path) {
  return guard_memory(path, [&]() -> Result<GgufFile> {
    auto opened = detail::open_shard(path);
    if (!opened) return opened.error();
    const auto count = detail::shard_count(opened->contents.metadata);
    if (!count) return count.error();
    GgufFile file;
    file.path = path;
    if (*count <= 1) {
      file.metadata = std::move(opened->contents.metadata);
      detail::append(file, std::move(*opened));
    } else {
      detail::ShardName name;
      if (!detail::parse_shard_name(path, name) || name.count != *count) {
        return bad_file(place(path), "file name does not follow the pattern of split files",
                        text("<prefix>-NNNNN-of-%05d.gguf", static_cast<int>(*count)), file_name_of(path),
                        "give the shards their original names back");
      }
      LAMINA_TRY(detail::open_shards(file, name));
    }
    LAMINA_TRY(sort_tensors(file.tensors, file_name_of(path)));
    return file;
  });
}

inline Result<GgufFile> read_gguf_file(std::span<const std::byte> bytes, std::string_view name) {
  return guard_memory(name, [&]() -> Result<GgufFile> {
    auto contents = parse_gguf(bytes, file_name_of(name));
    if (!contents) return contents.error();
    const auto count = detail::shard_count(contents->metadata);
    if (!count) return count.error();
    if (*count > 1) {
      return file_error(ErrorCode::unsupported, place(file_name_of(name), "split.count"),
                        "one shard of several cannot be read from memory", "a whole model",
                        text("shard 1 of %d", static_cast<int>(*count)), "open it by its path");
    }
    GgufFile file;
    file.path = name;
    file.metadata = std::move(contents->metadata);
    file.tensors = std::move(contents->tensors);
    file.interleave_height = contents->interleave_height;
    LAMINA_TRY(sort_tensors(file.tensors, file_name_of(name)));
    return file;
  });
}

inline Result<GgufFile> read_gguf_shards(std::span<const std::span<const std::byte>> shards,
                                         std::string_view name) {
  return guard_memory(name, [&]() -> Result<GgufFile> {
    if (shards.size() == 1) return read_gguf_file(shards[0], name);
    GgufFile file;
    file.path = name;
    const auto count = static_cast<std::int64_t>(shards.size());
    for (std::int64_t number = 1; number <= count; ++number) {
      auto contents = parse_gguf(shards[static_cast<std::size_t>(number - 1)], file_name_of(name));
      if (!contents) return contents.error();
      LAMINA_TRY(detail::add_shard(file, detail::GgufShard{nullptr, std::move(*contents)}, number, count));
    }
    LAMINA_TRY(detail::check_total(file));
    LAMINA_TRY(sort_tensors(file.tensors, file_name_of(name)));
    return file;
  });
}

namespace detail {

/// Moves all of a file but its description into `weights`: tensors, text parts, sampling defaults.
[[nodiscard]] inline Status take_gguf_parts(GgufFile file, std::int32_t vocab, WeightFile& weights) {
  auto generation = generation_defaults(file.metadata, vocab);
  if (!generation) return generation.error();
  weights.generation = std::move(*generation);
  const auto chat_template = file.metadata.string_or_empty("tokenizer.chat_template");
  if (!chat_template) return chat_template.error();
  weights.chat_template = *chat_template;
  weights.tensors = std::move(file.tensors);
  weights.interleave_height = file.interleave_height;
  weights.owners = std::move(file.owners);
  weights.metadata = std::move(file.metadata);
  weights.path = std::move(file.path);
  return Done{};
}

}  // namespace detail

inline Result<WeightFile> make_weight_file(GgufFile file) {
  return guard_memory(place(file.metadata.source()), [&]() -> Result<WeightFile> {
    const auto description = describe_gguf(file.metadata, file.tensors);
    if (!description) return description.error();
    WeightFile weights;
    weights.description = *description;
    LAMINA_TRY(check_tensors(*description, file.tensors, file.metadata.source(), weights.ignored_tensors));
    LAMINA_TRY(detail::take_gguf_parts(std::move(file), description->vocab, weights));
    return weights;
  });
}

}  // namespace lamina
