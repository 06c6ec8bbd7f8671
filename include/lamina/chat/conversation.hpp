// SPDX-License-Identifier: Apache-2.0
// A conversation as an application holds it: messages with parts, thoughts, tool calls and results; declared
// tools. Source: tokenizer-and-chat.md §5, §6 (what the chat template reads).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/chat/value.hpp>
#include <lamina/pass/soft_tokens.hpp>

namespace lamina {

/// One part of a message that is made of several.
struct ContentPart {
  enum class Kind : std::uint8_t {
    text,
    image,
    audio,
    video,
    other,  ///< nothing that the template knows: it leaves the part out
  };
  Kind kind = Kind::text;
  std::string text;      ///< of a text part; in a system message the template writes that of every part
  std::string type;      ///< how the caller names the kind ("image_url", "file"); may be empty
  std::string source{};  ///< of a picture, sound or video: where it is, as the caller says (URL, data URL)
  EncodedMedia media{};  ///< and what it is to the model, once it was encoded

  /// The caller's name of the kind, or else ours.
  [[nodiscard]] std::string_view type_name() const noexcept {
    if (!type.empty()) return type;
    constexpr std::string_view names[] = {"text", "image", "audio", "video", "other"};
    return names[static_cast<std::size_t>(kind)];
  }
};

/// A part of words.
[[nodiscard]] inline ContentPart text_part(std::string_view words) {
  return {ContentPart::Kind::text, std::string(words), {}};
}

/// A part that was encoded: a picture, a sound or a video.
[[nodiscard]] inline ContentPart media_part(EncodedMedia media) {
  ContentPart part;
  const Medium kind = media.pieces.empty() ? Medium::image : media.pieces.front().kind();
  part.kind = kind == Medium::image   ? ContentPart::Kind::image
              : kind == Medium::video ? ContentPart::Kind::video
                                      : ContentPart::Kind::audio;
  part.media = std::move(media);
  return part;
}

/// What a message says.
struct Content {
  enum class Kind : std::uint8_t { null, text, parts };
  Kind kind = Kind::null;
  std::string text;                ///< if `kind` is text
  std::vector<ContentPart> parts;  ///< if `kind` is parts

  Content() = default;
  Content(std::string_view words) : kind(Kind::text), text(words) {}  // NOLINT(google-explicit-constructor)
  Content(const char* words) : Content(std::string_view(words)) {}    // NOLINT(google-explicit-constructor)
  Content(const std::string& words)
      : Content(std::string_view(words)) {}  // NOLINT(google-explicit-constructor)
  Content(std::vector<ContentPart> list) : kind(Kind::parts), parts(std::move(list)) {}  // NOLINT
};

/// One call in a message of the model.
struct ToolCall {
  std::string name;
  Value arguments;  ///< an object, or null for none
  std::optional<std::string> id;
};

/// One structured result, kept with the message that made the call.
struct ToolResponse {
  std::string name;
  Value response;
};

struct Message {
  std::string role;  ///< system, developer, user, assistant, tool; others are written as they are
  Content content{};
  std::string reasoning{};  ///< the thoughts that came before the content
  std::vector<ToolCall> tool_calls{};
  std::vector<ToolResponse> tool_responses{};
  std::optional<std::string> tool_call_id{};  ///< of a tool message: which call it answers
  std::string name{};                         ///< of a tool message: the tool, where no call's id matches
};

/// Everything the chat template reads.
struct Conversation {
  std::vector<Message> messages;
  std::vector<Value> tools;  ///< function objects: {"name", "description", "parameters", "response"}
  bool enable_thinking = false;
  bool preserve_thinking = false;  ///< keep the thoughts of earlier messages that made calls
  bool add_generation_prompt = true;
};

/// Checks that every part of a conversation can be read: pictures, sounds and videos were encoded.
///
/// Errors   unsupported, naming the first message and part that was not
[[nodiscard]] inline Status check_encoded(const Conversation& conversation) {
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    const std::vector<ContentPart>& parts = conversation.messages[i].content.parts;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      if (parts[k].kind == ContentPart::Kind::text || !parts[k].media.pieces.empty()) continue;
      return Error{
          ErrorCode::unsupported,
          text("messages[%zu].content[%zu]", i, k).view(),
          "part was not encoded",
          "text, or a picture, sound or video as soft tokens",
          parts[k].type_name(),
          "encode it with a model that has the tower for it, or take the part out of the conversation"};
    }
  }
  return Done{};
}

}  // namespace lamina
