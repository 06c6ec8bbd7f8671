// SPDX-License-Identifier: Apache-2.0
// A model from text to text without a heap, threads, files or stdio: all that it touches is the question,
// static memory and flash. One translation unit for -fno-exceptions -fno-rtti -Os.
#include "firmware.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <lamina/core/plain/list.hpp>
#include <lamina/attention/define_attention.hpp>
#include <lamina/linear/define_linear.hpp>
#include <lamina/forward/static_session-inl.hpp>
#include <lamina/tokenizer/encode.hpp>
#include <lamina/tokenizer/tables/image.hpp>

#include "models/demo.hpp"

namespace {

using Model = lamina::models::Demo;
using Session = lamina::native::StaticSession<Model>;
using lamina::TokenId;

constexpr lamina::SessionOptions options{.context = 256, .chunk = 16, .cache = lamina::CacheFormat::int8};
constexpr std::size_t memory_bytes = Session::bytes(options);
static_assert(memory_bytes < 640 * 1024, "does not fit this board: plan a shorter context or chunk");
alignas(lamina::arena_alignment) std::byte memory[memory_bytes];

/// What encoding works in: a prompt is as long as the context at most, before its characters are merged, too.
struct EncodingMemory {
  static constexpr std::size_t most = 4 * options.context;
  std::array<TokenId, options.context> ids;
  std::array<TokenId, most> word;
  std::array<lamina::MergeFound, most> pairs;
  std::array<std::uint32_t, most> previous;
  std::array<std::uint32_t, most> next;
  std::array<char, 64> joined;
  std::array<std::uint64_t, 3 * most> heap;
};
EncodingMemory encoding;

/// Opened by the first question.
struct Firmware {
  Session* session = nullptr;
  lamina::TokenizerTables tables;
};
Firmware firmware;

lamina::Status open() {
  if (firmware.session != nullptr) return lamina::Done{};
  const auto tables = lamina::read_image({flash_tables_begin, flash_tables_end}, "flash");
  if (!tables) return tables.error();
  const auto session = Session::open({flash_model_begin, flash_model_end}, "flash", options, memory);
  if (!session) return session.error();
  firmware = {*session, *tables};
  return lamina::Done{};
}

/// The ids of a conversation that begins with `question`.
lamina::Result<std::span<const TokenId>> encode(std::string_view question) {
  using lamina::Special;
  const std::array<lamina::TextSpan, 3> prompt{{{"<|turn>user\n", Special::match},
                                                {question, Special::ignore},
                                                {"<turn|>\n<|turn>model\n", Special::match}}};
  lamina::MergeScratchOf<lamina::FixedList> scratch{lamina::FixedList<TokenId>(encoding.word),
                                                    lamina::FixedList<lamina::MergeFound>(encoding.pairs),
                                                    lamina::FixedList<std::uint32_t>(encoding.previous),
                                                    lamina::FixedList<std::uint32_t>(encoding.next),
                                                    lamina::FixedList<char>(encoding.joined),
                                                    lamina::FixedList<std::uint64_t>(encoding.heap)};
  lamina::FixedList<TokenId> ids(encoding.ids);
  lamina::TextEncoder(firmware.tables, scratch, ids).append(prompt, lamina::Bos::once);
  if (ids.overflowed() || question.size() > EncodingMemory::most)
    return lamina::Error{lamina::ErrorCode::context_full, "question", "question is too long", "", "", ""};
  return std::span<const TokenId>(ids.data(), ids.size());
}

/// The likeliest token that may be said.
TokenId best_of(std::span<const float> logits) {
  TokenId best = 0;
  for (TokenId id = 1; id < logits.size(); ++id) {
    const bool may_be = !std::ranges::binary_search(firmware.tables.suppressed, id);
    if (may_be && logits[id] > logits[best]) best = id;
  }
  return best;
}

lamina::Result<std::size_t> answer_to(std::string_view question, std::span<char> answer) {
  LAMINA_TRY(open());
  const auto prompt = encode(question);
  if (!prompt) return prompt.error();
  Session& session = *firmware.session;
  session.reset();
  auto logits = session.feed(*prompt);
  std::size_t written = 0;
  while (logits) {
    const TokenId id = best_of(*logits);
    if (firmware.tables.is_stop(id)) return written;
    const std::string_view piece = firmware.tables.piece(id);
    const std::size_t count = std::min(piece.size(), answer.size() - written);
    std::memcpy(answer.data() + written, piece.data(), count);
    written += count;
    if (count < piece.size() || session.position() == options.context) return written;
    logits = session.feed({&id, 1});
  }
  return logits.error();
}

}  // namespace

long firmware_answer(const char* question, size_t length, char* answer, size_t room) {
  const auto written = answer_to({question, length}, {answer, room});
  return written ? static_cast<long>(*written) : -1 - static_cast<long>(written.error().code);
}

size_t firmware_memory_bytes(void) { return sizeof memory + sizeof encoding + sizeof firmware; }
