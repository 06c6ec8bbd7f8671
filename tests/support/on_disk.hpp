// SPDX-License-Identifier: Apache-2.0
// A model whose file is watched: what is read from it, and reads that fail.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "support/loaded_model.hpp"

/// Reads from the file that it took over, unless told to fail; counts.
struct Disk final : lamina::ByteOwner {
  explicit Disk(std::unique_ptr<lamina::ByteOwner> given) : file(std::move(given)) {}
  [[nodiscard]] bool can_read(std::span<const std::byte> bytes) const noexcept override {
    return file->can_read(bytes);
  }
  [[nodiscard]] bool read(std::span<const std::byte> bytes, std::byte* to) const noexcept override {
    const bool is_chosen = reads++ == fails_at;
    if (fails || is_chosen) return false;
    read_bytes += bytes.size();
    return file->read(bytes, to);
  }
  void expect(std::span<const std::byte> bytes) const noexcept override {
    ++expected;
    file->expect(bytes);
  }

  std::unique_ptr<lamina::ByteOwner> file;
  bool fails = false;
  std::size_t fails_at = SIZE_MAX;  ///< the one read that fails
  mutable std::atomic<std::size_t> reads{0};
  mutable std::atomic<std::size_t> read_bytes{0};
  mutable std::atomic<std::size_t> expected{0};
};

struct OnDisk : LoadedModel {
  explicit OnDisk(const std::string& path) : LoadedModel(path) {
    REQUIRE(file.owners.size() == 1);
    auto watched = std::make_unique<Disk>(std::move(file.owners[0]));
    disk = watched.get();
    file.owners[0] = std::move(watched);
  }
  Disk* disk;
};
