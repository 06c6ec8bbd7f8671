// SPDX-License-Identifier: Apache-2.0
// HTTP through cpp-httplib, behind connections of our own: the library has no limits on how long a request
// takes. A library beside the program, loaded by `lamina serve` alone: OpenSSL comes with it.
#include "http_server.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <httplib.h>

namespace program::serving {
namespace {

using Clock = std::chrono::steady_clock;

/// Bytes of bodies that all connections may hold together. Threads: any
class BodyRoom {
 public:
  explicit BodyRoom(std::size_t most) : most_(most) {}

  /// False if there is no room for so many: nothing is taken then.
  [[nodiscard]] bool take(std::size_t bytes) noexcept {
    std::size_t held = held_.load();
    do {
      if (bytes > most_ - held) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes));
    return true;
  }
  void give_back(std::size_t bytes) noexcept { held_ -= bytes; }

 private:
  std::size_t most_;
  std::atomic<std::size_t> held_{0};
};

/// One connection: reads with deadlines, so that nobody holds a thread by sending a byte a second.
class Connection final : public httplib::Stream, public Presence {
 public:
  Connection(int socket, const HttpLimits& limits, BodyRoom& room)
      : socket_(socket), limits_(limits), room_(room) {}

  /// Waits for the first byte of a request; false if none comes, or the server stops.
  [[nodiscard]] bool wait_for_request(const std::atomic<bool>& stops) {
    if (begin_ < end_) return true;
    const auto until = Clock::now() + std::chrono::seconds(limits_.idle_seconds);
    while (!stops.load() && Clock::now() < until) {
      if (wait(POLLIN, 200)) return true;
    }
    return false;
  }
  void begin_request() {
    started_ = Clock::now();
    taken_ = 0;
    head_done_ = false;
  }
  /// False if there is no room for a body of so many bytes, as far as is known; `end_request` gives it back.
  [[nodiscard]] bool begin_body(std::size_t bytes) {
    if (!room_.take(bytes)) return false;
    room_taken_ = bytes;
    started_ = Clock::now();
    taken_ = 0;
    head_done_ = true;
    return true;
  }
  void end_request() noexcept { room_.give_back(std::exchange(room_taken_, 0)); }
  /// No more requests are read from this connection.
  void close_after_answer() noexcept { closes_ = true; }
  [[nodiscard]] bool closes() const noexcept { return closes_; }
  /// A side that has closed is gone, even if it might still read.
  [[nodiscard]] bool is_there() const noexcept override {
    pollfd one{socket_, POLLRDHUP, 0};
    return ::poll(&one, 1, 0) == 0 || (one.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0;
  }
  /// Lets the other side read the last answer before the connection is gone.
  void linger() {
    ::shutdown(socket_, SHUT_WR);
    const auto until = Clock::now() + std::chrono::milliseconds(500);
    char waste[4096];
    while (Clock::now() < until && wait(POLLIN, 100)) {
      if (::recv(socket_, waste, sizeof waste, 0) <= 0) break;
    }
  }

  // --- httplib::Stream ---

  bool is_readable() const override { return begin_ < end_ || wait(POLLIN, 0); }
  bool is_writable() const override { return is_there(); }
  ssize_t read(char* to, std::size_t size) override {
    if (begin_ == end_ && !fill()) return -1;
    const std::size_t count = std::min(size, end_ - begin_);
    // What is read beyond its bounds ends the request.
    const std::size_t bound = head_done_ ? limits_.body_bytes + most_head : most_head;
    taken_ += count;
    if (taken_ > bound || (head_done_ && !has_room())) {
      closes_ = true;
      return -1;
    }
    std::memcpy(to, buffer_ + begin_, count);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, std::size_t size) override {
    const auto until = Clock::now() + std::chrono::seconds(limits_.write_seconds);
    std::size_t done = 0;
    while (done < size) {
      const ssize_t sent = ::send(socket_, from + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        done += static_cast<std::size_t>(sent);
        continue;
      }
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return fail();
      if (Clock::now() >= until || !is_there()) return fail();
      static_cast<void>(wait(POLLOUT, 200));
    }
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  // The library refuses high numbers, for the sake of `select`, which is not used here.
  socket_t socket() const override { return 0; }

 private:
  static constexpr std::size_t most_head = 64 << 10;

  /// Takes room for a body whose length was not said.
  [[nodiscard]] bool has_room() noexcept {
    if (taken_ <= room_taken_) return true;
    const std::size_t more = std::max(taken_ - room_taken_, most_head);
    if (!room_.take(more)) return false;
    room_taken_ += more;
    return true;
  }
  [[nodiscard]] ssize_t fail() noexcept {
    closes_ = true;
    return -1;
  }
  [[nodiscard]] bool wait(short events, int milliseconds) const noexcept {
    pollfd one{socket_, events, 0};
    return ::poll(&one, 1, milliseconds) > 0;
  }
  /// Reads what comes, before the deadline of the head or the body.
  [[nodiscard]] bool fill() {
    for (;;) {
      auto until = started_ + std::chrono::seconds(limits_.request_seconds);
      if (head_done_) until += std::chrono::milliseconds(taken_ * 1000 / limits_.bytes_per_second);
      const auto now = Clock::now();
      if (closes_ || now >= until) break;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now).count() + 1;
      if (!wait(POLLIN, static_cast<int>(std::min<std::int64_t>(left, 1000)))) continue;
      const ssize_t count = ::recv(socket_, buffer_, sizeof buffer_, 0);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count <= 0) break;
      begin_ = 0;
      end_ = static_cast<std::size_t>(count);
      return true;
    }
    closes_ = true;
    return false;
  }

