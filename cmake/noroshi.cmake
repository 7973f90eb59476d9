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
  target_compile_options(noroshi_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
# lld links these programs several times faster than the default linker.
target_link_options(noroshi_flags INTERFACE -fuse-ld=lld)

include(GoogleTest)

# noroshi_component(name [DIRECTORY dir] [LIBRARIES …])
# Library noroshi_<name> of all sources in src/<name>/ (recursively), <name>_test of its *_test.cc, with
# NOROSHI_BENCH <name>_bench of its *_bench.cc, and one program per *_fuzz.cc: with NOROSHI_FUZZ libFuzzer's, otherwise one
# that replays the corpus (fuzz/replay_main.cc), as a test. main.cc belongs to noroshi_program().
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

  if(sources)
    add_library(noroshi_${name} STATIC ${sources})
    target_link_libraries(noroshi_${name} PUBLIC noroshi_flags ${arg_LIBRARIES})
  else()
    add_library(noroshi_${name} INTERFACE)
    target_link_libraries(noroshi_${name} INTERFACE noroshi_flags ${arg_LIBRARIES})
  endif()
  if(tests)
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
  if(EXISTS ${CMAKE_SOURCE_DIR}/${arg_MAIN})
    add_executable(${name} ${arg_MAIN})
    target_link_libraries(${name} PRIVATE ${arg_LIBRARIES})
  endif()
endfunction()
