// SPDX-License-Identifier: Apache-2.0
// The form of a saved sequence: header, tokens, keys and values, checksum; and what a header must say.
// Source: docs/spec/state-files.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/state/checksum.hpp>
#include <lamina/state/model_identity.hpp>

namespace lamina {

static_assert(std::endian::native == std::endian::little, "lamina: states are written as memory is");

/// Where a saved sequence goes, piece by piece: a file, a socket, a vector.
struct ByteSink {
  void* context = nullptr;
  Status (*write)(void* context, std::span<const std::byte> bytes) = nullptr;
};

/// Where one comes from: every call fills all of `bytes` or is an error.
struct ByteSource {
  void* context = nullptr;
  Status (*read)(void* context, std::span<std::byte> bytes) = nullptr;
};

/// A sink that calls `write`, which must outlive it.
template <class Write>
[[nodiscard]] ByteSink sink_of(Write& write) noexcept {
  using Callable = std::remove_const_t<Write>;
  return {const_cast<Callable*>(&write), [](void* context, std::span<const std::byte> bytes) -> Status {
            return (*static_cast<Write*>(context))(bytes);
          }};
}

/// A source that calls `read`, which must outlive it.
template <class Read>
[[nodiscard]] ByteSource source_of(Read& read) noexcept {
  using Callable = std::remove_const_t<Read>;
  return {const_cast<Callable*>(&read), [](void* context, std::span<std::byte> bytes) -> Status {
            return (*static_cast<Read*>(context))(bytes);
          }};
}

/// Whose state fits: the model, and what decides the numbers in its caches.
struct StateKey {
  ModelIdentity model;
  std::string_view name;  ///< of the model's type, for messages
  CacheFormats cache{};
  Precision precision = Precision::fast;
  bool rounds_embedding_scale = false;  ///< what `EmbeddingScale` comes to
  BlockMask blocks = BlockMask::local_layers;
};

/// The first bytes of a state.
struct StateHeader {
  static constexpr char right_magic[8] = {'L', 'A', 'M', 'S', 'T', 'A', 'T', 'E'};
  static constexpr std::uint32_t newest_version = 1;

