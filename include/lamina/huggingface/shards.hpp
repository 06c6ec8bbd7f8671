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
#include <lamina/json/json.hpp>
#include <lamina/huggingface/safetensors.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/huggingface/names.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// A text tensor about which the index and a shard disagree; an error if the model needs it.
struct IndexFault {
  std::string canonical;
  std::string name;  ///< as the files have it
  std::string shard;
  bool held = false;  ///< the shard holds it and the index does not put it there; otherwise the reverse
};

/// Which tensors of a directory are read, and under which names.
struct TensorChoice {
  std::string (*canonical_name)(std::string_view name);  ///< empty for those that are left out
  std::size_t most_dimensions;
  bool takes_integers = false;  ///< 64-bit integers are rows of two 32-bit ones, the low half first
};
inline constexpr TensorChoice text_tensors{&canonical_name, 3};

/// The tensors of a directory that were chosen.
struct SafetensorsShards {
  std::vector<TensorView> tensors;  ///< sorted by canonical name, unique
  std::vector<std::unique_ptr<ByteOwner>> owners;
  std::vector<std::string> files;        ///< names of the files behind them
  std::vector<IndexFault> index_faults;  ///< sorted by canonical name
  std::size_t left_out = 0;              ///< tensors that were not chosen
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
    if (is_ambiguous(file))
      return bad_file(place(source, name), "tensor occurs twice", "one shard", "two different ones");
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

/// Collects the chosen tensors that not both the index and the shard name. `entries` is what the shard holds.
inline void compare_names(std::vector<std::string> expected, const std::vector<SafetensorsEntry>& entries,
                          const std::string& shard, const TensorChoice& choice,
                          std::vector<IndexFault>& faults) {
  std::vector<std::string_view> found;
  found.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) found.emplace_back(entry.name);
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  const auto note = [&](std::string_view name, bool held) {
    std::string canonical = choice.canonical_name(name);
    if (!canonical.empty()) faults.push_back({std::move(canonical), std::string(name), shard, held});
  };
  std::size_t e = 0, f = 0;
  while (e < expected.size() || f < found.size()) {
    if (e < expected.size() && f < found.size() && expected[e] == found[f]) {
      ++e;
      ++f;
    } else if (e == expected.size() || (f < found.size() && found[f] < expected[e])) {
      note(found[f++], true);
    } else {
      note(expected[e++], false);
    }
  }
}

/// True for a shard without which a model may still be whole: no chosen tensor but a head, which may be tied.
[[nodiscard]] inline bool is_dispensable(const std::vector<std::string>& names, const TensorChoice& choice) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const std::string canonical = choice.canonical_name(name);
    return canonical.empty() || canonical == "output.weight";
  });
}

/// The shards of a directory without an index, by their names; empty if there are none.
///
/// Errors   bad_file (sets of two sizes)
[[nodiscard]] inline Result<WeightMap> find_shards(std::string_view directory) {
  std::size_t count = 0;
  for (std::size_t n = 1; n <= max_safetensors_shards; ++n) {
    const auto first = text("model-00001-of-%05zu.safetensors", n);
    if (path_kind(join_path(directory, first)) == PathKind::absent) continue;
    if (count != 0) {
      return bad_file(place(directory), "directory has shards of several sets and no index", "one set",
                      text("sets of %zu and of %zu", count, n));
    }
    count = n;
  }
  WeightMap map;
  for (std::size_t i = 1; i <= count; ++i)
    map[std::string(text("model-%05zu-of-%05zu.safetensors", i, count).view())];
  return map;
}

