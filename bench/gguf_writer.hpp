// SPDX-License-Identifier: Apache-2.0
// Writes a GGUF file front to back: metadata and tensor list at once, then the tensors' bytes as they come.
// Source: weight-files.md §1.1 to §1.4.
#pragma once

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/formats/format.hpp>

namespace bench {

static_assert(std::endian::native == std::endian::little,
              "GGUF files are little-endian, and so are our writes");

/// Tensors begin at multiples of this.
inline constexpr std::uint64_t gguf_alignment = 32;

/// Appends the bytes of a number.
template <class T>
void append_number(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Appends a string as GGUF writes it: length, bytes.
inline void append_text(std::string& out, std::string_view text) {
  append_number(out, std::uint64_t{text.size()});
  out.append(text);
}

/// Metadata entries, encoded as they are added.
class GgufEntries {
 public:
  void u32(std::string_view key, std::int64_t value) { add(key, 4, static_cast<std::uint32_t>(value)); }
  void f32(std::string_view key, float value) { add(key, 6, value); }
  void boolean(std::string_view key, bool value) { add(key, 7, static_cast<std::uint8_t>(value)); }
  void string(std::string_view key, std::string_view value) {
    begin(key, 8);
    append_text(bytes_, value);
  }
  void list(std::string_view key, const std::vector<std::int32_t>& values) { add_list(key, 5, values); }
  void list(std::string_view key, const std::vector<float>& values) { add_list(key, 6, values); }
  void booleans(std::string_view key, const std::vector<std::uint8_t>& values) { add_list(key, 7, values); }
  void list(std::string_view key, const std::vector<std::string>& values) {
    begin_list(key, 8, values.size());
    for (const std::string& value : values) append_text(bytes_, value);
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

 private:
  void begin(std::string_view key, std::uint32_t type) {
    ++count_;
    append_text(bytes_, key);
    append_number(bytes_, type);
  }
  void begin_list(std::string_view key, std::uint32_t element_type, std::size_t size) {
    begin(key, 9);
    append_number(bytes_, element_type);
    append_number(bytes_, std::uint64_t{size});
  }
  template <class T>
  void add(std::string_view key, std::uint32_t type, T value) {
    begin(key, type);
    append_number(bytes_, value);
  }
  template <class T>
  void add_list(std::string_view key, std::uint32_t element_type, const std::vector<T>& values) {
    begin_list(key, element_type, values.size());
    for (const T value : values) append_number(bytes_, value);
  }

  std::string bytes_;
  std::uint64_t count_ = 0;
};

/// One tensor of the file; `dims` fastest-varying first.
struct GgufTensor {
  std::string name;
  lamina::Format format;
  std::vector<std::uint64_t> dims;

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    std::uint64_t rows = 1;
    for (std::size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
    return rows * lamina::row_bytes(format, dims[0]);
  }
};

/// A file being written. Until `finish` it has the name of the whole file and ".part".
class GgufWriter {
 public:
  explicit GgufWriter(std::string path) : path_(std::move(path)), part_(path_ + ".part") {}
  ~GgufWriter() {
    if (file_ == nullptr) return;
    file_.reset();
    std::remove(part_.c_str());
  }
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  /// Creates the file and writes everything before the first tensor's bytes. Errors: io.
  [[nodiscard]] lamina::Status begin(const GgufEntries& entries, const std::vector<GgufTensor>& tensors) {
    file_.reset(std::fopen(part_.c_str(), "wb"));
    if (file_ == nullptr) return failed("file cannot be created");
    std::setvbuf(file_.get(), nullptr, _IONBF, 0);  // callers write large pieces
    std::string head = "GGUF";
    append_number(head, std::uint32_t{3});
    append_number(head, std::uint64_t{tensors.size()});
    append_number(head, entries.count());
    head += entries.bytes();
    std::uint64_t offset = 0;
    for (const GgufTensor& tensor : tensors) {
      append_text(head, tensor.name);
      append_number(head, static_cast<std::uint32_t>(tensor.dims.size()));
      for (const std::uint64_t dim : tensor.dims) append_number(head, dim);
      append_number(head, static_cast<std::uint32_t>(tensor.format));
      append_number(head, offset);
      offset += (tensor.bytes() + gguf_alignment - 1) / gguf_alignment * gguf_alignment;
    }
    LAMINA_TRY(write(std::as_bytes(std::span(head))));
    return pad();
  }

  /// Writes bytes of the current tensor. Errors: io.
  [[nodiscard]] lamina::Status write(std::span<const std::byte> bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
      return failed("write failed");
    written_ += bytes.size();
    return lamina::Done{};
  }

  /// Ends the current tensor: the next one begins aligned. Errors: io.
  [[nodiscard]] lamina::Status pad() {
    constexpr std::byte zeros[gguf_alignment]{};
    return write(std::span(zeros).first((gguf_alignment - written_ % gguf_alignment) % gguf_alignment));
  }

  /// Closes the file and gives it its name. Errors: io.
  [[nodiscard]] lamina::Status finish() {
    if (std::fclose(file_.release()) != 0) return failed("write failed");
    if (std::rename(part_.c_str(), path_.c_str()) != 0) return failed("file cannot be renamed");
    return lamina::Done{};
  }

  [[nodiscard]] std::uint64_t bytes_written() const noexcept { return written_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  [[nodiscard]] lamina::Error failed(std::string_view what) const {
    return {lamina::ErrorCode::io, std::string_view(part_), what, "", std::strerror(errno), ""};
  }

  std::string path_;
  std::string part_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t written_ = 0;
};

}  // namespace bench
