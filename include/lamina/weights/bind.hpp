// SPDX-License-Identifier: Apache-2.0
// From named tensors to typed weights: every slot of a layer kind gets a view whose name, shape and encoding
// were checked. Source: weight-files.md §7 items 5 and 7, §3.4 (NVFP4 scales); schedule/slots.hpp (the
// lists).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/blocks/decode.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/schedule/slots.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

namespace detail {

/// Memory a slot takes from the arena. Depends on the slot only, so that it can be measured without a file.
struct SlotMemory {
  std::span<float> elements;  ///< of a vector: [rows * columns]
  std::span<float> scales;    ///< of a matrix or table: [stack], for encodings with a second scale
};

template <class SlotLike>
[[nodiscard]] constexpr SlotMemory take_slot_memory(const SlotLike& slot, Arena& arena) noexcept {
  const auto stack = static_cast<std::size_t>(slot.stack);
  if (slot.use != SlotUse::vector) return {{}, arena.take<float>(stack)};
  return {
      arena.take<float>(static_cast<std::size_t>(slot.columns) * static_cast<std::size_t>(slot.rows) * stack),
      {}};
}

/// Copies a float tensor to float32. Errors: bad_file for an element that is not finite.
[[nodiscard]] Status widen(const auto& tensor, std::string_view file, std::span<float> out) noexcept {
  const auto columns = static_cast<std::size_t>(tensor.dims[0]);
  const std::size_t row_size = row_bytes(tensor.format, columns);
  for (std::size_t begin = 0, row = 0; begin < out.size(); begin += columns, ++row) {
    decode_row(tensor.format, tensor.bytes.data() + row * row_size, columns, out.data() + begin);
  }
  const auto bad = std::find_if(out.begin(), out.end(), [](float value) { return !std::isfinite(value); });
  if (bad == out.end()) return Done{};
  return bad_file(place(file, tensor.name), "tensor holds an infinite or NaN number", "finite numbers",
                  text("%g at index %zu", double{*bad}, static_cast<std::size_t>(bad - out.begin())));
}

/// Reads the second scale of an NVFP4 tensor "X.weight" from "X.scale": one for all, or one per matrix of the
/// stack.
[[nodiscard]] Result<const float*> bind_scales(const auto& file, const auto& tensor,
                                               std::string_view scale_name, std::span<float> out) noexcept {
  const auto* scale = file.find(scale_name);
  if (scale == nullptr) return static_cast<const float*>(nullptr);
  const std::string_view where = file_name_of(file.path);
  const std::uint64_t count = scale->dims[0];
  const bool one_dimension = scale->dims[1] == 1 && scale->dims[2] == 1 && scale->dims[3] == 1;
  if (!is_float(scale->format) || !one_dimension || (count != 1 && count != out.size())) {
    return file_error(ErrorCode::mismatch, place(where, scale_name), "second scale does not fit its matrix",
                      text("1 or %zu floats for %.*s", out.size(), static_cast<int>(tensor.name.size()),
                           tensor.name.data()),
                      shape_text(scale->dims[0], scale->dims[1], scale->dims[2], scale->dims[3]));
  }
  LAMINA_TRY(check_built_in(*scale, where));
  LAMINA_TRY(widen(*scale, where, out.first(static_cast<std::size_t>(count))));
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(count), out.end(), out[0]);
  return static_cast<const float*>(out.data());
}

/// Name of a tensor's second scale: "blk.0.attn_q.weight" -> "blk.0.attn_q.scale"; empty if it has none.
[[nodiscard]] inline FixedText<160> scale_name_of(std::string_view name) noexcept {
  constexpr std::string_view suffix = "weight";
  if (!name.ends_with(suffix)) return {};
  FixedText<160> scale(head_of(name, name.size() - suffix.size()));
  scale.append("scale");
  return scale;
}

