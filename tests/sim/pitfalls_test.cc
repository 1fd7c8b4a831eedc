// Interleavings that break naive migrations (docs/design/pitfalls.md), each as a story that holds, and that no longer holds
// once the engine is given the fault that it is about.
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "scenario.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Pitfalls, P01AWriteJustBeforeTheFence) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    bool fenced = false;
    s.at("cutover.after_hook", [&] {
      s.insert("app.c", R"({"_id": 100})");
      // The reader sees nothing of it until long after the notes are written.
      s.after(s.source(), "getMore oplog", [&] {
        s.pass(seconds(3));
        fenced = true;
      });
    });
    s.run();
    s.expect(fenced, "the reader was not held up");
    s.expect(s.has(s.destination(), "app.c", "100"), "the last write before the block is missing");
  };
  holds(story);
  breaks("fences_not_awaited", story);
}

TEST(Pitfalls, P02ALaneThatIsBehindHoldsTheCheckpointBack) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 20);
    s.at("migration.after_copy", [&] {
      s.before(s.destination(), "replace app.c", [&] {
        s.pass(seconds(2));  // the other lane and the checkpoints go on
        s.kill();
      });
      for (int id = 1; id <= 20; ++id) s.replace("app.c", "{\"_id\": " + std::to_string(id) + ", \"v\": 2}");
    });
    s.run();
    s.expect(s.runs() == 2, "it was not killed");
  };
  holds(story);
  breaks("checkpoint_by_routed", story);
}

TEST(Pitfalls, P05ACopyThatReadsOlderThanItsStart) {
  const Story story = [](Scenario& s) {
    s.versions(Scenario::k44, Scenario::k44);
    s.insert_many("app.c", 1, 10, R"("v": 1)");
    for (int id = 1; id <= 10; ++id) s.set("app.c", std::to_string(id), "v", "2");
    s.run();
  };
  holds(story);
  breaks("copy_read_unfixed", story);
}

TEST(Pitfalls, P06IdsOfEveryTypeAreInSomePartition) {
  const Story story = [](Scenario& s) {
    s.options.partition_bytes = 60;
    for (const char* id : {"1", "\"a\"", "null", "true", "{\"$oid\": \"0123456789abcdef01234567\"}", "{\"x\": 1}",
                           "{\"$minKey\": 1}", "{\"$maxKey\": 1}", "{\"$numberDouble\": \"NaN\"}", "{\"$date\": \"2020-01-01T00:00:00Z\"}",
                           "{\"$binary\": {\"base64\": \"AQID\", \"subType\": \"00\"}}", "{\"$timestamp\": {\"t\": 5, \"i\": 1}}"}) {
      s.insert("app.c", std::string("{\"_id\": ") + id + "}");
    }
    s.run();
    s.expect(s.count(s.destination(), "app.c") == 12, "some are missing");
  };
  holds(story);
}

TEST(Pitfalls, P07DocumentsBeyondTheBoundsOfThePlan) {
  const Story story = [](Scenario& s) {
    s.options.partition_bytes = 100;
    s.insert_many("app.c", 1, 20);
    s.at("start.after_layout", [&] {
      s.insert("app.c", R"({"_id": {"$minKey": 1}})");
      s.insert("app.c", R"({"_id": -1000})");
      s.insert("app.c", R"({"_id": 1000})");
      s.insert("app.c", R"({"_id": {"$maxKey": 1}})");
    });
    s.run();
    s.expect(s.count(s.destination(), "app.c") == 24, "some are missing");
  };
  holds(story);
  breaks("plan_bounds_closed", story);
}

TEST(Pitfalls, P08EqualIdsOfDifferentNumericTypes) {
  const Story story = [](Scenario& s) {
    s.options.lanes = 5;
    s.insert_many("app.c", 1, 20);
    s.at("migration.after_copy", [&] {
      for (int id = 1; id <= 20; ++id) s.remove("app.c", std::to_string(id));
      for (int id = 1; id <= 20; ++id) s.insert("app.c", "{\"_id\": " + std::to_string(id) + ".0}");
    });
    s.run();
  };
  holds(story, 10);
  breaks("lane_by_bytes", story);
}

