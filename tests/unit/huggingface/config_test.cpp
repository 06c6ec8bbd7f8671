// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json: derived values (text-decoder.md §1.3), both layouts, bad files.
#include <doctest/doctest.h>

#include <string>

#include <lamina/huggingface/config.hpp>
#include <lamina/huggingface/generation_config.hpp>
#include <lamina/weights/gguf/file.hpp>

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

namespace {

/// `small_config` with `fields` put in front of the text_config's own, or at top level.
std::string with_text_fields(std::string_view fields, std::string_view base = small_config) {
  return replaced(base, "\"text_config\": {", "\"text_config\": {" + std::string(fields) + ", ");
}
std::string with_root_fields(std::string_view fields, std::string_view base = small_config) {
  return replaced(base, "{", "{" + std::string(fields) + ", ");
}

/// `small_config` without its rotations.
std::string without_rope() {
  const std::size_t at = small_config.find("\"rope_parameters\"");
  const std::size_t before = small_config.rfind(',', at);
  const std::size_t end = small_config.find("}}", at) + 2;
  return std::string(small_config.substr(0, before)) + std::string(small_config.substr(end));
}

}  // namespace

TEST_CASE("config: bases of the rotation in today's keys, in older ones and at top level") {
  const auto bases = [](const std::string& json, float global, float local) {
    CAPTURE(json);
    const auto config = read(json);
    REQUIRE_MESSAGE(config, message_of(config));
    CHECK(config->description.rope_base_global == global);
    CHECK(config->description.rope_base_local == local);
  };
  const std::string silent = without_rope();
  bases(silent, 1e6F, 1e4F);
  bases(with_text_fields(R"("rope_theta": 500, "rope_local_base_freq": 50.0)", silent), 500, 50);
  bases(with_root_fields(R"("rope_theta": 500, "rope_local_base_freq": 50.0)", silent), 500, 50);
  bases(with_text_fields(R"("rope_theta": 500)", silent), 500, 1e4F);
  bases(with_text_fields(R"("rope_theta": null, "rope_parameters": null, "rope_scaling": {})", silent), 1e6F,
        1e4F);
  bases(with_text_fields(R"("rope_parameters": {"full_attention": {}, "sliding_attention": null})", silent),
        1e6F, 1e4F);
  const std::string stated =
      R"("rope_parameters": {"sliding_attention": {"type": "default", "rope_theta": 50, "factor": 1},
          "full_attention": {"rope_type": "proportional", "rope_theta": 500, "partial_rotary_factor": 0.25,
                             "factor": 1.0, "attention_factor": null}})";
  bases(with_text_fields(stated, silent), 500, 50);
  bases(with_root_fields(stated, silent), 500, 50);
  bases(with_text_fields(R"("rope_parameters": {}, "rope_scaling": null)", with_root_fields(stated, silent)),
        500, 50);
  bases(with_text_fields(replaced(stated, "rope_parameters", "rope_scaling"), silent), 500, 50);
  bases(with_text_fields(R"("rope_theta": 500.0, "rope_scaling": {"rope_type": "default", "factor": 1.0})",
                         with_text_fields(stated, silent)),
        500, 50);
  // The same said twice is fine; two values are not.
  bases(with_root_fields(R"("rope_theta": 1000000)"), 1e6F, 1e4F);
  expect_error(read(with_text_fields(R"("rope_theta": 500)")), ErrorCode::bad_file, "text_config.rope_theta",
               "stated twice");
  expect_error(read(with_root_fields(R"("rope_local_base_freq": 50)")), ErrorCode::bad_file,
               "config.json: rope_local_base_freq", "stated twice");
  expect_error(read(with_root_fields(stated)), ErrorCode::bad_file, "config.json: rope_parameters",
               "contradicts");
  expect_error(
      read(with_text_fields(R"("rope_theta": 500)", with_root_fields(R"("rope_theta": 600)", silent))),
      ErrorCode::bad_file, "rope_theta", "contradicts");
  for (const char* bad : {"0", "-1", "NaN", "Infinity", "1e60"}) {
    CAPTURE(bad);
    const auto result = read(with_text_fields("\"rope_theta\": " + std::string(bad), silent));
    expect_error(result, ErrorCode::bad_file, "rope_theta", "");
  }
  expect_error(read(with_text_fields(R"("rope_theta": "500")", silent)), ErrorCode::bad_file, "rope_theta",
               "wrong type");
}

