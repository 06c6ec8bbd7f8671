// SPDX-License-Identifier: Apache-2.0
// One conformer layer over all rows of a sound, chunk by chunk: no row sees a later one.
// Source: audio.md §3.2, §3.5 to §3.7. Differs: clips at ±1e10 are left out, which no float32 reaches (§3.8).
#if defined(LAMINA_TOWERS_CONFORMER_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TOWERS_CONFORMER_INL_HPP
#undef LAMINA_TOWERS_CONFORMER_INL_HPP
#else
#define LAMINA_TOWERS_CONFORMER_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/attention/attend_relative-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/stream-inl.hpp>
#include <lamina/rows/depthwise-inl.hpp>
#include <lamina/rows/silu-inl.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>
#include <lamina/towers/conformer_weights.hpp>
#include <lamina/towers/encoder_layer-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

template <AttnShape S, bool AttentionClips, int Width, bool FfnClips, int Taps, bool ConvolutionClips>
struct EncoderLayerKernel<ConformerLayer<RelativeAttention<S, AttentionClips>, ConformerFfn<Width, FfnClips>,
                                         LightConvolution<Taps, ConvolutionClips>>> {
  using Attention = RelativeAttention<S, AttentionClips>;
  using Kind =
      ConformerLayer<Attention, ConformerFfn<Width, FfnClips>, LightConvolution<Taps, ConvolutionClips>>;
  static constexpr std::size_t head_dim = S.head_dim;
  static constexpr std::size_t width = std::size_t{S.heads} * head_dim;  ///< of queries, keys, values

  static void run(Pass& pass, const LayerWeights<Kind>& weights, const RowChunks& chunks) noexcept {
    float* const keys = chunks.layer_scratch();
    float* const values = keys + chunks.rows() * width;
    float* const gated = values + chunks.rows() * width;
    const bool sees_more = chunks.options().audio_keys == AudioKeys::thirteen;
    const std::uint32_t window = S.window + (sees_more ? 1U : 0U);
    chunks.for_each([&](const AttentionSite&, std::uint32_t first) {
      pass.step = PassStep::feed_forward;
      feed_forward(pass, weights.ffn);
      pass.step = PassStep::attention;
      attend(pass, weights.attention, window, keys, values, first);
      pass.step = PassStep::convolution;
      convolve(pass, weights.convolution, gated, first);
      pass.step = PassStep::feed_forward;
      feed_forward(pass, weights.second_ffn);
      finish(pass, weights.output.norm.f32());
    });
  }

 private:
  /// stream = stream + RMS(W_down silu(W_up RMS(stream))) / 2; the half is in the last norm's weight.
  static void feed_forward(const Pass& pass, const ConformerFfnWeights& weights) noexcept {
    Workspace& work = pass.work;
    normalise_stream(pass, weights.norm.f32());
    ProductInput input(pass, work.codes, work.normed, pass.rows, pass.hidden, pass.hidden);
    multiply(pass, input, {{weights.up, work.up, Width}});
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      silu(work.up + std::size_t{range.first} * Width, std::size_t{range.count} * Width);
    });
    ProductInput hidden(pass, work.codes, work.up, pass.rows, Width, Width);
    multiply(pass, hidden, {{weights.down, work.branch, pass.hidden}});
    add_branch(pass, weights.post_norm.f32());
  }

  /// Attends with the chunk's rows to the last `window` of the sound up to each. Rows `first` and on of keys
  /// and values are the chunk's.
  static void attend(const Pass& pass, const RelativeAttentionWeights& weights, std::uint32_t window,
                     float* keys, float* values, std::uint32_t first) noexcept {
    Workspace& work = pass.work;
    normalise_stream(pass, weights.norm.f32());
    ProductInput input(pass, work.codes, work.normed, pass.rows, pass.hidden, pass.hidden);
    multiply(pass, input,
             {{weights.q, work.query, width},
              {weights.k, keys + first * width, width},
              {weights.v, values + first * width, width}});
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      bool finite = true;
      for (std::uint32_t row = range.first; row < range.first + range.count; ++row) {
        const std::uint32_t end = first + row + 1;
        const std::uint32_t seen = std::min(end, window);
        const std::size_t from = (end - seen) * width;
        for (std::size_t head = 0; head < width; head += head_dim) {
          float* query = work.query + row * width + head;
          for (std::size_t i = 0; i < head_dim; ++i) query[i] *= weights.query_scale[i];
          const RelativeKeys rows{
              keys + from + head, values + from + head, weights.distances + head, width, width, seen};
          finite &= attend_relative<Attention::distances>(query, rows, relative_key_scale, Attention::cap,
                                                          work.attended + row * width + head, head_dim);
        }
      }
      if (!finite) pass.report_not_finite(PassFault::inside);
    });
    ProductInput attended(pass, work.codes, work.attended, pass.rows, width, width);
    multiply(pass, attended, {{weights.output, work.branch, pass.hidden}});
    add_branch(pass, weights.post_norm.f32());
  }

  /// stream = stream + W_end silu(RMS(convolution(glu(W_start RMS(stream))))). Rows `first` and on of `gated`
  /// are the chunk's.
  static void convolve(const Pass& pass, const LightConvolutionWeights& weights, float* gated,
                       std::uint32_t first) noexcept {
    Workspace& work = pass.work;
    const std::size_t n = pass.hidden;
    normalise_stream(pass, weights.norm.f32());
    ProductInput input(pass, work.codes, work.normed, pass.rows, pass.hidden, n);
    multiply(pass, input, {{weights.start, work.up, 2 * n}});
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      for (std::size_t row = range.first; row < range.first + range.count; ++row) {
        const float* from = work.up + row * 2 * n;
        glu(from, from + n, gated + (first + row) * n, n);
      }
    });
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      bool finite = true;
      for (std::uint32_t row = range.first; row < range.first + range.count; ++row) {
        const std::uint32_t end = first + row + 1;
        const std::uint32_t seen = std::min<std::uint32_t>(end, Taps);
        float* out = work.normed + row * n;
        depthwise(gated + (end - seen) * n, n, weights.taps + (Taps - seen) * n, seen, out, n);
        finite &= rms_norm(out, weights.inner_norm.f32(), out, n, pass.epsilon);
        silu(out, n);
      }
      if (!finite) pass.report_not_finite(PassFault::inside);
    });
    ProductInput convolved(pass, work.codes, work.normed, pass.rows, pass.hidden, n);
    multiply(pass, convolved, {{weights.end, work.branch, n}});
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      add(work.stream + range.first * n, work.branch + range.first * n, range.count * n);
    });
  }

  /// stream = RMS(stream).
  static void finish(const Pass& pass, const float* weight) noexcept {
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
      bool finite = true;
      for (std::size_t row = range.first; row < range.first + range.count; ++row) {
        float* x = pass.work.stream + row * pass.hidden;
        finite &= rms_norm(x, weight, x, pass.hidden, pass.epsilon);
      }
      if (!finite) pass.report_not_finite(PassFault::inside);
    });
    pass.show(PassValue::layer_output, pass.work.stream, pass.hidden);
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
