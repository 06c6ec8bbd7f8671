// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back: special tokens, byte-pair merges over Unicode characters, byte fallback.
// Source: tokenizer-and-chat.md §3 (encoding), §4 (decoding), §9 (stop and suppressed tokens).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/tokenizer/merge_table.hpp>
#include <lamina/tokenizer/merge_word.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/token_kinds.hpp>
#include <lamina/tokenizer/token_table.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/utf8_assembler.hpp>
#include <lamina/tokenizer/vocabulary.hpp>

namespace lamina {

/// Whether texts such as "<turn|>" become control tokens.
enum class Special : std::uint8_t {
  ignore,  ///< untrusted text: control tokens cannot be produced (added tokens that are not special can)
  match,   ///< trusted text: the longest special text at each position becomes its token
};

/// Whether the ids begin with the begin-of-sequence token.
enum class Bos : std::uint8_t {
  as_written,  ///< only if the text says so
  once,        ///< exactly once, whether the text says so or not
};

/// How special tokens are written when decoding.
enum class SpecialText : std::uint8_t {
  raw,    ///< as their literal text
  clean,  ///< not at all
};

/// A piece of a prompt and who wrote it.
struct TextSpan {
  std::string_view text;
  Special special = Special::ignore;
};

inline constexpr std::size_t most_text_bytes = std::size_t{1}
                                               << 30;  ///< longest text that is encoded at once

/// Translates between text and token ids.
///
/// Threads  all functions are const and safe to call from any number of threads, each with its own scratch.
class Tokenizer {
 public:
  /// Builds the tables; the vocabulary's merges are released.
  ///
  /// Errors   bad_file (repeated merges; neither byte tokens nor `<unk>` for characters without a token);
  ///          out_of_memory; what readers of files check (`check_complete`) is not asked again
  /// Cost     about 0.1 s and 32 MB for the published vocabulary
  [[nodiscard]] static Result<Tokenizer> create(VocabularyData data);

  /// Bytes that a token takes in the tables, about: 32 MB for the published vocabulary of 262 144.
  static constexpr std::size_t bytes_per_token = 128;

  // --- Encoding ---

  /// Appends the ids of `text` to `out`.
  ///
  /// Spaces become U+2581, nothing else is changed; invalid UTF-8 becomes U+FFFD, one per maximal ill-formed
  /// part.
  ///
  /// Errors   bad_argument (text of more than 1 GiB), unsupported (trusted text with a control token that the
  ///          vocabulary has not), out_of_memory; `out` is unchanged then
  /// Cost     O(n log n) however long words are; allocates only while `out` and `scratch` grow
  [[nodiscard]] Status encode(std::string_view text, Special special, std::vector<TokenId>& out,
                              MergeScratch& scratch) const {
    const TextSpan span{text, special};
    return encode(std::span(&span, 1), out, scratch);
  }
  [[nodiscard]] Status encode(std::string_view text, Special special, std::vector<TokenId>& out) const {
    MergeScratch scratch;
    return encode(text, special, out, scratch);
  }

  /// Appends the ids of a prompt made of spans: special texts count in `Special::match` spans only, and
  /// ordinary text between two special tokens is merged as a whole, across the borders of spans (§3.2).
  [[nodiscard]] Status encode(std::span<const TextSpan> spans, std::vector<TokenId>& out,
                              MergeScratch& scratch, Bos bos = Bos::as_written) const;
  [[nodiscard]] Status encode(std::span<const TextSpan> spans, std::vector<TokenId>& out,
                              Bos bos = Bos::as_written) const {
    MergeScratch scratch;
    return encode(spans, out, scratch, bos);
  }

  // --- Decoding ---

  /// Appends what one more token adds to a text; `assembler` carries unfinished characters from call to call.
  /// A token that is no byte token ends the run of bytes. Ids outside the vocabulary add nothing.
  void decode_next(TokenId id, SpecialText special, Utf8Assembler& assembler, std::string& out) const {
    if (is_byte(id)) return assembler.push(kinds_.byte_of(id), out);
    assembler.flush(out);
    if (!is_special(id) || special == SpecialText::raw) out.append(piece(id));
  }

