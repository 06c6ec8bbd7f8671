// SPDX-License-Identifier: Apache-2.0
// The model level of GGUF: keys (§2.2), rules 16 to 18, other kinds of files (§2.5, §2.6).
#include <doctest/doctest.h>

#include <limits>
#include <string>

#include <lamina/weights/gguf/file.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::ErrorCode;

namespace {

builder::Gguf good() { return builder::model_file(builder::small_description()); }
builder::Gguf good_moe() { return builder::model_file(builder::small_moe_description()); }

auto read(builder::Gguf file) {
  static std::string bytes;  // views of a good result point into it
  bytes = file.build();
  return lamina::read_gguf(builder::bytes_of(bytes), "/x/f.gguf");
}

}  // namespace

TEST_CASE("gguf_description: a file gives the description it was written from") {
  for (const auto& model : {builder::small_description(), builder::small_moe_description()}) {
    const auto file = read(builder::model_file(model));
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->description.same_structure(model));
    CHECK(file->description.max_context == 64);
    CHECK(file->description.rope_base_local == 10'000.0F);
    CHECK(file->description.rope_base_global == 1'000'000.0F);
    CHECK(file->description.final_softcap == 30.0F);
    CHECK(file->generation.eos_tokens == std::vector<lamina::TokenId>{1});
    CHECK(file->ignored_tensors == 0);
    CHECK(file->find("blk.0.attn_q.weight") != nullptr);
    CHECK(file->find("blk.9.attn_q.weight") == nullptr);
  }
}

