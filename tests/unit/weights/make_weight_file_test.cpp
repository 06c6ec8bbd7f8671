// SPDX-License-Identifier: Apache-2.0
// Weight files of a user's own model type: GGUF files of another architecture, and tensors in memory.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <lamina/weights/bind.hpp>
#include <lamina/weights/make_weight_file.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::ErrorCode;
using lamina::ExpectedTensor;
using lamina::Status;

namespace {

/// A model as a user writes it: two local layers and one that sees everything.
struct Small {
  static constexpr std::string_view name = "small";
  static constexpr lamina::Dims dims{.hidden = 8, .vocab = 6, .max_context = 64};
  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 4, .window = 16}>;
  using Global = lamina::GlobalAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 8}>;
  using Ffn = lamina::DenseFfn<12>;
  using Layers = lamina::Schedule<lamina::Repeat<2, lamina::Layer<Local, Ffn>>, lamina::Layer<Global, Ffn>>;
};

/// Experts and per-layer inputs, which come as alternatives and outside the layers.
struct Rich {
  static constexpr std::string_view name = "rich";
  static constexpr lamina::Dims dims{.hidden = 8, .vocab = 6, .max_context = 64};
  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 4, .window = 16}>;
  using Experts =
      lamina::MoeFfn<lamina::MoeShape{.experts = 3, .active = 2, .expert_width = 4, .shared_width = 12}>;
  using Input = lamina::PerLayerInput<4>;
  using Layers = lamina::Schedule<lamina::Layer<Local, Experts, Input>,
                                  lamina::Layer<lamina::SharedKv<Local>, lamina::DenseFfn<8>, Input>>;
};

template <class V>
Status for_each_of(auto visit) {
  return lamina::for_each_slot_list<V>([&](std::string_view prefix, const auto& slots) {
    return lamina::for_each_expected_of(
        prefix, slots, [&](const ExpectedTensor& tensor, const auto&) { return visit(tensor); });
  });
}

/// All required tensors of `V` in float32, and the fused experts.
template <class V>
builder::Gguf file_of(std::string_view architecture) {
  builder::Gguf file;
  file.string("general.architecture", architecture);
  const Status status = for_each_of<V>([&](const ExpectedTensor& tensor) -> Status {
    if (tensor.presence == lamina::Presence::optional) return lamina::Done{};
    if (tensor.presence == lamina::Presence::alternative && !tensor.name.ends_with("gate_up_exps.weight")) {
      return lamina::Done{};
    }
    const auto size = [](std::int64_t n) { return static_cast<std::uint64_t>(n); };
    std::string data;
    for (std::int64_t i = 0; i < tensor.columns * tensor.rows * tensor.stack; ++i) data += builder::raw(0.5F);
    file.tensor(std::string(tensor.name), {size(tensor.columns), size(tensor.rows), size(tensor.stack)}, 0,
                data);
    return lamina::Done{};
  });
  REQUIRE(status);
  return file;
}

builder::Gguf gemma3() {
  builder::Gguf file = file_of<Small>("gemma3");
  file.u32("gemma3.block_count", 3).u32("gemma3.context_length", 32).u32("gemma3.attention.head_count", 2);
  file.u32("gemma3.attention.head_count_kv", 1).u32("gemma3.attention.sliding_window", 16);
  file.f32("gemma3.attention.layer_norm_rms_epsilon", 1e-5F).f32("gemma3.rope.freq_base", 500'000.0F);
  return file;
}

template <class V = Small>
lamina::Result<lamina::WeightFile> read_as(builder::Gguf file) {
  static std::string bytes;  // what the result views
  bytes = file.build();
  auto parsed = lamina::read_gguf_file(builder::bytes_of(bytes), "own.gguf");
  REQUIRE_MESSAGE(parsed, message_of(parsed));
  return lamina::make_weight_file<V>(std::move(*parsed));
}

std::vector<lamina::TensorView> views_of(const builder::Gguf& file) {
  std::vector<lamina::TensorView> views;
  for (const auto& tensor : file.tensors) {
    lamina::TensorView view{tensor.name, lamina::Format::f32, {}, builder::bytes_of(tensor.data)};
    view.dims = {tensor.dims[0], tensor.dims[1], tensor.dims[2], 1};
    views.push_back(view);
  }
  return views;
}

}  // namespace

