// SPDX-License-Identifier: Apache-2.0
// Everything to run a model in one translation unit, compiled for the target that the compiler flags name.
// The include list is the way of a token (docs/flow.md). Define LAMINA_EXTERN_LINEAR_KERNELS first, and
// compile <lamina/linear/define_linear.hpp> once, where several units of a program include this header.
#pragma once

#include <lamina/engine/open_model.hpp>         // a file -> a model of one of the compiled-in types
#include <lamina/schedule.hpp>                  // what a model is, as a type; facts about it
#include <lamina/forward/model_entry-inl.hpp>   // layers and kernels, compiled for one model type
#include <lamina/packing/pack_weights.hpp>      // weights in the order of vectors (optional)
#include <lamina/engine/session.hpp>            // prompt, step, logits
#include <lamina/core/threads.hpp>              // worker threads
#include <lamina/weights/gguf/vocabulary.hpp>   // the file's vocabulary
#include <lamina/tokenizer/tokenizer.hpp>       // text <-> ids
#include <lamina/tokenizer/stream_decoder.hpp>  // ids -> text as they come
#include <lamina/sampling/sampler.hpp>          // logits -> id
#include <lamina/chat/chat_template.hpp>        // turns -> prompt
#include <lamina/chat/response_parser.hpp>      // ids -> thoughts, text, tool calls
#include <lamina/chat/chat.hpp>                 // all of that for a conversation: text in, events out
#include <lamina/chat/tools/tool_loop.hpp>      // functions that the model may call
