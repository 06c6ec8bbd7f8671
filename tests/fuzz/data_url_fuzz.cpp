// SPDX-License-Identifier: Apache-2.0
// Any bytes as a data URL and as base64: what is decoded, encodes to the same text again.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <lamina/media/data_url.hpp>

namespace {

std::string encoded(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t held = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      held = held << 8 | (at + i < bytes.size() ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += at + i > bytes.size() ? '=' : digits[held >> (18 - 6 * i) & 63];
    }
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto block = std::make_unique<char[]>(size);
  if (size != 0) std::memcpy(block.get(), data, size);
  const std::string_view text(block.get(), size);
  if (const auto bytes = lamina::decode_base64(text, 4096, "fuzz"); bytes && encoded(bytes->span()) != text) {
    __builtin_trap();
  }
  const auto url = lamina::decode_data_url(text, 4096);
  if (url && (url->bytes.empty() || url->bytes.size() > 4096 || !lamina::is_data_url(text))) __builtin_trap();
  if (url && text.substr(text.find(',') + 1) != encoded(url->bytes.span())) __builtin_trap();
  return 0;
}
