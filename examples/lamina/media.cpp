// SPDX-License-Identifier: Apache-2.0
// Opening towers, reading pictures, sounds and videos, and encoding them.
#include "media.hpp"

#include <algorithm>
#include <utility>

#include <dirent.h>

#include <lamina/huggingface/media/directory.hpp>
#include <lamina/media/data_url.hpp>
#include <lamina/media/picture/decode.hpp>
#include <lamina/media/picture/define_stb.hpp>
#include <lamina/media/read_file.hpp>
#include <lamina/media/sound/decode.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/media/mmproj.hpp>

#include "beside.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "model.hpp"
#include "registry.hpp"
#include "report.hpp"
#include "terminal.hpp"
#include "video/video_files.hpp"

namespace program {

using lamina::Error;
using lamina::ErrorCode;
using lamina::Medium;
using lamina::Result;

std::span<const std::byte> demo_projector_bytes() noexcept {
  return {reinterpret_cast<const std::byte*>(lamina_demo_projector_begin),
          reinterpret_cast<const std::byte*>(lamina_demo_projector_end)};
}

namespace {

/// Bytes of a file that is read as a whole.
constexpr std::uint64_t most_file_bytes = std::uint64_t{1} << 30;

/// The bytes that a source names.
Result<lamina::Buffer<std::byte>> read_source(const MediaSource& source) {
  if (lamina::is_data_url(source.where)) {
    auto decoded = lamina::decode_data_url(source.where, most_file_bytes, "data URL");
    if (!decoded) return decoded.error();
    return std::move(decoded->bytes);
  }
  if (source.where.starts_with("http://") || source.where.starts_with("https://")) {
    return Error{ErrorCode::unsupported, "media",         "nothing is fetched from the network",
                 "a file or a data URL", "a web address", "download it and give the name of the file"};
  }
  constexpr std::string_view file_scheme = "file://";
  const std::string path =
      source.where.starts_with(file_scheme) ? source.where.substr(file_scheme.size()) : source.where;
  return lamina::read_file(path, most_file_bytes);
}

/// What messages call a source: data URLs are long.
std::string label_of(const MediaSource& source) {
  return lamina::is_data_url(source.where) ? std::string("data URL")
                                           : std::string(lamina::file_name_of(source.where));
}

/// The reader of video files from the library beside the program; null if that is not there.
lamina::VideoFileReader load_video_reader() {
#if defined(LAMINA_LOADS_FFMPEG)
  const auto reader_of = reinterpret_cast<VideoReaderOf>(function_beside(video_library, video_reader_name));
  return reader_of != nullptr ? reader_of() : nullptr;
#else
  return nullptr;
#endif
}

Result<lamina::Video> read_video_source(const MediaSource& source, const MediaOptions& options) {
  lamina::VideoOptions reading;
  reading.sampling.frames = options.video_frames;
  const bool is_folder = lamina::path_kind(source.where) == lamina::PathKind::directory;
  (is_folder ? reading.frame_rate : reading.sampling.per_second) = options.video_rate;
  if (lamina::is_data_url(source.where)) {
    const auto bytes = read_source(source);
    if (!bytes) return bytes.error();
    return lamina::decode_gif_video(bytes->span(), label_of(source), reading);
  }
  return lamina::read_video(source.where, reading,
                            [](const std::string& path, const lamina::VideoOptions& how) {
                              const lamina::VideoFileReader read = load_video_reader();
                              return read != nullptr ? read(path, how) : lamina::no_video_file(path);
                            });
}

/// The projector file beside a model's file: the first by name that begins with "mmproj".
std::string projector_beside(const std::string& model) {
  const std::size_t slash = model.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : model.substr(0, slash + 1);
  std::string best;
  if (DIR* directory = opendir(folder.c_str())) {
    while (const dirent* entry = readdir(directory)) {
      const std::string name = entry->d_name;
      if (name.starts_with("mmproj") && name.ends_with(".gguf") && (best.empty() || name < best)) best = name;
    }
    closedir(directory);
  }
  if (best.empty()) return best;
  return slash == std::string::npos ? best : folder + best;
}

Result<lamina::MediaFile> open_media_file(const CommonOptions& common) {
  if (!common.mmproj.empty()) return lamina::open_media(common.mmproj);
  if (common.model.empty()) return lamina::read_mmproj(demo_projector_bytes(), "demo");
  if (lamina::path_kind(common.model) == lamina::PathKind::directory)
    return lamina::open_media_directory(common.model);
  const std::string found = projector_beside(common.model);
  if (!found.empty()) return lamina::open_mmproj(found);
  return lamina::file_error(ErrorCode::unsupported, lamina::place(lamina::file_name_of(common.model)),
                            "the model has no towers for pictures or sounds",
                            "a projector file (mmproj) beside it", "none", "name it with --mmproj FILE");
}

}  // namespace

Result<PreparedMedia> prepare_media(const MediaSource& source, const MediaOptions& options,
                                    const lamina::MediaEncoder& encoder) {
  PreparedMedia media;
  media.kind = source.kind;
  const std::string label = label_of(source);
  if (source.kind == Medium::video) {
    auto video = read_video_source(source, options);
    if (!video) return video.error();
    media.video = std::move(*video);
    return media;
  }
  const auto bytes = read_source(source);
  if (!bytes) return bytes.error();
  if (source.kind == Medium::audio) {
    auto sound = lamina::read_sound(bytes->span(), label);
    if (!sound) return sound.error();
    media.sound = std::move(*sound);
    return media;
  }
  auto picture = lamina::decode_picture(bytes->span(), label);
  if (!picture) return picture.error();
  media.source_width = picture->width();
  media.source_height = picture->height();
  if (options.image_as_is) {
    LAMINA_TRY(lamina::check_as_is(*picture, lamina::place(label)));
    media.picture = std::move(*picture);
    return media;
  }
  const lamina::Resampling rule = encoder.sees() ? encoder.resampling() : lamina::Resampling::resize16;
  const int usual = encoder.sees() ? encoder.picture_tokens() : lamina::default_image_budget;
  const int tokens = options.image_tokens > 0 ? options.image_tokens : usual;
  auto prepared = lamina::prepare_picture(std::move(*picture), tokens, rule, lamina::place(label));
  if (!prepared) return prepared.error();
  media.picture = std::move(*prepared);
  return media;
}

Result<const lamina::MediaEncoder*> Towers::open() {
  if (encoder_) return &*encoder_;
  auto file = open_media_file(common_);
  if (!file) return file.error();
  auto encoder = lamina::MediaEncoder::create(std::move(*file), lamina_encoders());
  if (!encoder) return encoder.error();
  if (hidden_ > 0) LAMINA_TRY(encoder->check_fits(hidden_));
  auto pool = start_threads(common_);
  if (!pool) return pool.error();
  pool_ = std::move(*pool);
  encoder_.emplace(std::move(*encoder));
  if (const auto status = check_budget(); !status) {
    encoder_.reset();
    return status.error();
  }
  return &*encoder_;
}

lamina::EncodeOptions Towers::encode_options() const noexcept {
  lamina::EncodeOptions encoding;
  encoding.precision = common_.precision_value();
  encoding.executor = pool_.get();
  return encoding;
}

std::uint64_t Towers::bytes() const noexcept {
  if (!encoder_) return 0;
  const int usual = encoder_->sees() ? encoder_->picture_tokens() : 0;
  const int tokens = options_.image_tokens > 0 ? options_.image_tokens : usual;
  return encoder_->bytes(encode_options(), static_cast<std::uint32_t>(tokens));
}

lamina::Status Towers::check_budget() const {
  if (!common_.budget || planned_bytes_ + bytes() <= *common_.budget) return lamina::Done{};
  const auto size = [](std::uint64_t count) { return format_bytes(static_cast<double>(count)); };
  return Error{ErrorCode::out_of_memory,
               "--budget",
               "the towers for pictures and sounds do not fit",
               lamina::FixedText<160>("at most " + size(*common_.budget)),
               lamina::FixedText<160>(size(planned_bytes_ + bytes()) + ", of them " + size(bytes()) +
                                      " of the towers"),
               "raise the budget, plan a shorter context (-c), or ask for pictures of fewer tokens "
               "(--image-tokens)"};
}

Result<lamina::EncodedMedia> Towers::encode(PreparedMedia media, std::string_view label) {
  const auto opened = open();
  if (!opened) return opened.error();
  const lamina::MediaEncoder& encoder = **opened;
  ProgressBar bar(label, 100, common_.talks() && !common_.json);
  lamina::EncodeOptions encoding = encode_options();
  encoding.progress = {[](void* context, std::uint32_t done, std::uint32_t total) {
                         static_cast<ProgressBar*>(context)->at(std::uint64_t{100} * done / total);
                         return !interrupted();
                       },
                       &bar};
  if (media.kind == Medium::video) return encoder.watch(media.video, encoding);
  if (media.kind == Medium::audio) {
    return encoder.hear(media.sound, options_.audio_split ? lamina::TooLong::split : lamina::TooLong::refuse,
                        encoding);
  }
  return encoder.see(std::move(media.picture), {.as_is = true}, encoding);
}

Result<lamina::EncodedMedia> Towers::encode(const MediaSource& source) {
  // A model without towers says so before a file is read.
  const auto opened = open();
  if (!opened) return opened.error();
  auto prepared = prepare_media(source, options_, **opened);
  if (!prepared) return prepared.error();
  return encode(std::move(*prepared), label_of(source));
}

Result<std::vector<lamina::ContentPart>> Towers::encode_parts(std::span<const MediaSource> sources) {
  std::vector<lamina::ContentPart> parts;
  for (const MediaSource& source : sources) {
    auto media = encode(source);
    if (!media) return media.error();
    parts.push_back(lamina::media_part(std::move(*media)));
    parts.back().source = source.where;
  }
  return parts;
}

lamina::Status Towers::encode_conversation(lamina::Conversation& conversation) {
  using Kind = lamina::ContentPart::Kind;
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    std::vector<lamina::ContentPart>& parts = conversation.messages[i].content.parts;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      lamina::ContentPart& part = parts[k];
      if (part.source.empty() || !part.media.pieces.empty()) continue;
      const Medium kind = part.kind == Kind::audio   ? Medium::audio
                          : part.kind == Kind::video ? Medium::video
                                                     : Medium::image;
      auto media = encode({kind, part.source});
      if (!media) {
        Error error = media.error();
        error.where =
            lamina::text("messages[%zu].content[%zu]: %s", i, k, media.error().where.c_str()).view();
        return error;
      }
      part.media = std::move(*media);
    }
  }
  return lamina::check_encoded(conversation);
}