TEST_CASE("gguf_description: every required key is required, the others have their defaults") {
  std::size_t required = 0, assumed = 0, optional = 0;
  for (const builder::Gguf::Entry& entry : good().entries) {
    const auto result = read(good().without(entry.key));
    CAPTURE(entry.key);
    if (result) {
      ++optional;
    } else if (result.error().code == ErrorCode::mismatch) {
      ++assumed;  // head_count_kv = head_count, shared_kv_layers = 0: not what this file's tensors are
    } else {
      ++required;
      expect_error(result, ErrorCode::bad_file, entry.key, "missing");
    }
  }
  CHECK(required == 14);
  CHECK(assumed == 2);
  CHECK(optional == 7);

  const auto defaults =
      read(good().without("gemma4.rope.freq_base_swa").without("gemma4.final_logit_softcapping"));
  REQUIRE(defaults);
  CHECK(defaults->description.rope_base_local == 10'000.0F);
  CHECK(defaults->description.final_softcap == 30.0F);
}

TEST_CASE("gguf_description: scalars stand for arrays of equal elements") {
  builder::Gguf file = good().without("gemma4.attention.head_count_kv");
  file.add("gemma4.attention.head_count_kv", 0, std::string(1, '\1'));  // a u8 is as good
  const auto result = read(file);
  REQUIRE_MESSAGE(result, message_of(result));
  CHECK(result->description.same_structure(builder::small_description()));
  file = good().without("gemma4.feed_forward_length");
  file.u32("gemma4.feed_forward_length", 8);
  expect_error(read(file), ErrorCode::mismatch, "blk.2.ffn_gate.weight", "another shape");
}

TEST_CASE("gguf_description: numbers out of range, of the wrong type, or in arrays that are too short") {
  struct Case {
    const char* key;
    std::uint32_t value;
  };
  for (const Case& c : {Case{"gemma4.block_count", 0},
                        {"gemma4.block_count", 513},
                        {"gemma4.block_count", UINT32_MAX},
                        {"gemma4.context_length", 0},
                        {"gemma4.embedding_length", 0},
                        {"gemma4.embedding_length", 1U << 31},
                        {"gemma4.attention.head_count", 0},
                        {"gemma4.attention.head_count", 5000},
                        {"gemma4.attention.head_count_kv", 0},
                        {"gemma4.attention.key_length", 0},
                        {"gemma4.attention.key_length_swa", 1U << 20},
                        {"gemma4.attention.sliding_window", 0},
                        {"gemma4.attention.shared_kv_layers", 3},
                        {"gemma4.feed_forward_length", 0},
                        {"gemma4.expert_count", 513}}) {
    builder::Gguf file = good().without(c.key);
    file.u32(c.key, c.value);
    expect_error(read(file), ErrorCode::bad_file, c.key, "out of range");
    file = good().without(c.key);
    file.string(c.key, "8");
    expect_error(read(file), ErrorCode::bad_file, c.key, "wrong type");
    file = good().without(c.key);
    file.f32(c.key, 8);
    expect_error(read(file), ErrorCode::bad_file, c.key, "wrong type");
    file = good().without(c.key);
    file.add(c.key, 5, builder::raw(std::int32_t{-1}));
    expect_error(read(file), ErrorCode::bad_file, c.key, "out of range");
  }
  for (const char* key : {"gemma4.feed_forward_length", "gemma4.attention.head_count_kv"}) {
    builder::Gguf file = good().without(key);
    file.array(key, 5, std::vector<std::int32_t>{1, 1});
    expect_error(read(file), ErrorCode::bad_file, key, "another length");
    file = good().without(key);
    file.array(key, 5, std::vector<std::int32_t>{1, 1, 1, 1});
    expect_error(read(file), ErrorCode::bad_file, key, "another length");
  }
  builder::Gguf file = good().without("gemma4.attention.sliding_window_pattern");
  file.u32("gemma4.attention.sliding_window_pattern", 6);
  expect_error(read(file), ErrorCode::bad_file, "sliding_window_pattern", "out of range");
}

TEST_CASE("gguf_description: arrays stand only where the format has numbers per layer") {
  // Reading element 0 of such an array would run a model of another structure, or read what lies behind it.
  for (const char* key : {"gemma4.block_count",
                          "gemma4.context_length",
                          "gemma4.embedding_length",
                          "gemma4.embedding_length_per_layer_input",
                          "gemma4.attention.key_length",
                          "gemma4.attention.value_length",
                          "gemma4.attention.key_length_swa",
                          "gemma4.attention.value_length_swa",
                          "gemma4.attention.sliding_window",
                          "gemma4.attention.shared_kv_layers",
                          "gemma4.rope.dimension_count",
                          "gemma4.rope.dimension_count_swa",
                          "gemma4.vocab_size",
                          "gemma4.expert_count",
                          "tokenizer.ggml.eos_token_id",
                          "tokenizer.ggml.bos_token_id",
                          "tokenizer.ggml.unknown_token_id",
                          "tokenizer.ggml.padding_token_id",
                          "tokenizer.ggml.mask_token_id",
                          "general.sampling.top_k",
                          "general.sampling.top_p",
                          "general.sampling.temp",
                          "split.count",
                          "gemma4.attention.layer_norm_rms_epsilon",
                          "gemma4.rope.freq_base",
                          "gemma4.rope.freq_base_swa",
                          "gemma4.final_logit_softcapping",
                          "general.alignment",
                          "general.architecture",
                          "general.type",
                          "tokenizer.chat_template"}) {
    CAPTURE(std::string(key));
    for (const std::size_t count : {0U, 1U, 3U}) {
      builder::Gguf file = good().without(key);
      file.array(key, 4, std::vector<std::uint32_t>(count, 8));
      expect_error(read(file), ErrorCode::bad_file, key, "wrong type");
      file = good().without(key);
      file.array(key, 6, std::vector<float>(count, 1));
      expect_error(read(file), ErrorCode::bad_file, key, "wrong type");
    }
    builder::Gguf file = good().without(key);
    file.boolean(key, true);
    expect_error(read(file), ErrorCode::bad_file, key, "wrong type");
  }
  for (const char* key : {"gemma4.expert_used_count", "gemma4.expert_feed_forward_length"}) {
    builder::Gguf file = good_moe().without(key);
    file.array(key, 4, std::vector<std::uint32_t>{2, 2});
    expect_error(read(file), ErrorCode::bad_file, key, "wrong type");
  }
  for (const char* key : {"gemma4.feed_forward_length", "gemma4.attention.head_count",
                          "gemma4.attention.head_count_kv", "gemma4.attention.sliding_window_pattern"}) {
    builder::Gguf file = good().without(key);
    file.array(key, 4, std::vector<std::uint32_t>{});
    expect_error(read(file), ErrorCode::bad_file, key, "another length");
    file = good().without(key);
    file.array(key, 6, std::vector<float>{1, 1, 1});
    expect_error(read(file), ErrorCode::bad_file, key, "wrong type");
  }
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type",
                          "tokenizer.ggml.suppress_tokens", "tokenizer.ggml.eos_token_ids"}) {
    builder::Gguf file = good().without(key);
    file.u32(key, 1);
    expect_error(read(file), ErrorCode::bad_file, key, "wrong type");
  }
}

