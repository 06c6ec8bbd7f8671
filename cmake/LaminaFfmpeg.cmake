# SPDX-License-Identifier: Apache-2.0
# Finds FFmpeg's libraries through pkg-config: the target lamina::ffmpeg_libraries, or none. The installed package runs
# this same file.
if(NOT TARGET lamina::ffmpeg_libraries)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(LAMINA_AV QUIET IMPORTED_TARGET GLOBAL libavformat libavcodec libswscale libavutil)
  endif()
  if(TARGET PkgConfig::LAMINA_AV)
    add_library(lamina::ffmpeg_libraries INTERFACE IMPORTED GLOBAL)
    set_target_properties(lamina::ffmpeg_libraries PROPERTIES INTERFACE_LINK_LIBRARIES PkgConfig::LAMINA_AV)
  endif()
endif()
