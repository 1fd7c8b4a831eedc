#include "base/spelling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover {
namespace {

using ::testing::ElementsAre;

TEST(Spelling, FindsWhatWasMeant) {
  const std::vector<std::string> words{"start", "show", "list", "cutover", "cancel", "set-credentials"};
  EXPECT_THAT(near_words("strat", words), ElementsAre("start"));
  EXPECT_THAT(near_words("lst", words), ElementsAre("list"));
  EXPECT_THAT(near_words("cut-over", words), ElementsAre("cutover"));
  EXPECT_THAT(near_words("canc", words), ElementsAre("cancel"));
  EXPECT_THAT(near_words("APPNAMES", {"appName", "w"}), ElementsAre("appName"));
  EXPECT_THAT(near_words("x", words), ElementsAre());
  EXPECT_THAT(near_words(std::string(5000, 'a'), words), ElementsAre());
  EXPECT_EQ(did_you_mean("migrate", {"migrate-a", "migrate-b"}), "; did you mean `migrate-a` or `migrate-b`?");
}

}  // namespace
}  // namespace drover
