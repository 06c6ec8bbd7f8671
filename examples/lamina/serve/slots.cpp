// SPDX-License-Identifier: Apache-2.0
// /slots: what each place of the engine does, and saving, restoring and erasing what it has read.
#include <algorithm>
#include <charconv>
#include <string>

#include <sys/stat.h>

#include <lamina/state/state_file.hpp>

#include "../machine.hpp"
#include "api_error.hpp"
#include "chat.hpp"
#include "endpoints.hpp"

namespace program::serving {
namespace {

using lamina::Done;
using lamina::Error;
using lamina::Result;
using lamina::Status;

/// Saves, restores or erases between two passes.
class SlotAction final : public lamina::SlotTask {
 public:
  enum class Kind : std::uint8_t { save, restore, erase };
  SlotAction(Kind kind, std::string path) : kind_(kind), path_(std::move(path)) {}

  void run(lamina::Sequence& sequence, bool is_busy) override {
    if (is_busy) {
      status = field_error("slot", "an answer is written in it", "an idle one", "a busy one");
      return;
    }
    tokens = sequence.position();
    if (kind_ == Kind::save) {
      status = lamina::save_state(sequence, path_);
    } else if (kind_ == Kind::restore) {
      status = lamina::load_state(sequence, path_);
      tokens = sequence.position();
    } else {
      sequence.reset();
    }
    bytes = sequence.state_bytes();
  }

  Status status = Done{};
  std::uint32_t tokens = 0;
  std::uint64_t bytes = 0;

 private:
  Kind kind_;
  std::string path_;
};

/// A plain name in the folder of slots; never a path.
Result<std::string> slot_file(const Service& service, const lamina::Value& request) {
  const Fields fields(request);
  std::string name;
  LAMINA_TRY(fields.text("filename", name));
  if (name.empty()) return fields.missing("filename", "a name");
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  if (name.size() > 100 || name.front() == '.' || !std::all_of(name.begin(), name.end(), is_plain))
    return fields.unknown("filename", "a plain name of letters, digits, underscores, hyphens and points",
                          name);
  const std::string path = service.flags().slot_folder + "/" + name;
  struct stat found {};
  // A link would lead elsewhere.
  if (::lstat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode))
    return fields.unknown("filename", "a regular file", name);
  return path;
}

Result<SlotAction::Kind> read_action(const std::string& action) {
  if (action == "save") return SlotAction::Kind::save;
  if (action == "restore") return SlotAction::Kind::restore;
  if (action == "erase") return SlotAction::Kind::erase;
  return field_error("action", "unknown value", "save, restore or erase", action);
}

Status act(Service& service, Exchange& exchange, const lamina::Value& request) {
  const std::string_view path = exchange.path();
  const std::string_view digits = path.substr(path.rfind('/') + 1);
  std::size_t index = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size())
    return field_error("slot", "no number of a slot", "a number", digits);
  const std::string action = exchange.query("action");
  const auto kind = read_action(action);
  if (!kind) return kind.error();
  std::string file;
  if (*kind != SlotAction::Kind::erase) {
    if (service.flags().slot_folder.empty())
      return not_offered("action", "a server that was started with --slot-save-path", action);
    auto found = slot_file(service, request);
    if (!found) return found.error();
    file = std::move(*found);
  }
  const Stopwatch watch;
  SlotAction task(*kind, file);
  LAMINA_TRY(service.scheduler().with_slot(index, task));
  if (!task.status) {
    Error error = task.status.error();
    // The client knows the name, and nothing else of this machine.
    if (!file.empty()) error.where = lamina::FixedText<192>("filename");
    return error;
  }
  Json document{{"id_slot", index}};
  const double milliseconds = watch.seconds() * 1000;
  if (*kind == SlotAction::Kind::erase) {
    document["n_erased"] = task.tokens;
  } else {
    const bool saves = *kind == SlotAction::Kind::save;
    document["filename"] = file.substr(file.rfind('/') + 1);
    document[saves ? "n_saved" : "n_restored"] = task.tokens;
    document[saves ? "n_written" : "n_read"] = task.bytes;
    document["timings"] = {{saves ? "save_ms" : "restore_ms", milliseconds}};
  }
  service.counts().add(200);
  answer_json(exchange, document);
  return Done{};
}

}  // namespace

void slots(Service& service, Exchange& exchange) {
  Json list = Json::array();
  for (const lamina::SlotState& slot : service.scheduler().slots()) {
    list.push_back({{"id", slot.id},
                    {"n_ctx", slot.context},
                    {"is_processing", slot.busy},
                    {"n_past", slot.position},
                    {"n_prompt_tokens", slot.prompt_tokens},
                    {"n_prompt_tokens_left", slot.prompt_left},
                    {"n_decoded", slot.answer_tokens}});
  }
  answer_json(exchange, list);
}

void slot_action(Service& service, Exchange& exchange) {
  if (exchange.body().empty()) {
    // Erasing needs none.
    const Status status = act(service, exchange, lamina::Value::object());
    if (status) return;
    const ApiError error = api_error(status.error());
    service.counts().add(error.status);
    return refuse(exchange, error);
  }
  with_request(service, exchange,
               [&](const lamina::Value& request) -> Status { return act(service, exchange, request); });
}

}  // namespace program::serving