TEST_CASE("config: rotations and scalings that nothing here computes are refused, by key") {
  const std::string silent = without_rope();
  struct Case {
    const char* fields;
    const char* key;
  };
  for (
      const Case& c : {
          Case{R"("rope_parameters": {"rope_type": "default", "rope_theta": 500.0})",
               "rope_parameters.rope_t"},
          Case{R"("rope_parameters": {"rope_theta": 500.0})", "rope_parameters.rope_theta"},
          Case{R"("rope_parameters": {"global": {"rope_theta": 500.0}})", "rope_parameters.global"},
          Case{R"("rope_parameters": {"full_attention": {"rope_theta": 500}})", "full_attention.rope_type"},
          Case{R"("rope_parameters": {"full_attention": {"rope_type": "proportional"}})",
               "full_attention.partial_rotary_factor"},
          Case{
              R"("rope_parameters": {"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25,
                                                         "factor": 8.0}})",
              "full_attention.factor"},
          Case{
              R"("rope_parameters": {"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25,
                                                         "mrope_section": [1, 2]}})",
              "full_attention.mrope_section"},
          Case{R"("rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 8}})",
               "sliding_attention."},
          Case{R"("rope_parameters": {"sliding_attention": {"rope_theta": 1, "factor": 8}})",
               "sliding_attention.factor"},
          Case{R"("rope_parameters": {"sliding_attention": {"type": "yarn"}})", "sliding_attention.type"},
          Case{R"("rope_parameters": {"sliding_attention": {"partial_rotary_factor": 0.25}})",
               "sliding_attention.partial_rotary_factor"},
          Case{R"("rope_scaling": {"rope_type": "yarn", "factor": 8.0})", "rope_scaling."},
          Case{R"("rope_scaling": {"type": "linear", "factor": 8.0})", "rope_scaling."},
          Case{R"("rope_scaling": {"rope_type": "llama3", "low_freq_factor": 1.0})", "rope_scaling."},
          Case{R"("rope_scaling": {"rope_type": "dynamic"})", "rope_scaling.rope_type"},
          Case{R"("rope_scaling": {"rope_type": "longrope"})", "rope_scaling.rope_type"},
          Case{R"("rope_scaling": {"factor": 2})", "rope_scaling.factor"},
          Case{R"("partial_rotary_factor": 0.5)", "partial_rotary_factor"},
          Case{R"("rotary_pct": 0.5)", "rotary_pct"},
          Case{R"("rope_interleaved": true)", "rope_interleaved"},
          Case{R"("global_rope_theta": 500)", "global_rope_theta"},
      }) {
    CAPTURE(c.fields);
    expect_error(read(with_text_fields(c.fields, silent)), ErrorCode::unsupported, c.key, "rotation");
    expect_error(read(with_root_fields(c.fields, silent)), ErrorCode::unsupported, c.key, "rotation");
  }
  expect_error(read(with_text_fields(R"("rope_scaling": {"rope_type": "yarn", "factor": 8.0})")),
               ErrorCode::unsupported, "text_config.rope_scaling", "rotation");
  expect_error(read(with_text_fields(R"("rope_scaling": "yarn")")), ErrorCode::bad_file, "rope_scaling",
               "wrong type");
  CHECK(read(with_text_fields(R"("rope_interleaved": null, "rotary_pct": {}, "property": 3)")));
  CHECK(read(with_text_fields(
      R"("partial_rotary_factor": 0.25, "rope_parameters": {"full_attention": {"rope_type": "proportional"}})",
      silent)));
}

