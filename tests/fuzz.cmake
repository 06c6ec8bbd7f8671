# SPDX-License-Identifier: Apache-2.0
# The libFuzzer targets. Each runs LAMINA_FUZZ_SECONDS as a test with the label `fuzz`; seeds lie in
# fuzz/corpus/<target>/, findings are written beside the test programs.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "lamina: LAMINA_BUILD_FUZZ needs clang (preset `clang`)")
endif()

# Short runs spend most of their time being compiled.
if(LAMINA_FUZZ_SECONDS LESS 60)
  set(optimise -O0)
else()
  set(optimise -O1)
endif()

file(GLOB fuzz_sources CONFIGURE_DEPENDS "${tests_source}/fuzz/*_fuzz.cpp")
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  lamina_compile_as(${name} fixed)
  lamina_without_exceptions(${name})
  target_include_directories(${name} PRIVATE "${tests_source}" "${PROJECT_SOURCE_DIR}/examples")
  set(sanitize -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
  target_compile_options(${name} PRIVATE ${optimise} -g1 ${sanitize})
  target_link_options(${name} PRIVATE ${sanitize})
  target_link_libraries(${name} PRIVATE lamina::lamina Threads::Threads)
  if(TARGET lamina::huggingface)
    target_link_libraries(${name} PRIVATE lamina::huggingface)
  endif()
  if(TARGET lamina::media)
    target_link_libraries(${name} PRIVATE lamina::media)
  endif()

  set(found "${tests_binary}/fuzz/${name}")
  file(MAKE_DIRECTORY "${found}")
  set(corpus "${found}")
  string(REGEX REPLACE "_fuzz$" "" short_name "${name}")
  foreach(folder IN ITEMS "${name}" "${short_name}")
    if(IS_DIRECTORY "${tests_source}/fuzz/corpus/${folder}")
      list(APPEND corpus "${tests_source}/fuzz/corpus/${folder}")
    endif()
  endforeach()
  add_test(NAME ${name}
    COMMAND ${name} -max_total_time=${LAMINA_FUZZ_SECONDS} -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
      "-artifact_prefix=${found}/" ${corpus})
  math(EXPR limit "${LAMINA_FUZZ_SECONDS} + 180")
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT ${limit})
endforeach()
