// The rules of the engine that no pitfall stands for, each as a story (scenario.h).
#include <gtest/gtest.h>

#include <functional>
#include <utility>

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

// A holder is written as it is on the source now, whatever the router has heard of that: while it stands still, the comparison meets
// a document on the destination that is newer than both the stream and its own reading of the source.
TEST(Rules, AHolderThatIsAheadOfTheStreamIsNoDifference) {
  const Story story = [](Scenario& s) {
    bool told = false, met = false;
    s.options.verification = engine::VerificationMode::kDocuments;
    s.options.commit = engine::CommitPolicy::kManual;
    s.options.may_commit = [&] { return told; };
    s.insert("app.c", R"({"_id": 1, "u": "x"})");
    s.insert("app.c", R"({"_id": 2, "u": "y"})");
    s.create_index("app.c", R"({"v": 2, "unique": true, "key": {"u": 1}, "name": "u_1"})");
    const auto holder_is_swapped = [&s] {
      const auto& there = s.entry(s.destination(), "app.c");
      const auto holder = s.destination().store().latest(there.info.uuid, logical_key(there, bson::make_document({{"_id", 1}})["_id"]));
      return holder != nullptr && (*holder)["u"].to_string_view() == "y";
    };
    s.at("migration.after_copy", [&] {
      s.before(s.destination(), "read by ids app.c", [&] {  // by the comparison, which has read the source
        s.at("ddl.after_create", [&] { s.pass(seconds(8)); });
        s.set("app.c", "2", "w", "1");
        s.create("app.other");
        s.set("app.c", "1", "u", "\"between\"");
        s.set("app.c", "2", "u", "\"x\"");
        s.set("app.c", "1", "u", "\"y\"");
        // Never, where the lane reads the second one as it was before.
        for (int i = 0; i < 500 && !holder_is_swapped(); ++i) s.pass(milliseconds(10));
        met = true;
      });
      s.in_background("the user", [&] {
        for (int i = 0; i < 500 && !met; ++i) {
          s.set("app.c", "1", "w", std::to_string(i));
          s.pass(milliseconds(100));
        }
        told = true;
      });
    });
    s.run();
    s.expect(met, "the comparison did not look at the changed document");
  };
  holds(story, 20);
  breaks("destination_taken_for_stream", story);
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

// Documents that an index refuses together are read together, however large one of the collection once was.
TEST(Rules, OneLargeDocumentDoesNotMakeAllGroupsSmall) {
  const Story story = [](Scenario& s) {
    constexpr int kPairs = 20, kMostReadings = 30;
    bool told = false, many = false;
    s.options.lanes = 1;
    s.options.commit = engine::CommitPolicy::kManual;
    s.options.may_commit = [&] { return told; };
    s.insert("app.c", R"({"_id": 0, "u": 0, "pad": ")" + std::string(3 << 20, 'x') + R"("})");
    for (int id = 1; id <= 2 * kPairs; ++id) s.insert("app.c", R"({"_id": )" + std::to_string(id) + R"(, "u": )" + std::to_string(id) + "}");
    s.create_index("app.c", R"({"v": 2, "unique": true, "key": {"u": 1}, "name": "u_1"})");
    const auto is_there = [&s](int id, const char* field, int value) {
      const auto& there = s.entry(s.destination(), "app.c");
      const auto document = s.destination().store().latest(there.info.uuid, logical_key(there, bson::make_document({{"_id", id}})["_id"]));
      return document != nullptr && (*document)[field].to_int64() == value;
    };
    s.at("migration.after_copy", [&] {
      s.in_background("the user", [&] {
        for (int i = 1; i <= 20; ++i) {  // by now what is read is small
          s.set("app.c", "1", "w", std::to_string(i));
          s.wait_until("a change", [&] { return is_there(1, "w", i); });
        }
        s.before(s.source(), "read group app.c", [&] { many = true; }, kMostReadings);
        for (int id = 1; id < 2 * kPairs; id += 2) {
          const auto one = std::to_string(id), other = std::to_string(id + 1);
          s.set("app.c", one, "u", "-" + one);
          s.set("app.c", other, "u", one);
          s.set("app.c", one, "u", other);
        }
        s.wait_until("the last change", [&] { return is_there(2 * kPairs, "u", 2 * kPairs - 1); });
        told = true;
      });
    });
    s.run();
    s.expect(!many, "they are read one by one");
  };
  holds(story, 10);
  breaks("groups_by_the_largest_ever", story);
}

// After the decision there is only forward: nobody is told that the migration runs as before.
TEST(Rules, ACutoverThatFailsAfterItsDecisionIsBeingCommitted) {
  holds([](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("cutover.after_decision", [&] { s.cut_destination(std::chrono::minutes(33)); });
    const auto failed = s.run_once();
    s.expect(!failed && failed.error().code == ErrorCode::kTemporary, "it does not give up");
    s.expect(failed.error().message.find("which is decided") != std::string::npos, "it does not say that the cutover is decided: " + failed.error().message);
    s.expect(s.last_progress().state == "COMMITTING", "its state is " + s.last_progress().state);
    s.expect(s.source().write_block(), "the source is open after the decision");
    s.run();
    s.expect(s.last_progress().state == "COMMITTED", "its state is " + s.last_progress().state + " at the end");
  });
}

// And one that is given up before is not, though the source's block may be left behind.
TEST(Rules, ACutoverThatIsGivenUpIsNotBeingCommitted) {
  holds([](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("cutover.after_block", [&] { s.cut_source(std::chrono::minutes(33)); });
    const auto failed = s.run_once();
    s.expect(!failed && failed.error().code == ErrorCode::kWrongState, "it does not say that a block may be left");
    s.expect(failed.error().message.find("may still be there") != std::string::npos, failed.error().message);
    s.expect(s.last_progress().state == "RUNNING", "its state is " + s.last_progress().state);
    s.run();
    s.expect(s.last_progress().state == "COMMITTED", "its state is " + s.last_progress().state + " at the end");
  });
}

// Whether it was decided is then for the next run to see.
TEST(Rules, ACutoverWhoseDecisionIsInDoubtIsBeingCommitted) {
  holds([](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    s.at("cutover.before_decision", [&] { s.cut_destination(std::chrono::minutes(33)); });
    const auto failed = s.run_once();
    s.expect(!failed && failed.error().code == ErrorCode::kWrongState, "it does not leave the decision to another look");
    s.expect(s.last_progress().state == "COMMITTING", "its state is " + s.last_progress().state);
    s.run();
  });
}

// While one partition's changes fill the temporary files no other is begun, and that is told as it is, again while it lasts.
TEST(Rules, FullTemporaryFilesAreToldAgainAndWithTheirBytes) {
  holds([](Scenario& s) {
    s.options.copiers = 2;
    s.options.held_memory = 0;
    s.options.held_disk = 500;
    std::vector<std::string> namespaces;
    for (const char name : std::string("abcdefgh")) namespaces.push_back(std::string("app.") + name);
    for (const auto& ns : namespaces) s.insert_many(ns, 1, 5);
    const auto told = [&s] {
      std::vector<std::string> lines;
      for (const auto& line : s.logged())
        if (line.find("wait in temporary files") != std::string::npos) lines.push_back(line);
      return lines;
    };
    s.at("copier.after_insert", [&] {
      for (const auto& ns : namespaces) s.insert_many(ns, 101, 120);
      s.wait_until("it to be told", [&] { return !told().empty(); });
      s.pass(seconds(1));
      s.expect(told().size() == 1, "it is told all the time");
      for (const auto& ns : namespaces) s.insert_many(ns, 121, 140);
      s.wait_until("it to be told again", [&] { return told().size() == 2; });
      s.expect(told()[0].find("\"mostBytes\":500") != std::string::npos, told()[0]);
      const auto bytes = [](const std::string& line) { return std::stoll(line.substr(line.find("\"bytes\":") + 8)); };
      s.expect(bytes(told()[0]) >= 500 && bytes(told()[0]) < 100'000, told()[0]);
      s.expect(bytes(told()[1]) > bytes(told()[0]), told()[1]);
    });
    s.run();
    s.expect(!told().empty(), "it is not told");
  });
}

// Before it the migration goes on, or ends, as it was.
TEST(Rules, ACutoverThatIsGivenUpLeavesTheMigrationRunning) {
  holds([](Scenario& s) {
    s.insert_many("app.c", 1, 5);
    bool refused = false;
    s.options.before_cutover = [&]() -> Status {
      if (std::exchange(refused, true)) return {};
      return drover::fail(ErrorCode::kFailure, "the hook failed");
    };
    const auto failed = s.run_once();
    s.expect(!failed && failed.error().code == ErrorCode::kFailure, "the hook's failure is passed over");
    s.expect(s.last_progress().state == "RUNNING", "its state is " + s.last_progress().state);
    s.run();
  });
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
    s.options.verification = engine::VerificationMode::kCounts;
    Duration begun{};
    s.at("migration.after_copy", [&] {
      s.create("app.system.js");
      begun = s.scheduler().now();
    });
    const auto result = s.run_once();
    s.expect(!result && result.error().code == ErrorCode::kUnsupported, "system.js is left out silently");
    s.expect(s.scheduler().now() - begun < seconds(10), "whatever waits for its progress goes on waiting");
  });
}

// A change that was there already leaves no trace. What was sent before its repetition was answered must not come when the collection is gone: it would make it again.
TEST(Rules, WhatWasRepeatedDoesNotComeLate) {
  const Story story = [](Scenario& s) {
    bool told = false;
    s.options.commit = engine::CommitPolicy::kManual;
    s.options.may_commit = [&] { return told; };
    s.insert_many("app.c", 1, 5);
    const auto arrives_late = [&s](std::uint32_t rate) {
      auto faults = s.destination().faults();
      faults.late_request = rate;
      s.destination().set_faults(faults);
    };
    s.at("migration.after_copy", [&] {
      s.after(s.destination(), "replace app.c", [&] { arrives_late(500'000); });
      for (const auto* v : {"1", "2", "3", "4"}) s.set("app.c", "1", "v", v);  // what the first batch writes the next ones find there
      s.in_background("administrator", [&] {
        s.pass(seconds(2));
        arrives_late(0);
        s.drop("app.c");
        s.pass(seconds(12));
        s.wait_until("late requests", [&] { return s.destination().requests_under_way == 0; });
        told = true;
      });
    });
    s.run();
  };
  holds(story, 20);
  breaks("repetition_unsettled", story, 60);
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

}  // namespace
}  // namespace drover::sim