  char magic[8] = {};
  std::uint32_t version = 0;
  std::uint32_t tokens = 0;
  std::uint64_t total_bytes = 0;  ///< of the whole state, header and checksum included
  std::uint64_t structure = 0;
  std::uint64_t weights = 0;
  std::uint8_t cache = 0;  ///< see `detail::byte_of`
  std::uint8_t precision = 0;
  std::uint8_t rounds_embedding_scale = 0;
  std::uint8_t blocks = 0;
  std::uint32_t floor = 0;     ///< position from which on tokens can be taken back
  char name[40] = {};          ///< for messages; not ended when it is longer
  std::uint64_t checksum = 0;  ///< of all before it
};
static_assert(sizeof(StateHeader) == 96 && std::is_trivially_copyable_v<StateHeader>);

namespace detail {

[[nodiscard]] inline std::uint64_t header_checksum(const StateHeader& header) noexcept {
  Checksum sum;
  sum.add(std::as_bytes(std::span(&header, 1)).first(offsetof(StateHeader, checksum)));
  return sum.digest();
}

/// Cache formats in a byte: that of local layers in the low four bits, and in the high ones that of global
/// layers plus 1, or 0 where it is the same: so states of one format are as they were before these could
/// differ.
[[nodiscard]] constexpr std::uint8_t byte_of(CacheFormats formats) noexcept {
  const auto global = formats.are_equal() ? 0U : static_cast<unsigned>(formats.global) + 1;
  return static_cast<std::uint8_t>(static_cast<unsigned>(formats.local) | global << 4);
}

/// What `byte_of` made a byte of; of other bytes, formats that may be unknown.
[[nodiscard]] constexpr CacheFormats formats_of(std::uint8_t byte) noexcept {
  const CacheFormats formats = static_cast<CacheFormat>(byte & 15);
  return byte < 16 ? formats : formats.with_global(static_cast<CacheFormat>((byte >> 4) - 1));
}

[[nodiscard]] inline Error other_state(std::string_view where, std::string_view what,
                                       std::string_view expected, std::string_view found,
                                       std::string_view hint) noexcept {
  return file_error(ErrorCode::mismatch, place(where), what, expected, found, hint);
}

}  // namespace detail

/// The header of a state of `tokens` tokens and `body_bytes` bytes between header and checksum.
[[nodiscard]] inline StateHeader make_state_header(const StateKey& key, std::uint32_t tokens,
                                                   std::uint32_t floor, std::uint64_t body_bytes) noexcept {
  StateHeader header;
  std::memcpy(header.magic, StateHeader::right_magic, sizeof header.magic);
  header.version = StateHeader::newest_version;
  header.tokens = tokens;
  header.floor = floor;
  header.total_bytes = sizeof header + body_bytes + sizeof(std::uint64_t);
  header.structure = key.model.structure;
  header.weights = key.model.weights;
  header.cache = detail::byte_of(key.cache);
  header.precision = static_cast<std::uint8_t>(key.precision);
  header.rounds_embedding_scale = key.rounds_embedding_scale ? 1 : 0;
  header.blocks = static_cast<std::uint8_t>(key.blocks);
  key.name.copy(header.name, sizeof header.name);
  header.checksum = detail::header_checksum(header);
  return header;
}

/// Checks that a header is one, and of a state that fits. `where` names the state in errors.
///
/// Errors   bad_file (no state, damaged), unsupported (a newer version), mismatch (another model, other
///          settings)
[[nodiscard]] inline Status check_state_header(const StateHeader& header, const StateKey& key,
                                               std::string_view where) noexcept {
  if (std::memcmp(header.magic, StateHeader::right_magic, sizeof header.magic) != 0)
    return bad_file(place(where), "is no saved state", "LAMSTATE", "other bytes");
  if (header.version == 0 || header.version > StateHeader::newest_version) {
    return file_error(ErrorCode::unsupported, place(where), "version of the state is not known",
                      text("at most %u", StateHeader::newest_version), text("%u", header.version),
                      "it was saved by a newer version: read the prompt again");
  }
  if (header.checksum != detail::header_checksum(header)) {
    return bad_file(place(where), "the state is damaged", "a header with its checksum", "another checksum",
                    "read the prompt again");
  }
  const std::size_t name_length =
      static_cast<std::size_t>(std::find(header.name, header.name + sizeof header.name, '\0') - header.name);
  const std::string_view name(header.name, name_length);
  if (header.structure != key.model.structure) {
    return detail::other_state(where, "the state is another model's", key.name, name,
                               "open the model that it was saved with");
  }
  if (header.weights != key.model.weights) {
    return detail::other_state(where, "the state was saved with other weights", "those of this model",
                               "others of the same structure", "open the file that it was saved with");
  }
  if (const CacheFormats formats = detail::formats_of(header.cache); formats != key.cache) {
    return detail::other_state(where, "the state has another cache format", name_of(key.cache),
                               is_known(formats) ? name_of(formats) : "another one",
                               "choose the cache format of the state");
  }
  if (header.precision != static_cast<std::uint8_t>(key.precision)) {
    return detail::other_state(
        where, "the state was computed with another precision", name_of(key.precision),
        name_of(key.precision == Precision::exact ? Precision::fast : Precision::exact),
        "choose the precision of the state");
  }
  if (header.rounds_embedding_scale != (key.rounds_embedding_scale ? 1 : 0)) {
    return detail::other_state(where, "the state was computed with another embedding scale",
                               key.rounds_embedding_scale ? "bf16" : "float32",
                               key.rounds_embedding_scale ? "float32" : "bf16",
                               "choose the embedding scale of the state");
  }
  if (header.blocks != static_cast<std::uint8_t>(key.blocks)) {
    return detail::other_state(where, "pictures of the state see each other elsewhere",
                               key.blocks == BlockMask::all_layers ? "all_layers" : "local_layers",
                               key.blocks == BlockMask::all_layers ? "local_layers" : "all_layers",
                               "choose the block mask of the state");
  }
  return Done{};
}

/// Checks what a header says about sizes, against the cache that the state is for. Errors: context_full,
/// bad_file
[[nodiscard]] inline Status check_state_size(const StateHeader& header, std::uint32_t context,
                                             std::uint64_t body_bytes, std::string_view where) noexcept {
  if (header.tokens > context) {
    return file_error(ErrorCode::context_full, place(where), "the state is longer than the context",
                      text("at most %u tokens", context), text("%u tokens", header.tokens),
                      "plan a larger `context`");
  }
  const std::uint64_t total = sizeof header + body_bytes + sizeof(std::uint64_t);
  if (header.total_bytes == total) return Done{};
  return bad_file(place(where), "the state has another size than its tokens need",
                  text("%llu bytes", static_cast<unsigned long long>(total)),
                  text("%llu bytes", static_cast<unsigned long long>(header.total_bytes)));
}

}  // namespace lamina
