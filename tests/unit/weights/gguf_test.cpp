// SPDX-License-Identifier: Apache-2.0
// Reference files, split files, files by path.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include <lamina/weights/check_numbers.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"
#include "support/golden.hpp"
#include "support/temporary_directory.hpp"

using lamina::ErrorCode;

namespace {

/// A model cut into shards, as the splitting tool writes them: metadata in the first, tensors spread over
/// all.
std::vector<builder::Gguf> shards_of(const builder::Gguf& whole, std::size_t count) {
  std::vector<builder::Gguf> shards(count);
  shards[0].entries = whole.entries;
  for (std::size_t i = 0; i < count; ++i) {
    shards[i].add("split.no", 2, builder::raw(static_cast<std::uint16_t>(i)));
    shards[i].add("split.count", 2, builder::raw(static_cast<std::uint16_t>(count)));
    shards[i].add("split.tensors.count", 5, builder::raw(static_cast<std::int32_t>(whole.tensors.size())));
  }
  for (std::size_t t = 0; t < whole.tensors.size(); ++t) {
    shards[1 + t % (count - 1)].tensors.push_back(whole.tensors[t]);  // the first holds none
  }
  return shards;
}

std::string shard_name(std::size_t number, std::size_t count) {
  return lamina::text("m-%05zu-of-%05zu.gguf", number, count).c_str();
}

void write_all(const TemporaryDirectory& directory, std::vector<builder::Gguf> shards) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    directory.write(shard_name(i + 1, shards.size()), shards[i].build());
  }
}

}  // namespace

TEST_CASE("gguf: reference models open with the structure of their READMEs") {
  struct Case {
    const char* path;
    bool required;
    int layers, hidden, vocab, per_layer;
    std::size_t tensors, ignored;
  };
  for (const Case& c : {Case{"text/tiny-26b-a4b/model.gguf", true, 6, 64, 512, 0, 134, 0},
                        Case{"text/tiny-e4b/model.gguf", true, 12, 64, 512, 16, 195, 0},
                        Case{"text/tiny-12b/model.gguf", true, 12, 64, 512, 0, 169, 0},
                        Case{"text/tiny-e2b/model.gguf", false, 10, 64, 512, 16, 176, 15},
                        Case{"text/tiny-31b/model.gguf", false, 12, 64, 512, 0, 169, 0},
                        Case{"quant/q-e2b-q4_0.gguf", true, 3, 256, 512, 256, 54, 0},
                        Case{"quant/q-e2b-q4_k_m.gguf", true, 3, 256, 512, 256, 54, 0},
                        Case{"quant/q-dense-mixed.gguf", true, 2, 256, 512, 0, 30, 0},
                        Case{"quant/q-moe-q4_k_m.gguf", true, 2, 256, 512, 0, 46, 0},
                        Case{demo_path, true, 10, 128, 768, 32, 161, 0}}) {
    CAPTURE(c.path);
    const std::string path = c.path == demo_path ? demo_path : golden_path(c.path);
    if (!c.required && !std::filesystem::exists(path)) continue;
    const auto file = lamina::open_gguf(path);
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->description.layer_count == c.layers);
    CHECK(file->description.hidden == c.hidden);
    CHECK(file->description.vocab == c.vocab);
    CHECK(file->description.per_layer_input == c.per_layer);
    CHECK(file->tensors.size() == c.tensors);
    CHECK(file->ignored_tensors == c.ignored);
    CHECK(file->path == path);
    CHECK_FALSE(file->chat_template.empty());
    const auto numbers = lamina::check_numbers(*file);
    CHECK_MESSAGE(numbers, message_of(numbers));
    const auto vocabulary = lamina::read_gguf_vocabulary(file->metadata);
    REQUIRE_MESSAGE(vocabulary, message_of(vocabulary));
    CHECK(vocabulary->tokens.size() == static_cast<std::size_t>(c.vocab));
  }
}

