// SPDX-License-Identifier: Apache-2.0
// Memory refused at the first allocation, at the second, and so on until nothing is refused: everything that
// reads files, builds prompts and talks returns an error or succeeds, leaves what was there as it was, and
// holds no file. AddressSanitizer's build of this finds memory that is lost on the way.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/chat/scheduling/scheduler.hpp>
#include <lamina/engine/batch.hpp>
#include <lamina/engine/drafting/draft_rounds.hpp>
#include <lamina/engine/drafting/lookahead.hpp>
#include <lamina/huggingface/directories.hpp>
#include <lamina/json/conversation.hpp>
#include <lamina/media/read_file.hpp>
#include <lamina/media/sound/decode.hpp>
#include <lamina/media/video/video.hpp>
#include <lamina/multimodal/media_encoder.hpp>
#include <lamina/session.hpp>
#include <lamina/state/prefix_store.hpp>
#include <lamina/state/state_file.hpp>
#include <lamina/weights/media/mmproj.hpp>

#include "support/demo_drafter.hpp"
#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/golden.hpp"
#include "support/held.hpp"
#include "support/picture_builder.hpp"
#include "support/refusing_memory.hpp"
#include "support/temporary_directory.hpp"

/// All models and encoders compiled into this program (generated).
std::span<const lamina::ModelEntry* const> lamina_registry();
std::span<const lamina::EncoderEntry* const> lamina_encoders();

namespace {

using lamina::ErrorCode;
using lamina::Model;
using lamina::Status;
using lamina_test::Grants;
using lamina_test::grants;

/// The result is used in a way that no compiler sees through: else clang leaves out allocations for what is
/// dropped.
template <class T>
Status status_of(const lamina::Result<T>& result) {
  asm volatile("" : : "r"(&result) : "memory");
  if (result) return lamina::Done{};
  return result.error();
}

/// Calls `work` with ever more allocations granted, from none on, until it is refused none.
/// Returns how many it makes.
std::size_t refuse_each(
    const std::function<Status()>& work, const std::function<void()>& unchanged = [] {}) {
  // Sanitizers look at every way out; of the long works a part of them tells the same.
#if defined(LAMINA_SANITIZED)
  constexpr std::size_t dense = 200;
#else
  constexpr std::size_t dense = 2000;
#endif
  std::optional<lamina_test::Held> held;
  for (std::size_t granted = 0;; granted += granted < dense ? 1 : 7) {
    grants = Grants{.calls = granted};
    const Status status = work();
    const Grants left = std::exchange(grants, Grants{});
    if (!held) held = lamina_test::held_now();
    if (left.refused == 0) {
      CHECK_MESSAGE(status, message_of(status));
      const lamina_test::Held now = lamina_test::held_now();
      CHECK((now.files == held->files && now.mappings == held->mappings));
      return granted - left.calls;
    }
    // It may do without: packed weights, for instance.
    if (!status) REQUIRE_MESSAGE(status.error().code == ErrorCode::out_of_memory, message_of(status));
    unchanged();
  }
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

Model demo() { return must(Model::open(demo_path, lamina_registry())); }

const lamina::ChatOptions greedy_chat{.context = 256,
                                      .generation = {.sampling = lamina::SamplingOptions::greedy()}};

const std::string conversation_json = R"({"messages": [
  {"role": "system", "content": "A system instruction that is too long to lie inside a string"},
  {"role": "user", "content": [{"type": "text", "text": "What is the weather in Paris, and why is it so?"}]},
  {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "weather_of_a_town",
    "arguments": {"town": "Paris", "days": [1, 2.5, null, true, {"deep": "enough to be on the heap"}]}}}]},
  {"role": "tool", "name": "weather_of_a_town", "content": "Rain, and then some more of it."}],
 "tools": [{"type": "function", "function": {"name": "weather_of_a_town", "description": "Tells the weather",
   "parameters": {"type": "object", "properties": {"town": {"type": "string", "description": "Which"}},
   "required": ["town"]}}}]})";

TEST_CASE("the test refuses what it says") {
  grants = Grants{.calls = 1};
  void* first = ::operator new(10, std::nothrow);
  void* second = ::operator new(10, std::nothrow);
  const Grants left = std::exchange(grants, Grants{});
  ::operator delete(first);
  CHECK(first != nullptr);
  CHECK(second == nullptr);
  CHECK(left.refused == 1);
}

