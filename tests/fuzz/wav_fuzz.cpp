// SPDX-License-Identifier: Apache-2.0
// Any bytes as a WAV file: what is read keeps the limits and holds numbers only, and becomes a sound and
// features.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/media/sound/decode.hpp>
#include <lamina/media/sound/log_mel.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  (void)lamina::sound_format_of(bytes);
  const lamina::SoundLimits limits{.max_seconds = 0.5, .max_bytes = 1 << 16};
  auto recording = lamina::read_wav(bytes, "fuzz.wav", limits);
  if (!recording) return 0;
  const std::span<const float> samples = recording->samples.span();
  if (recording->channels < 1 || samples.empty() || samples.size() > size ||
      samples.size_bytes() > limits.max_bytes ||
      samples.size() != recording->frames() * static_cast<std::size_t>(recording->channels) ||
      static_cast<double>(recording->frames()) > limits.max_seconds * recording->rate) {
    __builtin_trap();
  }
  for (const float sample : samples) {
    if (!std::isfinite(sample)) __builtin_trap();
  }
  // The filter takes long to make: one rate that needs it in sixteen.
  if (recording->rate != lamina::sound_rate && data[size - 1] % 16 != 0) return 0;
  const std::size_t expected = static_cast<std::size_t>(
      lamina::resampled_size(recording->frames(), recording->rate, lamina::sound_rate));
  const auto sound = lamina::make_sound(std::move(*recording));
  if (!sound || sound->samples.size() != expected) __builtin_trap();
  const auto features = lamina::log_mel(sound->samples.span());
  if (features && features->frames() != lamina::mel_frames(sound->samples.size())) __builtin_trap();
  return 0;
}
