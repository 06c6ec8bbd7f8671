// SPDX-License-Identifier: Apache-2.0
// Writes the packed form of a GGUF file once, so that it can be mapped from then on; see gguf_packing.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/blocks/interleave.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/executor.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/core/team.hpp>
#include <lamina/packing/pack_target.hpp>
#include <lamina/weights/new_file.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/tokenizer/tables/image.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/packing.hpp>
#include <lamina/weights/gguf/parse.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// What `write_packed` has written.
struct PackedFile {
  std::uint64_t bytes = 0;         ///< of the file; 0: progress said to stop, and there is no file
  std::uint64_t packed_bytes = 0;  ///< of its interleaved tensors
  std::size_t packed_tensors = 0;
  std::uint32_t height = 0;  ///< rows of a group
};

namespace detail {

/// Bytes interleaved and written at once; slabs of rows that are longer stay whole.
inline constexpr std::size_t packing_piece_bytes = std::size_t{8} << 20;

/// Appends a value as GGUF stores it.
template <class T>
inline void append_value(std::vector<std::byte>& out, T value) {
  const auto* first = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), first, first + sizeof value);
}
inline void append_value(std::vector<std::byte>& out, std::string_view text) {
  append_value(out, std::uint64_t{text.size()});
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), first, first + text.size());
}

/// Interleaves a tensor piece by piece, each of whole slabs of one matrix, of `most_bytes` or a single slab,
/// into `memory`. Calls use(stored, packed) -> Result<bool> for every piece, in their order, until it says
/// false.
template <class Use>
[[nodiscard]] Status for_each_packed_piece(const LinearKernels& kernels, const TensorView& tensor,
                                           std::size_t most_bytes, const Team& team,
                                           std::vector<std::byte>& memory, Use use) {
  WeightMatrix from;
  from.format = tensor.format;
  from.columns = static_cast<std::uint32_t>(tensor.dims[0]);
  from.rows = static_cast<std::uint32_t>(tensor.dims[1]);
  const std::uint32_t height = kernels.interleave_height;
  const std::size_t matrix_bytes = from.bytes();
  const std::size_t slab_bytes = from.bytes_per_row() * order_of(from, height).slab_rows();
  const std::size_t step = std::max<std::size_t>(most_bytes / slab_bytes, 1) * slab_bytes;
  for (std::size_t at = 0; at < tensor.bytes.size();) {
    const auto stored = tensor.bytes.subspan(at, std::min(step, matrix_bytes - at % matrix_bytes));
    if (memory.size() < stored.size()) memory.resize(stored.size());
    from.data = stored.data();
    from.rows = static_cast<std::uint32_t>(stored.size() / from.bytes_per_row());
    team.split(from.rows / height, 1, [&](IndexRange range, std::uint32_t) noexcept {
      kernels.interleave(from, std::size_t{range.first} * height, std::size_t{range.count} * height,
                         memory.data());
    });
    const Result<bool> goes_on = use(stored, std::span<const std::byte>(memory).first(stored.size()));
    if (!goes_on) return goes_on.error();
    if (!*goes_on) break;
    at += stored.size();
  }
  return Done{};
}

/// Copies one GGUF file into its packed form, tensor by tensor.
class PackedWriter {
 public:
  PackedWriter(const PackTarget& target, MappedFile& source, GgufContents contents, WeightFile weights,
               Executor* executor, PackProgress progress)
      : kernels_(target.kernels()),
        source_(source),
        contents_(std::move(contents)),
        weights_(std::move(weights)),
        team_(executor),
        progress_(progress) {
    const PackList list = list_packable(target, weights_, Experts::held);
    for (TensorView* tensor : list.tensors) {
      tensor->packing = Packing::interleaved;
      result_.packed_bytes += tensor->bytes.size();
    }
    result_.packed_tensors = list.tensors.size();
    result_.height = list.height;
  }

  /// Errors: io, unsupported (nothing to pack). `bytes` of the result is 0 when progress said to stop.
  [[nodiscard]] Result<PackedFile> write(const std::string& to) {
    if (result_.packed_tensors == 0) {
      return file_error(ErrorCode::unsupported, place(weights_.path), "there is nothing to pack",
                        text("matrices in an integer encoding that %s reads interleaved", kernels_.target),
                        "none", "use the file as it is: it starts at once");
    }
    source_.hint(AccessHint::sequential);
    auto file = NewFile::create(to);
    if (!file) return file.error();
    LAMINA_TRY(write_header(*file));
    for (const TensorView& tensor : contents_.tensors) {
      const TensorView* planned = weights_.find(tensor.name);
      const bool packs = planned != nullptr && planned->packing == Packing::interleaved;
      LAMINA_TRY(packs ? write_interleaved(*file, tensor) : write_plain(*file, tensor));
      if (stopped_) return PackedFile{};
      LAMINA_TRY(file->pad(contents_.alignment));
    }
    (void)report(*file);
    LAMINA_TRY(file->finish());
    result_.bytes = file->size();
    return result_;
  }