TEST(Pitfalls, P09EqualIdsUnderACollation) {
  const Story story = [](Scenario& s) {
    s.options.lanes = 5;
    s.create("app.c", R"({"collation": {"locale": "en", "caseLevel": false, "caseFirst": "off", "strength": 2,
                          "numericOrdering": false, "alternate": "non-ignorable", "maxVariable": "punct",
                          "normalization": false, "backwards": false, "version": "57.1"}})");
    for (char c = 'A'; c <= 'Z'; ++c) s.insert("app.c", std::string("{\"_id\": \"") + c + "\"}");
    s.at("migration.after_copy", [&] {
      for (char c = 'A'; c <= 'Z'; ++c) s.remove("app.c", std::string("\"") + c + "\"");
      for (char c = 'a'; c <= 'z'; ++c) s.insert("app.c", std::string("{\"_id\": \"") + c + "\"}");
    });
    s.run();
  };
  holds(story, 10);
  breaks("lane_by_bytes", story);
}

TEST(Pitfalls, P11UniqueValuesThatAreSwapped) {
  const Story story = [](Scenario& s) {
    s.options.lanes = 4;
    s.insert("app.c", R"({"_id": 1, "u": "x"})");
    s.insert("app.c", R"({"_id": 2, "u": "y"})");
    s.create_index("app.c", R"({"v": 2, "unique": true, "key": {"u": 1}, "name": "u_1"})");
    const auto swap = [&](const char* one, const char* other) {
      s.set("app.c", "1", "u", "\"between\"");
      s.set("app.c", "2", "u", one);
      s.set("app.c", "1", "u", other);
    };
    s.at("migration.after_copy", [&, swap] {
      s.transaction([&] {
        s.set("app.c", "1", "u", "\"between\"");
        s.set("app.c", "2", "u", "\"x\"");
      });
      s.set("app.c", "1", "u", "\"y\"");
      swap("\"y\"", "\"x\"");
    });
    s.run();
  };
  holds(story, 10);
  breaks("holder_deleted_blindly", story);
}

TEST(Pitfalls, P12AUniqueValueThatMovesDuringTheScan) {
  const Story story = [](Scenario& s) {
    s.versions(Scenario::k44, Scenario::k44);
    s.create("app.c");
    s.create_index("app.c", R"({"v": 2, "unique": true, "sparse": true, "key": {"u": 1}, "name": "u_1"})");
    s.insert("app.c", R"({"_id": 1, "u": "x"})");
    s.insert_many("app.c", 2, 60);
    s.at("copier.after_insert", [&] {
      s.unset("app.c", "1", "u");
      s.set("app.c", "60", "u", "\"x\"");
    });
    s.run();
  };
  holds(story, 10);
  breaks("holder_deleted_blindly", story);
}

TEST(Pitfalls, P14UpdatesBelowAPathThatIsGone) {
  const Story story = [](Scenario& s) {
    s.versions(Scenario::k44, Scenario::k44);
    s.insert_many("app.c", 1, 60, R"("a": [{"b": 1}])");
    s.at("copier.after_insert", [&] {
      s.set("app.c", "60", "a", R"([{"b": 2}])");
      s.set("app.c", "60", "a", "[null]");
    });
    s.at("migration.after_copy", [&] {
      s.set("app.c", "5", "a", R"([{"b": 2}])");
      s.set("app.c", "5", "a", "[]");
      s.set("app.c", "5", "a", "null");
    });
    s.run();
  };
  holds(story, 10);
  breaks("state_read_early", story);
}

TEST(Pitfalls, P15KilledBetweenTheHalvesOfAnUpdate) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1, "a": [1, 2, 3, 4], "b": 1})");
    s.at("migration.after_copy", [&] {
      s.after(s.destination(), "replace app.c", [&] { s.kill(); });
      s.set("app.c", "1", "a", "[1, 2]");
      s.set("app.c", "1", "b", "2");
      s.set("app.c", "1", "a", "[1, 2, 9]");
    });
    s.run();
    s.expect(s.runs() == 2, "it was not killed");
  };
  holds(story, 10);
  breaks("state_read_early", story);
}

TEST(Pitfalls, P16AnUpdateOfADocumentThatIsDeletedNext) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 10, R"("v": 1)");
    s.at("migration.after_copy", [&] {
      s.set("app.c", "3", "v", "2");
      s.remove("app.c", "3");
    });
    s.run();
    s.expect(!s.has(s.destination(), "app.c", "3"), "a ghost is left");
  };
  holds(story, 10);
  breaks("absent_state_ignored", story);
}

TEST(Pitfalls, P17ARenameThatIsCarriedOutTwice) {
  for (const char* point : {"ddl.after_rename", "checkpoint.after_recorded"}) {
    const Story story = [point](Scenario& s) {
      s.insert_many("app.a", 1, 5, R"("first": true)");
      s.at("migration.after_copy", [&, point] {
        s.at(point, [&] { s.kill(); });
        s.rename("app.a", "app.b");
        s.insert_many("app.a", 1, 3, R"("second": true)");
      });
      s.run();
      s.expect(s.count(s.destination(), "app.b") == 5 && s.count(s.destination(), "app.a") == 3, "the wrong one was renamed");
    };
    holds(story, 10);
  }
}

