// Text of --help, for terminals of 80 columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace drover::cli {

inline constexpr std::size_t kHelpColumns = 80;

// Broken between words; each line begins with `indent` blanks, of which the first line's are there already. A longer word stands alone.
std::string wrapped(std::string_view text, std::size_t columns = kHelpColumns, std::size_t indent = 0);

// A command that can be copied: broken before words, but not between an option and its value, with the backslash that a shell wants.
std::string wrapped_command(std::string_view command, std::size_t indent);

// What a number, a size or a choice may be, for people: "8..200" is "8 to 200", "{a,b,c}" is "a, b or c".
std::string allowed_values(std::string_view constraint);
// 805306368 is "768MB"; what is no whole number of kilobytes stays as it is.
std::string size_text(std::string_view bytes);

}  // namespace drover::cli