 private:
  // Metadata and descriptors stay as they are, since offsets count from where tensor data begins.
  [[nodiscard]] Status write_header(NewFile& file) {
    namespace keys = gguf_packing;
    const std::span<const std::byte> bytes = source_.bytes();
    const std::vector<std::byte> vocabulary = vocabulary_image();
    const auto metadata_end = static_cast<std::size_t>(contents_.metadata_end);
    const auto descriptors_end = static_cast<std::size_t>(contents_.descriptors_end);
    const std::uint64_t added_entries = vocabulary.empty() ? 3 : 5;
    std::vector<std::byte> head;
    for (const char c : keys::magic) append_value(head, c);
    append_value(head, contents_.version);
    append_value(head, std::uint64_t{contents_.tensors.size()});
    append_value(head, std::uint64_t{contents_.metadata.entries().size()} + added_entries);
    LAMINA_TRY(file.write(head));
    LAMINA_TRY(file.write(bytes.subspan(head.size(), metadata_end - head.size())));
    head.clear();
    append_value(head, keys::layout_key);
    append_value(head, GgufType::u32);
    append_value(head, keys::layout_version);
    append_value(head, keys::height_key);
    append_value(head, GgufType::u32);
    append_value(head, result_.height);
    append_value(head, keys::tensors_key);
    append_value(head, GgufType::array);
    append_value(head, GgufType::string);
    append_value(head, std::uint64_t{result_.packed_tensors});
    for (const TensorView& tensor : weights_.tensors) {
      if (tensor.packing == Packing::interleaved) append_value(head, std::string_view(tensor.name));
    }
    if (!vocabulary.empty()) append_vocabulary(vocabulary, file.size(), head);
    LAMINA_TRY(file.write(head));
    LAMINA_TRY(file.write(bytes.subspan(metadata_end, descriptors_end - metadata_end)));
    return file.pad(contents_.alignment);
  }

  /// The tables of the file's tokenizer; empty where it has none that can be used.
  [[nodiscard]] std::vector<std::byte> vocabulary_image() const {
    auto vocabulary = read_gguf_vocabulary(contents_.metadata);
    if (!vocabulary) return {};
    const auto tokenizer = Tokenizer::create(std::move(*vocabulary));
    if (!tokenizer) return {};
    const std::size_t bytes = image_bytes(tokenizer->tables());
    if (contents_.descriptors_end + bytes > gguf_max_metadata_bytes) return {};
    std::vector<std::byte> image(bytes);
    write_image(tokenizer->tables(), image.data());
    return image;
  }

  /// Appends the tables as metadata, so that they lie aligned in a file that has `written` bytes before
  /// `head`.
  static void append_vocabulary(std::span<const std::byte> image, std::uint64_t written,
                                std::vector<std::byte>& head) {
    const auto append_array = [&](std::string_view key, GgufType element, std::uint64_t count) {
      append_value(head, key);
      append_value(head, GgufType::array);
      append_value(head, element);
      append_value(head, count);
    };
    constexpr std::size_t array_bytes = 8 + 4 + 4 + 8;  // length of the key, both types, count
    const std::uint64_t unpadded = written + head.size() + 2 * array_bytes +
                                   gguf_packing::padding_key.size() + gguf_packing::vocabulary_key.size();
    const std::uint64_t padding = (tables_alignment - unpadded % tables_alignment) % tables_alignment;
    append_array(gguf_packing::padding_key, GgufType::u8, padding);
    head.resize(head.size() + static_cast<std::size_t>(padding));
    append_array(gguf_packing::vocabulary_key, GgufType::u64, image.size() / sizeof(std::uint64_t));
    head.insert(head.end(), image.begin(), image.end());
  }

  [[nodiscard]] Status write_plain(NewFile& file, const TensorView& tensor) {
    for (std::size_t at = 0; at < tensor.bytes.size() && report(file);) {
      const auto piece = tensor.bytes.subspan(at, std::min(packing_piece_bytes, tensor.bytes.size() - at));
      LAMINA_TRY(file.write(piece));
      source_.release(piece);
      at += piece.size();
    }
    return Done{};
  }

