// SPDX-License-Identifier: Apache-2.0
// What an application includes when another translation unit compiles its models: no Highway, no Boost.Hana.
#pragma once

#include <lamina/engine/open_model.hpp>     // a file -> a model of one of the compiled-in types
#include <lamina/packing/pack_weights.hpp>  // weights in the order of vectors (optional)
#include <lamina/engine/session.hpp>        // prompt, step, logits
#include <lamina/core/threads.hpp>          // worker threads
