# SPDX-License-Identifier: Apache-2.0
# Finds the headers that lamina's headers include. The installed package runs this same file, so that no path of the
# machine that installed it is written down. Highway and Boost.Hana are used as headers only: nothing is linked.

# Makes <target> an interface to the folder that holds <header>; <variable> remembers the folder.
function(lamina_find_headers target variable header hint package)
  if(TARGET ${target})
    return()
  endif()
  find_path(${variable} NAMES "${header}" HINTS ${hint})
  mark_as_advanced(${variable})
  if(NOT ${variable})
    set(lamina_missing_dependency "${header} (Debian and Ubuntu: package ${package})" PARENT_SCOPE)
    return()
  endif()
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${${variable}}")
endfunction()

unset(lamina_missing_dependency)
unset(lamina_highway_hint)
unset(lamina_hana_hint)
if(NOT TARGET hwy::hwy)
  find_package(hwy CONFIG QUIET)
endif()
if(TARGET hwy::hwy)
  get_target_property(lamina_highway_hint hwy::hwy INTERFACE_INCLUDE_DIRECTORIES)
endif()
if(TARGET Boost::headers)
  get_target_property(lamina_hana_hint Boost::headers INTERFACE_INCLUDE_DIRECTORIES)
endif()
lamina_find_headers(lamina::highway_headers LAMINA_HIGHWAY_INCLUDE_DIR
  hwy/highway.h "${lamina_highway_hint}" libhwy-dev)
lamina_find_headers(lamina::hana_headers LAMINA_HANA_INCLUDE_DIR
  boost/hana.hpp "${lamina_hana_hint}" libboost-dev)

# stb_image serves lamina::media alone: without it everything else is there.
find_path(LAMINA_STB_INCLUDE_DIR NAMES stb/stb_image.h)
mark_as_advanced(LAMINA_STB_INCLUDE_DIR)
if(LAMINA_STB_INCLUDE_DIR AND NOT TARGET lamina::stb_headers)
  add_library(lamina::stb_headers INTERFACE IMPORTED GLOBAL)
  set_target_properties(lamina::stb_headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${LAMINA_STB_INCLUDE_DIR}")
endif()

# libsndfile, too: with it lamina::media reads FLAC, Ogg and MP3.
if(NOT DEFINED LAMINA_SNDFILE OR LAMINA_SNDFILE)
  find_path(LAMINA_SNDFILE_INCLUDE_DIR NAMES sndfile.h)
  find_library(LAMINA_SNDFILE_LIBRARY NAMES sndfile)
  mark_as_advanced(LAMINA_SNDFILE_INCLUDE_DIR LAMINA_SNDFILE_LIBRARY)
else()
  unset(LAMINA_SNDFILE_LIBRARY CACHE)
endif()
if(LAMINA_SNDFILE_INCLUDE_DIR AND LAMINA_SNDFILE_LIBRARY AND NOT TARGET lamina::sndfile)
  add_library(lamina::sndfile UNKNOWN IMPORTED GLOBAL)
  set_target_properties(lamina::sndfile PROPERTIES
    IMPORTED_LOCATION "${LAMINA_SNDFILE_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${LAMINA_SNDFILE_INCLUDE_DIR}"
    INTERFACE_COMPILE_DEFINITIONS LAMINA_WITH_SNDFILE)
endif()