  /// The text of a sequence, always valid UTF-8; equal to what `StreamDecoder` emits piece by piece.
  [[nodiscard]] std::string decode(std::span<const TokenId> ids,
                                   SpecialText special = SpecialText::raw) const {
    std::string out;
    Utf8Assembler assembler;
    for (const TokenId id : ids) decode_next(id, special, assembler, out);
    assembler.flush(out);
    return out;
  }

  /// One token's text with spaces; empty for ids outside the vocabulary. Byte tokens show as "<0x0A>".
  [[nodiscard]] std::string_view piece(TokenId id) const noexcept {
    if (id >= size()) return {};
    return std::string_view(pieces_).substr(piece_offsets_[id], piece_offsets_[id + 1] - piece_offsets_[id]);
  }

  // --- The vocabulary ---

  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }
  /// Finds a token by its exact text in the file (U+2581 for spaces); `no_token` if there is none.
  [[nodiscard]] TokenId find(std::string_view text) const noexcept { return tokens_.find(text); }
  [[nodiscard]] const SpecialTokens& special() const noexcept { return special_; }
  [[nodiscard]] bool is_special(TokenId id) const noexcept { return id < size() && kinds_.is_special(id); }
  [[nodiscard]] bool is_byte(TokenId id) const noexcept { return id < size() && kinds_.is_byte(id); }
  /// The byte that a byte token stands for. Requires: `is_byte(id)`.
  [[nodiscard]] std::uint8_t byte_of(TokenId id) const noexcept { return kinds_.byte_of(id); }
  /// Tokens that end an answer, ascending: `<eos>`, `<turn|>`, `<|tool_response>` and what the file adds.
  [[nodiscard]] std::span<const TokenId> stop_tokens() const noexcept { return stop_; }
  [[nodiscard]] bool is_stop(TokenId id) const noexcept {
    return std::binary_search(stop_.begin(), stop_.end(), id);
  }
  /// Tokens that must never be sampled, ascending: the media tokens and what the file adds.
  [[nodiscard]] std::span<const TokenId> suppressed_tokens() const noexcept { return suppressed_; }
  /// The chat template text that came with the file; empty if none. lamina renders version 2 itself.
  [[nodiscard]] std::string_view chat_template() const noexcept { return chat_template_; }
  /// Whether words are cut at newlines, and in front of spaces: only if no merge crosses such a border.
  [[nodiscard]] bool splits_at_newlines() const noexcept { return splits_at_newlines_; }
  [[nodiscard]] bool splits_at_spaces() const noexcept { return splits_at_spaces_; }

 private:
  static constexpr char32_t space_scalar = 0x2581;

  /// The word that is being collected, across the borders of spans.
  struct Fragment {
    MergeScratch& scratch;
    std::vector<TokenId>& out;
    char32_t last = 0;  ///< the character before, 0 at the beginning
  };

  Tokenizer() = default;
  void index_characters();
  void check_borders(std::span<const Merge> merges);
  void check_borders_of_scored();
  void write_pieces();
  [[nodiscard]] Status check_text(std::span<const TextSpan> spans) const;
  void append_ids(std::span<const TextSpan> spans, std::vector<TokenId>& out, MergeScratch& scratch,
                  Bos bos) const;
  void feed(std::string_view text, Fragment& fragment) const;
  void feed_bytes(std::string_view character, std::size_t begin, std::vector<TokenId>& word) const;
  void flush(Fragment& fragment) const;

  TokenTable tokens_;
  MergeTable merges_;
  ScoreMerges scores_;  // instead of `merges_`, unless empty
  SpecialTokens special_;
  TokenKinds kinds_;
  std::string pieces_;                        // texts with spaces
  std::vector<std::uint32_t> piece_offsets_;  // [tokens + 1]
  std::vector<TokenId> characters_;           // [0x10000] token of each character of the basic plane
  std::vector<TokenId> stop_;
  std::vector<TokenId> suppressed_;
  std::string chat_template_;
  bool splits_at_newlines_ = false;
  bool splits_at_spaces_ = false;
  bool add_space_prefix_ = false;
};

// --- Building ---

