// SPDX-License-Identifier: Apache-2.0
// One layer of an encoder over all rows of an input, chunk by chunk.
// Source: vision.md §3.2.
#if defined(LAMINA_TOWERS_ENCODER_LAYER_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TOWERS_ENCODER_LAYER_INL_HPP
#undef LAMINA_TOWERS_ENCODER_LAYER_INL_HPP
#else
#define LAMINA_TOWERS_ENCODER_LAYER_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/encoders/options.hpp>
#include <lamina/layers/layer-inl.hpp>
#include <lamina/layers/layer_weights.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/schedule/encoders/kinds.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

template <int Width, bool Clipped>
struct FfnKernel<PatchFfn<Width, Clipped>> : FfnKernel<DenseFfn<Width>> {};

/// The rows of an input, to be gone through in chunks.
class RowChunks {
 public:
  /// `pass` has the memory of the first chunk, whose rows are the first ones of the whole stream.
  /// `layer_scratch` is what kinds of layers ask for as `scratch_floats`.
  RowChunks(Pass& pass, const RotaryRows& rotary, std::uint32_t rows, const EncodeOptions& options,
            float* layer_scratch) noexcept
      : pass_(pass),
        rotary_(rotary),
        options_(options),
        stream_(pass.work.stream),
        first_(pass.work.rows),
        layer_scratch_(layer_scratch),
        rows_(rows) {}

  [[nodiscard]] std::uint32_t rows() const noexcept { return rows_; }
  [[nodiscard]] const EncodeOptions& options() const noexcept { return options_; }
  [[nodiscard]] float* layer_scratch() const noexcept { return layer_scratch_; }

  /// Calls `body(site, first row)` with the pass set to each chunk in turn.
  template <class Body>
  void for_each(Body body) const noexcept {
    for (std::uint32_t first = 0; first < rows_; first += options_.chunk) {
      set(first, std::min(options_.chunk, rows_ - first));
      RotaryRows rotary = rotary_;
      rotary.cosines += std::size_t{first} * rotary.pairs;
      rotary.sines += std::size_t{first} * rotary.pairs;
      body(AttentionSite{rotary}, first);
    }
    set(0, rows_);
  }

 private:
  void set(std::uint32_t first, std::uint32_t count) const noexcept {
    pass_.rows = count;
    pass_.wanted = count;
    pass_.work.stream = stream_ + std::size_t{first} * pass_.hidden;
    pass_.work.rows = first_ + first;
  }

  Pass& pass_;
  RotaryRows rotary_;
  const EncodeOptions& options_;
  float* stream_;
  PassRow* first_;
  float* layer_scratch_;
  std::uint32_t rows_;
};

/// How a layer of an encoder runs: keys and values of all rows first, then the rest. A kind of layer that is
/// built differently specialises it.
template <class LayerType>
struct EncoderLayerKernel {
  static void run(Pass& pass, const LayerWeights<LayerType>& weights, const RowChunks& chunks) noexcept {
    using Kernel = LayerKernel<LayerType>;
    pass.step = PassStep::attention;
    chunks.for_each([&](const AttentionSite& site, std::uint32_t) { Kernel::store(pass, weights, site); });
    chunks.for_each([&](const AttentionSite& site, std::uint32_t) {
      pass.step = PassStep::attention;
      Kernel::run_stored(pass, weights, site);
    });
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
