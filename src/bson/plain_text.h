// What text is made of, by Unicode: whether a person can read it, and it cannot do anything to what shows it. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace drover::bson {

struct TextFacts {
  bool utf8 = true;          // else nothing more is known of it
  bool controls = false;     // a control character, a separator of lines, one that turns the direction of writing, none at all
  bool blank = true;         // nothing but spaces, of any kind, or empty
  bool words = true;         // only letters, marks and digits of any script, and ASCII
  std::size_t characters = 0;
};
TextFacts facts_of_text(std::string_view text);

}  // namespace drover::bson
