// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json: derived values (text-decoder.md §1.3), both layouts, bad files.
#include <doctest/doctest.h>

#include <string>

#include <lamina/huggingface/config.hpp>
#include <lamina/huggingface/generation_config.hpp>
#include <lamina/weights/gguf.hpp>

#include "checkpoint_builder.hpp"
#include "support/golden.hpp"
#include "support/expect_error.hpp"

using builder::replaced;
using builder::small_config;
using builder::small_moe_config;
using lamina::ErrorCode;

namespace {

auto read(std::string_view json) { return lamina::read_config(builder::bytes_of(json), "config.json"); }

auto read_changed(std::string_view from, std::string_view to, std::string_view base = small_config) {
  const std::string json = replaced(base, from, to);
  REQUIRE_FALSE(json.empty());
  return read(json);
}

}  // namespace

TEST_CASE("config: both layouts") {
  const auto small = read(small_config);
  REQUIRE_MESSAGE(small, message_of(small));
  CHECK(small->description.same_structure(builder::small_description()));
  CHECK(small->description.max_context == 64);
  CHECK(small->description.final_softcap == 30.0F);
  CHECK(small->head == lamina::HeadKind::tied);
  CHECK(small->eos_tokens == std::vector<lamina::TokenId>{1, 3});
  const auto moe = read(small_moe_config);
  REQUIRE_MESSAGE(moe, message_of(moe));
  CHECK(moe->description.same_structure(builder::small_moe_description()));
}

TEST_CASE("config: the reference directories, as published and as saved again, agree with their GGUF files") {
  int compared = 0;
  for (const char* model : {"tiny-e2b", "tiny-e4b", "tiny-12b", "tiny-26b-a4b", "tiny-31b"}) {
    CAPTURE(model);
    const std::string folder = "text/" + std::string(model) + "/";
    const std::string published = read_bytes(golden_path(folder + "config.json"));
    const std::string resaved = read_bytes(golden_path(folder + "config.resaved.json"));
    REQUIRE_FALSE(published.empty());
    REQUIRE_FALSE(resaved.empty());
    const auto a = read(published);
    const auto b = read(resaved);
    REQUIRE_MESSAGE(a, message_of(a));
    REQUIRE_MESSAGE(b, message_of(b));
    CHECK(a->description.same_structure(b->description));
    const auto gguf = lamina::open_gguf(golden_path(folder + "model.gguf"));
    if (!gguf) continue;  // not every folder of the small set has one
    ++compared;
    CHECK(a->description.same_structure(gguf->description));
    CHECK(a->description.final_softcap == gguf->description.final_softcap);
    CHECK(a->description.rope_base_global == gguf->description.rope_base_global);
  }
  CHECK(compared >= 3);
}

TEST_CASE("config: layer types by default, last layer forced to global") {
  const auto defaults = read(
      R"({"model_type":"gemma4_text","vocab_size":6,"hidden_size":8,"intermediate_size":8,"num_attention_heads":2,
          "num_key_value_heads":1,"head_dim":4,"global_head_dim":8,"sliding_window":16,"max_position_embeddings":64,
          "num_hidden_layers":8})");
  REQUIRE_MESSAGE(defaults, message_of(defaults));
  for (std::size_t i = 0; i < 8; ++i) {
    const bool global = defaults->description.layers[i].attention == lamina::AttentionClass::global;
    CHECK(global == (i == 5 || i == 7));
    CHECK(defaults->description.layers[i].window == (global ? 0 : 16));
    CHECK(defaults->description.layers[i].head_dim == (global ? 8 : 4));
  }
  CHECK(defaults->description.final_softcap == 0.0F);
  CHECK(defaults->description.per_layer_input == 0);
  CHECK(defaults->description.rope_base_local == 10'000.0F);
}

TEST_CASE("config: global key/value heads count only with K=V; a double-wide block only in shared layers") {
  const auto ignored =
      read_changed("\"num_global_key_value_heads\": null", "\"num_global_key_value_heads\": 2");
  REQUIRE_MESSAGE(ignored, message_of(ignored));
  CHECK(ignored->description.layers[1].kv_heads == 1);
  const auto narrow = read_changed("\"use_double_wide_mlp\": true", "\"use_double_wide_mlp\": false");
  REQUIRE(narrow);
  CHECK(narrow->description.layers[2].ffn_width == 8);
  const auto moe = read(small_moe_config);
  REQUIRE(moe);
  CHECK(moe->description.layers[1].kv_heads == 1);
  CHECK(moe->description.layers[1].key_is_value);
  CHECK_FALSE(moe->description.layers[0].key_is_value);
}

