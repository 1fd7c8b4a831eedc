// What somebody meant who mistyped one of a few words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drover {

// The words that are nearest to it by letters left out, added, exchanged or swapped, or that begin with it, in
// whatever case; none when nothing is near.
std::vector<std::string> near_words(std::string_view typed, const std::vector<std::string>& words);

// "; did you mean `start`?", "; did you mean `list` or `lost`?", or nothing.
std::string did_you_mean(std::string_view typed, const std::vector<std::string>& words);

}  // namespace drover
