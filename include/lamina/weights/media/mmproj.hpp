// SPDX-License-Identifier: Apache-2.0
// Projector files (GGUF, "mmproj") -> encoders with checked structure.
// Source: vision.md §4.3 to §4.5.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/media/media_file.hpp>

namespace lamina {

/// Checks that a GGUF file holds towers of Gemma 4 and describes them.
///
/// Errors   unsupported (another kind of file; a projector of other models), bad_file (metadata), mismatch (a
///          tensor is missing, or metadata and tensors disagree)
[[nodiscard]] Result<MediaFile> make_media_file(GgufFile file);

/// Opens a projector file. Errors: as `open_gguf_file` and `make_media_file`.
[[nodiscard]] inline Result<MediaFile> open_mmproj(const std::string& path) {
  return guard_memory(path, [&]() -> Result<MediaFile> {
    auto file = open_gguf_file(path);
    if (!file) return file.error();
    return make_media_file(std::move(*file));
  });
}

/// Reads a projector file that lies in memory; `bytes` must outlive the result.
[[nodiscard]] inline Result<MediaFile> read_mmproj(std::span<const std::byte> bytes, std::string_view name) {
  return guard_memory(name, [&]() -> Result<MediaFile> {
    auto file = read_gguf_file(bytes, name);
    if (!file) return file.error();
    return make_media_file(std::move(*file));
  });
}

namespace detail {

/// Checks the keys `clip.<modality>.…` of one encoder against what its tensors say.
class ProjectorKeys {
 public:
  ProjectorKeys(const GgufMetadata& metadata, std::string_view modality)
      : metadata_(metadata), modality_(modality) {}

  /// Whether the file says that it has the encoder; without the key, that is what its tensors say.
  [[nodiscard]] Result<bool> is_stated(bool has_tensors) const {
    return metadata_.boolean_or(
        text("clip.has_%.*s_encoder", static_cast<int>(modality_.size()), modality_.data()), has_tensors);
  }

  [[nodiscard]] Status check(EncoderDescription& encoder) const {
    const bool is_tower = encoder.layers > 0;
    LAMINA_TRY(check_type(encoder.input, is_tower));
    LAMINA_TRY(require("projection_dim", encoder.sizes.text_hidden));
    LAMINA_TRY(require("embedding_length", encoder.hidden));
    LAMINA_TRY(require("block_count", encoder.layers));
    LAMINA_TRY(require("feed_forward_length", encoder.ffn_width));
    LAMINA_TRY(require("attention.head_count", encoder.heads));
    if (encoder.input == MediaKind::picture) {
      LAMINA_TRY(require("patch_size", 16));
      LAMINA_TRY(require("projector.scale_factor", 3));
      LAMINA_TRY(require_all("image_mean", 0));
      LAMINA_TRY(require_all("image_std", 1));
    } else if (encoder.input == MediaKind::log_mel) {
      LAMINA_TRY(require("num_mel_bins", encoder.input_width));
    }
    const auto epsilon = metadata_.real_or(key("attention.layer_norm_epsilon"), encoder.norm_epsilon);
    if (!epsilon) return epsilon.error();
    if (!(*epsilon > 0 && *epsilon < 1)) {
      return bad_file(place(metadata_.source(), key("attention.layer_norm_epsilon")),
                      "number is out of range", "above 0 and below 1", text("%g", double{*epsilon}));
    }
    encoder.norm_epsilon = *epsilon;
    return Done{};
  }

 private:
  [[nodiscard]] FixedText<160> key(std::string_view suffix) const noexcept {
    FixedText<160> whole("clip.");
    whole.append(modality_);
    whole.append(".");
    whole.append(suffix);
    return whole;
  }

  [[nodiscard]] Status check_type(MediaKind input, bool is_tower) const {
    const std::string_view expected = input == MediaKind::picture ? (is_tower ? "gemma4v" : "gemma4uv")
                                                                  : (is_tower ? "gemma4a" : "gemma4ua");
    for (const FixedText<160>& name : {FixedText<160>("clip.projector_type"), key("projector_type")}) {
      const auto type = metadata_.string_or_empty(name);
      if (!type) return type.error();
      if (type->empty() || *type == expected) continue;
      const bool is_known =
          *type == "gemma4v" || *type == "gemma4uv" || *type == "gemma4a" || *type == "gemma4ua";
      return file_error(
          is_known ? ErrorCode::mismatch : ErrorCode::unsupported, place(metadata_.source(), name),
          is_known ? "projector is of another type than its tensors" : "projector is of another model",
          expected, *type);
    }
    return Done{};
  }

