# SPDX-License-Identifier: Apache-2.0
# Models compiled once per CPU level, for programs that run on CPUs unknown when they are built.
#
#   lamina_add_models(<name> VARIANTS <type>... HEADERS <header>... [ENCODERS <type>...] [DRAFTERS <type>...]
#                     [KERNELS <header>...] [SOURCES <source>...] [LEVELS <level>...])
#
# makes the static library <name>, which defines what `lamina::dispatched<type>()` (lamina/dispatch/dispatched.hpp)
# chooses from, for ENCODERS `lamina::dispatched_encoder<type>()` (lamina/dispatch/dispatched_encoder.hpp), and for DRAFTERS
# `lamina::dispatched_drafter<type>()` (lamina/dispatch/dispatched_drafter.hpp). HEADERS define the types, KERNELS the code of own kinds of layers. SOURCES are
# compiled once per level, too; of them only what is called lamina_entry_... can be seen outside, and LAMINA_LEVEL is `_sse4`
# and so on, to make each name differ. LEVELS (default: all that Highway 1.0.3 and
# the CPUs since 2009 have): sse4 avx2 avx2_vnni avx512 avx512_vnni avx512_bf16, or baseline: the flags of the program.
# Definitions, options, include folders and libraries of <name> hold for every level.
#
# Every level is compiled with flags of its own and linked into one object whose symbols are hidden, but for the entries.
# Else the linker would keep one copy of each inline function, of the standard library too: perhaps that with AVX-512.

# What is known of each level. Functions of an added subdirectory see none of its variables: each asks for them.
macro(lamina_level_table)
  set(lamina_levels baseline sse4 avx2 avx2_vnni avx512 avx512_vnni avx512_bf16)
  set(lamina_default_levels sse4 avx2 avx512 avx512_vnni avx512_bf16)
  set(lamina_flags_baseline)
  set(lamina_flags_sse4 -march=x86-64-v2)
  set(lamina_flags_avx2 -march=x86-64-v3)
  set(lamina_flags_avx2_vnni -march=x86-64-v3 -mavxvnni)
  set(lamina_flags_avx512 -march=x86-64-v4)
  set(lamina_flags_avx512_vnni -march=x86-64-v4 -mavx512vnni)
  set(lamina_flags_avx512_bf16 -march=x86-64-v4 -mavx512vnni -mavx512bf16)
  # What the compiler must make of them: Highway's target, and of AVX-VNNI (1), AVX-512 VNNI (2) and BF16 (4) the sum.
  set(lamina_makes_baseline HWY_TARGET LAMINA_EXTENSIONS)
  set(lamina_makes_sse4 HWY_SSE4 0)
  set(lamina_makes_avx2 HWY_AVX2 0)
  set(lamina_makes_avx2_vnni HWY_AVX2 1)
  set(lamina_makes_avx512 HWY_AVX3 0)
  set(lamina_makes_avx512_vnni HWY_AVX3 2)
  set(lamina_makes_avx512_bf16 HWY_AVX3 6)
endmacro()

# Whether levels can be compiled here; else <result> says why not.
function(lamina_dispatch_obstacle result)
  set(${result} "" PARENT_SCOPE)
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
    set(${result} "CPU levels are those of x86-64" PARENT_SCOPE)
  elseif(NOT CMAKE_EXECUTABLE_FORMAT STREQUAL "ELF")
    set(${result} "the objects are not ELF" PARENT_SCOPE)
  elseif(CMAKE_CONFIGURATION_TYPES)
    set(${result} "the generator builds several configurations" PARENT_SCOPE)
  else()
    if(NOT DEFINED LAMINA_LINKER_HIDES)
      execute_process(COMMAND "${CMAKE_LINKER}" --help OUTPUT_VARIABLE help ERROR_QUIET)
      string(FIND "${help}" "--force-group-allocation" at)
      if(at LESS 0 OR NOT CMAKE_OBJCOPY)
        set(at FALSE)
      else()
        set(at TRUE)
      endif()
      set(LAMINA_LINKER_HIDES ${at} CACHE INTERNAL "")
    endif()
    if(NOT LAMINA_LINKER_HIDES)
      set(${result} "CMAKE_LINKER and CMAKE_OBJCOPY are not those of GNU binutils" PARENT_SCOPE)
    endif()
  endif()
