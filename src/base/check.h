// CHECK stops the process on a broken invariant, in every build. It is for states that the code itself promises cannot
// happen, never for input.
#pragma once

#include <string_view>

namespace drover {

[[noreturn]] void check_failed(const char* condition, const char* file, int line, std::string_view message);
// Printed with every failed check, so that a core can be matched to its migration.
void set_check_context(std::string_view context);

}  // namespace drover

#define CHECK(condition, message) \
  (static_cast<bool>(condition) ? void(0) : ::drover::check_failed(#condition, __FILE__, __LINE__, message))
