// SPDX-License-Identifier: Apache-2.0
// From a rendered prompt to what a session reads: ids, with soft rows where pictures, sounds and videos are.
// Source: vision.md §5.1, §5.2, audio.md §5.1 (markers around soft tokens).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <lamina/chat/prompt.hpp>
#include <lamina/core/error.hpp>
#include <lamina/pass/soft_rows.hpp>
#include <lamina/pass/soft_tokens.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

namespace lamina {

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
      if ((piece.kind() == SoftKind::audio) != marks_sound) {
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
