# SPDX-License-Identifier: Apache-2.0
# Finds cpp-httplib for `lamina serve`: the target lamina::httplib, or none. Debian has it as a library, elsewhere it may
# be a header only; how it was compiled, its pkg-config file says. From 0.16 on its inner classes are others.
if(NOT TARGET lamina::httplib)
  find_path(LAMINA_HTTPLIB_INCLUDE_DIR NAMES httplib.h)
  find_library(LAMINA_HTTPLIB_LIBRARY NAMES cpp-httplib)
  mark_as_advanced(LAMINA_HTTPLIB_INCLUDE_DIR LAMINA_HTTPLIB_LIBRARY)
  set(lamina_httplib_version 0)
  if(LAMINA_HTTPLIB_INCLUDE_DIR)
    file(STRINGS "${LAMINA_HTTPLIB_INCLUDE_DIR}/httplib.h" lamina_httplib_version REGEX "define CPPHTTPLIB_VERSION ")
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1" lamina_httplib_version "${lamina_httplib_version}")
  endif()
  if(lamina_httplib_version VERSION_GREATER_EQUAL 0.11 AND lamina_httplib_version VERSION_LESS 0.16)
    add_library(lamina::httplib INTERFACE IMPORTED GLOBAL)
    set_target_properties(lamina::httplib PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${LAMINA_HTTPLIB_INCLUDE_DIR}")
    if(LAMINA_HTTPLIB_LIBRARY)
      find_package(PkgConfig QUIET)
      if(PkgConfig_FOUND)
        pkg_check_modules(LAMINA_HTTPLIB QUIET cpp-httplib)
      endif()
      set_target_properties(lamina::httplib PROPERTIES
        INTERFACE_LINK_LIBRARIES "${LAMINA_HTTPLIB_LIBRARY}"
        INTERFACE_COMPILE_OPTIONS "${LAMINA_HTTPLIB_CFLAGS_OTHER}")
    endif()
  endif()
endif()
