// SPDX-License-Identifier: Apache-2.0
// Turns the run-time tag of a tensor into a compile-time one: the only switch over all formats.
#pragma once

#include <type_traits>

#include <lamina/formats/format.hpp>

namespace lamina {

/// A format as a type.
template <Format F>
using FormatTag = std::integral_constant<Format, F>;

/// The same; of a format that was left out, F32's.
template <Format F>
using BuiltInTag = FormatTag<built_in_or_f32<F>>;

/// Calls `visitor(FormatTag<F>{})` for the run-time `format` and returns its result.
///
/// Requires  a declared enumerator that `is_built_in`; any other value is visited as F32, as in `info_of`.
/// Cost      one jump; call it once per row or product, not per block. The visitor is instantiated for all
///           formats that are built in.
template <class Visitor>
constexpr decltype(auto) visit_format(Format format, Visitor&& visitor) noexcept {
  switch (format) {
    case Format::f32:
      break;
    case Format::f16:
      return visitor(BuiltInTag<Format::f16>{});
    case Format::q4_0:
      return visitor(BuiltInTag<Format::q4_0>{});
    case Format::q4_1:
      return visitor(BuiltInTag<Format::q4_1>{});
    case Format::q5_0:
      return visitor(BuiltInTag<Format::q5_0>{});
    case Format::q5_1:
      return visitor(BuiltInTag<Format::q5_1>{});
    case Format::q8_0:
      return visitor(BuiltInTag<Format::q8_0>{});
    case Format::q2_k:
      return visitor(BuiltInTag<Format::q2_k>{});
    case Format::q3_k:
      return visitor(BuiltInTag<Format::q3_k>{});
    case Format::q4_k:
      return visitor(BuiltInTag<Format::q4_k>{});
    case Format::q5_k:
      return visitor(BuiltInTag<Format::q5_k>{});
    case Format::q6_k:
      return visitor(BuiltInTag<Format::q6_k>{});
    case Format::iq2_xxs:
      return visitor(BuiltInTag<Format::iq2_xxs>{});
    case Format::iq2_xs:
      return visitor(BuiltInTag<Format::iq2_xs>{});
    case Format::iq3_xxs:
      return visitor(BuiltInTag<Format::iq3_xxs>{});
    case Format::iq1_s:
      return visitor(BuiltInTag<Format::iq1_s>{});
    case Format::iq4_nl:
      return visitor(BuiltInTag<Format::iq4_nl>{});
    case Format::iq3_s:
      return visitor(BuiltInTag<Format::iq3_s>{});
    case Format::iq2_s:
      return visitor(BuiltInTag<Format::iq2_s>{});
    case Format::iq4_xs:
      return visitor(BuiltInTag<Format::iq4_xs>{});
    case Format::i32:
      return visitor(BuiltInTag<Format::i32>{});
    case Format::iq1_m:
      return visitor(BuiltInTag<Format::iq1_m>{});
    case Format::bf16:
      return visitor(BuiltInTag<Format::bf16>{});
    case Format::tq1_0:
      return visitor(BuiltInTag<Format::tq1_0>{});
    case Format::tq2_0:
      return visitor(BuiltInTag<Format::tq2_0>{});
    case Format::mxfp4:
      return visitor(BuiltInTag<Format::mxfp4>{});
    case Format::nvfp4:
      return visitor(BuiltInTag<Format::nvfp4>{});
    case Format::q1_0:
      return visitor(BuiltInTag<Format::q1_0>{});
    case Format::q2_0:
      return visitor(BuiltInTag<Format::q2_0>{});
  }
  return visitor(FormatTag<Format::f32>{});
}

}  // namespace lamina
