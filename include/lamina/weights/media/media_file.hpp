// SPDX-License-Identifier: Apache-2.0
// What readers of towers deliver: named tensors, and the structure of the encoders that they make up.
// Source: vision.md §4.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/schedule/encoders/description.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// The encoders of a file. Of `weights` only tensors, owners and path are used: names are those of projector
/// files (mmproj), filters are matrices (all but the slowest dimension joined).
struct MediaFile {
  WeightFile weights;
  std::optional<EncoderDescription> vision;
  std::optional<EncoderDescription> audio;
  MediaLayout layout = MediaLayout::gguf;

  /// The encoder of pictures or of sound; null if there is none.
  [[nodiscard]] const EncoderDescription* encoder_of(MediaKind input) const noexcept {
    const auto& found = input == MediaKind::picture ? vision : audio;
    return found ? &*found : nullptr;
  }
};

namespace detail {

/// Joins all dimensions of a filter but the slowest: [out, in, height, width] is the matrix [out, in · height
/// · width]. Requires a tensor whose bytes were checked, so that products fit.
inline void join_filter(TensorView& tensor) noexcept {
  auto& d = tensor.dims;
  constexpr std::string_view along_time = "conv_dw.weight";
  if (d[3] > 1) {
    d = {d[0] * d[1] * d[2], d[3], 1, 1};
  } else if (tensor.name.ends_with(along_time) && d[1] == 1) {
    d = {d[0], d[2], 1, 1};  // checkpoints keep the axis of one input channel
  }
}

/// Reads an encoder's structure off its tensors.
class EncoderDescriber {
 public:
  /// `stem` is "v" or "a".
  EncoderDescriber(const WeightFile& file, MediaLayout layout, std::string_view stem)
      : file_(file), stem_(stem) {
    encoder_.sizes.layout = layout;
  }

  /// The encoder, or nothing if no tensor is one of its. Errors: mismatch (one it cannot be without is
  /// missing).
  [[nodiscard]] Result<std::optional<EncoderDescription>> describe() {
    const bool is_picture = stem_ == "v";
    const std::string_view projection =
        is_picture ? "mm.input_projection.weight" : "mm.a.input_projection.weight";
    const bool has_tower = std::any_of(file_.tensors.begin(), file_.tensors.end(), [&](const auto& tensor) {
      return tensor.name.starts_with(stem_) && tensor.name.substr(stem_.size()).starts_with(".");
    });
    if (!has_tower && file_.find(projection) == nullptr) return std::optional<EncoderDescription>();
    LAMINA_TRY(read(projection, 1, encoder_.sizes.text_hidden));
    LAMINA_TRY(read(projection, 0, encoder_.output_width));
    LAMINA_TRY(is_picture ? read_picture_front() : read_sound_front(has_tower));
    if (has_tower) LAMINA_TRY(read_layers(is_picture));
    return std::optional<EncoderDescription>(encoder_);
  }

 private:
  [[nodiscard]] Status read(std::string_view name, std::size_t dimension, std::int32_t& out) const {
    constexpr std::uint64_t most = std::uint64_t{1} << 24;
    const TensorView* tensor = file_.find(name);
    if (tensor == nullptr) {
      return file_error(ErrorCode::mismatch, place(file_name_of(file_.path), name), "tensor is missing",
                        "a tensor of every encoder of this kind", "nothing");
    }
    const std::uint64_t size = tensor->dims[dimension];
    if (size > most) {
      return bad_file(place(file_name_of(file_.path), name), "tensor is too large for an encoder",
                      text("dimensions of at most %llu", static_cast<unsigned long long>(most)),
                      text("%llu", static_cast<unsigned long long>(size)));
    }
    out = static_cast<std::int32_t>(size);
    return Done{};
  }

  [[nodiscard]] Status read_if_there(std::string_view name, std::size_t dimension, std::int32_t& out) const {
    return file_.find(name) == nullptr ? Status(Done{}) : read(name, dimension, out);
  }

