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
#include <lamina/core/guard.hpp>
#include <lamina/huggingface/config.hpp>
#include <lamina/huggingface/generation_config.hpp>
#include <lamina/json/json.hpp>
#include <lamina/huggingface/shards.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/file.hpp>
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

/// A tied head is the embedding; the copy of it that checkpoints carry (§6.5) must be one. An untied head
/// must be there.
///
/// Errors   mismatch
/// Cost     compares a copy byte by byte
[[nodiscard]] inline Status settle_head(HeadKind kind, SafetensorsShards& shards,
                                        std::string_view directory) {
  const auto where = place(file_name_of(directory), "lm_head.weight");
  const auto head = std::find_if(shards.tensors.begin(), shards.tensors.end(),
                                 [](const TensorView& tensor) { return tensor.name == "output.weight"; });
  if (head == shards.tensors.end()) {
    if (kind != HeadKind::own) return Done{};
    return file_error(ErrorCode::mismatch, where, "tensor is missing",
                      "a head of its own (tie_word_embeddings is false)", "nothing");
  }
  if (kind != HeadKind::tied) return Done{};
  const TensorView* embedding = find_tensor(shards.tensors, "token_embd.weight");
  if (embedding != nullptr &&
      !(head->format == embedding->format && std::ranges::equal(head->bytes, embedding->bytes))) {
    return file_error(ErrorCode::mismatch, where, "tied head is no copy of the embedding",
                      "the bytes of the embedding", "others",
                      "set tie_word_embeddings to false to use it, or remove it");
  }
  shards.tensors.erase(head);
  ++shards.left_out;
  return Done{};
}

/// Refuses adapters (LoRA): they change what a model computes, whether it lies beside them or not.
///
/// Errors   unsupported, naming the model that the adapter belongs to
[[nodiscard]] inline Status refuse_adapter(std::string_view directory) {
  const auto has = [&](std::string_view file) {
    return path_kind(join_path(directory, file)) != PathKind::absent;
  };
  constexpr std::string_view settings = "adapter_config.json";
  const char* found = nullptr;
  for (const char* file : {"adapter_model.safetensors", "adapter_model.bin", "adapters.safetensors"}) {
    if (found == nullptr && has(file)) found = file;
  }
  if (found == nullptr && (has("config.json") || !has(settings))) return Done{};
  std::string base = "its base model";
  if (const auto file = open_mapped(join_path(directory, settings))) {
    const auto root = parse_json((*file)->bytes(), settings);
    const nlohmann::json* name =
        root ? JsonObject(&*root, settings).find("base_model_name_or_path") : nullptr;
    if (name != nullptr && name->is_string()) base = name->get_ref<const std::string&>();
  }
  return file_error(ErrorCode::unsupported, place(directory), "directory holds an adapter", "a whole model",
                    found == nullptr ? settings : std::string_view(found),
                    text("merge the adapter into %s and name the result", base.c_str()));
}

/// The chat template of a tokenizer_config.json: a string, or a list of named ones with a default among them.
[[nodiscard]] inline Status read_template_field(const JsonObject& fields, std::string& out) {
  constexpr std::string_view key = "chat_template";
  const nlohmann::json* source = fields.find(key);
  if (source == nullptr) return Done{};
  if (source->is_array()) {
    for (const nlohmann::json& each : *source) {
      const JsonObject named(&each, "tokenizer_config.json", key);
      const auto name = named.string_or_empty("name");
      if (!name) return name.error();
      if (*name == "default") source = named.find("template");
    }
  }
  if (source == nullptr || !source->is_string())
    return fields.wrong(key, "a string, or a list with a default", fields.node()->at("chat_template"));
  out = source->get_ref<const std::string&>();
  return Done{};
}

/// Reads the chat template: chat_template.jinja, or in older checkpoints a field of tokenizer_config.json.
/// Lines end with a line feed however the file ends them, as in Jinja.
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
    out = without_byte_order_mark({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  } else {
    constexpr std::string_view file = "tokenizer_config.json";
    const auto config = open_optional(directory, file);
    if (!config) return config.error();
    if (*config == nullptr) return Done{};
    const auto root = parse_json((*config)->bytes(), file, {std::size_t{16} << 20, 64});
    if (!root) return root.error();
    LAMINA_TRY(read_template_field(JsonObject(&*root, file), out));
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool is_return = out[i] == '\r';
    if (is_return && i + 1 < out.size() && out[i + 1] == '\n') continue;
    out[kept++] = is_return ? '\n' : out[i];
  }
  out.resize(kept);
  return Done{};
}

