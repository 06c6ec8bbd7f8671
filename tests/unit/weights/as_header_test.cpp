// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include <lamina/schedule/describe.hpp>
#include <lamina/weights/as_header.hpp>
#include <lamina/weights/gguf/file.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "expected/lamina_demo.hpp"
#include "expected/q_e2b.hpp"
#include "expected/tiny_26b_a4b.hpp"
#include "support/gguf_builder.hpp"
#include "support/golden.hpp"

namespace {

/// The header of a file must be the committed text, and that text, compiled, must be the file's structure.
template <class Model>
void check_header(const std::string& path, const char* expected) {
  const auto file = lamina::open_gguf(path);
  REQUIRE_MESSAGE(file, message_of(file));
  const std::string text = read_bytes(std::string(LAMINA_GOLDEN_DIR "/../unit/weights/expected/") + expected);
  REQUIRE_FALSE(text.empty());
  CHECK(lamina::as_header(file->description, Model::name) == text);
  constexpr lamina::ModelDescription compiled = lamina::describe<Model>();
  CHECK(file->description.same_structure(compiled));
  CHECK(file->description.max_context == compiled.max_context);
}

}  // namespace

TEST_CASE("as_header: shared layers and per-layer inputs (the demo)") {
  check_header<LaminaDemo>(demo_path, "lamina_demo.hpp");
}

TEST_CASE("as_header: experts, K=V") {
  check_header<Tiny26BA4B>(golden_path("text/tiny-26b-a4b/model.gguf"), "tiny_26b_a4b.hpp");
}

TEST_CASE("as_header: single layers without runs") {
  check_header<QE2B>(golden_path("quant/q-e2b-q4_0.gguf"), "q_e2b.hpp");
}

TEST_CASE("as_header: runs inside runs, as the published schedules are written") {
  auto model = builder::small_description();
  model.layer_count = 35;  // E2B's pattern: 3 x (4 + 1) owners, 4 x (4 + 1) readers
  const auto local = model.layers[0];
  const auto global = model.layers[1];
  for (std::size_t i = 0; i < 35; ++i) {
    model.layers[i] = i % 5 == 4 ? global : local;
    model.layers[i].owns_kv = i < 15;
  }
  const std::string header = lamina::as_header(model, "e2b");
  CHECK(header.find("using Owners = lamina::Schedule<lamina::Repeat<3, lamina::Repeat<4, LocalLayer>, "
                    "GlobalLayer>>;") != std::string::npos);
  CHECK(header.find("lamina::Repeat<4, lamina::Repeat<4, SharedLocalLayer>, SharedGlobalLayer>>;") !=
        std::string::npos);
}

TEST_CASE("as_header: irregular layers get numbered aliases") {
  auto model = builder::small_description();
  model.layers[0].ffn_width = 10;
  model.layers[1] = model.layers[0];
  model.layers[1].window = 32;
  model.layers[2] = model.layers[0];
  model.layers[2].ffn_width = 20;
  model.layers[2].owns_kv = true;
  const std::string header = lamina::as_header(model, "x");
  CHECK(header.find("using Local2 =") != std::string::npos);
  CHECK(header.find("using Ffn2 = lamina::DenseFfn<20>;") != std::string::npos);
  CHECK(header.find("lamina::Schedule<LocalLayer, LocalLayer2, LocalLayer3>;") != std::string::npos);
}

TEST_CASE("as_header: names from paths") {
  CHECK(lamina::header_name("/a/b/My Model.Q4_0.gguf") == "My-Model.Q4_0");
  CHECK(lamina::header_name("/a/gemma-4-E2B-it/") == "gemma-4-E2B-it");
  CHECK(lamina::header_name("x\"; int y;//.gguf").find('"') == std::string::npos);
  CHECK(lamina::header_name("") == "my-model");
  CHECK(lamina::header_name("/") == "my-model");
  const auto model = builder::small_description();
  CHECK(lamina::as_header(model, "4-b").find("struct B {") != std::string::npos);
  CHECK(lamina::as_header(model, "123").find("struct MyModel {") != std::string::npos);
}