inline Result<Tokenizer> Tokenizer::create(VocabularyData data) {
  return guard_memory("tokenizer", [&]() -> Result<Tokenizer> {
    if (!memory_is_there(data.tokens.size() * bytes_per_token)) return refused_memory("tokenizer");
    Tokenizer made;
    auto merges = MergeTable::create(data.merges);
    if (!merges) return detail::located(merges.error(), data.source);
    made.merges_ = std::move(*merges);
    made.tokens_ = std::move(data.tokens);
    made.special_ = find_special_tokens(made.tokens_);
    made.check_borders(data.merges);
    auto kinds = TokenKinds::create(made.tokens_, made.special_, data.added);
    if (!kinds) return detail::located(kinds.error(), data.source);
    made.kinds_ = std::move(*kinds);
    if (!data.scores.empty()) {
      const auto is_text = [&](TokenId id) {
        return !made.kinds_.is_byte(id) && !made.kinds_.is_special(id);
      };
      made.scores_ = ScoreMerges(made.tokens_, data.scores, is_text);
      made.add_space_prefix_ = data.add_space_prefix;
      made.check_borders_of_scored();
    }
    made.index_characters();
    made.write_pieces();

    made.stop_ = std::move(data.stop);
    for (const auto member : stop_token_members) made.stop_.push_back(made.special_.*member);
    made.suppressed_ = std::move(data.suppressed);
    for (const auto member : media_token_members) made.suppressed_.push_back(made.special_.*member);
    for (std::vector<TokenId>* list : {&made.stop_, &made.suppressed_}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
      if (!list->empty() && list->back() == no_token) list->pop_back();
    }
    made.chat_template_ = std::move(data.chat_template);
    return made;
  });
}

inline void Tokenizer::index_characters() {
  characters_.assign(0x10000, no_token);
  for (TokenId id = 0; id < tokens_.size(); ++id) {
    const std::string_view text = tokens_.text_of(id);
    const Utf8Step step = decode_utf8(text);
    if (step.size == text.size() && step.scalar < 0x10000) characters_[step.scalar] = id;
  }
}

/// Finds out whether words may be cut at newlines and in front of spaces: no merge may join across such a
/// border. The tokens of one merge hold whole characters, so looking at the bytes at the border is enough.
inline void Tokenizer::check_borders(std::span<const Merge> merges) {
  splits_at_newlines_ = true;
  splits_at_spaces_ = true;
  for (const Merge& merge : merges) {
    const std::string_view left = tokens_.text_of(merge.left);
    const std::string_view right = tokens_.text_of(merge.right);
    if ((left.back() == '\n') != (right.front() == '\n')) splits_at_newlines_ = false;
    if (!left.ends_with(space_symbol) && right.starts_with(space_symbol)) splits_at_spaces_ = false;
  }
}

/// The same where scores decide: no token may hold such a border.
inline void Tokenizer::check_borders_of_scored() {
  for (TokenId id = 0; id < tokens_.size(); ++id) {
    if (kinds_.is_byte(id) || kinds_.is_special(id)) continue;
    const std::string_view text = tokens_.text_of(id);
    for (std::size_t at = 1; at < text.size(); ++at) {
      if ((text[at - 1] == '\n') != (text[at] == '\n')) splits_at_newlines_ = false;
      if (text.substr(at).starts_with(space_symbol) && !text.substr(0, at).ends_with(space_symbol)) {
        splits_at_spaces_ = false;
      }
    }
  }
}

/// Writes all texts once with spaces in place of U+2581, so that decoding copies only.
inline void Tokenizer::write_pieces() {
  piece_offsets_.reserve(tokens_.size() + 1);
  piece_offsets_.push_back(0);
  for (TokenId id = 0; id < tokens_.size(); ++id) {
    std::string_view text = tokens_.text_of(id);
    for (std::size_t at = text.find(space_symbol); at != std::string_view::npos;
         at = text.find(space_symbol)) {
      pieces_.append(text.substr(0, at)).push_back(' ');
      text.remove_prefix(at + space_symbol.size());
    }
    pieces_.append(text);
    piece_offsets_.push_back(static_cast<std::uint32_t>(pieces_.size()));
  }
}

// --- Encoding ---

inline Status Tokenizer::encode(std::span<const TextSpan> spans, std::vector<TokenId>& out,
                                MergeScratch& scratch, Bos bos) const {
  LAMINA_TRY(check_text(spans));
  const std::size_t before = out.size();
  const Status status = guard_memory("text", [&]() -> Status {
    append_ids(spans, out, scratch, bos);
    return Done{};
  });
  if (status) return Done{};
  out.resize(before);
  return status.error();
}