TEST_CASE("opening a GGUF file, by its path and from memory, packed or not") {
  const std::string content = read_bytes(demo_path);
  for (const bool pack : {true, false}) {
    const lamina::OpenOptions options{.pack = pack};
    const lamina::ModelSource path(demo_path);
    CHECK(refuse_each([&] { return status_of(Model::open(path, lamina_registry(), options)); }) > 100);
    const auto memory = lamina::ModelSource::memory(bytes_of(content), "a name that is not short enough");
    CHECK(refuse_each([&] { return status_of(Model::open(memory, lamina_registry(), options)); }) > 100);
  }
}

TEST_CASE("opening a Hugging Face directory, and reading a tokenizer.json") {
  const std::string directory = golden_path("text/tiny-e2b");
  CHECK(refuse_each([&] { return status_of(lamina::open_model(directory)); }) > 100);
  const std::string json = read_bytes(golden_path("tokenizer/small.tokenizer.json"));
  REQUIRE(!json.empty());
  const auto build = [&]() -> Status {
    auto vocabulary = lamina::read_tokenizer_json(bytes_of(json), "tokenizer.json");
    if (!vocabulary) return vocabulary.error();
    return status_of(lamina::Tokenizer::create(std::move(*vocabulary)));
  };
  CHECK(refuse_each(build) > 100);
}

TEST_CASE("a file that is not good is refused as such, or for want of memory") {
  std::string content = read_bytes(demo_path);
  content.resize(content.size() / 2);
  bool told = false;
  for (std::size_t granted = 0; !told; ++granted) {
    grants = Grants{.calls = granted};
    const Status status = status_of(lamina::read_gguf(bytes_of(content), "half.gguf"));
    const bool refused = std::exchange(grants, Grants{}).refused > 0;
    REQUIRE_FALSE(static_cast<bool>(status));
    CHECK(status.error().code == (refused ? ErrorCode::out_of_memory : ErrorCode::bad_file));
    told = !refused;
  }
}

TEST_CASE("conversations: read, rendered, encoded") {
  CHECK(refuse_each([&] { return status_of(lamina::read_chat_json(conversation_json)); }) > 20);
  const auto conversation = must(lamina::read_chat_json(conversation_json));
  const auto render = [&] { return lamina::render_chat(conversation, lamina::TemplateSize::large); };
  CHECK(refuse_each([&] { return status_of(render()); }) > 10);

  const Model model = demo();
  const auto prompt = must(render());
  const auto spans = prompt.spans();
  std::vector<lamina::TokenId> ids{7};
  ids.shrink_to_fit();
  const auto encode = [&] { return model.tokenizer()->encode(spans, ids, lamina::Bos::once); };
  CHECK(refuse_each(encode, [&] { REQUIRE(ids == std::vector<lamina::TokenId>{7}); }) > 3);
  CHECK(ids.size() > 20);
}

TEST_CASE("a turn that fails leaves the conversation as it was, and the next one answers") {
  const Model model = demo();
  CHECK(refuse_each([&] { return status_of(lamina::Chat::create(model, greedy_chat)); }) > 3);
  auto chat = must(lamina::Chat::create(model, greedy_chat));
  CHECK(must(chat.say("Reverse lamina.")).text == "animal");
  std::string answer;
  const auto say = [&]() -> Status {
    auto said = chat.say("Reverse abc.");
    if (!said) return said.error();
    answer = std::move(said->text);
    return lamina::Done{};
  };
  CHECK(refuse_each(say, [&] {
          if (chat.conversation().messages.size() == 4)
            CHECK(static_cast<bool>(chat.undo()));  // it did without
          REQUIRE(chat.conversation().messages.size() == 2);
          REQUIRE(chat.conversation().messages.back().content.text == "animal");
        }) > 20);
  CHECK(answer == "cba");
  CHECK(must(chat.say("Reverse lamina.")).text == "animal");
}

TEST_CASE("keeping, going back, saving and loading: refused memory changes nothing") {
  const Model model = demo();
  auto engine = must(lamina::Engine::create(model, {.rows = 80, .cache_tokens = 1024}));
  auto sequence = must(engine.sequence({.context = 200}));
  const std::vector<lamina::TokenId> tokens(75, 9);
  const lamina::Feed feed[] = {{&sequence, tokens, lamina::Want::none}};
  must(engine.run(feed));
  CHECK(refuse_each([&] { return status_of(sequence.snapshot()); }) > 0);
  const auto snapshot = must(sequence.snapshot());
  // How many it makes depends on the compiler: clang leaves the block out, which nobody keeps.
  static_cast<void>(refuse_each([&] { return status_of(engine.branch(snapshot, {.context = 200})); }));

  const TemporaryDirectory folder;
  const std::string path = folder.path("a name that is long enough to lie on the heap.state");
  CHECK(refuse_each([&] { return lamina::save_state(sequence, path); }) > 3);
  auto other = must(engine.sequence({.context = 200}));
  const lamina::Feed few[] = {{&other, std::span(tokens).first(3), lamina::Want::none}};
  must(engine.run(few));
  CHECK(refuse_each([&] { return lamina::load_state(other, path); },
                    [&] { REQUIRE((other.position() == 3 || other.position() == 75)); }) > 1);
  CHECK(other.position() == 75);

  lamina::PrefixStore store(std::size_t{1} << 20, model.entry().page_bytes(lamina::CacheFormat::bf16));
  must(sequence.rewind(70));
  const auto shorter = must(sequence.snapshot());
  CHECK(refuse_each([&] { return store.put(snapshot); }, [&] { REQUIRE(store.count() == 0); }) > 2);
  CHECK(store.count() == 1);
  CHECK(refuse_each([&] { return store.put(shorter); }, [&] { REQUIRE(store.count() == 1); }) > 2);
  CHECK(store.find(tokens).snapshot->position() == 75);
  CHECK(store.evict());
  CHECK(store.find(tokens).snapshot->position() == 70);
}

