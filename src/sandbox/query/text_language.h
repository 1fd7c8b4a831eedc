// The languages of text indexes, and the stems of their words: English by english_stemmer.h, the others by libstemmer (Snowball 2.2, whose French,
// Italian and Spanish treat a few words otherwise than the older one that servers carry). Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::sandbox::query {

enum class TextLanguage {
  kNone, kDanish, kDutch, kEnglish, kFinnish, kFrench, kGerman, kHungarian, kItalian, kNorwegian, kPortuguese, kRussian, kSpanish, kSwedish, kTurkish
};
// By its name or its two letters. 2 (BadValue) for what no server knows; 238 for Romanian, whose stop words are not known here.
Result<TextLanguage> text_language(std::string_view name);

// `word` in the case that it is to be compared in.
std::string text_stem(TextLanguage language, std::string_view word);

}  // namespace drover::sandbox::query
