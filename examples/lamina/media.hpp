// SPDX-License-Identifier: Apache-2.0
// From flags and conversations to soft tokens: the towers of a model, and reading what they are given.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/chat/conversation.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/threads.hpp>
#include <lamina/multimodal/media_encoder.hpp>

#include "options.hpp"

namespace program {

/// The projector file (mmproj) inside the program: the demo model's towers.
[[nodiscard]] std::span<const std::byte> demo_projector_bytes() noexcept;

/// A picture, a sound or a video in the form that towers take, before it is encoded.
struct PreparedMedia {
  lamina::Medium kind = lamina::Medium::image;
  lamina::Picture picture{};
  lamina::Video video{};
  lamina::Sound sound{};
  std::size_t source_width = 0;   ///< of a picture, before it was resized
  std::size_t source_height = 0;  ///< of a picture, before it was resized
};

/// Reads what a source names, a file or a data URL, and brings it into the form that `encoder` takes.
///
/// Errors   those of the readers of pictures, sounds and videos
[[nodiscard]] lamina::Result<PreparedMedia> prepare_media(const MediaSource& source,
                                                          const MediaOptions& options,
                                                          const lamina::MediaEncoder& encoder);

/// The eyes and ears of the model that `-m` and `--mmproj` name, opened when the first thing is to be
/// encoded.
class Towers {
 public:
  /// `hidden` is the width of the model's rows, checked when towers are opened; 0: whatever they make.
  /// `planned_bytes`: memory that is taken already, of the budget that the flags name.
  Towers(const CommonOptions& common, const MediaOptions& options, std::uint32_t hidden = 0,
         std::uint64_t planned_bytes = 0)
      : common_(common), options_(options), hidden_(hidden), planned_bytes_(planned_bytes) {}

  /// Opens the towers, once. Errors: unsupported (the model has none), mismatch (towers of
  /// another model), out_of_memory (`--budget` leaves too little), those of the readers.
  [[nodiscard]] lamina::Result<const lamina::MediaEncoder*> open();

  /// Bytes of memory that they take; 0: they are not open.
  [[nodiscard]] std::uint64_t bytes() const noexcept;

  /// Reads and encodes one source; Ctrl-C cancels. Errors: as `open`, `prepare_media`, `MediaEncoder`
  [[nodiscard]] lamina::Result<lamina::EncodedMedia> encode(const MediaSource& source);
  [[nodiscard]] lamina::Result<lamina::EncodedMedia> encode(PreparedMedia media, std::string_view label);

  /// Encodes sources to parts of a message.
  [[nodiscard]] lamina::Result<std::vector<lamina::ContentPart>> encode_parts(
      std::span<const MediaSource> sources);

  /// Encodes every part of a conversation that names a source and was not encoded.
  ///
  /// Errors   as `encode`, with the message and the part
  [[nodiscard]] lamina::Status encode_conversation(lamina::Conversation& conversation);

 private:
  [[nodiscard]] lamina::EncodeOptions encode_options() const noexcept;
  [[nodiscard]] lamina::Status check_budget() const;

  const CommonOptions& common_;
  const MediaOptions& options_;
  std::uint32_t hidden_;
  std::uint64_t planned_bytes_;
  std::optional<lamina::MediaEncoder> encoder_;
  std::unique_ptr<lamina::ThreadPool> pool_;
};

/// Encodes a raw prompt, in which special texts match: every <|image|>, <|audio|> and <|video|> stands where
/// the next source of that kind goes.
///
/// Errors   as `Towers::encode`, `encode_prompt`; unsupported (a mark without source, or the other way round)
[[nodiscard]] lamina::Result<lamina::EncodedPrompt> encode_raw_prompt(std::string_view text,
                                                                      std::span<const MediaSource> sources,
                                                                      const lamina::Tokenizer& tokenizer,
                                                                      std::uint32_t hidden, Towers& towers);

/// Rows of the largest picture among `parts`: what a pass must hold where they see each other.
[[nodiscard]] std::uint32_t largest_block(std::span<const lamina::SoftTokens> pieces) noexcept;

}  // namespace program
