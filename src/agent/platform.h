// This machine, as the site is told of it.
#pragma once

#include <string>

#include "model/migration_platform.h"

namespace drover::agent {

// From uname and the os-release file (tests name another).
HostPlatform this_platform(const std::string& os_release = "/etc/os-release");
// Its fully qualified name where the resolver knows one, else the kernel's.
std::string this_hostname();

}  // namespace drover::agent
