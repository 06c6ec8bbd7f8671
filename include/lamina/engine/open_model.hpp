// SPDX-License-Identifier: Apache-2.0
// From a path, a part of a file or bytes in memory to a model, in one call: `Model::open`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/engine/open_options.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/packing/read_ahead.hpp>
#include <lamina/tokenizer/tables/image.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/packing.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/recognise.hpp>
#include <lamina/weights/safetensors.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Finds the compiled-in type whose structure is the file's. Errors: mismatch, with the numbers that differ;
/// out_of_memory.
[[nodiscard]] inline Result<const ModelEntry*> entry_of(const WeightFile& file, const ModelEntries& entries) {
  return guard_memory(file.path, [&]() -> Result<const ModelEntry*> {
    std::vector<Candidate> candidates;
    for (const ModelEntry* entry : entries.list()) candidates.push_back({entry->name, &entry->describe()});
    const auto index = recognise(file.description, candidates, file.path);
    if (!index) return index.error();
    return entries.list()[*index];
  });
}

/// Builds the tokenizer of a vocabulary that may not have been read. Errors: the reader's; as
/// `Tokenizer::create`.
[[nodiscard]] inline Result<Tokenizer> make_tokenizer(Result<VocabularyData> vocabulary) {
  if (!vocabulary) return vocabulary.error();
  return Tokenizer::create(std::move(*vocabulary));
}

namespace detail {

/// The tables of the tokenizer in a packed file; empty where there are none.
[[nodiscard]] inline std::span<const std::byte> tables_in(const WeightFile& file) {
  const GgufValue* value = file.metadata.find(gguf_packing::vocabulary_key);
  if (file.interleave_height == 0 || value == nullptr || value->element != GgufType::u64) return {};
  return value->bytes;
}

}  // namespace detail

/// Makes the tokenizer that a file carries. That of a packed file uses the tables that lie in it, and `file`,
/// or the model that it goes to, must outlive it.
///
/// Errors   unsupported (the file has none, or one that `directories` would have to read); bad_file;
///          out_of_memory
[[nodiscard]] inline Result<Tokenizer> tokenizer_of(const WeightFile& file,
                                                    const DirectoryReader* directories = nullptr) {
  return guard_memory(file.path, [&]() -> Result<Tokenizer> {
    if (!file.tokenizer_json.empty() && directories != nullptr)
      return make_tokenizer(directories->read_vocabulary(file.tokenizer_json, file.path + "/tokenizer.json"));
    if (const auto image = detail::tables_in(file); is_known_image(image))
      return Tokenizer::from_image(image, place(file.path, gguf_packing::vocabulary_key));
    if (!file.metadata.empty()) {
      auto made = make_tokenizer(read_gguf_vocabulary(file.metadata));
      for (const std::string_view key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
        const GgufValue* read = file.metadata.find(key);
        for (const auto& owner : file.owners) {
          if (read != nullptr) owner->release(read->bytes);
        }
      }
      return made;
    }
    return file_error(ErrorCode::unsupported, place(file.path), "model has no tokenizer",
                      "tokenizer.json beside config.json", "nothing", "give token ids instead of text");
  });
}

inline Result<Tokenizer> tokenizer_of(const WeightFile&& file, const DirectoryReader* = nullptr) = delete;

namespace detail {

/// Whether there is anything of a tokenizer in a file; if so it must be whole.
[[nodiscard]] inline bool carries_tokenizer(const WeightFile& file) {
  return !file.tokenizer_json.empty() || file.metadata.find("tokenizer.ggml.tokens") != nullptr;
}

}  // namespace detail

/// Bytes of memory that the tokenizer of a file takes, about; 0: the file has none, or it is a packed one,
/// where the tables are used as they lie.
[[nodiscard]] inline std::uint64_t tokenizer_bytes(const WeightFile& file) {
  if (!detail::carries_tokenizer(file) || is_known_image(detail::tables_in(file))) return 0;
  return static_cast<std::uint64_t>(file.description.vocab) * Tokenizer::bytes_per_token;
}

