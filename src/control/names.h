// What things may be called, and described with. Refusals are kUsage, and say what is wrong with which field.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/error.h"

namespace drover::control {

inline constexpr std::size_t kMaxNameBytes = 64;          // characters
inline constexpr std::size_t kMaxDescriptionBytes = 250;  // characters

// Text that people read: UTF-8, 1 to `most` characters, not blanks alone, no control characters nor any that change how the rest is shown.
Status check_text(std::string_view what, std::string_view text, std::size_t most);
// Atlas's rule for names of organizations and projects: letters and digits of any script, space and -_.(),:&@+' ; 1 to 64 characters.
Status check_name(std::string_view what, std::string_view name);

}  // namespace drover::control
