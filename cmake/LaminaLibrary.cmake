# SPDX-License-Identifier: Apache-2.0
# The targets lamina::lamina (headers) and lamina::huggingface (the same plus the JSON readers).
# They never set flags, build type or standard for a consumer: only C++20 as a requirement.
if(lamina_missing_dependency)
  message(FATAL_ERROR "lamina: not found: ${lamina_missing_dependency}")
endif()

set(lamina_include "${PROJECT_SOURCE_DIR}/include")
file(GLOB_RECURSE lamina_headers CONFIGURE_DEPENDS "${lamina_include}/lamina/*.hpp")
set(lamina_huggingface_headers ${lamina_headers})
list(FILTER lamina_huggingface_headers INCLUDE REGEX "/lamina/(json|huggingface)/")
list(FILTER lamina_headers EXCLUDE REGEX "/lamina/(json|huggingface)/")

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

# Highway 1.0.3 has no SSE2 target: without -m flags GCC falls back to scalar code, clang to an emulation.
if(NOT LAMINA_NATIVE AND NOT CMAKE_CXX_FLAGS MATCHES "-m(arch|cpu|avx|sse|tune)" AND
   CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i.86")
  message(STATUS "lamina: no -march in CMAKE_CXX_FLAGS: with old Highway versions the kernels are scalar and slow. "
    "Compile the files that include lamina kernels with -march=native (or -march=x86-64-v3), all with the same flags")
endif()
