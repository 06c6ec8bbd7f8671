// SPDX-License-Identifier: Apache-2.0
// Whole directories: reference ones, shards, tied heads, quantised and damaged ones.
#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <string>

#include <lamina/weights/check_numbers.hpp>
#include <lamina/huggingface/directory.hpp>

#include "checkpoint_builder.hpp"
#include "support/golden.hpp"
#include "support/expect_error.hpp"
#include "support/temporary_directory.hpp"

using builder::replaced;
using builder::Safetensors;
using builder::small_config;
using lamina::ErrorCode;

namespace {

Safetensors small_checkpoint() { return builder::checkpoint(builder::small_description()); }

auto open_with(const Safetensors& weights, std::string_view config = small_config) {
  TemporaryDirectory directory;
  directory.write("config.json", config);
  directory.write("model.safetensors", weights.build());
  return lamina::open_huggingface(directory.path());
}

/// Writes a checkpoint as two shards with an index that `change` may damage.
template <class Change>
auto open_sharded(Change change) {
  TemporaryDirectory directory;
  directory.write("config.json", small_config);
  std::array<Safetensors, 2> shards;
  std::string map;
  const Safetensors whole = small_checkpoint();
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    shards[i % 2].tensors.push_back(whole.tensors[i]);
    map += (i == 0 ? "" : ",") + ("\"" + whole.tensors[i].name + "\":\"model-0000" +
                                  std::to_string(1 + i % 2) + "-of-00002.safetensors\"");
  }
  std::string index = R"({"metadata":{"total_size":1.5},"weight_map":{)" + map + "}}";
  change(index, shards);
  directory.write("model.safetensors.index.json", index);
  directory.write("model-00001-of-00002.safetensors", shards[0].build());
  directory.write("model-00002-of-00002.safetensors", shards[1].build());
  return lamina::open_huggingface(directory.path());
}

}  // namespace

TEST_CASE("directory: reference checkpoints") {
  struct Case {
    const char* path;
    int layers;
    std::size_t tensors, ignored;
  };
  for (const Case& c : {Case{"text/tiny-e2b", 10, 175, 15}, Case{"text/tiny-31b", 12, 168, 0}}) {
    CAPTURE(c.path);
    const auto file = lamina::open_model(golden_path(c.path));
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->description.layer_count == c.layers);
    CHECK(file->tensors.size() == c.tensors);
    CHECK(file->ignored_tensors == c.ignored);
    CHECK(file->generation.eos_tokens == std::vector<lamina::TokenId>{1, 106, 50});
    CHECK(file->tokenizer_json.size() > 1000);
    CHECK(file->metadata.empty());
    const lamina::TensorView* query = file->find("blk.0.attn_q.weight");
    REQUIRE(query != nullptr);
    CHECK(query->format == lamina::Format::bf16);
    CHECK(query->dims[0] == 64);
    CHECK(lamina::check_numbers(*file));
  }
  const auto demo = std::filesystem::exists(golden_path("demo/hf"));
  if (demo) {
    const auto file = lamina::open_huggingface(golden_path("demo/hf"));
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->ignored_tensors == 258);  // vision and audio towers
  }
}

TEST_CASE("directory: all prefixes, F16 and F32, a trailing slash, a path to the weights") {
  for (const char* prefix : {"model.language_model.", "model.", "language_model.model."}) {
    const auto file = open_with(builder::checkpoint(builder::small_description(), prefix));
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->description.same_structure(builder::small_description()));
  }
  Safetensors weights = small_checkpoint();
  weights.tensors[0].dtype = "F16";
  weights.tensors[1].dtype = "F32";
  weights.tensors[1].data += weights.tensors[1].data;
  const auto mixed = open_with(weights);
  REQUIRE_MESSAGE(mixed, message_of(mixed));
  CHECK(mixed->find("token_embd.weight")->format == lamina::Format::f16);
  TemporaryDirectory directory;
  directory.write("config.json", small_config);
  directory.write("model.safetensors", small_checkpoint().build());
  CHECK(lamina::open_model(directory.path() + "/"));
  CHECK(lamina::open_model(directory.path("model.safetensors")));
  CHECK(lamina::open_huggingface(directory.path())->tokenizer_json.empty());
}

