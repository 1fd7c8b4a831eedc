// What the server says of a string that is no date. Its parser reads a string word by word, and takes a word that it does not
// know for a time zone. Told here for strings of words alone and for days
// that are none (2020-02-30); of others it is only said that they could not be parsed.
#pragma once

#include <string>
#include <string_view>

namespace drover::sandbox::query {

// "Error parsing date string 'soon'; 0: The timezone could not be found in the database 's'"
std::string date_complaint(std::string_view text);

}  // namespace drover::sandbox::query
