// SPDX-License-Identifier: Apache-2.0
// Any bytes as the saved state of a sequence: as they are, and with the checksums that they should have.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/state/state_stream.hpp>

namespace {

constexpr std::uint32_t context = 200;
constexpr auto local = lamina::CacheFormat::int8;
constexpr auto global = lamina::CacheFormat::bf16;
const lamina::StateKey key{
    .model = {1, 2}, .name = "fuzz", .cache = lamina::CacheFormats(local).with_global(global)};

/// A ring of two blocks, and pages; rows of both end in bytes that nobody writes.
class Cache final : public lamina::SequenceCache {
 public:
  Cache() {
    lamina::Arena arena(memory_);
    using Ring = lamina::KvRowLayout<12, local>;
    using Page = lamina::KvRowLayout<8, global, 2>;
    owners_[0] = {lamina::take_kv_ring<Ring>(arena, 2, 2), 16};
    owners_[1].rows = lamina::kv_view<Page>(1);
    owners_[1].rows.blocks = table_.data();
    owners_[1].rows.block_count = static_cast<std::uint32_t>(table_.size());
    pool.take_memory(lamina::kv_blocks(context), lamina::kv_block_bytes<Page>(1), arena);
    owners = owners_;
    pages = table_;
  }
  lamina::PagePool pool;

 private:
  std::vector<std::byte> memory_ = std::vector<std::byte>(64 << 10);
  std::array<lamina::OwnedRows, 2> owners_{};
  std::array<std::byte*, lamina::kv_blocks(context)> table_{};
};

void read(std::span<const std::byte> state) {
  static Cache cache;
  lamina::StateReader checked(key, cache, "fuzz");
  const bool good = static_cast<bool>(checked.check_whole(state, context));
  std::span<const std::byte> rest = state;
  auto source = [&rest](std::span<std::byte> bytes) -> lamina::Status {
    if (rest.size() < bytes.size())
      return lamina::Error{lamina::ErrorCode::io, "fuzz", "it ends", "", "", ""};
    std::copy_n(rest.begin(), bytes.size(), bytes.begin());
    rest = rest.subspan(bytes.size());
    return lamina::Done{};
  };
  lamina::StateReader reader(key, cache, "fuzz");
  if (!reader.begin(lamina::source_of(source), context)) {
    if (good) __builtin_trap();
    return;
  }
  auto snapshot = reader.make(&cache.pool, {});
  if (!snapshot || !cache.pool.take(lamina::StateReader::pages_of(*snapshot))) __builtin_trap();
  // A source may deliver more than one state: only the span knows where it ends.
  if (!reader.finish(*snapshot) && good) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> state(size);
  std::transform(data, data + size, state.begin(), [](std::uint8_t byte) { return std::byte{byte}; });
  state.shrink_to_fit();
  read(state);
  lamina::StateHeader header;
  if (size < sizeof header + sizeof(std::uint64_t)) return 0;
  std::memcpy(&header, state.data(), sizeof header);
  header.checksum = lamina::detail::header_checksum(header);
  std::memcpy(state.data(), &header, sizeof header);
  lamina::Checksum sum;
  sum.add(std::span(state).first(size - sizeof(std::uint64_t)));
  const std::uint64_t digest = sum.digest();
  std::memcpy(state.data() + size - sizeof digest, &digest, sizeof digest);
  read(state);
  return 0;
}
