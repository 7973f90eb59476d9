# Two helpers keep every component alike: noroshi_component() and noroshi_program().

add_library(noroshi_flags INTERFACE)
target_compile_options(noroshi_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wunused-result -fno-omit-frame-pointer
  # Errors in every build: whoever touches a guarded member without its lock has written a race.
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Werror=thread-safety>
  # g++ 12 reports false positives from inlined std::string, std::vector and std::optional code with these.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-stringop-overflow -Wno-maybe-uninitialized>
  $<$<BOOL:${NOROSHI_WERROR}>:-Werror>)
target_include_directories(noroshi_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
target_compile_definitions(noroshi_flags INTERFACE NOROSHI_VERSION="${PROJECT_VERSION}")
if(NOROSHI_SANITIZE)
  target_compile_options(noroshi_flags INTERFACE -fsanitize=${NOROSHI_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(noroshi_flags INTERFACE -fsanitize=${NOROSHI_SANITIZE})
endif()
if(NOROSHI_FUZZ)
  # Of UBSan without what costs a third of the time to compile and finds least: the asan build has it, and tries the corpus.
  target_compile_options(noroshi_flags INTERFACE -fsanitize=fuzzer-no-link -fno-sanitize=vptr,null,alignment,object-size)
  execute_process(COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/fuzz/needed_sources.py
    OUTPUT_VARIABLE NOROSHI_FUZZ_SOURCES COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "[^\n]+_fuzz.cc\n?" "" NOROSHI_FUZZ_SOURCES "${NOROSHI_FUZZ_SOURCES}")
  string(REPLACE "\n" ";" NOROSHI_FUZZ_SOURCES "${NOROSHI_FUZZ_SOURCES}")
  list(TRANSFORM NOROSHI_FUZZ_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/)
endif()
# lld links these programs several times faster than the default linker. Debian's lld is version 14, which cannot pack
# relocations the way glibc reads them; g++ finds the newer one by its directory (-B).
find_program(NOROSHI_LLD NAMES ld.lld PATHS /usr/lib/llvm-19/bin NO_DEFAULT_PATH REQUIRED)
cmake_path(GET NOROSHI_LLD PARENT_PATH lld_directory)
target_link_options(noroshi_flags INTERFACE -fuse-ld=lld -B${lld_directory})

# What is shipped: small in memory and quick to start (docs/decisions/0016-memory-of-an-idle-router.md).
# - Each function has a section of its own, so that the linker can leave out what nobody calls and put what every start
#   calls side by side (noroshi_program): the kernel maps pages in groups of 16 around each one that is touched.
# - Relocations are packed: a start reads 7 KB of them instead of 580.
set(noroshi_shipped "$<AND:$<CONFIG:RelWithDebInfo>,$<CXX_COMPILER_ID:GNU>>")
target_compile_options(noroshi_flags INTERFACE "$<${noroshi_shipped}:-ffunction-sections;-fdata-sections>")
target_link_options(noroshi_flags INTERFACE "$<${noroshi_shipped}:LINKER:--gc-sections,-z,pack-relative-relocs>")

include(GoogleTest)

# Every *_fuzz.cc, and nothing that they do not need.
add_custom_target(fuzz_targets)

# noroshi_component(name [DIRECTORY dir] [LIBRARIES …])
# Library noroshi_<name> of all sources in src/<name>/ (recursively), <name>_test of its *_test.cc, with
# NOROSHI_BENCH <name>_bench of its *_bench.cc, and one program per *_fuzz.cc: with NOROSHI_FUZZ libFuzzer's, otherwise one
# that replays the corpus (fuzz/replay_main.cc), as a test. main.cc belongs to noroshi_program(). With NOROSHI_FUZZ there is
# nothing else: no test, and of the library only what a fuzz target needs (fuzz/needed_sources.py).
function(noroshi_component name)
  cmake_parse_arguments(arg "" "DIRECTORY" "LIBRARIES" ${ARGN})
  if(NOT arg_DIRECTORY)
    set(arg_DIRECTORY src/${name})
  endif()
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${arg_DIRECTORY}/*.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "(_test|_fuzz|_bench|/main)\\.cc$")
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(benches ${all})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  set(fuzzers ${all})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")

  if(NOROSHI_FUZZ)
    set(unneeded ${sources})
    list(REMOVE_ITEM unneeded ${NOROSHI_FUZZ_SOURCES})
    list(REMOVE_ITEM sources ${unneeded} nothing)
  endif()
  if(sources)
    add_library(noroshi_${name} STATIC ${sources})
    target_link_libraries(noroshi_${name} PUBLIC noroshi_flags ${arg_LIBRARIES})
  else()
    add_library(noroshi_${name} INTERFACE)
    target_link_libraries(noroshi_${name} INTERFACE noroshi_flags ${arg_LIBRARIES})
  endif()
  if(tests AND NOT NOROSHI_FUZZ)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE noroshi_${name} GTest::gmock GTest::gtest GTest::gtest_main)
    # Only tests know where the sources are: the path would keep two checkouts from sharing ccache's results.
    target_compile_definitions(${name}_test PRIVATE NOROSHI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
  if(NOROSHI_BENCH AND benches)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE noroshi_${name} benchmark::benchmark)
  endif()
  foreach(source ${fuzzers})
    cmake_path(GET source STEM stem)
    add_executable(${stem} ${source})
    target_link_libraries(${stem} PRIVATE noroshi_${name})
    add_dependencies(fuzz_targets ${stem})
    if(NOROSHI_FUZZ)
      target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
    else()
      target_sources(${stem} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc)
      add_test(NAME fuzz.${stem} COMMAND ${stem} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${stem})
      set_tests_properties(fuzz.${stem} PROPERTIES LABELS unit TIMEOUT 120)
    endif()
  endforeach()
endfunction()

# noroshi_program(name MAIN file LIBRARIES …): skipped while its main file does not exist.
function(noroshi_program name)
  cmake_parse_arguments(arg "" "MAIN" "LIBRARIES" ${ARGN})
  if(EXISTS ${CMAKE_SOURCE_DIR}/${arg_MAIN} AND NOT NOROSHI_FUZZ)
    add_executable(${name} ${arg_MAIN})
    target_link_libraries(${name} PRIVATE ${arg_LIBRARIES})
    # What a start runs, side by side; a name that the program does not have is ignored.
    set(order ${CMAKE_SOURCE_DIR}/cmake/function_order.txt)
    target_link_options(${name} PRIVATE
      "$<${noroshi_shipped}:LINKER:--no-warn-symbol-ordering,--symbol-ordering-file=${order}>")
    set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${order})
  endif()
endfunction()
