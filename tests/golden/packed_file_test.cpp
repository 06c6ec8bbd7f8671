// SPDX-License-Identifier: Apache-2.0
// Packed files: what is written, that it computes the bits of the original, and what is refused.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/model.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/weights/check_numbers.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/packing/write_packed.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"
#include "support/temporary_directory.hpp"

namespace {

using lamina::TokenId;

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// All quantised files of the golden data by path.
std::vector<std::string> quantised_files() {
  std::vector<std::string> paths;
  const nlohmann::json cases = read_json(golden_path("quant/cases.json"));
  for (const nlohmann::json& file : cases["files"]) {
    paths.push_back(golden_path("quant/" + file["file"].get<std::string>()));
  }
  return paths;
}

TEST_CASE("a packed file holds what packing in memory makes, and computes the same bits") {
  const std::vector<TokenId> prompt{2, 95, 35, 29, 5, 6, 7};
  const TemporaryDirectory directory;
  const auto pool = make_pool(2);
  std::size_t files = 0;
  std::size_t interleaved = 0;
  for (const std::string& path : quantised_files()) {
    CAPTURE(path);
    LoadedModel in_memory(path);
    REQUIRE(static_cast<bool>(lamina::pack_weights(*in_memory.entry, in_memory.file)));
    const std::string to = directory.path("packed.lguf");  // the second file replaces the first
    const auto written = lamina::write_packed(*in_memory.entry, path, to, pool.get());
    REQUIRE_MESSAGE(static_cast<bool>(written), message_of(written));
    CHECK(written->bytes == std::filesystem::file_size(to));
    CHECK(written->height == in_memory.file.interleave_height);
    LoadedModel mapped(to);
    CHECK(mapped.entry == in_memory.entry);
    CHECK(mapped.file.interleave_height == in_memory.file.interleave_height);
    REQUIRE(mapped.file.tensors.size() == in_memory.file.tensors.size());
    for (std::size_t i = 0; i < mapped.file.tensors.size(); ++i) {
      const lamina::TensorView& got = mapped.file.tensors[i];
      const lamina::TensorView& want = in_memory.file.tensors[i];
      CAPTURE(want.name);
      CHECK(got.name == want.name);
      CHECK(got.format == want.format);
      CHECK(got.dims == want.dims);
      CHECK(got.packing == want.packing);
      CHECK(std::ranges::equal(got.bytes, want.bytes));
      interleaved += got.packing == lamina::Packing::interleaved ? 1 : 0;
    }
    CHECK(lamina::check_numbers(mapped.file));
    // Nothing is left to do.
    const auto again = lamina::pack_weights(*mapped.entry, mapped.file);
    CHECK((again && *again == 0));
    const LoadedModel stored(path);
    for (const auto precision : {lamina::Precision::fast, lamina::Precision::exact}) {
      lamina::Session a = stored.session(options_for(precision));
      lamina::Session b = mapped.session(options_for(precision));
      CHECK(all_logits(a, prompt, 128) == all_logits(b, prompt, 128));
      CHECK(all_logits(a, prompt, 1) == all_logits(b, prompt, 1));
    }
    ++files;
  }
  CHECK(files == 8);
  CHECK(interleaved > 100);
  CHECK(directory.files() == 1);
}

TEST_CASE("a file packed for another number of rows is refused wherever it could be computed with") {
  const TemporaryDirectory directory;
  const std::string path = quantised_files().front();
  LoadedModel original(path);
  const std::string to = directory.path("packed.lguf");
  const auto written = lamina::write_packed(*original.entry, path, to);
  REQUIRE_MESSAGE(static_cast<bool>(written), message_of(written));
  // As a machine with vectors of half the length would have it: the height follows its key and its type.
  std::string bytes = read_bytes(to);
  const std::string key = "lamina.packing.height";
  const std::size_t at = bytes.find(key);
  REQUIRE(at != std::string::npos);
  CHECK(static_cast<std::uint32_t>(bytes[at + key.size() + 4]) == written->height);
  bytes[at + key.size() + 4] = static_cast<char>(written->height / 2);
  LoadedModel other(directory.write("other.lguf", bytes));
  CHECK(other.file.interleave_height == written->height / 2);
  const auto session =
      lamina::Session::create(*other.entry, other.file, options_for(lamina::Precision::fast));
  REQUIRE_FALSE(static_cast<bool>(session));
  CHECK(session.error().code == lamina::ErrorCode::mismatch);
  CHECK_FALSE(session.error().hint.empty());
  const auto packed = lamina::pack_weights(*other.entry, other.file);
  REQUIRE_FALSE(static_cast<bool>(packed));
  CHECK(packed.error().code == lamina::ErrorCode::mismatch);
}

TEST_CASE("what cannot be packed into a file, or not there, is an error that leaves nothing behind") {
  using lamina::ErrorCode;
  const TemporaryDirectory directory;
  const std::string path = quantised_files().front();
  const LoadedModel model(path);
  const auto error_of = [&](const std::string& from, const std::string& to) {
    const auto written = lamina::write_packed(*model.entry, from, to);
    CHECK_FALSE(static_cast<bool>(written));
    return written ? lamina::Error{} : written.error();
  };
  const std::string to = directory.path("packed.lguf");
  CHECK(error_of(directory.path("absent.gguf"), to).code == ErrorCode::io);
  CHECK(error_of(directory.path(), to).code == ErrorCode::unsupported);
  CHECK(error_of(path, "").code == ErrorCode::bad_argument);
  CHECK(error_of(path, directory.path()).code == ErrorCode::bad_argument);
  CHECK(error_of(path, "/dev/null").code == ErrorCode::bad_argument);
  CHECK(error_of(path, path).code == ErrorCode::bad_argument);
  CHECK(error_of(path, directory.path("no/such/folder")).code == ErrorCode::io);
  const std::string bytes = read_bytes(path);
  CHECK(error_of(directory.write("cut.gguf", bytes.substr(0, bytes.size() / 2)), to).code ==
        ErrorCode::bad_file);
  CHECK(error_of(directory.write("text.gguf", "This is no model at all. "), to).code == ErrorCode::bad_file);
  const std::string other = quantised_files().back();
  CHECK(error_of(other, to).code == ErrorCode::mismatch);  // another structure
  CHECK(directory.files() == 2);

  // A disk that takes no more in the middle of the file.
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  ::rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  ::rlimit small = before;
  small.rlim_cur = 1000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const lamina::Error full = error_of(path, to);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, ignored);
  CHECK(full.code == ErrorCode::io);
  CHECK(full.where.view().find("packed.lguf") != std::string_view::npos);
  CHECK_FALSE(full.found.empty());
  CHECK(directory.files() == 2);

