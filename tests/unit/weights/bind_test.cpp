// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <lamina/weights/bind.hpp>
#include <lamina/weights/gguf/file.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"
#include "support/golden.hpp"

using lamina::Arena;
using lamina::ErrorCode;
using lamina::Presence;
using lamina::Slot;
using lamina::SlotUse;
using lamina::WeightMatrix;

namespace {

struct Pair {
  WeightMatrix matrix;
  WeightMatrix vector;
  WeightMatrix maybe;
};
constexpr std::array<Slot<Pair>, 3> pair_slots{
    {{&Pair::matrix, "m.weight", 3, 2},
     {&Pair::vector, "v.weight", 1, 4, 1, SlotUse::vector},
     {&Pair::maybe, "o.weight", 1, 2, 1, SlotUse::vector, Presence::optional}}};

struct Choice {
  WeightMatrix fused, first, second;
};
constexpr std::array<Slot<Choice>, 3> choice_slots{
    {{&Choice::fused, "fused.weight", 4, 2, 3, SlotUse::matrix, Presence::alternative},
     {&Choice::first, "first.weight", 2, 2, 3, SlotUse::matrix, Presence::alternative},
     {&Choice::second, "second.weight", 2, 2, 3, SlotUse::matrix, Presence::alternative}}};

/// Tensors without a file around them; `data` keeps their bytes.
struct Tensors {
  lamina::WeightFile file;
  std::vector<std::string> data;

  void add(std::string name, lamina::Format format, std::array<std::uint64_t, 4> dims, std::string bytes) {
    data.reserve(16);
    data.push_back(std::move(bytes));
    file.tensors.push_back({std::move(name), format, dims, builder::bytes_of(data.back())});
    REQUIRE(lamina::sort_tensors(file.tensors, "t"));
  }
};

std::string floats(std::initializer_list<float> values) {
  std::string bytes;
  for (const float value : values) bytes += builder::raw(value);
  return bytes;
}

Tensors good_pair() {
  Tensors t;
  t.file.path = "/x/t.gguf";
  t.add("blk.0.m.weight", lamina::Format::f32, {2, 3, 1, 1}, floats({1, 2, 3, 4, 5, 6}));
  t.add("blk.0.v.weight", lamina::Format::f32, {4, 1, 1, 1}, floats({1, 2, 3, 4}));
  return t;
}

lamina::Status bind_pair(const Tensors& t, Pair& pair) {
  static std::vector<std::byte> memory(4096);
  Arena arena(memory);
  return lamina::bind_slots(t.file, arena, "blk.0.", pair_slots, pair);
}

}  // namespace

TEST_CASE("bind: matrices view the file, vectors are widened copies, absent optional ones stay null") {
  const Tensors t = good_pair();
  Pair pair;
  const auto status = bind_pair(t, pair);
  REQUIRE_MESSAGE(status, message_of(status));
  CHECK(pair.matrix.data == t.file.find("blk.0.m.weight")->bytes.data());
  CHECK(pair.matrix.rows == 3);
  CHECK(pair.matrix.columns == 2);
  CHECK(pair.vector.data != t.file.find("blk.0.v.weight")->bytes.data());
  CHECK(reinterpret_cast<std::uintptr_t>(pair.vector.data) % 64 == 0);
  CHECK(pair.vector.f32()[3] == 4.0F);
  CHECK_FALSE(static_cast<bool>(pair.maybe));
}

TEST_CASE("bind: vectors may be stored as F16 or BF16") {
  for (const lamina::Format format : {lamina::Format::f16, lamina::Format::bf16}) {
    Tensors t = good_pair();
    std::erase_if(t.file.tensors, [](const auto& tensor) { return tensor.name == "blk.0.v.weight"; });
    const std::uint16_t two = format == lamina::Format::f16 ? 0x4000 : 0x4000;
    const std::uint16_t half = format == lamina::Format::f16 ? 0x3800 : 0x3F00;
    t.add("blk.0.v.weight", format, {4, 1, 1, 1},
          builder::raw(two) + builder::raw(half) + builder::raw(two) + builder::raw(half));
    Pair pair;
    const auto status = bind_pair(t, pair);
    REQUIRE_MESSAGE(status, message_of(status));
    CHECK(pair.vector.format == lamina::Format::f32);
    CHECK(pair.vector.f32()[0] == 2.0F);
    CHECK(pair.vector.f32()[3] == 0.5F);
  }
}

