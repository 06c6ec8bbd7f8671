// SPDX-License-Identifier: Apache-2.0
// A Hugging Face directory -> a checked model, with its tokenizer, chat template and generation defaults at
// hand. Source: weight-files.md §6.4 (contents of a directory), §7 (order of checks).
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/huggingface/config.hpp>
#include <lamina/huggingface/generation_config.hpp>
#include <lamina/huggingface/json.hpp>
#include <lamina/huggingface/shards.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/file_error.hpp>
#include <lamina/weights/gguf.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

namespace detail {

/// Maps a file of a directory if it is there; null if not.
[[nodiscard]] inline Result<std::unique_ptr<MappedFile>> open_optional(std::string_view directory,
                                                                       std::string_view file) {
  const std::string path = join_path(directory, file);
  if (path_kind(path) == PathKind::absent) return std::unique_ptr<MappedFile>();
  return open_mapped(path);
}

/// A tied head is the embedding, whatever copy the checkpoint carries (§6.5); an untied one must be there.
[[nodiscard]] inline Status settle_head(bool tied, SafetensorsShards& shards, std::string_view directory) {
  const auto head = std::find_if(shards.tensors.begin(), shards.tensors.end(),
                                 [](const TensorView& tensor) { return tensor.name == "output.weight"; });
  if (tied && head != shards.tensors.end()) {
    shards.tensors.erase(head);
    ++shards.left_out;
  }
  if (!tied && head == shards.tensors.end()) {
    return file_error(ErrorCode::mismatch, place(file_name_of(directory), "lm_head.weight"),
                      "tensor is missing", "a head of its own (tie_word_embeddings is false)", "nothing");
  }
  return Done{};
}

/// Reads the chat template: chat_template.jinja, or in older checkpoints a string in tokenizer_config.json.
[[nodiscard]] inline Status read_chat_template(std::string_view directory, std::string& out) {
  constexpr std::size_t longest = std::size_t{1} << 20;
  const auto jinja = open_optional(directory, "chat_template.jinja");
  if (!jinja) return jinja.error();
  if (*jinja != nullptr) {
    const auto bytes = (*jinja)->bytes();
    if (bytes.size() > longest) {
      return bad_file(place("chat_template.jinja"), "chat template is too long",
                      text("at most %zu bytes", longest), text("%zu", bytes.size()));
    }
    out.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Done{};
  }
  constexpr std::string_view file = "tokenizer_config.json";
  const auto config = open_optional(directory, file);
  if (!config) return config.error();
  if (*config == nullptr) return Done{};
  const auto root = parse_json((*config)->bytes(), file, {std::size_t{16} << 20, 64});
  if (!root) return root.error();
  const JsonObject fields(&*root, file);
  const nlohmann::json* source = fields.find("chat_template");
  if (source != nullptr && source->is_string()) out = source->get_ref<const std::string&>();
  return Done{};
}

}  // namespace detail

/// Opens a Gemma 4 text model in a Hugging Face directory: config.json, safetensors, and what lies beside
/// them.
///
/// Effects   tokenizer.json is mapped (`WeightFile::tokenizer_json`), not read; K/V of shared layers, media
/// towers and
///           copies of a tied head are ignored
/// Errors    io, bad_file, unsupported (quantised checkpoints among them), mismatch; names the file and the
/// thing in it
/// Cost      reads config.json and the headers; maps the rest
[[nodiscard]] inline Result<WeightFile> open_huggingface(const std::string& directory) {
  const auto config_file = open_mapped(join_path(directory, "config.json"));
  if (!config_file) return config_file.error();
  // Before the tensors, so that other models and quantised checkpoints get an error about themselves.
  const auto first_look = read_config((*config_file)->bytes(), "config.json");
  if (!first_look && first_look.error().code == ErrorCode::unsupported) return first_look.error();
  auto shards = open_shards(directory);
  if (!shards) return shards.error();
  auto config = read_config((*config_file)->bytes(), "config.json", shards->tensors);
  if (!config) return config.error();
  LAMINA_TRY(detail::settle_head(config->tied_head, *shards, directory));

  WeightFile file;
  file.path = directory;
  file.description = config->description;
  LAMINA_TRY(check_tensors(file.description, shards->tensors, file_name_of(directory), file.ignored_tensors));
  file.ignored_tensors += shards->left_out;
  file.tensors = std::move(shards->tensors);
  file.owners = std::move(shards->owners);

  const auto generation = detail::open_optional(directory, "generation_config.json");
  if (!generation) return generation.error();
  if (*generation != nullptr) {
    auto defaults =
        read_generation_config((*generation)->bytes(), "generation_config.json", file.description.vocab);
    if (!defaults) return defaults.error();
    file.generation = std::move(*defaults);
  }
  if (file.generation.eos_tokens.empty()) file.generation.eos_tokens = std::move(config->eos_tokens);
  LAMINA_TRY(detail::read_chat_template(directory, file.chat_template));
  auto tokenizer = detail::open_optional(directory, "tokenizer.json");
  if (!tokenizer) return tokenizer.error();
  if (*tokenizer != nullptr) {
    file.tokenizer_json = (*tokenizer)->bytes();
    file.owners.push_back(std::move(*tokenizer));
  }
  return file;
}

/// Opens a model by what lies at `path`: a directory, a GGUF file (any shard), or a safetensors file (its
/// directory).
///
/// Errors   as `open_gguf` and `open_huggingface`
[[nodiscard]] inline Result<WeightFile> open_model(const std::string& path) {
  if (path_kind(path) == PathKind::directory) return open_huggingface(path);
  const auto mapped = open_mapped(path);
  if (!mapped) return mapped.error();
  if (!looks_like_safetensors((*mapped)->bytes())) return open_gguf(path);
  const std::size_t slash = path.rfind('/');
  return open_huggingface(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

}  // namespace lamina
