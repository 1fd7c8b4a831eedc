# drover_module(name SOURCES a.cc b.cc DEPS base bson LIBS fmt::fmt): one static library per module, explicit file lists.
# drover_test(module a_test.cc ... [DEPS ...]): one test program per module, named <module>_test, on GoogleTest.

find_program(CCACHE ccache)
if(CCACHE)  # with what it needs to keep a file that is compiled with a precompiled header
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers)
add_compile_options($<$<CONFIG:Release>:-Wno-maybe-uninitialized>)  # GCC 12 cannot see through std::optional
# Assertions stay on in every build; -g1 keeps line numbers in crash reports at little cost.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g1")
if(DROVER_SANITIZE)
  add_compile_options(-fsanitize=${DROVER_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DROVER_SANITIZE})
endif()
if(DROVER_LINT)
  set(CMAKE_CXX_CLANG_TIDY clang-tidy)
endif()

find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
find_package(fmt REQUIRED)
include(DroverPrecompiled)

function(drover_module name)
  cmake_parse_arguments(M "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_library(drover_${name} STATIC ${M_SOURCES})
  target_include_directories(drover_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM M_DEPS PREPEND drover_)
  target_link_libraries(drover_${name} PUBLIC ${M_DEPS} PRIVATE ${M_LIBS})
  drover_precompile(drover_${name})
endfunction()

function(drover_test module)
  cmake_parse_arguments(T "" "TIMEOUT" "DEPS;LIBS" ${ARGN})
  add_executable(${module}_test ${T_UNPARSED_ARGUMENTS})
  target_compile_options(${module}_test PRIVATE -O0)
  list(TRANSFORM T_DEPS PREPEND drover_)
  if(TARGET drover_${module})
    list(APPEND T_DEPS drover_${module})
  endif()
  target_link_libraries(${module}_test PRIVATE ${T_DEPS} ${T_LIBS} GTest::gtest_main GTest::gmock)
  drover_precompile_test(${module}_test)
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_test(NAME ${module} COMMAND ${module}_test)
  set_tests_properties(${module} PROPERTIES TIMEOUT ${T_TIMEOUT})
endfunction()