TEST_CASE("gguf_description: the list of stop tokens that Ollama writes joins the single one") {
  builder::Gguf file = good();
  file.array("tokenizer.ggml.eos_token_ids", 5, std::vector<std::int32_t>{1, 3});
  const auto result = read(file);
  REQUIRE_MESSAGE(result, message_of(result));
  CHECK(result->generation.eos_tokens == std::vector<lamina::TokenId>{1, 1, 3});
  file = good();
  file.array("tokenizer.ggml.eos_token_ids", 5, std::vector<std::int32_t>{6});
  expect_error(read(file), ErrorCode::bad_file, "tokenizer.ggml.eos_token_ids", "out of range");
}

TEST_CASE("gguf_description: floats must be finite and in their range") {
  for (const char* key : {"gemma4.attention.layer_norm_rms_epsilon", "gemma4.rope.freq_base",
                          "gemma4.rope.freq_base_swa", "gemma4.final_logit_softcapping"}) {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0F, 0.0F}) {
      builder::Gguf file = good().without(key);
      file.f32(key, value);
      const auto result = read(file);
      CAPTURE(key);
      CAPTURE(value);
      if (value == 0.0F && std::string_view(key) == "gemma4.final_logit_softcapping") {
        REQUIRE(result);
        CHECK(result->description.final_softcap == 0.0F);
      } else {
        REQUIRE_FALSE(static_cast<bool>(result));
        CHECK(result.error().code == ErrorCode::bad_file);
      }
    }
  }
}

TEST_CASE("gguf_description: rules between numbers") {
  builder::Gguf file = good().without("gemma4.attention.value_length");
  file.u32("gemma4.attention.value_length", 4);
  expect_error(read(file), ErrorCode::bad_file, "gemma4.attention.value_length", "differ");
  file = good();
  file.u32("gemma4.rope.dimension_count", 4);
  expect_error(read(file), ErrorCode::unsupported, "gemma4.rope.dimension_count", "rotated size");
  file = good().without("gemma4.attention.head_count_kv");
  file.u32("gemma4.attention.head_count_kv", 3);
  expect_error(read(file), ErrorCode::bad_file, "layer 0", "no multiple");
  file = good().without("gemma4.attention.shared_kv_layers");  // the only global layers would both be shared
  file.u32("gemma4.attention.shared_kv_layers", 2);
  expect_error(read(file), ErrorCode::bad_file, "layer 1", "no layer owns");
  file = good().without("gemma4.attention.head_count_kv");
  file.array("gemma4.attention.head_count_kv", 5, std::vector<std::int32_t>{1, 1, 2});
  expect_error(read(file), ErrorCode::bad_file, "layer 2", "another shape");
  file = good_moe().without("gemma4.expert_used_count");
  file.u32("gemma4.expert_used_count", 4);
  expect_error(read(file), ErrorCode::bad_file, "gemma4.expert_used_count", "out of range");
  expect_error(read(good_moe().without("gemma4.expert_feed_forward_length")), ErrorCode::bad_file,
               "gemma4.expert_feed_forward_length", "missing");
  file = good().without("gemma4.attention.key_length").without("gemma4.attention.value_length");
  file.u32("gemma4.attention.key_length", 7).u32("gemma4.attention.value_length", 7);
  expect_error(read(file), ErrorCode::bad_file, "layer 1", "head size is odd");
}

