// SPDX-License-Identifier: Apache-2.0
// A picture and a sound that the program makes itself, shown and played to a model: what towers make of them
// are soft tokens, parts of a message like words. The demo model reads digits and hears the keys of
// telephones.
//   06_see_and_hear MODEL.gguf MMPROJ.gguf
#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

#include <lamina/chat/chat.hpp>
#include <lamina/media/picture/define_stb.hpp>
#include <lamina/multimodal/media_encoder.hpp>
#include <lamina/session.hpp>
#include <lamina/weights/media/mmproj.hpp>

#include "lamina/registry.hpp"
#include "print_error.hpp"

namespace {

/// "42" in squares of six pixels, dark on light.
lamina::Result<lamina::Picture> draw_number() {
  constexpr const char* rows[] = {"...#.   .###.", "..##.   #...#", ".#.#.   ....#", "#..#.   ...#.",
                                  "#####   ..#..", "...#.   .#...", "...#.   #####"};
  auto picture = lamina::Picture::make(384, 384, "drawing");
  if (!picture) return picture;
  for (std::size_t i = 0; i < picture->rgb().size(); ++i) picture->rgb()[i] = 230;
  for (std::size_t y = 0; y < 42; ++y) {
    for (std::size_t x = 0; x < 78; ++x) {
      if (rows[y / 6][x / 6] != '#') continue;
      for (std::size_t c = 0; c < 3; ++c) picture->rgb()[3 * (384 * (198 + y) + 152 + x) + c] = 40;
    }
  }
  return picture;
}

/// The keys 1 and 9: a fifth of a second of two tones each, silence around them.
lamina::Result<lamina::Sound> play_keys() {
  constexpr double tones[2][2] = {{697, 1209}, {852, 1477}};
  lamina::Sound sound;
  auto samples = lamina::Buffer<float>::make(11'200, "tones");
  if (!samples) return samples.error();
  for (std::size_t i = 0; i < samples->size(); ++i) {
    const double t = static_cast<double>(i) / lamina::sound_rate;
    const auto wave = [&](const double(&key)[2]) {
      return 0.4 * std::sin(2 * std::numbers::pi * key[0] * t) +
             0.4 * std::sin(2 * std::numbers::pi * key[1] * t);
    };
    const bool first = t > 0.1 && t < 0.3;
    const bool second = t > 0.4 && t < 0.6;
    samples->span()[i] = static_cast<float>(first ? wave(tones[0]) : second ? wave(tones[1]) : 0.0);
  }
  sound.samples = std::move(*samples);
  return sound;
}

int ask(lamina::Chat& chat, lamina::Result<lamina::EncodedMedia> media, const char* question) {
  if (!media) return print_error(media.error());
  const auto answer = chat.say(
      std::vector<lamina::ContentPart>{lamina::media_part(std::move(*media)), lamina::text_part(question)});
  if (!answer) return print_error(answer.error());
  std::printf("%s %s\n", question, answer->text.c_str());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return std::fprintf(stderr, "usage: %s MODEL.gguf MMPROJ.gguf\n", arguments[0]), 2;
  const auto model = lamina::Model::open(arguments[1], lamina_registry());
  if (!model) return print_error(model.error());
  auto projector = lamina::open_mmproj(arguments[2]);
  if (!projector) return print_error(projector.error());
  const auto towers = lamina::MediaEncoder::create(std::move(*projector), lamina_encoders());
  if (!towers) return print_error(towers.error());
  auto chat = lamina::Chat::create(
      *model, {.context = 1024, .generation = {.sampling = lamina::SamplingOptions::greedy()}});
  if (!chat) return print_error(chat.error());

  auto picture = draw_number();
  if (!picture) return print_error(picture.error());
  if (ask(*chat, towers->see(std::move(*picture), {.tokens = 70}), "What number is this?") != 0) return 1;
  chat->reset();
  const auto sound = play_keys();
  if (!sound) return print_error(sound.error());
  return ask(*chat, towers->hear(*sound), "Which keys were pressed?");
}