/// True for tensors that only quantised checkpoints have.
[[nodiscard]] constexpr bool is_quantised_part(std::string_view name) noexcept {
  for (const std::string_view suffix :
       {".weight_packed", ".weight_scale", ".weight_shape", ".embedding_quantized"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

/// Turns the chosen tensors of one shard into views.
[[nodiscard]] inline Status collect(const SafetensorsContents& shard, std::string_view source,
                                    const TensorChoice& choice, SafetensorsShards& out) {
  for (const SafetensorsEntry& entry : shard.entries) {
    TensorView tensor;
    tensor.name = choice.canonical_name(entry.name);
    if (tensor.name.empty()) {
      ++out.left_out;
      if (!is_quantised_part(entry.name) || entry.name.find("language_model") == std::string::npos) continue;
      return file_error(ErrorCode::unsupported, place(source, entry.name),
                        "quantised Hugging Face checkpoints are not supported", "BF16, F16 or F32 weights",
                        entry.dtype, "use the GGUF of this model, or the -unquantized one");
    }
    if (choice.takes_integers && entry.dtype == "I64" && entry.shape.size() <= 2) {
      tensor.format = Format::i32;
      tensor.dims[0] = 2;
      std::copy(entry.shape.rbegin(), entry.shape.rend(), tensor.dims.begin() + 1);
      tensor.bytes = shard.bytes_of(entry);
      out.tensors.push_back(std::move(tensor));
      continue;
    }
    const FormatInfo* info = safetensors_format(entry.dtype);
    if (info == nullptr || entry.shape.size() > choice.most_dimensions) {
      return file_error(ErrorCode::unsupported, place(source, entry.name), "tensor type is not supported",
                        text("BF16, F16 or F32 with at most %zu dimensions", choice.most_dimensions),
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

namespace detail {

/// Adds what one file holds; `listed` are the tensors that the index puts there, null without an index.
[[nodiscard]] inline Status add_shard(std::span<const std::byte> bytes, const std::string& file,
                                      const std::vector<std::string>* listed, SafetensorsShards& shards,
                                      const TensorChoice& choice = text_tensors) {
  const auto contents = parse_safetensors(bytes, file);
  if (!contents) return contents.error();
  if (listed != nullptr) compare_names(*listed, contents->entries, file, choice, shards.index_faults);
  LAMINA_TRY(collect(*contents, file, choice, shards));
  shards.files.push_back(file);
  return Done{};
}

/// Puts tensors and faults in order once all files were added. Errors: bad_file (a tensor in two files).
[[nodiscard]] inline Status finish_shards(SafetensorsShards& shards, std::string_view source) {
  std::sort(shards.index_faults.begin(), shards.index_faults.end(),
            [](const auto& a, const auto& b) { return a.canonical < b.canonical; });
  return sort_tensors(shards.tensors, source);
}

/// Which files to open: one, those of the index, or those that are named as shards.
struct ShardPlan {
  WeightMap files;
  bool has_index = false;
};

[[nodiscard]] inline Result<ShardPlan> plan_shards(std::string_view directory) {
  constexpr std::string_view single = "model.safetensors";
  constexpr std::string_view index = "model.safetensors.index.json";
  ShardPlan plan;
  if (path_kind(join_path(directory, single)) != PathKind::absent) {
    plan.files[std::string(single)];
    return plan;
  }
  const std::string path = join_path(directory, index);
  plan.has_index = path_kind(path) != PathKind::absent;
  if (plan.has_index) {
    const auto mapped = open_mapped(path);
    if (!mapped) return mapped.error();
    auto read = read_index((*mapped)->bytes(), index);
    if (!read) return read.error();
    plan.files = std::move(*read);
    return plan;
  }
  auto found = find_shards(directory);
  if (!found) return found.error();
  plan.files = std::move(*found);
  if (!plan.files.empty()) return plan;
  return file_error(ErrorCode::io, place(directory), "directory has no weights",
                    "model.safetensors or model.safetensors.index.json", "neither",
                    "name a Hugging Face directory with safetensors, or a GGUF file");
}

}  // namespace detail

/// Opens `model.safetensors`, or all shards that `model.safetensors.index.json` names, or without an index
/// all of `model-00001-of-0000N.safetensors` and so on.
///
/// Errors   io, bad_file (container, index, a tensor in two shards), unsupported (a text tensor of another type)
/// Cost     maps the files; reads headers only
[[nodiscard]] inline Result<SafetensorsShards> open_shards(std::string_view directory,
                                                           const TensorChoice& choice = text_tensors) {
  auto plan = detail::plan_shards(directory);
  if (!plan) return plan.error();
  SafetensorsShards shards;
  for (auto& [file, names] : plan->files) {
    const std::string path = join_path(directory, file);
    const bool is_absent = path_kind(path) == PathKind::absent;
    if (is_absent && plan->has_index && detail::is_dispensable(names, choice)) continue;
    auto mapped = open_mapped(path);
    if (!mapped) {
      Error error = mapped.error();
      if (is_absent && plan->files.size() > 1) error.hint = "the download is not complete: repeat it";
      return error;
    }
    LAMINA_TRY(
        detail::add_shard((*mapped)->bytes(), file, plan->has_index ? &names : nullptr, shards, choice));
    shards.owners.push_back(std::move(*mapped));
  }
  LAMINA_TRY(detail::finish_shards(shards, file_name_of(directory)));
  return shards;
}

/// Checks that index and shards agree about every tensor of `model`; what nobody needs may be missing or
/// extra.
///
/// Requires  a tied head is no longer among the tensors
/// Errors    bad_file, naming the shard and the tensor
[[nodiscard]] inline Status check_index(const SafetensorsShards& shards, const ModelDescription& model) {
  if (shards.index_faults.empty()) return Done{};
  const bool has_head = find_tensor(shards.tensors, "output.weight") != nullptr;
  return for_each_expected(model, [&](const ExpectedTensor& expected) -> Status {
    const auto fault =
        std::lower_bound(shards.index_faults.begin(), shards.index_faults.end(), expected.name,
                         [](const IndexFault& each, std::string_view name) { return each.canonical < name; });
    const bool agrees = fault == shards.index_faults.end() || fault->canonical != expected.name;
    if (agrees || (expected.name == "output.weight" && !has_head)) return Done{};
    return fault->held ? bad_file(place(fault->shard, fault->name),
                                  "shard holds a tensor that the index puts elsewhere", "no such tensor",
                                  "the tensor")
                       : bad_file(place(fault->shard, fault->name), "shard lacks a tensor of the index",
                                  "the tensor", "nothing");
  });
}

}  // namespace lamina