TEST_CASE("gguf: per-layer numbers of a mixture of experts and of shared layers") {
  const auto moe = lamina::open_gguf(golden_path("text/tiny-26b-a4b/model.gguf"));
  REQUIRE_MESSAGE(moe, message_of(moe));
  const lamina::LayerDescription global = moe->description.layers[5];
  CHECK(global == lamina::LayerDescription{.attention = lamina::AttentionClass::global,
                                           .owns_kv = true,
                                           .key_is_value = true,
                                           .heads = 4,
                                           .kv_heads = 1,
                                           .head_dim = 32,
                                           .window = 0,
                                           .ffn_width = 96,
                                           .experts = 8,
                                           .active_experts = 2,
                                           .expert_width = 32});
  CHECK(moe->description.layers[0].kv_heads == 2);
  CHECK(moe->description.layers[0].window == 16);
  const auto demo = lamina::open_gguf(demo_path);
  REQUIRE_MESSAGE(demo, message_of(demo));
  CHECK(demo->description.layers[4].owns_kv);
  CHECK_FALSE(demo->description.layers[5].owns_kv);
  CHECK(demo->description.layers[5].ffn_width == 512);
  CHECK_FALSE(demo->description.layers[9].key_is_value);
}

TEST_CASE("gguf: shards open from any of their names") {
  const builder::Gguf whole = builder::model_file(builder::small_description());
  TemporaryDirectory directory;
  write_all(directory, shards_of(whole, 3));
  for (std::size_t i = 1; i <= 3; ++i) {
    const auto file = lamina::open_gguf(directory.path(shard_name(i, 3)));
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->tensors.size() == whole.tensors.size());
    CHECK(file->owners.size() == 3);
    CHECK(file->description.same_structure(builder::small_description()));
    for (const builder::Gguf::Tensor& tensor : whole.tensors) {
      const lamina::TensorView* view = file->find(tensor.name);
      REQUIRE(view != nullptr);
      CHECK(std::string_view(reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size()) ==
            tensor.data);
    }
  }
}

