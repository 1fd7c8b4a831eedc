#include "agent/platform.h"

#include <fstream>
#include <sstream>

#include <netdb.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace drover::agent {

HostPlatform this_platform(const std::string& os_release) {
  HostPlatform platform;
  utsname facts{};
  ::uname(&facts);
  platform.os = os_of_host_info(facts.sysname);
  platform.arch = facts.machine;
  std::ifstream file(os_release);
  std::stringstream text;
  text << file.rdbuf();
  read_os_release(text.str(), platform);
  return platform;
}

std::string this_hostname() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  std::string host(name);
  if (::getaddrinfo(name, nullptr, &hints, &found) == 0 && found != nullptr) {
    if (found->ai_canonname != nullptr && std::string_view(found->ai_canonname) != "localhost") host = found->ai_canonname;
    ::freeaddrinfo(found);
  }
  return host;
}

}  // namespace drover::agent
