#include "bson/words.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include <cstdint>
#include <iterator>

namespace drover::bson {
namespace {

constexpr UProperty kParting[] = {UCHAR_WHITE_SPACE, UCHAR_DASH, UCHAR_HYPHEN, UCHAR_QUOTATION_MARK, UCHAR_TERMINAL_PUNCTUATION, UCHAR_PATTERN_SYNTAX, UCHAR_S_TERM};

bool parts_words(UChar32 c, bool english) {
  if (c < 0) return true;
  if (c < 0x80 && u_isalnum(c)) return false;
  if (c == '\'' && english) return false;
  for (const auto property : kParting) {
    if (u_hasBinaryProperty(c, property)) return true;
  }
  return false;
}

void append_character(std::string& out, UChar32 c) {
  char bytes[U8_MAX_LENGTH];
  std::int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, c);
  out.append(bytes, static_cast<std::size_t>(size));
}

// `c` without its marks: what remains of its decomposition.
void append_stripped(std::string& out, UChar32 c) {
  if (u_hasBinaryProperty(c, UCHAR_DIACRITIC)) return;
  UErrorCode error = U_ZERO_ERROR;
  const auto* decomposition = unorm2_getNFDInstance(&error);
  UChar parts[32];
  const auto size = U_SUCCESS(error) ? unorm2_getDecomposition(decomposition, c, parts, static_cast<std::int32_t>(std::size(parts)), &error) : -1;
  if (U_FAILURE(error) || size < 0) {
    append_character(out, c);
    return;
  }
  for (std::int32_t at = 0; at < size;) {
    UChar32 part = 0;
    U16_NEXT(parts, at, size, part);
    if (!u_hasBinaryProperty(part, UCHAR_DIACRITIC)) append_character(out, part);
  }
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view text, bool english) {
  std::vector<std::string_view> words;
  const auto size = static_cast<std::int32_t>(text.size());
  std::int32_t begin = 0;
  const auto end_word = [&](std::int32_t end) {
    if (end > begin) words.push_back(text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  };
  for (std::int32_t at = 0; at < size;) {
    const auto before = at;
    UChar32 c = 0;
    U8_NEXT(text.data(), at, size, c);
    if (!parts_words(c, english)) continue;
    end_word(before);
    begin = at;
  }
  end_word(size);
  return words;
}

std::string fold_words(std::string_view text, WordFolding folding) {
  std::string out;
  out.reserve(text.size());
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    const auto before = at;
    UChar32 c = 0;
    U8_NEXT(text.data(), at, size, c);
    if (c < 0) {
      out.append(text.substr(static_cast<std::size_t>(before), static_cast<std::size_t>(at - before)));
      continue;
    }
    constexpr UChar32 kCapitalDotted = 0x130, kSmallDotless = 0x131;
    if (folding.lower_case) c = folding.turkish && c == 'I' ? kSmallDotless : folding.turkish && c == kCapitalDotted ? UChar32{'i'} : u_tolower(c);
    if (!folding.strip_diacritics || (c < 0x80 && c != '^' && c != '`')) append_character(out, c);
    else append_stripped(out, c);
  }
  return out;
}

}  // namespace drover::bson
