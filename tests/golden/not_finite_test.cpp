// SPDX-License-Identifier: Apache-2.0
// Damaged weights: wherever a NaN or an infinity enters a pass, the pass ends in an error, however it
// computes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/blocks/decode.hpp>
#include <lamina/formats/half.hpp>
#include <lamina/packing/pack_weights.hpp>

#include "support/golden.hpp"
#include "support/loaded_model.hpp"

namespace {

using lamina::CacheFormat;
using lamina::ErrorCode;
using lamina::Format;
using lamina::Precision;
using lamina::TokenId;

constexpr CacheFormat cache_formats[] = {CacheFormat::bf16, CacheFormat::int8, CacheFormat::f32};
const std::vector<TokenId> damaged_prompt{2, 95, 35, 29, 7, 35, 260, 17, 3, 95, 41};

/// A model whose tensors can be changed one at a time, as the file stores them or packed.
class Patient {
 public:
  explicit Patient(const std::string& path) : model_(path), clean_(model_.file.tensors) {}

  [[nodiscard]] const std::vector<lamina::TensorView>& tensors() const { return clean_; }
  [[nodiscard]] const lamina::ModelEntry& entry() const { return *model_.entry; }

  /// The file with tensor `index` replaced by `bytes`.
  lamina::WeightFile& with(std::size_t index, const std::vector<std::byte>& bytes) {
    model_.file.tensors = clean_;
    model_.file.tensors[index].bytes = bytes;
    return model_.file;
  }

  /// Packs the file that `with` returned, for as long as it is not called again.
  void pack() {
    packed_.tensors = model_.file.tensors;
    packed_.owners.clear();
    packed_.interleave_height = 0;
    packed_.description = model_.file.description;
    REQUIRE(static_cast<bool>(lamina::pack_weights(*model_.entry, packed_)));
  }
  lamina::WeightFile& packed() { return packed_; }

 private:
  LoadedModel model_;
  lamina::WeightFile packed_;
  std::vector<lamina::TensorView> clean_;
};

/// How one way of computing ended.
struct Outcome {
  bool loaded = false;  ///< a session was made
  lamina::Status status = lamina::Done{};
  std::vector<float> logits;  ///< of the prompt's last token and of one more

  [[nodiscard]] bool finite() const {
    return std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); });
  }
  [[nodiscard]] bool same_as(const Outcome& other) const {
    return logits.size() == other.logits.size() &&
           std::memcmp(logits.data(), other.logits.data(), logits.size() * sizeof(float)) == 0;
  }
};

lamina::SessionOptions small_options(Precision precision, CacheFormat cache) {
  lamina::SessionOptions options;
  options.context = 96;
  options.chunk = 8;
  options.logits_rows = 8;
  options.precision = precision;
  options.cache = cache;
  return options;
}

/// Feeds the prompt and one more token.
Outcome outcome_of(const lamina::ModelEntry& entry, const lamina::WeightFile& file, Precision precision,
                   CacheFormat cache) {
  Outcome outcome;
  auto session = lamina::Session::create(entry, file, small_options(precision, cache));
  if (!session) {
    outcome.status = session.error();
    return outcome;
  }
  outcome.loaded = true;
  outcome.status = session->prompt(damaged_prompt);
  if (!outcome.status) return outcome;
  outcome.logits.assign(session->logits().begin(), session->logits().end());
  const auto next = session->step(9);
  if (!next) {
    outcome.status = next.error();
  } else {
    outcome.logits.insert(outcome.logits.end(), next->begin(), next->end());
  }
  return outcome;
}

/// Bytes of a tensor with damage in one block: NaN or an infinity as an element, or as the scale of a block;
/// null if its format cannot hold that.
std::vector<std::byte> damaged(const lamina::TensorView& tensor, std::size_t block, float value) {
  const lamina::FormatInfo& info = lamina::info_of(tensor.format);
  std::vector<std::byte> bytes(tensor.bytes.begin(), tensor.bytes.end());
  std::byte* const at = bytes.data() + block * info.block_bytes;
  if (tensor.format == Format::f32) {
    std::memcpy(at, &value, sizeof value);
    return bytes;
  }
  const std::uint16_t half =
      tensor.format == Format::bf16 ? lamina::float_to_bfloat(value) : lamina::float_to_half(value);
  for (std::size_t field = 0; field + 2 <= info.block_bytes; ++field) {
    std::byte before[2];
    std::memcpy(before, at + field, 2);
    std::memcpy(at + field, &half, 2);
    if (lamina::has_non_finite_scale(tensor.format, at, info.block_elements)) return bytes;
    std::memcpy(at + field, before, 2);
  }
  return {};
}

/// Tensors of which a pass reads only what its tokens, or the experts they choose, ask for.
bool is_read_in_part(std::string_view name) {
  return name.starts_with("token_embd") || name.starts_with("per_layer_token_embd") ||
         name.find("_exps") != name.npos;
}

