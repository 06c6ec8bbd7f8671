// SPDX-License-Identifier: Apache-2.0
// What the settings of a picture processor say about soft tokens.
#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <lamina/huggingface/media/directory.hpp>

#include "support/expect_error.hpp"
#include "support/temporary_directory.hpp"

namespace {

using namespace lamina;

/// What is read with these files; the empty text: the file is not there.
Result<std::int32_t> picture_tokens(std::string_view processor, std::string_view preprocessor = {}) {
  const TemporaryDirectory directory;
  if (!processor.empty()) directory.write("processor_config.json", processor);
  if (!preprocessor.empty()) directory.write("preprocessor_config.json", preprocessor);
  EncoderDescription encoder;
  LAMINA_TRY(detail::read_picture_tokens(directory.path(), encoder));
  return encoder.picture_tokens;
}

TEST_CASE("soft tokens of a picture come from either file of settings, or from none") {
  CHECK(must(picture_tokens("")) == 0);
  CHECK(must(picture_tokens(R"({"image_processor":{"max_soft_tokens":70}})")) == 70);
  CHECK(must(picture_tokens("", R"({"max_soft_tokens":1120})")) == 1120);
  CHECK(must(picture_tokens(R"({"image_processor":{"max_soft_tokens":140}})",
                            R"({"max_soft_tokens":560})")) == 140);
  CHECK(must(picture_tokens(R"({"image_processor":{"max_soft_tokens":null}})",
                            R"({"max_soft_tokens":560})")) == 560);
  CHECK(must(picture_tokens(R"({"image_seq_length":70})")) == 0);
}

TEST_CASE("a number of soft tokens that no model takes is an error that names the field") {
  for (const char* bad :
       {R"({"max_soft_tokens":100})", R"({"max_soft_tokens":0})", R"({"max_soft_tokens":-70})",
        R"({"max_soft_tokens":"70"})", R"({"max_soft_tokens":[70]})", R"({"max_soft_tokens":70.5})",
        R"({"image_processor":[]})", "{"}) {
    CAPTURE(bad);
    const auto tokens = picture_tokens(bad);
    REQUIRE_FALSE(static_cast<bool>(tokens));
    CHECK(std::string(describe(tokens.error()).view()).find("processor_config.json") != std::string::npos);
  }
}

}  // namespace
