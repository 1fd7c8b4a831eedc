// A process ends at every fail point, by a kill or as it is told: the next one goes on. Each a story (scenario.h).
#include <gtest/gtest.h>

#include <algorithm>

#include "scenario.h"

namespace drover::sim {
namespace {

std::vector<std::string> fail_points() {
  return {"start.after_takeover", "start.after_t0", "start.after_names", "start.after_layout",
          "copier.before_copying_recorded", "copier.after_copying_recorded", "copier.after_insert", "copier.before_release",
          "copier.before_copied_recorded", "copier.after_copied_recorded", "ddl.after_create", "ddl.after_drop",
          "ddl.after_rename", "ddl.after_create_indexes", "indexes.before_build", "indexes.after_build",
          "checkpoint.after_recorded", "migration.after_copy", "migration.before_cutover", "cutover.after_intent",
          "cutover.after_hook", "cutover.after_announcement", "cutover.after_block", "cutover.after_fence", "cutover.after_catalogs",
          "cutover.before_decision", "cutover.after_decision", "cutover.after_unblock"};
}

// Something of everything, so that every fail point is met.
void live(Scenario& s) {
  s.options.partition_bytes = 300;
  s.insert_many("app.c", 1, 40, R"("v": 1)");
  s.insert_many("app.d", 1, 10);
  s.create_index("app.c", R"({"v": 2, "key": {"v": 1}, "name": "v_1"})");
  s.create("app.view", R"({"viewOn": "c", "pipeline": []})");
  s.at("migration.after_copy", [&s] {
    s.insert_many("app.e", 1, 5);
    s.rename("app.e", "app.f");
    s.user("administrator", [&s] { s.create_index("app.f", R"({"v": 2, "key": {"w": 1}, "name": "w_1"})"); });
    s.drop("app.d");
    for (int id = 1; id <= 40; id += 3) s.set("app.c", std::to_string(id), "v", "2");
    for (int id = 2; id <= 40; id += 3) s.remove("app.c", std::to_string(id));
  });
}

class Death : public testing::TestWithParam<std::string> {};

TEST_P(Death, TheNextProcessGoesOn) {
  for (const int nth : {1, 2, 3}) {
    const Story story = [this, nth](Scenario& s) {
      live(s);
      s.at(GetParam(), [&s] { s.kill(); }, nth);
      s.run();
      s.expect(nth > 1 || s.runs() == 2, "it did not come by " + GetParam());
    };
    holds(story);
  }
}

// Before the decision the source is left as it was found; after it there is only forward.
TEST_P(Death, AStopLeavesTheSourceAsItWas) {
  const Story story = [this](Scenario& s) {
    live(s);
    bool asked = false;
    s.at(GetParam(), [&] {
      s.stop();
      asked = true;
    });
    const auto first = s.run_once();
    if (!first.has_value() && first.error().code != ErrorCode::kInterrupted) s.fail(first.error().message);
    s.expect(asked, "it did not come by " + GetParam());
    const auto step = GetParam();
    const bool decided = step == "cutover.after_decision" || step == "cutover.after_unblock";
    s.expect(first.has_value() == decided, "stopped at " + step + ", it ended otherwise");
    s.expect(s.source().write_block() == decided, "stopped at " + step + ", it left the source's block otherwise");
    s.run();
  };
  holds(story);
}

std::string spelled(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(At, Death, testing::ValuesIn(fail_points()), spelled);

}  // namespace
}  // namespace drover::sim
