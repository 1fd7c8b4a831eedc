#include "bson/plain_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

namespace drover::bson {
namespace {

bool turns_direction(UChar32 c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0x061C; }

bool is_control(UChar32 c) {
  const auto kind = u_charType(c);
  return kind == U_CONTROL_CHAR || kind == U_LINE_SEPARATOR || kind == U_PARAGRAPH_SEPARATOR || kind == U_SURROGATE || kind == U_UNASSIGNED ||
         kind == U_PRIVATE_USE_CHAR || turns_direction(c);
}

// Also those without a width.
bool is_blank(UChar32 c) { return u_isUWhiteSpace(c) || (c >= 0x200B && c <= 0x200D) || c == 0x2060 || c == 0xFEFF || c == 0x00AD || c == 0x3164 || c == 0x2800; }

bool is_of_a_word(UChar32 c) { return c < 0x80 || u_isalnum(c) || (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_N_MASK)) != 0; }

}  // namespace

TextFacts facts_of_text(std::string_view text) {
  TextFacts facts;
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), at, size, c);
    if (c < 0) return {.utf8 = false};
    ++facts.characters;
    facts.controls = facts.controls || is_control(c);
    facts.blank = facts.blank && is_blank(c);
    facts.words = facts.words && is_of_a_word(c);
  }
  return facts;
}

}  // namespace drover::bson
