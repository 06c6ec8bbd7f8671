// SPDX-License-Identifier: Apache-2.0
// GGUF files of drafters: three dialects, one description; what is wrong is named.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/core/arena.hpp>
#include <lamina/forward/drafting/token_clusters.hpp>
#include <lamina/weights/gguf/drafter.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

namespace drafter_files {
namespace {

using lamina::ErrorCode;

/// A drafter of a model 10 wide, whose 6 tokens lie in 3 clusters.
lamina::ModelDescription drafter() {
  lamina::ModelDescription model;
  model.hidden = 8;
  model.vocab = 6;
  model.layer_count = 2;
  model.max_context = 64;
  model.target_hidden = 10;
  for (std::size_t i = 0; i < 2; ++i) {
    lamina::LayerDescription& layer = model.layers[i];
    layer.attention = i == 0 ? lamina::AttentionClass::local : lamina::AttentionClass::global;
    layer.owns_kv = false;
    layer.heads = 4;
    layer.kv_heads = i == 0 ? 2 : 1;
    layer.head_dim = i == 0 ? 4 : 8;
    layer.window = i == 0 ? 16 : 0;
    layer.ffn_width = 12;
  }
  return model;
}

const std::vector<std::int32_t> ordering{4, 0, 5, 2, 1, 3};
const std::vector<std::int32_t> cluster_of{0, 2, 1, 2, 0, 1};  // the same, by token

std::string words(const std::vector<std::int32_t>& values) {
  std::string data;
  for (const std::int32_t value : values) data += builder::raw(value);
  return data;
}

/// A file of the dialect whose architecture is `architecture`, with clusters.
builder::Gguf dialect_file(const std::string& architecture) {
  builder::Gguf file = builder::model_file(drafter());
  for (auto& entry : file.entries) {
    if (entry.key.starts_with("gemma4.")) entry.key = architecture + entry.key.substr(6);
  }
  file.without("general.architecture").without(architecture + ".final_logit_softcapping");
  file.string("general.architecture", architecture);
  const bool is_mtp = architecture == "gemma4_mtp";
  const std::string prefix = architecture + ".";
  file.u32(prefix + (is_mtp ? "backbone_embedding_length" : "embedding_length_out"), 10);
  file.boolean(prefix + "use_ordered_embeddings", true);
  file.u32(prefix + (is_mtp ? "centroid_count" : "n_centroids"), 3).u32(prefix + "centroid_top_k", 2);
  file.tensor(is_mtp ? "mtp_centroids.weight" : "masked_embd_centroids.weight", {8, 3}, 0,
              std::string(8 * 3 * 4, '\0'));
  if (!is_mtp) return file.tensor("masked_embd_ordering", {6}, 26, words(ordering));
  file.at("nextn.pre_projection.weight").name = "mtp_pre_proj.weight";
  file.at("nextn.post_projection.weight").name = "mtp_post_proj.weight";
  return file.tensor("mtp_token_ordering.weight", {6}, 26, words(cluster_of));
}

auto opened_of(builder::Gguf file) {
  static std::string bytes;  // views of a good result point into it
  bytes = file.build();
  return lamina::read_drafter_gguf(builder::bytes_of(bytes), "/x/d.gguf");
}

lamina::Status read_clusters(const lamina::WeightFile& file, std::vector<std::vector<std::uint32_t>>& out) {
  std::vector<std::byte> memory(1024);
  lamina::Arena arena(memory);
  lamina::TokenClusters clusters = lamina::TokenClusters::take(6, 3, arena);
  LAMINA_TRY(clusters.read(file));
  for (std::uint32_t i = 0; i < 3; ++i) {
    out.emplace_back(clusters.of(i).begin(), clusters.of(i).end());
    std::sort(out.back().begin(), out.back().end());
  }
  return lamina::Done{};
}

TEST_CASE("gguf_drafter: every dialect gives the same drafter") {
  for (const char* architecture : {"gemma4-assistant", "gemma4_assistant", "gemma4_mtp"}) {
    CAPTURE(architecture);
    const auto file = opened_of(dialect_file(architecture));
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->description.same_structure(drafter()));
    CHECK(file->description.clusters == 3);
    CHECK(file->description.selected_clusters == 2);
    CHECK(file->description.final_softcap == 0);
    CHECK(file->find("nextn.pre_projection.weight") != nullptr);
    CHECK(file->find("masked_embd_centroids.weight") != nullptr);
    std::vector<std::vector<std::uint32_t>> clusters;
    REQUIRE(read_clusters(*file, clusters));
    CHECK(clusters == std::vector<std::vector<std::uint32_t>>{{0, 4}, {2, 5}, {1, 3}});
  }
  // ik_llama.cpp's names in a file of upstream's architecture; no clusters at all.
  builder::Gguf renamed = dialect_file("gemma4-assistant");
  renamed.at("masked_embd_centroids.weight").name = "mtp.centroids.weight";
  renamed.at("masked_embd_ordering").name = "mtp.token_ordering.weight";
  REQUIRE(opened_of(renamed));
  CHECK(opened_of(renamed)->find("masked_embd_ordering") != nullptr);
  builder::Gguf dense = dialect_file("gemma4-assistant");
  dense.without_tensor("masked_embd_centroids.weight").without_tensor("masked_embd_ordering");
  REQUIRE(opened_of(dense));
  CHECK(opened_of(dense)->description.clusters == 0);
}

TEST_CASE("gguf_drafter: what is missing or something else is named") {
  const std::string prefix = "gemma4-assistant.";
  for (const char* key : {"embedding_length_out", "n_centroids", "centroid_top_k", "block_count"}) {
    CAPTURE(key);
    const auto result = opened_of(dialect_file("gemma4-assistant").without(prefix + key));
    REQUIRE_FALSE(static_cast<bool>(result));
    CHECK(result.error().code == ErrorCode::bad_file);
  }
  expect_error(opened_of(dialect_file("gemma4-assistant").without_tensor("nextn.post_projection.weight")),
               ErrorCode::mismatch, "nextn.post_projection.weight", "missing");
  expect_error(opened_of(dialect_file("gemma4-assistant")
                             .without(prefix + "embedding_length_out")
                             .u32(prefix + "embedding_length_out", 12)),
               ErrorCode::mismatch, "nextn.pre_projection.weight", "another shape");
  expect_error(opened_of(builder::model_file(builder::small_description())), ErrorCode::unsupported,
               "general.architecture", "no drafter");
  // And a drafter is no model.
  const std::string bytes = dialect_file("gemma4-assistant").build();
  expect_error(lamina::read_gguf(builder::bytes_of(bytes), "d.gguf"), ErrorCode::unsupported,
               "general.architecture", "drafter");
}

TEST_CASE("gguf_drafter: tokens that do not fill the clusters are refused") {
  std::vector<std::vector<std::uint32_t>> clusters;
  const auto with = [&](const std::string& architecture, const char* name,
                        const std::vector<std::int32_t>& values) {
    builder::Gguf file = dialect_file(architecture);
    file.at(name).data = words(values);
    file.at(name).dims = {values.size()};
    const auto opened = opened_of(file);
    REQUIRE(opened);
    return read_clusters(*opened, clusters);
  };
  const char* listed = "masked_embd_ordering";
  for (const auto& wrong :
       std::vector<std::vector<std::int32_t>>{{4, 0, 5, 2, 1, 4}, {4, 0, 5, 2, 1, 6}, {4, 0, 5, 2, 1, -1}}) {
    expect_error(with("gemma4-assistant", listed, wrong), ErrorCode::bad_file, listed, "do not fill");
  }
  expect_error(with("gemma4-assistant", listed, {4, 0, 5}), ErrorCode::mismatch, listed, "another shape");
  const char* mapped = "mtp_token_ordering.weight";
  for (const auto& wrong :
       std::vector<std::vector<std::int32_t>>{{0, 2, 1, 2, 0, 0}, {0, 2, 1, 2, 0, 3}, {0, 2, 1, 2, 0, -1}}) {
    expect_error(with("gemma4_mtp", mapped, wrong), ErrorCode::bad_file, "masked_embd_clusters",
                 "do not fill");
  }
  // 64-bit integers, as Hugging Face has them, are rows of two words.
  builder::Gguf wide = dialect_file("gemma4-assistant");
  std::vector<std::int32_t> pairs;
  for (const std::int32_t token : ordering) pairs.insert(pairs.end(), {token, 0});
  wide.at(listed).data = words(pairs);
  wide.at(listed).dims = {2, 6};
  const auto opened = opened_of(wide);
  REQUIRE(opened);
  clusters.clear();
  REQUIRE(read_clusters(*opened, clusters));
  CHECK(clusters[0] == std::vector<std::uint32_t>{0, 4});
  pairs[1] = 1;
  wide.at(listed).data = words(pairs);
  const auto large = opened_of(wide);
  REQUIRE(large);
  expect_error(read_clusters(*large, clusters), ErrorCode::bad_file, listed, "do not fill");
}

}  // namespace
}  // namespace drafter_files
