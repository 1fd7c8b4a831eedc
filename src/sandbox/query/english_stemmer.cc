#include "sandbox/query/english_stemmer.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace drover::sandbox::query {

namespace {

using namespace std::string_view_literals;

struct Ending {
  std::string_view from, to;
};

constexpr Ending kWhole[] = {{"skis", "ski"}, {"skies", "sky"}, {"dying", "die"}, {"lying", "lie"}, {"tying", "tie"}, {"idly", "idl"},
                             {"gently", "gentl"}, {"ugly", "ugli"}, {"early", "earli"}, {"only", "onli"}, {"singly", "singl"},
                             {"sky", "sky"}, {"news", "news"}, {"howe", "howe"}, {"atlas", "atlas"}, {"cosmos", "cosmos"}, {"bias", "bias"}, {"andes", "andes"}};
constexpr std::string_view kWholeAfterPlural[] = {"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"};
constexpr std::string_view kDoubles[] = {"bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt"};

constexpr Ending kSecond[] = {{"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"abli", "able"}, {"entli", "ent"}, {"izer", "ize"}, {"ization", "ize"},
                              {"ational", "ate"}, {"ation", "ate"}, {"ator", "ate"}, {"alism", "al"}, {"aliti", "al"}, {"alli", "al"}, {"fulness", "ful"},
                              {"ousli", "ous"}, {"ousness", "ous"}, {"iveness", "ive"}, {"iviti", "ive"}, {"biliti", "ble"}, {"bli", "ble"}, {"ogi", "og"},
                              {"fulli", "ful"}, {"lessli", "less"}, {"li", ""}};
constexpr Ending kThird[] = {{"tional", "tion"}, {"ational", "ate"}, {"alize", "al"}, {"icate", "ic"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}, {"ative", ""}};
constexpr Ending kFourth[] = {{"al", ""}, {"ance", ""}, {"ence", ""}, {"er", ""}, {"ic", ""}, {"able", ""}, {"ible", ""}, {"ant", ""}, {"ement", ""}, {"ment", ""},
                              {"ent", ""}, {"ism", ""}, {"ate", ""}, {"iti", ""}, {"ous", ""}, {"ive", ""}, {"ize", ""}, {"ion", ""}};

bool is_vowel(char c) { return "aeiouy"sv.find(c) != std::string_view::npos; }

class Stemmer {
 public:
  explicit Stemmer(std::string_view word) : word_(word) {
    if (word_.starts_with('\'')) word_.erase(0, 1);
    for (std::size_t i = 0; i < word_.size(); ++i) {
      if (word_[i] != 'y' || (i > 0 && !is_vowel(word_[i - 1]))) continue;
      word_[i] = 'Y';  // a consonant
      marked_ = true;
    }
    for (const auto start : {"gener"sv, "commun"sv, "arsen"sv}) {
      if (word_.starts_with(start)) first_ = start.size();
    }
    if (first_ == 0) first_ = region_after(0);
    second_ = region_after(first_);
  }

  std::string stem() && {
    possessive();
    plural();
    if (std::find(std::begin(kWholeAfterPlural), std::end(kWholeAfterPlural), word_) == std::end(kWholeAfterPlural)) {
      past_and_progressive();
      final_y();
      step_two();
      step_three();
      step_four();
      step_five();
    }
    if (marked_) std::replace(word_.begin(), word_.end(), 'Y', 'y');
    return std::move(word_);
  }

 private:
  // Behind the first consonant that follows a vowel.
  std::size_t region_after(std::size_t at) const {
    while (at < word_.size() && !is_vowel(word_[at])) ++at;
    while (at < word_.size() && is_vowel(word_[at])) ++at;
    return std::min(at + 1, word_.size());
  }
  bool ends_with(std::string_view ending) const { return word_.ends_with(ending); }
  std::size_t before(std::string_view ending) const { return word_.size() - ending.size(); }
  char letter_before(std::string_view ending) const { return before(ending) == 0 ? '\0' : word_[before(ending) - 1]; }
  bool has_vowel_until(std::size_t end) const { return std::any_of(word_.begin(), word_.begin() + static_cast<std::ptrdiff_t>(end), is_vowel); }
  void replace(std::string_view ending, std::string_view by) { word_.replace(before(ending), std::string::npos, by); }
  // The longest that the word ends with.
  const Ending* ending_among(std::span<const Ending> endings) const {
    const Ending* best = nullptr;
    for (const auto& ending : endings) {
      if (ends_with(ending.from) && (best == nullptr || ending.from.size() > best->from.size())) best = &ending;
    }
    return best;
  }
  bool ends_in_short_syllable(std::size_t end) const {
    if (end == 2) return is_vowel(word_[0]) && !is_vowel(word_[1]);
    return end >= 3 && !is_vowel(word_[end - 1]) && "wxY"sv.find(word_[end - 1]) == std::string_view::npos && is_vowel(word_[end - 2]) && !is_vowel(word_[end - 3]);
  }

  void possessive() {
    for (const auto ending : {"'s'"sv, "'s"sv, "'"sv}) {
      if (ends_with(ending)) return replace(ending, "");
    }
  }
  void plural() {
    if (ends_with("sses")) return replace("sses", "ss");
    if (ends_with("ied") || ends_with("ies")) return replace("ied", word_.size() > 4 ? "i" : "ie");
    if (ends_with("us") || ends_with("ss") || !ends_with("s")) return;
    if (word_.size() >= 2 && has_vowel_until(word_.size() - 2)) word_.pop_back();
  }
  void past_and_progressive() {
    for (const auto ending : {"eedly"sv, "eed"sv}) {
      if (!ends_with(ending)) continue;
      if (before(ending) >= first_) replace(ending, "ee");
      return;
    }
    for (const auto ending : {"ingly"sv, "edly"sv, "ing"sv, "ed"sv}) {
      if (!ends_with(ending)) continue;
      if (has_vowel_until(before(ending))) {
        replace(ending, "");
        mend_end();
      }
      return;
    }
  }
  void mend_end() {
    for (const auto ending : {"at"sv, "bl"sv, "iz"sv}) {
      if (ends_with(ending)) return word_.push_back('e');
    }
    if (std::any_of(std::begin(kDoubles), std::end(kDoubles), [&](std::string_view twice) { return ends_with(twice); })) return word_.pop_back();
    if (first_ >= word_.size() && ends_in_short_syllable(word_.size())) word_.push_back('e');
  }
  void final_y() {
    if (word_.size() > 2 && (word_.back() == 'y' || word_.back() == 'Y') && !is_vowel(word_[word_.size() - 2])) word_.back() = 'i';
  }
  void step_two() {
    const auto* ending = ending_among(kSecond);
    if (ending == nullptr || before(ending->from) < first_) return;
    if (ending->from == "ogi" && letter_before("ogi") != 'l') return;
    if (ending->from == "li" && "cdeghkmnrt"sv.find(letter_before("li")) == std::string_view::npos) return;
    replace(ending->from, ending->to);
  }
  void step_three() {
    const auto* ending = ending_among(kThird);
    if (ending == nullptr || before(ending->from) < (ending->from == "ative" ? second_ : first_)) return;
    replace(ending->from, ending->to);
  }
  void step_four() {
    const auto* ending = ending_among(kFourth);
    if (ending == nullptr || before(ending->from) < second_) return;
    if (ending->from == "ion" && letter_before("ion") != 's' && letter_before("ion") != 't') return;
    replace(ending->from, "");
  }
  void step_five() {
    if (word_.empty()) return;
    const auto end = word_.size() - 1;
    if (word_[end] == 'e' && (end >= second_ || (end >= first_ && !ends_in_short_syllable(end)))) word_.pop_back();
    else if (word_[end] == 'l' && end >= second_ && end > 0 && word_[end - 1] == 'l') word_.pop_back();
  }

  std::string word_;
  std::size_t first_ = 0, second_ = 0;  // where the regions R1 and R2 begin
  bool marked_ = false;                 // a y as a consonant
};

// Sorted.
constexpr std::array kStopWords = {
    "a"sv, "about"sv, "above"sv, "after"sv, "again"sv, "against"sv, "all"sv, "am"sv, "an"sv, "and"sv, "any"sv, "are"sv, "aren't"sv, "as"sv, "at"sv, "be"sv, "because"sv,
    "been"sv, "before"sv, "being"sv, "below"sv, "between"sv, "both"sv, "but"sv, "by"sv, "can't"sv, "cannot"sv, "could"sv, "couldn't"sv, "did"sv, "didn't"sv, "do"sv,
    "does"sv, "doesn't"sv, "doing"sv, "don't"sv, "down"sv, "during"sv, "each"sv, "few"sv, "for"sv, "from"sv, "further"sv, "had"sv, "hadn't"sv, "has"sv, "hasn't"sv,
    "have"sv, "haven't"sv, "having"sv, "he"sv, "he'd"sv, "he'll"sv, "he's"sv, "her"sv, "here"sv, "here's"sv, "hers"sv, "herself"sv, "him"sv, "himself"sv, "his"sv,
    "how"sv, "how's"sv, "i"sv, "i'd"sv, "i'll"sv, "i'm"sv, "i've"sv, "if"sv, "in"sv, "into"sv, "is"sv, "isn't"sv, "it"sv, "it's"sv, "its"sv, "itself"sv, "let's"sv,
    "me"sv, "more"sv, "most"sv, "mustn't"sv, "my"sv, "myself"sv, "no"sv, "nor"sv, "not"sv, "of"sv, "off"sv, "on"sv, "once"sv, "only"sv, "or"sv, "other"sv, "ought"sv,
    "our"sv, "ours"sv, "ourselves"sv, "out"sv, "over"sv, "own"sv, "same"sv, "shan't"sv, "she"sv, "she'd"sv, "she'll"sv, "she's"sv, "should"sv, "shouldn't"sv, "so"sv,
    "some"sv, "such"sv, "than"sv, "that"sv, "that's"sv, "the"sv, "their"sv, "theirs"sv, "them"sv, "themselves"sv, "then"sv, "there"sv, "there's"sv, "these"sv, "they"sv,
    "they'd"sv, "they'll"sv, "they're"sv, "they've"sv, "this"sv, "those"sv, "through"sv, "to"sv, "too"sv, "under"sv, "until"sv, "up"sv, "very"sv, "was"sv, "wasn't"sv,
    "we"sv, "we'd"sv, "we'll"sv, "we're"sv, "we've"sv, "were"sv, "weren't"sv, "what"sv, "what's"sv, "when"sv, "when's"sv, "where"sv, "where's"sv, "which"sv, "while"sv,
    "who"sv, "who's"sv, "whom"sv, "why"sv, "why's"sv, "with"sv, "won't"sv, "would"sv, "wouldn't"sv, "you"sv, "you'd"sv, "you'll"sv, "you're"sv, "you've"sv, "your"sv,
    "yours"sv, "yourself"sv, "yourselves"sv};
static_assert(std::is_sorted(kStopWords.begin(), kStopWords.end()));

}  // namespace

std::string english_stem(std::string_view word) {
  for (const auto& [from, to] : kWhole) {
    if (word == from) return std::string(to);
  }
  if (word.size() < 3) return std::string(word);
  return Stemmer(word).stem();
}

bool is_english_stop_word(std::string_view word) { return std::binary_search(kStopWords.begin(), kStopWords.end(), word); }

}  // namespace drover::sandbox::query
