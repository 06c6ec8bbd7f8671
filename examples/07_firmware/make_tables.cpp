// SPDX-License-Identifier: Apache-2.0
// Runs where the firmware is built: writes the tables of a GGUF file's vocabulary, to be linked in as they
// are.
//   make_tables MODEL.gguf TABLES
#include <cstdio>
#include <memory>
#include <vector>

#include <lamina/tokenizer/tables/image.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>

#include "print_error.hpp"

int main(int count, char** arguments) {
  if (count < 3) return std::fprintf(stderr, "usage: %s MODEL.gguf TABLES\n", arguments[0]), 2;
  const auto file = lamina::open_gguf_file(arguments[1]);
  if (!file) return print_error(file.error());
  auto vocabulary = lamina::read_gguf_vocabulary(file->metadata);
  if (!vocabulary) return print_error(vocabulary.error());
  const auto tokenizer = lamina::Tokenizer::create(std::move(*vocabulary));
  if (!tokenizer) return print_error(tokenizer.error());

  std::vector<std::byte> image(image_bytes(tokenizer->tables()));
  write_image(tokenizer->tables(), image.data());
  std::FILE* out = std::fopen(arguments[2], "wb");
  const bool is_written = out != nullptr && std::fwrite(image.data(), 1, image.size(), out) == image.size();
  if ((out != nullptr && std::fclose(out) != 0) || !is_written)
    return std::fprintf(stderr, "cannot write %s\n", arguments[2]), 1;
  return 0;
}
