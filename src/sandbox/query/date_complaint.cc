#include "sandbox/query/date_complaint.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include <fmt/core.h>

#include "sandbox/query/date_words.h"

namespace drover::sandbox::query {

namespace {

// The longest abbreviation of a zone: longer words are read in pieces.
constexpr std::size_t kLongestAbbreviation = 6;

struct Word {
  std::size_t position;
  std::string text;  // in small letters
};

// Nothing when there is anything but words.
std::optional<std::vector<Word>> words_of(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == ' ' || c == '\t' || c == '.' || c == ',') {
      ++i;
      continue;
    }
    if (c >= 0x80 || !std::isalpha(c)) return std::nullopt;
    Word word{i, {}};
    while (i < text.size() && word.text.size() < kLongestAbbreviation && static_cast<unsigned char>(text[i]) < 0x80 && std::isalpha(static_cast<unsigned char>(text[i]))) {
      word.text.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i++]))));
    }
    words.push_back(std::move(word));
  }
  return words;
}

// The beginnings of words that mean a month, a day or a time.
bool speaks_of_time(std::string_view word) {
  static constexpr std::string_view kWords[] = {
      "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "now",
      "today", "noon", "midnig", "tomorr", "yester", "first", "second", "third", "fourth", "fifth", "sixth", "sevent", "eighth", "ninth", "tenth",
      "eleven", "twelft", "next", "last", "previo", "this", "ago", "day", "week", "month", "year", "hour", "min", "sec", "fortni", "of", "back", "front", "am", "pm", "t"};
  return std::ranges::any_of(kWords, [&](std::string_view known) { return word == known || (known.size() >= 3 && word.starts_with(known)); });
}

bool is_abbreviation(std::string_view word) {
  if (word.size() == 1) return word != "j";
  static constexpr std::string_view kZones[] = {"utc", "gmt", "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "akst", "akdt", "hst", "ast", "adt", "nst", "ndt",
                                                "wet", "west", "cet", "cest", "eet", "eest", "msk", "msd", "bst", "ist", "jst", "kst", "hkt", "pkt", "wib", "sast", "eat",
                                                "cat", "wat", "aest", "aedt", "acst", "acdt", "awst", "nzst", "nzdt"};
  return std::ranges::find(kZones, word) != std::end(kZones);
}

// Of yyyy-mm-dd that is no day: where the server's parser stops, which takes one digit of a month or day that is too large.
std::optional<std::string> wrong_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return {};
  for (const std::size_t i : {0, 1, 2, 3, 5, 6, 8, 9}) {
    if (text[i] < '0' || text[i] > '9') return {};
  }
  const auto number = [&](std::size_t at) { return (text[at] - '0') * 10 + text[at + 1] - '0'; };
  if (number(5) > 12) return fmt::format("; 6: Unexpected character '{}'", text[6]);
  if (number(8) > 31) return fmt::format("; 9: Unexpected character '{}'", text[9]);
  return "; 11: The parsed date was invalid '" + std::string(1, '\0') + "'";
}

}  // namespace

std::string date_complaint(std::string_view text) {
  std::string complaint = fmt::format("Error parsing date string '{}'", text);
  if (text.empty()) {
    complaint += "; 0: Empty string '";
    complaint.push_back('\0');
    return complaint + "'";
  }
  if (const auto day = wrong_day(text)) return complaint + *day;
  if (const auto written = read_written_date(text, 0); written && !written->millis) {
    return fmt::format("an incomplete date/time string has been found, with elements missing: \"{}\"", text);
  }
  const auto words = words_of(text);
  if (!words || words->empty() || std::ranges::any_of(*words, [](const Word& word) { return speaks_of_time(word.text); })) return complaint;
  std::size_t zones = 0, complaints = 0;
  for (const auto& word : *words) {
    std::string_view what;
    // A second zone is passed over, every further one is an error.
    if (++zones > 2) what = "Double timezone specification";
    if (zones == 1 && !is_abbreviation(word.text)) what = "The timezone could not be found in the database";
    if (what.empty()) continue;
    complaint += fmt::format("; {}: {} '{}'", word.position, what, text[word.position]);
    ++complaints;
  }
  if (complaints > 0) return complaint;
  return fmt::format("an incomplete date/time string has been found, with elements missing: \"{}\"", text);
}

}  // namespace drover::sandbox::query
