#include "sandbox/query/text_language.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>

#include <fmt/core.h>
#include <libstemmer.h>

#include "bson/words.h"
#include "sandbox/query/english_stemmer.h"
#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {

struct Row {
  TextLanguage language;
  const char* name;
  std::string_view letters;
};
constexpr Row kRows[] = {
    {TextLanguage::kNone, "none", "none"},       {TextLanguage::kDanish, "danish", "da"},       {TextLanguage::kDutch, "dutch", "nl"},
    {TextLanguage::kEnglish, "english", "en"},   {TextLanguage::kFinnish, "finnish", "fi"},     {TextLanguage::kFrench, "french", "fr"},
    {TextLanguage::kGerman, "german", "de"},     {TextLanguage::kHungarian, "hungarian", "hu"}, {TextLanguage::kItalian, "italian", "it"},
    {TextLanguage::kNorwegian, "norwegian", "nb"}, {TextLanguage::kPortuguese, "portuguese", "pt"}, {TextLanguage::kRussian, "russian", "ru"},
    {TextLanguage::kSpanish, "spanish", "es"},   {TextLanguage::kSwedish, "swedish", "sv"},     {TextLanguage::kTurkish, "turkish", "tr"}};

struct Delete {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};
using StemmerPtr = std::unique_ptr<sb_stemmer, Delete>;

// A stemmer is for one thread at a time.
sb_stemmer* stemmer_of(TextLanguage language) {
  thread_local std::map<TextLanguage, StemmerPtr> kept;
  auto& stemmer = kept[language];
  if (!stemmer) stemmer.reset(sb_stemmer_new(std::ranges::find(kRows, language, &Row::language)->name, "UTF_8"));
  return stemmer.get();
}

}  // namespace

Result<TextLanguage> text_language(std::string_view name) {
  const auto lower = bson::fold_words(name, {.lower_case = true, .strip_diacritics = false});
  const auto* row = std::ranges::find_if(kRows, [&](const Row& each) { return each.name == lower || each.letters == lower; });
  if (row != std::end(kRows)) return row->language;
  if (lower == "romanian" || lower == "ro") return bad(238, fmt::format("this server does not answer $text in {}", name));
  return bad(code::kBadValue, fmt::format("unsupported language: \"{}\" for text index version 3", name));
}

std::string text_stem(TextLanguage language, std::string_view word) {
  if (language == TextLanguage::kNone) return std::string(word);
  if (language == TextLanguage::kEnglish) return english_stem(word);
  auto* stemmer = stemmer_of(language);
  const auto* stem = stemmer ? sb_stemmer_stem(stemmer, reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size())) : nullptr;
  if (!stem) return std::string(word);
  return {reinterpret_cast<const char*>(stem), static_cast<std::size_t>(sb_stemmer_length(stemmer))};
}

}  // namespace drover::sandbox::query
