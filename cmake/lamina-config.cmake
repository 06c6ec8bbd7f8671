# SPDX-License-Identifier: Apache-2.0
# find_package(lamina): lamina::lamina, and lamina_add_models for programs that choose by CPU.
# COMPONENTS huggingface adds lamina::huggingface, which needs nlohmann_json; media adds lamina::media, which needs
# stb_image and Eigen; ffmpeg (after media) adds lamina::ffmpeg, which needs FFmpeg's libraries.
include(CMakeFindDependencyMacro)
include("${CMAKE_CURRENT_LIST_DIR}/LaminaDependencies.cmake")
if(lamina_missing_dependency)
  set(lamina_FOUND FALSE)
  set(lamina_NOT_FOUND_MESSAGE "lamina needs ${lamina_missing_dependency}")
  return()
endif()
include("${CMAKE_CURRENT_LIST_DIR}/lamina-targets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/LaminaDispatch.cmake")

foreach(component IN LISTS lamina_FIND_COMPONENTS)
  if(component STREQUAL "huggingface" AND EXISTS "${CMAKE_CURRENT_LIST_DIR}/lamina-huggingface-targets.cmake")
    find_dependency(nlohmann_json 3.9 CONFIG)
    include("${CMAKE_CURRENT_LIST_DIR}/lamina-huggingface-targets.cmake")
    set(lamina_huggingface_FOUND TRUE)
  elseif(component STREQUAL "media" AND EXISTS "${CMAKE_CURRENT_LIST_DIR}/lamina-media-targets.cmake" AND
         LAMINA_STB_INCLUDE_DIR)
    find_dependency(Eigen3 3.3 CONFIG)
    include("${CMAKE_CURRENT_LIST_DIR}/lamina-media-targets.cmake")
    set(lamina_media_FOUND TRUE)
  elseif(component STREQUAL "ffmpeg" AND EXISTS "${CMAKE_CURRENT_LIST_DIR}/lamina-ffmpeg-targets.cmake" AND
         TARGET lamina::media)
    include("${CMAKE_CURRENT_LIST_DIR}/LaminaFfmpeg.cmake")
    if(TARGET lamina::ffmpeg_libraries)
      include("${CMAKE_CURRENT_LIST_DIR}/lamina-ffmpeg-targets.cmake")
      set(lamina_ffmpeg_FOUND TRUE)
    elseif(lamina_FIND_REQUIRED_ffmpeg)
      set(lamina_FOUND FALSE)
      set(lamina_NOT_FOUND_MESSAGE "lamina::ffmpeg needs FFmpeg's libraries")
    endif()
  elseif(lamina_FIND_REQUIRED_${component})
    set(lamina_FOUND FALSE)
    set(lamina_NOT_FOUND_MESSAGE "lamina has no component ${component}, or what it needs is missing")
  endif()
endforeach()