endfunction()

# The object of one level, all its symbols hidden but for the entries.
function(lamina_add_level name level object)
  lamina_level_table()
  set(target ${name}_${level})
  string(TOUPPER "${level}" shown_name)
  list(GET lamina_makes_${level} 0 makes_target)
  list(GET lamina_makes_${level} 1 makes_extensions)
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${ARGN})
  target_link_libraries(${target} PRIVATE lamina::lamina)
  target_include_directories(${target} PRIVATE "$<TARGET_PROPERTY:${name},INCLUDE_DIRECTORIES>")
  target_compile_definitions(${target} PRIVATE "$<TARGET_PROPERTY:${name},COMPILE_DEFINITIONS>"
    LAMINA_MODE=level_${level} LAMINA_NO_TARGET_WARNING LAMINA_LEVEL=_${level}
    LAMINA_LEVEL_TARGET=${makes_target} LAMINA_LEVEL_EXTENSIONS=${makes_extensions}
    "LAMINA_TARGET_NAME=\"${shown_name}\"")
  target_compile_options(${target} PRIVATE "$<TARGET_PROPERTY:${name},COMPILE_OPTIONS>"
    ${lamina_flags_${level}} $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)  # unique symbols cannot be hidden
  set_target_properties(${target} PROPERTIES
    INTERPROCEDURAL_OPTIMIZATION OFF
    POSITION_INDEPENDENT_CODE "$<BOOL:$<TARGET_PROPERTY:${name},POSITION_INDEPENDENT_CODE>>")
  add_custom_command(OUTPUT "${object}"
    COMMAND "${CMAKE_LINKER}" -r --force-group-allocation -o "${object}.all" "$<TARGET_OBJECTS:${target}>"
    COMMAND "${CMAKE_OBJCOPY}" --wildcard "--keep-global-symbol=lamina_entry_*" "${object}.all" "${object}"
    COMMAND "${CMAKE_COMMAND}" -E rm "${object}.all"
    DEPENDS "$<TARGET_OBJECTS:${target}>"
    COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Hiding the symbols of ${target}")
endfunction()

function(lamina_add_models name)
  lamina_level_table()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "VARIANTS;ENCODERS;DRAFTERS;HEADERS;KERNELS;SOURCES;LEVELS")
  if(NOT arg_VARIANTS OR NOT arg_HEADERS OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lamina_add_models(<name> VARIANTS <type>... HEADERS <header>... [ENCODERS <type>...] "
      "[DRAFTERS <type>...] [KERNELS <header>...] [SOURCES <source>...] [LEVELS <level>...]): VARIANTS and HEADERS are needed; not understood: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  lamina_dispatch_obstacle(obstacle)
  if(obstacle)
    message(STATUS "lamina: ${name} is compiled for one level, by the flags of the program: ${obstacle}")
    set(arg_LEVELS baseline)
  elseif(NOT arg_LEVELS)
    set(arg_LEVELS ${lamina_default_levels})
  endif()
  set(levels)
  foreach(level IN LISTS lamina_levels)  # in rising order, each once
    if(level IN_LIST arg_LEVELS)
      list(APPEND levels ${level})
    endif()
  endforeach()
  list(REMOVE_ITEM arg_LEVELS ${lamina_levels})
  if(arg_LEVELS)
    message(FATAL_ERROR "lamina_add_models: unknown levels: ${arg_LEVELS}; known are: ${lamina_levels}")
  endif()

  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}_levels")
  set(headers)
  foreach(header IN LISTS arg_HEADERS)
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${header}")
      set(header "${CMAKE_CURRENT_SOURCE_DIR}/${header}")
    endif()
    string(APPEND headers "#include \"${header}\"\n")
  endforeach()
  set(kernels)
  foreach(header IN LISTS arg_KERNELS)
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${header}")
      set(header "${CMAKE_CURRENT_SOURCE_DIR}/${header}")
    endif()
    string(APPEND kernels "#include \"${header}\"\n")
  endforeach()

  set(choosers)
  set(units)
  foreach(lamina_type IN LISTS arg_VARIANTS arg_ENCODERS arg_DRAFTERS)
    if(lamina_type IN_LIST arg_ENCODERS)
      set(lamina_entry_header lamina/towers/encoder_entry-inl.hpp)
      set(lamina_entry_type EncoderEntry)
      set(lamina_make_entry make_encoder_entry)
      set(lamina_chooser dispatched_encoder)
      set(lamina_refusal RefusingEncoder)
      set(lamina_refusal_header refusing_encoder)
    elseif(lamina_type IN_LIST arg_DRAFTERS)
      set(lamina_entry_header lamina/forward/drafting/drafter_entry-inl.hpp)
      set(lamina_entry_type DrafterEntry)
      set(lamina_make_entry make_drafter_entry)
      set(lamina_chooser dispatched_drafter)
      set(lamina_refusal RefusingDrafter)
      set(lamina_refusal_header dispatched_drafter)
    else()
      set(lamina_entry_header lamina/forward/model_entry-inl.hpp)
      set(lamina_entry_type ModelEntry)
      set(lamina_make_entry make_model_entry)
      set(lamina_chooser dispatched)
      set(lamina_refusal RefusingEntry)
      set(lamina_refusal_header refusing_entry)
    endif()
    string(MAKE_C_IDENTIFIER "lamina_entry_${name}_${lamina_type}" lamina_symbol)
    set(lamina_includes "${headers}${kernels}")
    configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/level_entry.cpp.in" "${folder}/${lamina_symbol}.cpp" @ONLY)
    list(APPEND units "${folder}/${lamina_symbol}.cpp")
    set(lamina_includes "${headers}")
    set(lamina_declarations)
    set(lamina_entries)
    foreach(level IN LISTS levels)
      string(APPEND lamina_declarations "const lamina::${lamina_entry_type}& ${lamina_symbol}_${level}() noexcept;\n")
      string(APPEND lamina_entries "      {CpuLevel::${level}, &${lamina_symbol}_${level}},\n")
    endforeach()
    configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/dispatched.cpp.in" "${folder}/dispatched_${lamina_symbol}.cpp" @ONLY)
    list(APPEND choosers "${folder}/dispatched_${lamina_symbol}.cpp")
  endforeach()
  configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/kernels.cpp.in" "${folder}/kernels.cpp" COPYONLY)
  configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/attention.cpp.in" "${folder}/attention.cpp" COPYONLY)
  list(APPEND units "${folder}/kernels.cpp" "${folder}/attention.cpp" ${arg_SOURCES})

  set(objects)
  if(obstacle)
    add_library(${name} STATIC ${choosers} ${units})
    target_compile_definitions(${name} PRIVATE LAMINA_LEVEL=_baseline
      LAMINA_LEVEL_TARGET=HWY_TARGET LAMINA_LEVEL_EXTENSIONS=LAMINA_EXTENSIONS)
  else()
    foreach(level IN LISTS levels)
      list(APPEND objects "${folder}/${level}.o")
    endforeach()
    add_library(${name} STATIC ${choosers} ${objects})
    set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  endif()
  target_link_libraries(${name} PUBLIC lamina::lamina)
  set_target_properties(${name} PROPERTIES LAMINA_LEVELS "${levels}" LINKER_LANGUAGE CXX)
  foreach(object level IN ZIP_LISTS objects levels)
    lamina_add_level(${name} ${level} "${object}" ${units})
  endforeach()
endfunction()