TEST_CASE("directory: a mixture of experts in the text-only layout") {
  const auto file =
      open_with(builder::checkpoint(builder::small_moe_description(), "model."), builder::small_moe_config);
  REQUIRE_MESSAGE(file, message_of(file));
  CHECK(file->description.same_structure(builder::small_moe_description()));
  CHECK(file->find("blk.0.ffn_gate_up_exps.weight")->dims == std::array<std::uint64_t, 4>{8, 8, 3, 1});
}

TEST_CASE("directory: unused and foreign tensors are ignored") {
  Safetensors weights = small_checkpoint();
  weights.add("model.language_model.layers.2.self_attn.k_proj.weight", "BF16", {3},
              std::string(6, 'x'));  // shared layer
  weights.add("model.vision_tower.encoder.weight", "F64", {2, 2}, std::string(32, 'x'));
  weights.add("model.embed_audio.weight", "I8", {1, 1, 1, 1, 5}, std::string(5, 'x'));
  weights.add("empty", "F32", {0}, "");
  const auto file = open_with(weights);
  REQUIRE_MESSAGE(file, message_of(file));
  CHECK(file->ignored_tensors == 4);
  CHECK(lamina::check_numbers(*file));
}

TEST_CASE("directory: tied and untied heads") {
  Safetensors copied = small_checkpoint();
  copied.add("lm_head.weight", "BF16", {6, 8}, copied.tensors[0].data);
  REQUIRE(copied.tensors[0].name.ends_with("embed_tokens.weight"));
  const auto tied = open_with(copied);
  REQUIRE_MESSAGE(tied, message_of(tied));
  CHECK(tied->find("output.weight") == nullptr);
  Safetensors weights = small_checkpoint();
  weights.add("lm_head.weight", "BF16", {6, 8}, std::string(96, '\1'));
  const auto other = open_with(weights);
  expect_error(other, ErrorCode::mismatch, "lm_head.weight", "no copy");
  CHECK_FALSE(other.error().hint.empty());
  weights.tensors.back().data = copied.tensors[0].data;
  weights.tensors.back().dtype = "F16";
  expect_error(open_with(weights), ErrorCode::mismatch, "lm_head.weight", "no copy");
  weights.tensors.back() = {"lm_head.weight", "BF16", {6, 8}, std::string(96, '\1')};
  const std::string untied =
      replaced(small_config, "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
  const auto own = open_with(weights, untied);
  REQUIRE_MESSAGE(own, message_of(own));
  CHECK(own->find("output.weight") != nullptr);
  expect_error(open_with(small_checkpoint(), untied), ErrorCode::mismatch, "lm_head.weight", "missing");
  // The two levels contradict each other: what is stored decides.
  const std::string mixed =
      replaced(untied, "\"text_config\": {", "\"text_config\": {\"tie_word_embeddings\": true, ");
  const auto without = open_with(small_checkpoint(), mixed);
  REQUIRE_MESSAGE(without, message_of(without));
  CHECK(without->find("output.weight") == nullptr);
  CHECK(open_with(weights, mixed)->find("output.weight") != nullptr);
}

TEST_CASE("directory: a vocabulary that the embedding does not have is named") {
  const std::string more = replaced(small_config, "\"vocab_size\": 6", "\"vocab_size\": 7");
  const auto result = open_with(small_checkpoint(), more);
  expect_error(result, ErrorCode::mismatch, "text_config.vocab_size", "does not fit the embedding");
  CHECK(result.error().expected.view() == "6, its rows");
}

TEST_CASE("directory: missing, reshaped and retyped tensors are named") {
  std::size_t checked = 0;
  const Safetensors whole = small_checkpoint();
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    Safetensors weights = whole;
    weights.tensors.erase(weights.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    const auto missing = open_with(weights);
    const std::string canonical = lamina::canonical_name(whole.tensors[i].name);
    expect_error(missing, ErrorCode::mismatch, canonical, "missing");
    weights = whole;
    weights.tensors[i].shape.back() *= 2;
    weights.tensors[i].data += weights.tensors[i].data;
    expect_error(open_with(weights), ErrorCode::mismatch, canonical, "another shape");
    weights = whole;
    weights.tensors[i].dtype = "I16";
    expect_error(open_with(weights), ErrorCode::unsupported, whole.tensors[i].name, "type is not supported");
    ++checked;
  }
  CHECK(checked > 40);
  Safetensors twice = whole;
  twice.add("model.norm.weight", "BF16", {8}, std::string(16, 'x'));  // the same tensor under another prefix
  expect_error(open_with(twice), ErrorCode::bad_file, "output_norm.weight", "twice");
}

TEST_CASE("directory: quantised checkpoints are refused even when the configuration does not say so") {
  Safetensors weights = small_checkpoint();
  weights.add("model.language_model.layers.0.self_attn.q_proj.weight_packed", "I32", {8, 1},
              std::string(32, 'x'));
  expect_error(open_with(weights), ErrorCode::unsupported, "weight_packed",
               "quantised Hugging Face checkpoints");
  Safetensors mobile = small_checkpoint();
  mobile.add("model.language_model.embed_tokens.embedding_quantized", "U8", {6, 2}, std::string(12, 'x'));
  expect_error(open_with(mobile), ErrorCode::unsupported, "embedding_quantized",
               "quantised Hugging Face checkpoints");
  // The configuration is looked at first: no weights are needed to refuse.
  TemporaryDirectory directory;
  directory.write(
      "config.json",
      R"({"model_type":"gemma4","quantization_config":{"quant_method":"gemma"},"text_config":{}})");
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::unsupported, "quantization_config",
               "quantised");
}