TEST_CASE(
    "planning passes: refused memory leaves the next plan as good, and none is asked for that was expected") {
  const Model model = demo();
  auto engine = must(lamina::Engine::create(model, {.rows = 16, .logits_rows = 4, .cache_tokens = 1024}));
  std::vector<lamina::Sequence> sequences;
  const std::vector<lamina::TokenId> tokens(30, 9);
  std::vector<lamina::Feed> waiting;
  sequences.reserve(4);
  for (const std::size_t count : {1U, 30U, 20U, 1U}) {
    sequences.push_back(must(engine.sequence({.context = 64})));
    waiting.push_back({&sequences.back(), std::span(tokens).first(count), lamina::Want::last});
  }
  const lamina::BatchOptions options{.rows = 16, .logits_rows = 4, .prompt_rows = 8};
  const auto sizes = [](const lamina::Batch& batch) {
    std::vector<std::size_t> all;
    for (const lamina::Feed& feed : batch.feeds()) all.push_back(feed.tokens.size());
    return all;
  };
  lamina::Batch clean(options);
  must(clean.plan(waiting));
  const std::vector<std::size_t> want = sizes(clean);
  REQUIRE(want.size() == 4);
  const auto plan_anew = [&]() -> Status {
    lamina::Batch batch(options);
    Status status = batch.plan(waiting);
    // Refused or not, the next plan is whole.
    const Grants rest = std::exchange(grants, Grants{});
    must(batch.plan(waiting));
    CHECK(sizes(batch) == want);
    grants = rest;
    return status;
  };
  CHECK(refuse_each(plan_anew) > 4);
  CHECK(refuse_each([&] { return lamina::Batch(options).expect(4); }) == 5);
  lamina::Batch ready(options);
  must(ready.expect(4));
  for (int round = 0; round < 3; ++round) {
    grants = Grants{.calls = 0};
    const Status status = ready.plan(waiting);
    const Grants left = std::exchange(grants, Grants{});
    CHECK_MESSAGE(status, message_of(status));
    CHECK(left.refused == 0);
    CHECK(sizes(ready) == want);
  }
}

TEST_CASE("drafts for many: all memory is asked for when their scheduler is made") {
  const Model model = demo();
  lamina::SchedulerOptions options{.parallel = 3, .queue = 4, .context = 128, .cache_bytes = 0};
  options.drafter = demo_drafter();
  const auto make = [&]() -> Status {
    auto engine = lamina::Engine::create(model, {.rows = 32, .logits_rows = 27, .cache_tokens = 1024});
    if (!engine) return engine.error();
    return status_of(lamina::Scheduler::create(std::move(*engine), options));
  };
  CHECK(refuse_each(make) > 20);

  auto engine = must(lamina::Engine::create(model, {.rows = 32, .logits_rows = 10, .cache_tokens = 1024}));
  auto rounds =
      must(lamina::DraftRounds::create(*options.drafter, engine, {.most = 4, .measures = false}, 2));
  std::vector<lamina::Sequence> sequences;
  std::vector<lamina::Lookahead> aheads;
  const std::vector<lamina::TokenId> tokens(9, 7);
  for (int i = 0; i < 2; ++i) {
    sequences.push_back(must(engine.sequence({.context = 128})));
    aheads.emplace_back(model.hidden());
    const lamina::Feed feed{&sequences.back(), tokens, lamina::Want::last};
    const auto pass = must(engine.run({&feed, 1}));
    aheads.back().take(pass.logits(0), pass.hidden(0));
    must(aheads.back().finish(sequences.back(), true));
  }
  std::vector<lamina::DraftWish> wishes;
  for (std::size_t i = 0; i < 2; ++i) wishes.push_back({&aheads[i], &sequences[i], 7, 4, nullptr});
  std::size_t drafted = 0;
  grants = Grants{.calls = 0};
  Status status = lamina::Done{};
  for (int round = 0; round < 3 && status; ++round) {
    status = rounds.draft({2, 0}, 8, wishes);
    const lamina::Feed feeds[] = {{&sequences[0], aheads[0].with_drafts(7), lamina::Want::all},
                                  {&sequences[1], aheads[1].with_drafts(7), lamina::Want::all}};
    const auto pass = engine.run(feeds);
    if (!pass) break;
    drafted += rounds.drafted();
    rounds.take_pass(0.001);
    for (std::size_t i = 0; i < 2; ++i) {
      aheads[i].take(pass->logits(i), pass->hidden(i));
      const lamina::TokenId next = 7;
      static_cast<void>(aheads[i].skip({&next, 1}));
      static_cast<void>(aheads[i].finish(sequences[i], true));
    }
    rounds.finish(0);
  }
  const Grants left = std::exchange(grants, Grants{});
  CHECK_MESSAGE(status, message_of(status));
  CHECK(left.refused == 0);
  CHECK(drafted == 24);
  CHECK(sequences[0].position() >= 12);
}

