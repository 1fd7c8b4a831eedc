// The comparison before the cutover (engine/verification.h), each rule as a story (scenario.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bson/builder.h"
#include "scenario.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kDifferences = "__mdb_internal_mongosync.x_differences";
constexpr int kHot = 6;  // documents of each collection that change with every look; more than one look takes
constexpr int kQuiet = 7;  // above them

bool has_field(Scenario& s, SimCluster& cluster, const std::string& ns, int id, const char* field, int value) {
  const auto& there = s.entry(cluster, ns);
  const auto document = cluster.store().latest(there.info.uuid, logical_key(there, bson::make_document({{"_id", id}})["_id"]));
  return document != nullptr && (*document)[field].to_int64() == value;
}

// With each look of the comparison at a collection all its low documents change again, and the router knows of it before the next
// look. Meanwhile one above them differs, in the collection that is looked at last: it must be found while the source is followed.
Story a_difference_above_what_changes(std::vector<std::string> namespaces) {
  return [namespaces](Scenario& s) {
    s.options.verification = engine::VerificationMode::kDocuments;
    s.options.verifiers = 1;
    s.options.commit = engine::CommitPolicy::kNever;
    const std::string large(3 << 20, 'x');
    for (const auto& ns : namespaces) {
      s.insert_many(ns, 1, kQuiet);
      for (int id = 101; id <= 103; ++id) s.insert(ns, fmt::format(R"({{"_id": {}, "pad": "{}"}})", id, large));
    }
    const auto uuid_of = [&](const std::string& ns) { return s.entry(s.source(), ns).info.uuid; };
    const auto last = *std::ranges::max_element(namespaces, {}, uuid_of);
    int round = 0;
    const auto change = [&](const std::string& ns) {
      ++round;
      for (int id = 1; id <= kHot; ++id) s.set(ns, std::to_string(id), "w", std::to_string(round));
    };
    std::function<void(const std::string&)> at_each_look = [&](const std::string& ns) {
      s.before(s.destination(), "read by ids " + ns, [&, ns] {
        change(ns);
        for (int i = 0, mine = round; i < 1000 && !has_field(s, s.destination(), ns, kHot, "w", mine); ++i) s.pass(milliseconds(1));
        at_each_look(ns);
      });
    };
    bool over = false, gone = false;
    s.at("migration.after_copy", [&] {
      s.in_background("the user", [&] {
        s.wait_until("everything to be compared once", [&] {
          if (over || s.migration() == nullptr) return true;
          const auto compared = s.migration()->progress().verification;
          return compared && compared->complete;
        });
        for (const auto& ns : namespaces) {
          at_each_look(ns);
          change(ns);
        }
        s.pass(seconds(4));  // the large ones are forgotten by then: looks are sized by what documents are like on average
        for (int i = 1; i <= 8 && !over; ++i) {
          s.set(last, std::to_string(kQuiet), "w", std::to_string(i));
          s.wait_until("the change to be applied", [&] { return over || has_field(s, s.destination(), last, kQuiet, "w", i); });
          s.alter_on_destination(last, fmt::format(R"({{"_id": {}, "altered": {}}})", kQuiet, i));
          s.pass(seconds(1));
        }
        s.pass(seconds(8));  // what is found is told a little later
        s.stop();
        gone = true;
      });
    });
    const auto result = s.run_once();
    over = true;
    s.wait_until("the user", [&] { return gone; });
    s.expect(!result && result.error().code == ErrorCode::kMismatch, "the difference is not found while others change");
  };
}

TEST(Comparison, ADocumentDoesNotWaitForLowerOnesThatChangeAllTheTime) {
  const auto story = a_difference_above_what_changes({"app.c"});
  holds(story);
  breaks("lowest_keys_first", story, 1);
}

// More of them than one look has room for.
TEST(Comparison, ACollectionDoesNotWaitForOthersThatChangeAllTheTime) {
  const auto story = a_difference_above_what_changes({"app.a", "app.b", "app.c", "app.d", "app.e", "app.f", "app.g", "app.h", "app.i", "app.j", "app.k", "app.l"});
  holds(story, 1);
  breaks("first_collections_first", story, 1);
}