TEST_CASE("directory: shards") {
  const auto good = open_sharded([](std::string&, auto&) {});
  REQUIRE_MESSAGE(good, message_of(good));
  CHECK(good->owners.size() == 2);
  CHECK(good->description.same_structure(builder::small_description()));
}

TEST_CASE("directory: shards that do not fit the index, and indices with tricks") {
  using Shards = std::array<Safetensors, 2>;
  const std::string name = small_checkpoint().tensors[0].name;
  const auto index_entry = "\"" + name + "\":\"model-00001-of-00002.safetensors\"";
  for (const char* trick :
       {"../model-00001-of-00002.safetensors", "/etc/x.safetensors", "a/b.safetensors", "a\\\\b.safetensors",
        "..safetensors", ".safetensors", "model.bin", "", "C:x.safetensors", ".hidden.safetensors",
        "a..b.safetensors", "x\\u0000.safetensors"}) {
    CAPTURE(trick);
    const auto result = open_sharded([&](std::string& index, Shards&) {
      index = replaced(index, index_entry, "\"" + name + "\":\"" + trick + "\"");
      REQUIRE_FALSE(index.empty());
    });
    expect_error(result, ErrorCode::bad_file, name, "leads out of the directory");
  }
  expect_error(open_sharded([&](std::string& index, Shards&) {
                 index = replaced(index, index_entry, "\"" + name + "\":1");
               }),
               ErrorCode::bad_file, name, "no string");
  expect_error(
      open_sharded([&](std::string& index, Shards&) { index = replaced(index, "-00001-of", "-00002-of"); }),
      ErrorCode::bad_file, name, "puts elsewhere");
  expect_error(open_sharded([&](std::string& index, Shards&) {
                 for (std::string next = replaced(index, "-00001-of", "-00003-of"); !next.empty();
                      next = replaced(index, "-00001-of", "-00003-of")) {
                   index = next;
                 }
               }),
               ErrorCode::io, "model-00003-of-00002.safetensors", "cannot open");
  expect_error(open_sharded([&](std::string&, Shards& s) { s[0].tensors.erase(s[0].tensors.begin()); }),
               ErrorCode::bad_file, name, "lacks a tensor");
  expect_error(open_sharded([&](std::string&, Shards& s) { s[1].tensors.push_back(s[0].tensors[0]); }),
               ErrorCode::bad_file, "token_embd.weight", "twice");
  expect_error(open_sharded([&](std::string& index, Shards&) { index = "[]"; }), ErrorCode::bad_file,
               "index.json", "no object");
  expect_error(open_sharded([&](std::string& index, Shards&) { index = "{}"; }), ErrorCode::bad_file,
               "weight_map", "no usable number");
  expect_error(open_sharded([&](std::string& index, Shards&) { index = R"({"weight_map":{}})"; }),
               ErrorCode::bad_file, "weight_map", "no usable number");
  expect_error(open_sharded([&](std::string& index, Shards&) { index = R"({"weight_map":[]})"; }),
               ErrorCode::bad_file, "weight_map", "wrong type");
  expect_error(open_sharded([&](std::string& index, Shards&) {
                 index = R"({"weight_map":{"a":"x.safetensors","a":"y.safetensors"}})";
               }),
               ErrorCode::bad_file, "a", "twice");
  expect_error(open_sharded([&](std::string& index, Shards&) { index = "\xFF\xFE{"; }), ErrorCode::bad_file,
               "index.json", "another encoding");
  expect_error(open_sharded([&](std::string& index, Shards&) {
                 index = "{\"weight_map\":{";
                 for (int i = 0; i < 1100; ++i)
                   index += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) + "\":\"" + std::to_string(i) +
                            ".safetensors\"";
                 index += "}}";
               }),
               ErrorCode::bad_file, "index.json", "too many shards");
}

