// A test program that starts itself anew to run scripts ("/proc/self/exe"): included by one of its files.
#pragma once

#include <cstdlib>

#include "sandbox/script/host_main.h"

namespace drover::sandbox::script {

// Before main.
__attribute__((constructor)) inline void run_as_script_host(int argc, char** argv, char**) {
  if (is_script_host(argc, argv)) std::_Exit(run_script_host(argc, argv));
}

}  // namespace drover::sandbox::script
