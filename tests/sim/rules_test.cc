// The rules of the engine that no pitfall stands for, and its deaths: each as a story (scenario.h).
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "bson/builder.h"
#include "engine/state_store.h"
#include "scenario.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
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
    s.options.lanes = 16;
    bool told = false;
    s.options.commit = engine::CommitPolicy::kManual;
    s.options.may_commit = [&] { return told; };
    s.insert("app.c", R"({"_id": 1, "u": "x"})");
    s.insert("app.c", R"({"_id": 2, "u": "b"})");
    s.create_index("app.c", R"({"v": 2, "unique": true, "key": {"u": 1}, "name": "u_1"})");
    const auto within_seconds = [&s](const std::function<bool()>& ready) {  // never, where both are of one lane
      for (int i = 0; i < 500 && !ready(); ++i) s.pass(milliseconds(10));
    };
    const auto holder_is_newer = [&s] {
      const auto& there = s.entry(s.destination(), "app.c");
      const auto holder = s.destination().store().latest(there.info.uuid, logical_key(there, bson::make_document({{"_id", 1}})["_id"]));
      return holder != nullptr && (*holder)["w"].exists();
    };
    bool refused = false;
    s.at("migration.after_copy", [&] {
      s.before(s.source(), "read by ids app.c", [&] {  // the holder's first change
        s.before(s.destination(), "replace app.c", [&] {
          refused = true;
          s.replace("app.c", R"({"_id": 2, "u": "c"})");
          s.replace("app.c", R"({"_id": 1, "u": "x", "w": 1})");
          within_seconds(holder_is_newer);
        });
        s.replace("app.c", R"({"_id": 2, "u": "x"})");
        within_seconds([&] { return refused; });
        told = true;
      });
      s.set("app.c", "1", "u", "\"y\"");
    });
    s.run();
  };
  holds(story, 20);
  breaks("holder_time_ignored", story);
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

// One leaves what is migrated and comes back under another name, while the record of its leaving is being removed.
TEST(Rules, ARecordIsForgottenBetweenCatalogChanges) {
  const Story story = [](Scenario& s) {
    s.options.filter = NamespaceFilter::parse(std::vector<std::string>{"app.a", "app.b"}, {}).value();
    s.insert_many("app.a", 1, 5);
    const auto is_back = [&s] { return s.count(s.destination(), "app.b") == 5; };
    bool recorded = false;
    s.at("migration.after_copy", [&] {
      s.at("ddl.after_drop", [&] {
        s.at("checkpoint.after_recorded", [&] {  // those to be forgotten are about to be looked for
          s.before(s.destination(), "save state x_catalog", [&] {  // the last one of its coming back
            recorded = true;
            s.pass(milliseconds(20));
          }, 2);
          s.rename("app.tmp", "app.b");
          for (int i = 0; i < 1000 && !recorded; ++i) s.pass(milliseconds(1));
        });
      });
      s.rename("app.a", "app.tmp");
      s.in_background("its end", [&] {
        s.wait_until("the collection", is_back);
        s.pass(seconds(1));
        s.kill();
      });
    });
    s.options.commit = engine::CommitPolicy::kNever;
    (void)s.run_once();
    s.insert("app.b", R"({"_id": 6})");
    s.options.commit = engine::CommitPolicy::kWhenReady;
    s.run();
  };
  holds(story, 10);
  breaks("forgotten_meanwhile", story);
}

// The destination keeps the sessions of one id apart by user: those of another are beyond reach, so their owner is given the
// time to notice that it has been replaced.
TEST(Rules, TheProcessOfAnotherUserIsWaitedFor) {
  holds([](Scenario& s) {
    const auto takes = [&](const std::string& user) {
      const auto begun = s.scheduler().now();
      Duration taken{};
      s.options.destination_user = user;
      s.at("start.after_takeover", [&] {
        taken = s.scheduler().now() - begun;
        s.kill();
      });
      (void)s.run_once();
      return taken;
    };
    s.insert("app.c", R"({"_id": 1})");
    s.expect(takes("one@admin") < minutes(1), "nobody was there to wait for");
    s.expect(takes("one@admin") < minutes(1), "one's own sessions are shut out at once");
    s.expect(takes("other@admin") >= engine::kOtherUserGoneAfter, "the sessions of another user cannot be shut out");
    s.expect(takes("other@admin") < minutes(1), "what was waited for is not waited for again");
    s.run();
    s.expect(takes("one@admin") < minutes(1), "nobody is left to wait for once it is committed");
  });
}