TEST_CASE("gguf_description: rule 18, vocabulary and token ids") {
  builder::Gguf file = good().without("tokenizer.ggml.eos_token_id");
  file.u32("tokenizer.ggml.eos_token_id", 6);
  expect_error(read(file), ErrorCode::bad_file, "eos_token_id", "out of range");
  for (const char* key : {"bos", "unknown", "padding", "mask"}) {
    file = good();
    file.u32("tokenizer.ggml." + std::string(key) + "_token_id", 6);
    expect_error(read(file), ErrorCode::bad_file, key, "out of range");
  }
  file = good();
  file.array("tokenizer.ggml.suppress_tokens", 5, std::vector<std::int32_t>{4, 5});
  const auto suppressed = read(file);
  REQUIRE(suppressed);
  CHECK(suppressed->generation.suppress_tokens == std::vector<lamina::TokenId>{4, 5});
  file = good();
  file.array("tokenizer.ggml.suppress_tokens", 5, std::vector<std::int32_t>{4, -1});
  expect_error(read(file), ErrorCode::bad_file, "suppress_tokens", "out of range");
  file = good();
  file.array("tokenizer.ggml.token_type", 5, std::vector<std::int32_t>{1, 1});
  expect_error(read(file), ErrorCode::bad_file, "token_type", "size differs");
  file = good().without("tokenizer.ggml.tokens");
  file.strings("tokenizer.ggml.tokens", {"a", "b"});
  expect_error(read(file), ErrorCode::bad_file, "tokenizer.ggml.tokens", "size differs");
  file = good();
  file.u32("gemma4.vocab_size", 7);
  expect_error(read(file), ErrorCode::bad_file, "gemma4.vocab_size", "size differs");
}

TEST_CASE("gguf_description: rule 16, every tensor is required in its shape, whatever is optional aside") {
  std::size_t missing = 0, shapes = 0;
  for (const auto& model : {builder::small_description(), builder::small_moe_description()}) {
    const builder::Gguf whole = builder::model_file(model);
    for (const builder::Gguf::Tensor& tensor : whole.tensors) {
      CAPTURE(tensor.name);
      builder::Gguf file = whole;
      file.without_tensor(tensor.name);
      const auto without = read(file);
      if (tensor.name == "rope_freqs.weight") {
        CHECK(without);
      } else if (tensor.name.ends_with("attn_v.weight") && !tensor.name.starts_with("blk.0.")) {
        REQUIRE_MESSAGE(without, message_of(without));  // a global layer without V has K=V: another structure
        CHECK_FALSE(without->description.same_structure(model));
      } else {
        expect_error(without, ErrorCode::mismatch, tensor.name, "missing");
        ++missing;
      }
      file = whole;
      file.at(tensor.name).dims[0] *= 2;
      file.at(tensor.name).data += tensor.data;
      const auto resized = read(file);
      REQUIRE_FALSE(static_cast<bool>(resized));
      CHECK(resized.error().code == ErrorCode::mismatch);
      ++shapes;
    }
  }
  CHECK(missing > 60);
  CHECK(shapes > 60);
}

TEST_CASE(
    "gguf_description: experts fused or separate; scales of shared layers; optional tensors in their shape") {
  builder::Gguf file = good_moe();
  file.without_tensor("blk.0.ffn_gate_up_exps.weight");
  const std::string half(std::size_t{8} * 4 * 3 * 4, '\0');
  file.tensor("blk.0.ffn_gate_exps.weight", {8, 4, 3}, 0, half);
  expect_error(read(file), ErrorCode::mismatch, "blk.0.ffn_gate_up_exps.weight",
               "alternative tensors are missing");
  file.tensor("blk.0.ffn_up_exps.weight", {8, 4, 3}, 0, half);
  const auto separate = read(file);
  CHECK_MESSAGE(separate, message_of(separate));

  file = good();
  file.tensor("blk.0.layer_output_scale.weight", {}, 0, builder::raw(0.5F));  // a scalar without dimensions
  file.tensor("blk.1.layer_output_scale.weight", {1}, 0, builder::raw(0.5F));
  file.tensor("blk.2.attn_k.weight", {8, 8}, 0, std::string(256, '\0'));  // unused: owner is layer 1
  file.tensor("v.patch_embd.weight", {2, 2, 2, 2}, 0, std::string(64, '\0'));
  const auto extras = read(file);
  REQUIRE_MESSAGE(extras, message_of(extras));
  CHECK(extras->ignored_tensors == 2);
  file.tensor("blk.2.layer_output_scale.weight", {2}, 0, std::string(8, '\0'));
  expect_error(read(file), ErrorCode::mismatch, "blk.2.layer_output_scale.weight", "another shape");
}