  [[nodiscard]] Status read_picture_front() {
    constexpr std::string_view positions = "v.position_embd.weight";
    LAMINA_TRY(read("v.patch_embd.weight", 0, encoder_.input_width));
    LAMINA_TRY(read("v.patch_embd.weight", 1, encoder_.hidden));
    const bool has_layers = file_.find("v.blk.0.ln1.weight") != nullptr;
    const bool position_first = encoder_.sizes.layout == MediaLayout::hugging_face && !has_layers;
    LAMINA_TRY(read(positions, position_first ? 2 : 1, encoder_.sizes.positions));
    encoder_.standardised = file_.find("v.std_bias") != nullptr || file_.find("v.std_scale") != nullptr;
    return Done{};
  }

  [[nodiscard]] Status read_sound_front(bool has_tower) {
    if (!has_tower) {
      encoder_.input = MediaKind::samples;
      encoder_.input_width = encoder_.hidden = encoder_.output_width;
      return Done{};
    }
    // What other programs' readers know and no released file has; left out, it would give wrong numbers
    // (audio.md §4.2).
    for (const char* name : {"a.blk.0.per_dim_k_scale.weight", "mm.a.soft_emb_norm.weight"}) {
      if (file_.find(name) == nullptr) continue;
      return file_error(ErrorCode::unsupported, place(file_name_of(file_.path), name),
                        "tensor is not supported");
    }
    encoder_.input = MediaKind::log_mel;
    encoder_.input_width = 128;
    LAMINA_TRY(read("a.input_projection.weight", 1, encoder_.hidden));
    LAMINA_TRY(read("a.conv1d.0.weight", 1, encoder_.channels));
    return read("a.conv1d.1.weight", 1, encoder_.more_channels);
  }

  [[nodiscard]] Status read_layers(bool is_picture) {
    const int stem = static_cast<int>(stem_.size());
    const char* const first = is_picture ? "ln1.weight" : "ln2.weight";
    while (encoder_.layers < max_layers &&
           file_.find(text("%.*s.blk.%d.%s", stem, stem_.data(), encoder_.layers, first)) != nullptr) {
      ++encoder_.layers;
    }
    const auto name_of = [&](const char* suffix) {
      return text("%.*s.blk.0.%s", stem, stem_.data(), suffix);
    };
    LAMINA_TRY(read_if_there(name_of(is_picture ? "attn_q_norm.weight" : "per_dim_scale.weight"), 0,
                             encoder_.head_dim));
    std::int32_t query = 0;
    LAMINA_TRY(read_if_there(name_of("attn_q.weight"), 1, query));
    if (encoder_.head_dim > 0) encoder_.heads = query / encoder_.head_dim;
    LAMINA_TRY(read_if_there(name_of("ffn_up.weight"), 1, encoder_.ffn_width));
    LAMINA_TRY(read_if_there(name_of("conv_dw.weight"), 0, encoder_.convolution));
    encoder_.clipped = std::any_of(file_.tensors.begin(), file_.tensors.end(), [&](const auto& tensor) {
      const std::string_view name = tensor.name;
      return name.starts_with(stem_) && (name.ends_with("put_min") || name.ends_with("put_max"));
    });
    return Done{};
  }

  const WeightFile& file_;
  std::string_view stem_;
  EncoderDescription encoder_;
};

/// Puts tensors in order and describes their encoders. Errors: bad_file, mismatch.
[[nodiscard]] inline Status complete_media(MediaFile& file) {
  for (TensorView& tensor : file.weights.tensors) join_filter(tensor);
  LAMINA_TRY(sort_tensors(file.weights.tensors, file_name_of(file.weights.path)));
  auto vision = EncoderDescriber(file.weights, file.layout, "v").describe();
  if (!vision) return vision.error();
  auto audio = EncoderDescriber(file.weights, file.layout, "a").describe();
  if (!audio) return audio.error();
  file.vision = *vision;
  file.audio = *audio;
  return Done{};
}

}  // namespace detail
}  // namespace lamina
