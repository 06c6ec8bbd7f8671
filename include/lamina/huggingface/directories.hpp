// SPDX-License-Identifier: Apache-2.0
// What lets `Model::open` read Hugging Face directories: `OpenOptions{.directories = &lamina::huggingface}`.
#pragma once

#include <lamina/engine/open_options.hpp>
#include <lamina/huggingface/directory.hpp>
#include <lamina/huggingface/drafter.hpp>
#include <lamina/huggingface/tokenizer_json.hpp>

namespace lamina {

/// Reads directories, safetensors files and, as without it, GGUF files.
inline constexpr DirectoryReader huggingface{
    &open_model,
    [](std::span<const std::byte> tokenizer_json, std::string_view source) {
      return read_tokenizer_json(tokenizer_json, source);
    },
    &open_drafter};

}  // namespace lamina
