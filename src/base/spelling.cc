#include "base/spelling.h"

#include <algorithm>
#include <cctype>

namespace drover {
namespace {

constexpr std::size_t kLongestWord = 40;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Optimal string alignment: the least number of such changes.
std::size_t changes(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> least(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) least[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) least[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      least[i][j] = std::min({least[i - 1][j] + 1, least[i][j - 1] + 1, least[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) least[i][j] = std::min(least[i][j], least[i - 2][j - 2] + 1);
    }
  }
  return least[a.size()][b.size()];
}

}  // namespace

std::vector<std::string> near_words(std::string_view typed, const std::vector<std::string>& words) {
  constexpr std::size_t kPrefixLetters = 3;
  std::vector<std::string> found;
  if (typed.empty() || typed.size() > kLongestWord) return found;
  const auto wanted = lower(typed);
  auto best = std::max<std::size_t>(1, typed.size() / 3);
  for (const auto& word : words) {
    const auto known = lower(word);
    const bool begins = typed.size() >= kPrefixLetters && known.starts_with(wanted);
    const auto distance = begins ? 1 : changes(wanted, known);
    if (distance > best) continue;
    if (distance < best) found.clear();
    best = distance;
    found.push_back(word);
  }
  return found;
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : near_words(typed, words)) text += (text.empty() ? "; did you mean `" : " or `") + word + "`";
  return text.empty() ? text : text + "?";
}

}  // namespace drover
