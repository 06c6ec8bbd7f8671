// SPDX-License-Identifier: Apache-2.0
// The towers of a Hugging Face directory -> encoders with checked structure.
// Source: vision.md §1, §4.1, §4.2; weight-files.md §6.3 (index).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/huggingface/config_support.hpp>
#include <lamina/huggingface/media/names.hpp>
#include <lamina/huggingface/shards.hpp>
#include <lamina/json/json.hpp>
#include <lamina/media/picture/size.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/media/media_file.hpp>
#include <lamina/weights/media/mmproj.hpp>

namespace lamina {

inline constexpr TensorChoice media_tensors{&canonical_media_name, 4};

namespace detail {

/// The part of a config.json that is about one encoder.
class EncoderConfig {
 public:
  explicit EncoderConfig(const JsonObject& fields) : fields_(fields) {}

  /// Checks what the fields state against what the tensors say, and reads epsilon.
  [[nodiscard]] Status settle(EncoderDescription& encoder) const {
    LAMINA_TRY(refuse_quantised(fields_));
    const bool is_picture = encoder.input == MediaKind::picture;
    LAMINA_TRY(require("hidden_size", encoder.hidden));
    LAMINA_TRY(require("num_hidden_layers", encoder.layers));
    LAMINA_TRY(require("num_attention_heads", encoder.heads));
    // Ranges that are not used would be ranges nobody meant; those that are not there leave nothing out.
    if (encoder.clipped != 0) LAMINA_TRY(require("use_clipped_linears", 1));
    if (is_picture) {
      LAMINA_TRY(require("head_dim", encoder.head_dim));
      LAMINA_TRY(require("num_key_value_heads", encoder.heads));
      LAMINA_TRY(require("intermediate_size", encoder.ffn_width));
      LAMINA_TRY(require("standardize", encoder.standardised));
      LAMINA_TRY(require("patch_size", 16));
      LAMINA_TRY(require("pooling_kernel_size", 3));
      LAMINA_TRY(check_activation("gelu_pytorch_tanh"));
      LAMINA_TRY(check_rotation());
    }
    const auto epsilon = fields_.positive("rms_norm_eps");
    if (!epsilon) return epsilon.error();
    encoder.norm_epsilon = epsilon->value_or(encoder.norm_epsilon);
    return Done{};
  }

 private:
  /// The field must be what the tensors say, where it is given; flags are numbers 0 and 1.
  [[nodiscard]] Status require(std::string_view key, std::int32_t expected) const {
    const nlohmann::json* value = fields_.find(key);
    if (value == nullptr || value->is_null()) return Done{};
    std::int32_t found = 0;
    if (value->is_boolean()) {
      found = value->get<bool>() ? 1 : 0;
    } else {
      LAMINA_TRY(fields_.required(key, {0, INT32_MAX}, found));
    }
    if (found == expected) return Done{};
    return file_error(ErrorCode::mismatch, fields_.where(key), "configuration disagrees with the tensors",
                      text("%d", expected), text("%d", found));
  }

  [[nodiscard]] Status check_activation(std::string_view expected) const {
    for (const char* key : {"hidden_activation", "hidden_act"}) {
      const auto activation = fields_.string_or_empty(key);
      if (!activation) return activation.error();
      if (!activation->empty() && *activation != expected)
        return unsupported_field(fields_, key, "activation is not supported", expected, *activation);
    }
    return Done{};
  }

  [[nodiscard]] Status check_rotation() const {
    const auto rotation = fields_.object("rope_parameters");
    if (!rotation) return rotation.error();
    if (rotation->node() == nullptr) return Done{};
    const auto base = rotation->positive("rope_theta");
    if (!base) return base.error();
    if (base->value_or(100.0F) == 100.0F) return Done{};
    return unsupported_field(*rotation, "rope_theta", "base of the rotation is not supported", "100",
                             text("%g", double{**base}));
  }

  const JsonObject& fields_;
};

[[nodiscard]] inline Status settle_encoder(const JsonObject& root, std::string_view key,
                                           std::optional<EncoderDescription>& encoder) {
  if (!encoder) return Done{};
  const auto fields = root.object(key);
  if (!fields) return fields.error();
  return fields->node() == nullptr ? Status(Done{}) : EncoderConfig(*fields).settle(*encoder);
}

/// Reads the soft tokens of a picture from the settings of the picture processor, where the directory has
/// them.
[[nodiscard]] inline Status read_picture_tokens(const std::string& directory, EncoderDescription& encoder) {
  for (const char* name : {"processor_config.json", "preprocessor_config.json"}) {
    const std::string path = join_path(directory, name);
    if (path_kind(path) == PathKind::absent) continue;
    const auto file = open_mapped(path);
    if (!file) return file.error();
    const auto root = parse_json((*file)->bytes(), name);
    if (!root) return root.error();
    const JsonObject fields(&*root, name);
    const auto inner = fields.object("image_processor");
    if (!inner) return inner.error();
    const JsonObject& processor = inner->node() != nullptr ? *inner : fields;
    const nlohmann::json* value = processor.find("max_soft_tokens");
    if (value == nullptr || value->is_null()) continue;
    LAMINA_TRY(processor.required("max_soft_tokens", {0, INT32_MAX}, encoder.picture_tokens));
    if (is_image_budget(encoder.picture_tokens)) return Done{};
    return unsupported_field(processor, "max_soft_tokens", "number of soft tokens is not supported",
                             "70, 140, 280, 560 or 1120", text("%d", encoder.picture_tokens));
  }
  return Done{};
}

}  // namespace detail

/// Opens the towers of a Hugging Face directory. One without towers has no encoders, which is no error.
///
/// Errors   io, bad_file, unsupported (another model; a setting without code), mismatch (configuration and
///          tensors disagree); names the file and the thing in it
/// Cost     reads config.json and the headers; maps the rest
[[nodiscard]] inline Result<MediaFile> open_media_directory(const std::string& directory) {
  const auto config = open_mapped(join_path(directory, "config.json"));
  if (!config) return config.error();
  const auto root = parse_json((*config)->bytes(), "config.json");
  if (!root) return root.error();
  const JsonObject fields(&*root, "config.json");
  const auto text_config = detail::find_text_config(fields, "config.json");
  if (!text_config) return text_config.error();
  auto shards = open_shards(directory, media_tensors);
  if (!shards) return shards.error();
  if (!shards->index_faults.empty()) {
    const IndexFault& fault = shards->index_faults.front();
    return bad_file(place(fault.shard, fault.name), "index and shard disagree about a tensor",
                    fault.held ? "no such tensor" : "the tensor", fault.held ? "the tensor" : "nothing");
  }
  MediaFile media;
  media.layout = MediaLayout::hugging_face;
  media.weights.path = directory;
  media.weights.tensors = std::move(shards->tensors);
  media.weights.owners = std::move(shards->owners);
  LAMINA_TRY(detail::complete_media(media));
  LAMINA_TRY(detail::settle_encoder(fields, "vision_config", media.vision));
  LAMINA_TRY(detail::settle_encoder(fields, "audio_config", media.audio));
  if (media.vision) LAMINA_TRY(detail::read_picture_tokens(directory, *media.vision));
  return media;
}

/// Opens towers by what lies at `path`: a directory, or a projector file. Errors: as `open_media_directory`
/// and `open_mmproj`.
[[nodiscard]] inline Result<MediaFile> open_media(const std::string& path) {
  return path_kind(path) == PathKind::directory ? open_media_directory(path) : open_mmproj(path);
}

}  // namespace lamina
