// SPDX-License-Identifier: Apache-2.0
// HTTP without knowing what is said: connections with limits of time and size, requests in, answers out. What
// knows cpp-httplib is a library beside the program, which http.cpp loads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>

namespace program::serving {

/// What clients may cost.
struct HttpLimits {
  std::size_t body_bytes = std::size_t{32} << 20;
  std::size_t all_body_bytes = std::size_t{256} << 20;  ///< of all requests that are read and answered
  std::uint32_t connections = 256;                      ///< at the same time; more are sent away
  std::uint32_t idle_seconds = 30;                      ///< that a connection may wait for its next request
  std::uint32_t request_seconds = 10;       ///< for the head of a request, and once more for its body
  std::uint32_t bytes_per_second = 16'384;  ///< that a body must have on top of that
  std::uint32_t write_seconds = 30;         ///< that a client may take nothing of its answer
};

/// Tells, to any thread, whether a client still listens.
class Presence {
 public:
  [[nodiscard]] virtual bool is_there() const noexcept = 0;

 protected:
  ~Presence() = default;
};

/// Writes the pieces of an answer that comes bit by bit.
class EventSink {
 public:
  /// False once the client is gone.
  virtual bool write(std::string_view bytes) = 0;

 protected:
  ~EventSink() = default;
};

/// One request, and the way back to whoever sent it. Used by one thread.
class Exchange {
 public:
  [[nodiscard]] virtual std::string_view method() const = 0;
  [[nodiscard]] virtual std::string_view path() const = 0;
  [[nodiscard]] virtual std::string_view body() const = 0;
  /// Empty if there is none.
  [[nodiscard]] virtual std::string header(const char* name) const = 0;
  [[nodiscard]] virtual std::string query(const char* name) const = 0;
  /// Valid until the answer is written, also where that comes as a stream.
  [[nodiscard]] virtual const Presence& presence() const = 0;

  /// Answers as a whole.
  virtual void answer(int status, std::string_view type, std::string body) = 0;
  virtual void add_header(const char* name, const std::string& value) = 0;
  /// Answers bit by bit: `write` is called once, after the request's handler has returned.
  virtual void stream(std::string_view type, std::function<void(EventSink&)> write) = 0;

 protected:
  ~Exchange() = default;
};

/// What is done with requests. Called by many threads.
class HttpHandler {
 public:
  /// Asked before a body is read; answers what needs none, and what is refused. True: it was answered.
  virtual bool answers_head(Exchange& exchange) = 0;
  /// Answers a request whose body there is no room for beside those of others.
  virtual void refuse_full(Exchange& exchange) = 0;
  virtual void handle(Exchange& exchange) = 0;

 protected:
  ~HttpHandler() = default;
};

/// A server on one address.
class HttpServer {
 public:
  /// Binds the address; port 0 takes any. Errors: io
  [[nodiscard]] static lamina::Result<std::unique_ptr<HttpServer>> create(const std::string& host,
                                                                          std::uint16_t port,
                                                                          const HttpLimits& limits,
                                                                          HttpHandler& handler);
  virtual ~HttpServer() = default;

  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
  /// Answers requests until `stop`; returns when all connections are closed.
  virtual void run() = 0;
  /// Accepts no more connections, and no more requests on those that are there. From any thread.
  virtual void stop() = 0;
  /// Connections that are open.
  [[nodiscard]] virtual std::size_t connections() const noexcept = 0;
};

}  // namespace program::serving
