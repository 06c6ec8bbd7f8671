// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include <lamina/weights/as_header.hpp>
#include <lamina/weights/gguf.hpp>

#include "demo_path.hpp"
#include "expect_error.hpp"
#include "gguf_builder.hpp"
#include "support/golden.hpp"

TEST_CASE("as_header: shared layers and per-layer inputs (the demo)") {
  const auto file = lamina::open_gguf(demo_path);
  REQUIRE_MESSAGE(file, message_of(file));
  CHECK(lamina::as_header(file->description, "lamina-demo") == R"(// SPDX-License-Identifier: Apache-2.0
// lamina-demo: 10 layers, hidden width 128; written by `lamina plan --as-header`.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

struct LaminaDemo {
  static constexpr std::string_view name = "lamina-demo";
  static constexpr lamina::Dims dims{.hidden = 128, .vocab = 768, .max_context = 8192};

  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .window = 64}>;
  using Global = lamina::GlobalAttention<lamina::AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 64}>;
  using Ffn = lamina::DenseFfn<256>;
  using Ffn2 = lamina::DenseFfn<512>;
  using PerLayer = lamina::PerLayerInput<32>;
  using LocalLayer = lamina::Layer<Local, Ffn, PerLayer>;
  using GlobalLayer = lamina::Layer<Global, Ffn, PerLayer>;
  using SharedLocalLayer = lamina::Layer<lamina::SharedKv<Local>, Ffn2, PerLayer>;
  using SharedGlobalLayer = lamina::Layer<lamina::SharedKv<Global>, Ffn2, PerLayer>;

  using Owners = lamina::Schedule<lamina::Repeat<4, LocalLayer>, GlobalLayer>;
  using Readers = lamina::Schedule<lamina::Repeat<4, SharedLocalLayer>, SharedGlobalLayer>;
  using Layers = lamina::Schedule<Owners, Readers>;
};
)");
}

TEST_CASE("as_header: experts, K=V") {
  const auto file = lamina::open_gguf(golden_path("text/tiny-26b-a4b/model.gguf"));
  REQUIRE_MESSAGE(file, message_of(file));
  const std::string header = lamina::as_header(file->description, "tiny-26b-a4b");
  CHECK(header.find("struct Tiny26BA4B {") != std::string::npos);
  CHECK(header.find(".head_dim = 32, .key_is_value = true}>;") != std::string::npos);
  CHECK(header.find("lamina::MoeFfn<lamina::MoeShape{.experts = 8, .active = 2, .expert_width = 32, "
                    ".shared_width = 96}>;") != std::string::npos);
  CHECK(header.find("using Layers = lamina::Schedule<lamina::Repeat<5, LocalLayer>, GlobalLayer>;") !=
        std::string::npos);
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
