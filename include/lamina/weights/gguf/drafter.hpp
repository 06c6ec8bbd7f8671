// SPDX-License-Identifier: Apache-2.0
// GGUF files of drafters, in the three dialects there are -> a checked weight file with canonical names.
// Source: mtp-assistant.md §4.2.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/gguf/description.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {
namespace detail {

/// Architectures of drafters; they are the prefix of the keys, too.
inline constexpr std::array<std::string_view, 3> drafter_architectures{"gemma4-assistant", "gemma4_assistant",
                                                                       "gemma4_mtp"};

struct DrafterName {
  std::string_view stored;
  std::string_view canonical;
};
/// What tensors of drafters are called here and there. The last one has other contents: the cluster of each
/// token instead of the tokens of each cluster.
inline constexpr std::array<DrafterName, 6> drafter_gguf_names{{
    {"mtp_pre_proj.weight", "nextn.pre_projection.weight"},
    {"mtp_post_proj.weight", "nextn.post_projection.weight"},
    {"mtp_centroids.weight", "masked_embd_centroids.weight"},
    {"mtp.centroids.weight", "masked_embd_centroids.weight"},
    {"mtp.token_ordering.weight", "masked_embd_ordering"},
    {"mtp_token_ordering.weight", "masked_embd_clusters"},
}};

class GgufDrafterDescriber : public GgufDescriber {
 public:
  using GgufDescriber::GgufDescriber;

  [[nodiscard]] Result<ModelDescription> describe() {
    // Dialects name the same number differently.
    const bool is_mtp = metadata_.find(key("embedding_length_out")) == nullptr &&
                        metadata_.find(key("backbone_embedding_length")) != nullptr;
    LAMINA_TRY(read(key(is_mtp ? "backbone_embedding_length" : "embedding_length_out"), max_width,
                    model_.target_hidden));
    if (find_tensor(tensors_, "masked_embd_centroids.weight") != nullptr) {
      const bool has_n = metadata_.find(key("n_centroids")) != nullptr;
      LAMINA_TRY(read(key(has_n ? "n_centroids" : "centroid_count"), max_vocab, model_.clusters));
      LAMINA_TRY(read(key("centroid_top_k"), model_.clusters, model_.selected_clusters));
    }
    return read_all();
  }
};

}  // namespace detail

/// Checks that a GGUF file is a complete drafter.
///
/// Errors   unsupported (another kind of file, naming it), bad_file (metadata), mismatch (a tensor is missing
///          or has another shape than the metadata implies)
[[nodiscard]] inline Result<WeightFile> make_drafter_file(GgufFile file) {
  return guard_memory(place(file.metadata.source()), [&]() -> Result<WeightFile> {
    const auto named = file.metadata.string_or_empty("general.architecture");
    if (!named) return named.error();
    const auto& known = detail::drafter_architectures;
    if (std::find(known.begin(), known.end(), *named) == known.end()) {
      return file_error(ErrorCode::unsupported, place(file.metadata.source(), "general.architecture"),
                        "file is no drafter", "gemma4-assistant, gemma4_assistant or gemma4_mtp",
                        named->empty() ? "nothing" : *named, "name the drafter that belongs to the model");
    }
    for (TensorView& tensor : file.tensors) {
      for (const detail::DrafterName& name : detail::drafter_gguf_names) {
        if (tensor.name == name.stored) tensor.name = name.canonical;
      }
    }
    LAMINA_TRY(sort_tensors(file.tensors, file.metadata.source()));
    const auto description = detail::GgufDrafterDescriber(file.metadata, file.tensors, *named).describe();
    if (!description) return description.error();
    WeightFile weights;
    weights.description = *description;
    LAMINA_TRY(check_tensors(*description, file.tensors, file.metadata.source(), weights.ignored_tensors));
    weights.tensors = std::move(file.tensors);
    weights.interleave_height = file.interleave_height;
    weights.owners = std::move(file.owners);
    weights.metadata = std::move(file.metadata);
    weights.path = std::move(file.path);
    return weights;
  });
}

/// Opens the GGUF file of a drafter. Errors: as `open_gguf_file` and `make_drafter_file`.
[[nodiscard]] inline Result<WeightFile> open_drafter_gguf(const std::string& path) {
  return guard_memory(path, [&]() -> Result<WeightFile> {
    auto file = open_gguf_file(path);
    if (!file) return file.error();
    return make_drafter_file(std::move(*file));
  });
}

/// Reads the GGUF file of a drafter that lies in memory; `bytes` must outlive the result.
[[nodiscard]] inline Result<WeightFile> read_drafter_gguf(std::span<const std::byte> bytes,
                                                          std::string_view name) {
  return guard_memory(name, [&]() -> Result<WeightFile> {
    auto file = read_gguf_file(bytes, name);
    if (!file) return file.error();
    return make_drafter_file(std::move(*file));
  });
}

}  // namespace lamina
