// The stem of an English word: Porter's second algorithm, as text indexes apply it. Only ASCII letters have a meaning to it, in lower case.
// Facts: https://snowballstem.org/algorithms/english/stemmer.html, in the form of 2009 that servers carry.
#pragma once

#include <string>
#include <string_view>

namespace drover::sandbox::query {

std::string english_stem(std::string_view word);
// Words that say nothing, and are left out of text indexes.
bool is_english_stop_word(std::string_view word);

}  // namespace drover::sandbox::query
