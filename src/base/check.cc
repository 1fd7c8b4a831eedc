#include "base/check.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace drover {
namespace {
std::string& context() {
  static std::string text;
  return text;
}
}  // namespace

void set_check_context(std::string_view text) { context() = text; }

void check_failed(const char* condition, const char* file, int line, std::string_view message) {
  std::fprintf(stderr, "drover: broken invariant: %.*s (%s) at %s:%d %s\n", static_cast<int>(message.size()),
               message.data(), condition, file, line, context().c_str());
  std::abort();
}

}  // namespace drover
