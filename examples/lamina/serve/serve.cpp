// SPDX-License-Identifier: Apache-2.0
// `lamina serve`: flags, and the server from its start to its end.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <semaphore.h>
#include <signal.h>

#include <CLI/CLI.hpp>

#include "../commands.hpp"
#include "../machine.hpp"
#include "../numbers.hpp"
#include "../options.hpp"
#include "../output.hpp"
#include "../report.hpp"
#include "http.hpp"
#include "routes.hpp"
#include "service.hpp"

namespace program {
namespace {

using serving::ServeFlags;

sem_t end_signals;  // posted by the handler, which may do nothing else

extern "C" void on_end_signal(int) { sem_post(&end_signals); }

/// From now on SIGINT and SIGTERM are waited for; before, they end the program at once.
void catch_end_signals() noexcept {
  sem_init(&end_signals, 0, 0);
  struct sigaction action {};
  action.sa_handler = &on_end_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void wait_for_end() noexcept {
  while (sem_wait(&end_signals) != 0) continue;
}

/// Whether another signal came.
bool asked_again() noexcept { return sem_trywait(&end_signals) == 0; }

lamina::Result<std::size_t> bytes_of(const std::string& text, const char* flag) {
  if (text == "0") return std::size_t{0};
  const auto bytes = parse_bytes(text, flag);
  if (!bytes) return bytes.error();
  return static_cast<std::size_t>(*bytes);
}

int serve(const ServeFlags& flags) {
  const bool json = flags.common.json;
  const auto cache_bytes = bytes_of(flags.cache_bytes, "--cache-bytes");
  if (!cache_bytes)
    return fail_usage(describe(cache_bytes.error()).view(), "for example 1GiB; 0: none", json);
  const auto request_bytes = bytes_of(flags.max_request, "--max-request");
  if (!request_bytes) return fail_usage(describe(request_bytes.error()).view(), "for example 32MiB", json);
  const auto all_bytes = flags.max_bodies.empty()
                             ? lamina::Result<std::size_t>(std::max(*request_bytes, std::size_t{256} << 20))
                             : bytes_of(flags.max_bodies, "--max-bodies");
  if (!all_bytes) return fail_usage(describe(all_bytes.error()).view(), "for example 256MiB", json);
  if (*all_bytes < *request_bytes)
    return fail_usage("--max-bodies is less than --max-request", "give room for one request at least", json);
  auto service = serving::Service::open(flags, *cache_bytes);
  if (!service) return fail(service.error(), json);

  serving::HttpLimits limits;
  limits.body_bytes = *request_bytes;
  limits.all_body_bytes = *all_bytes;
  limits.connections = 2 * (flags.parallel + flags.queue) + 128;
  serving::Routes routes(**service, *request_bytes);
  auto server = serving::HttpServer::create(flags.host, flags.port, limits, routes);
  if (!server) return fail(server.error(), json);
  catch_end_signals();
  std::thread engine([&] { (*service)->scheduler().run(); });
  std::thread listener([&] { (*server)->run(); });
  putf("listening on http://%s:%u\n", flags.host.c_str(), static_cast<unsigned>((*server)->port()));
  flush_output();

  wait_for_end();
  // Those who wait are told at once; those whose answer comes may have it, for a while.
  (*service)->stopping() = true;
  (*service)->scheduler().stop();
  (*server)->stop();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(flags.stop_seconds);
  while ((*service)->scheduler().counts().running > 0 && std::chrono::steady_clock::now() < until) {
    if (asked_again()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  (*service)->cut() = true;
  engine.join();
  listener.join();
  return exit_done;
}

}  // namespace

void add_serve(Program& program) {
  CLI::App* command = program.app.add_subcommand("serve", "Answer over HTTP, as OpenAI's interface does");
  auto flags = std::make_shared<ServeFlags>();
  add_common_flags(*command, flags->common);
  add_memory_flags(*command, flags->common);
  add_draft_flags(*command, flags->common);
  add_media_settings(*command, flags->media);
  command->add_option("--host", flags->host, "Address to listen on (default 127.0.0.1: this machine alone)");
  add_number(*command, "--port", flags->port, std::uint16_t{0}, std::uint16_t{65535},
             "Port to listen on; 0: any, which is printed (default 8080)");
  command->add_option("--api-key", flags->api_key, "Key that clients must send (Authorization: Bearer KEY)");
  add_number(*command, "--parallel", flags->parallel, 1U, 256U, "Answers at the same time (default 4)");
  add_number(*command, "--queue", flags->queue, 0U, 65536U,
             "Requests that wait at most; others get 429 (default 64)");
  command->add_option("--cache-bytes", flags->cache_bytes,
                      "Memory for what was read before, such as 1GiB (default 512MiB; 0: none)");
  command->add_option("--max-request", flags->max_request, "Longest body of a request (default 32MiB)");
  command->add_option("--max-bodies", flags->max_bodies,
                      "Bodies of all requests at a time; others get 503 (default 256MiB, or --max-request)");
  add_number(*command, "--prompt-rows", flags->prompt_rows, 1U, 8192U,
             "Tokens of prompts in a pass with somebody who waits for the next token (default 64)");
  command->add_option("--slot-save-path", flags->slot_folder,
                      "Folder where POST /slots/ID saves and restores");
  add_number(*command, "--stop-seconds", flags->stop_seconds, 0U, 3600U,
             "Time that answers have to end when the server is stopped (default 5)");
  add_number(*command, "--keep-alive-ms", flags->keep_alive_milliseconds, 10U, 600'000U,
             "Silence in a stream after which a comment is sent (default 5000)");
  command->add_flag("--no-page", flags->no_page, "No web page at /");
  command->callback([&program, flags] { program.action = [flags] { return serve(*flags); }; });
}

}  // namespace program