TEST(Pitfalls, P18DroppedAndCreatedAgainDuringTheScan) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 60, R"("old": true)");
    s.after(s.source(), "find app.c", [&] {
      s.drop("app.c");
      s.create("app.c");
      s.insert("app.c", R"({"_id": 1, "new": true})");
      // The reply, which holds documents of the old collection, is on its way until the new one is there.
      s.wait_until("the new collection", [&] { return s.count(s.destination(), "app.c") == 1; });
    }, 2);
    s.run();
    s.expect(s.count(s.destination(), "app.c") == 1, "documents of the dropped collection are in the new one");
  };
  holds(story);
  breaks("gone_ignored", story);
}

TEST(Pitfalls, P19AnIndexCreatedAndDroppedDuringTheCopy) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 60, R"("v": 1)");
    s.at("copier.after_insert", [&] {
      s.user("administrator", [&] {
        s.create_index("app.c", R"({"v": 2, "key": {"v": 1}, "name": "v_1"})");
        s.drop_index("app.c", "v_1");
      });
    });
    s.run();
  };
  holds(story);
  breaks("dropped_index_built", story);
}

TEST(Pitfalls, P21TheDestinationFailsOverBeforeItsMajorityHasABatch) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 10);
    s.at("migration.after_copy", [&] {
      s.before(s.destination(), "replace app.c", [&] {
        auto faults = s.destination().faults();
        faults.lag = seconds(2);
        s.destination().set_faults(faults);
        s.in_background("election", [&] {
          s.wait_until("the write", [&] { return s.count(s.destination(), "app.c") > 10; });
          s.destination().elect();
        });
      });
      for (int id = 11; id <= 30; ++id) s.insert("app.c", "{\"_id\": " + std::to_string(id) + "}");
    });
    s.run();
  };
  holds(story);
  breaks("lost_reply_is_success", story);
}

TEST(Pitfalls, P23ACursorThatIsLostInTheMiddle) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 60);
    s.at("copier.after_insert", [&] {
      auto faults = s.source().faults();
      faults.lost_cursor = 1'000'000;
      s.source().set_faults(faults);
      s.in_background("repair", [&] {
        s.pass(seconds(2));
        auto healed = s.source().faults();
        healed.lost_cursor = 0;
        s.source().set_faults(healed);
      });
    });
    s.run();
    s.expect(s.count(s.destination(), "app.c") == 60, "the rest of the range is missing");
  };
  holds(story);
  breaks("cursor_error_is_end", story);
}

TEST(Pitfalls, P30AnIdleSourceWhoseOplogRollsOver) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.options.commit = engine::CommitPolicy::kNever;
    s.at("migration.after_copy", [&] {
      s.in_background("time", [&] {
        s.pass(seconds(120));  // nothing but periodic no-ops
        const auto last = s.source().majority();
        s.source().truncate_oplog({last.seconds - 30, 0});
        s.kill();
      });
    });
    (void)s.run_once();
    s.options.commit = engine::CommitPolicy::kWhenReady;
    s.run();
  };
  holds(story);
  breaks("noops_do_not_count", story);
}

TEST(Pitfalls, P31APausedProcessThatComesBack) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1, "v": 0})");
    s.options.commit = engine::CommitPolicy::kNever;
    s.at("migration.after_copy", [&] {
      s.before(s.destination(), "replace app.c", [&] { s.pause(); });
      s.replace("app.c", R"({"_id": 1, "v": 1})");
    });
    (void)s.run_once();
    s.replace("app.c", R"({"_id": 1, "v": 2})");
    s.at("migration.before_cutover", [&] {
      s.resume();
      s.pass(seconds(1));
    });
    s.options.commit = engine::CommitPolicy::kWhenReady;
    s.run();
  };
  holds(story);
  breaks("fence_skipped", story);
}

TEST(Pitfalls, P32KilledWhileTheSourceIsBlocked) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("cutover.after_block", [&] {
      s.expect(s.source().write_block(), "the source is not blocked");
      s.kill();
    });
    (void)s.run_once();
    s.options.commit = engine::CommitPolicy::kNever;
    s.at("checkpoint.after_recorded", [&] {
      s.expect(!s.source().write_block(), "the source is still blocked after the restart");
      s.kill();
    });
    s.source().note(bson::make_document({{"msg", "something to follow"}}));
    (void)s.run_once();
    s.options.commit = engine::CommitPolicy::kWhenReady;
    s.run();
  };
  holds(story);
  breaks("block_left_behind", story);
}