// Meanwhile the destination has forgotten the sessions that were shut out.
void stands_still_with_an_old_state(Scenario& s, const std::function<void()>& goes_on, const std::function<void()>& meanwhile = {}) {
  s.options.commit = engine::CommitPolicy::kManual;
  bool told = false;
  s.options.may_commit = [&told] { return told; };
  s.options.checkpoint_every = std::chrono::hours(2);  // nothing else is saved that would tell
  s.insert("app.c", R"({"_id": 1, "v": 0})");
  s.at("migration.after_copy", [&] {
    s.after(s.source(), "read by ids app.c", [&s] {
      s.cut_source(std::chrono::hours(1));  // what it writes, it does not put right itself
      s.pause();
    });
    s.set("app.c", "1", "v", "1");
  });
  (void)s.run_once();
  if (meanwhile) meanwhile();
  s.set("app.c", "1", "v", "2");
  s.in_background("an hour", [&, other = s.runs() + 1] {
    s.wait_until("the other process", [&s, other] { return s.runs() == other; });
    s.pass(minutes(31));
    goes_on();
    s.pass(seconds(10));
    told = true;
  });
  s.run();
}

TEST(Rules, WhoStoodStillForLongAsksWhoOwnsTheMigration) {
  const Story story = [](Scenario& s) { stands_still_with_an_old_state(s, [&s] { s.resume(); }); };
  holds(story, 10);
  breaks("owner_not_asked", story);
}

TEST(Rules, WhoseStateWasRemovedDoesNotOutrankWhoeverBeginsAnew) {
  const Story story = [](Scenario& s) {
    stands_still_with_an_old_state(s, [&s] { s.resume(); }, [&s] { s.empty_destination(); });
  };
  holds(story, 10);
  breaks("epochs_begin_anew", story);
}

// The clock of a virtual machine that was suspended need not have gone on, but its connections are gone.
TEST(Rules, WhoMustRepeatAWriteAsksWhoOwnsTheMigration) {
  const Story story = [](Scenario& s) {
    stands_still_with_an_old_state(s, [&s] {
      const auto faults = s.destination().faults();
      auto broken = faults;
      broken.lost_request = 1'000'000;
      s.destination().set_faults(broken);
      s.resume(minutes(31));
      s.pass(milliseconds(100));
      s.destination().set_faults(faults);
    });
  };
  holds(story, 10);
  breaks("repetition_unasked", story);
}

// The gate is open, then a unique index of the source meets documents of different times on the destination.
TEST(Rules, ACollectionThatIsCopiedAnewHoldsTheCutoverBack) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1, "u": 1})");
    s.insert("app.c", R"({"_id": 2, "u": 2})");
    bool told = false;
    s.options.before_cutover = [&s, &told]() -> Status {
      if (std::exchange(told, true)) return {};
      s.before(s.source(), "read by ids app.c", [&s] {
        s.create_index("app.c", R"({"v": 2, "key": {"u": 1}, "name": "u_1", "unique": true})");
        s.set("app.c", "2", "u", "3");
        s.set("app.c", "1", "u", "2");
        s.pass(milliseconds(100));  // until a majority has them
      });
      s.before(s.source(), "find app.c", [&s] { s.pass(seconds(20)); });
      s.set("app.c", "1", "x", "1");
      s.pass(seconds(2));
      return {};
    };
    s.run();
  };
  holds(story, 10);
}

// And of one that takes a name at that moment, nothing is held back that the fence would wait for.
TEST(Rules, ACollectionThatIsAdoptedHoldsTheCutoverBack) {
  const Story story = [](Scenario& s) {
    s.options.filter = NamespaceFilter::parse(std::vector<std::string>{"app.in"}, {}).value();
    s.insert_many("app.out", 1, 5);
    bool renamed = false;
    s.options.before_cutover = [&s, &renamed]() -> Status {
      if (std::exchange(renamed, true)) return {};
      s.before(s.source(), "find app.in", [&s] { s.pass(seconds(20)); });
      s.rename("app.out", "app.in");
      s.pass(seconds(2));
      return {};
    };
    s.run();
    s.expect(s.count(s.destination(), "app.in") == 5, "it is not there");
  };
  holds(story, 10);
  breaks("copied_anew_unseen", story);
}