TEST_CASE("pictures, videos and sounds: read, prepared, encoded") {
  const std::string projector = LAMINA_GOLDEN_DIR "/../../examples/lamina/demo/mmproj-demo.gguf";
  const auto open_towers = [&]() -> lamina::Result<lamina::MediaEncoder> {
    auto file = lamina::open_mmproj(projector);
    if (!file) return file.error();
    return lamina::MediaEncoder::create(std::move(*file), lamina_encoders());
  };
  CHECK(refuse_each([&] { return status_of(open_towers()); }) > 20);
  const lamina::MediaEncoder towers = must(open_towers());
  const std::string picture_path = golden_path("demo/images/000.png");
  const auto see = [&]() -> Status {
    auto picture = lamina::read_picture(picture_path);
    if (!picture) return picture.error();
    return status_of(towers.see(*std::move(picture)));
  };
#if defined(__clang__)
  constexpr std::size_t fewest = 5;  // it leaves out what nobody keeps
#else
  constexpr std::size_t fewest = 6;
#endif
  CHECK(refuse_each(see) >= fewest);
  const std::string sound_path = golden_path("demo/sounds/000.wav");
  const auto hear = [&]() -> Status {
    const auto bytes = lamina::read_file(sound_path, 1U << 20);
    if (!bytes) return bytes.error();
    const auto sound = lamina::read_sound(bytes->span(), "a sound");
    if (!sound) return sound.error();
    return status_of(towers.hear(*sound));
  };
  CHECK(refuse_each(hear) > 5);
  const std::vector<GifFrameSpec> frames(
      3,
      GifFrameSpec{.width = 96, .height = 48, .indices = std::vector<std::uint8_t>(96 * 48, 1), .delay = 50});
  const std::string gif = gif_file(96, 48, frames);
  const auto watch = [&]() -> Status {
    const auto video = lamina::decode_gif_video(bytes_of(gif), "a moving picture");
    if (!video) return video.error();
    return status_of(towers.watch(*video));
  };
  CHECK(refuse_each(watch) > 5);
  const TemporaryDirectory frames_of_video;
  for (const char* name : {"1.png", "2.png", "3.png"}) frames_of_video.write(name, read_bytes(picture_path));
  const std::string& folder = frames_of_video.path();
  CHECK(refuse_each([&] { return status_of(lamina::read_video(folder)); }) > 5);
}

TEST_CASE("tables whose size a file states are asked for before a container could only throw") {
  const std::string content = read_bytes(demo_path);
  const auto refused_above = [&](std::size_t bytes, auto&& work) {
    grants = Grants{.bytes = bytes};
    const Status status = work();
    const Grants left = std::exchange(grants, Grants{});
    REQUIRE_FALSE(static_cast<bool>(status));
    CHECK(status.error().code == ErrorCode::out_of_memory);
    CHECK(left.thrown == 0);
  };
  refused_above(1000, [&] { return status_of(lamina::parse_gguf(bytes_of(content), "demo.gguf")); });
  const Model model = demo();
  auto vocabulary = must(lamina::read_gguf_vocabulary(model.file().metadata));
  refused_above(model.vocab() * lamina::Tokenizer::bytes_per_token - 1,
                [&] { return status_of(lamina::Tokenizer::create(std::move(vocabulary))); });
  refused_above(model.vocab() * 8, [&] { return status_of(lamina::Sampler::create({}, model.vocab(), {})); });
}

}  // namespace