TEST_CASE("directory: what nobody needs may be missing from or extra in an index") {
  using Shards = std::array<Safetensors, 2>;
  const auto listed = [](std::string& index, const std::string& name, const char* shard) {
    index = replaced(index, "\"weight_map\":{", "\"weight_map\":{\"" + name + "\":\"" + shard + "\",");
  };
  constexpr const char* second = "model-00002-of-00002.safetensors";
  const std::string layer_2 = "model.language_model.layers.2.";  // shares keys and values
  for (const std::string& name : {std::string("mtp.fc.weight"), std::string("lm_head.weight"),
                                  std::string("model.vision_tower.x"), layer_2 + "self_attn.k_proj.weight"}) {
    CAPTURE(name);
    const auto nowhere = open_sharded([&](std::string& index, Shards&) { listed(index, name, second); });
    REQUIRE_MESSAGE(nowhere, message_of(nowhere));
    // A shard of its own that was never downloaded.
    if (name.find("self_attn") == name.npos) {
      const auto absent =
          open_sharded([&](std::string& index, Shards&) { listed(index, name, "mtp.safetensors"); });
      REQUIRE_MESSAGE(absent, message_of(absent));
    }
  }
  for (const std::string& name : {std::string("model.vision_tower.x"), layer_2 + "self_attn.v_proj.weight",
                                  std::string("model.language_model.rotary_emb.inv_freq")}) {
    CAPTURE(name);
    const auto extra =
        open_sharded([&](std::string&, Shards& s) { s[1].add(name, "F32", {2}, std::string(8, 'x')); });
    REQUIRE_MESSAGE(extra, message_of(extra));
    CHECK(extra->ignored_tensors == 1);
  }
  const auto unlisted_head = open_sharded([&](std::string&, Shards& s) {
    s[1].add("lm_head.weight", "BF16", {6, 8}, s[0].tensors[0].data);
  });
  REQUIRE_MESSAGE(unlisted_head, message_of(unlisted_head));
  // A scale that may be absent changes what is computed when the index has it.
  expect_error(
      open_sharded([&](std::string& index, Shards&) { listed(index, layer_2 + "layer_scalar", second); }),
      ErrorCode::bad_file, layer_2 + "layer_scalar", "lacks a tensor");
}

