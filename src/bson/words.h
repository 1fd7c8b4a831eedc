// Words of a text, by Unicode, as text indexes of version 3 see them: what parts words, and how words are made comparable. Bytes that are
// no UTF-8 part words. Pure.
// Facts: MongoDB's src/mongo/db/fts/unicode (the properties that make a delimiter; what counts as a diacritic).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drover::bson {

// In English ' belongs to the word. The views are into `text`.
std::vector<std::string_view> split_words(std::string_view text, bool english);

struct WordFolding {
  bool lower_case = true;
  bool strip_diacritics = true;  // marks go, letters become those that they stand on
  bool turkish = false;          // whose small I has no dot
};
std::string fold_words(std::string_view text, WordFolding folding);

}  // namespace drover::bson
