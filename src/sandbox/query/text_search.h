// $text: what was asked, and the answer for one document by the definition of a text index. Those of version 3 see words by Unicode; before, they
// knew ASCII alone, and no diacritics. No index is read: the words of the
// document are taken apart each time. Languages: english and none; of others this server knows neither stems nor stop words.
// Immutable and thread-safe. Facts: MongoDB's src/mongo/db/fts (how queries are taken apart, and how words score).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "bson/words.h"
#include "sandbox/query/text_language.h"

namespace drover::sandbox::query {

// The definition of a text index, as listIndexes shows it.
class TextIndex {
 public:
  static Result<TextIndex> parse(bson::View spec);
  TextLanguage default_language() const { return language_; }
  bool by_unicode() const { return by_unicode_; }
  struct Text {
    std::string_view text;
    double weight = 1;
    TextLanguage language = TextLanguage::kEnglish;
  };
  // Every string that is indexed, until one is enough (`visit` gives true). Fails where the document names a language that is not known.
  Status visit(bson::View document, const std::function<bool(const Text&)>& visit) const;

 private:
  struct Walk;
  std::map<std::string, double, std::less<>> weights_;
  double everywhere_ = 0;  // the weight of $**; 0: only the named fields
  TextLanguage language_ = TextLanguage::kEnglish;
  std::string override_field_;
  bool by_unicode_ = true;
};

// {$search, $language, $caseSensitive, $diacriticSensitive}: words of which one must be there, others of which none may, and phrases.
class TextQuery {
 public:
  // `spec` has been checked: see match_parse. `by_unicode` as the index has it.
  TextQuery(bson::View spec, TextLanguage language, bool by_unicode = true);

  Result<bool> matches(bson::View document, const TextIndex& index) const;
  // {$meta: "textScore"} of a document that matches.
  Result<double> score(bson::View document, const TextIndex& index) const;

 private:
  using Words = std::set<std::string, std::less<>>;
  bool has_phrase(const std::string& phrase, std::string_view text) const;
  void add_words(std::string_view text, TextLanguage language, Words& words) const;
  bson::WordFolding folding() const { return {!case_sensitive_, !diacritic_sensitive_}; }

  bool case_sensitive_ = false, diacritic_sensitive_ = false, by_unicode_ = true;
  Words indexed_;  // as an index has them
  Words wanted_, unwanted_;
  std::vector<std::string> phrases_, unwanted_phrases_;
};

}  // namespace drover::sandbox::query