TEST_CASE("gguf_description: encodings must fit their use; frequency factors must be usable") {
  builder::Gguf file = good();
  file.at("output_norm.weight").type = 26;
  expect_error(read(file), ErrorCode::unsupported, "output_norm.weight", "encoding its use does not allow");
  file = good();
  file.at("blk.0.attn_q.weight").type = 26;
  expect_error(read(file), ErrorCode::unsupported, "blk.0.attn_q.weight", "encoding its use does not allow");
  for (const float factor :
       {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    file = good();
    file.at("rope_freqs.weight").data.replace(4, 4, builder::raw(factor));
    expect_error(read(file), ErrorCode::bad_file, "rope_freqs.weight", "frequency factor");
  }
}

TEST_CASE("gguf_description: other kinds of files get errors of their own") {
  const auto of = [](std::string_view architecture, std::string_view type) {
    builder::Gguf file = good().without("general.architecture").without("general.type");
    if (!architecture.empty()) file.string("general.architecture", architecture);
    if (!type.empty()) file.string("general.type", type);
    return read(file);
  };
  for (const char* drafter : {"gemma4-assistant", "gemma4_mtp", "gemma4_assistant"}) {
    expect_error(of(drafter, "model"), ErrorCode::unsupported, "general.architecture", "drafter");
  }
  expect_error(of("clip", ""), ErrorCode::unsupported, "general.architecture", "projector");
  expect_error(of("gemma4", "mmproj"), ErrorCode::unsupported, "general.architecture", "projector");
  expect_error(of("gemma4", "adapter"), ErrorCode::unsupported, "general.architecture", "adapter");
  expect_error(of("", "imatrix"), ErrorCode::unsupported, "general.architecture", "quantisation statistics");
  expect_error(of("llama", "model"), ErrorCode::unsupported, "general.architecture", "another architecture");
  expect_error(of("gemma3", ""), ErrorCode::unsupported, "general.architecture", "another architecture");
  expect_error(of("", ""), ErrorCode::bad_file, "general.architecture", "missing");
  CHECK(of("gemma4", ""));

  builder::Gguf vocabulary;
  vocabulary.string("general.architecture", "gemma4").strings("tokenizer.ggml.tokens", {"a"});
  expect_error(read(vocabulary), ErrorCode::unsupported, "f.gguf", "no tensors");
  const std::string bytes = vocabulary.build();
  const auto as_file = lamina::read_gguf_file(builder::bytes_of(bytes), "f.gguf");
  REQUIRE(as_file);
  CHECK(as_file->metadata.strings("tokenizer.ggml.tokens")->size() == 1);
}

TEST_CASE("gguf_description: sampling defaults") {
  builder::Gguf file = good();
  file.add("general.sampling.top_k", 5, builder::raw(std::int32_t{40}));
  file.f32("general.sampling.top_p", 0.9F)
      .f32("general.sampling.temp", 0.7F)
      .string("tokenizer.chat_template", "{{x}}");
  const auto result = read(file);
  REQUIRE(result);
  CHECK(result->generation.top_k == 40);
  CHECK(result->generation.top_p == 0.9F);
  CHECK(result->generation.temperature == 0.7F);
  CHECK(result->chat_template == "{{x}}");
}