TEST_CASE("bind: what does not fit is an error that names the tensor") {
  const auto with = [](std::string_view name, auto change) {
    Tensors t = good_pair();
    for (lamina::TensorView& tensor : t.file.tensors) {
      if (tensor.name == name) change(tensor);
    }
    REQUIRE(lamina::sort_tensors(t.file.tensors, "t"));
    Pair pair;
    return bind_pair(t, pair);
  };
  using View = lamina::TensorView;
  expect_error(with("blk.0.m.weight", [](View& t) { t.name = "x"; }), ErrorCode::mismatch,
               "t.gguf: blk.0.m.weight", "missing");
  const auto shape = with("blk.0.m.weight", [](View& t) { t.dims = {3, 2, 1, 1}; });
  expect_error(shape, ErrorCode::mismatch, "blk.0.m.weight", "another shape");
  CHECK(shape.error().expected.view() == "{2, 3}");
  CHECK(shape.error().found.view() == "{3, 2}");
  expect_error(with("blk.0.m.weight",
                    [](View& t) {
                      t.dims = {2, 3, 2, 1};
                    }),
               ErrorCode::mismatch, "m.weight", "shape");
  expect_error(with("blk.0.m.weight",
                    [](View& t) {
                      t.dims = {2, 3, 1, 2};
                    }),
               ErrorCode::mismatch, "m.weight", "shape");
  expect_error(with("blk.0.m.weight", [](View& t) { t.format = lamina::Format::i32; }),
               ErrorCode::unsupported, "m.weight", "encoding");
  expect_error(with("blk.0.v.weight", [](View& t) { t.format = lamina::Format::q8_0; }),
               ErrorCode::unsupported, "v.weight", "encoding");
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const std::string bytes = floats({1, 2, bad, 4});
    const auto status = with("blk.0.v.weight", [&](View& t) { t.bytes = builder::bytes_of(bytes); });
    expect_error(status, ErrorCode::bad_file, "blk.0.v.weight", "infinite or NaN");
    CHECK(status.error().found.view().find("index 2") != std::string_view::npos);
  }
}

TEST_CASE(
    "bind: a measuring arena needs no file and counts exactly what binding takes, optional ones there or "
    "not") {
  for (const bool with_optional : {false, true}) {
    Tensors t = good_pair();
    if (with_optional) t.add("blk.0.o.weight", lamina::Format::f32, {2, 1, 1, 1}, floats({7, 8}));
    Arena measuring = Arena::measuring();
    lamina::measure_slots(pair_slots, measuring);
    std::vector<std::byte> memory(measuring.bytes_needed());
    Arena arena(memory);
    Pair pair;
    const auto status = lamina::bind_slots(t.file, arena, "blk.0.", pair_slots, pair);
    REQUIRE_MESSAGE(status, message_of(status));
    CHECK_FALSE(arena.overflowed());
    CHECK(static_cast<bool>(pair.maybe) == with_optional);
    std::vector<std::byte> small(measuring.bytes_needed() - 128);
    Arena too_small(small);
    expect_error(lamina::bind_slots(t.file, too_small, "blk.0.", pair_slots, pair), ErrorCode::out_of_memory,
                 "t.gguf: blk.0.", "arena is too small");
  }
}

TEST_CASE("bind: one complete set of alternatives, the first wins") {
  const auto bind = [](std::initializer_list<const char*> names, Choice& choice) {
    Tensors t;
    for (const std::string name : names) {
      const std::uint64_t rows = name == "fused.weight" ? 4 : 2;
      t.add(name, lamina::Format::f32, {2, rows, 3, 1},
            std::string(static_cast<std::size_t>(2 * rows * 3 * 4), '\0'));
    }
    std::vector<std::byte> memory(4096);
    Arena arena(memory);
    return lamina::bind_slots(t.file, arena, "", choice_slots, choice);
  };
  Choice a, b, c, d;
  CHECK(bind({"fused.weight"}, a));
  CHECK((a.fused && !a.first && !a.second));
  CHECK(a.fused.stack == 3);
  CHECK(bind({"first.weight", "second.weight"}, b));
  CHECK((!b.fused && b.first && b.second));
  CHECK(bind({"first.weight", "fused.weight", "second.weight"}, c));
  CHECK((c.fused && !c.first && !c.second));
  expect_error(bind({"second.weight"}, d), ErrorCode::mismatch, "", "alternative tensors are missing");
  expect_error(bind({}, d), ErrorCode::mismatch, "", "alternative tensors are missing");
}

TEST_CASE("bind: slots without elements are skipped") {
  struct One {
    WeightMatrix weight;
  };
  const std::array<Slot<One>, 2> slots{
      {{&One::weight, "none.weight", 0, 8}, {&One::weight, "none.weight", 8, 0}}};
  Arena arena = Arena::measuring();
  const std::size_t before = arena.bytes_needed();
  lamina::measure_slots(slots, arena);
  One one;
  CHECK(arena.bytes_needed() == before);
  std::vector<std::byte> memory(64);
  Arena real(memory);
  CHECK(lamina::bind_slots(lamina::WeightFile{}, real, "", slots, one));
}

