// SPDX-License-Identifier: Apache-2.0
// What answers requests: a model, an engine that many share, its eyes and ears; and how many of what there
// were.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/chat/scheduling/scheduler.hpp>
#include <lamina/core/error.hpp>
#include <lamina/masks/token_index.hpp>

#include "../media.hpp"
#include "../model.hpp"
#include "http.hpp"
#include "requests.hpp"

namespace program::serving {

/// What the command line says of the server.
struct ServeFlags {
  CommonOptions common;
  MediaOptions media;
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string api_key;
  std::uint32_t parallel = 4;
  std::uint32_t queue = 64;
  std::uint32_t prompt_rows = 64;
  std::string cache_bytes = "512MiB";
  std::string max_request = "32MiB";
  std::string max_bodies;  ///< empty: 256MiB, or `max_request` if that is more
  std::string slot_folder;
  std::uint32_t stop_seconds = 5;  ///< that running answers have when the server ends
  std::uint32_t keep_alive_milliseconds = 5000;
  bool no_page = false;
};

/// Requests and answers since the start.
struct RequestCounts {
  static constexpr std::array<int, 12> statuses = {200, 400, 401, 403, 404, 405,
                                                   413, 415, 429, 499, 500, 503};
  std::array<std::atomic<std::uint64_t>, statuses.size()> by_status{};
  std::atomic<std::uint64_t> media{0};

  void add(int status) noexcept;
};

/// Everything that handlers of requests share.
class Service {
 public:
  /// Opens the model that the flags name. Errors: those of opening models, of engines and schedulers.
  [[nodiscard]] static lamina::Result<std::unique_ptr<Service>> open(const ServeFlags& flags,
                                                                     std::size_t cache_bytes);

  [[nodiscard]] const ServeFlags& flags() const noexcept { return flags_; }
  [[nodiscard]] const lamina::Model& model() const noexcept { return *engine_.model; }
  [[nodiscard]] const lamina::Tokenizer& tokenizer() const noexcept { return *model().tokenizer(); }
  [[nodiscard]] lamina::Scheduler& scheduler() noexcept { return *scheduler_; }
  [[nodiscard]] const std::string& model_name() const noexcept { return name_; }
  [[nodiscard]] const RequestDefaults& defaults() const noexcept { return defaults_; }
  [[nodiscard]] RequestCounts& counts() noexcept { return counts_; }
  [[nodiscard]] std::int64_t started() const noexcept { return started_; }
  /// Set when the server takes no more: those who wait are told so.
  [[nodiscard]] std::atomic<bool>& stopping() noexcept { return stopping_; }
  /// Set when running answers must end.
  [[nodiscard]] std::atomic<bool>& cut() noexcept { return cut_; }

  /// The vocabulary for constraints, made when the first one asks. Errors: out_of_memory.
  [[nodiscard]] lamina::Result<const lamina::TokenIndex*> token_index();
  /// Encodes the pictures, sounds and videos of a conversation, one request at a time.
  ///
  /// Errors   those of readers and towers, naming the message and the part
  [[nodiscard]] lamina::Status encode_media(lamina::Conversation& conversation);
  /// Seconds of each layer for one token, measured when the first one asks: between two passes of others.
  ///
  /// Errors   out_of_memory, cancelled
  [[nodiscard]] lamina::Result<std::vector<double>> layer_seconds();
  /// A new id: `prefix` and 24 digits that no other has.
  [[nodiscard]] std::string new_id(std::string_view prefix);

 private:
  explicit Service(const ServeFlags& flags);

  ServeFlags flags_;
  Engine engine_;
  std::unique_ptr<lamina::Scheduler> scheduler_;
  std::string name_;
  RequestDefaults defaults_;
  RequestCounts counts_;
  std::int64_t started_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> cut_{false};
  std::mutex index_mutex_;
  std::optional<lamina::TokenIndex> index_;
  std::mutex layer_mutex_;
  std::vector<double> layer_seconds_;
  bool experts_on_disk_ = false;
  std::mutex media_mutex_;
  std::optional<Towers> towers_;
  std::uint64_t id_seed_;
  std::atomic<std::uint64_t> next_id_{0};
};

}  // namespace program::serving