struct Tally {
  int refused = 0;     ///< ended in an error
  int at_loading = 0;  ///< of these: vectors, which a session reads when it is made
  int unread = 0;      ///< gave the clean file's bits
  int wrong = 0;
};

/// Damages every tensor in turn, in its first, middle and last block, and computes in every way. Sanitizers
/// look for other errors, and take twenty times as long: for them the last block is enough.
Tally damage_all(const std::string& path) {
  Patient patient(path);
  Tally tally;
  std::vector<Outcome> clean;
  const auto for_each_way = [&](std::size_t index, const std::vector<std::byte>& bytes, auto visit) {
    const lamina::WeightFile& stored = patient.with(index, bytes);
    patient.pack();
    std::size_t way = 0;
    for (const lamina::WeightFile* file :
         {&stored, static_cast<const lamina::WeightFile*>(&patient.packed())}) {
      for (const Precision precision : {Precision::fast, Precision::exact}) {
        for (const CacheFormat cache : cache_formats)
          visit(way++, outcome_of(patient.entry(), *file, precision, cache));
      }
    }
  };
  const auto& tensors = patient.tensors();
  const std::vector<std::byte> first(tensors[0].bytes.begin(), tensors[0].bytes.end());
  for_each_way(0, first, [&](std::size_t, Outcome outcome) {
    REQUIRE(static_cast<bool>(outcome.status));
    REQUIRE(outcome.finite());
    clean.push_back(std::move(outcome));
  });
  for (std::size_t index = 0; index < tensors.size(); ++index) {
    const lamina::TensorView& tensor = tensors[index];
    const std::size_t blocks = tensor.bytes.size() / lamina::info_of(tensor.format).block_bytes;
#if defined(LAMINA_SANITIZED)
    const std::size_t places[] = {blocks - 1};
#else
    const std::size_t places[] = {0, blocks / 2, blocks - 1};
#endif
    for (const std::size_t block : places) {
      for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
        const std::vector<std::byte> bytes = damaged(tensor, block, value);
        if (bytes.empty()) continue;
        for_each_way(index, bytes, [&](std::size_t way, const Outcome& outcome) {
          const bool is_unread = outcome.status && outcome.same_as(clean[way]);
          const ErrorCode expected = outcome.loaded ? ErrorCode::not_finite : ErrorCode::bad_file;
          const bool is_refused = !outcome.status && outcome.status.error().code == expected;
          tally.at_loading += !outcome.loaded;
          tally.refused += is_refused;
          tally.unread += is_unread;
          if (is_refused || (is_unread && is_read_in_part(tensor.name))) return;
          ++tally.wrong;
          INFO(tensor.name, ", block ", block, " of ", blocks, ", ", value, ", way ", way);
          CHECK(is_refused);
        });
      }
    }
  }
  return tally;
}

TEST_CASE("a NaN or an infinity in any tensor is an error, in every precision, packing and cache") {
  for (const std::string name :
       {"quant/q-e2b-q4_0.gguf", "quant/q-moe-q4_k_m.gguf", "quant/q-dense-mixed.gguf",
        "text/tiny-12b/model.gguf", "text/tiny-26b-a4b/model.gguf"}) {
    CAPTURE(name);
    const Tally tally = damage_all(golden_path(name));
    MESSAGE(name, ": ", tally.refused, " refused, ", tally.unread, " not read");
    CHECK(tally.wrong == 0);
    CHECK(tally.refused > tally.at_loading);
    CHECK(tally.refused > 10 * tally.unread);
  }
}

