// SPDX-License-Identifier: Apache-2.0
// What an application includes when another translation unit compiles its models: no Highway, no Boost.Hana.
#pragma once

#include <lamina/weights/gguf/file.hpp>     // bytes of a file -> checked, named tensors
#include <lamina/weights/recognise.hpp>     // which model type is this file?
#include <lamina/packing/pack_weights.hpp>  // weights in the order of vectors (optional)
#include <lamina/engine/session.hpp>        // prompt, step, logits
#include <lamina/core/threads.hpp>          // worker threads
