# SPDX-License-Identifier: Apache-2.0
# Installs the headers and the CMake package: find_package(lamina) gives lamina::lamina,
# with COMPONENTS lamina::huggingface, lamina::media and lamina::ffmpeg.
include(CMakePackageConfigHelpers)

set(lamina_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/lamina")
install(TARGETS lamina EXPORT lamina-targets FILE_SET HEADERS FILE_SET special_headers)
install(EXPORT lamina-targets NAMESPACE lamina:: DESTINATION "${lamina_package_dir}")
if(TARGET lamina_huggingface)
  # An export of its own: only who asks for COMPONENTS huggingface must have nlohmann_json.
  install(TARGETS lamina_huggingface EXPORT lamina-huggingface-targets FILE_SET HEADERS)
  install(EXPORT lamina-huggingface-targets NAMESPACE lamina:: DESTINATION "${lamina_package_dir}")
endif()

if(TARGET lamina_media)
  install(TARGETS lamina_media EXPORT lamina-media-targets FILE_SET HEADERS FILE_SET special_headers)
  install(EXPORT lamina-media-targets NAMESPACE lamina:: DESTINATION "${lamina_package_dir}")
endif()

if(TARGET lamina_ffmpeg)
  install(TARGETS lamina_ffmpeg EXPORT lamina-ffmpeg-targets)
  install(EXPORT lamina-ffmpeg-targets NAMESPACE lamina:: DESTINATION "${lamina_package_dir}")
endif()

write_basic_package_version_file("${PROJECT_BINARY_DIR}/lamina-config-version.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  "${PROJECT_BINARY_DIR}/lamina-config-version.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/lamina-config.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/LaminaDependencies.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/LaminaDispatch.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/LaminaFfmpeg.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/level_entry.cpp.in"
  "${PROJECT_SOURCE_DIR}/cmake/dispatched.cpp.in"
  "${PROJECT_SOURCE_DIR}/cmake/kernels.cpp.in"
  "${PROJECT_SOURCE_DIR}/cmake/attention.cpp.in"
  DESTINATION "${lamina_package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/lamina")
