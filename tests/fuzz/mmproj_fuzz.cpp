// SPDX-License-Identifier: Apache-2.0
// Any bytes as a projector file: container, metadata, structure, and binding to an encoder of that structure.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/towers/encoder_weights.hpp>
#include <lamina/weights/media/mmproj.hpp>

namespace {

/// The encoders of tests/support/mmproj_builder.hpp.
struct Tower {
  static constexpr std::string_view name = "tower";
  static constexpr lamina::EncoderDims dims{.hidden = 8};
  using Front = lamina::PatchFront<16>;
  using Attention = lamina::PatchAttention<lamina::AttnShape{.heads = 2, .kv_heads = 2, .head_dim = 4}, true>;
  using Layers = lamina::Schedule<lamina::Layer<Attention, lamina::PatchFfn<16, true>>>;
  using Back = lamina::PooledBack<3>;
};
struct WithoutTower {
  static constexpr std::string_view name = "without-tower";
  static constexpr lamina::EncoderDims dims{.hidden = 4};
  using Front = lamina::BlockFront<48>;
  using Layers = lamina::Schedule<>;
  using Back = lamina::PlainBack;
};

/// Binds the encoder whatever its description says: shapes are checked tensor by tensor.
template <class E>
void bind(const lamina::MediaFile& media) {
  const lamina::EncoderSizes sizes = media.vision->sizes;
  lamina::Arena measured = lamina::Arena::measuring();
  lamina::EncoderWeights<E>::measure(sizes, measured);
  constexpr std::size_t most = std::size_t{1} << 24;
  if (measured.bytes_needed() > most) return;
  std::vector<std::byte> memory(measured.bytes_needed());
  lamina::Arena arena{std::span<std::byte>(memory)};
  lamina::EncoderWeights<E> weights;
  constexpr lamina::LinearKernels none{};  // layers of pictures make no tables by products
  const auto bound = weights.bind(media.weights, sizes, none, arena);
  if (bound && arena.overflowed()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto media = lamina::read_mmproj({reinterpret_cast<const std::byte*>(data), size}, "fuzz.gguf");
  if (!media || !media->vision) return 0;
  bind<Tower>(*media);
  bind<WithoutTower>(*media);
  return 0;
}