namespace detail {

/// Whether `path` holds what only a `DirectoryReader` reads. Errors: io.
[[nodiscard]] inline Result<bool> is_for_directories(const std::string& path) {
  if (path_kind(path) == PathKind::directory) return true;
  const auto mapped = open_mapped(path);
  if (!mapped) return mapped.error();
  return looks_like_safetensors((*mapped)->bytes());
}

/// Opens a whole GGUF file that lies inside another file.
[[nodiscard]] inline Result<WeightFile> open_part(const ModelSource& source) {
  auto mapped = open_mapped(source.path());
  if (!mapped) return mapped.error();
  const std::uint64_t size = (*mapped)->size();
  if (source.offset() > size || source.length() > size - source.offset()) {
    return file_error(ErrorCode::bad_argument, place(source.path()), "part lies outside the file",
                      text("offset and length within %llu bytes", static_cast<unsigned long long>(size)),
                      text("offset %llu, length %llu", static_cast<unsigned long long>(source.offset()),
                           static_cast<unsigned long long>(source.length())));
  }
  const auto bytes = (*mapped)->bytes().subspan(static_cast<std::size_t>(source.offset()),
                                                static_cast<std::size_t>(source.length()));
  auto file = read_gguf_file(bytes, source.path());
  if (!file) return file.error();
  file->owners.push_back(std::move(*mapped));
  return make_weight_file(std::move(*file));
}

/// Opens the file of a source, whatever it is.
[[nodiscard]] inline Result<WeightFile> open_source(const ModelSource& source,
                                                    const DirectoryReader* reader) {
  if (source.in_memory()) return read_gguf(source.bytes(), source.path());
  if (source.is_part()) return open_part(source);
  if (reader != nullptr) return reader->open(source.path());
  const auto other = is_for_directories(source.path());
  if (!other) return other.error();
  if (!*other) return open_gguf(source.path());
  return file_error(ErrorCode::unsupported, place(source.path()), "not a GGUF file", "a GGUF file",
                    "a Hugging Face directory or safetensors file",
                    "include <lamina/huggingface/directories.hpp> and set OpenOptions::directories");
}

/// Where the experts are, as the options say.
[[nodiscard]] inline Experts experts_of(const OpenOptions& options) noexcept {
  return options.expert_slots > 0 ? Experts::on_disk : Experts::held;
}

/// Refuses a model that needs more memory than its budget.
[[nodiscard]] inline Status check_budget(const ModelEntry& entry, const WeightFile& file, bool has_tokenizer,
                                         const OpenOptions& options) {
  const std::uint64_t budget = options.memory_budget;
  if (budget == 0) return Done{};
  const std::uint64_t matrices =
      matrix_bytes(entry, file, experts_of(options)) + options.expert_slots * expert_bytes(entry, file);
  const std::uint64_t vectors = entry.model_bytes();
  const std::uint64_t tokenizer = has_tokenizer ? tokenizer_bytes(file) : 0;
  const std::uint64_t needed = matrices + vectors + tokenizer;
  if (needed <= budget) return Done{};
  const auto number = [](std::uint64_t bytes) { return static_cast<unsigned long long>(bytes); };
  return file_error(ErrorCode::out_of_memory, place(file.path), "model needs more memory than its budget",
                    text("at most %llu bytes", number(budget)),
                    text("%llu bytes: %llu of matrices, %llu of vectors, about %llu of the tokenizer",
                         number(needed), number(matrices), number(vectors), number(tokenizer)),
                    "raise OpenOptions::memory_budget, lower OpenOptions::expert_slots, or open a file in a "
                    "smaller encoding");
}

/// Reports steps to the caller and remembers whether one was answered with "stop".
class OpenReporter {
 public:
  OpenReporter(const OpenProgress& progress, std::string_view path) : progress_(progress), path_(path) {}

  bool at(OpenStep step, std::uint64_t done, std::uint64_t total) {
    if (progress_.report != nullptr && !stopped_)
      stopped_ = !progress_.report(progress_.context, step, done, total);
    return !stopped_;
  }
  [[nodiscard]] Status check() const {
    if (!stopped_) return Done{};
    return file_error(ErrorCode::cancelled, place(path_), "opening was cancelled");
  }

 private:
  const OpenProgress& progress_;
  std::string_view path_;
  bool stopped_ = false;
};

/// The progress of one step.
template <OpenStep step>
[[nodiscard]] PackProgress progress_of(OpenReporter& reporter) noexcept {
  return {[](void* context, std::uint64_t done, std::uint64_t total) {
            return static_cast<OpenReporter*>(context)->at(step, done, total);
          },
          &reporter};
}

/// Packs the weights; where the system refuses the memory they are used as they lie. Returns the bytes
/// packed.
[[nodiscard]] inline Result<std::size_t> pack_at_opening(const ModelEntry& entry, WeightFile& file,
                                                         const OpenOptions& options, OpenReporter& reporter) {
  auto packed = pack_weights(entry, file, options.executor, progress_of<OpenStep::packing>(reporter),
                             experts_of(options));
  if (!packed && packed.error().code != ErrorCode::out_of_memory) return packed.error();
  LAMINA_TRY(reporter.check());
  return packed ? *packed : std::size_t{0};
}

}  // namespace detail

inline Result<Model> Model::open(const ModelSource& source, ModelEntries entries,
                                 const OpenOptions& options) {
  return guard_memory(source.path(), [&]() -> Result<Model> {
    detail::OpenReporter reporter(options.progress, source.path());
    reporter.at(OpenStep::parsing, 0, 1);
    LAMINA_TRY(reporter.check());
    auto file = detail::open_source(source, options.directories);
    if (!file) return file.error();
    const auto entry = entry_of(*file, entries);
    if (!entry) return entry.error();
    const bool has_tokenizer = options.tokenizer && detail::carries_tokenizer(*file);
    LAMINA_TRY(detail::check_budget(**entry, *file, has_tokenizer, options));

    std::optional<Tokenizer> tokenizer;
    if (has_tokenizer) {
      reporter.at(OpenStep::vocabulary, 0, 1);
      LAMINA_TRY(reporter.check());
      auto made = tokenizer_of(*file, options.directories);
      if (!made) return made.error();
      tokenizer.emplace(std::move(*made));
    }
    std::size_t packed_bytes = 0;
    if (options.pack) {
      const auto packed = detail::pack_at_opening(**entry, *file, options, reporter);
      if (!packed) return packed.error();
      packed_bytes = *packed;
    }
    if (options.read_ahead) {
      read_ahead(**entry, *file, packed_bytes > 0, detail::progress_of<OpenStep::reading>(reporter),
                 detail::experts_of(options));
      LAMINA_TRY(reporter.check());
    }
    return create(**entry, std::move(*file), std::move(tokenizer));
  });
}

inline Result<Model> Model::open(const ModelSource& source, ModelEntries entries) {
  return open(source, entries, OpenOptions{});
}

}  // namespace lamina