// Counts are no proof after a difference was found, until everything has been compared again and was equal.
TEST(Comparison, ADifferenceIsForgottenOnceAllIsComparedAndEqual) {
  holds([](Scenario& s) {
    using engine::CommitPolicy;
    using engine::VerificationMode;
    s.options.verification = VerificationMode::kDocuments;
    s.options.commit = CommitPolicy::kNever;
    s.insert_many("app.c", 1, 20);
    s.at("migration.after_copy", [&] { s.alter_on_destination("app.c", R"({"_id": 7, "altered": 1})"); });
    const auto mismatch = [](const Result<engine::Outcome>& result) { return !result && result.error().code == ErrorCode::kMismatch; };
    s.expect(mismatch(s.run_once()), "the difference is not found");
    s.expect(s.count(s.destination(), kDifferences) == 1, "the difference is not recorded");

    s.options.verification = VerificationMode::kCounts;
    s.options.commit = CommitPolicy::kWhenReady;
    s.expect(mismatch(s.run_once()), "counts are taken for a proof");

    s.alter_on_destination("app.c", R"({"_id": 7})");
    s.options.verification = VerificationMode::kDocuments;
    s.options.commit = CommitPolicy::kNever;
    s.in_background("the operator", [&] {
      s.wait_until("the difference to be forgotten", [&] { return s.count(s.destination(), kDifferences) == 0; });
      s.stop();
    });
    const auto stopped = s.run_once();
    s.expect(!stopped && stopped.error().code == ErrorCode::kInterrupted, "the second comparison does not follow the source");

    s.options.verification = VerificationMode::kCounts;
    s.options.commit = CommitPolicy::kWhenReady;
    s.run();
  });
}

// What is copied anew is not there to be compared for a while, and not equal either.
TEST(Comparison, ADifferenceIsNotForgottenWhileACollectionIsCopiedAnew) {
  const Story story = [](Scenario& s) {
    s.options.verification = engine::VerificationMode::kDocuments;
    s.options.commit = engine::CommitPolicy::kNever;
    s.insert("app.c", R"({"_id": 1, "u": 1})");
    s.insert("app.c", R"({"_id": 2, "u": 2})");
    s.at("migration.after_copy", [&] { s.alter_on_destination("app.c", R"({"_id": 2, "u": 7})"); });
    (void)s.run_once();
    s.expect(s.count(s.destination(), kDifferences) == 1, "the difference is not recorded");
    bool anew = false;
    s.at("ddl.before_copy_anew", [&] {
      anew = true;
      s.pass(seconds(20));
      s.expect(s.count(s.destination(), kDifferences) == 1, "the difference is forgotten");
      const auto seen = s.migration()->progress().verification;
      s.expect(seen && !seen->complete, "everything is compared");
      s.stop();
    });
    s.before(s.destination(), "find app.c", [&] {  // by the comparison: before it, the destination holds a value twice
      s.alter_on_destination("app.c", R"({"_id": 2, "u": 1})");
      s.create_index("app.c", R"({"v": 2, "unique": true, "key": {"u": 1}, "name": "u_1"})");
      s.wait_until("it to be copied anew", [&] { return anew; });
    });
    (void)s.run_once();
    s.expect(anew, "nothing is copied anew");
  };
  holds(story);
  breaks("replaced_uncounted", story);
}

// And not by a comparison that was stopped before it had seen everything.
TEST(Comparison, ADifferenceIsRememberedUntilAllIsCompared) {
  holds([](Scenario& s) {
    s.options.verification = engine::VerificationMode::kDocuments;
    s.options.commit = engine::CommitPolicy::kNever;
    s.insert_many("app.c", 1, 20);
    s.at("migration.after_copy", [&] { s.alter_on_destination("app.c", R"({"_id": 7, "altered": 1})"); });
    (void)s.run_once();
    s.alter_on_destination("app.c", R"({"_id": 7})");
    s.before(s.destination(), "find app.c", [&] { s.stop(); });  // by the comparison, of the only range
    (void)s.run_once();
    s.expect(s.count(s.destination(), kDifferences) == 1, "the difference is forgotten");
  });
}

}  // namespace
}  // namespace drover::sim
