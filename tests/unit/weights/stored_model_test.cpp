// SPDX-License-Identifier: Apache-2.0
// Models read from flash without a heap: what `open_gguf` finds, and no byte behind the file.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/stored_model.hpp>

#include "models/demo.hpp"
#include "support/demo_path.hpp"
#include "support/gguf_builder.hpp"

namespace {

using Demo = lamina::models::Demo;

std::string demo_file() {
  std::ifstream file(demo_path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Reads `bytes` with room for `measure_stored_model` and no more.
struct Stored {
  explicit Stored(std::string_view bytes) : memory(needed()), arena(memory) {
    auto read = lamina::read_stored_model<Demo>(builder::bytes_of(bytes), "flash", arena);
    is_read = static_cast<bool>(read);
    if (read) {
      model = *read;
    } else {
      error = read.error();
    }
  }
  static std::size_t needed() {
    lamina::Arena measuring = lamina::Arena::measuring();
    lamina::measure_stored_model<Demo>(measuring);
    return measuring.bytes_needed();
  }

  std::vector<std::byte> memory;
  lamina::Arena arena;
  lamina::StoredModel model;
  lamina::Error error;
  bool is_read = false;
};

}  // namespace

TEST_CASE("stored model: tensors and numbers are those of the file") {
  const std::string bytes = demo_file();
  const Stored stored(bytes);
  REQUIRE_MESSAGE(stored.is_read, std::string(lamina::describe(stored.error).view()));
  const auto opened = lamina::read_gguf(builder::bytes_of(bytes), "demo");
  REQUIRE(static_cast<bool>(opened));
  CHECK(stored.model.description.same_structure(opened->description));
  CHECK(stored.model.description.norm_epsilon == opened->description.norm_epsilon);
  CHECK(stored.model.description.rope_base_local == opened->description.rope_base_local);
  CHECK(stored.model.description.rope_base_global == opened->description.rope_base_global);
  CHECK(stored.model.description.final_softcap == opened->description.final_softcap);
  REQUIRE(stored.model.tensors.size() == opened->tensors.size());
  for (const lamina::TensorView& tensor : opened->tensors) {
    const lamina::StoredTensor* found = stored.model.find(tensor.name);
    REQUIRE(found != nullptr);
    CHECK(found->format == tensor.format);
    CHECK(found->dims == tensor.dims);
    CHECK(found->bytes.data() == tensor.bytes.data());
    CHECK(found->bytes.size() == tensor.bytes.size());
  }
  CHECK(stored.model.find("absent") == nullptr);
}

TEST_CASE("stored model: files that are cut, packed or have more tensors are refused") {
  const std::string bytes = demo_file();
  for (const double part : {0.0, 0.0001, 0.001, 0.01, 0.05, 0.5, 0.9999}) {
    const std::string cut =
        bytes.substr(0, static_cast<std::size_t>(part * static_cast<double>(bytes.size())));
    CHECK(!Stored(cut).is_read);
  }
  std::string packed = bytes;
  packed[0] = 'L';
  CHECK(Stored(packed).error.code == lamina::ErrorCode::unsupported);
  builder::Gguf many;
  for (std::size_t i = 0; i <= lamina::most_stored_tensors<Demo>(); ++i)
    many.tensor("t" + std::to_string(i), {32}, 0, std::string(128, '\0'));
  CHECK(Stored(many.build()).error.code == lamina::ErrorCode::mismatch);
  builder::Gguf twice;
  for (int i = 0; i < 2; ++i) twice.tensor("t", {32}, 0, std::string(128, '\0'));
  CHECK(Stored(twice.build()).error.what.view() == "tensor name occurs twice");
  builder::Gguf wrong;
  wrong.u32("gemma4.rope.freq_base", 3);
  CHECK(Stored(wrong.build()).error.what.view() == "metadata value has the wrong type");
}

TEST_CASE("stored model: any damage of the header is refused or leads to tensors inside the file") {
  const std::string bytes = demo_file();
  const Stored whole(bytes);
  REQUIRE(whole.is_read);
  std::size_t header = bytes.size();
  for (const lamina::StoredTensor& tensor : whole.model.tensors) {
    const auto at =
        static_cast<std::size_t>(reinterpret_cast<const char*>(tensor.bytes.data()) - bytes.data());
    header = std::min(header, at);
  }
  std::mt19937 random(5);
  std::size_t read = 0;
  for (int round = 0; round < 400; ++round) {
    std::string damaged = bytes;
    char& byte = damaged[random() % header];
    byte = static_cast<char>(byte ^ (1 << (random() % 8)));
    const Stored stored(damaged);
    if (!stored.is_read) continue;
    ++read;
    for (const lamina::StoredTensor& tensor : stored.model.tensors) {
      const char* first = reinterpret_cast<const char*>(tensor.bytes.data());
      CHECK(first >= damaged.data());
      CHECK(first + tensor.bytes.size() <= damaged.data() + damaged.size());
    }
  }
  CHECK(read > 20);
}