TEST_CASE("make_weight_file: a GGUF of another architecture becomes a file of the user's type") {
  const auto file = read_as(gemma3());
  REQUIRE_MESSAGE(file, message_of(file));
  CHECK(lamina::check_structure(*file, lamina::describe<Small>(), Small::name));
  CHECK(file->description.norm_epsilon == 1e-5F);
  CHECK(file->description.rope_base_global == 500'000.0F);
  CHECK(file->description.rope_base_local == 10'000.0F);
  CHECK(file->description.final_softcap == 0.0F);
  CHECK(file->description.max_context == 32);
  CHECK(file->ignored_tensors == 0);
  CHECK(file->path == "own.gguf");

  std::vector<std::byte> memory(4096);
  lamina::Arena arena(memory);
  lamina::AttentionWeights weights;
  const auto slots = lamina::Slots<Small::Global>::list(Small::dims);
  const auto bound = lamina::bind_slots(*file, arena, "blk.2.", slots, weights);
  REQUIRE_MESSAGE(bound, message_of(bound));
  CHECK(weights.q.rows == 16);
  CHECK(weights.q_norm.f32()[7] == 0.5F);
  CHECK(static_cast<bool>(read_as<Rich>(file_of<Rich>("mine"))));
}

TEST_CASE("make_weight_file: every tensor is asked for by name and shape") {
  for (const auto& tensor : gemma3().tensors) {
    CAPTURE(tensor.name);
    builder::Gguf file = gemma3();
    expect_error(read_as(file.without_tensor(tensor.name)), ErrorCode::mismatch, tensor.name,
                 "tensor is missing");
    file = gemma3();
    file.at(tensor.name).dims[1] += 1;
    file.at(tensor.name).data += std::string(tensor.dims[0] * 4, '\0');
    expect_error(read_as(file), ErrorCode::mismatch, tensor.name, "tensor has another shape");
  }
  builder::Gguf rich = file_of<Rich>("mine");
  rich.without_tensor("blk.0.ffn_gate_up_exps.weight");
  expect_error(read_as<Rich>(rich), ErrorCode::mismatch, "blk.0.ffn_gate_up_exps.weight",
               "alternative tensors are missing");
  builder::Gguf more = gemma3();
  more.tensor("v.blk.0.weight", {1, 1, 1}, 0, builder::raw(1.0F));
  const auto file = read_as(more);
  REQUIRE(file);
  CHECK(file->ignored_tensors == 1);
}

TEST_CASE("make_weight_file: metadata that contradicts the type, or cannot be followed, is an error") {
  const auto with = [](std::string key, auto change) {
    builder::Gguf file = gemma3();
    change(file.without(key), key);
    return read_as(file);
  };
  const auto number = [&](std::string key, std::uint32_t value) {
    return with(key, [value](builder::Gguf& file, const std::string& k) { file.u32(k, value); });
  };
  expect_error(number("gemma3.block_count", 4), ErrorCode::mismatch, "gemma3.block_count",
               "no model of this type");
  expect_error(number("gemma3.attention.head_count", 4), ErrorCode::mismatch, "gemma3.attention.head_count",
               "");
  expect_error(number("gemma3.attention.head_count_kv", 2), ErrorCode::mismatch, "head_count_kv", "");
  expect_error(number("gemma3.attention.sliding_window", 8), ErrorCode::mismatch, "sliding_window", "");
  expect_error(number("general.architecture", 4), ErrorCode::bad_file, "general.architecture", "");
  const auto real = [&](std::string key, float value) {
    return with(key, [value](builder::Gguf& file, const std::string& k) { file.f32(k, value); });
  };
  expect_error(real("gemma3.rope.scaling.factor", 8), ErrorCode::unsupported, "rope.scaling.factor",
               "scaled");
  expect_error(real("gemma3.rope.freq_base", 0), ErrorCode::bad_file, "", "not usable");
  CHECK(static_cast<bool>(real("gemma3.rope.scaling.factor", 1)));
  CHECK(static_cast<bool>(with("gemma3.block_count", [](auto&, const auto&) {})));
}

TEST_CASE("make_weight_file: tensors in memory, in any order") {
  const builder::Gguf source = gemma3();
  std::vector<lamina::TensorView> tensors = views_of(source);
  std::reverse(tensors.begin(), tensors.end());
  const auto make = [](std::vector<lamina::TensorView> list, const lamina::ModelScalars& scalars = {}) {
    return lamina::make_weight_file<Small>(std::move(list), "memory", scalars);
  };
  const auto file = make(tensors, {.final_softcap = 30, .max_context = 16});
  REQUIRE_MESSAGE(file, message_of(file));
  CHECK(file->description.final_softcap == 30.0F);
  CHECK(file->description.max_context == 16);
  CHECK(make(tensors)->description.max_context == 64);
  const auto up = std::find_if(tensors.begin(), tensors.end(),
                               [](const auto& tensor) { return tensor.name == "blk.1.ffn_up.weight"; });
  CHECK(file->find("blk.1.ffn_up.weight")->bytes.data() == up->bytes.data());

  const auto changed = [&](auto change) {
    std::vector<lamina::TensorView> list = tensors;
    change(list);
    return make(list);
  };
  const std::string name = tensors[3].name;
  expect_error(changed([](auto& list) { list.erase(list.begin() + 3); }), ErrorCode::mismatch, name,
               "missing");
  expect_error(changed([](auto& list) { list.push_back(list[3]); }), ErrorCode::bad_file, name,
               "occurs twice");
  expect_error(changed([](auto& list) { list[3].bytes = list[3].bytes.first(4); }), ErrorCode::bad_file, name,
               "bytes do not fit");
  expect_error(changed([](auto& list) { list[3].format = lamina::Format::q4_0; }), ErrorCode::bad_file, name,
               "bytes do not fit");
  expect_error(changed([](auto& list) { list[3].dims[2] = std::uint64_t{1} << 63; }), ErrorCode::bad_file,
               name, "bytes do not fit");
  expect_error(changed([](auto& list) { std::swap(list[3].dims[0], list[3].dims[1]); }), ErrorCode::mismatch,
               name, "another shape");
  expect_error(make(tensors, {.norm_epsilon = 0}), ErrorCode::bad_file, "", "not usable");
}

TEST_CASE("make_weight_file: a type and its description ask for the same tensors") {
  const auto check = []<class V>() {
    std::set<std::string> of_type, of_description;
    const auto line = [](const ExpectedTensor& t) {
      return std::string(t.name) + lamina::text(" %lld %lld %lld %d %d", static_cast<long long>(t.columns),
                                                static_cast<long long>(t.rows),
                                                static_cast<long long>(t.stack), static_cast<int>(t.use),
                                                static_cast<int>(t.presence))
                                       .c_str();
    };
    CHECK(for_each_of<V>([&](const ExpectedTensor& t) -> Status {
      of_type.insert(line(t));
      return lamina::Done{};
    }));
    CHECK(lamina::for_each_expected(lamina::describe<V>(), [&](const ExpectedTensor& t) -> Status {
      of_description.insert(line(t));
      return lamina::Done{};
    }));
    CHECK(of_type == of_description);
  };
  check.operator()<Small>();
  check.operator()<Rich>();
}