namespace {

struct Mark {
  std::string_view text;
  Medium kind;
};

constexpr Mark marks[] = {
    {"<|image|>", Medium::image}, {"<|audio|>", Medium::audio}, {"<|video|>", Medium::video}};

/// The first mark in `text`, and where it is; npos: there is none.
std::pair<std::size_t, Mark> next_mark(std::string_view text) {
  std::pair<std::size_t, Mark> found{std::string_view::npos, marks[0]};
  for (const Mark& mark : marks) {
    const std::size_t at = text.find(mark.text);
    if (at < found.first) found = {at, mark};
  }
  return found;
}

}  // namespace

Result<lamina::EncodedPrompt> encode_raw_prompt(std::string_view text, std::span<const MediaSource> sources,
                                                const lamina::Tokenizer& tokenizer, std::uint32_t hidden,
                                                Towers& towers) {
  std::vector<bool> used(sources.size(), false);
  lamina::Prompt prompt;
  for (;;) {
    const auto [at, mark] = next_mark(text);
    if (at == std::string_view::npos) break;
    prompt.trusted(text.substr(0, at));
    text.remove_prefix(at + mark.text.size());
    std::size_t next = 0;
    while (next < sources.size() && (used[next] || sources[next].kind != mark.kind)) ++next;
    if (next == sources.size()) {
      return Error{ErrorCode::unsupported,
                   "prompt",
                   "it has a place for which nothing is given",
                   "a picture, sound or video for every place",
                   mark.text,
                   "give one with --image, --audio or --video, or take its place out of the text"};
    }
    used[next] = true;
    const auto media = towers.encode(sources[next]);
    if (!media) return media.error();
    prompt.media(mark.text, *media);
  }
  prompt.trusted(text);
  const auto unused = static_cast<std::size_t>(std::count(used.begin(), used.end(), false));
  if (unused > 0) {
    return Error{ErrorCode::unsupported,
                 "prompt",
                 "it has no place for all that is given",
                 lamina::text("%zu places", sources.size() - unused),
                 lamina::text("%zu files", sources.size()),
                 "write <|image|>, <|audio|> or <|video|> where they belong"};
  }
  return lamina::encode_prompt(prompt, tokenizer, hidden);
}

std::uint32_t largest_block(std::span<const lamina::SoftTokens> pieces) noexcept {
  std::uint32_t most = 0;
  for (const lamina::SoftTokens& piece : pieces) {
    if (piece.kind() != Medium::audio) most = std::max(most, piece.count());
  }
  return most;
}

}  // namespace program
