// SPDX-License-Identifier: Apache-2.0
// From pictures, videos and sounds to the soft tokens of one model, with the towers of its files.
// Source: vision.md §2 to §6, audio.md §2 to §5.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/encoders/encoder_entry.hpp>
#include <lamina/media/picture/prepare.hpp>
#include <lamina/media/sound/clips.hpp>
#include <lamina/media/sound/log_mel.hpp>
#include <lamina/media/sound/recording.hpp>
#include <lamina/media/video/video.hpp>
#include <lamina/pass/soft_tokens.hpp>
#include <lamina/weights/media/media_file.hpp>

namespace lamina {

/// How a picture becomes soft tokens.
struct PictureOptions {
  int tokens = 0;  ///< at most: one of `image_budgets`; 0: what the model is meant for (`picture_tokens`)
  std::optional<Resampling> resampling{};  ///< empty: the rule of the model (`MediaEncoder::resampling`)
  bool as_is = false;                      ///< take it as it is; both sides must be multiples of 48 then
};

/// The towers of one model, bound to the weights of a file: its eyes and its ears.
///
/// What it returns can be kept and said again in later turns, in other conversations and by other threads.
/// Threads   any number at the same time, if their `EncodeOptions` have executors of their own
class MediaEncoder {
 public:
  /// Finds the types of the file's towers among `entries` and binds them. The file may lack one of the two,
  /// not both.
  ///
  /// Errors   unsupported (no tower), mismatch (no compiled-in type fits; a weight of another shape),
  ///          bad_file, out_of_memory
  [[nodiscard]] static Result<MediaEncoder> create(MediaFile file,
                                                   std::span<const EncoderEntry* const> entries);

  [[nodiscard]] bool sees() const noexcept { return owned_->vision.entry != nullptr; }
  [[nodiscard]] bool hears() const noexcept { return owned_->audio.entry != nullptr; }
  /// Width of the soft tokens: that of the text model's stream.
  [[nodiscard]] std::uint32_t hidden() const noexcept { return owned_->hidden; }
  /// The rule by which the reference resizes pictures for the model: that of towers, or that of models
  /// without one; frames of videos always have the second (vision.md §2.3). Requires `sees()`.
  [[nodiscard]] Resampling resampling() const noexcept {
    return owned_->vision.entry->describe().layers > 0 ? Resampling::pil : Resampling::resize16;
  }
  /// Soft tokens of a picture at most, unless the caller asks for others: what the file states, or the type,
  /// or what published models take. Requires `sees()`.
  [[nodiscard]] int picture_tokens() const noexcept {
    const int of_file = owned_->vision.core->description().picture_tokens;
    const int of_type = owned_->vision.entry->describe().picture_tokens;
    return of_file > 0 ? of_file : of_type > 0 ? of_type : default_image_budget;
  }
  /// What turns a sound into what the audio tower takes. Requires `hears()`.
  [[nodiscard]] AudioFrontEnd front() const noexcept {
    return owned_->audio.entry->describe().input == MediaKind::log_mel ? AudioFrontEnd::log_mel
                                                                       : AudioFrontEnd::frames;
  }
  /// Memory that encoding `tokens` soft tokens of a picture takes beside the weights and the picture, exact.
  [[nodiscard]] std::size_t picture_bytes(const EncodeOptions& options, std::uint32_t tokens) const noexcept {
    return owned_->vision.entry->scratch_bytes(options, tokens);
  }
  /// Memory that the towers take at most while they encode a picture of up to `tokens` soft tokens, or a clip
  /// of sound: weights, mapped, and scratch.
  [[nodiscard]] std::uint64_t bytes(const EncodeOptions& options, std::uint32_t tokens) const noexcept {
    std::uint64_t weights = owned_->vision.memory.bytes().size() + owned_->audio.memory.bytes().size();
    for (const TensorView& tensor : owned_->file.weights.tensors) weights += tensor.bytes.size();
    const std::size_t picture = sees() ? picture_bytes(options, tokens) : 0;
    const std::size_t sound = hears() ? owned_->audio.entry->scratch_bytes(options, most_clip_tokens) : 0;
    return weights + std::max(picture, sound);
  }
  /// Checks that these are the towers of a model with rows of `width` numbers. Errors: mismatch.
  [[nodiscard]] Status check_fits(std::uint32_t width) const noexcept {
    if (width == hidden()) return Done{};
    return file_error(ErrorCode::mismatch, place(file_name_of(owned_->file.weights.path)),
                      "the towers belong to another model", text("soft tokens of %u numbers", width),
                      text("%u", hidden()), "name the projector file (mmproj) of this model");
  }

