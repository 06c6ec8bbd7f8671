# SPDX-License-Identifier: Apache-2.0
# What a person may choose. Everything but LAMINA_INSTALL only matters when lamina is the top-level project.
option(LAMINA_INSTALL "Make the install target" ${PROJECT_IS_TOP_LEVEL})
option(LAMINA_NATIVE "Compile lamina's own programs for this machine's CPU" ${PROJECT_IS_TOP_LEVEL})
option(LAMINA_DISPATCH "Compile the models of lamina's own programs once per CPU level and choose at run time" OFF)
option(LAMINA_BUILD_EXAMPLES "Build the program `lamina` and the examples" ${PROJECT_IS_TOP_LEVEL})
option(LAMINA_BUILD_TESTS "Build the tests" OFF)
option(LAMINA_BUILD_BENCH "Build the benches" OFF)
option(LAMINA_BENCH_ALL_LAYERS "Compile the layer benches of every model, not only of those that tests run" ON)
option(LAMINA_BUILD_FUZZ "Build the fuzz targets (clang)" OFF)
option(LAMINA_SMALL_MODELS "Compile the small test models into the program `lamina`" ON)
option(LAMINA_SANITIZE "Compile everything with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(LAMINA_WARNINGS_AS_ERRORS "Treat warnings in lamina's own code as errors" OFF)
set(LAMINA_FUZZ_SECONDS 60 CACHE STRING "Seconds that each fuzz target runs as a test")