/// As `open_huggingface`; a file that the user named must be one of those that are opened.
[[nodiscard]] inline Result<WeightFile> open_directory(const std::string& directory, std::string_view named) {
  LAMINA_TRY(refuse_adapter(directory));
  const auto config_file = open_mapped(join_path(directory, "config.json"));
  if (!config_file) return config_file.error();
  // Before the tensors, so that other models and quantised checkpoints get an error about themselves.
  const auto first_look = read_config((*config_file)->bytes(), "config.json");
  if (!first_look && first_look.error().code == ErrorCode::unsupported) return first_look.error();
  auto shards = lamina::open_shards(directory);  // detail has one for GGUF files
  if (!shards) return shards.error();
  if (!named.empty() && std::find(shards->files.begin(), shards->files.end(), named) == shards->files.end()) {
    return file_error(ErrorCode::bad_argument, place(named), "file is no part of the model of its directory",
                      shards->files.empty() ? "none" : std::string_view(shards->files.front()), named,
                      "name the directory, or that file");
  }
  auto config = read_config((*config_file)->bytes(), "config.json", shards->tensors);
  if (!config) return config.error();
  LAMINA_TRY(settle_head(config->head, *shards, directory));
  LAMINA_TRY(check_index(*shards, config->description));

  WeightFile file;
  file.path = directory;
  file.description = config->description;
  LAMINA_TRY(check_tensors(file.description, shards->tensors, file_name_of(directory), file.ignored_tensors));
  file.ignored_tensors += shards->left_out;
  file.tensors = std::move(shards->tensors);
  file.owners = std::move(shards->owners);

  const auto generation = open_optional(directory, "generation_config.json");
  if (!generation) return generation.error();
  if (*generation != nullptr) {
    auto defaults =
        read_generation_config((*generation)->bytes(), "generation_config.json", file.description.vocab);
    if (!defaults) return defaults.error();
    file.generation = std::move(*defaults);
  }
  if (file.generation.eos_tokens.empty()) file.generation.eos_tokens = std::move(config->eos_tokens);
  LAMINA_TRY(read_chat_template(directory, file.chat_template));
  auto tokenizer = open_optional(directory, "tokenizer.json");
  if (!tokenizer) return tokenizer.error();
  if (*tokenizer != nullptr) {
    file.tokenizer_json = (*tokenizer)->bytes();
    file.owners.push_back(std::move(*tokenizer));
  }
  return file;
}

}  // namespace detail

/// Opens a Gemma 4 text model in a Hugging Face directory: config.json, safetensors, and what lies beside
/// them.
///
/// Effects   tokenizer.json is mapped (`WeightFile::tokenizer_json`), not read; K/V of shared layers, media
///           towers and copies of a tied head are ignored
/// Errors    io, bad_file, unsupported (quantised checkpoints and adapters among them), mismatch,
///           out_of_memory; names the file and the thing in it
/// Cost      reads config.json and the headers, and a stored copy of a tied head; maps the rest
[[nodiscard]] inline Result<WeightFile> open_huggingface(const std::string& directory) {
  return guard_memory(directory,
                      [&]() -> Result<WeightFile> { return detail::open_directory(directory, {}); });
}

/// Opens a model by what lies at `path`: a directory, a GGUF file (any shard), or a safetensors file (its
/// directory).
///
/// Errors   as `open_gguf` and `open_huggingface`
[[nodiscard]] inline Result<WeightFile> open_model(const std::string& path) {
  return guard_memory(path, [&]() -> Result<WeightFile> {
    if (path_kind(path) == PathKind::directory) return open_huggingface(path);
    const auto mapped = open_mapped(path);
    if (!mapped) return mapped.error();
    if (!looks_like_safetensors((*mapped)->bytes())) return open_gguf(path);
    const std::size_t slash = path.rfind('/');
    return detail::open_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1),
                                  file_name_of(path));
  });
}

}  // namespace lamina