  /// The key must be what the tensors say, where the file has it.
  [[nodiscard]] Status require(std::string_view suffix, std::int32_t expected) const {
    const FixedText<160> name = key(suffix);
    const auto value = metadata_.integer_or(name, {0, INT32_MAX}, expected);
    if (!value) return value.error();
    if (*value == expected) return Done{};
    return file_error(ErrorCode::mismatch, place(metadata_.source(), name),
                      "metadata disagree with the tensors", text("%d", expected),
                      text("%lld", static_cast<long long>(*value)));
  }

  [[nodiscard]] Status require_all(std::string_view suffix, float expected) const {
    const FixedText<160> name = key(suffix);
    const auto values = metadata_.real_list(name);
    if (!values) return values.error();
    const auto other =
        std::find_if(values->begin(), values->end(), [&](float value) { return !(value == expected); });
    if (other == values->end()) return Done{};
    return file_error(ErrorCode::unsupported, place(metadata_.source(), name),
                      "pictures are normalised in another way", text("%g", double{expected}),
                      text("%g", double{*other}));
  }

  const GgufMetadata& metadata_;
  std::string_view modality_;
};

/// Some files number the norms of encoder-free pictures from 0, others from 1: here they begin with 1.
inline void number_patch_norms(std::vector<TensorView>& tensors) {
  constexpr std::string_view stem = "v.patch_norm.";
  const auto digit_of = [&](const TensorView& tensor) -> char {
    return tensor.name.starts_with(stem) && tensor.name.size() > stem.size() ? tensor.name[stem.size()]
                                                                             : '\0';
  };
  if (std::none_of(tensors.begin(), tensors.end(), [&](const auto& each) { return digit_of(each) == '0'; }))
    return;
  for (TensorView& tensor : tensors) {
    if (const char digit = digit_of(tensor); digit >= '0' && digit < '9')
      tensor.name[stem.size()] = static_cast<char>(digit + 1);
  }
}

/// Settles one encoder: what the file says it has, it must have, as it says.
[[nodiscard]] inline Status settle_encoder(const GgufMetadata& metadata, std::string_view modality,
                                           std::optional<EncoderDescription>& encoder) {
  const ProjectorKeys keys(metadata, modality);
  const auto stated = keys.is_stated(encoder.has_value());
  if (!stated) return stated.error();
  if (!*stated) {
    encoder.reset();
    return Done{};
  }
  if (encoder) return keys.check(*encoder);
  return file_error(ErrorCode::mismatch, place(metadata.source()),
                    text("file says that it has a tower (%.*s) and holds none",
                         static_cast<int>(modality.size()), modality.data()),
                    "its tensors", "nothing", "the file is damaged: download it again");
}

}  // namespace detail

inline Result<MediaFile> make_media_file(GgufFile file) {
  const auto architecture = file.metadata.string_or_empty("general.architecture");
  if (!architecture) return architecture.error();
  const auto type = file.metadata.string_or_empty("general.type");
  if (!type) return type.error();
  if (*architecture != "clip" || (!type->empty() && *type != "mmproj")) {
    return file_error(
        ErrorCode::unsupported, place(file.metadata.source(), "general.architecture"),
        "file is no vision/audio projector", "a projector (mmproj, architecture clip)",
        architecture->empty() ? std::string_view("nothing") : *architecture,
        *architecture == "gemma4" ? "this is the text model; its projector is another file" : "");
  }
  MediaFile media;
  media.layout = MediaLayout::gguf;
  media.weights.path = std::move(file.path);
  media.weights.tensors = std::move(file.tensors);
  media.weights.owners = std::move(file.owners);
  media.weights.interleave_height = file.interleave_height;
  media.weights.metadata = std::move(file.metadata);
  detail::number_patch_norms(media.weights.tensors);
  LAMINA_TRY(detail::complete_media(media));
  LAMINA_TRY(detail::settle_encoder(media.weights.metadata, "vision", media.vision));
  LAMINA_TRY(detail::settle_encoder(media.weights.metadata, "audio", media.audio));
  if (media.vision || media.audio) return media;
  return file_error(ErrorCode::unsupported, place(media.weights.metadata.source()),
                    "projector holds no tower", "a vision or audio tower", "neither");
}

}  // namespace lamina
