// SPDX-License-Identifier: Apache-2.0
// Any ids as an answer: however they are fed, and however their text is cut into tokens, the same events.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/json/value.hpp>
#include <lamina/tokenizer/gguf_tokens.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

#include "support/value_json.hpp"

namespace {

using lamina::ResponseEvent;
using lamina::TokenId;

constexpr std::string_view pieces[] = {"thought", "call:f{", "true", "\n\n", "\xC3\xA9"};

/// Every special token, every byte, and a few longer pieces, each with the merges that build it.
lamina::Tokenizer make_tokenizer() {
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  const auto add = [&tokens](std::string text) {
    if (std::find(tokens.begin(), tokens.end(), text) == tokens.end()) tokens.push_back(std::move(text));
  };
  for (const lamina::SpecialTokenText& special : lamina::special_token_texts) add(std::string(special.text));
  for (const std::string_view piece : pieces) {
    std::string before;
    for (std::string_view rest = piece; !rest.empty();) {
      const std::string next(rest.substr(0, lamina::decode_utf8(rest).size));
      rest.remove_prefix(next.size());
      add(next);
      add(before + next);
      if (!before.empty()) merges.push_back(before + " " + next);
      before += next;
    }
  }
  for (int byte = 0; byte < 256; ++byte) add(lamina::text("<0x%02X>", byte).c_str());
  const std::vector<std::string_view> token_views(tokens.begin(), tokens.end());
  const std::vector<std::string_view> merge_views(merges.begin(), merges.end());
  lamina::GgufVocabulary source;
  source.model = "gemma4";
  source.tokens = token_views;
  source.merges = merge_views;
  auto data = lamina::vocabulary_from_gguf(source);
  if (!data) __builtin_trap();
  auto tokenizer = lamina::Tokenizer::create(std::move(*data));
  if (!tokenizer) __builtin_trap();
  return std::move(*tokenizer);
}

/// A readable alphabet: printable bytes, newline and tab stand for themselves, the other control bytes for
/// special tokens and pieces.
class Alphabet {
 public:
  explicit Alphabet(const lamina::Tokenizer& tokenizer) {
    std::vector<TokenId> controls;
    for (const lamina::SpecialTokenText& special : lamina::special_token_texts) {
      controls.push_back(tokenizer.special().*special.id);
    }
    for (const std::string_view piece : pieces) controls.push_back(find(tokenizer, piece));
    std::size_t next = 0;
    for (int byte = 0; byte < 256; ++byte) {
      ids_[byte] = find(tokenizer, lamina::text("<0x%02X>", byte).view());
      spelled_[byte].push_back(ids_[byte]);
    }
    for (int byte = 0; byte < 32 && next < controls.size(); ++byte) {
      if (byte == '\n' || byte == '\t') continue;
      const TokenId id = controls[next++];
      std::vector<TokenId> spelled;
      for (const char c : tokenizer.decode(std::span(&id, 1))) {
        spelled.push_back(find(tokenizer, lamina::text("<0x%02X>", static_cast<std::uint8_t>(c)).view()));
      }
      ids_[byte] = id;
      spelled_[byte] = tokenizer.is_special(id) ? std::vector<TokenId>{id} : spelled;
    }
  }

  [[nodiscard]] TokenId of(std::uint8_t byte) const noexcept { return ids_[byte]; }
  /// The same text, byte by byte.
  [[nodiscard]] const std::vector<TokenId>& spelled(std::uint8_t byte) const noexcept {
    return spelled_[byte];
  }

 private:
  [[nodiscard]] static TokenId find(const lamina::Tokenizer& tokenizer, std::string_view text) {
    for (TokenId id = 0; id < tokenizer.size(); ++id) {
      if (tokenizer.piece(id) == text) return id;
    }
    __builtin_trap();
  }

  TokenId ids_[256] = {};
  std::vector<TokenId> spelled_[256];
};

/// One line for each run of events of a kind.
class Transcript {
 public:
  void add(const std::vector<ResponseEvent>& events) {
    for (const ResponseEvent& event : events) {
      if (event.kind == ResponseEvent::Kind::tool_call) {
        add_call(event.call);
        continue;
      }
      if (event.text.empty() || !lamina::is_valid_utf8(event.text)) __builtin_trap();
      const char kind = event.kind == ResponseEvent::Kind::text ? 'a' : 't';
      if (kind != last_) text_ += std::string("\x01") + kind;
      last_ = kind;
      text_ += event.text;
    }
  }
  void end(lamina::FinishReason reason) { text_.append("\x01").append(lamina::name_of(reason)); }

  bool operator==(const Transcript& other) const noexcept { return text_ == other.text_; }

 private:
  void add_call(const lamina::ParsedCall& call) {
    text_
        .append(call.well_formed ? "\x01"
                                   "c"
                                 : "\x01"
                                   "m")
        .append(call.name)
        .append("\x02")
        .append(call.body);
    last_ = 'c';
    if (!call.well_formed) return;
    if (!lamina::nests_within(call.arguments, lamina::deepest_value)) __builtin_trap();
    std::string json;
    lamina::append_json(call.arguments, json);
    if (!lamina::parse_json_value(json)) __builtin_trap();
    text_.append("\x02").append(json);
  }

  std::string text_;
  char last_ = 0;
};

/// Feeds the ids in pieces whose sizes `sizes` draws; all at once if there are none.
Transcript transcribe(const lamina::Tokenizer& tokenizer, lamina::ResponseStart start,
                      std::span<const TokenId> ids, std::span<const std::uint8_t> sizes) {
  lamina::ResponseParser parser(tokenizer, start);
  Transcript transcript;
  std::vector<ResponseEvent> events;
  for (std::size_t round = 0; !ids.empty(); ++round) {
    const std::size_t wanted = sizes.empty() ? ids.size() : std::size_t{1} + sizes[round % sizes.size()] % 7;
    const std::size_t count = std::min(wanted, ids.size());
    events.clear();
    parser.push(ids.first(count), events);
    transcript.add(events);
    ids = ids.subspan(count);
  }
  events.clear();
  parser.finish(events);
  transcript.add(events);
  transcript.end(parser.reason());
  return transcript;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const lamina::Tokenizer tokenizer = make_tokenizer();
  static const Alphabet alphabet(tokenizer);
  if (size == 0) return 0;
  const auto start = data[0] % 2 == 0 ? lamina::ResponseStart::answer : lamina::ResponseStart::thought;
  std::vector<TokenId> ids;
  std::vector<TokenId> spelled;
  for (const std::uint8_t byte : std::span(data + 1, size - 1)) {
    ids.push_back(alphabet.of(byte));
    spelled.insert(spelled.end(), alphabet.spelled(byte).begin(), alphabet.spelled(byte).end());
  }
  const Transcript whole = transcribe(tokenizer, start, ids, {});
  if (!(transcribe(tokenizer, start, ids, std::span(data, size)) == whole)) __builtin_trap();
  if (!(transcribe(tokenizer, start, spelled, {}) == whole)) __builtin_trap();
  return 0;
}