  /// Encodes a picture. Errors: unsupported (no tower for pictures), those of `prepare_picture`,
  /// `check_as_is` and `EncoderCore::encode` (cancelled, not_finite, out_of_memory)
  [[nodiscard]] Result<EncodedMedia> see(Picture picture, const PictureOptions& options = {},
                                         const EncodeOptions& encoding = {}) const;

  /// Encodes the frames of a video, one after the other. Errors: as `see`
  [[nodiscard]] Result<EncodedMedia> watch(const Video& video, const EncodeOptions& encoding = {}) const;

  /// Encodes a sound. Longer ones than a clip are refused or cut into clips, as `too_long` says.
  ///
  /// Errors   unsupported (no tower for sounds), those of `cut_clips` and `EncoderCore::encode`
  [[nodiscard]] Result<EncodedMedia> hear(const Sound& sound, TooLong too_long = TooLong::refuse,
                                          const EncodeOptions& encoding = {}) const;

 private:
  /// One of the towers; no entry: the file has none.
  struct Tower {
    const EncoderEntry* entry = nullptr;
    const EncoderCore* core = nullptr;
    Block memory;  ///< of the core
  };
  struct Owned {
    MediaFile file;
    Tower vision;
    Tower audio;
    std::uint32_t hidden = 0;
  };
  MediaEncoder() noexcept = default;

  [[nodiscard]] static Result<MediaEncoder> bind_all(MediaFile file,
                                                     std::span<const EncoderEntry* const> entries);
  [[nodiscard]] static Status bind(const MediaFile& file, MediaKind input,
                                   std::span<const EncoderEntry* const> entries, Tower& tower);
  [[nodiscard]] Status check_tower(const Tower& tower, std::string_view what) const noexcept;
  [[nodiscard]] Result<SoftTokens> encode(const Tower& tower, const MediaInput& input, Medium kind,
                                          const EncodeOptions& options) const;

