// SPDX-License-Identifier: Apache-2.0
// Tokenizers from every kind of file that holds one.
#include "text_parts.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include <lamina/engine/open_model.hpp>
#include <lamina/huggingface/config.hpp>
#include <lamina/huggingface/tokenizer_json.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>
#include <lamina/weights/mapped_file.hpp>

#include "model.hpp"
#include "numbers.hpp"

namespace program {

using lamina::Error;
using lamina::ErrorCode;
using lamina::Result;
using lamina::Tokenizer;

namespace {

Result<TextParts> with_template(Result<Tokenizer> tokenizer, bool has_per_layer_inputs, bool has_model) {
  if (!tokenizer) return tokenizer.error();
  return TextParts{std::move(*tokenizer), lamina::template_size_of(has_per_layer_inputs), has_model};
}

Result<TextParts> parts_of_gguf(const Result<lamina::GgufFile>& file) {
  if (!file) return file.error();
  const auto per_layer =
      file->metadata.integer_or("gemma4.embedding_length_per_layer_input", {0, INT32_MAX}, 0);
  if (!per_layer) return per_layer.error();
  return with_template(lamina::make_tokenizer(lamina::read_gguf_vocabulary(file->metadata)), *per_layer > 0,
                       !file->tensors.empty());
}

Result<TextParts> parts_of_json(const std::string& path, bool has_per_layer_inputs, bool has_model) {
  const auto file = lamina::open_mapped(path);
  if (!file) return file.error();
  return with_template(lamina::make_tokenizer(lamina::read_tokenizer_json((*file)->bytes(), path)),
                       has_per_layer_inputs, has_model);
}

/// A directory without a readable config.json still has its tokenizer; only the template is a guess then.
bool directory_has_per_layer_inputs(const std::string& directory) {
  const auto file = lamina::open_mapped(directory + "/config.json");
  if (!file) return false;
  const auto config = lamina::read_config((*file)->bytes(), "config.json");
  return config && config->description.per_layer_input > 0;
}

}  // namespace

Result<TextParts> open_text_parts(const std::string& path) {
  if (path.empty()) return parts_of_gguf(lamina::read_gguf_file(demo_bytes(), "demo"));
  if (lamina::path_kind(path) == lamina::PathKind::directory) {
    return parts_of_json(path + "/tokenizer.json", directory_has_per_layer_inputs(path), true);
  }
  const auto file = lamina::open_mapped(path);
  if (!file) return file.error();
  const auto bytes = (*file)->bytes();
  std::string_view first(reinterpret_cast<const char*>(bytes.data()),
                         std::min<std::size_t>(bytes.size(), 64));
  if (first.starts_with("\xEF\xBB\xBF")) first.remove_prefix(3);
  const std::size_t at = first.find_first_not_of(" \t\r\n");
  if (at != first.npos && first[at] == '{') return parts_of_json(path, false, false);
  return parts_of_gguf(lamina::open_gguf_file(path));
}

Error id_outside(const Tokenizer& tokenizer, std::string_view found) {
  return {ErrorCode::bad_argument,
          "ids",
          "token id outside the vocabulary",
          lamina::text("below %zu", tokenizer.size()),
          found,
          ""};
}

Result<std::vector<lamina::TokenId>> ids_of(const lamina::Value& list, const Tokenizer& tokenizer) {
  if (!list.is(lamina::Value::Kind::list))
    return Error{ErrorCode::bad_argument,         "ids", "not a list", "token ids",
                 lamina::detail::kind_name(list), ""};
  std::vector<lamina::TokenId> ids;
  for (const lamina::Value& item : list.items) {
    lamina::TokenId id = 0;
    const auto last = static_cast<lamina::TokenId>(tokenizer.size() - 1);
    if (!item.is(lamina::Value::Kind::integer) || !read_number(item.text, lamina::TokenId{0}, last, id))
      return id_outside(tokenizer,
                        item.text.empty() ? lamina::detail::kind_name(item) : std::string_view(item.text));
    ids.push_back(id);
  }
  return ids;
}

}  // namespace program