TEST_CASE("directory: shards without an index, and a whole file beside a stale one") {
  TemporaryDirectory directory;
  directory.write("config.json", small_config);
  std::array<Safetensors, 2> shards;
  const Safetensors whole = small_checkpoint();
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) shards[i % 2].tensors.push_back(whole.tensors[i]);
  directory.write("model-00001-of-00002.safetensors", shards[0].build());
  const auto half = lamina::open_huggingface(directory.path());
  expect_error(half, ErrorCode::io, "model-00002-of-00002.safetensors", "cannot open");
  CHECK(half.error().hint.view().find("download") != std::string_view::npos);
  directory.write("model-00002-of-00002.safetensors", shards[1].build());
  const auto both = lamina::open_huggingface(directory.path());
  REQUIRE_MESSAGE(both, message_of(both));
  CHECK(both->owners.size() == 2);
  CHECK(lamina::open_model(directory.path("model-00002-of-00002.safetensors")));
  directory.write("model-00001-of-00003.safetensors", shards[0].build());
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::bad_file, directory.path(),
               "several sets");
  directory.write("model.safetensors", whole.build());
  directory.write("model.safetensors.index.json",
                  R"({"weight_map":{"a":"model-00001-of-00030.safetensors"}})");
  const auto single = lamina::open_huggingface(directory.path());
  REQUIRE_MESSAGE(single, message_of(single));
  CHECK(single->owners.size() == 1);
  expect_error(lamina::open_model(directory.path("model-00001-of-00002.safetensors")),
               ErrorCode::bad_argument, "model-00001-of-00002.safetensors", "no part of the model");
}

TEST_CASE("directory: adapters are refused, alone and beside a model") {
  TemporaryDirectory directory;
  directory.write("adapter_config.json",
                  R"({"peft_type":"LORA","base_model_name_or_path":"google/gemma-4-E2B-it"})");
  const auto settings = lamina::open_huggingface(directory.path());
  expect_error(settings, ErrorCode::unsupported, directory.path(), "adapter");
  CHECK(settings.error().hint.view().find("google/gemma-4-E2B-it") != std::string_view::npos);
  const auto weights = directory.write("adapter_model.safetensors", small_checkpoint().build());
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::unsupported, directory.path(),
               "adapter");
  expect_error(lamina::open_model(weights), ErrorCode::unsupported, directory.path(), "adapter");
  directory.write("config.json", small_config);
  directory.write("model.safetensors", small_checkpoint().build());
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::unsupported, directory.path(),
               "adapter");
  std::filesystem::remove(weights);
  CHECK(lamina::open_huggingface(directory.path()));  // settings of what was merged
  directory.write("adapter_config.json", "{");
  directory.write("adapters.safetensors", "x");
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::unsupported, directory.path(),
               "adapter");
}

TEST_CASE("directory: the links of the hub's cache, and links that lead nowhere") {
  TemporaryDirectory directory;
  std::filesystem::create_directories(directory.path("blobs"));
  std::filesystem::create_directories(directory.path("snapshots/abc"));
  const auto link = [&](const std::string& name, const std::string& blob) {
    std::filesystem::create_symlink("../../blobs/" + blob, directory.path("snapshots/abc/" + name));
  };
  directory.write("blobs/1", small_config);
  directory.write("blobs/2", small_checkpoint().build());
  link("config.json", "1");
  link("model.safetensors", "2");
  CHECK(lamina::open_huggingface(directory.path("snapshots/abc")));
  CHECK(lamina::open_model(directory.path("snapshots/abc/model.safetensors")));
  for (const char* name :
       {"tokenizer.json", "generation_config.json", "tokenizer_config.json", "chat_template.jinja"}) {
    CAPTURE(name);
    link(name, "gone");
    CHECK(lamina::path_kind(directory.path("snapshots/abc/" + std::string(name))) ==
          lamina::PathKind::broken_link);
    const auto result = lamina::open_huggingface(directory.path("snapshots/abc"));
    expect_error(result, ErrorCode::io, name, "cannot open");
    CHECK(result.error().found.view().find("link") != std::string_view::npos);
    CHECK_FALSE(result.error().hint.empty());
    std::filesystem::remove(directory.path("snapshots/abc/" + std::string(name)));
  }
  for (const char* blob : {"2", "1"}) {
    std::filesystem::remove(directory.path(std::string("blobs/") + blob));
    const auto result = lamina::open_huggingface(directory.path("snapshots/abc"));
    expect_error(result, ErrorCode::io, *blob == '2' ? "model.safetensors" : "config.json", "cannot open");
    CHECK(result.error().found.view().find("link") != std::string_view::npos);
  }
}