TEST(Pitfalls, P33AWriteThatBeganBeforeTheBlock) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("cutover.after_hook", [&] {
      s.user("slow writer", [&] {
        s.wait_until("the block", [&] { return s.source().write_block(); });
        s.pass(milliseconds(800));
        s.insert("app.c", R"({"_id": 100})");
      });
    });
    s.run();
    s.expect(s.has(s.destination(), "app.c", "100"), "a write that began before the block is missing");
  };
  holds(story);
  breaks("running_writes_ignored", story);
}

TEST(Pitfalls, P33AWriterWhomNothingStops) {
  const Story story = [](Scenario& s) {
    s.versions(Scenario::k44, Scenario::k44);
    s.insert_many("app.c", 1, 5);
    bool told = false;
    s.options.before_cutover = [] { return Status(); };  // says so, but one still writes
    s.at("cutover.after_catalogs", [&] { s.insert("app.c", R"({"_id": 100})"); });
    const auto result = s.run_once();
    told = !result && result.error().message.find("still being written") != std::string::npos;
    s.expect(told, "the cutover went on although the source is still written");
    s.run();
  };
  holds(story);
  breaks("f2_not_checked", story);
}

// A writer that is slower than the fences lie apart is missed sooner or later: the order ends with the first attempt that sees it.
TEST(Pitfalls, P33AWriterThatWasSeenEndsTheOrder) {
  const Story story = [](Scenario& s) {
    s.versions(Scenario::k44, Scenario::k44);
    s.insert_many("app.c", 1, 5);
    bool ordered = true;
    int attempts = 0, given_up = 0;
    s.options.commit = engine::CommitPolicy::kManual;
    s.options.may_commit = [&] { return ordered; };
    s.options.before_cutover = [&] {
      ++attempts;
      return Status();
    };
    s.options.commit_given_up = [&](const Error& why, const std::stop_token&) {
      if (why.message.find("still being written") != std::string::npos) ++given_up;
      ordered = false;
      return Status();
    };
    s.at("cutover.after_catalogs", [&] {
      s.insert("app.c", R"({"_id": 100})");
      s.user("operator", [&] {
        s.pass(seconds(60));  // nobody tries again meanwhile
        s.expect(attempts == 1 && given_up == 1, "the order did not end with the writer that was seen");
        s.insert("app.c", R"({"_id": 101})");
        ordered = true;
      });
    });
    s.run();
    s.expect(attempts == 2, "the second order was not carried out");
    s.expect(s.has(s.destination(), "app.c", "100") && s.has(s.destination(), "app.c", "101"), "what was written is missing");
  };
  holds(story);
  breaks("f2_not_checked", story);
}

// What was written between the order and the fence was read, applied and recorded before the fence; by a process that died, even.
TEST(Pitfalls, P33AWriterAfterTheOrderIsSeenWhoeverHasReadWhatItWrote) {
  for (const bool dies : {false, true}) {
    const Story story = [dies](Scenario& s) {
      s.versions(Scenario::k44, Scenario::k44);
      s.insert_many("app.c", 1, 5);
      ClusterTime ordered;
      std::string why;
      s.options.commit = engine::CommitPolicy::kManual;
      s.options.may_commit = [&] { return ordered > ClusterTime{}; };
      s.options.ordered_at = [&] { return ordered; };
      s.options.commit_given_up = [&](const Error& because, const std::stop_token&) {
        why = because.message;
        ordered = {};
        return Status();
      };
      s.at("migration.after_copy", [&] {
        s.user("operator", [&] {
          s.pass(seconds(2));
          s.insert("app.c", R"({"_id": 99})");
          ordered = s.source().note(bson::make_document({{"drover", "a commit is asked for"}}));
        });
      });
      s.at("migration.before_cutover", [&] {
        s.pass(seconds(2));
        s.insert("app.c", R"({"_id": 100})");
        s.pass(seconds(5));  // it is applied and recorded
        if (dies) s.kill();
      });
      s.user("another order", [&] {
        s.wait_until("the end of the first", [&] { return !why.empty(); });
        s.expect(why.find("still being written") != std::string::npos, "the order ended for another reason: " + why);
        ordered = s.source().note(bson::make_document({{"drover", "a commit is asked for"}}));
      });
      s.run();
      s.expect(!why.empty(), "the order went on although the source was written after it");
      s.expect(s.has(s.destination(), "app.c", "99") && s.has(s.destination(), "app.c", "100"), "what was written is missing");
    };
    holds(story);
    if (dies) breaks("last_change_forgotten", story);
  }
}

