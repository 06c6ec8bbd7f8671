# SPDX-License-Identifier: Apache-2.0
# How lamina's own programs, tests and benches are compiled. Only for the top-level project.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
if(NOT CMAKE_RUNTIME_OUTPUT_DIRECTORY)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endif()
find_program(LAMINA_CCACHE ccache)
mark_as_advanced(LAMINA_CCACHE)
if(LAMINA_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  # -march=native means something else on every CPU, which ccache does not know: the CPU becomes part of its key.
  set(cpu "")
  if(EXISTS /proc/cpuinfo)
    file(STRINGS /proc/cpuinfo cpu LIMIT_COUNT 1 REGEX "^(flags|Features)")
  endif()
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/cpu.txt" CONTENT "${CMAKE_SYSTEM_PROCESSOR} ${cpu}" @ONLY)
  set(CMAKE_CXX_COMPILER_LAUNCHER env "CCACHE_EXTRAFILES=${PROJECT_BINARY_DIR}/cpu.txt" "${LAMINA_CCACHE}")
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
if(LAMINA_SANITIZE)
  # Not `null`: it doubles the time to compile vector code, and AddressSanitizer stops at null pointers as well.
  set(lamina_sanitize -fsanitize=address,undefined -fno-sanitize=vptr,null -fno-sanitize-recover=all)
  add_compile_options(${lamina_sanitize} -fno-omit-frame-pointer)
  add_link_options(${lamina_sanitize})
endif()
find_package(Threads REQUIRED)

include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-march=native LAMINA_HAS_MARCH_NATIVE)
set(lamina_native_flag "$<IF:$<BOOL:${LAMINA_HAS_MARCH_NATIVE}>,-march=native,-mcpu=native>")

# Language, warnings and checks of every own program: the same for all, because two translation units that see the
# same header with different macros or CPU flags must not meet in one program. <mode> decides the CPU flags:
#   fixed       one target for the whole program, chosen by flags: -march=native if LAMINA_NATIVE
#   dispatched  no CPU flags: Highway compiles once per target and chooses at run time
function(lamina_compile_as target mode)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow
    $<$<BOOL:${LAMINA_WARNINGS_AS_ERRORS}>:-Werror>)
  # Preconditions are checked wherever tests are built.
  target_compile_definitions(${target} PRIVATE
    $<$<OR:$<BOOL:${LAMINA_BUILD_TESTS}>,$<BOOL:${LAMINA_BUILD_FUZZ}>>:LAMINA_DEBUG_CHECKS>)
  if(mode STREQUAL "fixed" AND LAMINA_NATIVE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${lamina_native_flag}>)
  elseif(mode STREQUAL "dispatched")
    target_compile_definitions(${target} PRIVATE LAMINA_NO_TARGET_WARNING)  # no CPU flags, on purpose
  endif()
endfunction()

# For code that must build without exceptions and without run-time type information.
function(lamina_without_exceptions target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
endfunction()