TEST_CASE("gguf: shards that are missing, misnamed or disagree") {
  const builder::Gguf whole = builder::model_file(builder::small_description());
  const auto open_with = [&](auto change) {
    TemporaryDirectory directory;
    auto shards = shards_of(whole, 3);
    change(shards);
    write_all(directory, shards);
    return lamina::open_gguf(directory.path(shard_name(1, 3)));
  };
  REQUIRE(open_with([](auto&) {}));
  const auto set = [](builder::Gguf& shard, const char* key, std::uint32_t value) {
    shard.without(key);
    shard.u32(key, value);
  };
  expect_error(open_with([&](auto& s) { set(s[1], "split.no", 2); }), ErrorCode::bad_file, "split.no",
               "not the one");
  expect_error(open_with([&](auto& s) { set(s[1], "split.count", 4); }), ErrorCode::bad_file, "split.count",
               "disagree");
  expect_error(open_with([&](auto& s) { set(s[0], "split.count", 4); }), ErrorCode::bad_file, "00001",
               "pattern");
  expect_error(open_with([&](auto& s) { set(s[0], "split.count", 100'000); }), ErrorCode::bad_file,
               "split.count", "range");
  expect_error(open_with([&](auto& s) { set(s[0], "split.tensors.count", 7); }), ErrorCode::bad_file,
               "split.tensors.count", "do not hold all");
  expect_error(open_with([&](auto& s) { s[2].without("split.no"); }), ErrorCode::bad_file, "split.no",
               "missing");
  expect_error(open_with([&](auto& s) {
                 s[2].tensors.push_back(s[1].tensors[0]);
                 for (builder::Gguf& shard : s) {
                   set(shard, "split.tensors.count", static_cast<std::uint32_t>(whole.tensors.size() + 1));
                 }
               }),
               ErrorCode::bad_file, whole.tensors[0].name, "occurs twice");

  TemporaryDirectory directory;
  auto shards = shards_of(whole, 3);
  write_all(directory, shards);
  std::filesystem::remove(directory.path(shard_name(2, 3)));
  const auto missing = lamina::open_gguf(directory.path(shard_name(1, 3)));
  expect_error(missing, ErrorCode::io, "m-00002-of-00003.gguf", "cannot open");
  CHECK_FALSE(missing.error().hint.empty());
  directory.write("other.gguf", shards[0].build());
  expect_error(lamina::open_gguf(directory.path("other.gguf")), ErrorCode::bad_file, "other.gguf", "pattern");
  const std::string bytes = shards[0].build();
  expect_error(lamina::read_gguf(builder::bytes_of(bytes), "f.gguf"), ErrorCode::unsupported, "split.count",
               "memory");
}

TEST_CASE("gguf: shards in memory are checked like shards in files") {
  const builder::Gguf whole = builder::model_file(builder::small_description());
  const auto read_with = [&](auto change) {
    auto shards = shards_of(whole, 3);
    change(shards);
    std::vector<std::string> files;
    for (builder::Gguf& shard : shards) files.push_back(shard.build());
    std::vector<std::span<const std::byte>> bytes;
    for (const std::string& file : files) bytes.push_back(builder::bytes_of(file));
    auto file = lamina::read_gguf_shards(bytes, "m.gguf");
    if (!file) return lamina::Result<std::size_t>(file.error());
    const std::size_t count = file->tensors.size();
    const auto weights = lamina::make_weight_file(std::move(*file));
    if (!weights) return lamina::Result<std::size_t>(weights.error());
    return lamina::Result<std::size_t>(count);
  };
  const auto tensors = read_with([](auto&) {});
  REQUIRE_MESSAGE(tensors, message_of(tensors));
  CHECK(*tensors == whole.tensors.size());
  expect_error(read_with([](auto& s) { std::swap(s[1], s[2]); }), ErrorCode::bad_file, "split.no",
               "not the one");
  expect_error(read_with([](auto& s) { s.pop_back(); }), ErrorCode::bad_file, "split.count", "disagree");
  expect_error(read_with([](auto& s) { s[1].tensors.pop_back(); }), ErrorCode::bad_file,
               "split.tensors.count", "do not hold all");
}

TEST_CASE("gguf: a single file may say that it is one of one") {
  builder::Gguf whole = builder::model_file(builder::small_description());
  whole.u32("split.count", 1);
  TemporaryDirectory directory;
  const auto file = lamina::open_gguf(directory.write("any name.gguf", whole.build()));
  CHECK_MESSAGE(file, message_of(file));
}

TEST_CASE("mapped_file: only regular files that hold something") {
  TemporaryDirectory directory;
  const std::string path = directory.write("bytes", "hello");
  const auto mapped = lamina::open_mapped(path);
  REQUIRE_MESSAGE(mapped, message_of(mapped));
  CHECK((*mapped)->size() == 5);
  CHECK(std::memcmp((*mapped)->bytes().data(), "hello", 5) == 0);
  (*mapped)->hint(lamina::AccessHint::random);
  expect_error(lamina::open_mapped(directory.path("absent")), ErrorCode::io, "absent", "cannot open");
  expect_error(lamina::open_mapped(directory.path()), ErrorCode::bad_file, directory.path(),
               "not a regular file");
  expect_error(lamina::open_mapped(directory.write("empty", "")), ErrorCode::bad_file, "empty",
               "file is empty");
  expect_error(lamina::open_mapped(std::string("a\0b", 3)), ErrorCode::bad_argument, "a?b", "NUL");
  expect_error(lamina::open_mapped(""), ErrorCode::bad_argument, "", "empty");
  REQUIRE(::mkfifo(directory.path("pipe").c_str(), 0600) == 0);
  expect_error(lamina::open_mapped(directory.path("pipe")), ErrorCode::bad_file, "pipe",
               "not a regular file");
  CHECK(lamina::path_kind(path) == lamina::PathKind::file);
  CHECK(lamina::path_kind(directory.path()) == lamina::PathKind::directory);
  CHECK(lamina::path_kind(directory.path("pipe")) == lamina::PathKind::other);
  CHECK(lamina::path_kind(directory.path("absent")) == lamina::PathKind::absent);
}

TEST_CASE("check_numbers: an infinite scale inside a block is found") {
  builder::Gguf file = builder::model_file(builder::small_description());
  file.at("blk.1.attn_q.weight").data.replace(40, 4, builder::raw(std::uint32_t{0x7F800000}));
  const std::string bytes = file.build();
  const auto weights = lamina::read_gguf(builder::bytes_of(bytes), "f.gguf");
  REQUIRE(weights);
  expect_error(lamina::check_numbers(*weights), ErrorCode::bad_file, "blk.1.attn_q.weight",
               "infinite or NaN");
}
