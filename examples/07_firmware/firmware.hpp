// SPDX-License-Identifier: Apache-2.0
// The whole firmware to the code around it: a question in, an answer out.
#pragma once

#include <cstddef>

extern "C" {

/// Answers `question` into `answer`, of `room` bytes, cut where it is full. Returns the bytes written; below
/// zero: minus one more than the number of an error (`lamina::ErrorCode`).
long firmware_answer(const char* question, size_t length, char* answer, size_t room);

/// Bytes of static memory that the model works in.
size_t firmware_memory_bytes(void);

// What the board links in: the model's GGUF file, and the tables of its vocabulary (`make_tables`).
extern const std::byte flash_model_begin[];
extern const std::byte flash_model_end[];
extern const std::byte flash_tables_begin[];
extern const std::byte flash_tables_end[];
}
