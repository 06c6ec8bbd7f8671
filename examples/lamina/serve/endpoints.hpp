// SPDX-License-Identifier: Apache-2.0
// What the server can be asked, one function for each; all are called by many threads.
#pragma once

#include "http.hpp"
#include "service.hpp"

namespace program::serving {

// Answers: parsed requests in, orders out.
void chat_completions(Service& service, Exchange& exchange);
void completions(Service& service, Exchange& exchange);
void responses(Service& service, Exchange& exchange);

// Text and ids.
void tokenize(Service& service, Exchange& exchange);
void detokenize(Service& service, Exchange& exchange);

// What the server is and does.
void health(Service& service, Exchange& exchange);
void models(Service& service, Exchange& exchange);
void properties(Service& service, Exchange& exchange);
void schedule(Service& service, Exchange& exchange);
void metrics(Service& service, Exchange& exchange);
void slots(Service& service, Exchange& exchange);
void slot_action(Service& service, Exchange& exchange);

}  // namespace program::serving
