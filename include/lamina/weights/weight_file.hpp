// SPDX-License-Identifier: Apache-2.0
// What every reader of weight files delivers: a checked description, named tensors, and the text parts.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/blocks/interleave.hpp>
#include <lamina/core/types.hpp>
#include <lamina/formats/format.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/metadata.hpp>

namespace lamina {

/// One tensor of a file. The container has checked that `bytes` lies inside the file and has exactly the size
/// that `format` and `dims` ask for.
struct TensorView {
  std::string name;  ///< canonical (GGUF) name: "blk.3.attn_q.weight"
  Format format = Format::f32;
  std::array<std::uint64_t, 4> dims{1, 1, 1, 1};  ///< columns, rows, stack, 1: fastest-varying first
  std::span<const std::byte> bytes;
  Packing packing = Packing::rows;  ///< interleaved by `pack_weights` (packing/), or in the file
};

/// Whether a tensor's rows can lie interleaved in groups of `height`, none across two matrices of a stack.
[[nodiscard]] constexpr bool can_interleave(const TensorView& tensor, std::uint32_t height) noexcept {
  return height > 0 && can_interleave(tensor.format) && tensor.dims[1] % height == 0 &&
         tensor.dims[0] <= INT32_MAX && tensor.dims[0] % info_of(tensor.format).block_elements == 0;
}

/// The order of each matrix of an interleaved tensor whose groups have `height` rows.
[[nodiscard]] constexpr InterleavedOrder order_of(const TensorView& tensor, std::uint32_t height) noexcept {
  return {tensor.format, height, static_cast<std::size_t>(tensor.dims[1]),
          static_cast<std::size_t>(tensor.dims[0])};
}

/// Where the experts of a model are while it runs.
enum class Experts : std::uint8_t {
  held,     ///< in memory as all matrices
  on_disk,  ///< in the file, from where passes read those that they need
};

/// Whether a tensor holds a matrix for each expert.
[[nodiscard]] constexpr bool is_stack(const TensorView& tensor) noexcept { return tensor.dims[2] > 1; }

/// Bytes that a tensor's format and dimensions ask for; false if a size is 0, rows are no whole number of
/// blocks, or the product needs more than 63 bits.
[[nodiscard]] constexpr bool tensor_bytes(const auto& tensor, std::uint64_t& bytes) noexcept {
  const FormatInfo& info = info_of(tensor.format);
  bytes = info.block_bytes;
  if (tensor.dims[0] == 0 || tensor.dims[0] % info.block_elements != 0) return false;
  if (!checked_multiply(bytes, tensor.dims[0] / info.block_elements, bytes)) return false;
  for (std::size_t i = 1; i < tensor.dims.size(); ++i) {
    if (tensor.dims[i] == 0 || !checked_multiply(bytes, tensor.dims[i], bytes)) return false;
  }
  return true;
}

/// Owns mapped or loaded bytes for as long as views into them live.
struct ByteOwner {
  virtual ~ByteOwner() = default;

  /// Is told that `bytes`, wherever they lie, will hardly be read again.
  virtual void release(std::span<const std::byte> /*bytes*/) const noexcept {}

  /// Whether `read` can read `bytes`: those of a file that are its own.
  [[nodiscard]] virtual bool can_read(std::span<const std::byte> /*bytes*/) const noexcept { return false; }
  /// Copies `bytes` to `to` from the file, without mapping their pages; false when that fails.
  [[nodiscard]] virtual bool read(std::span<const std::byte> /*bytes*/, std::byte* /*to*/) const noexcept {
    return false;
  }
  /// Is told that `bytes` will soon be read. Begins reading, and waits for nothing.
  virtual void expect(std::span<const std::byte> /*bytes*/) const noexcept {}
  /// Is told that of `bytes` pieces here and there will be read: what lies around these should not be.
  virtual void read_by_pieces(std::span<const std::byte> /*bytes*/) const noexcept {}
};

/// What a file says about generating text; fields it does not set have the values published with Gemma 4.
struct GenerationDefaults {
  std::vector<TokenId> eos_tokens;  ///< as the file lists them; a tokenizer adds the ends it knows by name
  std::vector<TokenId> suppress_tokens;  ///< never to be sampled
  float temperature = 1.0F;
  std::int32_t top_k = 64;
  float top_p = 0.95F;
};

/// Finds a tensor by name in a list sorted by name; null if absent.
[[nodiscard]] inline const TensorView* find_tensor(std::span<const TensorView> sorted,
                                                   std::string_view name) noexcept {
  const auto at =
      std::lower_bound(sorted.begin(), sorted.end(), name,
                       [](const TensorView& tensor, std::string_view key) { return tensor.name < key; });
  return at != sorted.end() && at->name == name ? &*at : nullptr;
}

/// Sorts tensors by name. Errors: bad_file when a name occurs twice (over all shards); `file` names it.
[[nodiscard]] inline Status sort_tensors(std::vector<TensorView>& tensors, std::string_view file) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors.begin(), tensors.end(),
                                        [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice == tensors.end()) return Done{};
  return bad_file(place(file, twice->name), "tensor name occurs twice", "unique names", "a duplicate");
}

/// A weight file (or a set of shards, or a directory) after checking.
///
/// Everything the tokenizer needs later stays reachable: `metadata` for GGUF files, `tokenizer_json` for
/// directories. All views point into `owners` (or, for bytes that the caller gave, into those).
struct WeightFile {
  ModelDescription description;
  std::vector<TensorView> tensors;  ///< sorted by name, unique
  std::vector<std::unique_ptr<ByteOwner>> owners;
  std::string path;  ///< as the user named it; for messages

  GgufMetadata metadata;  ///< of the (first) GGUF file; empty for Hugging Face directories
  std::span<const std::byte> tokenizer_json;  ///< tokenizer.json of a directory; empty if there is none
  std::string chat_template;                  ///< Jinja source as the file carries it; empty if there is none
  GenerationDefaults generation;
  std::uint32_t interleave_height = 0;  ///< rows of a group of the interleaved tensors; 0: there are none
  std::size_t ignored_tensors = 0;  ///< left out or unused: media towers, K/V of shared layers, unknown ones

  /// Finds a tensor by its canonical name; null if absent.
  [[nodiscard]] const TensorView* find(std::string_view name) const noexcept {
    return find_tensor(tensors, name);
  }
};

/// Checks that `file` is a model of the type that `description` and `name` belong to. Errors: mismatch.
[[nodiscard]] inline Status check_structure(const WeightFile& file, const ModelDescription& description,
                                            std::string_view name) noexcept {
  if (file.description.same_structure(description)) return Done{};
  return file_error(ErrorCode::mismatch, place(file.path), "the file is no model of this type", name,
                    "another structure", "`recognise` finds the model type that fits a file");
}

}  // namespace lamina
