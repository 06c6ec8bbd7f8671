// SPDX-License-Identifier: Apache-2.0
// One big block of zeroed memory in large pages: weights read from it cost fewer address translations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Owns a block from the operating system, in large pages where it grants them.
class HugeBlock final : public ByteOwner {
 public:
  /// Null when the system refuses. Requires bytes > 0. Cost: pages are taken when first written to.
  [[nodiscard]] static std::unique_ptr<HugeBlock> create(std::size_t bytes) noexcept {
    if (bytes > SIZE_MAX / 2) return nullptr;
    std::unique_ptr<HugeBlock> block(new (std::nothrow) HugeBlock);
    if (block == nullptr) return nullptr;
#if LAMINA_HAS_MMAP
    constexpr std::size_t page = large_page_bytes;
    const std::size_t mapped = bytes + page;  // room to align
    void* first = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (first == MAP_FAILED) return nullptr;
    block->taken_ = {static_cast<std::byte*>(first), mapped};
    const auto misalignment = reinterpret_cast<std::uintptr_t>(first) % page;
    block->bytes_ = block->taken_.subspan((page - misalignment) % page, bytes);
    prefer_large_pages(block->bytes_);
#else
    auto* first = new (std::align_val_t{arena_alignment}, std::nothrow) std::byte[bytes]{};
    if (first == nullptr) return nullptr;
    block->taken_ = block->bytes_ = {first, bytes};
#endif
    return block;
  }

  ~HugeBlock() override {
    if (taken_.empty()) return;
#if LAMINA_HAS_MMAP
    ::munmap(taken_.data(), taken_.size());
#else
    ::operator delete[](taken_.data(), std::align_val_t{arena_alignment});
#endif
  }
  HugeBlock(const HugeBlock&) = delete;
  HugeBlock& operator=(const HugeBlock&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() noexcept { return bytes_; }

 private:
  HugeBlock() noexcept = default;

  std::span<std::byte> taken_;
  std::span<std::byte> bytes_;
};

}  // namespace lamina
