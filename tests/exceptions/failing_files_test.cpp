// SPDX-License-Identifier: Apache-2.0
// Every call that opens, maps, reads, writes or renames a file fails once: loading, saving, packing and rows
// from disk give an error, lose nothing that was there, hold nothing and leave no file behind. Whoever is
// killed at one of these calls leaves the older file whole.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/open_model.hpp>
#include <lamina/huggingface/directories.hpp>
#include <lamina/packing/write_packed.hpp>
#include <lamina/session.hpp>
#include <lamina/state/state_file.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/golden.hpp"
#include "support/held.hpp"
#include "support/temporary_directory.hpp"

// Sanitizers have functions of their own in these places.
#if !defined(LAMINA_SANITIZED)
#include "support/failing_system.hpp"

std::span<const lamina::ModelEntry* const> lamina_registry();

namespace {

using lamina::ErrorCode;
using lamina::Model;
using lamina::Status;
using lamina::TokenId;
using lamina_test::system_grants;
using lamina_test::SystemGrants;

template <class T>
Status outcome_of(const lamina::Result<T>& result) {
  if (result) return lamina::Done{};
  return result.error();
}

/// Calls `work` with the first call failing, then with the second, until none does. Returns how many there
/// are. `unchanged` is asked after each failure that was told.
std::size_t fail_each(const std::function<Status()>& work, const std::function<void()>& unchanged) {
  std::optional<lamina_test::Held> held;
  // The first twice: what it keeps for once is no leak.
  for (std::size_t round = 0;; ++round) {
    const std::size_t granted = round > 0 ? round - 1 : 0;
    CAPTURE(granted);
    system_grants = SystemGrants{.calls = granted};
    const Status status = work();
    const SystemGrants left = std::exchange(system_grants, SystemGrants{});
    const lamina_test::Held now = lamina_test::held_now();
    if (round > 0) REQUIRE((held == now));
    held = now;
    if (left.refused == 0) {
      CHECK_MESSAGE(status, message_of(status));
      return granted;
    }
    if (status) continue;  // it did without
    const ErrorCode code = status.error().code;
    REQUIRE_MESSAGE(
        (code == ErrorCode::io || code == ErrorCode::bad_file || code == ErrorCode::out_of_memory),
        message_of(status));
    unchanged();
  }
}

/// Runs `work` in other processes, which are killed at the first call, at the second, until one ends by
/// itself. Returns how many calls there are. `unchanged` is asked after each death.
std::size_t kill_at_each(const std::function<Status()>& work, const std::function<void()>& unchanged) {
  for (std::size_t granted = 0;; ++granted) {
    CAPTURE(granted);
    const ::pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      system_grants = SystemGrants{.calls = granted, .kills = true};
      ::_exit(work() ? 0 : 1);
    }
    int ended = 0;
    REQUIRE(::waitpid(child, &ended, 0) == child);
    if (WIFEXITED(ended)) {
      CHECK(WEXITSTATUS(ended) == 0);
      return granted;
    }
    REQUIRE((WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL));
    unchanged();
  }
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("failing files: the test fails what it says") {
  system_grants = SystemGrants{.calls = 1};
  const int first = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int second = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int third = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const SystemGrants left = std::exchange(system_grants, SystemGrants{});
  CHECK((first >= 0 && second < 0 && third >= 0));
  CHECK(left.refused == 1);
  ::close(first);
  ::close(third);
}

TEST_CASE("failing files: opening models, packed or not") {
  const TemporaryDirectory folder;
  const std::string packed = folder.path("demo.lguf");
  const auto original = must(Model::open(demo_path, lamina_registry()));
  must(lamina::write_packed(original.entry(), demo_path, packed));
  for (const std::string& path : {std::string(demo_path), packed}) {
    const auto work = [&] { return outcome_of(Model::open(path, lamina_registry())); };
    CHECK(fail_each(work, [] {}) >= 3);
  }
}

TEST_CASE("failing files: opening a directory of safetensors") {
  const std::string path = golden_path("text/tiny-e2b");
  const lamina::OpenOptions options{.directories = &lamina::huggingface};
  const auto work = [&] { return outcome_of(Model::open(path, lamina_registry(), options)); };
  CHECK(fail_each(work, [] {}) >= 6);
}

TEST_CASE("failing files: packing leaves the older file, and nothing else") {
  const TemporaryDirectory folder;
  const std::string packed = folder.path("demo.lguf");
  const auto original = must(Model::open(demo_path, lamina_registry()));
  must(lamina::write_packed(original.entry(), demo_path, packed));
  const std::string before = read_bytes(packed);
  const auto work = [&] { return outcome_of(lamina::write_packed(original.entry(), demo_path, packed)); };
  const auto is_whole = [&] { REQUIRE(read_bytes(packed) == before); };
  const std::size_t calls = fail_each(work, [&] {
    is_whole();
    REQUIRE(names_in(folder.path("")) == std::vector<std::string>{"demo.lguf"});
  });
  CHECK(calls >= 6);
  CHECK(kill_at_each(work, is_whole) >= 6);
}

TEST_CASE("failing files: states that are saved and loaded") {
  const auto model = must(Model::open(demo_path, lamina_registry()));
  auto session = must(lamina::Session::create(model, {.context = 200}));
  const std::vector<TokenId> tokens(75, 9);
  REQUIRE(static_cast<bool>(session.prompt(tokens)));
  const TemporaryDirectory folder;
  const std::string path = folder.path("talk.state");
  REQUIRE(static_cast<bool>(lamina::save_state(session, path)));
  const std::string before = read_bytes(path);
  REQUIRE(static_cast<bool>(session.step(7)));
  const auto save = [&] { return lamina::save_state(session, path); };
  CHECK(fail_each(save, [&] {
          REQUIRE(read_bytes(path) == before);
          REQUIRE(names_in(folder.path("")) == std::vector<std::string>{"talk.state"});
          REQUIRE(session.position() == 76);
        }) >= 4);
  const std::string after = read_bytes(path);
  CHECK(after != before);
  REQUIRE(static_cast<bool>(session.step(8)));
  CHECK(kill_at_each(save, [&] { REQUIRE(read_bytes(path) == after); }) >= 4);
  CHECK(read_bytes(path) != after);  // and the one that was not killed has saved
  must(session.rewind(76));
  must(lamina::save_state(session, path));

  auto other = must(lamina::Session::create(model, {.context = 200}));
  const std::vector<TokenId> few(3, 11);
  REQUIRE(static_cast<bool>(other.prompt(few)));
  CHECK(fail_each([&] { return lamina::load_state(other, path); }, [&] { REQUIRE(other.position() == 3); }) >=
        3);
  CHECK(other.position() == 76);
}

TEST_CASE("failing files: rows of per-layer embeddings") {
  const auto model =
      must(Model::open(golden_path("quant/q-e2b-q4_0.gguf"), lamina_registry(), {.tokenizer = false}));
  lamina::SessionOptions options{.context = 64, .chunk = 16};
  auto mapped = must(lamina::Session::create(model, options));
  options.per_layer_rows = lamina::PerLayerRows::disk;
  const std::vector<TokenId> tokens{2, 95, 35, 29, 5, 6, 7, 95, 41, 42};
  REQUIRE(static_cast<bool>(mapped.prompt(tokens)));
  std::optional<lamina::Session> session;
  const auto work = [&]() -> Status {
    session.reset();
    session.emplace(must(lamina::Session::create(model, options)));
    return session->prompt(tokens);
  };
  const std::size_t calls = fail_each(work, [&] {
    REQUIRE(session->position() == 0);
    REQUIRE(static_cast<bool>(session->prompt(tokens)));
    REQUIRE(std::ranges::equal(session->logits(), mapped.logits()));
  });
  CHECK(calls == 9);  // distinct tokens
}

#endif
