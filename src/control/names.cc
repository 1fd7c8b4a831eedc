#include "control/names.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "bson/plain_text.h"

namespace drover::control {
namespace {

std::string flaw_of(const bson::TextFacts& facts, std::size_t most) {
  if (!facts.utf8) return "it is not UTF-8";
  if (facts.characters == 0) return "it is empty";
  if (facts.characters > most) return fmt::format("it has {}", facts.characters);
  if (facts.controls) return "it has a control character, or one that is not shown as itself";
  if (facts.blank) return "it is nothing but blanks";
  return "";
}

}  // namespace

Status check_text(std::string_view what, std::string_view text, std::size_t most) {
  const auto flaw = flaw_of(bson::facts_of_text(text), most);
  if (flaw.empty()) return {};
  return fail(ErrorCode::kUsage, fmt::format("{} must have 1 to {} characters that can be read; {}", what, most, flaw));
}

Status check_name(std::string_view what, std::string_view name) {
  constexpr std::string_view kBeside = " -_.(),:&@+'";
  const auto facts = bson::facts_of_text(name);
  auto flaw = flaw_of(facts, kMaxNameBytes);
  const auto odd = std::find_if(name.begin(), name.end(), [&](unsigned char c) { return c < 0x80 && std::isalnum(c) == 0 && kBeside.find(static_cast<char>(c)) == std::string_view::npos; });
  if (flaw.empty() && odd != name.end()) flaw = fmt::format("it has a {}", *odd);
  if (flaw.empty() && !facts.words) flaw = "it has a character that is neither letter nor digit";
  if (flaw.empty()) return {};
  return fail(ErrorCode::kUsage, fmt::format("{} must have 1 to {} letters, digits, spaces or -_.(),:&@+'; {}", what, kMaxNameBytes, flaw));
}

}  // namespace drover::control
