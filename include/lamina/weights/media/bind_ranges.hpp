// SPDX-License-Identifier: Apache-2.0
// The ranges of clipped matrices: four numbers beside each, any of which may be absent.
// Source: vision.md §3.4, §4.4.
#pragma once

#include <cmath>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/formats/float_element.hpp>
#include <lamina/formats/linear.hpp>
#include <lamina/schedule/slots.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/expected_tensors.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

namespace detail {

/// Reads the number "<stem><suffix>" into `out`; leaves it as it is if there is none.
[[nodiscard]] inline Status read_bound(const WeightFile& file, std::string_view stem, std::string_view suffix,
                                       float& out) noexcept {
  FixedText<160> name(stem);
  name.append(suffix);
  const TensorView* tensor = file.find(name);
  if (tensor == nullptr) return Done{};
  const std::string_view where = file_name_of(file.path);
  LAMINA_TRY(check_tensor(tensor, {name, 1, 1, 1, SlotUse::vector}, where));
  out = load_element(tensor->format, tensor->bytes.data());
  if (!std::isnan(out)) return Done{};
  return bad_file(place(where, name), "bound of a range is no number", "a number", "NaN");
}

[[nodiscard]] inline Status read_range(const WeightFile& file, std::string_view stem, std::string_view side,
                                       ClipRange& out) noexcept {
  FixedText<160> low(side);
  low.append("_min");
  FixedText<160> high(side);
  high.append("_max");
  LAMINA_TRY(read_bound(file, stem, low, out.min));
  LAMINA_TRY(read_bound(file, stem, high, out.max));
  if (out.min <= out.max) return Done{};
  low = stem;
  low.append(side);
  return bad_file(place(file_name_of(file.path), low), "range is empty", "a minimum up to its maximum",
                  text("%g to %g", double{out.min}, double{out.max}));
}

}  // namespace detail

/// Gives the matrices of a slot list the ranges that the file has for them: the tensors "X.input_min",
/// "X.input_max", "X.output_min" and "X.output_max" beside "X.weight".
///
/// Errors   mismatch (another shape), unsupported (encoding), bad_file (NaN, an empty range); names the tensor
template <class List, class Weights>
[[nodiscard]] Status bind_ranges(const WeightFile& file, std::string_view prefix, const List& slots,
                                 Weights& weights) noexcept {
  return for_each_expected_of(prefix, slots, [&](const ExpectedTensor& expected, const auto& slot) -> Status {
    Linear* linear = slot.member.linear_of(weights);
    constexpr std::string_view suffix = "weight";
    if (linear == nullptr || !expected.name.ends_with(suffix)) return Done{};
    const std::string_view stem = expected.name.substr(0, expected.name.size() - suffix.size());
    LAMINA_TRY(detail::read_range(file, stem, "input", linear->input));
    return detail::read_range(file, stem, "output", linear->output);
  });
}

}  // namespace lamina
