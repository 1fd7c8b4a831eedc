#include "terminal/table.h"

#include <gtest/gtest.h>

namespace drover::terminal {
namespace {

TEST(Table, AlignsAndShortensNothing) {
  EXPECT_EQ(render_table({{"ID", "NAME", "ROLES"},
                          {{"66dd00000000000000000001", "Größe", "ORG_OWNER"}, {"1", "a", ""}}}),
            "ID                        NAME   ROLES\n"
            "66dd00000000000000000001  Größe  ORG_OWNER\n"
            "1                         a\n");
}

TEST(Table, WithoutRowsItIsTheHeaders) { EXPECT_EQ(render_table({{"ID", "NAME"}, {}}), "ID  NAME\n"); }

TEST(Table, ACellMissingIsEmpty) { EXPECT_EQ(render_table({{"A", "B"}, {{"1"}}}), "A  B\n1\n"); }

TEST(Fields, StandBelowOneAnother) { EXPECT_EQ(render_fields({{"id", "1"}, {"orgId", ""}, {"name", "x y"}}), "id     1\norgId\nname   x y\n"); }

TEST(Printable, KeepsATerminalFromBeingDriven) {
  EXPECT_EQ(printable("a\x1b[2Jb\nc\td\x7f"), "a?[2Jb c d?");
  EXPECT_EQ(printable("x\xc2\x9b" "31m"), "x?31m");
  EXPECT_EQ(printable_lines("a\x1b\nb\tc\n"), "a?\nb c\n");
  EXPECT_EQ(printable("\xc2\xa0ü"), "\xc2\xa0ü");
  EXPECT_EQ(render_table({{"A"}, {{"\x1b]0;t\x07"}}}), "A\n?]0;t?\n");
}

}  // namespace
}  // namespace drover::terminal
