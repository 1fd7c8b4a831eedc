// The source's write block: who sets it, who lifts it, and what is waited for behind it. Each a story (scenario.h).
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "bson/builder.h"
#include "scenario.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// The operator's command takes as long as it takes; the other process has released the source by then.
TEST(SourceBlock, WhoHasBeenReplacedDoesNotBlockTheSource) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.options.before_cutover = [&s]() -> Status {
      s.pause();
      return {};
    };
    (void)s.run_once();
    s.options.before_cutover = {};
    s.options.commit = engine::CommitPolicy::kNever;
    s.in_background("an operator", [&s] {
      s.wait_until("the other process", [&s] { return s.runs() == 2; });
      s.pass(seconds(5));
      s.resume();
      s.pass(seconds(5));
      s.expect(!s.source().write_block(), "the source is blocked, and nobody knows");
      s.stop();
    });
    (void)s.run_once();
  };
  holds(story, 10);
  breaks("block_without_owning", story);
}

// The first has blocked the source and stands still; the second blocks it too, for its own cutover.
TEST(SourceBlock, WhoHasBeenReplacedDoesNotLiftTheBlockOfItsSuccessor) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_block", [&s] {
      s.at("cutover.after_block", [&s] {
        s.resume();
        s.pass(seconds(1));
        s.expect(s.source().write_block(), "the source takes writes in the middle of a cutover");
      });
      s.pause();
    });
    (void)s.run_once();
    s.run();
  };
  holds(story, 10);
  breaks("successor_unblocked", story);
}

// Cut off from the destination, it must find out on the source.
TEST(SourceBlock, WhoCannotReachTheDestinationLeavesTheBlockOfItsSuccessor) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_fence", [&s] {
      s.cut_destination(minutes(10));
      s.in_background("the other process", [&s] { s.expect(s.run_once().has_value(), "the other process does not commit"); });
      s.pass(seconds(61));  // the deadline
    });
    s.expect(!s.run_once(), "both have committed");
    s.pass(minutes(1));
    s.expect(s.source().write_block(), "the source takes writes that nobody migrates");
  };
  holds(story, 10);
  breaks("announcement_unread", story);
}

// Cut off from the source, it asks again once it is back.
TEST(SourceBlock, WhoCannotReachTheSourceLeavesTheBlockOfItsSuccessor) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_fence", [&s] {
      s.at("cutover.after_fence", [&s] {
        s.pass(seconds(50));
        s.expect(s.source().write_block(), "the source takes writes in the middle of a cutover");
      });
      s.cut_source(seconds(100));
      s.in_background("the other process", [&s] {
        s.pass(seconds(65));
        s.expect(s.run_once().has_value(), "the other process does not commit");
      });
      s.pass(seconds(61));
    });
    s.expect(!s.run_once(), "both have committed");
  };
  holds(story, 10);
  breaks("lift_unasked", story);
}

// It has blocked nothing: its hook was running.
TEST(SourceBlock, WhoHasNotBlockedTheSourceDoesNotLiftTheBlockOfItsSuccessor) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    bool first = true;
    s.options.before_cutover = [&s, &first]() -> Status {
      if (!std::exchange(first, false)) return {};
      s.cut_destination(minutes(10));
      s.in_background("the other process", [&s] { s.expect(s.run_once().has_value(), "the other process does not commit"); });
      s.pass(seconds(10));
      return {};
    };
    s.expect(!s.run_once(), "both have committed");
    s.expect(s.source().write_block(), "the source takes writes that nobody migrates");
  };
  holds(story, 10);
  breaks("unblocked_unblocked", story);
}

// Its connection breaks between the question and the block.
TEST(SourceBlock, WhoWasReplacedMeanwhileDoesNotBlockTheSource) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_announcement", [&s] { s.cut_source(seconds(30)); });
    s.in_background("an operator", [&s] {
      s.wait_until("the cutover", [&s] { return s.reached().contains("cutover.after_announcement"); });
      s.pass(seconds(10));
      s.options.commit = engine::CommitPolicy::kNever;
      s.in_background("the other process", [&s] { (void)s.run_once(); });
      s.source().on_write_block = [&s](bool enabled) { s.expect(!enabled, "the source is blocked by one that was replaced"); };
      s.pass(seconds(50));
      s.stop();
    });
    s.expect(!s.run_once(), "the first has committed");
  };
  holds(story, 10);
  breaks("block_unasked", story);
}

// It is replaced while its announcement is on its way: the block that it then sets is not its successor's.
TEST(SourceBlock, WhoBlocksInTheMomentOfItsReplacementLiftsThatBlock) {
  const Story story = [](Scenario& s) {
    s.options.checkpoint_every = std::chrono::hours(2);  // which would tell it
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_announcement", [&s] {
      s.options.commit = engine::CommitPolicy::kNever;
      s.in_background("the other process", [&s] { (void)s.run_once(); });
      s.pass(milliseconds(900));
      s.in_background("an operator", [&s] {
        s.pass(seconds(20));
        s.expect(!s.source().write_block(), "the source is blocked, and nobody knows");
        s.stop();
      });
    });
    s.expect(!s.run_once(), "the first has committed");
  };
  holds(story, 10);
  breaks("late_block_kept", story);
}