// The operator's command takes as long as it takes; the other process has released the source by then.
TEST(Rules, WhoHasBeenReplacedDoesNotBlockTheSource) {
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
TEST(Rules, WhoHasBeenReplacedDoesNotLiftTheBlockOfItsSuccessor) {
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
TEST(Rules, WhoCannotReachTheDestinationLeavesTheBlockOfItsSuccessor) {
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
TEST(Rules, WhoCannotReachTheSourceLeavesTheBlockOfItsSuccessor) {
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
TEST(Rules, WhoHasNotBlockedTheSourceDoesNotLiftTheBlockOfItsSuccessor) {
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
TEST(Rules, WhoWasReplacedMeanwhileDoesNotBlockTheSource) {
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
TEST(Rules, WhoBlocksInTheMomentOfItsReplacementLiftsThatBlock) {
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
TEST(Rules, TheAnnouncementOfAnotherDestinationIsNoSuccessors) {
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
TEST(Rules, WhoUndoesACutoverWaitsForTheAnswer) {
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

TEST(Rules, ABlockThatSomebodyLiftsEndsTheCutover) {
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
TEST(Rules, TheSourceIsReleasedWhileTheDestinationIsAway) {
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
TEST(Rules, TheDeadlineCountsFromTheEndOfTheHook) {
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
TEST(Rules, ABlockThatComesLateIsLiftedToo) {
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
TEST(Rules, RunningWritesAreWaitedForForAWhile) {
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
TEST(Rules, ATransactionThatBeganAfterTheFenceIsSeen) {
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

// Outside of what is migrated, a collection may be of any kind and change its name at will.
TEST(Rules, RenamesAcrossTheBorderOfTheFilter) {
  holds([](Scenario& s) {
    s.options.filter = NamespaceFilter::parse(std::vector<std::string>{"app.in", "app.other"}, {}).value();
    s.insert_many("app.in", 1, 5);
    s.insert_many("app.other", 1, 5);
    s.at("migration.after_copy", [&] {
      s.create("app.out");
      s.insert_many("app.out", 11, 15);
      s.create_index("app.out", R"({"v": 2, "key": {"u": 1}, "name": "u_1"})");
      s.rename("app.out", "app.in", true);   // $out into a collection that is migrated
      s.insert("app.in", R"({"_id": 16})");
      s.rename("app.other", "app.away", false);  // and one that leaves
      s.insert("app.away", R"({"_id": 17})");
      s.rename("app.away", "app.other", false);  // and comes back
      s.remove("app.other", "2");
    });
    s.run();
    s.expect(s.count(s.destination(), "app.in") == 6, "what took the name is not there");
    s.expect(s.count(s.destination(), "app.other") == 5, "what came back is not there");
  }, 20);
}

// The order of its _ids is its server's alone.
TEST(Rules, ACollectionOfACollationIsOnePartition) {
  for (const bool collated : {false, true}) {
    holds([collated](Scenario& s) {
      s.options.partition_bytes = 64;
      s.create("app.c", collated ? R"({"collation": {"locale": "en", "strength": 3}})" : "{}");
      s.insert_many("app.c", 1, 30);
      s.at("migration.after_copy", [&] {
        const auto partitions = s.count(s.destination(), "__mdb_internal_mongosync.x_partitions");
        s.expect(collated ? partitions == 1 : partitions > 1, "partitions");
      });
      s.run();
    });
  }
}

// Functions are not carried: better no migration than one without them.
TEST(Rules, ASystemCollectionThatComesLateIsRefused) {
  holds([](Scenario& s) {
    s.insert("app.c", R"({"_id": 1})");
    s.at("migration.after_copy", [&] { s.create("app.system.js"); });
    const auto result = s.run_once();
    s.expect(!result && result.error().code == ErrorCode::kUnsupported, "system.js is left out silently");
  });
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
