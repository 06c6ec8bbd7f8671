// SPDX-License-Identifier: Apache-2.0
// The Hugging Face directory of a drafter -> a checked weight file.
// Source: mtp-assistant.md §2.1 (configuration), §4.1 (tensors).
#pragma once

#include <string>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/huggingface/config.hpp>
#include <lamina/huggingface/directory.hpp>
#include <lamina/huggingface/shards.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/gguf/drafter.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// The tensors of a drafter; the order of its vocabulary is integers.
inline constexpr TensorChoice drafter_tensors{&canonical_name, 3, true};

/// Opens a drafter in a Hugging Face directory (`gemma4_assistant`, `gemma4_unified_assistant`). Of its
/// tokenizer nothing is read: it has the target's.
///
/// Errors   io, bad_file, unsupported (a directory of something else), mismatch, out_of_memory
[[nodiscard]] inline Result<WeightFile> open_drafter_directory(const std::string& directory) {
  return guard_memory(directory, [&]() -> Result<WeightFile> {
    const auto config_file = open_mapped(join_path(directory, "config.json"));
    if (!config_file) return config_file.error();
    // Before the tensors, so that what is no drafter gets an error about itself.
    const auto first_look = read_drafter_config((*config_file)->bytes(), "config.json");
    if (!first_look && first_look.error().code == ErrorCode::unsupported) return first_look.error();
    auto shards = open_shards(directory, drafter_tensors);
    if (!shards) return shards.error();
    const auto config = read_drafter_config((*config_file)->bytes(), "config.json", shards->tensors);
    if (!config) return config.error();
    LAMINA_TRY(detail::settle_head(config->head, *shards, directory));
    LAMINA_TRY(check_index(*shards, config->description));
    WeightFile file;
    file.path = directory;
    file.description = config->description;
    LAMINA_TRY(
        check_tensors(file.description, shards->tensors, file_name_of(directory), file.ignored_tensors));
    file.ignored_tensors += shards->left_out;
    file.tensors = std::move(shards->tensors);
    file.owners = std::move(shards->owners);
    return file;
  });
}

/// Opens a drafter by what lies at `path`: a directory, or a GGUF file.
///
/// Errors   as `open_drafter_directory` and `open_drafter_gguf`
[[nodiscard]] inline Result<WeightFile> open_drafter(const std::string& path) {
  return path_kind(path) == PathKind::directory ? open_drafter_directory(path) : open_drafter_gguf(path);
}

}  // namespace lamina