  // Told to stop: no error, but no file.
  int calls = 0;
  const auto twice = [](void* context, std::uint64_t done, std::uint64_t total) {
    CHECK(done <= total);
    return ++*static_cast<int*>(context) <= 2;
  };
  const auto stopped = lamina::write_packed(*model.entry, path, to, nullptr, {twice, &calls});
  REQUIRE(static_cast<bool>(stopped));
  CHECK(stopped->bytes == 0);
  CHECK(calls == 3);
  CHECK(directory.files() == 2);

  const auto written = lamina::write_packed(*model.entry, path, to);
  REQUIRE(static_cast<bool>(written));
  CHECK(error_of(to, directory.path("again.lguf")).code == ErrorCode::unsupported);
  CHECK(directory.files() == 3);
}

TEST_CASE("a packed file carries the tables of its tokenizer, which are used where they lie") {
  const TemporaryDirectory directory;
  const std::string to = directory.path("packed.lguf");
  const LoadedModel original(demo_path);
  REQUIRE(static_cast<bool>(lamina::write_packed(*original.entry, demo_path, to)));
  LoadedModel mapped(to);
  const auto built = lamina::tokenizer_of(original.file);
  auto viewed = lamina::tokenizer_of(mapped.file);
  REQUIRE((built && viewed));
  const auto lies_in_file = [&](const void* place) {
    const auto* byte = static_cast<const std::byte*>(place);
    const lamina::GgufValue* tables = mapped.file.metadata.find(lamina::gguf_packing::vocabulary_key);
    return byte >= tables->bytes.data() && byte < tables->bytes.data() + tables->bytes.size();
  };
  CHECK(lies_in_file(viewed->tables().merges.buckets.data()));
  CHECK(lies_in_file(viewed->tables().pieces.bytes.data()));
  REQUIRE(viewed->size() == built->size());
  for (TokenId id = 0; id < built->size(); ++id) CHECK(viewed->piece(id) == built->piece(id));
  for (const char* text :
       {"Reverse lamina.", "<|turn>user\nWhat is 44 + 77?<turn|>", "na\xC3\xAFve \xF0\x9F\x98\x80"}) {
    std::vector<TokenId> want;
    std::vector<TokenId> got;
    REQUIRE(built->encode(text, lamina::Special::match, want));
    REQUIRE(viewed->encode(text, lamina::Special::match, got));
    CHECK(got == want);
  }
  // They go with the file into a model, which owns both.
  const std::byte* place = mapped.file.metadata.find(lamina::gguf_packing::vocabulary_key)->bytes.data();
  const auto model = lamina::Model::create(*mapped.entry, std::move(mapped.file), std::move(*viewed));
  REQUIRE(static_cast<bool>(model));
  CHECK(model->tokenizer()->piece(300) == built->piece(300));
  CHECK(reinterpret_cast<const std::byte*>(model->tokenizer()->tables().pieces.bytes.data()) > place);
}

TEST_CASE("damaged tables of a tokenizer are an error, those of another version are made again") {
  const TemporaryDirectory directory;
  const std::string to = directory.path("packed.lguf");
  const LoadedModel original(demo_path);
  REQUIRE(static_cast<bool>(lamina::write_packed(*original.entry, demo_path, to)));
  const std::string whole = read_bytes(to);
  const std::size_t key = whole.find(lamina::gguf_packing::vocabulary_key);
  REQUIRE(key != whole.npos);
  const std::size_t image = key + lamina::gguf_packing::vocabulary_key.size() + 4 + 4 + 8;
  CHECK(image % lamina::tables_alignment == 0);
  const auto with = [&](std::size_t at, char byte) {
    std::string changed = whole;
    changed[at] = byte;
    std::ofstream(to, std::ios::binary) << changed;
    const LoadedModel mapped(to);
    auto tokenizer = lamina::tokenizer_of(mapped.file);
    return tokenizer ? std::string(tokenizer->piece(300))
                     : std::string(lamina::describe(tokenizer.error()).view());
  };
  const auto built = lamina::tokenizer_of(original.file);
  REQUIRE(static_cast<bool>(built));
  CHECK(with(image + 7, 'x') == built->piece(300));  // the version
  CHECK(with(image + 16, '\x7F').find("lamina.packing.vocabulary: tables of the vocabulary") !=
        std::string::npos);
}

}  // namespace
