// SPDX-License-Identifier: Apache-2.0
// Runs encoders, and makes their erased entries: the one place where an encoder type meets the kernels.
// Source: vision.md §3.8 (order).
#if defined(LAMINA_TOWERS_ENCODER_ENTRY_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_TOWERS_ENCODER_ENTRY_INL_HPP
#undef LAMINA_TOWERS_ENCODER_ENTRY_INL_HPP
#else
#define LAMINA_TOWERS_ENCODER_ENTRY_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/encoders/encoder_entry.hpp>
#include <lamina/linear/linear-inl.hpp>
#include <lamina/packing/check_interleaving.hpp>
#include <lamina/rows/rope.hpp>
#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/encoders/facts.hpp>
#include <lamina/towers/backs-inl.hpp>
#include <lamina/towers/encoder_layer-inl.hpp>
#include <lamina/towers/encoder_scratch.hpp>
#include <lamina/towers/encoder_weights.hpp>
#include <lamina/towers/fronts-inl.hpp>
#include <lamina/towers/conformer-inl.hpp>
#include <lamina/towers/sound_fronts-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Bytes of scratch memory that `encode` takes for an input of `tokens` soft tokens: a constant of the type.
template <Encoder E>
[[nodiscard]] constexpr std::size_t encoder_scratch_bytes(const EncodeOptions& options,
                                                          std::uint32_t tokens) noexcept {
  Arena arena = Arena::measuring();
  const MediaShape shape = FrontKernel<typename E::Front>::shape_for(tokens, E::Back::rows_per_token);
  static_cast<void>(take_encoder_scratch<E>(options, shape, arena));
  return arena.bytes_needed();
}

/// The erased encoder `E`.
template <Encoder E>
class EncoderCoreOf final : public EncoderCore {
 public:
  using Front = FrontKernel<typename E::Front>;
  static constexpr auto layers = static_cast<std::uint32_t>(encoder_layers<E>);

  EncoderDescription described{};
  EncoderWeights<E> weights{};

  const EncoderDescription& description() const noexcept override { return described; }

  Status encode(const MediaInput& input, const EncodeOptions& options, std::span<std::byte> memory,
                std::span<float> out) const noexcept override {
    const auto shape = Front::shape_of(input, E::Back::rows_per_token);
    if (!shape) return shape.error();
    LAMINA_TRY(Front::check(input, *shape, described.sizes));
    LAMINA_TRY(check_options(options, *shape, memory.size(), out.size()));
    Arena arena(memory);
    EncoderScratch scratch = take_encoder_scratch<E>(options, *shape, arena);
    if (arena.overflowed()) return too_small(options, shape->tokens, memory.size());
    return run(input, options, *shape, scratch, out);
  }

 private:
  [[nodiscard]] Status check_options(const EncodeOptions& options, const MediaShape& shape,
                                     std::size_t scratch_bytes, std::size_t out_floats) const noexcept {
    if (options.chunk == 0 || options.chunk > EncodeOptions::most_chunk) {
      return media_error("chunk is out of range", text("1 to %u", EncodeOptions::most_chunk),
                         text("%u", options.chunk));
    }
    if (!is_known(options.precision)) return media_error("precision is unknown", "fast or exact", "another");
    const std::size_t floats =
        std::size_t{shape.tokens} * static_cast<std::size_t>(described.sizes.text_hidden);
    if (out_floats != floats) {
      return media_error("room for the soft tokens has another size", text("%zu floats", floats),
                         text("%zu", out_floats));
    }
    if (layers > 0) LAMINA_TRY(check_cache_formats(encoder_cache_format(options.precision)));
    if (scratch_bytes < encoder_scratch_bytes<E>(options, shape.tokens))
      return too_small(options, shape.tokens, scratch_bytes);
    return Done{};
  }

  static Error too_small(const EncodeOptions& options, std::uint32_t tokens, std::size_t bytes) noexcept {
    return {ErrorCode::out_of_memory,          "encode",
            "the scratch memory is too small", text("%zu bytes", encoder_scratch_bytes<E>(options, tokens)),
            text("%zu bytes", bytes),          "ask EncoderEntry::scratch_bytes how many bytes it takes"};
  }

