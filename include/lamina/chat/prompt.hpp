// SPDX-License-Identifier: Apache-2.0
// A rendered prompt: one text, cut into what the template wrote and what the caller's data holds.
// And what a session reads of it: ids, with soft rows where pictures, sounds and videos are.
// Source: tokenizer-and-chat.md §3.2 (injection safety), vision.md §5.1, §5.2, §6.3, audio.md §5.1 (markers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/pass/soft_rows.hpp>
#include <lamina/pass/soft_tokens.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

namespace lamina {

/// Text with a note on who wrote which part of it.
class Prompt {
 public:
  /// Appends text of the template, in which special texts count.
  void trusted(std::string_view text) { append(text, Special::match); }
  /// Appends text of the caller, which can never become a special token.
  void untrusted(std::string_view text) { append(text, Special::ignore); }

  /// Appends the place of a picture, sound or video as the template marks it, `mark`, and what belongs there.
  /// Of a video every frame has the mark of a picture, since some vocabularies have none for videos, behind
  /// its time.
  void media(std::string_view mark, const EncodedMedia& media) {
    if (media.pieces.empty()) return trusted(mark);  // a place that stays empty
    if (media.pieces.front().kind() != Medium::video) {
      trusted(mark);
      media_.push_back(media.pieces);
      return;
    }
    for (std::size_t i = 0; i < media.pieces.size(); ++i) {
      if (i > 0) trusted(" ");
      trusted(timestamp_text(i < media.seconds.size() ? media.seconds[i] : 0.0));
      trusted(" ");
      trusted("<|image|>");
      media_.push_back({media.pieces[i]});
    }
  }

  /// What belongs to the marks that `media` wrote, in their order.
  [[nodiscard]] const std::vector<std::vector<SoftTokens>>& media_pieces() const noexcept { return media_; }

  /// The whole prompt as one string; encode `spans`, not this.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  /// The parts in order, neighbours of one kind joined; they view this prompt.
  [[nodiscard]] std::vector<TextSpan> spans() const {
    std::vector<TextSpan> spans;
    std::size_t begin = 0;
    for (const Part& part : parts_) {
      spans.push_back({std::string_view(text_).substr(begin, part.end - begin), part.special});
      begin = part.end;
    }
    return spans;
  }

 private:
  struct Part {
    std::size_t end;
    Special special;
  };

  void append(std::string_view text, Special special) {
    if (text.empty()) return;
    text_.append(text);
    if (parts_.empty() || parts_.back().special != special) parts_.push_back({0, special});
    parts_.back().end = text_.size();
  }

  std::string text_;
  std::vector<Part> parts_;
  std::vector<std::vector<SoftTokens>> media_;
};

/// The ids of a prompt and the rows among them; owns both.
struct EncodedPrompt {
  std::vector<TokenId> ids;
  std::vector<SoftRows> soft;
  std::vector<SoftTokens> owners;  ///< of the rows that `soft` views

  [[nodiscard]] PromptTokens tokens() const noexcept { return {ids, soft}; }
};

/// Replaces every mark of a picture or sound in `ids` by markers around soft tokens: `media` in their order,
/// one list of pieces for each mark, for a model of width `hidden`. Pieces of one mark stand side by side.
///
/// Errors   unsupported (a mark without media, or the other way round; a picture where a sound is marked),
///          mismatch (encoded for a model of another width)
[[nodiscard]] inline Result<EncodedPrompt> place_media(std::span<const TokenId> ids,
                                                       std::span<const std::vector<SoftTokens>> media,
                                                       const Tokenizer& tokenizer, std::uint32_t hidden) {
  const SpecialTokens& special = tokenizer.special();
  EncodedPrompt prompt;
  std::size_t used = 0;
  for (const TokenId id : ids) {
    const bool marks_sound = id == special.audio_soft;
    if (id == no_token || (!marks_sound && id != special.image_soft && id != special.video_soft)) {
      prompt.ids.push_back(id);
      continue;
    }
    if (used == media.size()) {
      return Error{ErrorCode::unsupported,
                   "prompt",
                   "it has a place for which nothing is given",
                   "a picture, sound or video for every place",
                   tokenizer.piece(id),
                   "give one, or take its place out of the text"};
    }
    const std::vector<SoftTokens>& pieces = media[used++];
    prompt.ids.push_back(marks_sound ? special.audio_open : special.image_open);
    for (const SoftTokens& piece : pieces) {
      if ((piece.kind() == Medium::audio) != marks_sound) {
        return Error{ErrorCode::unsupported,
                     "prompt",
                     "another kind of media stands where this one belongs",
                     tokenizer.piece(id),
                     name_of(piece.kind()),
                     "give pictures and sounds in the order of their places"};
      }
      if (piece.hidden() != hidden) {
        return Error{ErrorCode::mismatch,
                     "prompt",
                     "soft tokens were made for another model",
                     text("%u numbers in a row", hidden),
                     text("%u", piece.hidden()),
                     "encode them with the encoder of this model"};
      }
      prompt.soft.push_back(piece.at(static_cast<std::uint32_t>(prompt.ids.size())));
      prompt.ids.insert(prompt.ids.end(), piece.ids().begin(), piece.ids().end());
      prompt.owners.push_back(piece);
    }
    prompt.ids.push_back(marks_sound ? special.audio_close : special.image_close);
  }
  if (used == media.size()) return prompt;
  return Error{ErrorCode::unsupported,
               "prompt",
               "it has no place for all that is given",
               text("%zu", used),
               text("%zu", media.size()),
               "write <|image|>, <|audio|> or <|video|> where they belong"};
}

/// Encodes a rendered prompt. Errors: as `Tokenizer::encode` and `place_media`.
[[nodiscard]] inline Result<EncodedPrompt> encode_prompt(const Prompt& prompt, const Tokenizer& tokenizer,
                                                         std::uint32_t hidden) {
  std::vector<TokenId> ids;
  LAMINA_TRY(tokenizer.encode(prompt.spans(), ids, Bos::once));
  return place_media(ids, prompt.media_pieces(), tokenizer, hidden);
}

}  // namespace lamina