  int socket_;
  const HttpLimits& limits_;
  BodyRoom& room_;
  std::size_t room_taken_ = 0;
  char buffer_[16384];
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t taken_ = 0;  ///< of this head or body
  bool head_done_ = false;
  bool closes_ = false;
  Clock::time_point started_ = Clock::now();
};

/// The connection that this thread serves.
thread_local Connection* current = nullptr;
/// Set where the accepting thread itself must send somebody away.
thread_local bool sends_away = false;

class HttplibExchange final : public Exchange {
 public:
  HttplibExchange(const httplib::Request& request, httplib::Response& response)
      : request_(request), response_(response) {}

  std::string_view method() const override { return request_.method; }
  std::string_view path() const override { return request_.path; }
  std::string_view body() const override { return request_.body; }
  std::string header(const char* name) const override { return request_.get_header_value(name); }
  std::string query(const char* name) const override { return request_.get_param_value(name); }
  const Presence& presence() const override { return *connection_; }

  void answer(int status, std::string_view type, std::string body) override {
    response_.status = status;
    response_.set_content(std::move(body), std::string(type));
  }
  void add_header(const char* name, const std::string& value) override { response_.set_header(name, value); }
  void stream(std::string_view type, std::function<void(EventSink&)> write) override {
    response_.status = 200;
    response_.set_header("Cache-Control", "no-store");
    response_.set_header("X-Accel-Buffering", "no");
    // All is written in one call: between calls the library would end it when the server stops.
    response_.set_chunked_content_provider(
        std::string(type), [write = std::move(write)](std::size_t, httplib::DataSink& sink) {
          struct Sink final : EventSink {
            explicit Sink(httplib::DataSink& to) : sink(to) {}
            bool write(std::string_view bytes) override {
              return bytes.empty() || (sink.is_writable() && sink.write(bytes.data(), bytes.size()));
            }
            httplib::DataSink& sink;
          } events(sink);
          write(events);
          sink.done();
          return true;
        });
  }

 private:
  const httplib::Request& request_;
  httplib::Response& response_;
  const Connection* connection_ = current;
};

/// One thread for each connection, up to a number; idle ones are used again.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(std::uint32_t most) : most_(most) {}

  void enqueue(std::function<void()> work) override {
    {
      std::unique_lock lock(mutex_);
      if (idle_ > waiting_.size() || threads_.size() < most_) {
        waiting_.push_back(std::move(work));
        if (idle_ < waiting_.size() && !add_thread()) {
          work = std::move(waiting_.back());
          waiting_.pop_back();
        } else {
          ready_.notify_one();
          return;
        }
      }
    }
    sends_away = true;
    work();
    sends_away = false;
  }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      ready_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  bool add_thread() {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::exception&) {  // the system has no thread for it
      return false;
    }
    return true;
  }
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      ready_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) return;
      const std::function<void()> next = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
      lock.unlock();
      next();
      lock.lock();
    }
  }

  std::uint32_t most_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ends_ = false;
};

constexpr std::string_view busy_answer =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 89\r\n\r\n"
    R"({"error":{"message":"too many connections","type":"server_error","param":null,"code":""}})";

class HttplibServer final : public HttpServer, private httplib::Server {
 public:
  HttplibServer(const HttpLimits& limits, HttpHandler& handler)
      : limits_(limits), handler_(handler), room_(limits.all_body_bytes) {}

  [[nodiscard]] bool bind(const std::string& host, std::uint16_t port) {
    // The library would share a port with whoever listens there already.
    set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    if (port != 0) {
      if (!bind_to_port(host, port)) return false;
      port_ = port;
    } else {
      const int found = bind_to_any_port(host);
      if (found <= 0) return false;
      port_ = static_cast<std::uint16_t>(found);
    }
    ::listen(svr_sock_, 512);  // the library lets five wait
    set_up();
    return true;
  }
  std::uint16_t port() const noexcept override { return port_; }
  void run() override { listen_after_bind(); }
  void stop() override {
    stops_ = true;
    // As the library's, which does nothing before `run` has begun: then it would listen for ever.
    if (const socket_t listening = svr_sock_.exchange(INVALID_SOCKET); listening != INVALID_SOCKET) {
      ::shutdown(listening, SHUT_RDWR);
      ::close(listening);
    }
  }
  std::size_t connections() const noexcept override { return open_; }

