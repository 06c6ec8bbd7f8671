// SPDX-License-Identifier: Apache-2.0
// Which path is answered by what; who may ask; and what is refused before it is read.
#pragma once

#include <string_view>

#include "http.hpp"
#include "service.hpp"

namespace program::serving {

class Routes final : public HttpHandler {
 public:
  /// `most_body` bytes of a request are read at most.
  Routes(Service& service, std::size_t most_body) : service_(service), most_body_(most_body) {}

  bool answers_head(Exchange& exchange) override;
  void refuse_full(Exchange& exchange) override;
  void handle(Exchange& exchange) override;

 private:
  [[nodiscard]] bool is_allowed(const Exchange& exchange) const;
  [[nodiscard]] bool refuses_body(Exchange& exchange);
  void refuse_counted(Exchange& exchange, int status, std::string_view message, std::string_view code);

  Service& service_;
  std::size_t most_body_;
};

}  // namespace program::serving