inline void Tokenizer::append_ids(std::span<const TextSpan> spans, std::vector<TokenId>& out,
                                  MergeScratch& scratch, Bos bos) const {
  const std::size_t begin = out.size();
  scratch.word.clear();
  Fragment fragment{scratch, out};
  const auto on_text = [&](std::string_view text) {
    if (add_space_prefix_ && fragment.last == 0 && !text.empty()) feed(space_symbol, fragment);
    feed(text, fragment);
  };
  const auto on_token = [&](TokenId id) {
    flush(fragment);
    fragment.last = 0;
    out.push_back(id);
  };
  for (const TextSpan& span : spans) {
    kinds_.split(tokens_, span.text, span.special == Special::match, on_text, on_token);
  }
  flush(fragment);
  if (bos == Bos::once && special_.bos != no_token && (out.size() == begin || out[begin] != special_.bos)) {
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(begin), special_.bos);
  }
}

/// Text of a possible size; and trusted text must not lose the meaning that only a control token gives it.
inline Status Tokenizer::check_text(std::span<const TextSpan> spans) const {
  std::size_t bytes = 0;
  for (const TextSpan& span : spans) {
    bytes += span.text.size();
    if (span.text.size() > most_text_bytes || bytes > most_text_bytes) {
      return Error{ErrorCode::bad_argument, "text", "text is too long to encode",
                   "at most 1 GiB",         "more", ""};
    }
    if (span.special == Special::ignore) continue;
    if (const std::string_view absent = kinds_.absent_in(span.text); !absent.empty()) {
      return Error{
          ErrorCode::unsupported,   absent, "prompt needs a control token that the vocabulary has not",
          "a token with this text", "none", "this model was not made for what the prompt asks"};
    }
  }
  return Done{};
}

/// Merges the current word and adds it to the output.
inline void Tokenizer::flush(Fragment& fragment) const {
  MergeScratch& scratch = fragment.scratch;
  if (scores_.empty()) {
    merge_word(merges_, scratch);
    fragment.out.insert(fragment.out.end(), scratch.word.begin(), scratch.word.end());
  } else {
    merge_word(scores_.finder(tokens_, scratch.joined), scratch);
    const std::size_t begin = fragment.out.size();
    for (const TokenId symbol : scratch.word) {
      if (scores_.is_token(symbol)) {
        fragment.out.push_back(symbol);
        continue;
      }
      scratch.joined.clear();
      append_utf8(scratch.joined, scores_.character_of(symbol));
      feed_bytes(scratch.joined, begin, fragment.out);
    }
  }
  scratch.word.clear();
}

/// Adds ordinary text to the current word, one symbol a character; merges the word wherever it may end.
inline void Tokenizer::feed(std::string_view text, Fragment& fragment) const {
  std::vector<TokenId>& word = fragment.scratch.word;
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    char32_t scalar = step.status == Utf8Status::valid ? step.scalar : char32_t{0xFFFD};
    if (scalar == ' ') scalar = space_scalar;
    const bool newline_border = splits_at_newlines_ && (scalar == '\n') != (fragment.last == '\n');
    const bool space_border = splits_at_spaces_ && scalar == space_scalar && fragment.last != space_scalar;
    if ((newline_border || space_border) && !word.empty()) flush(fragment);
    fragment.last = scalar;

    std::string_view character = text.substr(0, step.size);
    if (step.status != Utf8Status::valid) character = replacement_character;
    if (scalar == space_scalar) character = space_symbol;
    const TokenId id = scalar < characters_.size() ? characters_[scalar] : tokens_.find(character);
    if (id != no_token) {
      word.push_back(id);
    } else if (!scores_.empty()) {
      word.push_back(scores_.symbol_of(scalar));
    } else {
      feed_bytes(character, 0, word);
    }
    text.remove_prefix(step.size);
  }
}

/// Adds a character that has no token as its bytes; adjacent unknown bytes become one `<unk>`, from place
/// `begin` on.
inline void Tokenizer::feed_bytes(std::string_view character, std::size_t begin,
                                  std::vector<TokenId>& word) const {
  for (const char c : character) {
    const TokenId byte = kinds_.of_byte(static_cast<std::uint8_t>(c));
    if (byte != no_token) {
      word.push_back(byte);
    } else if (word.size() == begin || word.back() != special_.unknown) {
      word.push_back(special_.unknown);
    }
  }
}

}  // namespace lamina
