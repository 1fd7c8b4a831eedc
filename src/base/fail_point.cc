#include "base/fail_point.h"

#include <csignal>
#include <cstdlib>
#include <atomic>
#include <string>

namespace drover {
namespace {

struct Armed {
  std::string name;
  std::atomic<long> remaining{1};
  Armed() {
    const char* text = std::getenv("DROVER_FAIL_POINT");
    if (text == nullptr) return;
    name = text;
    if (const auto colon = name.find(':'); colon != std::string::npos) {
      remaining = std::strtol(name.c_str() + colon + 1, nullptr, 10);
      name.resize(colon);
    }
  }
};

}  // namespace

void kill_if_armed(std::string_view name) {
  static Armed armed;
  if (armed.name.empty() || armed.name != name) return;
  if (armed.remaining.fetch_sub(1) == 1) std::raise(SIGKILL);
}

}  // namespace drover
