# SPDX-License-Identifier: Apache-2.0
# Builds and runs the consumer in one WAY: find_package, add_subdirectory or fetch_content.
file(REMOVE_RECURSE "${WORK}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

if(WAY STREQUAL "find_package")
  run("${CMAKE_COMMAND}" --install "${LAMINA_BUILD}" --prefix "${WORK}/prefix")
endif()
run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/consumer" -B "${WORK}/build" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DWAY=${WAY}"
  "-DLAMINA_SOURCE=${LAMINA_SOURCE}" "-DLAMINA_VERSION=${VERSION}")
run("${CMAKE_COMMAND}" --build "${WORK}/build")
run("${WORK}/build/consumer")
if(NOT output MATCHES "lamina ${VERSION}")
  message(FATAL_ERROR "the consumer did not print the version ${VERSION}:\n${output}")
endif()
if(EXISTS "${WORK}/build/consumer_dispatch")
  run("${WORK}/build/consumer_dispatch")
  if(NOT output MATCHES "target SSE4: ")
    message(FATAL_ERROR "the consumer's model did not run on the lowest level:\n${output}")
  endif()
elseif(NOT WAY STREQUAL "fetch_content" AND CMAKE_HOST_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  message(FATAL_ERROR "the consumer's model was not compiled for CPU levels")
endif()
