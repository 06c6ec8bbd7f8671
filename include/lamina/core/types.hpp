// SPDX-License-Identifier: Apache-2.0
// The words every part of the library shares: token ids, precisions, cache formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <lamina/core/config.hpp>
#include <lamina/core/utf8.hpp>

namespace lamina {

/// Index of a vocabulary entry.
using TokenId = std::uint32_t;

/// How activations enter matrix products (architecture 10).
enum class Precision : std::uint8_t {
  fast,   ///< int8 (integer weights) or whatever the target multiplies natively (float weights)
  exact,  ///< float32 throughout, weights widened on the fly; meets the float32 reference tolerances
};

/// Element type of stored keys and values.
enum class CacheFormat : std::uint8_t { bf16, int8, f32 };

/// Element types of stored keys and values by class of attention: of local layers, whose caches hold a
/// window, and of global ones, whose caches grow with the context.
///
///   EngineOptions options{.cache = CacheFormat::bf16};  // both
///   options.cache.global = CacheFormat::int8;
struct CacheFormats {
  CacheFormat local = CacheFormat::bf16;
  CacheFormat global = CacheFormat::bf16;

  constexpr CacheFormats() noexcept = default;
  // NOLINTNEXTLINE(google-explicit-constructor): one format is that of both classes
  constexpr CacheFormats(CacheFormat both) noexcept : local(both), global(both) {}

  /// These, but for the format of global layers.
  [[nodiscard]] constexpr CacheFormats with_global(CacheFormat format) const noexcept {
    CacheFormats formats = *this;
    formats.global = format;
    return formats;
  }

  /// The format of a cache that holds `window` tokens; 0: all.
  [[nodiscard]] constexpr CacheFormat of_window(std::int64_t window) const noexcept {
    return window > 0 ? local : global;
  }

  [[nodiscard]] constexpr bool are_equal() const noexcept { return local == global; }
  friend constexpr bool operator==(const CacheFormats&, const CacheFormats&) noexcept = default;
};

#if !defined(LAMINA_CACHE_FORMATS)
#define LAMINA_CACHE_FORMATS bf16, int8, f32
#endif

/// Set of cache formats that are compiled, bit n for the enumerator of value n.
inline constexpr std::uint32_t built_in_cache_formats = [] {
  using enum CacheFormat;
  std::uint32_t set = 0;
  for (const CacheFormat format : {LAMINA_CACHE_FORMATS}) set |= 1U << static_cast<unsigned>(format);
  return set;
}();

/// Whether a cache format is compiled.
[[nodiscard]] constexpr bool is_built_in(CacheFormat format,
                                         std::uint32_t set = built_in_cache_formats) noexcept {
  return (set >> static_cast<unsigned>(format) % 32 & 1) != 0;
}

/// Rounding of the factor sqrt(hidden) on token embeddings (text-decoder.md §2.1, where sources differ).
enum class EmbeddingScale : std::uint8_t {
  automatic,  ///< float32 under `Precision::exact`, bf16 under `Precision::fast`
  float32,    ///< unrounded, as the float32 reference
  bf16,       ///< rounded to bf16, as the models were trained
};

/// Where the rows of a picture see each other, in models that have such blocks (vision.md §5.5, where
/// versions of the reference differ).
enum class BlockMask : std::uint8_t {
  local_layers,  ///< in layers with a window, which still limits what they see before them
  all_layers,    ///< everywhere and whatever the window, as some versions of the reference do for 12B
};

/// What is shown or played to a model.
enum class Medium : std::uint8_t { image, video, audio };

/// Which of the two published chat templates a model was trained with: they differ in the empty thought block
/// that keeps large models from thinking.
enum class TemplateSize : std::uint8_t {
  small,  ///< E2B, E4B
  large,  ///< 12B, 26B-A4B, 31B
};

/// The chat template of a model: those with per-layer inputs are the small ones.
[[nodiscard]] constexpr TemplateSize template_size_of(bool has_per_layer_inputs) noexcept {
  return has_per_layer_inputs ? TemplateSize::small : TemplateSize::large;
}

/// Tells whether a value is one of its enumeration's: options may come from a cast.
[[nodiscard]] constexpr bool is_known(Precision p) noexcept {
  return p == Precision::fast || p == Precision::exact;
}
[[nodiscard]] constexpr bool is_known(CacheFormat f) noexcept {
  return f == CacheFormat::bf16 || f == CacheFormat::int8 || f == CacheFormat::f32;
}
[[nodiscard]] constexpr bool is_known(CacheFormats f) noexcept {
  return is_known(f.local) && is_known(f.global);
}
[[nodiscard]] constexpr bool is_known(EmbeddingScale s) noexcept {
  return s == EmbeddingScale::automatic || s == EmbeddingScale::float32 || s == EmbeddingScale::bf16;
}

[[nodiscard]] constexpr bool is_known(BlockMask m) noexcept {
  return m == BlockMask::local_layers || m == BlockMask::all_layers;
}

[[nodiscard]] constexpr std::string_view name_of(Medium medium) noexcept {
  return medium == Medium::image ? "image" : medium == Medium::video ? "video" : "audio";
}
[[nodiscard]] constexpr std::string_view name_of(Precision p) noexcept {
  return p == Precision::fast ? "fast" : "exact";
}
[[nodiscard]] constexpr std::string_view name_of(CacheFormat f) noexcept {
  return f == CacheFormat::bf16 ? "bf16" : f == CacheFormat::int8 ? "int8" : "f32";
}

/// "int8" where both classes have one format, else as "local=bf16,global=int8". Requires known formats.
[[nodiscard]] constexpr std::string_view name_of(CacheFormats f) noexcept {
  constexpr std::string_view names[3][3] = {{"bf16", "local=bf16,global=int8", "local=bf16,global=f32"},
                                            {"local=int8,global=bf16", "int8", "local=int8,global=f32"},
                                            {"local=f32,global=bf16", "local=f32,global=int8", "f32"}};
  return names[static_cast<std::size_t>(f.local)][static_cast<std::size_t>(f.global)];
}

/// The cache format of this name.
[[nodiscard]] constexpr std::optional<CacheFormat> find_cache_format(std::string_view name) noexcept {
  for (const CacheFormat format : {CacheFormat::bf16, CacheFormat::int8, CacheFormat::f32}) {
    if (name == name_of(format)) return format;
  }
  return std::nullopt;
}

/// The cache formats that a text names: one for both classes ("int8"), or by class, in any order
/// ("local=bf16,global=int8"); a class that it leaves out has that of `others`. Nothing for any other text.
[[nodiscard]] constexpr std::optional<CacheFormats> find_cache_formats(std::string_view text,
                                                                       CacheFormats others = {}) noexcept {
  if (const auto both = find_cache_format(text)) return CacheFormats(*both);
  bool has_local = false;
  bool has_global = false;
  while (true) {
    const bool is_local = text.starts_with("local=");
    if (!is_local && !text.starts_with("global=")) return std::nullopt;
    text = tail_of(text, text.find('=') + 1);
    const std::size_t end = text.find(',');
    const bool is_last = end == text.npos;
    const auto format = find_cache_format(is_last ? text : head_of(text, end));
    bool& is_named = is_local ? has_local : has_global;
    if (!format || is_named) return std::nullopt;
    is_named = true;
    (is_local ? others.local : others.global) = *format;
    if (is_last) return others;
    text = tail_of(text, end + 1);
  }
}

}  // namespace lamina
