// SPDX-License-Identifier: Apache-2.0
// Where tests find reference data: tests/golden, or the full set that LAMINA_GOLDEN names.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

/// Path of a reference file given relative to the golden folder.
inline std::string golden_path(std::string_view relative) {
  const char* override_directory = std::getenv("LAMINA_GOLDEN");
  std::string path = override_directory != nullptr ? override_directory : LAMINA_GOLDEN_DIR;
  path += '/';
  path += relative;
  return path;
}

/// A weight file of the text model `name`: its GGUF file, or its directory where it has none.
inline std::string first_file(const std::string& name) {
  const std::string directory = golden_path("text/" + name);
  return std::filesystem::exists(directory + "/model.gguf") ? directory + "/model.gguf" : directory;
}

/// All bytes of a file; empty if it cannot be read (tests check for that).
inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