TEST_CASE("numbers that overflow are an error, too") {
  // Finite weights of 3e38 in a whole row: every product with it overflows, or its square does.
  int refused = 0;
  for (const std::string name : {"text/tiny-12b/model.gguf", "text/tiny-26b-a4b/model.gguf"}) {
    CAPTURE(name);
    Patient patient(golden_path(name));
    for (std::size_t index = 0; index < patient.tensors().size(); ++index) {
      const lamina::TensorView& tensor = patient.tensors()[index];
      if (tensor.format != Format::f32 && tensor.format != Format::bf16) continue;
      CAPTURE(tensor.name);
      std::vector<std::byte> bytes(tensor.bytes.begin(), tensor.bytes.end());
      const std::size_t size = lamina::info_of(tensor.format).block_bytes;
      for (std::size_t i = 0; i < tensor.dims[0]; ++i) {
        const float large = 3e38F;
        const std::uint16_t bits = lamina::float_to_bfloat(large);
        std::byte* at = bytes.data() + i * size;
        tensor.format == Format::f32 ? std::memcpy(at, &large, 4) : std::memcpy(at, &bits, 2);
      }
      const lamina::WeightFile& file = patient.with(index, bytes);
      for (const Precision precision : {Precision::fast, Precision::exact}) {
        for (const CacheFormat cache : cache_formats) {
          const Outcome outcome = outcome_of(patient.entry(), file, precision, cache);
          CHECK((!outcome.status || outcome.finite()));
          refused += !outcome.status && outcome.status.error().code == ErrorCode::not_finite;
        }
      }
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("the error says where a number was not finite first") {
  const struct {
    const char* tensor;
    float value;
    const char* where;
  } cases[] = {
      {"blk.1.attn_q.weight", std::nanf(""), "layer 1: attention"},
      {"blk.1.ffn_down.weight", std::nanf(""), "layer 1: feed-forward"},
      {"blk.1.post_attention_norm.weight", 3e38F, "layer 1: before feed-forward"},
      {"blk.0.proj.weight", std::nanf(""), "layer 0: per-layer input"},
      {"per_layer_model_proj.weight", std::nanf(""), "per-layer inputs"},
      {"token_embd.weight", std::nanf(""), "logits"},
  };
  Patient patient(golden_path("quant/q-e2b-q4_0.gguf"));
  for (const auto& one : cases) {
    CAPTURE(std::string(one.tensor));
    const auto& tensors = patient.tensors();
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const lamina::TensorView& tensor) {
      return tensor.name == one.tensor;
    });
    REQUIRE(found != tensors.end());
    const auto bytes = damaged(*found, 0, one.value);
    const lamina::WeightFile& file = patient.with(static_cast<std::size_t>(found - tensors.begin()), bytes);
    const Outcome outcome = outcome_of(patient.entry(), file, Precision::fast, CacheFormat::bf16);
    REQUIRE(!outcome.status);
    CHECK(name_of(outcome.status.error().code) == "not_finite");
    CHECK(std::string(outcome.status.error().where.view()) == one.where);
    CHECK(!outcome.status.error().hint.empty());
  }
}

TEST_CASE("a pass that failed leaves the session as it was before it") {
  // One token's row of the per-layer table is damaged: only passes with this token fail.
  constexpr TokenId bad = 77;
  Patient patient(golden_path("quant/q-e2b-q4_0.gguf"));
  const auto& tensors = patient.tensors();
  const auto table = std::find_if(tensors.begin(), tensors.end(), [](const lamina::TensorView& tensor) {
    return tensor.name == "per_layer_token_embd.weight";
  });
  REQUIRE(table != tensors.end());
  const std::size_t row_blocks = table->dims[0] / lamina::info_of(table->format).block_elements;
  const auto bytes = damaged(*table, bad * row_blocks, std::nanf(""));
  const lamina::WeightFile& file = patient.with(static_cast<std::size_t>(table - tensors.begin()), bytes);
  const auto pool = make_pool(2);
  for (const Precision precision : {Precision::fast, Precision::exact}) {
    for (const CacheFormat cache : cache_formats) {
      lamina::SessionOptions options = small_options(precision, cache);
      options.executor = pool.get();
      auto made = lamina::Session::create(patient.entry(), file, options);
      auto other = lamina::Session::create(patient.entry(), file, options);
      REQUIRE((made && other));
      // Far enough for windows to leave keys behind, in every state of the rings.
      std::vector<TokenId> full(options.chunk, TokenId{5});
      full.back() = bad;
      for (TokenId token = 0; token < 60; ++token) {
        REQUIRE(static_cast<bool>(made->step(token)));
        REQUIRE(static_cast<bool>(other->step(token)));
        if (token % 7 != 0) continue;
        const std::uint32_t before = made->position();
        const auto failed = token % 2 == 0 ? made->prompt(full) : made->prompt({&bad, 1});
        REQUIRE(!failed);
        CHECK(failed.error().code == ErrorCode::not_finite);
        CHECK(made->position() == before);
        CHECK(made->logits().empty());
        CHECK(!made->step(bad));
        CHECK(!made->logits_of(full));
      }
      const auto same = [&] {
        return std::equal(made->logits().begin(), made->logits().end(), other->logits().begin(),
                          other->logits().end());
      };
      CHECK(made->position() == other->position());
      CHECK(same());
      // Of a longer prompt the chunks before the damaged one stay fed.
      std::vector<TokenId> two(2 * options.chunk, TokenId{5});
      two.back() = bad;
      CHECK(!made->prompt(two));
      CHECK(made->position() == other->position() + options.chunk);
      REQUIRE(static_cast<bool>(other->prompt(std::span(two).first(options.chunk))));
      REQUIRE(static_cast<bool>(made->step(4)));
      REQUIRE(static_cast<bool>(other->step(4)));
      CHECK(same());
      made->reset();
      other->reset();
      REQUIRE(static_cast<bool>(made->prompt(damaged_prompt)));
      REQUIRE(static_cast<bool>(other->prompt(damaged_prompt)));
      CHECK(same());
    }
  }
}

}  // namespace