  Counted<Owned> owned_;
};

// --- Implementation ---

inline Result<MediaEncoder> MediaEncoder::create(MediaFile file,
                                                 std::span<const EncoderEntry* const> entries) {
  if (!file.vision && !file.audio) {
    return file_error(ErrorCode::unsupported, place(file_name_of(file.weights.path)),
                      "the model has no towers for pictures or sounds", "a vision or an audio tower", "none",
                      "name the model's projector file (mmproj)");
  }
  return guard_memory("encoder", [&] { return bind_all(std::move(file), entries); });
}

inline Result<MediaEncoder> MediaEncoder::bind_all(MediaFile file,
                                                   std::span<const EncoderEntry* const> entries) {
  MediaEncoder encoder;
  encoder.owned_ = Counted<Owned>::make(std::move(file), Tower{}, Tower{}, 0U);
  if (!encoder.owned_)
    return Error{ErrorCode::out_of_memory, "encoder", "the system refused memory", "", "", ""};
  Owned& owned = *encoder.owned_;
  LAMINA_TRY(bind(owned.file, MediaKind::picture, entries, owned.vision));
  LAMINA_TRY(bind(owned.file, MediaKind::samples, entries, owned.audio));
  const auto width_of = [](const auto& found) {
    return found ? static_cast<std::uint32_t>(found->sizes.text_hidden) : 0U;
  };
  owned.hidden = std::max(width_of(owned.file.vision), width_of(owned.file.audio));
  if (owned.file.vision && owned.file.audio && width_of(owned.file.vision) != width_of(owned.file.audio)) {
    return file_error(ErrorCode::mismatch, place(file_name_of(owned.file.weights.path)),
                      "the two towers belong to different models",
                      text("soft tokens of %u numbers", width_of(owned.file.vision)),
                      text("%u from the audio tower", width_of(owned.file.audio)));
  }
  return encoder;
}

inline Status MediaEncoder::bind(const MediaFile& file, MediaKind input,
                                 std::span<const EncoderEntry* const> entries, Tower& tower) {
  const EncoderDescription* found = file.encoder_of(input);
  if (found == nullptr) return Done{};
  const auto entry = encoder_entry_of(file, input, entries);
  if (!entry) return entry.error();
  auto memory = Block::take((*entry)->core_bytes(found->sizes), {}, "encoder");
  if (!memory) return memory.error();
  tower.memory = std::move(*memory);
  Arena arena(tower.memory.bytes());
  const auto core = (*entry)->bind(file, arena);
  if (!core) return core.error();
  tower.core = *core;
  tower.entry = *entry;
  return Done{};
}

inline Status MediaEncoder::check_tower(const Tower& tower, std::string_view what) const noexcept {
  if (tower.entry != nullptr) return Done{};
  return file_error(ErrorCode::unsupported, place(file_name_of(owned_->file.weights.path)),
                    text("the model has no tower for %s", what.data()), {}, {}, "leave them out");
}

inline Result<SoftTokens> MediaEncoder::encode(const Tower& tower, const MediaInput& input, Medium kind,
                                               const EncodeOptions& options) const {
  const auto shape = tower.entry->shape_of(input);
  if (!shape) return shape.error();
  auto scratch = Block::take(tower.entry->scratch_bytes(options, shape->tokens), {}, "encoder");
  if (!scratch) return scratch.error();
  const std::size_t count = std::size_t{shape->tokens} * hidden();
  if (!memory_is_there(count * sizeof(float))) return refused_memory("encoder");
  return guard_memory("encoder", [&]() -> Result<SoftTokens> {
    std::vector<float> rows(count);
    LAMINA_TRY(tower.core->encode(input, options, scratch->bytes(), rows));
    return SoftTokens::create(kind, std::move(rows), hidden());
  });
}

inline Result<EncodedMedia> MediaEncoder::see(Picture picture, const PictureOptions& options,
                                              const EncodeOptions& encoding) const {
  LAMINA_TRY(check_tower(owned_->vision, "pictures"));
  return guard_memory("picture", [&]() -> Result<EncodedMedia> {
    if (options.as_is) {
      LAMINA_TRY(check_as_is(picture));
    } else {
      const int tokens = options.tokens > 0 ? options.tokens : picture_tokens();
      auto prepared = prepare_picture(std::move(picture), tokens, options.resampling.value_or(resampling()));
      if (!prepared) return prepared.error();
      picture = std::move(*prepared);
    }
    const auto input = MediaInput::picture(picture.rgb(), static_cast<std::uint32_t>(picture.width()),
                                           static_cast<std::uint32_t>(picture.height()));
    auto soft = encode(owned_->vision, input, Medium::image, encoding);
    if (!soft) return soft.error();
    EncodedMedia media;
    media.pieces.push_back(std::move(*soft));
    return media;
  });
}

inline Result<EncodedMedia> MediaEncoder::watch(const Video& video, const EncodeOptions& encoding) const {
  LAMINA_TRY(check_tower(owned_->vision, "videos"));
  return guard_memory("video", [&]() -> Result<EncodedMedia> {
    EncodedMedia media;
    for (const VideoFrame& frame : video.frames) {
      const Picture& picture = frame.picture;
      const auto input = MediaInput::picture(picture.rgb(), static_cast<std::uint32_t>(picture.width()),
                                             static_cast<std::uint32_t>(picture.height()));
      auto soft = encode(owned_->vision, input, Medium::video, encoding);
      if (!soft) return soft.error();
      media.pieces.push_back(std::move(*soft));
      media.seconds.push_back(frame.seconds);
    }
    return media;
  });
}

inline Result<EncodedMedia> MediaEncoder::hear(const Sound& sound, TooLong too_long,
                                               const EncodeOptions& encoding) const {
  LAMINA_TRY(check_tower(owned_->audio, "sounds"));
  return guard_memory("sound", [&]() -> Result<EncodedMedia> {
    const AudioFrontEnd kind = front();
    const auto clips = cut_clips(sound.samples.span(), kind, too_long);
    if (!clips) return clips.error();
    EncodedMedia media;
    for (const std::span<const float> clip : *clips) {
      LAMINA_TRY(check_samples(clip));
      Result<SoftTokens> soft = [&]() -> Result<SoftTokens> {
        if (kind == AudioFrontEnd::frames)
          return encode(owned_->audio, MediaInput::samples(clip), Medium::audio, encoding);
        const auto features = log_mel(clip);
        if (!features) return features.error();
        return encode(owned_->audio, MediaInput::log_mel(features->values.span()), Medium::audio, encoding);
      }();
      if (!soft) return soft.error();
      media.pieces.push_back(std::move(*soft));
    }
    return media;
  });
}

}  // namespace lamina