TEST_CASE("directory: missing and damaged files") {
  TemporaryDirectory directory;
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::io, "config.json", "cannot open");
  expect_error(lamina::open_model(directory.path("absent")), ErrorCode::io, "absent", "cannot open");
  directory.write("config.json", small_config);
  const auto no_weights = lamina::open_huggingface(directory.path());
  expect_error(no_weights, ErrorCode::io, directory.path(), "no weights");
  CHECK_FALSE(no_weights.error().hint.empty());
  const std::string bytes = small_checkpoint().build();
  directory.write("model.safetensors", bytes);
  REQUIRE(lamina::open_huggingface(directory.path()));
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{100}, bytes.size() - 1}) {
    directory.write("model.safetensors", std::string_view(bytes).substr(0, size));
    expect_error(lamina::open_huggingface(directory.path()), ErrorCode::bad_file, "model.safetensors", "");
  }
  directory.write("model.safetensors", bytes);
  directory.write("generation_config.json", R"({"eos_token_id": 6})");
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::bad_file,
               "generation_config.json: eos_token_id", "range");
  directory.write("generation_config.json", "{}");
  CHECK(lamina::open_huggingface(directory.path())->generation.eos_tokens ==
        std::vector<lamina::TokenId>{1, 3});
  directory.write("tokenizer.json", "");
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::bad_file, "tokenizer.json", "empty");
}

TEST_CASE("directory: chat templates, new and old place") {
  TemporaryDirectory directory;
  directory.write("config.json", small_config);
  directory.write("model.safetensors", small_checkpoint().build());
  directory.write("tokenizer_config.json",
                  R"({"chat_template": "old {{ x }}", "extra": {"deep": [[[[1]]]]}})");
  CHECK(lamina::open_huggingface(directory.path())->chat_template == "old {{ x }}");
  directory.write("chat_template.jinja", "new {{ x }}");
  CHECK(lamina::open_huggingface(directory.path())->chat_template == "new {{ x }}");
  directory.write("chat_template.jinja", "\xEF\xBB\xBF{{ x }}\r\ny\rz\n\r\n");
  CHECK(lamina::open_huggingface(directory.path())->chat_template == "{{ x }}\ny\nz\n\n");
  std::filesystem::remove(directory.path("chat_template.jinja"));
  directory.write("tokenizer_config.json", R"({"chat_template": "a\r\nb", "x": NaN})");
  CHECK(lamina::open_huggingface(directory.path())->chat_template == "a\nb");
  directory.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                                                 {"name": "default", "template": "d"}]})");
  CHECK(lamina::open_huggingface(directory.path())->chat_template == "d");
  for (const char* bad :
       {R"([{"name": "tool_use", "template": "t"}])", "7", R"([7])", R"([{"name": "default"}])"}) {
    CAPTURE(bad);
    directory.write("tokenizer_config.json", "{\"chat_template\": " + std::string(bad) + "}");
    expect_error(lamina::open_huggingface(directory.path()), ErrorCode::bad_file,
                 "tokenizer_config.json: chat_template", "wrong type");
  }
  directory.write("chat_template.jinja", std::string((std::size_t{1} << 20) + 1, 'x'));
  expect_error(lamina::open_huggingface(directory.path()), ErrorCode::bad_file, "chat_template.jinja",
               "too long");
}
