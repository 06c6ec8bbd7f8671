// SPDX-License-Identifier: Apache-2.0
// The safetensors files of a directory, single or sharded -> tensors with canonical names.
// Source: weight-files.md §6.3 (index), §3 (names), §6.6 and §6.7 (quantised checkpoints, refused).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/huggingface/json.hpp>
#include <lamina/huggingface/safetensors.hpp>
#include <lamina/weights/file_error.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/names.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// The text tensors of a directory.
struct SafetensorsShards {
  std::vector<TensorView> tensors;  ///< sorted by canonical name, unique
  std::vector<std::unique_ptr<ByteOwner>> owners;
  std::size_t left_out = 0;  ///< tensors without canonical name: media towers, unknown ones
};

/// "directory" + "file" -> "directory/file".
[[nodiscard]] inline std::string join_path(std::string_view directory, std::string_view file) {
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  path += file;
  return path;
}

namespace detail {

inline constexpr std::size_t max_safetensors_shards = 1024;

/// Shard file name -> names of the tensors it must hold.
using WeightMap = std::map<std::string, std::vector<std::string>, std::less<>>;

/// A shard's file name must be a bare name: nothing in it may lead out of the directory.
[[nodiscard]] inline bool is_bare_shard_name(std::string_view name) noexcept {
  constexpr std::string_view suffix = ".safetensors";
  return name.size() > suffix.size() && name.size() <= 255 && name.ends_with(suffix) && name[0] != '.' &&
         name.find_first_of(std::string_view("/\\:\0", 4)) == std::string_view::npos &&
         name.find("..") == std::string_view::npos;
}

/// Reads model.safetensors.index.json.
[[nodiscard]] inline Result<WeightMap> read_index(std::span<const std::byte> json, std::string_view source) {
  const auto root = parse_json(json, source, {std::size_t{64} << 20, 4});
  if (!root) return root.error();
  if (!root->is_object())
    return bad_file(place(source), "index is no object", "an object", root->type_name());
  const auto entries = JsonObject(&*root, source).object("weight_map");
  if (!entries) return entries.error();
  if (entries->node() == nullptr || entries->node()->empty() ||
      entries->node()->size() > safetensors_max_tensors) {
    return bad_file(place(source, "weight_map"), "index lists no usable number of tensors",
                    text("1 to %zu", safetensors_max_tensors),
                    text("%zu", entries->node() == nullptr ? std::size_t{0} : entries->node()->size()));
  }
  WeightMap map;
  for (const auto& [name, file] : entries->node()->items()) {
    if (!file.is_string())
      return bad_file(place(source, name), "file name is no string", "a string", file.type_name());
    const auto& file_name = file.get_ref<const std::string&>();
    if (!is_bare_shard_name(file_name)) {
      return bad_file(place(source, name), "file name leads out of the directory or is no shard",
                      "a bare name that ends in .safetensors", file_name);
    }
    map[file_name].push_back(name);
    if (map.size() > max_safetensors_shards) {
      return bad_file(place(source), "too many shards", text("at most %zu", max_safetensors_shards), "more");
    }
  }
  return map;
}

/// The index and the shard must name the same tensors. `entries` is what the shard holds.
[[nodiscard]] inline Status check_same_names(std::vector<std::string> expected,
                                             const std::vector<SafetensorsEntry>& entries,
                                             std::string_view source) {
  std::vector<std::string_view> found;
  found.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) found.emplace_back(entry.name);
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  for (std::size_t i = 0; i < std::max(found.size(), expected.size()); ++i) {
    if (i < found.size() && i < expected.size() && found[i] == expected[i]) continue;
    const bool extra = i >= expected.size() || (i < found.size() && found[i] < expected[i]);
    return bad_file(
        place(source, extra ? found[i] : std::string_view(expected[i])),
        extra ? "shard holds a tensor that the index puts elsewhere" : "shard lacks a tensor of the index",
        extra ? "no such tensor" : "the tensor", extra ? "the tensor" : "nothing");
  }
  return Done{};
}

/// True for tensors that only quantised checkpoints have.
[[nodiscard]] constexpr bool is_quantised_part(std::string_view name) noexcept {
  for (const std::string_view suffix :
       {".weight_packed", ".weight_scale", ".weight_shape", ".embedding_quantized"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

/// Turns the text tensors of one shard into views.
[[nodiscard]] inline Status collect(const SafetensorsContents& shard, std::string_view source,
                                    SafetensorsShards& out) {
  for (const SafetensorsEntry& entry : shard.entries) {
    TensorView tensor;
    tensor.name = canonical_name(entry.name);
    if (tensor.name.empty()) {
      ++out.left_out;
      if (!is_quantised_part(entry.name) || entry.name.find("language_model") == std::string::npos) continue;
      return file_error(ErrorCode::unsupported, place(source, entry.name),
                        "quantised Hugging Face checkpoints are not supported", "BF16, F16 or F32 weights",
                        entry.dtype, "use the GGUF of this model, or the -unquantized one");
    }
    const FormatInfo* info = safetensors_format(entry.dtype);
    if (info == nullptr || entry.shape.size() > 3) {
      return file_error(ErrorCode::unsupported, place(source, entry.name), "tensor type is not supported",
                        "BF16, F16 or F32 with at most 3 dimensions",
                        text("%s with %zu", entry.dtype.c_str(), entry.shape.size()));
    }
    tensor.format = info->format;
    std::copy(entry.shape.rbegin(), entry.shape.rend(), tensor.dims.begin());
    tensor.bytes = shard.bytes_of(entry);
    out.tensors.push_back(std::move(tensor));
  }
  return Done{};
}

}  // namespace detail

/// Opens `model.safetensors`, or all shards that `model.safetensors.index.json` names.
///
/// Errors   io, bad_file (container, index, shards that disagree), unsupported (a text tensor of another
/// type)
/// Cost     maps the files; reads headers only
[[nodiscard]] inline Result<SafetensorsShards> open_shards(std::string_view directory) {
  constexpr std::string_view single = "model.safetensors";
  constexpr std::string_view index = "model.safetensors.index.json";
  detail::WeightMap map;
  const bool is_sharded = path_kind(join_path(directory, single)) == PathKind::absent;
  if (is_sharded) {
    const std::string path = join_path(directory, index);
    if (path_kind(path) == PathKind::absent) {
      return file_error(ErrorCode::io, place(directory), "directory has no weights",
                        "model.safetensors or model.safetensors.index.json", "neither",
                        "name a Hugging Face directory with safetensors, or a GGUF file");
    }
    const auto mapped = open_mapped(path);
    if (!mapped) return mapped.error();
    auto read = detail::read_index((*mapped)->bytes(), index);
    if (!read) return read.error();
    map = std::move(*read);
  } else {
    map[std::string(single)];
  }
  SafetensorsShards shards;
  for (auto& [file, names] : map) {
    auto mapped = open_mapped(join_path(directory, file));
    if (!mapped) return mapped.error();
    const auto contents = parse_safetensors((*mapped)->bytes(), file);
    if (!contents) return contents.error();
    if (is_sharded) LAMINA_TRY(detail::check_same_names(std::move(names), contents->entries, file));
    LAMINA_TRY(detail::collect(*contents, file, shards));
    shards.owners.push_back(std::move(*mapped));
  }
  LAMINA_TRY(sort_tensors(shards.tensors, file_name_of(directory)));
  return shards;
}

}  // namespace lamina