TEST_CASE("config: what the file does not state comes from the tensors") {
  const std::string silent =
      replaced(replaced(replaced(replaced(small_moe_config, "\"global_head_dim\": 8,", ""),
                                 "\"num_global_key_value_heads\": 1,", ""),
                        "\"head_dim\": 4,", ""),
               "\"num_key_value_heads\": 2,", "");
  REQUIRE_FALSE(silent.empty());
  const auto description = builder::small_moe_description();
  const std::string bytes = builder::model_file(description).build();
  const auto weights = lamina::read_gguf(builder::bytes_of(bytes), "f.gguf");
  REQUIRE(weights);
  const auto derived = lamina::read_config(builder::bytes_of(silent), "config.json", weights->tensors);
  REQUIRE_MESSAGE(derived, message_of(derived));
  CHECK(derived->description.same_structure(description));
  expect_error(read(silent), ErrorCode::bad_file, "layer 0", "cannot be told");
}

TEST_CASE("config: per-layer overrides") {
  const std::string base = replaced(
      replaced(small_moe_config, "\"num_global_key_value_heads\": 1,", ""), "\"global_head_dim\": 8,",
      R"("per_layer_config": {"01": {"head_dim": 8, "num_key_value_heads": 1}},)");
  REQUIRE_FALSE(base.empty());
  const auto result = read(base);
  REQUIRE_MESSAGE(result, message_of(result));
  CHECK(result->description.same_structure(builder::small_moe_description()));
  for (const char* key : {"\"2\"", "\"-1\"", "\"\"", "\"x\"", "\"1x\"", "\"99999999999999999999\""}) {
    CAPTURE(key);
    expect_error(read_changed("\"01\"", key, base), ErrorCode::bad_file, "per_layer_config",
                 "no layer number");
  }
  expect_error(read_changed("\"01\": {", "\"1\": {\"head_dim\": 8}, \"01\": {", base), ErrorCode::bad_file,
               "per_layer_config", "no layer number");
  expect_error(read_changed("\"num_key_value_heads\": 1}", "\"sliding_window\": 1}", base),
               ErrorCode::unsupported, "per_layer_config.01.sliding_window", "per-layer field");
  expect_error(read_changed("{\"head_dim\": 8, \"num_key_value_heads\": 1}", "8", base), ErrorCode::bad_file,
               "per_layer_config", "wrong type");
  expect_error(read_changed("{\"head_dim\": 8,", "{\"head_dim\": 0,", base), ErrorCode::bad_file, "head_dim",
               "out of range");
}

TEST_CASE("config: required fields, ranges and types") {
  for (const char* key : {"num_hidden_layers", "hidden_size", "vocab_size", "max_position_embeddings",
                          "num_attention_heads", "sliding_window", "intermediate_size"}) {
    CAPTURE(key);
    const std::string quoted = "\"" + std::string(key) + "\": ";
    expect_error(read_changed(quoted, "\"other\": "), ErrorCode::bad_file, key, "missing");
    expect_error(read_changed(quoted, quoted + "0, \"rest\": "), ErrorCode::bad_file, key, "out of range");
    expect_error(read_changed(quoted, quoted + "-1, \"rest\": "), ErrorCode::bad_file, key, "out of range");
    expect_error(read_changed(quoted, quoted + "18446744073709551615, \"rest\": "), ErrorCode::bad_file, key,
                 "out of range");
    expect_error(read_changed(quoted, quoted + "\"8\", \"rest\": "), ErrorCode::bad_file, key, "wrong type");
    expect_error(read_changed(quoted, quoted + "8.5, \"rest\": "), ErrorCode::bad_file, key, "wrong type");
  }
  expect_error(read_changed("\"num_kv_shared_layers\": 1", "\"num_kv_shared_layers\": 3"),
               ErrorCode::bad_file, "text_config.num_kv_shared_layers", "out of range");
  expect_error(read_changed("\"num_kv_shared_layers\": 1", "\"num_kv_shared_layers\": 2"),
               ErrorCode::bad_file, "layer 1", "no layer owns");
  expect_error(read_changed("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 3"), ErrorCode::bad_file,
               "layer 0", "no multiple");
  expect_error(read_changed("\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 0"), ErrorCode::bad_file,
               "text_config.rms_norm_eps", "out of range");
  expect_error(read_changed("\"sliding_attention\", ", ""), ErrorCode::bad_file, "layer_types",
               "does not fit");
  expect_error(read_changed("\"enable_moe_block\": false", "\"enable_moe_block\": true"), ErrorCode::bad_file,
               "num_experts", "missing");
  expect_error(read_changed("\"eos_token_id\": [1, 3]", "\"eos_token_id\": [1, 6]"), ErrorCode::bad_file,
               "eos_token_id", "out of range");
  expect_error(read_changed("\"top_k_experts\": 2", "\"top_k_experts\": 4", small_moe_config),
               ErrorCode::bad_file, "top_k_experts", "out of range");
  expect_error(read("[]"), ErrorCode::bad_file, "config.json", "no object");
  expect_error(read(R"({"model_type":"gemma4"})"), ErrorCode::bad_file, "text_config", "missing");
  expect_error(read(R"({"model_type":"gemma4","text_config":[]})"), ErrorCode::bad_file, "text_config",
               "wrong type");
  expect_error(read("{"), ErrorCode::bad_file, "config.json: byte", "not well-formed");
}