// Another migration of the same source, into another destination, has a block of its own and a greater epoch.
TEST(SourceBlock, TheAnnouncementOfAnotherDestinationIsNoSuccessors) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_fence", [&s] {
      s.source().note(bson::make_document({{"drover", "block"}, {"destination", "another"}, {"epoch", std::numeric_limits<std::int64_t>::max()}}));
      s.cut_destination(minutes(10));
      s.in_background("an operator", [&s] {
        s.pass(seconds(85));
        s.expect(!s.source().write_block(), "the source is left to a migration that has not blocked it");
      });
      s.pass(seconds(61));
    });
    s.expect(!s.run_once(), "it has committed");
  };
  holds(story, 10);
  breaks("foreign_announcement_read", story);
}

// An earlier process' cutover is to be undone, by one that a third has replaced.
TEST(SourceBlock, WhoUndoesACutoverWaitsForTheAnswer) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_fence", [&s] { s.kill(); });
    (void)s.run_once();
    s.after(s.destination(), "load state x_cutover", [&s] {
      s.cut_destination(minutes(10));
      s.in_background("the third process", [&s] { s.expect(s.run_once().has_value(), "the third process does not commit"); });
      s.cut_source(seconds(10));
    });
    s.in_background("an operator", [&s] {
      s.pass(minutes(2));
      s.expect(s.source().write_block(), "the source takes writes that nobody migrates");
    });
    s.expect(!s.run_once(), "both have committed");
  };
  holds(story, 10);
  breaks("recovery_unasked", story);
}

TEST(SourceBlock, ABlockThatSomebodyLiftsEndsTheCutover) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_fence", [&s] { s.expect(s.source().set_write_block(false).has_value(), "it is not lifted"); });
    const auto result = s.run_once();
    s.expect(!result && result.error().code == ErrorCode::kSource, "the source takes writes that nobody migrates");
    s.run();
  };
  holds(story);
  breaks("lifted_block_unseen", story);
}

// Everything that needs the destination stands still; the source must not.
TEST(SourceBlock, TheSourceIsReleasedWhileTheDestinationIsAway) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_intent", [&s] { s.set("app.c", "1", "v", "1"); });
    s.at("cutover.after_fence", [&s] {
      s.cut_destination(minutes(10));
      s.in_background("an operator", [&s] {
        s.pass(seconds(85));
        s.expect(!s.source().write_block(), "the source is blocked for as long as the destination is away");
      });
      s.pass(seconds(61));
    });
    const auto result = s.run_once();
    s.expect(!result && result.error().code == ErrorCode::kTimedOut, "the deadline did not come");
  };
  holds(story, 10);
  breaks("release_awaits_answer", story);
}

// The application waits from the end of the hook.
TEST(SourceBlock, TheDeadlineCountsFromTheEndOfTheHook) {
  holds([](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.options.before_cutover = [&s]() -> Status {
      s.cut_destination(minutes(10));
      return {};
    };
    const auto result = s.run_once();
    s.expect(!result && result.error().code == ErrorCode::kTimedOut, "the deadline did not come");
  });
}

// The block of a process that died waits for its lock until after its successor has lifted it.
TEST(SourceBlock, ABlockThatComesLateIsLiftedToo) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.source().lock_held = seconds(5);
    s.in_background("its end", [&s] {
      s.wait_until("the block", [&s] { return s.source().block_changes() == 1; });
      s.kill();
    });
    (void)s.run_once();
    s.options.commit = engine::CommitPolicy::kNever;
    s.in_background("an operator", [&s] {
      s.wait_until("the other process", [&s] { return s.runs() == 2; });
      s.pass(seconds(20));
      s.expect(!s.source().write_block(), "the source is blocked, and nobody knows");
      s.stop();
    });
    (void)s.run_once();
  };
  holds(story, 10);
  breaks("block_commands_unawaited", story);
}

// A long $merge that began before the block ends in no time that anybody could wait for.
TEST(SourceBlock, RunningWritesAreWaitedForForAWhile) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    Duration begun{};
    s.at("migration.before_cutover", [&s, &begun] {
      s.user("a long $merge", [&s] { s.pass(minutes(3)); });
      begun = s.scheduler().now();
    });
    s.at("cutover.after_block", [&s, &begun] {
      const auto waited = s.scheduler().now() - begun;
      s.expect(waited >= seconds(5), "it was not waited for");
      s.expect(waited < seconds(15), "it was waited for too long");
    });
    s.run();
    s.expect(s.runs() == 1, "it was waited for until the deadline");
  };
  holds(story);
  breaks("block_awaits_all", story);
}

// Without a block nothing of it is seen but that it is open.
TEST(SourceBlock, ATransactionThatBeganAfterTheFenceIsSeen) {
  const Story story = [](Scenario& s) {
    s.versions(Scenario::k44, Scenario::k44);
    s.insert("app.c", R"({"_id": 1})");
    s.at("cutover.after_fence", [&s] { s.source().open_transactions = {milliseconds(100)}; });
    const auto result = s.run_once();
    s.expect(!result && result.error().code == ErrorCode::kSource, "a transaction is left behind");
    s.source().open_transactions.clear();
    s.run();
  };
  holds(story);
  breaks("late_transaction_ignored", story);
}

}  // namespace
}  // namespace drover::sim
