// SPDX-License-Identifier: Apache-2.0
// Saved states as files.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/new_file.hpp>

namespace lamina {

/// Saves a `Sequence` or a `Session` to the file at `path`, which has its name only when all of it is on
/// disk: whatever ends the process, an older file of this name is whole until then.
///
/// Errors   as `NewFile`, and of `save`
template <class Reader>
[[nodiscard]] Status save_state(const Reader& reader, const std::string& path) {
  return guard_memory(path, [&]() -> Status {
    auto file = NewFile::create(path);
    if (!file) return file.error();
    LAMINA_TRY(reader.save([&](std::span<const std::byte> bytes) { return file->write(bytes); }));
    return file->finish();
  });
}

/// Goes on with a `Sequence` or a `Session` from the file at `path`. It is mapped, checked, then copied.
///
/// Errors   as `open_mapped`, and of `load`
template <class Reader>
[[nodiscard]] Status load_state(Reader& reader, const std::string& path) {
  return guard_memory(path, [&]() -> Status {
    const auto file = open_mapped(path);
    if (!file) return file.error();
    (*file)->hint(AccessHint::sequential);
    return reader.load(std::span<const std::byte>((*file)->bytes()), path);
  });
}

}  // namespace lamina
