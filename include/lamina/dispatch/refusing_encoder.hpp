// SPDX-License-Identifier: Apache-2.0
// The entry of an encoder on a CPU that none of its code is for: says so when weights are bound.
#pragma once

#include <cstddef>
#include <cstdint>

#include <lamina/simd/cpu_level.hpp>
#include <lamina/dispatch/refusing_entry.hpp>
#include <lamina/encoders/encoder_entry.hpp>
#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/encoders/facts.hpp>

namespace lamina {

/// Entry of encoder `E` without code; `lowest` is the level that the CPU should have at least.
template <class E, CpuLevel lowest>
struct RefusingEncoder {
  static const EncoderDescription& describe() noexcept {
    static constexpr EncoderDescription description = describe_encoder<E>();
    return description;
  }
  static WeightTotals totals(const EncoderSizes& sizes, Format format) noexcept {
    return encoder_totals<E>(sizes, format);
  }
  static EncoderWork work(const EncoderSizes& sizes, std::int64_t tokens) noexcept {
    return encoder_work<E>(sizes, tokens);
  }
  static Result<MediaShape> no_shape(const MediaInput&) noexcept {
    return detail::lacks_instructions(E::name, lowest);
  }
  static std::size_t no_core(const EncoderSizes&) noexcept { return 0; }
  static std::size_t no_scratch(const EncodeOptions&, std::uint32_t) noexcept { return 0; }
  static Result<const EncoderCore*> bind(const MediaFile&, Arena&) noexcept {
    return detail::lacks_instructions(E::name, lowest);
  }

  static constexpr EncoderEntry entry{E::name,   &describe, &detail::no_kernels, &totals, &work,
                                      &no_shape, &no_core,  &no_scratch,         &bind};
};

}  // namespace lamina
