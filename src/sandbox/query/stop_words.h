// Words that say nothing in their language, and are left out of text indexes. Pure.
#pragma once

#include <string_view>

#include "sandbox/query/text_language.h"

namespace drover::sandbox::query {

// `word` in lower case, with its diacritics.
bool is_stop_word(TextLanguage language, std::string_view word);

}  // namespace drover::sandbox::query