  Status run(const MediaInput& input, const EncodeOptions& options, const MediaShape& shape,
             EncoderScratch& scratch, std::span<float> out) const noexcept {
    PassFault fault;
    const std::span<const KvRows> caches(scratch.layer_caches, layers);
    std::fill_n(scratch.layer_caches, layers, scratch.keys_and_values);
    const LayerCaches one_sequence = caches;
    Pass pass{.linear = linear_kernels(),
              .team = Team(options.executor),
              .precision = options.precision,
              .cache = encoder_cache_format(options.precision),
              .epsilon = described.norm_epsilon,
              .hidden = E::dims.hidden,
              .work = scratch.work,
              .caches = {&one_sequence, 1},
              .rows = shape.rows,
              .wanted = shape.rows,
              .rotaries = {},
              .observer = options.observer,
              .fault = &fault};
    for (std::uint32_t row = 0; row < shape.rows; ++row) pass.work.rows[row] = {0, 0, row, 0, shape.rows};
    const RowChunks chunks(pass, scratch.rotary, shape.rows, options, scratch.layer);
    const auto go_on = [&](std::uint32_t done) -> Status {
      if (fault) return fault.error();
      const EncodeProgress& progress = options.progress;
      if (progress.report == nullptr || progress.report(progress.context, done, layers + 2)) return Done{};
      return Error{ErrorCode::cancelled, "encode", "encoding was cancelled", "", "", ""};
    };

    LAMINA_TRY(go_on(0));
    fill_angles(pass, shape, scratch.rotary);
    pass.step = PassStep::input_rows;
    const FrontInput front{input, shape, described.sizes, scratch};
    chunks.for_each(
        [&](const AttentionSite&, std::uint32_t first) { Front::run(pass, weights.front, front, first); });
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      LAMINA_TRY(go_on(layer + 1));
      pass.layer = layer;
      weights.with_layer(layer, [&]<class Kind>(const LayerWeights<Kind>& layer_weights) {
        EncoderLayerKernel<Kind>::run(pass, layer_weights, chunks);
      });
    }
    LAMINA_TRY(go_on(layers + 1));
    pass.layer = 0;
    finish(pass, options, shape, scratch.encoded, out);
    return go_on(layers + 2);
  }

  /// From the stream to soft tokens.
  void finish(Pass& pass, const EncodeOptions& options, const MediaShape& shape, float* encoded,
              std::span<float> out) const noexcept {
    constexpr auto width = static_cast<std::uint32_t>(output_width<E>());
    const std::size_t text_width = weights.projector.matrix.rows;
    pass.step = PassStep::soft_tokens;
    pass.rows = shape.tokens;
    BackKernel<typename E::Back>::run(pass, weights.back, shape, options.chunk, encoded);
    pass.show(PassValue::encoded, encoded, width);
    for (std::uint32_t first = 0; first < shape.tokens; first += options.chunk) {
      pass.rows = std::min(options.chunk, shape.tokens - first);
      project_rows(pass, weights.projector.matrix, encoded + std::size_t{first} * width, width,
                   out.data() + first * text_width);
    }
    pass.rows = shape.tokens;
    pass.show(PassValue::soft_tokens, out.data(), text_width);
  }

  /// Angles of all rows: of two axes those of the row's column, then those of its row in the picture.
  void fill_angles(const Pass& pass, const MediaShape& shape, const RotaryRows& rotary) const noexcept {
    if constexpr (encoder_pairs<E>() > 0) {
      constexpr std::size_t pairs = encoder_pairs<E>() / 2;
      pass.team.split(shape.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
        for (std::uint32_t row = range.first; row < range.first + range.count; ++row) {
          const std::uint32_t position[2] = {row % shape.columns, row / shape.columns};
          for (std::size_t axis = 0; axis < 2; ++axis) {
            const std::size_t at = std::size_t{row} * rotary.pairs + axis * pairs;
            rope_angles(weights.frequencies + axis * pairs, static_cast<int>(pairs), position[axis],
                        rotary.cosines + at, rotary.sines + at);
          }
        }
      });
    }
  }
};

/// The entry of encoder `E` for this translation unit's target.
template <Encoder E>
struct EncoderEntryOf {
  using Front = FrontKernel<typename E::Front>;
  static const EncoderDescription& describe() noexcept {
    static constexpr EncoderDescription description = describe_encoder<E>();
    return description;
  }
  static const LinearKernels& kernels() noexcept { return linear_kernels(); }
  static WeightTotals totals(const EncoderSizes& sizes, Format format) noexcept {
    return encoder_totals<E>(sizes, format);
  }
  static EncoderWork work(const EncoderSizes& sizes, std::int64_t tokens) noexcept {
    return encoder_work<E>(sizes, tokens);
  }
  static Result<MediaShape> shape_of(const MediaInput& input) noexcept {
    return Front::shape_of(input, E::Back::rows_per_token);
  }
  static constexpr std::size_t core_bytes(const EncoderSizes& sizes) noexcept {
    Arena arena = Arena::measuring();
    static_cast<void>(arena.take<EncoderCoreOf<E>>(1));
    EncoderWeights<E>::measure(sizes, arena);
    return arena.bytes_needed();
  }

  static Result<const EncoderCore*> bind(const MediaFile& file, Arena& arena) noexcept {
    const EncoderDescription* found = file.encoder_of(E::Front::input);
    if (found == nullptr || !describe().serves(*found)) {
      return file_error(ErrorCode::mismatch, place(file_name_of(file.weights.path)),
                        "the file has no encoder of this type", E::name, "another structure",
                        "`encoder_entry_of` finds the encoder type that fits a file");
    }
    LAMINA_TRY(check_interleaving(file.weights, linear_kernels()));
    EncoderCoreOf<E>* core = arena.take<EncoderCoreOf<E>>(1).data();
    if (core == nullptr) return out_of_memory();
    core->described = *found;
    LAMINA_TRY(core->weights.bind(file.weights, found->sizes, linear_kernels(), arena));
    if (arena.overflowed()) return out_of_memory();
    return static_cast<const EncoderCore*>(core);
  }

  static Error out_of_memory() noexcept {
    return {ErrorCode::out_of_memory,
            "encoder",
            "the memory block is too small",
            "",
            "",
            "ask EncoderEntry::core_bytes how many bytes it takes"};
  }

  static constexpr EncoderEntry entry{
      E::name, &describe, &kernels, &totals, &work, &shape_of, &core_bytes, &encoder_scratch_bytes<E>, &bind};
};

/// The entry of encoder `E`, for lists of compiled-in encoders.
template <Encoder E>
[[nodiscard]] const EncoderEntry& make_encoder_entry() noexcept {
  return EncoderEntryOf<E>::entry;
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if !defined(HWY_TARGET_INCLUDE)
namespace lamina {
/// The code of this translation unit's target, as in forward/model_entry-inl.hpp.
namespace native = LAMINA_MODE::HWY_NAMESPACE;
}  // namespace lamina
#endif

#endif
