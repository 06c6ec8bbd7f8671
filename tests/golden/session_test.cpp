// SPDX-License-Identifier: Apache-2.0
// What a session promises besides right numbers: no allocation, the caller's memory, errors that name the
// thing.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/allocation_counter.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::TokenId;

lamina::SessionOptions short_context_options() {
  lamina::SessionOptions options;
  options.context = 128;
  options.chunk = 16;
  options.logits_rows = 4;
  return options;
}

TEST_CASE("nothing is allocated after a session is made") {
  for (const char* name : {"tiny-e2b", "tiny-26b-a4b", "tiny-31b"}) {
    CAPTURE(name);
    const LoadedModel model(first_file(name));
    const auto pool = make_pool(2);
    for (const auto precision : {lamina::Precision::fast, lamina::Precision::exact}) {
      lamina::SessionOptions options = short_context_options();
      options.precision = precision;
      options.executor = pool.get();
      lamina::Session session = model.session(options);
      const std::vector<TokenId> prompt(50, 7);
      const lamina_test::AllocationCounter allocations;
      bool fine = static_cast<bool>(session.prompt(prompt));
      for (TokenId token = 0; token < 30; ++token) fine = fine && session.step(token);
      fine = fine && session.logits_of(std::span(prompt).first(4));
      const bool refused = !session.prompt(prompt);  // 84 + 50 tokens do not fit
      session.reset();
      fine = fine && session.prompt(prompt);
      const std::size_t count = allocations.count();
      CHECK(fine);
      CHECK(refused);
      CHECK(count == 0);
    }
  }
}

TEST_CASE("a session lives in the caller's memory, of exactly the size that was announced") {
  const LoadedModel model(first_file("tiny-26b-a4b"));
  lamina::SessionOptions options = short_context_options();
  const std::size_t bytes = lamina::Session::bytes(*model.entry, options);
  // At an odd address: the arena aligns for itself.
  const std::unique_ptr<std::byte[]> block(new std::byte[bytes + 1]);
  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}}) {
    auto made = lamina::Session::create(*model.entry, model.file, options, {block.get() + offset, bytes});
    REQUIRE(static_cast<bool>(made));
    CHECK(made->memory_bytes() == bytes);
    REQUIRE(static_cast<bool>(made->prompt(std::vector<TokenId>{2, 3, 4})));
    lamina::Session own = model.session(options);
    REQUIRE(static_cast<bool>(own.prompt(std::vector<TokenId>{2, 3, 4})));
    CHECK(std::equal(own.logits().begin(), own.logits().end(), made->logits().begin(), made->logits().end()));
  }
  const auto small = lamina::Session::create(*model.entry, model.file, options, {block.get(), bytes - 1});
  REQUIRE(!small);
  CHECK(small.error().code == lamina::ErrorCode::out_of_memory);
}

TEST_CASE("wrong use of a session is an error that changes nothing") {
  const LoadedModel model(first_file("tiny-e2b"));
  lamina::Session session = model.session(short_context_options());
  REQUIRE(static_cast<bool>(session.prompt(std::vector<TokenId>{2, 3})));
  const std::vector<float> before(session.logits().begin(), session.logits().end());

  const auto too_many = session.prompt(std::vector<TokenId>(127, 5));
  REQUIRE(!too_many);
  CHECK(too_many.error().code == lamina::ErrorCode::context_full);
  const std::string message = lamina::describe(too_many.error()).c_str();
  CHECK(message.find("128") != std::string::npos);
  CHECK(message.find("129") != std::string::npos);

  const auto outside = session.prompt(std::vector<TokenId>{2, 512});
  REQUIRE(!outside);
  CHECK(outside.error().code == lamina::ErrorCode::bad_argument);
  CHECK(!session.logits_of({}));
  CHECK(!session.logits_of(std::vector<TokenId>(5, 1)));
  CHECK(session.position() == 2);
  CHECK(std::equal(before.begin(), before.end(), session.logits().begin(), session.logits().end()));

  lamina::SessionOptions options = short_context_options();
  for (const std::uint32_t context : {0U, 1U << 20}) {
    options.context = context;
    const auto made = lamina::Session::create(*model.entry, model.file, options);
    REQUIRE(!made);
    CHECK(made.error().code == lamina::ErrorCode::bad_argument);
  }
  options = short_context_options();
  options.chunk = 0;
  CHECK(!lamina::Session::create(*model.entry, model.file, options));
  options = short_context_options();
  options.logits_rows = 17;
  CHECK(!lamina::Session::create(*model.entry, model.file, options));
}

TEST_CASE("a file of another structure is refused by a model type") {
  const LoadedModel one(first_file("tiny-e2b"));
  const LoadedModel other(first_file("tiny-31b"));
  const auto made = lamina::Session::create(*one.entry, other.file, short_context_options());
  REQUIRE(!made);
  CHECK(made.error().code == lamina::ErrorCode::mismatch);
}

TEST_CASE("a context that is filled to the last token works, one more token is refused") {
  const LoadedModel model(first_file("tiny-12b"));
  lamina::Session session = model.session(short_context_options());
  REQUIRE(static_cast<bool>(session.prompt(std::vector<TokenId>(127, 9))));
  REQUIRE(static_cast<bool>(session.step(9)));
  CHECK(session.position() == session.context());
  CHECK(!session.step(9));
}

}  // namespace
