// The rules of the engine that no pitfall stands for, and its deaths: each as a story (scenario.h).
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "scenario.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// In the window between the copier's mark and its start time a change is neither dropped nor lost.
TEST(Rules, APartitionIsMarkedBeforeItsStartIsRead) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    for (int i = 1; i < 6; ++i) {
      s.after(s.source(), "majority_time", [&s, i] {
        s.insert("app.c", "{\"_id\": " + std::to_string(100 + i) + "}");
        s.pass(milliseconds(50));
      }, i);
    }
    s.run();
  };
  holds(story, 10);
  breaks("router_marks_late", story);
}

TEST(Rules, APartitionFoundCopyingIsClearedFirst) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 60);
    s.at("copier.after_insert", [&] { s.kill(); });
    (void)s.run_once();
    for (int id = 1; id <= 60; id += 2) s.remove("app.c", std::to_string(id));
    s.run();
  };
  holds(story);
  breaks("clear_skipped", story);
}

// The one that holds a unique value on the destination may be newer there than the change that it refuses.
TEST(Rules, AHolderIsNotSetBack) {
  const Story story = [](Scenario& s) {
    s.options.lanes = 4;
    s.insert("app.c", R"({"_id": 1, "u": "a"})");
    for (int id = 2; id <= 5; ++id) s.insert("app.c", "{\"_id\": " + std::to_string(id) + ", \"u\": " + std::to_string(id) + "}");
    s.create_index("app.c", R"({"v": 2, "unique": true, "key": {"u": 1}, "name": "u_1"})");
    s.at("migration.after_copy", [&] {
      s.before(s.destination(), "replace app.c", [&] {
        s.replace("app.c", R"({"_id": 1, "u": "y"})");
        // One of these is in another lane; the value ends with it.
        for (int id = 2; id <= 4; ++id) {
          s.replace("app.c", "{\"_id\": " + std::to_string(id) + ", \"u\": \"x\"}");
          s.replace("app.c", "{\"_id\": " + std::to_string(id) + ", \"u\": " + std::to_string(10 * id) + "}");
        }
        s.replace("app.c", R"({"_id": 5, "u": "x", "w": 1})");
        s.pass(seconds(2));
      });
      s.replace("app.c", R"({"_id": 1, "u": "x"})");
    });
    s.run();
  };
  holds(story, 20);
  breaks("holder_time_ignored", story, 200);
}

// A collection that is copied anew is gone and not gone: its record must outlive a checkpoint.
TEST(Rules, ARecordIsForgottenOnlyWithItsDropRecorded) {
  const Story story = [](Scenario& s) {
    s.versions(Scenario::k44, Scenario::k44);
    s.insert("app.c", R"({"_id": 1, "u": 1})");
    s.insert("app.c", R"({"_id": 2, "u": 2})");
    bool written = false;
    s.options.commit = engine::CommitPolicy::kManual;
    s.options.may_commit = [&] { return written; };
    s.at("migration.after_copy", [&] {
      s.before(s.source(), "read by ids app.c", [&] {
        s.create_index("app.c", R"({"v": 2, "unique": true, "key": {"u": 1}, "name": "u_1"})");
        s.set("app.c", "1", "u", "3");
        s.set("app.c", "2", "u", "1");
        written = true;
        s.pass(milliseconds(100));
      });
      s.set("app.c", "2", "z", "1");
    });
    s.at("ddl.before_copy_anew", [&] {
      s.pass(seconds(3));  // checkpoints go on
      s.kill();
    });
    s.run();
  };
  holds(story, 10);
  breaks("forgotten_early", story, 60);
}

// A deletion that found nothing leaves no trace, so its number refuses no duplicate; by then the document may be a user's.
TEST(Rules, NothingOfTheEngineArrivesAfterUsersAreLetIn) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("migration.after_copy", [&] {
      auto faults = s.destination().faults();
      faults.duplicated = 1'000'000;
      s.destination().set_faults(faults);
      s.insert("app.c", R"({"_id": 7})");
      s.remove("app.c", "7");
    });
    s.run();
    s.insert_on_destination("app.c", R"({"_id": 7})");
    s.wait_until("late requests", [&] { return s.destination().requests_under_way == 0; });
    s.expect(s.has(s.destination(), "app.c", "7"), "a late request has removed a user's document");
  };
  holds(story, 20);
  breaks("sessions_left_open", story, 60);
}

std::vector<std::string> fail_points() {
  return {"start.after_takeover", "start.after_t0", "start.after_names", "start.after_layout",
          "copier.before_copying_recorded", "copier.after_copying_recorded", "copier.after_insert", "copier.before_release",
          "copier.before_copied_recorded", "copier.after_copied_recorded", "ddl.after_create", "ddl.after_drop",
          "ddl.after_rename", "ddl.after_create_indexes", "indexes.before_build", "indexes.after_build",
          "checkpoint.after_recorded", "migration.after_copy", "migration.before_cutover", "cutover.after_intent",
          "cutover.after_hook", "cutover.after_block", "cutover.after_fence", "cutover.after_catalogs",
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