 private:
  void set_up() {
    new_task_queue = [this] { return new ConnectionThreads(limits_.connections); };
    set_payload_max_length(limits_.body_bytes);
    set_keep_alive_timeout(limits_.idle_seconds);
    set_keep_alive_max_count(1'000'000);
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      HttplibExchange exchange(request, response);
      // The library reads bodies of POST alone, by one length: what it left would be taken for the next
      // request.
      if (has_unclear_body(request) || (request.method != "POST" && has_body(request))) {
        current->close_after_answer();
        response.set_header("Connection", "close");
      }
      if (handler_.answers_head(exchange)) {
        if (has_body(request)) current->close_after_answer();
        if (current->closes()) response.set_header("Connection", "close");
        return HandlerResponse::Handled;
      }
      if (!current->begin_body(length_of(request))) {
        handler_.refuse_full(exchange);
        current->close_after_answer();
        response.set_header("Connection", "close");
        return HandlerResponse::Handled;
      }
      return HandlerResponse::Unhandled;
    });
    const auto handle = [this](const httplib::Request& request, httplib::Response& response) {
      HttplibExchange exchange(request, response);
      handler_.handle(exchange);
    };
    Get(".*", handle);
    Post(".*", handle);
    set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      response.status = 500;
      response.set_content(R"({"error":{"message":"the system refused memory","type":"server_error",)"
                           R"("param":null,"code":"out_of_memory"}})",
                           "application/json");
    });
    // What the library refuses by itself has no body.
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.status != 404) current->close_after_answer();
      if (!response.body.empty()) return;
      response.set_content(R"({"error":{"message":"the request is not well-formed HTTP, or too long",)"
                           R"("type":"invalid_request_error","param":null,"code":"bad_request"}})",
                           "application/json");
    });
  }
  [[nodiscard]] static bool has_body(const httplib::Request& request) {
    return request.has_header("Transfer-Encoding") ||
           (request.has_header("Content-Length") && request.get_header_value("Content-Length") != "0");
  }

  /// Of the body, if it is said; what it may be was checked before.
  [[nodiscard]] static std::size_t length_of(const httplib::Request& request) {
    return std::strtoull(request.get_header_value("Content-Length").c_str(), nullptr, 10);
  }

  /// Whether two readers may disagree where it ends.
  [[nodiscard]] static bool has_unclear_body(const httplib::Request& request) {
    return request.get_header_value_count("Content-Length") > 1 ||
           (request.has_header("Transfer-Encoding") && request.has_header("Content-Length"));
  }

  bool process_and_close_socket(socket_t socket) override {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection connection(socket, limits_, room_);
    if (sends_away) {
      ::send(socket, busy_answer.data(), busy_answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      ++open_;
      current = &connection;
      while (connection.wait_for_request(stops_)) {
        connection.begin_request();
        bool closed = false;
        const bool done = process_request(connection, false, closed, [](httplib::Request& request) {
          request.ranges.clear();
          // No length means no body; the library would read until the other side closes.
          if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"))
            request.headers.emplace("Content-Length", "0");
          request.headers.erase("Accept-Encoding");  // a compressed stream would come late
        });
        connection.end_request();
        if (!done || closed || connection.closes() || stops_) break;
      }
      current = nullptr;
      connection.linger();
      --open_;
    }
    ::close(socket);
    return true;
  }

  HttpLimits limits_;
  HttpHandler& handler_;
  BodyRoom room_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stops_{false};
  std::atomic<std::size_t> open_{0};
};

lamina::Result<std::unique_ptr<HttpServer>> make_server(const std::string& host, std::uint16_t port,
                                                        const HttpLimits& limits, HttpHandler& handler) {
  auto server = std::make_unique<HttplibServer>(limits, handler);
  errno = 0;
  if (server->bind(host, port)) return std::unique_ptr<HttpServer>(std::move(server));
  return lamina::Error{lamina::ErrorCode::io,
                       lamina::text("%s:%u", host.c_str(), static_cast<unsigned>(port)).view(),
                       "cannot listen there",
                       "an address of this machine and a free port",
                       errno != 0 ? std::strerror(errno) : "none",
                       "choose another --port (0: any) or --host"};
}

}  // namespace
}  // namespace program::serving

extern "C" program::serving::HttpServerMaker lamina_http_server_maker() {
  return &program::serving::make_server;
}
