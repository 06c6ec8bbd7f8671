// SPDX-License-Identifier: Apache-2.0
// A client of `lamina serve`: asks over HTTP, prints the answer while it comes, ends it if it grows too long.
//   lamina serve &
//   10_server_client http://127.0.0.1:8080 "Write 612 in words."
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include <httplib.h>

#include <lamina/json/value.hpp>

#include "print_error.hpp"

namespace {

/// The words in one event of a stream, a chunk of OpenAI's chat interface; empty where it has none.
std::string words_of(const lamina::Value& chunk) {
  const lamina::Value* choices = chunk.find("choices");
  if (choices == nullptr || choices->items.empty()) return {};
  const lamina::Value* delta = choices->items[0].find("delta");
  const lamina::Value* content = delta != nullptr ? delta->find("content") : nullptr;
  return content != nullptr ? content->text : std::string();
}

/// Events of a stream (`data: …`, one a line) from the pieces in which they arrive.
class EventLines {
 public:
  /// Calls `take` with the JSON of each event that a piece completes; false once `take` returned false.
  template <class Take>
  bool push(std::string_view piece, Take&& take) {
    rest_ += piece;
    for (std::size_t end; (end = rest_.find('\n')) != rest_.npos; rest_.erase(0, end + 1)) {
      const std::string_view line = std::string_view(rest_).substr(0, end);
      if (line.starts_with("data: {") && !take(line.substr(6))) return false;
    }
    return true;
  }

 private:
  std::string rest_;
};

/// {"messages": [{"role": "user", "content": words}], "stream": true}, in which the words are quoted.
std::string request_of(std::string_view words) {
  std::string body = R"({"stream": true, "max_tokens": 64, "messages": [{"role": "user", "content": ")";
  for (const char c : words) {
    if (c == '"' || c == '\\') body += '\\';
    body += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return body + R"("}]})";
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return std::fprintf(stderr, "usage: %s http://HOST:PORT QUESTION\n", arguments[0]), 2;
  constexpr std::size_t longest = 200;
  std::size_t shown = 0;
  std::string refusal;
  EventLines events;
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/chat/completions";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = request_of(arguments[2]);
  request.response_handler = [&](const httplib::Response& response) {
    if (response.status != 200) refusal = "status " + std::to_string(response.status) + ": ";
    return true;
  };
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    const std::string_view piece(data, size);
    if (!refusal.empty()) return refusal += piece, true;
    return events.push(piece, [&](std::string_view json) {
      const auto chunk = lamina::parse_json_value(json);
      if (!chunk) return refusal = describe(chunk.error()).c_str(), false;
      const std::string words = words_of(*chunk);
      std::fputs(words.c_str(), stdout);
      std::fflush(stdout);
      // Who closes the connection frees the server's place within a token.
      return (shown += words.size()) < longest;
    });
  };

  httplib::Client client(arguments[1]);
  client.set_read_timeout(600);
  const httplib::Result result = client.send(request);
  std::puts("");
  if (!refusal.empty()) return std::fprintf(stderr, "%s\n", refusal.c_str()), 1;
  if (!result && result.error() != httplib::Error::Canceled)
    return std::fprintf(stderr, "%s: %s\n", arguments[1], httplib::to_string(result.error()).c_str()), 1;
  return 0;
}
