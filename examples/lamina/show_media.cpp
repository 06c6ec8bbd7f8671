// SPDX-License-Identifier: Apache-2.0
// `lamina media`: what pictures, sounds and videos become: sizes, soft tokens, milliseconds, and the arrays.
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include <lamina/media/picture/decode.hpp>
#include <lamina/media/sound/decode.hpp>
#include <lamina/media/sound/log_mel.hpp>
#include <lamina/weights/mapped_file.hpp>

#include "commands.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "media.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "report.hpp"

namespace program {
namespace {

using lamina::Medium;

static_assert(std::endian::native == std::endian::little, "lamina media --dump writes memory as it is");

struct MediaFlags {
  CommonOptions common;
  MediaOptions media;
  std::vector<std::string> files;
  std::string dump;
};

/// Arrays in the order in which they are written to a safetensors file.
class ArrayFile {
 public:
  void add(const std::string& name, const char* type, std::vector<std::size_t> shape,
           std::span<const std::byte> bytes) {
    header_[name] = {
        {"dtype", type}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
    data_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void add(const std::string& name, std::vector<std::size_t> shape, std::span<const float> values) {
    add(name, "F32", std::move(shape), std::as_bytes(values));
  }

  /// Errors: io.
  [[nodiscard]] lamina::Status write(const std::string& path) const {
    auto file = OutputFile::create(path);
    if (!file) return file.error();
    std::string header = header_.dump();
    header.append((8 - header.size() % 8) % 8, ' ');
    const std::uint64_t size = header.size();
    char bytes[sizeof size];
    std::memcpy(bytes, &size, sizeof size);
    LAMINA_TRY(file->write({bytes, sizeof bytes}));
    LAMINA_TRY(file->write(header));
    LAMINA_TRY(file->write(data_));
    return file->close();
  }

 private:
  Json header_ = Json::object();
  std::string data_;
};

/// What a file is: its first bytes tell, not its name. Folders are videos.
lamina::Result<Medium> kind_of(const std::string& path) {
  if (lamina::path_kind(path) == lamina::PathKind::directory) return Medium::video;
  const auto head = lamina::read_head(path, 64);
  if (!head) return head.error();
  if (lamina::picture_format(head->span()) != lamina::PictureFormat::unknown) return Medium::image;
  if (lamina::sound_format_of(head->span()) != lamina::SoundFormat::other) return Medium::audio;
  return Medium::video;
}

/// Adds what goes into the tower.
lamina::Status add_prepared(const PreparedMedia& media, const lamina::MediaEncoder& encoder,
                            ArrayFile& arrays) {
  const auto add_picture = [&](const std::string& name, const lamina::Picture& picture) {
    arrays.add(name, "U8", {picture.height(), picture.width(), 3}, std::as_bytes(picture.rgb()));
  };
  if (media.kind == Medium::image) {
    add_picture("pixels", media.picture);
  } else if (media.kind == Medium::video) {
    for (std::size_t i = 0; i < media.video.frames.size(); ++i)
      add_picture("frame" + std::to_string(i) + ".pixels", media.video.frames[i].picture);
  } else {
    const std::span<const float> samples = media.sound.samples.span();
    arrays.add("samples", {samples.size()}, samples);
    if (!encoder.hears() || encoder.front() != lamina::AudioFrontEnd::log_mel) return lamina::Done{};
    const auto features = lamina::log_mel(samples);
    if (!features) return features.error();
    arrays.add("input_features", {features->frames(), lamina::mel_bins}, features->values.span());
  }
  return lamina::Done{};
}

/// The name of the file that holds the arrays of `source`.
std::string dump_path(const std::string& folder, const std::string& source) {
  std::string name(lamina::file_name_of(source));
  while (!name.empty() && name.back() == '/') name.pop_back();
  if (name.empty()) name = "media";
  return folder + "/" + name + ".safetensors";
}

lamina::Result<Json> show(const MediaFlags& flags, const std::string& path, Towers& towers) {
  const auto encoder = towers.open();
  if (!encoder) return encoder.error();
  const auto kind = kind_of(path);
  if (!kind) return kind.error();
  const Stopwatch preparing;
  auto prepared = prepare_media({*kind, path}, flags.media, **encoder);
  if (!prepared) return prepared.error();
  const double prepare_seconds = preparing.seconds();
  Json document{{"file", path}, {"kind", std::string(name_of(*kind))}};
  if (*kind == Medium::image) {
    document["source"] = {prepared->source_width, prepared->source_height};
    document["size"] = {prepared->picture.width(), prepared->picture.height()};
  } else if (*kind == Medium::video) {
    const lamina::Picture& first = prepared->video.frames.front().picture;
    document["size"] = {first.width(), first.height()};
    Json seconds = Json::array();
    for (const lamina::VideoFrame& frame : prepared->video.frames) seconds.push_back(frame.seconds);
    document["frames"] = std::move(seconds);
  } else {
    document["seconds"] = prepared->sound.seconds();
  }
  ArrayFile arrays;
  if (!flags.dump.empty()) LAMINA_TRY(add_prepared(*prepared, **encoder, arrays));

  const Stopwatch encoding;
  const auto media = towers.encode(std::move(*prepared), "encoding");
  if (!media) return media.error();
  const double encode_seconds = encoding.seconds();
  std::size_t tokens = 0;
  for (const lamina::SoftTokens& piece : media->pieces) tokens += piece.count();
  document["soft_tokens"] = tokens;
  document["pieces"] = media->pieces.size();
  document["prepare_ms"] = 1000 * prepare_seconds;
  document["encode_ms"] = 1000 * encode_seconds;
  if (flags.dump.empty()) return document;
  for (std::size_t i = 0; i < media->pieces.size(); ++i) {
    const lamina::SoftTokens& piece = media->pieces[i];
    const std::string name = media->pieces.size() > 1 ? "soft" + std::to_string(i) : std::string("soft");
    arrays.add(name, {piece.count(), piece.hidden()}, piece.rows());
  }
  LAMINA_TRY(arrays.write(dump_path(flags.dump, path)));
  return document;
}

void print_line(const Json& document) {
  std::string what;
  const std::string kind = document["kind"];
  if (kind == "image") {
    what = document["source"][0].dump() + " x " + document["source"][1].dump() + " -> " +
           document["size"][0].dump() + " x " + document["size"][1].dump();
  } else if (kind == "video") {
    what = document["pieces"].dump() + " frames of " + document["size"][0].dump() + " x " +
           document["size"][1].dump();
  } else {
    what = std::string(lamina::text("%.3f s", document["seconds"].get<double>()).view());
  }
  putf("%s: %s, %s, %zu soft tokens, %.1f ms to prepare, %.1f ms to encode\n",
       document["file"].get_ref<const std::string&>().c_str(), kind.c_str(), what.c_str(),
       document["soft_tokens"].get<std::size_t>(), document["prepare_ms"].get<double>(),
       document["encode_ms"].get<double>());
}

int media(const MediaFlags& flags) {
  const bool json = flags.common.json;
  catch_interrupts();
  if (!flags.dump.empty() && lamina::path_kind(flags.dump) != lamina::PathKind::directory &&
      mkdir(flags.dump.c_str(), 0777) != 0) {
    return fail(lamina::file_error(lamina::ErrorCode::io, lamina::place(flags.dump), "cannot make the folder",
                                   "a folder to write to", std::strerror(errno)),
                json);
  }
  Towers towers(flags.common, flags.media);
  int code = exit_done;
  for (const std::string& path : flags.files) {
    const auto document = show(flags, path, towers);
    if (!document) {
      code = fail(document.error(), json);
      if (interrupted()) return exit_interrupted;
      continue;
    }
    if (json) {
      print(*document);
    } else {
      print_line(*document);
    }
  }
  return code;
}

}  // namespace

void add_media(Program& program) {
  CLI::App* command = program.app.add_subcommand("media", "Show what pictures, sounds and videos become");
  auto flags = std::make_shared<MediaFlags>();
  add_common_flags(*command, flags->common);
  add_media_settings(*command, flags->media);
  command->add_option("files", flags->files, "Pictures, sounds, videos; a folder of pictures is a video")
      ->required();
  command->add_option("--dump", flags->dump,
                      "Write what goes into the tower and what comes out to this folder");
  command->callback([&program, flags] { program.action = [flags] { return media(*flags); }; });
}

}  // namespace program
