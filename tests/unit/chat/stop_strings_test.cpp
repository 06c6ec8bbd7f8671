// SPDX-License-Identifier: Apache-2.0
// Stop strings: the same end however the text is cut into pieces, and nothing held back longer than needed.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <lamina/chat/stop_strings.hpp>

namespace {

struct Run {
  std::string out;
  bool stopped;
};

Run run(const std::vector<std::string>& stops, const std::string& text, std::size_t piece) {
  lamina::StopStrings watch(stops);
  Run result{"", false};
  for (std::size_t at = 0; at < text.size(); at += piece) {
    result.stopped = watch.push(std::string_view(text).substr(at, piece), result.out);
  }
  CHECK(watch.stopped() == result.stopped);
  watch.finish(result.out);
  return result;
}

}  // namespace

TEST_CASE("the answer ends before the first stop string that becomes complete") {
  struct Case {
    std::vector<std::string> stops;
    std::string text;
    std::string out;
    bool stopped;
  };
  const std::vector<Case> cases{
      {{}, "abc", "abc", false},
      {{""}, "abc", "abc", false},
      {{"x"}, "abc", "abc", false},
      {{"b"}, "abc", "a", true},
      {{"abcd", "bc"}, "abcd", "a", true},
      {{"bc", "abc"}, "xabc", "x", true},
      {{"aab"}, "aaaab!", "aa", true},
      {{"aab"}, "aaaa", "aaaa", false},
      {{"\n\nUser:"}, "Hi\n\nUs\n\nUser: no", "Hi\n\nUs", true},
      {{"\xC3\xA9"}, "caf\xC3\xA8 caf\xC3\xA9 x", "caf\xC3\xA8 caf", true},
      {{"stop", "top"}, "stop", "", true},
  };
  for (const Case& example : cases) {
    CAPTURE(example.text);
    for (std::size_t piece = 1; piece <= example.text.size(); ++piece) {
      const Run found = run(example.stops, example.text, piece);
      CHECK(found.out == example.out);
      CHECK(found.stopped == example.stopped);
    }
  }
}

TEST_CASE("only what may begin a stop string is held back") {
  lamina::StopStrings watch({"END."});
  std::string out;
  CHECK_FALSE(watch.push("the E", out));
  CHECK(out == "the ");
  CHECK_FALSE(watch.push("ND of", out));
  CHECK(out == "the END of");
  CHECK_FALSE(watch.push(" EN", out));
  CHECK(out == "the END of ");
  watch.finish(out);
  CHECK(out == "the END of EN");
}
