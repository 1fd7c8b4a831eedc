// Words, their stems, what $text asks and how documents score.
#include "sandbox/query/text_search.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/words.h"
#include "sandbox/query/doc_for_tests.h"
#include "sandbox/query/english_stemmer.h"

namespace drover::sandbox::query {
namespace {

TEST(EnglishStemmer, GivesTheAlgorithmsStems) {
  // https://snowballstem.org/algorithms/english/stemmer.html, and a word for each step.
  const std::pair<const char*, const char*> kPairs[] = {
      {"consign", "consign"}, {"consignment", "consign"}, {"consistency", "consist"}, {"consolation", "consol"}, {"consolatory", "consolatori"},
      {"knackeries", "knackeri"}, {"knaves", "knave"}, {"kneeling", "kneel"}, {"knightly", "knight"}, {"knotty", "knotti"},
      {"mark's", "mark"}, {"caresses", "caress"}, {"ties", "tie"}, {"cries", "cri"}, {"gas", "gas"}, {"this", "this"}, {"gaps", "gap"}, {"kiwis", "kiwi"},
      {"agreed", "agre"}, {"feed", "feed"}, {"hopping", "hop"}, {"hoping", "hope"}, {"luxuriated", "luxuri"}, {"conflated", "conflat"}, {"sky", "sky"},
      {"by", "by"}, {"say", "say"}, {"happy", "happi"}, {"generate", "generat"}, {"generously", "generous"}, {"communism", "communism"}, {"relational", "relat"},
      {"electrical", "electr"}, {"analogies", "analog"}, {"probably", "probabl"}, {"skies", "sky"}, {"dying", "die"}, {"herring", "herring"}, {"succeeded", "succeed"},
      {"youth", "youth"}, {"boy", "boy"}, {"adoption", "adopt"}, {"controlled", "control"}, {"rate", "rate"}, {"as", "as"}, {"running", "run"}, {"really", "realli"},
      {"Positively", "Posit"}, {"Yes", "Yes"}, {"Yoyo", "yoyo"}, {"caf\xc3\xa9s", "caf\xc3\xa9"}};
  for (const auto& [word, stem] : kPairs) EXPECT_EQ(english_stem(word), stem) << word;
  EXPECT_TRUE(is_english_stop_word("doesn't"));
  EXPECT_FALSE(is_english_stop_word("fun"));
}

TEST(Words, ArePartedAndFoldedByUnicode) {
  using Words = std::vector<std::string_view>;
  EXPECT_EQ(bson::split_words("  Do you see Mark's dog_1 running? ", true), (Words{"Do", "you", "see", "Mark's", "dog_1", "running"}));
  EXPECT_EQ(bson::split_words("C'est-\xc2\xab"  "bien\xc2\xbb\xff.x", false), (Words{"C", "est", "bien", "x"}));
  EXPECT_TRUE(bson::split_words(" -- ", true).empty());
  EXPECT_EQ(bson::fold_words("\xc3\x89t\xc3\xa9 \xe1\xba\xa4^", {}), "ete a");
  EXPECT_EQ(bson::fold_words("\xc3\x89T", {.lower_case = false, .strip_diacritics = true}), "ET");
  EXPECT_EQ(bson::fold_words("\xc3\x89T\xff", {.lower_case = true, .strip_diacritics = false}), "\xc3\xa9t\xff");
}

class TextSearch : public ::testing::Test {
 protected:
  // What a search says of documents whose string t is indexed.
  std::string found(const std::string& search, const std::vector<std::string>& texts, const std::string& more = "") {
    const auto index = TextIndex::parse(doc(index_));
    EXPECT_TRUE(index);
    bson::Builder spec;
    spec.append("$search", search).append_all(doc("{" + more + "}"));
    const auto asked = std::move(spec).finish();
    const TextQuery query(asked, index->default_language(), index->by_unicode());
    std::string out;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      bson::Builder document;
      document.append("t", texts[i]);
      if (query.matches(std::move(document).finish(), *index).value()) out += std::to_string(i);
    }
    return out;
  }
  double score(const std::string& search, const std::string& document) {
    const auto index = TextIndex::parse(doc(index_));
    bson::Builder spec;
    spec.append("$search", search);
    const auto asked = std::move(spec).finish();
    return TextQuery(asked, index->default_language(), index->by_unicode()).score(doc(document), *index).value();
  }
  std::string index_ = R"({"weights": {"t": 1}, "default_language": "english", "language_override": "language"})";
};

TEST_F(TextSearch, FindsAnyWordButNoneThatIsUnwanted) {
  const std::vector<std::string> texts = {"Coffee and cakes", "Gourmet hamburgers", "just a coffee-shop", "shopping"};
  EXPECT_EQ(found("coffee", texts), "02");
  EXPECT_EQ(found("cake shop", texts), "023");
  EXPECT_EQ(found("coffee -shop", texts), "0");
  EXPECT_EQ(found("coffee - shop", texts), "023");
  EXPECT_EQ(found("-coffee", texts), "");
  EXPECT_EQ(found("and the", texts), "");  // stop words ask for nothing
  EXPECT_EQ(found("COFFEE", texts), "02");
  EXPECT_EQ(found("Coffee", texts, R"("$caseSensitive": true)"), "0");
  EXPECT_EQ(found("caf\xc3\xa9", {"un cafe", "un CAF\xc3\x89"}), "01");
  EXPECT_EQ(found("caf\xc3\xa9", {"un cafe", "un CAF\xc3\x89"}, R"("$diacriticSensitive": true)"), "1");
}

TEST_F(TextSearch, PhrasesStandTogether) {
  const std::vector<std::string> texts = {"a phrase test for fun", "test of a phrase", "Phrase Test", "fun"};
  EXPECT_EQ(found(R"("phrase test")", texts), "02");
  EXPECT_EQ(found(R"(fun "phrase test")", texts), "02");
  EXPECT_EQ(found(R"(phrase fun -"phrase test")", texts), "13");
  EXPECT_EQ(found(R"(-"phrase test"-"no" "of a phrase")", texts), "1");
  EXPECT_EQ(found(R"(fun "phrase test)", texts), "0123");  // does not end: its words are words
  EXPECT_EQ(found(R"("Phrase Test")", texts, R"("$caseSensitive": true)"), "2");
}

TEST_F(TextSearch, ScoresWordsByHowMuchOfTheTextTheyAre) {
  EXPECT_DOUBLE_EQ(score("spam", R"({"t": "spam eggs and spam"})"), 1.5 * (0.5 * 2 / 3 + 0.5));
  EXPECT_DOUBLE_EQ(score("spam", R"({"t": "spam"})"), 1.1);
  EXPECT_DOUBLE_EQ(score("cook", R"({"t": "cooking"})"), 1);
  index_ = R"({"weights": {"name": 1, "description": 1}, "default_language": "english", "language_override": "language"})";
  EXPECT_DOUBLE_EQ(score("java coffee shop", R"({"name": "Coffee Shop", "description": "Just coffee"})"), 2.25);
  EXPECT_DOUBLE_EQ(score("java coffee shop", R"({"name": "Java Hut", "description": "Coffee and cakes"})"), 1.5);
  index_ = R"({"weights": {"name": 10, "description": 2}, "default_language": "none", "language_override": "language"})";
  EXPECT_DOUBLE_EQ(score("shop", R"({"name": "shop", "description": "the shop"})"), 11 + 1.5);
}

TEST_F(TextSearch, ReadsPathsArraysAndEverything) {
  index_ = R"({"weights": {"a.t": 1, "a.b.t": 3}, "default_language": "english", "language_override": "language"})";
  EXPECT_DOUBLE_EQ(score("x", R"({"t": "x", "a": [{"t": ["x y", 5, "z"]}, {"b": {"t": "x y"}}, "x"]})"), 0.75 + 2.25);
  index_ = R"({"weights": {"$**": 5, "b": 2}, "default_language": "english", "language_override": "language"})";
  EXPECT_DOUBLE_EQ(score("x", R"({"language": "en", "a": {"c": [["x y"], "x y"]}, "b": "x y"})"), 0.75 + 1.5);
}

TEST_F(TextSearch, KnowsLanguages) {
  index_ = R"({"weights": {"t": 1}, "default_language": "none", "language_override": "lang"})";
  EXPECT_EQ(found("the running", {"the", "run", "running"}), "02");
  const auto index = TextIndex::parse(doc(index_));
  const auto asked = doc(R"({"$search": "cakes"})");
  const TextQuery query(asked, TextLanguage::kEnglish);
  EXPECT_FALSE(*query.matches(doc(R"({"t": "cakes"})"), *index));
  EXPECT_TRUE(*query.matches(doc(R"({"t": "cakes", "lang": "english"})"), *index));
  EXPECT_EQ(query.matches(doc(R"({"t": "cakes", "lang": "romanian"})"), *index).error().server_code, 238);
  EXPECT_EQ(query.matches(doc(R"({"t": "cakes", "lang": 5})"), *index).error().server_code, 17261);
  EXPECT_EQ(text_language("klingon").error().message, "unsupported language: \"klingon\" for text index version 3");
  EXPECT_EQ(TextIndex::parse(doc(R"({"weights": {"t": 1}, "default_language": "romanian"})")).error().server_code, 238);
}

TEST_F(TextSearch, StemsAndStopsByLanguage) {
  const auto in = [&](const std::string& language, const std::string& search, const std::vector<std::string>& texts) {
    index_ = R"({"weights": {"t": 1}, "default_language": ")" + language + R"(", "language_override": "language"})";
    return found(search, texts);
  };
  EXPECT_EQ(in("german", "H\xc3\xa4user", {"das Haus", "die H\xc3\xa4user", "nichts"}), "01");
  EXPECT_EQ(in("de", "laufen", {"ich laufe", "gelaufen"}), "0");
  EXPECT_EQ(in("german", "die ist", {"die ist"}), "");
  EXPECT_EQ(in("french", "continuellement", {"continuel", "continu"}), "0");
  EXPECT_EQ(in("spanish", "corriendo", {"correr", "corriendo", "los"}), "01");
  EXPECT_EQ(in("es", "los vosotros", {"los vosotros"}), "");
  EXPECT_EQ(in("russian", "\xd0\xba\xd0\xbd\xd0\xb8\xd0\xb3\xd0\xb8", {"\xd0\xba\xd0\xbd\xd0\xb8\xd0\xb3\xd0\xb0"}), "0");  // книги, книга
  EXPECT_EQ(in("turkish", "I\xc5\x9eIK", {"\xc4\xb1\xc5\x9f\xc4\xb1k"}), "0");  // IŞIK, ışık
}

TEST_F(TextSearch, IndexesBeforeVersionThreeKnowAsciiAlone) {
  index_ = R"({"weights": {"t": 1}, "default_language": "english", "language_override": "language", "textIndexVersion": 2})";
  EXPECT_EQ(found("cafe", {"caf\xc3\xa9", "CAFE"}), "1");
  EXPECT_EQ(found("CAF\xc3\x89", {"caf\xc3\xa9", "caf\xc3\x89"}), "1");
  EXPECT_EQ(found("bien", {"\xc2\xab" "bien\xc2\xbb", "bien,"}), "1");
}

TEST_F(TextSearch, TakesSearchesApartAtAnySpace) {
  EXPECT_EQ(found("coffee\n-shop", {"coffee", "coffee shop"}), "0");
  EXPECT_EQ(found("coffee\t-shop", {"coffee", "coffee shop"}), "01");  // a tab is none
}

}  // namespace
}  // namespace drover::sandbox::query
