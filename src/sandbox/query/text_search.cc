#include "sandbox/query/text_search.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "bson/words.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/path.h"
#include "sandbox/query/stop_words.h"

namespace drover::sandbox::query {

namespace {

using bson::Element;
using bson::View;

// Indexes of versions 1 and 2: every byte beyond ASCII belongs to a word.
std::vector<std::string_view> split_ascii_words(std::string_view text, bool english) {
  const std::string_view parting = english ? " \f\v\t\r\n~`!@#$%^&*()-=+[]{}|\\;:\"<>,./?" : " \f\v\t\r\n'~`!@#$%^&*()-=+[]{}|\\;:\"<>,./?";
  std::vector<std::string_view> words;
  for (std::size_t begin = text.find_first_not_of(parting); begin != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(parting, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(parting, end);
  }
  return words;
}

// A text in the form that it is compared in.
std::string folded(std::string_view text, bson::WordFolding folding, bool by_unicode) {
  if (by_unicode) return bson::fold_words(text, folding);
  std::string out(text);
  for (char& c : out) {
    if (folding.lower_case && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The words of a text in the form that they are compared in. Stop words are told by their lower case.
void each_word(std::string_view text, TextLanguage language, bool by_unicode, bson::WordFolding folding, bool stop_words,
               const std::function<void(std::string)>& take) {
  const bool english = language == TextLanguage::kEnglish, turkish = language == TextLanguage::kTurkish;
  for (const auto word : by_unicode ? bson::split_words(text, english) : split_ascii_words(text, english)) {
    const auto lower = folded(word, {.lower_case = true, .strip_diacritics = false, .turkish = turkish}, by_unicode);
    if (!stop_words && is_stop_word(language, lower)) continue;
    const auto form = folding.lower_case ? lower : std::string(word);
    take(folded(text_stem(language, form), {.lower_case = false, .strip_diacritics = folding.strip_diacritics}, by_unicode));
  }
}

constexpr std::string_view kSpaces = " \n\v\f\r";  // between the parts of a search

// What one word of a text adds: a second time counts half, a third a quarter, and so on.
struct Frequency {
  double count = 0, sum = 0, next = 1;
};

}  // namespace

Result<TextIndex> TextIndex::parse(View spec) {
  TextIndex index;
  for (const Element& weight : spec["weights"].to_document().value_or(View())) {
    if (weight.key() == "$**") index.everywhere_ = 1;  // whatever its weight is said to be
    else index.weights_.emplace(weight.key(), weight.to_double().value_or(1));
  }
  index.language_ = TRY(text_language(spec["default_language"].to_string_view().value_or("english")));
  index.override_field_ = spec["language_override"].to_string_view().value_or("language");
  index.by_unicode_ = spec["textIndexVersion"].to_double().value_or(3) >= 3;
  return index;
}

struct TextIndex::Walk {
  const TextIndex& index;
  const std::function<bool(const Text&)>& visit;
  bool enough = false;

  Status object(View fields, const std::string& prefix, TextLanguage language) {
    if (const auto named = fields[index.override_field_]) {
      if (!named.is_string()) return bad(17261, "found language override field in document with non-string type");
      language = TRY(text_language(named.string_value()));
    }
    for (const Element& field : fields) {
      if (enough) return {};
      if (index.everywhere_ > 0 && field.key() == index.override_field_) continue;
      TRY(value(field, prefix.empty() ? std::string(field.key()) : prefix + "." + std::string(field.key()), language));
    }
    return {};
  }
  Status value(const Element& e, const std::string& path, TextLanguage language) {
    const auto named = index.weights_.find(path);
    const bool here = named != index.weights_.end() || index.everywhere_ > 0;
    const auto below = index.weights_.lower_bound(path + ".");
    const bool deeper = index.everywhere_ > 0 || (below != index.weights_.end() && below->first.starts_with(path + "."));
    if (e.is_string() && here) {
      enough = visit({e.string_value(), named != index.weights_.end() ? named->second : index.everywhere_, language});
    } else if (e.is_document() && deeper) {
      return object(e.document_value(), path, language);
    } else if (e.is_array() && (here || deeper)) {
      for (const Element& item : e.document_value()) {
        if (enough) return {};
        if (!item.is_array()) TRY(value(item, path, language));
      }
    }
    return {};
  }
};

Status TextIndex::visit(View document, const std::function<bool(const Text&)>& visit) const {
  Walk walk{*this, visit};
  return walk.object(document, "", language_);
}

void TextQuery::add_words(std::string_view text, TextLanguage language, Words& words) const {
  each_word(text, language, by_unicode_, folding(), false, [&](std::string word) { words.insert(std::move(word)); });
}

// A minus after a space (or first) negates what follows it up to the next space: words, or phrases in quotation marks. A phrase's words are
// words that are asked for too; one that does not end is none.
TextQuery::TextQuery(View spec, TextLanguage language, bool by_unicode) : by_unicode_(by_unicode) {
  case_sensitive_ = spec["$caseSensitive"].is_truthy();
  diacritic_sensitive_ = spec["$diacriticSensitive"].is_truthy();
  const auto text = spec["$search"].string_value();
  std::string wanted, unwanted;
  bool negated = false, in_phrase = false;
  bool after_space = true;
  std::size_t phrase = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (kSpaces.find(c) != std::string_view::npos) {
      after_space = true;
      ++at;
      continue;
    }
    const bool spaced = std::exchange(after_space, false);
    if (c == '-') {
      if (!in_phrase && spaced) negated = true;
      ++at;
    } else if (c == '"') {
      if (in_phrase) {
        (negated ? unwanted_phrases_ : phrases_).emplace_back(text.substr(phrase, at - phrase));
      } else {
        if (spaced) negated = false;
        phrase = at + 1;
      }
      in_phrase = !in_phrase;
      ++at;
    } else {
      const auto end = std::min(text.find_first_of(" \n\v\f\r-\"", at), text.size());
      if (!(in_phrase && negated)) {
        if (spaced) negated = false;
        (negated ? unwanted : wanted).append(text.substr(at, end - at)).push_back(' ');
      }
      at = end;
    }
  }
  each_word(wanted, language, by_unicode_, {}, false, [&](std::string word) { indexed_.insert(std::move(word)); });
  add_words(wanted, language, wanted_);
  add_words(unwanted, language, unwanted_);
}

bool TextQuery::has_phrase(const std::string& phrase, std::string_view text) const {
  return folded(text, folding(), by_unicode_).find(folded(phrase, folding(), by_unicode_)) != std::string::npos;
}

Result<bool> TextQuery::matches(View document, const TextIndex& index) const {
  bool indexed = false, wanted = false, unwanted = false;
  std::vector<bool> found(phrases_.size(), false);
  TRY(index.visit(document, [&](const TextIndex::Text& text) {
    each_word(text.text, text.language, by_unicode_, {}, false, [&](const std::string& word) { indexed = indexed || indexed_.contains(word); });
    each_word(text.text, text.language, by_unicode_, folding(), true, [&](const std::string& word) {
      wanted = wanted || wanted_.contains(word);
      unwanted = unwanted || unwanted_.contains(word);
    });
    for (std::size_t i = 0; i < phrases_.size(); ++i) found[i] = found[i] || has_phrase(phrases_[i], text.text);
    for (const auto& phrase : unwanted_phrases_) unwanted = unwanted || has_phrase(phrase, text.text);
    return unwanted;
  }));
  return indexed && wanted && !unwanted && std::ranges::find(found, false) == found.end();
}

Result<double> TextQuery::score(View document, const TextIndex& index) const {
  double total = 0;
  TRY(index.visit(document, [&](const TextIndex::Text& text) {
    std::map<std::string, Frequency> words;
    double all = 0;
    each_word(text.text, text.language, by_unicode_, {}, false, [&](std::string word) {
      auto& frequency = words[std::move(word)];
      ++frequency.count;
      frequency.sum += frequency.next;
      frequency.next /= 2;
      ++all;
    });
    const auto whole = folded(text.text, {.lower_case = true, .strip_diacritics = false}, by_unicode_);
    for (const auto& word : indexed_) {
      const auto found = words.find(word);
      if (found == words.end()) continue;
      const double share = 0.5 * found->second.count / all + 0.5;
      total += text.weight * found->second.sum * share * (whole == word ? 1.1 : 1.0);
    }
    return false;
  }));
  return total;
}

}  // namespace drover::sandbox::query