TEST_CASE("config: settings of other Gemma models are applied or refused, not passed over") {
  for (const char* fields :
       {R"("attention_bias": true)", R"("mlp_bias": true)", R"("attn_logit_softcapping": 50.0)",
        R"("query_pre_attn_scalar": 256)", R"("use_bidirectional_attention": true)",
        R"("use_bidirectional_attention": "all")", R"("hidden_act": "gelu")"}) {
    CAPTURE(fields);
    const std::string key(std::string_view(fields).substr(1, std::string_view(fields).find('"', 1) - 1));
    const std::string bare = replaced(small_config, "\"attention_bias\": false,", "");
    expect_error(read(with_text_fields(fields, bare)), ErrorCode::unsupported, "text_config." + key,
                 "not supported");
    expect_error(read(with_root_fields(fields, bare)), ErrorCode::unsupported, "config.json: " + key,
                 "not supported");
  }
  CHECK(
      read(with_text_fields(R"("mlp_bias": false, "attn_logit_softcapping": null, "query_pre_attn_scalar": 1,
                                 "use_bidirectional_attention": false, "hidden_act": "gelu_pytorch_tanh")")));
  // How often a layer is global, as Gemma 3 says it.
  const std::string untyped = replaced(
      small_config, R"("layer_types": ["sliding_attention", "full_attention", "full_attention"],)", "");
  const auto pattern = read(with_text_fields(R"("sliding_window_pattern": 2)", untyped));
  REQUIRE_MESSAGE(pattern, message_of(pattern));
  CHECK(pattern->description.same_structure(builder::small_description()));
  CHECK(read(with_text_fields(R"("_sliding_window_pattern": 2, "sliding_window_pattern": 2)")));
  expect_error(read(with_text_fields(R"("_sliding_window_pattern": 6)")), ErrorCode::bad_file,
               "_sliding_window_pattern", "contradicts");
  expect_error(read(with_text_fields(R"("sliding_window_pattern": 0)", untyped)), ErrorCode::bad_file,
               "sliding_window_pattern", "out of range");
  // At top level as good as inside, but not against it.
  const auto outside =
      read(with_root_fields(R"("final_logit_softcapping": 20, "rms_norm_eps": 1e-5)",
                            replaced(replaced(small_config, "\"final_logit_softcapping\": 30.0,", ""),
                                     "\"rms_norm_eps\": 1e-06,", "")));
  REQUIRE_MESSAGE(outside, message_of(outside));
  CHECK(outside->description.final_softcap == 20.0F);
  CHECK(outside->description.norm_epsilon == 1e-5F);
  for (const char* fields :
       {R"("final_logit_softcapping": 20)", R"("rms_norm_eps": 1e-5)", R"("sliding_window": 8)",
        R"("num_kv_shared_layers": 0)", R"("layer_types": [])"}) {
    CAPTURE(fields);
    expect_error(read(with_root_fields(fields)), ErrorCode::bad_file, "config.json", "contradicts");
  }
  CHECK(read(
      with_root_fields(R"("sliding_window": 16.0, "final_logit_softcapping": null, "layer_types": {})")));
}

TEST_CASE("config: what is harmless refuses no model") {
  const auto expected = read(small_config);
  REQUIRE(expected);
  for (const char* fields :
       {R"("x": NaN)", R"("router_limit": Infinity)", R"("vision": {"a": -Infinity, "a": 2})",
        R"("x": 1e999)", R"("model_type": "gemma4")", R"("x": 1, "x": 2)", R"("quantization_config": {})",
        R"("quantization_config": null)", R"("quantization_config": {"quant_method": null, "x": {}})",
        R"("quantization_config": {"quant_method": "none"})",
        R"("unsloth_fixed": true, "unsloth_version": "2026.7.4", "torch_dtype": "bfloat16", "dtype": 7)",
        "\"author\": \"caf\xE9 \\ud83d\"", R"("rope_scaling": {"rope_type": null})"}) {
    CAPTURE(fields);
    const auto config = read(with_root_fields(fields) + " \r\n ");
    REQUIRE_MESSAGE(config, message_of(config));
    CHECK(config->description.same_structure(expected->description));
  }
  for (const char* fields : {R"("x": NaN)", R"("dtype": "float16", "attention_dropout": 0.1)",
                             R"("mtp": {"a":1,"a":2})", R"("quantization_config": {})"}) {
    CAPTURE(fields);
    CHECK(read(with_text_fields(fields)));
  }
  for (const char* key :
       {"rms_norm_eps", "final_logit_softcapping", "num_kv_shared_layers", "hidden_activation",
        "hidden_size_per_layer_input", "attention_bias", "use_double_wide_mlp", "eos_token_id",
        "tie_word_embeddings", "rope_parameters", "layer_types"}) {
    CAPTURE(key);
    const std::string quoted = "\"" + std::string(key) + "\": ";
    const auto config = read_changed(quoted, quoted + "null, \"unread\": ");
    if (!config)
      CHECK(config.error().where.view().find("layer") != std::string_view::npos);  // another structure
  }
  // Numbers with a fraction of zero are integers; strings are not.
  const auto real = read_changed("\"sliding_window\": 16", "\"sliding_window\": 16.0");
  REQUIRE_MESSAGE(real, message_of(real));
  CHECK(real->description.same_structure(expected->description));
  expect_error(read_changed("1e-06", "\"1e-06\""), ErrorCode::bad_file, "rms_norm_eps", "wrong type");
  expect_error(
      read_changed("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1000000000000000000000000000000"),
      ErrorCode::bad_file, "num_hidden_layers", "out of range");
  expect_error(read_changed("\"sliding_window\": 16", "\"sliding_window\": null"), ErrorCode::bad_file,
               "sliding_window", "missing");
  CHECK(read_changed("\"sliding_window\": 16", "\"sliding_window\": null",
                     replaced(replaced(small_config, "\"sliding_attention\", ", "\"full_attention\", "),
                              "\"head_dim\": 4", "\"head_dim\": 8")));
  expect_error(read_changed("\"final_logit_softcapping\": 30.0", "\"final_logit_softcapping\": 0"),
               ErrorCode::bad_file, "final_logit_softcapping", "out of range");
  expect_error(read_changed("\"hidden_size\": 8", "\"hidden_size\": 8, \"hidden_size\": 16"),
               ErrorCode::bad_file, "hidden_size", "twice");
  expect_error(read(with_root_fields(R"("quantization": {"group_size": 64, "bits": 4})")),
               ErrorCode::unsupported, "quantization", "quantised");
  expect_error(read(with_root_fields(R"("quantization_config": {"bits": 4})")), ErrorCode::unsupported,
               "quantization_config", "quantised");
}

TEST_CASE("config: whose rows the head multiplies by, at two levels") {
  const auto head = [](const char* outer, const char* inner) {
    const std::string base = replaced(small_config, "\"tie_word_embeddings\": true", outer);
    const auto config = read(with_text_fields(inner, base));
    REQUIRE_MESSAGE(config, message_of(config));
    return config->head;
  };
  constexpr const char* yes = R"("tie_word_embeddings": true)";
  constexpr const char* no = R"("tie_word_embeddings": false)";
  constexpr const char* silent = R"("tie_word_embeddings": null)";
  using lamina::HeadKind;
  CHECK(head(yes, yes) == HeadKind::tied);
  CHECK(head(silent, silent) == HeadKind::tied);
  CHECK(head(yes, silent) == HeadKind::tied);
  CHECK(head(no, silent) == HeadKind::own);
  CHECK(head(silent, no) == HeadKind::own);
  CHECK(head(no, no) == HeadKind::own);
  CHECK(head(no, yes) == HeadKind::as_stored);
  CHECK(head(yes, no) == HeadKind::as_stored);
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
  // Null is absent, in lists too; the edges of the ranges are in.
  const auto nulls = read_generation(
      R"({"top_k":null,"top_p":null,"temperature":null,"do_sample":null,"eos_token_id":[1,null],"suppress_tokens":[]})");
  REQUIRE_MESSAGE(nulls, message_of(nulls));
  CHECK((nulls->temperature == 1.0F && nulls->top_k == 64 && nulls->top_p == 0.95F));
  CHECK(nulls->eos_tokens == std::vector<lamina::TokenId>{1});
  CHECK(read_generation(R"({"eos_token_id":null})")->eos_tokens.empty());
  CHECK(read_generation(R"({"temperature":0,"do_sample":true})")->temperature == 0.0F);
  CHECK(read_generation(R"({"top_k":0})")->top_k == 0);
  CHECK(read_generation(R"({"top_p":1})")->top_p == 1.0F);
  CHECK(read_generation(R"({"top_p":0.0})")->top_k == 1);
  for (const char* harmless : {R"({"max_new_tokens":NaN})", R"({"x":1,"x":2})", "{}", "\xEF\xBB\xBF{}\r\n"})
    CHECK(read_generation(harmless));
  struct Case {
    const char* json;
    const char* key;
    const char* what;
  };
  for (const Case& c :
       {Case{R"({"top_k":-1})", "top_k", "out of range"}, Case{R"({"top_k":1e30})", "top_k", "out of range"},
        Case{R"({"top_k":1.5})", "top_k", "wrong type"}, Case{R"({"top_p":1.5})", "top_p", "out of range"},
        Case{R"({"top_p":-0.1})", "top_p", "out of range"}, Case{R"({"top_p":NaN})", "top_p", "not finite"},
        Case{R"({"temperature":-1})", "temperature", "out of range"},
        Case{R"({"temperature":Infinity})", "temperature", "not finite"},
        Case{R"({"temperature":"1.0"})", "temperature", "wrong type"},
        Case{R"({"do_sample":1})", "do_sample", "wrong type"},
        Case{R"({"eos_token_id":-1})", "eos_token_id", "out of range"},
        Case{R"({"eos_token_id":true})", "eos_token_id", "wrong type"},
        Case{R"({"eos_token_id":["1"]})", "eos_token_id", "wrong type"},
        Case{R"({"suppress_tokens":[300000]})", "suppress_tokens", "out of range"},
        Case{R"({"top_k":8,"top_k":9})", "top_k", "twice"}}) {
    CAPTURE(c.json);
    expect_error(read_generation(c.json), ErrorCode::bad_file, c.key, c.what);
  }
  expect_error(read_generation("[]"), ErrorCode::bad_file, "generation_config.json", "no object");
  const auto reference = read_generation(read_bytes(golden_path("text/tiny-e2b/generation_config.json")));
  REQUIRE_MESSAGE(reference, message_of(reference));
  CHECK(reference->eos_tokens == std::vector<lamina::TokenId>{1, 106, 50});
}
