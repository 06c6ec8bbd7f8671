// SPDX-License-Identifier: Apache-2.0
// A GGUF file in memory as a model reads it, without a heap: for flash, where the type says what must be
// there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/schedule/describe.hpp>
#include <lamina/schedule/facts.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/weights/description_rules.hpp>
#include <lamina/weights/gguf/tensor_reader.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// A tensor of a `StoredModel`.
struct StoredTensor {
  std::string_view name;
  Format format = Format::f32;
  std::array<std::uint64_t, 4> dims{1, 1, 1, 1};
  std::span<const std::byte> bytes;
  Packing packing = Packing::rows;
};

/// What `WeightFile` is to models on the heap. Views the bytes of the file, and a list in an arena.
struct StoredModel {
  ModelDescription description;              ///< of the type, with the file's numbers
  std::span<const StoredTensor> tensors;     ///< sorted by name, unique
  std::string_view path;                     ///< for messages
  std::span<const ByteOwner* const> owners;  ///< none

  /// Finds a tensor by its canonical name; null if absent.
  [[nodiscard]] const StoredTensor* find(std::string_view name) const noexcept {
    const auto at =
        std::lower_bound(tensors.begin(), tensors.end(), name,
                         [](const StoredTensor& tensor, std::string_view key) { return tensor.name < key; });
    return at != tensors.end() && at->name == name ? &*at : nullptr;
  }
};

/// Tensors that a file of model `V` may have: all that the type names.
template <Variant V>
[[nodiscard]] constexpr std::size_t most_stored_tensors() noexcept {
  std::size_t count = 0;
  visit_slot_lists<V>([&](int, const auto& slots) {
    for (const auto& slot : slots) count += slot.rows > 0 && slot.columns > 0 ? 1 : 0;
    return true;
  });
  return count;
}

namespace detail {

/// Reads a plain GGUF file front to back.
class StoredReader : private GgufTensorReader {
 public:
  using GgufTensorReader::GgufTensorReader;

  /// `model` has the description of the type; numbers that the file states replace those of the type.
  [[nodiscard]] Status read(StoredModel& model, std::size_t most, Arena& arena) {
    GgufHeader header;
    LAMINA_TRY(read_header(header));
    if (looks_like_packed_gguf(bytes_)) {
      return file_error(ErrorCode::unsupported, place(source_), "packed files are for mapping",
                        "a plain GGUF file", "a packed one");
    }
    std::uint64_t alignment = default_alignment;
    for (std::uint64_t i = 0; i < header.entries; ++i) {
      std::string_view key;
      GgufValue value;
      LAMINA_TRY(read_key(i, key));
      LAMINA_TRY(read_value(key, value));
      if (key == alignment_key) LAMINA_TRY(read_alignment(value, alignment));
      LAMINA_TRY(take_scalar(key, value, model.description));
    }
    if (header.tensors > most) {
      return file_error(ErrorCode::mismatch, place(source_), "file has more tensors than the model type",
                        text("at most %zu", most), gguf_number(header.tensors));
    }
    const auto tensors = arena.take<StoredTensor>(static_cast<std::size_t>(header.tensors));
    const auto offsets = arena.take<std::uint64_t>(tensors.size());
    if (arena.overflowed())
      return Error{ErrorCode::out_of_memory, source_, "the memory block is too small", "", "", ""};
    for (std::size_t i = 0; i < tensors.size(); ++i) LAMINA_TRY(read_descriptor(i, tensors[i], offsets[i]));
    LAMINA_TRY(place_tensors(tensors, offsets, alignment));
    std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(tensors.begin(), tensors.end(),
                                          [](const auto& a, const auto& b) { return a.name == b.name; });
    if (twice != tensors.end())
      return bad_file(place(source_, twice->name), "tensor name occurs twice", "unique names", "a duplicate");
    model.tensors = tensors;
    model.path = source_;
    return Done{};
  }

 private:
  /// Takes over what neither a type nor tensors state.
  [[nodiscard]] Status take_scalar(std::string_view key, const GgufValue& value,
                                   ModelDescription& model) const {
    struct Scalar {
      std::string_view key;
      float ModelDescription::*member;
    };
    static constexpr Scalar scalars[] = {
        {"gemma4.attention.layer_norm_rms_epsilon", &ModelDescription::norm_epsilon},
        {"gemma4.rope.freq_base", &ModelDescription::rope_base_global},
        {"gemma4.rope.freq_base_swa", &ModelDescription::rope_base_local},
        {"gemma4.final_logit_softcapping", &ModelDescription::final_softcap}};
    for (const Scalar& scalar : scalars) {
      if (key != scalar.key) continue;
      if (value.type != GgufType::f32)
        return bad_file(place(source_, key), "metadata value has the wrong type", "f32", name_of(value.type));
      model.*scalar.member = load_unaligned<float>(value.bytes.data());
    }
    return Done{};
  }
};

}  // namespace detail

/// Bytes of an arena that `read_stored_model` takes, at most.
template <Variant V>
constexpr void measure_stored_model(Arena& arena) noexcept {
  static_cast<void>(arena.take<StoredTensor>(most_stored_tensors<V>()));
  static_cast<void>(arena.take<std::uint64_t>(most_stored_tensors<V>()));
}

/// Reads a plain GGUF file of model `V` where it lies; no heap. The bytes must outlive the result. That every
/// tensor is there in its shape is checked when they are bound.
///
/// Errors   as `parse_gguf`; mismatch (more tensors than the type has), out_of_memory (arena)
template <Variant V>
[[nodiscard]] Result<StoredModel> read_stored_model(std::span<const std::byte> bytes, std::string_view name,
                                                    Arena& arena) noexcept {
  StoredModel model;
  model.description = describe<V>();
  LAMINA_TRY(detail::StoredReader(bytes, name).read(model, most_stored_tensors<V>(), arena));
  LAMINA_TRY(check_scalars(model.description, name));
  return model;
}

}  // namespace lamina