  [[nodiscard]] Status write_interleaved(NewFile& file, const TensorView& tensor) {
    return for_each_packed_piece(
        kernels_, tensor, packing_piece_bytes, team_, piece_,
        [&](std::span<const std::byte> stored, std::span<const std::byte> packed) -> Result<bool> {
          if (!report(file)) return false;
          LAMINA_TRY(file.write(packed));
          source_.release(stored);
          return true;
        });
  }

  /// False when progress says to stop.
  [[nodiscard]] bool report(const NewFile& file) {
    const std::uint64_t total = source_.bytes().size();
    if (progress_.report != nullptr &&
        !progress_.report(progress_.context, std::min(file.size(), total), total)) {
      stopped_ = true;
    }
    return !stopped_;
  }

  const LinearKernels& kernels_;
  MappedFile& source_;
  GgufContents contents_;
  WeightFile weights_;
  Team team_;
  PackProgress progress_;
  PackedFile result_;
  std::vector<std::byte> piece_;  ///< interleaved rows on their way to the file
  bool stopped_ = false;
};

/// Only whole plain GGUF files have a packed form.
[[nodiscard]] inline Status check_packable(const std::string& path, const GgufContents& contents) {
  if (contents.interleave_height > 0) {
    return file_error(ErrorCode::unsupported, place(path), "the file is packed already", "a plain GGUF file",
                      text("groups of %u rows", contents.interleave_height),
                      "use it as it is, or pack the original file");
  }
  for (const std::string_view key :
       {gguf_packing::layout_key, gguf_packing::height_key, gguf_packing::tensors_key,
        gguf_packing::vocabulary_key, gguf_packing::padding_key}) {
    if (contents.metadata.find(key) == nullptr) continue;
    return bad_file(place(path, key), "metadata key belongs to packed files only", "a plain GGUF file",
                    "this key");
  }
  const auto shards = shard_count(contents.metadata);
  if (!shards) return shards.error();
  if (*shards <= 1) return Done{};
  return file_error(ErrorCode::unsupported, place(path), "split files cannot be packed", "a single GGUF file",
                    text("one of %d shards", static_cast<int>(*shards)),
                    "merge them first: llama-gguf-split --merge");
}

}  // namespace detail

/// Writes the packed form of the GGUF file at `from` to `to`: all its metadata and tensors, with the tensors
/// interleaved that `pack_weights` would interleave on this machine. Opened like any model, it is mapped and
/// computes the same bits as the original, and `pack_weights` finds nothing left to do. It serves kernels
/// that interleave as many rows as this machine's (AVX2 8, AVX-512 16); others get an error when they open
/// it.
///
/// Effects   `to` appears, or is replaced, when all of it is on disk; after an error nothing is left behind
/// Returns   what was written; nothing when `progress` said to stop
/// Errors    as `open_gguf`; io (cannot be written), unsupported (a directory, split files, a packed file,
///           nothing to pack), mismatch (another model than `target`), bad_argument (`to` is `from`)
/// Cost      reads and writes the file once, and waits for the disk; a few tens of megabytes of memory
[[nodiscard]] inline Result<PackedFile> write_packed(const PackTarget& target, const std::string& from,
                                                     const std::string& to, Executor* executor = nullptr,
                                                     PackProgress progress = {}) {
  return guard_memory(from, [&]() -> Result<PackedFile> {
    if (path_kind(from) == PathKind::directory) {
      return file_error(ErrorCode::unsupported, place(from), "only GGUF files can be packed into a file",
                        "a GGUF file", "a directory",
                        "use the directory as it is, or convert it to GGUF first");
    }
    if (same_file(from, to)) {
      return file_error(ErrorCode::bad_argument, place(to), "would replace the model itself",
                        "the name of another file", file_name_of(from));
    }
    auto source = open_mapped(from);
    if (!source) return source.error();
    auto contents = parse_gguf((*source)->bytes(), file_name_of(from));
    if (!contents) return contents.error();
    LAMINA_TRY(detail::check_packable(from, *contents));
    GgufFile file;
    file.path = from;
    file.metadata = contents->metadata;
    file.tensors = contents->tensors;
    LAMINA_TRY(sort_tensors(file.tensors, file_name_of(from)));
    auto weights = make_weight_file(std::move(file));
    if (!weights) return weights.error();
    LAMINA_TRY(check_structure(*weights, target.describe(), target.name));
    return detail::PackedWriter(target, **source, std::move(*contents), std::move(*weights), executor,
                                progress)
        .write(to);
  });
}

}  // namespace lamina