/// Binds one slot that `check_slots` has checked; `scale_is_slot` says that "X.scale" is a slot of its own
/// (it must not be applied twice, §3.4).
[[nodiscard]] Status bind_slot(const auto& file, const ExpectedTensor& slot, const SlotMemory& memory,
                               bool scale_is_slot, WeightMatrix& out) noexcept {
  const std::string_view where = file_name_of(file.path);
  const auto* tensor = file.find(slot.name);
  if (tensor == nullptr) return Done{};
  out.format = tensor->format;
  out.data = tensor->bytes.data();
  out.packing = tensor->packing;
  out.rows = static_cast<std::uint32_t>(slot.rows);
  out.columns = static_cast<std::uint32_t>(slot.columns);
  out.stack = static_cast<std::uint32_t>(slot.stack);
  if (slot.use == SlotUse::vector) {
    LAMINA_TRY(widen(*tensor, where, memory.elements));
    out.format = Format::f32;
    out.data = reinterpret_cast<const std::byte*>(memory.elements.data());
  } else if (tensor->format == Format::nvfp4 && !scale_is_slot) {
    const auto scales = bind_scales(file, *tensor, scale_name_of(slot.name), memory.scales);
    if (!scales) return scales.error();
    out.scales = *scales;
  }
  return Done{};
}

/// Of alternatives, clears the set that lost, so that a layer sees exactly one: the first slot alone, or all
/// later ones.
template <class Weights, std::size_t N>
void keep_one_set(const std::array<Slot<Weights>, N>& slots, Weights& weights) noexcept {
  const Slot<Weights>* first = nullptr;
  bool first_there = false;
  for (const Slot<Weights>& slot : slots) {
    if (slot.presence != Presence::alternative) continue;
    if (first == nullptr) {
      first = &slot;
      first_there = static_cast<bool>(slot.member.of(weights));
    }
    if ((&slot == first) != first_there) slot.member.of(weights) = WeightMatrix{};
  }
}

}  // namespace detail

/// Takes from a measuring arena what `bind_slots` takes from a real one.
template <class List>
constexpr void measure_slots(const List& slots, Arena& arena) noexcept {
  for (const auto& slot : slots) {
    if (slot.rows > 0 && slot.columns > 0) static_cast<void>(detail::take_slot_memory(slot, arena));
  }
}

/// Binds all slots of a list, of a `WeightFile` or a `StoredModel`: finds "<prefix><slot name>", checks it
/// and stores its view in `weights`.
///
/// Effects   matrices and tables view the file; vectors are widened to float32 in `arena`, 64-byte aligned,
///           finite. Absent optional slots stay null. Of alternatives, the first slot alone or all later ones
///           must be there; when both are, the first wins. Slots with no elements are skipped.
///           `measure_slots` counts the bytes of `arena` that this takes.
/// Errors    mismatch (missing, other shape), unsupported (encoding), bad_file (not finite), out_of_memory
///           (arena)
template <class File, class Weights, std::size_t N>
[[nodiscard]] Status bind_slots(const File& file, Arena& arena, std::string_view prefix,
                                const std::array<Slot<Weights>, N>& slots, Weights& weights) noexcept {
  std::size_t used = 0;
  const auto find = [&](std::string_view name) { return file.find(name); };
  LAMINA_TRY(check_slots(prefix, slots, find, file_name_of(file.path), used));
  const auto bind = [&](const ExpectedTensor& expected, const Slot<Weights>& slot) -> Status {
    const detail::SlotMemory memory = detail::take_slot_memory(expected, arena);
    if (arena.overflowed()) {
      return file_error(ErrorCode::out_of_memory, place(file_name_of(file.path), expected.name),
                        "arena is too small for the weights");
    }
    const FixedText<160> scale_name = detail::scale_name_of(slot.name);
    const bool scale_is_slot = std::any_of(slots.begin(), slots.end(), [&](const Slot<Weights>& other) {
      return !scale_name.empty() && other.name == scale_name.view();
    });
    return detail::bind_slot(file, expected, memory, scale_is_slot, slot.member.of(weights));
  };
  LAMINA_TRY(for_each_expected_of(prefix, slots, bind));
  detail::keep_one_set(slots, weights);
  return Done{};
}

}  // namespace lamina
