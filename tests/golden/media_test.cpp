// SPDX-License-Identifier: Apache-2.0
// From files of pictures and sounds to answers: the demo model reads digits and hears telephone keys, and
// what was shown stays shown. Source: golden/demo/README.md (prompts), vision.md §5, §6, audio.md §5.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/media/picture/decode.hpp>
#include <lamina/media/read_file.hpp>
#include <lamina/media/sound/decode.hpp>
#include <lamina/multimodal/media_encoder.hpp>
#include <lamina/weights/media/mmproj.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

/// All encoders compiled into this program (generated).
std::span<const lamina::EncoderEntry* const> lamina_encoders();

namespace {

using lamina::ErrorCode;

const char* const demo_projector = LAMINA_GOLDEN_DIR "/../../examples/lamina/demo/mmproj-demo.gguf";

lamina::MediaEncoder demo_towers() {
  return must(lamina::MediaEncoder::create(must(lamina::open_mmproj(demo_projector)), lamina_encoders()));
}

lamina::Model demo_model() { return must(lamina::Model::open(demo_path, lamina_registry())); }

lamina::Chat talk_with(const lamina::Model& model, lamina::Precision precision) {
  lamina::ChatOptions options;
  options.context = 512;
  options.precision = precision;
  if (precision == lamina::Precision::exact) options.cache = lamina::CacheFormat::f32;
  options.generation.sampling = lamina::SamplingOptions::greedy();
  return must(lamina::Chat::create(model, options));
}

lamina::EncodedMedia see(const lamina::MediaEncoder& towers, const std::string& file,
                         lamina::Precision precision) {
  return must(towers.see(must(lamina::read_picture(golden_path("demo/" + file))), {.tokens = 70},
                         {.precision = precision}));
}

lamina::EncodedMedia hear(const lamina::MediaEncoder& towers, const std::string& file,
                          lamina::Precision precision) {
  const auto bytes = must(lamina::read_file(golden_path("demo/" + file), 1U << 20));
  const auto sound = must(lamina::read_sound(bytes.span(), file));
  return must(towers.hear(sound, lamina::TooLong::refuse, {.precision = precision}));
}

TEST_CASE("the demo model reads digits and hears keys as the reference does") {
  const lamina::Model model = demo_model();
  const lamina::MediaEncoder towers = demo_towers();
  CHECK(towers.sees());
  CHECK(towers.hears());
  REQUIRE(static_cast<bool>(towers.check_fits(model.hidden())));
  for (const lamina::Precision precision : {lamina::Precision::exact, lamina::Precision::fast}) {
    for (const bool looks : {true, false}) {
      const nlohmann::json cases = read_json(golden_path(looks ? "demo/images.json" : "demo/sounds.json"));
      REQUIRE(cases.size() >= 5);
      std::size_t wrong = 0;
      for (const nlohmann::json& one : cases) {
        const auto file = one["file"].get<std::string>();
        auto media = looks ? see(towers, file, precision) : hear(towers, file, precision);
        REQUIRE(media.pieces.size() == 1);
        CHECK(media.pieces[0].count() == one["soft_tokens"].get<std::uint32_t>());
        auto chat = talk_with(model, precision);
        const auto answer = must(chat.say(std::vector<lamina::ContentPart>{
            lamina::media_part(std::move(media)), lamina::text_part(one["question"].get<std::string>())}));
        const auto wanted = one["reference"].get<std::string>();
        wrong += answer.text + "<turn|>" != wanted;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("what was shown stays shown, and another picture is another prompt") {
  const lamina::Model model = demo_model();
  const lamina::MediaEncoder towers = demo_towers();
  const auto first = see(towers, "images/000.png", lamina::Precision::exact);
  const auto second = see(towers, "images/001.png", lamina::Precision::exact);
  const auto again = see(towers, "images/000.png", lamina::Precision::exact);
  const auto ids = [](const lamina::EncodedMedia& media) {
    return std::vector<lamina::TokenId>(media.pieces[0].ids().begin(), media.pieces[0].ids().end());
  };
  CHECK(ids(first) == ids(again));
  CHECK(ids(first) != ids(second));
  const auto shown = ids(first);
  CHECK(std::all_of(shown.begin(), shown.end(),
                    [](lamina::TokenId id) { return id >= lamina::soft_id_begin; }));

  auto chat = talk_with(model, lamina::Precision::exact);
  const auto ask = [&](const lamina::EncodedMedia& media) {
    return must(chat.say(
        std::vector<lamina::ContentPart>{lamina::media_part(media), lamina::text_part("Read the number.")}));
  };
  const auto answer = ask(first);
  const auto more = must(chat.say("Reverse lamina."));
  CHECK(more.prompt_tokens_read < answer.prompt_tokens);  // the picture was not read again
  chat.reset();
  const auto other = ask(second);
  CHECK(other.prompt_tokens_read > 64);  // same words, another picture
  CHECK(other.text != answer.text);
  chat.reset();
  CHECK(ask(again).text == answer.text);
}

TEST_CASE("pictures and sounds that do not fit a prompt are errors, and the conversation stays as it was") {
  const lamina::Model model = demo_model();
  const lamina::MediaEncoder towers = demo_towers();
  auto chat = talk_with(model, lamina::Precision::exact);
  lamina::ContentPart unseen;
  unseen.kind = lamina::ContentPart::Kind::image;
  const auto parts = [](lamina::ContentPart part) {
    return std::vector<lamina::ContentPart>{std::move(part)};
  };
  expect_error(chat.say(parts(unseen)), ErrorCode::unsupported, "messages[0].content[0]", "not encoded");
  auto wide = must(lamina::SoftTokens::create(lamina::Medium::image, std::vector<float>(200, 0.5F), 100));
  expect_error(chat.say(parts(lamina::media_part({{wide}, {}}))), ErrorCode::mismatch, "prompt",
               "another model");
  CHECK(chat.conversation().messages.empty());
  expect_error(lamina::SoftTokens::create(lamina::Medium::image, std::vector<float>(7), 3),
               ErrorCode::bad_argument, "soft tokens", "no whole rows");
  expect_error(towers.check_fits(1536), ErrorCode::mismatch, "mmproj-demo.gguf", "another model");
  // A sound where a picture belongs: only a prompt that was put together by hand can ask for it.
  const auto sound = hear(towers, read_json(golden_path("demo/sounds.json"))[0]["file"].get<std::string>(),
                          lamina::Precision::exact);
  lamina::Prompt prompt;
  prompt.media("<|image|>", sound);
  expect_error(lamina::encode_prompt(prompt, *model.tokenizer(), model.hidden()), ErrorCode::unsupported,
               "prompt", "another kind");
  lamina::Prompt empty;
  empty.trusted("<|image|>");
  expect_error(lamina::encode_prompt(empty, *model.tokenizer(), model.hidden()), ErrorCode::unsupported,
               "prompt", "nothing is given");
  // What a person types is never a place for a picture.
  lamina::Prompt typed;
  typed.untrusted("<|image|>");
  CHECK(static_cast<bool>(lamina::encode_prompt(typed, *model.tokenizer(), model.hidden())));
}

TEST_CASE("a model without a tower says so, and encoding can be cancelled") {
  auto file = must(lamina::open_mmproj(demo_projector));
  file.audio.reset();
  const auto eyes = must(lamina::MediaEncoder::create(std::move(file), lamina_encoders()));
  CHECK(eyes.sees());
  CHECK_FALSE(eyes.hears());
  lamina::Sound sound;
  expect_error(eyes.hear(sound), ErrorCode::unsupported, "mmproj-demo.gguf", "no tower for sounds");
  auto none = must(lamina::open_mmproj(demo_projector));
  none.audio.reset();
  none.vision.reset();
  expect_error(lamina::MediaEncoder::create(std::move(none), lamina_encoders()), ErrorCode::unsupported,
               "mmproj-demo.gguf", "no towers");
  auto picture = must(lamina::read_picture(golden_path("demo/images/000.png")));
  lamina::EncodeOptions encoding;
  encoding.progress.report = [](void*, std::uint32_t done, std::uint32_t) { return done < 2; };
  const auto cancelled = eyes.see(std::move(picture), {}, encoding);
  REQUIRE_FALSE(static_cast<bool>(cancelled));
  CHECK(cancelled.error().code == ErrorCode::cancelled);
}

TEST_CASE("frames of a video stand behind their times, each between the marks of a picture") {
  const lamina::Model model = demo_model();
  const lamina::MediaEncoder towers = demo_towers();
  std::vector<lamina::Picture> pictures;
  for (const char* file : {"000", "001", "002"})
    pictures.push_back(must(
        lamina::resize(must(lamina::read_picture(golden_path("demo/images/" + std::string(file) + ".png"))),
                       384, 384, lamina::Resampling::resize16, "frame")));
  lamina::VideoOptions options;
  options.frame_rate = 1.0 / 40;  // frames at 0:00, 0:40 and 1:20
  const auto video = must(lamina::video_of_pictures(pictures, options));
  const auto media = must(towers.watch(video));
  REQUIRE(media.pieces.size() == 3);
  lamina::Prompt prompt;
  prompt.trusted("See ");
  prompt.media("<|video|>", media);
  CHECK(prompt.text() == "See 00:00 <|image|> 00:40 <|image|> 01:20 <|image|>");
  const auto encoded = must(lamina::encode_prompt(prompt, *model.tokenizer(), model.hidden()));
  REQUIRE(encoded.soft.size() == 3);
  const lamina::SpecialTokens& special = model.tokenizer()->special();
  for (const lamina::SoftRows& rows : encoded.soft) {
    CHECK(rows.is_block);
    CHECK(encoded.ids[rows.first - 1] == special.image_open);
    CHECK(encoded.ids[rows.end()] == special.image_close);
  }
}

}  // namespace
