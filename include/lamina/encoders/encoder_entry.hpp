// SPDX-License-Identifier: Apache-2.0
// An encoder type with its type erased: name, structure, what it needs, and how to bind it to weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/encoders/media_input.hpp>
#include <lamina/encoders/options.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/schedule/encoders/description.hpp>
#include <lamina/schedule/encoders/facts.hpp>
#include <lamina/weights/media/media_file.hpp>
#include <lamina/weights/recognise.hpp>

namespace lamina {

/// An encoder type bound to the weights of a file: immutable. Lives in an arena.
class EncoderCore {
 public:
  /// The encoder of the file: its structure, the width of a soft token, positions.
  [[nodiscard]] virtual const EncoderDescription& description() const noexcept = 0;

  /// Encodes one input into soft tokens, the rows that replace placeholders in a text model's stream.
  ///
  /// Shapes    out [tokens, text hidden], tokens = `EncoderEntry::shape_of(input)`
  /// Requires  `scratch` of `EncoderEntry::scratch_bytes(options, tokens)` bytes; what it held is lost
  /// Errors    bad_argument (another kind of input, a size that it does not take, `out` of another size,
  ///           options out of range), out_of_memory (`scratch`), unsupported (a cache format that the program
  ///           leaves out), cancelled, not_finite (where a NaN or an infinity first arose)
  /// Threads   safe from any number of threads with distinct scratch memory, out and executor
  [[nodiscard]] virtual Status encode(const MediaInput& input, const EncodeOptions& options,
                                      std::span<std::byte> scratch, std::span<float> out) const noexcept = 0;

 protected:
  ~EncoderCore() = default;
};

/// Everything an application needs to know about a compiled-in encoder type.
struct EncoderEntry {
  std::string_view name;                             ///< "gemma4-vision-base"
  const EncoderDescription& (*describe)() noexcept;  ///< structure as the type states it
  const LinearKernels& (*kernels)() noexcept;        ///< of the target that it is compiled for

  /// Sums over the weights of a file whose matrices are all in one encoding.
  WeightTotals (*totals)(const EncoderSizes& sizes, Format format) noexcept;
  /// Multiply-adds of an input that becomes `tokens` soft tokens.
  EncoderWork (*work)(const EncoderSizes& sizes, std::int64_t tokens) noexcept;

  /// Rows and soft tokens of an input. Errors: bad_argument (another kind of input, an impossible size).
  Result<MediaShape> (*shape_of)(const MediaInput& input) noexcept;

  // Bytes of memory, exact: what `bind` and `EncoderCore::encode` take.
  std::size_t (*core_bytes)(const EncoderSizes& sizes) noexcept;
  std::size_t (*scratch_bytes)(const EncodeOptions& options, std::uint32_t tokens) noexcept;

  /// Binds and checks all weights of the encoder in `file`, which must outlive the result; vectors are
  /// widened into `arena`.
  Result<const EncoderCore*> (*bind)(const MediaFile& file, Arena& arena) noexcept;
};

/// Finds the compiled-in type of a file's encoder for `input`. Errors: mismatch, with the numbers that
/// differ; unsupported (the file has no such encoder).
[[nodiscard]] inline Result<const EncoderEntry*> encoder_entry_of(
    const MediaFile& file, MediaKind input, std::span<const EncoderEntry* const> entries) {
  const EncoderDescription* found = file.encoder_of(input);
  if (found == nullptr) {
    const bool is_picture = input == MediaKind::picture;
    return file_error(ErrorCode::unsupported, place(file_name_of(file.weights.path)),
                      is_picture ? "model has no encoder for pictures" : "model has no encoder for sounds",
                      is_picture ? "a vision tower" : "an audio tower", "none",
                      "name the model's projector file (mmproj), or a model that has one");
  }
  std::vector<EncoderCandidate> candidates;
  std::vector<const EncoderEntry*> matching;
  for (const EncoderEntry* entry : entries) {
    if (entry->describe().input != found->input) continue;
    candidates.push_back({entry->name, &entry->describe()});
    matching.push_back(entry);
  }
  const auto index = recognise(*found, candidates, file.weights.path);
  if (!index) return index.error();
  return matching[*index];
}

}  // namespace lamina
