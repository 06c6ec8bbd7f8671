# SPDX-License-Identifier: Apache-2.0
# The targets lamina::lamina (headers), lamina::huggingface (the same plus the JSON readers), lamina::media (pictures, sound
# and video, which need stb_image and Eigen) and lamina::ffmpeg (video files).
# They never set flags, build type or standard for a consumer: only C++20 as a requirement.
if(lamina_missing_dependency)
  message(FATAL_ERROR "lamina: not found: ${lamina_missing_dependency}")
endif()

set(lamina_include "${PROJECT_SOURCE_DIR}/include")
file(GLOB_RECURSE lamina_headers CONFIGURE_DEPENDS "${lamina_include}/lamina/*.hpp")
set(lamina_huggingface_headers ${lamina_headers})
list(FILTER lamina_huggingface_headers INCLUDE REGEX "/lamina/(json|huggingface)/")
set(lamina_media_headers ${lamina_headers})
list(FILTER lamina_media_headers INCLUDE REGEX "/lamina/(media|multimodal)/")
list(FILTER lamina_headers EXCLUDE REGEX "/lamina/(json|huggingface|media|multimodal)/")

# Headers that need something a plain consumer does not have: they are installed, but not compiled alone.
#   interop/            adaptors to optional libraries
#   dispatch/ and testing/for_each_target.hpp   must be included first, with macros set
set(lamina_special "/lamina/(interop/|dispatch/|testing/for_each_target[.]hpp$)")
set(lamina_special_headers ${lamina_headers})
list(FILTER lamina_special_headers INCLUDE REGEX "${lamina_special}")
list(FILTER lamina_headers EXCLUDE REGEX "${lamina_special}")

add_library(lamina INTERFACE)
add_library(lamina::lamina ALIAS lamina)
target_compile_features(lamina INTERFACE cxx_std_20)
target_sources(lamina
  INTERFACE
    FILE_SET HEADERS BASE_DIRS "${lamina_include}" FILES ${lamina_headers}
    FILE_SET special_headers TYPE HEADERS BASE_DIRS "${lamina_include}" FILES ${lamina_special_headers})
target_link_libraries(lamina INTERFACE lamina::highway_headers lamina::hana_headers)

# The JSON readers are apart, so that a program that only loads GGUF needs no JSON library.
find_package(nlohmann_json 3.9 CONFIG QUIET GLOBAL)
if(nlohmann_json_FOUND OR TARGET nlohmann_json::nlohmann_json)
  add_library(lamina_huggingface INTERFACE)
  add_library(lamina::huggingface ALIAS lamina_huggingface)
  set_target_properties(lamina_huggingface PROPERTIES EXPORT_NAME huggingface)
  target_sources(lamina_huggingface INTERFACE
    FILE_SET HEADERS BASE_DIRS "${lamina_include}" FILES ${lamina_huggingface_headers})
  target_link_libraries(lamina_huggingface INTERFACE lamina nlohmann_json::nlohmann_json)
else()
  message(STATUS "lamina: nlohmann_json not found: lamina::huggingface and the program are left out")
endif()

# Media are apart, so that a program that only reads and writes text needs neither stb_image nor Eigen.
if(LAMINA_STB_INCLUDE_DIR)
  find_package(Eigen3 3.3 CONFIG QUIET GLOBAL)
endif()
if(LAMINA_STB_INCLUDE_DIR AND TARGET Eigen3::Eigen)
  # Headers that need one more library, which not every program with media has.
  set(lamina_media_special_headers ${lamina_media_headers})
  list(FILTER lamina_media_special_headers INCLUDE REGEX "/lamina/media/(video/ffmpeg|sound/sndfile)[.]hpp$")
  list(FILTER lamina_media_headers EXCLUDE REGEX "/lamina/media/(video/ffmpeg|sound/sndfile)[.]hpp$")
  add_library(lamina_media INTERFACE)
  add_library(lamina::media ALIAS lamina_media)
  set_target_properties(lamina_media PROPERTIES EXPORT_NAME media)
  target_sources(lamina_media INTERFACE
    FILE_SET HEADERS BASE_DIRS "${lamina_include}" FILES ${lamina_media_headers}
    FILE_SET special_headers TYPE HEADERS BASE_DIRS "${lamina_include}" FILES ${lamina_media_special_headers})
  # Looked for again where the package is used: what is there then decides.
  target_link_libraries(lamina_media INTERFACE lamina lamina::stb_headers Eigen3::Eigen
    $<TARGET_NAME_IF_EXISTS:lamina::sndfile>)
  if(NOT TARGET lamina::sndfile)
    message(STATUS "lamina: libsndfile not found: of sounds only WAV is read (Debian and Ubuntu: package libsndfile1-dev)")
  endif()
else()
  message(STATUS "lamina: stb_image or Eigen not found: lamina::media, pictures and sound are left out "
    "(Debian and Ubuntu: packages libstb-dev and libeigen3-dev)")
endif()

# Video files: linked libraries, so a target of its own, built where FFmpeg's development files are.
if(TARGET lamina_media AND LAMINA_FFMPEG)
  include("${CMAKE_CURRENT_LIST_DIR}/LaminaFfmpeg.cmake")
  if(TARGET lamina::ffmpeg_libraries)
    add_library(lamina_ffmpeg INTERFACE)
    add_library(lamina::ffmpeg ALIAS lamina_ffmpeg)
    set_target_properties(lamina_ffmpeg PROPERTIES EXPORT_NAME ffmpeg)
    target_link_libraries(lamina_ffmpeg INTERFACE lamina_media lamina::ffmpeg_libraries)
    target_compile_definitions(lamina_ffmpeg INTERFACE LAMINA_HAS_FFMPEG)
    message(STATUS "lamina: FFmpeg's libraries found: video files can be read (LAMINA_FFMPEG=OFF: leave them out)")
  else()
    message(STATUS "lamina: FFmpeg's libraries not found: of videos, GIF files and folders of pictures are read "
      "(Debian and Ubuntu: packages libavformat-dev and libswscale-dev)")
  endif()
endif()

# Highway 1.0.3 has no SSE2 target: without -m flags GCC falls back to scalar code, clang to an emulation.
if(NOT LAMINA_NATIVE AND NOT CMAKE_CXX_FLAGS MATCHES "-m(arch|cpu|avx|sse|tune)" AND
   CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i.86")
  message(STATUS "lamina: no -march in CMAKE_CXX_FLAGS: with old Highway versions the kernels are scalar and slow. "
    "Compile the files that include lamina kernels with -march=native (or -march=x86-64-v3), all with the same flags")
endif()