TEST(Pitfalls, P34ARetryAcrossTheCutoverIsANewWrite) {
  const Story story = [](Scenario& s) {
    s.insert("app.c", R"({"_id": 1, "v": 1})");
    s.run();
    // The destination knows nothing of the sessions that the source's users wrote in.
    const auto begun = s.destination().sessions().begin(Uuid{{7}}, 1, 1, s.scheduler().now());
    s.expect(begun.has_value() && !s.destination().sessions().executed(Uuid{{7}}, 1, 0), "a session was carried over");
  };
  holds(story);
}

TEST(Pitfalls, P35AHostWhoseClockIsWrong) {
  for (const seconds error : {seconds(-40'000), seconds(40'000)}) {
    const Story story = [error](Scenario& s) {
      s.clock_error = error;
      s.insert_many("app.c", 1, 5);
      s.at("migration.before_cutover", [&] {
        const double lag = s.migration()->progress().lag_seconds;
        s.expect(lag >= 0 && lag < 5, "the lag is not the source's: " + std::to_string(lag));
      });
      s.run();
    };
    holds(story);
    breaks("lag_by_wall_clock", story);
  }
}

TEST(Pitfalls, P36KilledBetweenThePartsOfATransaction) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("migration.after_copy", [&] {
      s.after(s.source(), "oplog entry", [&] { s.kill(); }, 3);
      s.transaction([&] { s.insert_many("app.c", 10, 40); }, true);
    });
    s.run();
    s.expect(s.count(s.destination(), "app.c") == 36, "a part of the transaction is missing");
  };
  holds(story, 10);
  breaks("parts_skipped", story);
}

TEST(Pitfalls, P37AViewThatTakesACollectionsName) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.base", 1, 5);
    s.insert_many("app.c", 1, 5);
    s.create("app.v", R"({"viewOn": "base", "pipeline": []})");
    s.at("migration.after_copy", [&] {
      s.drop("app.c");
      s.create("app.c", R"({"viewOn": "base", "pipeline": []})");
      s.drop("app.v");
      s.insert("app.v", R"({"_id": 1})");
    });
    s.run();
    s.expect(s.entry(s.destination(), "app.c").info.is_view(), "the view is missing");
  };
  holds(story, 10);
  breaks("views_ignored", story);
}

TEST(Pitfalls, P38NumbersInIndexKeysKeepTheirTypes) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 20, R"("v": 1)");
    s.create_index("app.c", R"({"v": 2, "key": {"v": {"$numberDouble": "1.0"}, "w": {"$numberLong": "-1"}}, "name": "a"})");
    s.create_index("app.c", R"({"v": 2, "key": {"w": {"$numberDouble": "-1e-9"}}, "name": "b"})");
    s.create_index("app.c", R"({"v": 2, "unique": true, "sparse": true, "key": {"u": {"$numberLong": "1"}}, "name": "c"})");
    s.run();
  };
  holds(story);
}

TEST(Pitfalls, P40NobodyIsLetInBeforeTheDecision) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("cutover.before_decision", [&] { s.expect(s.destination().write_block(), "users may write the destination"); });
    s.run();
    s.expect(!s.destination().write_block(), "the destination stays closed");
  };
  holds(story);
  breaks("opened_before_decision", story);
}

TEST(Pitfalls, P41AnOutStageAgainAndAgain) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 60);
    const auto out = [&](int round) {
      const std::string temporary = "app.tmp.agg_out." + std::to_string(round);
      s.create(temporary);
      s.insert_many(temporary, 1, 5, "\"round\": " + std::to_string(round));
      s.rename(temporary, "app.c", true);
    };
    s.at("copier.after_insert", [&] { out(1); });
    s.at("migration.after_copy", [&] {
      for (int round = 2; round < 8; ++round) out(round);
    });
    s.run();
    s.expect(s.count(s.destination(), "app.c") == 5, "the last round is not there");
  };
  holds(story, 10);
  breaks("rename_target_kept", story);
}

TEST(Pitfalls, P42AConversionToWhatIsNotCarriedIsRefused) {
  const Story story = [](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("migration.after_copy", [&] {
      s.create("app.tmpABCDE.convertToCapped", R"({"capped": true, "size": 4096})");
      s.rename("app.tmpABCDE.convertToCapped", "app.c", true);
    });
    const auto result = s.run_once();
    s.expect(!result && result.error().code == ErrorCode::kUnsupported, "it was not refused");
    s.expect(result.error().message.find("capped") != std::string::npos, "the refusal does not say what: " + result.error().message);
  };
  holds(story);
  breaks("not_carried_ignored", story);
}

}  // namespace
}  // namespace drover::sim
