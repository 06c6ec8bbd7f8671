// SPDX-License-Identifier: Apache-2.0
// The check that a file has the tensors of a model, each in exactly its shape.
// Source: weight-files.md §3.2 to §3.4 (names, shapes), §1.9 rule 16, §7 items 4 to 9.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/formats/float_element.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/expected_tensors.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Writes a tensor's shape as files list it: "{64, 512}".
[[nodiscard]] inline FixedText<160> shape_text(std::uint64_t columns, std::uint64_t rows, std::uint64_t stack,
                                               std::uint64_t fourth = 1) noexcept {
  const std::uint64_t dims[] = {columns, rows, stack, fourth};
  std::size_t last = 3;
  while (last > 0 && dims[last] == 1) --last;
  FixedText<160> line("{");
  for (std::size_t i = 0; i <= last; ++i) {
    line.append(text("%s%llu", i == 0 ? "" : ", ", static_cast<unsigned long long>(dims[i])));
  }
  line.append("}");
  return line;
}

/// Checks that a tensor's encoding is compiled. Errors: unsupported (LAMINA_FORMATS leaves it out).
///
/// A template of what is built in, so that the linker cannot take it from a unit that has other encodings.
template <std::uint64_t BuiltIn = built_in_formats>
[[nodiscard]] Status check_built_in(const auto& tensor, std::string_view file) noexcept {
  if (is_built_in(tensor.format, BuiltIn)) return Done{};
  FixedText<160> names;
  for (const FormatInfo& info : all_formats) {
    if (!is_built_in(info.format, BuiltIn)) continue;
    if (!names.empty()) names.append(", ");
    names.append(info.name);
  }
  return file_error(ErrorCode::unsupported, place(file, tensor.name),
                    "tensor encoding is not in this program", names, info_of(tensor.format).name,
                    "add it to LAMINA_FORMATS and compile the program");
}

/// Checks one tensor against what is expected of it; null is an absent one.
///
/// Errors   mismatch (missing, other shape), unsupported (an encoding that its use does not allow, or that was
///          left out)
template <std::uint64_t BuiltIn = built_in_formats>
[[nodiscard]] Status check_tensor(const auto* tensor, const ExpectedTensor& expected,
                                  std::string_view file) noexcept {
  const auto columns = static_cast<std::uint64_t>(expected.columns);
  const auto rows = static_cast<std::uint64_t>(expected.rows);
  const auto stack = static_cast<std::uint64_t>(expected.stack);
  if (tensor == nullptr) {
    if (expected.presence != Presence::required) return Done{};
    return file_error(ErrorCode::mismatch, place(file, expected.name), "tensor is missing",
                      shape_text(columns, rows, stack), "nothing");
  }
  const auto& d = tensor->dims;
  if (d[0] != columns || d[1] != rows || d[2] != stack || d[3] != 1) {
    return file_error(ErrorCode::mismatch, place(file, expected.name), "tensor has another shape",
                      shape_text(columns, rows, stack), shape_text(d[0], d[1], d[2], d[3]));
  }
  const bool fits =
      expected.use == SlotUse::vector ? is_float(tensor->format) : tensor->format != Format::i32;
  if (!fits) {
    return file_error(ErrorCode::unsupported, place(file, expected.name),
                      "tensor has an encoding its use does not allow",
                      expected.use == SlotUse::vector ? "F32, F16 or BF16" : "a float or block encoding",
                      info_of(tensor->format).name);
  }
  return check_built_in<BuiltIn>(*tensor, file);
}

/// Checks a slot list against the tensors of a file, found by name with `find(name)`, a pointer to a
/// `TensorView` or the like: every slot by itself, and that of alternatives one complete set is there: the
/// first slot alone, or all later ones.
///
/// Effects   adds the tensors that are there to `used`
/// Errors    as `check_tensor`; mismatch (no complete set of alternatives)
template <class Slots, class Find>
[[nodiscard]] Status check_slots(std::string_view prefix, const Slots& slots, Find&& find,
                                 std::string_view file, std::size_t& used) noexcept {
  FixedText<160> first;   // of the alternatives
  FixedText<160> others;  // with commas between them
  bool first_there = false;
  bool others_there = true;
  const auto check = [&](const ExpectedTensor& expected, const auto&) -> Status {
    const auto* tensor = find(expected.name);
    used += tensor != nullptr ? 1 : 0;
    LAMINA_TRY(check_tensor(tensor, expected, file));
    if (expected.presence != Presence::alternative) return Done{};
    if (first.empty()) {
      first = expected.name;
      first_there = tensor != nullptr;
      return Done{};
    }
    others_there = others_there && tensor != nullptr;
    if (!others.empty()) others.append(" and ");
    others.append(tail_of(expected.name, prefix.size()));
    return Done{};
  };
  LAMINA_TRY(for_each_expected_of(prefix, slots, check));
  if (first.empty() || first_there || (others_there && !others.empty())) return Done{};
  FixedText<160> sets(tail_of(first, prefix.size()));
  if (!others.empty()) sets.append(", or ");
  sets.append(others);
  return file_error(ErrorCode::mismatch, place(file, first), "alternative tensors are missing", sets,
                    "neither set complete");
}

namespace detail {

/// Frequency factors divide angles (§3.5): each must be finite and > 0. Null is absent.
[[nodiscard]] inline Status check_rope_factors(const TensorView* found, std::string_view file) noexcept {
  if (found == nullptr) return Done{};
  const TensorView& factors = *found;
  const std::size_t element_bytes = info_of(factors.format).block_bytes;
  for (std::size_t i = 0; i < factors.dims[0]; ++i) {
    const float factor = load_element(factors.format, factors.bytes.data() + i * element_bytes);
    if (!(std::isfinite(factor) && factor > 0)) {
      return bad_file(place(file, factors.name), "frequency factor is not usable", "finite numbers above 0",
                      text("%g at index %zu", double{factor}, i));
    }
  }
  return Done{};
}

}  // namespace detail

/// Checks that a file has every tensor of `model`, each with its exact shape and an encoding its use allows.
///
/// Requires  `tensors` is sorted by name
/// Effects   `ignored` counts the tensors that the model does not ask for
/// Errors    mismatch (missing, other shape), unsupported (encoding), bad_file (frequency factors); names the
///           tensor
[[nodiscard]] inline Status check_tensors(const ModelDescription& model, std::span<const TensorView> tensors,
                                          std::string_view file, std::size_t& ignored) {
  std::size_t used = 0;
  const auto find = [&](std::string_view name) { return find_tensor(tensors, name); };
  LAMINA_TRY(for_each_slot_list(model, [&](std::string_view prefix, const auto& slots) -> Status {
    return check_slots(prefix, slots, find, file, used);
  }));
  LAMINA_TRY(detail::check_rope_factors(find("rope_freqs.weight"), file));
  ignored = tensors.size() - used;
  return Done{};
}

}  // namespace lamina