TEST_CASE("bind: second scales of NVFP4, one for all or one per matrix, but never twice") {
  struct Bank {
    WeightMatrix down, scale;
  };
  const std::array<Slot<Bank>, 1> alone{{{&Bank::down, "d.weight", 1, 64, 3}}};
  const std::array<Slot<Bank>, 2> with_slot{
      {{&Bank::down, "d.weight", 1, 64, 3},
       {&Bank::scale, "d.scale", 1, 3, 1, SlotUse::vector, Presence::optional}}};
  const auto file = [](std::initializer_list<float> scales) {
    Tensors t;
    t.add("d.weight", lamina::Format::nvfp4, {64, 1, 3, 1}, std::string(108, '\1'));
    if (scales.size() > 0) t.add("d.scale", lamina::Format::f32, {scales.size(), 1, 1, 1}, floats(scales));
    return t;
  };
  std::vector<std::byte> memory(4096);
  const auto bind = [&](const Tensors& t, const auto& slots, Bank& bank) {
    Arena arena(memory);
    return lamina::bind_slots(t.file, arena, "", slots, bank);
  };
  Bank none, one, three, twice, wrong;
  REQUIRE(bind(file({}), alone, none));
  CHECK(none.down.scales == nullptr);
  REQUIRE(bind(file({0.5F}), alone, one));
  REQUIRE(one.down.scales != nullptr);
  CHECK((one.down.scales[0] == 0.5F && one.down.scales[2] == 0.5F));
  REQUIRE(bind(file({1, 2, 3}), alone, three));
  CHECK(three.down.at(2).scales[0] == 3.0F);
  REQUIRE(bind(file({1, 2, 3}), with_slot, twice));
  CHECK(twice.down.scales == nullptr);
  CHECK(twice.scale.f32()[2] == 3.0F);
  expect_error(bind(file({1, 2}), alone, wrong), ErrorCode::mismatch, "d.scale", "second scale");
  expect_error(bind(file({std::numeric_limits<float>::infinity()}), alone, wrong), ErrorCode::bad_file,
               "d.scale", "infinite");
}

TEST_CASE("bind: slots of the layer kinds fit the reference files") {
  const auto file = lamina::open_gguf(golden_path("text/tiny-26b-a4b/model.gguf"));
  REQUIRE_MESSAGE(file, message_of(file));
  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 16}>;
  using Global = lamina::GlobalAttention<lamina::AttnShape{
      .heads = 4, .kv_heads = 1, .head_dim = 32, .window = 0, .key_is_value = true}>;
  using Moe =
      lamina::MoeFfn<lamina::MoeShape{.experts = 8, .active = 2, .expert_width = 32, .shared_width = 96}>;
  constexpr lamina::Dims dims{.hidden = 64, .vocab = 512};
  std::vector<std::byte> memory(1 << 16);
  Arena arena(memory);
  lamina::AttentionWeights attention;
  lamina::MoeFfnWeights moe;
  lamina::GlobalWeights global;
  lamina::LayerScale scale;
  const auto bound = [&](const lamina::Status& status) {
    CHECK_MESSAGE(status, message_of(status));
    return static_cast<bool>(status);
  };
  REQUIRE(bound(lamina::bind_slots(*file, arena, "blk.0.", lamina::Slots<Local>::list(dims), attention)));
  CHECK(attention.v.rows == 32);
  attention = {};
  REQUIRE(bound(lamina::bind_slots(*file, arena, "blk.5.", lamina::Slots<Global>::list(dims), attention)));
  CHECK_FALSE(static_cast<bool>(attention.v));
  CHECK(attention.q.rows == 128);
  REQUIRE(bound(lamina::bind_slots(*file, arena, "blk.0.", lamina::Slots<Moe>::list(dims), moe)));
  CHECK(moe.expert_gate_up.stack == 8);
  CHECK(moe.router.rows == 8);
  CHECK(moe.expert_scale.columns == 8);
  REQUIRE(bound(lamina::bind_slots(*file, arena, "", lamina::global_slots(dims, 0, 6, 32), global)));
  CHECK(global.rope_factors.f32()[0] == 1.0F);
  CHECK_FALSE(static_cast<bool>(global.head));
  CHECK_FALSE(static_cast<bool>(global.per_layer_embedding));
  REQUIRE(bound(lamina::bind_slots(*file, arena, "blk.5.", lamina::layer_scale_slots, scale)));
  CHECK(std::isfinite(scale.scale.f32()[0]));
  // A local layer's slots do not fit the global layer.
  lamina::AttentionWeights wrong;
  expect_error(lamina::bind_slots(*file, arena, "blk.5.", lamina::Slots<Local>::list(dims), wrong),
               ErrorCode::mismatch, "blk.5.attn_q.weight", "another shape");
}
