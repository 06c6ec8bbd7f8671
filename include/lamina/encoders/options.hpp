// SPDX-License-Identifier: Apache-2.0
// How an encoder runs: everything that decides its scratch memory, and who is told about it.
#pragma once

#include <cstdint>

#include <lamina/core/executor.hpp>
#include <lamina/core/types.hpp>
#include <lamina/pass/observer.hpp>

namespace lamina {

/// Is told how far encoding is, in steps: one before the layers, one a layer, one after them. `report`
/// returns false to cancel. Called from the calling thread, between steps.
struct EncodeProgress {
  bool (*report)(void* context, std::uint32_t done, std::uint32_t total) = nullptr;
  void* context = nullptr;
};

/// Rows that a row of an audio tower sees, its own included; sources differ (audio.md §3.6).
enum class AudioKeys : std::uint8_t {
  twelve,    ///< distances 0 to 11, as the reference
  thirteen,  ///< distances 0 to 12, as the authors' code
};

/// How one input is encoded. Results have the same bits for every `chunk` and every executor.
struct EncodeOptions {
  std::uint32_t chunk = 512;  ///< rows whose inner values are in memory at a time, 1 .. `most_chunk`
  Precision precision = Precision::fast;
  AudioKeys audio_keys = AudioKeys::twelve;
  Executor* executor = nullptr;  ///< null: the calling thread does everything
  EncodeProgress progress{};
  PassObserver* observer = nullptr;  ///< shown inner values, chunk by chunk, if given

  static constexpr std::uint32_t most_chunk = 1U << 20;
};

}  // namespace lamina
