// Numbers and text as people read them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace drover::terminal {

std::string format_bytes(double bytes);         // 512 B, 3.4 MB, 1.2 GB (powers of 1000, as rates are)
std::string format_duration(double seconds);    // 0.4 s, 42 s, 3 min 05 s, 2 h 07 min
std::string format_percent(double fraction);    // 0 %, 99 %; 100 % only when it is reached

// Columns that UTF-8 text takes on a terminal.
std::size_t columns(std::string_view text);
// Exactly `width` columns: padded with blanks, or shortened in the middle with an ellipsis.
std::string fit(std::string_view text, std::size_t width);

}  // namespace drover::terminal