TEST_CASE("config: what this library cannot run") {
  expect_error(read_changed("\"model_type\": \"gemma4\"", "\"model_type\": \"llama\""),
               ErrorCode::unsupported, "model_type", "another type");
  expect_error(read_changed("\"model_type\": \"gemma4\"", "\"model_type\": \"gemma4_assistant\""),
               ErrorCode::unsupported, "model_type", "drafter");
  expect_error(read_changed("\"model_type\": \"gemma4\", ", ""), ErrorCode::unsupported, "model_type",
               "another type");
  const auto quantised =
      read_changed("\"vision_config\": null,",
                   R"("quantization_config": {"quant_method": "compressed-tensors", "config_groups": {}},)");
  expect_error(quantised, ErrorCode::unsupported, "quantization_config",
               "quantised Hugging Face checkpoints");
  CHECK(quantised.error().found.view() == "compressed-tensors");
  const auto mobile =
      read_changed("\"vision_config\": null,", R"("quantization_config": {"quant_method": "gemma"},)");
  expect_error(mobile, ErrorCode::unsupported, "quantization_config", "quantised");
  CHECK(mobile.error().found.view() == "gemma");
  expect_error(read_changed("gelu_pytorch_tanh", "silu"), ErrorCode::unsupported, "hidden_activation",
               "activation");
  expect_error(read_changed("\"attention_bias\": false", "\"attention_bias\": true"), ErrorCode::unsupported,
               "attention_bias", "bias");
  expect_error(read_changed("\"attention_bias\": false", "\"use_bidirectional_attention\": \"all\""),
               ErrorCode::unsupported, "use_bidirectional_attention", "bidirectional");
  expect_error(read_changed("0.25", "0.5"), ErrorCode::unsupported, "full_attention", "rotation");
  expect_error(read_changed("\"proportional\"", "\"yarn\""), ErrorCode::unsupported, "rope_type", "rotation");
  expect_error(read_changed("\"rope_theta\": 10000.0", "\"factor\": 8.0"), ErrorCode::unsupported,
               "sliding_attention", "rotation");
  expect_error(read_changed("\"sliding_attention\", ", "\"linear_attention\", "), ErrorCode::unsupported,
               "layer_types", "layer type");
  expect_error(read_changed("\"vocab_size_per_layer_input\": 6", "\"vocab_size_per_layer_input\": 5"),
               ErrorCode::mismatch, "vocab_size_per_layer_input", "another vocabulary");
}

TEST_CASE("generation_config: published values, overrides, bad ids") {
  const auto read_generation = [](std::string_view json) {
    return lamina::read_generation_config(builder::bytes_of(json), "generation_config.json", 300'000);
  };
  const auto defaults = read_generation("{}");
  REQUIRE(defaults);
  CHECK(defaults->temperature == 1.0F);
  CHECK(defaults->top_k == 64);
  CHECK(defaults->top_p == 0.95F);
  const auto set = read_generation(
      R"({"eos_token_id":[1,106,50],"suppress_tokens":[258883,258882],"do_sample":true,"temperature":0.5,"top_k":8,"top_p":0.9})");
  REQUIRE(set);
  CHECK(set->eos_tokens == std::vector<lamina::TokenId>{1, 106, 50});
  CHECK(set->suppress_tokens == std::vector<lamina::TokenId>{258883, 258882});
  CHECK((set->temperature == 0.5F && set->top_k == 8 && set->top_p == 0.9F));
  CHECK(read_generation(R"({"do_sample":false})")->temperature == 0.0F);
  CHECK(read_generation(R"({"eos_token_id":1})")->eos_tokens.size() == 1);
  expect_error(read_generation(R"({"eos_token_id":300000})"), ErrorCode::bad_file, "eos_token_id",
               "out of range");
  expect_error(read_generation(R"({"suppress_tokens":[-1]})"), ErrorCode::bad_file, "suppress_tokens",
               "out of range");
  expect_error(read_generation(R"({"top_k":"x"})"), ErrorCode::bad_file, "top_k", "wrong type");
  expect_error(read_generation("[]"), ErrorCode::bad_file, "generation_config.json", "no object");
  const auto reference = read_generation(read_bytes(golden_path("text/tiny-e2b/generation_config.json")));
  REQUIRE_MESSAGE(reference, message_of(reference));
  CHECK(reference->eos_tokens == std::vector<lamina::TokenId>{1, 106, 50});
}
