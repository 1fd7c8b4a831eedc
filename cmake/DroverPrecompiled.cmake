# drover_precompile(target) and drover_precompile_test(target): the standard library, fmt and tl::expected (and GoogleTest) are
# parsed once for all of the program and once for all of its tests; it halves a cold build. Files still name what they use:
# the presets dev, asan, tsan, lint and fuzz build without (DROVER_PRECOMPILED).
option(DROVER_PRECOMPILED "Parse the headers that most files use once" OFF)

set(precompiled_headers
  <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <cstdint> <cstdio> <cstdlib> <cstring> <deque> <fstream>
  <functional> <limits> <map> <memory> <mutex> <optional> <set> <span> <sstream> <stop_token> <string> <string_view> <thread>
  <unordered_map> <utility> <variant> <vector> <fmt/format.h> <tl/expected.hpp>)

function(drover_precompiled name)
  cmake_parse_arguments(P "" "" "HEADERS;OPTIONS;LIBS" ${ARGN})
  if(NOT DROVER_PRECOMPILED)
    return()
  endif()
  file(WRITE ${CMAKE_BINARY_DIR}/${name}.cc.new "// Owns the precompiled header.\n")
  file(COPY_FILE ${CMAKE_BINARY_DIR}/${name}.cc.new ${CMAKE_BINARY_DIR}/${name}.cc ONLY_IF_DIFFERENT)
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cc)
  target_compile_options(${name} PRIVATE ${P_OPTIONS})
  target_link_libraries(${name} PRIVATE fmt::fmt ${P_LIBS})
  target_precompile_headers(${name} PRIVATE ${precompiled_headers} ${P_HEADERS})
endfunction()

drover_precompiled(precompiled)
drover_precompiled(precompiled_for_tests HEADERS <gtest/gtest.h> <gmock/gmock.h> OPTIONS -O0 LIBS GTest::gtest GTest::gmock)

function(drover_precompile target)
  if(DROVER_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM precompiled)
    target_link_libraries(${target} PRIVATE fmt::fmt)
  endif()
endfunction()

function(drover_precompile_test target)
  if(DROVER_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM precompiled_for_tests)
  endif()
endfunction()
