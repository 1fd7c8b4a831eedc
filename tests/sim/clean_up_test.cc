// The removal of a migration's state: whatever interrupts it, nobody begins on half of it, and what was committed is known to
// the last. Each a story (scenario.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "bson/builder.h"
#include "scenario.h"

namespace drover::sim {
namespace {

using engine::CleanedUp;
using engine::CleanUp;
using std::chrono::seconds;

// Leaves a migration that has copied and is not committed.
void begin(Scenario& s) {
  s.insert_many("app.c", 1, 20);
  s.at("migration.after_copy", [&s] { s.kill(); });
  (void)s.run_once();
}

void commit(Scenario& s) {
  s.insert_many("app.c", 1, 20);
  s.run();
}

void expect_refused(Scenario& s) {
  const auto run = s.run_once();
  s.expect(!run && run.error().code == ErrorCode::kWrongState, "a migration begins on what an interrupted removal has left");
}

// As the administrator is told to after it.
void begin_anew(Scenario& s) {
  s.expect(s.state().empty(), "something of the state is left");
  s.empty_destination();
  s.insert_many("app.later", 1, 5);
  s.run();
}

// Kills it in the n-th of the places in which a removal can be interrupted, or, when it comes to its end before, not at all.
void interrupt(Scenario& s, int nth) {
  const auto armed = std::make_shared<bool>(true);
  const auto kill = [&s, armed] {
    if (*armed) s.kill();
  };
  if (nth == 0) s.at("cleanup.after_takeover", kill);
  if (nth == 1) s.at("cleanup.before_record", kill);
  if (nth == 2) s.at("cleanup.after_record", kill);
  if (nth > 2) s.at("cleanup.after_drop", kill, nth - 2);
  (void)s.clean_up();
  *armed = false;
}

TEST(CleanUps, ARemovalThatIsInterruptedIsCarriedOnOnly) {
  for (int nth = 0; nth < 12; ++nth) {
    holds([nth](Scenario& s) {
      begin(s);
      interrupt(s, nth);
      if (nth >= 2 && !s.state().empty()) {
        expect_refused(s);
        const auto again = s.clean_up();
        s.expect(again == CleanedUp::kBegun, "the second removal tells something else");
      }
      if (nth >= 2) s.expect(s.state().empty(), "something of the state is left");
      if (nth >= 2) begin_anew(s);
      else s.run();  // nothing was removed yet: it goes on
    }, 1);
  }
}

// Whoever reads why it failed knows what to do, and what it means when nothing is left.
TEST(CleanUps, OneThatFailsHalfWaySaysThatAnotherOneIsNeeded) {
  holds([](Scenario& s) {
    begin(s);
    s.at("cleanup.after_drop", [&] { s.cut_destination(std::chrono::minutes(33)); });
    const auto failed = s.clean_up();
    s.expect(!failed && failed.error().code == ErrorCode::kTemporary, "it does not give up");
    const auto& said = failed.error().message;
    s.expect(said.find("removed in part: run --cleanup again") != std::string::npos && said.find("finds nothing any more") != std::string::npos, said);
    s.expect(s.clean_up() == CleanedUp::kBegun, "the second removal tells something else");
    s.expect(s.state().empty(), "something of the state is left");
  });
}

TEST(CleanUps, WhatWasCommittedIsKnownToTheLast) {
  const auto goes_on = [](Scenario& s) {
    s.expect(s.clean_up({.only = CleanUp::Only::kBegun}) == CleanedUp::kCommitStays, "what was committed is taken for begun");
    s.expect(!s.state().empty(), "the record of a commit is removed unasked");
    s.expect(s.clean_up() == CleanedUp::kCommitted, "what was committed is not known any more");
    s.expect(s.state().empty(), "something of the state is left");
  };
  for (int nth = 0; nth < 12; ++nth) {
    holds([&](Scenario& s) {
      commit(s);
      interrupt(s, nth);
      if (s.state().empty()) return;
      if (nth >= 2) expect_refused(s);
      goes_on(s);
    }, 1);
  }
  const Story late = [&](Scenario& s) {
    commit(s);
    s.after(s.destination(), "drop " + std::string(kStateDatabase) + ".x_cutover", [&s] { s.kill(); });
    (void)s.clean_up();
    goes_on(s);
  };
  holds(late);
  breaks("removal_unrecorded", late);
}

TEST(CleanUps, OnlyWhatWasMeantIsRemoved) {
  holds([](Scenario& s) {
    s.options.job = "one";
    s.options.control = bson::make_document({{"job", "one"}});
    begin(s);
    const auto before = s.state();
    s.expect(s.clean_up({.job = "two"}) == CleanedUp::kAnothers, "another job's state is removed");
    s.expect(s.clean_up({.only = CleanUp::Only::kCommitted}) == CleanedUp::kNotCommitted, "what was begun is removed for a commit");
    s.expect(s.clean_up({.seen = CleanUp::Seen{}}) == CleanedUp::kChanged, "another migration's state is removed than was looked at");
    s.expect(s.clean_up({.seen = CleanUp::Seen{.half_removed = true}}) == CleanedUp::kChanged, "a migration is removed that has begun since");
    s.expect(s.state() == before, "something was removed");
    s.at("cleanup.after_drop", [&s] { s.kill(); }, 3);
    (void)s.clean_up({.job = "one"});
    s.expect(s.clean_up({.job = "two"}) == CleanedUp::kAnothers, "another job's removal is carried on");
    s.expect(s.clean_up({.job = "one"}) == CleanedUp::kBegun, "a job cannot carry on its own removal");
    begin_anew(s);
  });
}

// Two look, both are told to: the second must not tell of a commit that it was begun only.
TEST(CleanUps, WhatWasRemovedMeanwhileIsNotRemovedAgain) {
  holds([](Scenario& s) {
    commit(s);
    interrupt(s, 3);
    s.expect(s.clean_up({.seen = CleanUp::Seen{.half_removed = true}}) == CleanedUp::kCommitted, "what was committed is not known any more");
    s.expect(s.clean_up({.seen = CleanUp::Seen{.half_removed = true}}) == CleanedUp::kChanged, "what is gone is removed");
    s.expect(s.clean_up() == CleanedUp::kRemnant, "an owner's document tells how far a migration had come");
    s.expect(s.state().empty(), "something of the state is left");
  });
}

// The process that was replaced writes nothing of its state again.
TEST(CleanUps, WhoseStateWasRemovedStops) {
  holds([](Scenario& s) {
    s.options.commit = engine::CommitPolicy::kManual;
    s.insert_many("app.c", 1, 20);
    s.at("migration.after_copy", [&s] { s.pause(); });
    (void)s.run_once();
    s.expect(s.clean_up() == CleanedUp::kBegun, "it cannot be removed");
    s.resume();
    s.insert_many("app.c", 21, 30);
    s.pass(seconds(30));
    s.expect(s.state().empty(), "the state is there again");
    s.expect(s.count(s.destination(), "app.c") <= 20, "it writes on");
  });
}

// A drop by name whose answer is lost, and which arrives later: whoever begins meanwhile keeps what he has written. `late`: the first drop does not arrive
// before the second one.
Story answer_lost(ServerVersion version, bool late) {
  return [version, late](Scenario& s) {
    s.versions(version, version);
    s.options.before_cutover = [] { return Status(); };
    begin(s);
    s.empty_destination(false);
    const auto faults = s.destination().faults();
    const auto break_replies = [&s, faults, late] {
      auto broken = faults;
      (late ? broken.late_request : broken.lost_reply) = 1'000'000;
      s.destination().set_faults(broken);
    };
    const std::string drop = "drop " + std::string(kStateDatabase) + ".x_owner";
    bool lost = false;
    if (late) {  // from the answer to the last question for ownership before it, which is the last one
      s.at("cleanup.after_drop", [&s, break_replies] { s.after(s.destination(), "save state x_owner", break_replies); }, static_cast<int>(s.state().size()) - 1);
    } else {
      s.after(s.destination(), drop, break_replies);
    }
    std::optional<Result<CleanedUp>> removed;
    s.in_background("removal", [&] { removed = s.clean_up(); });
    s.in_background("network", [&, faults] {
      s.wait_until("the answer to be lost", [&] { return s.destination().faults().late_request + s.destination().faults().lost_reply > 0; });
      s.pass(std::chrono::milliseconds(150));
      s.destination().set_faults(faults);
      lost = true;
    });
    s.wait_until("the owner's document to go", [&] { return lost && s.state().empty(); });
    s.run();
    s.wait_until("the end of the removal", [&] { return removed.has_value(); });
    s.pass(seconds(20));
    s.expect(*removed == CleanedUp::kBegun, "a removal that is done fails");
    const auto state = s.state();
    s.expect(std::count(state.begin(), state.end(), "x_owner") == 1, "the next one's state is removed");
  };
}

TEST(CleanUps, ALostAnswerDoesNotRemoveTheNextOnesState) {
  for (const auto version : {Scenario::k44, Scenario::k60}) holds(answer_lost(version, false));
  holds(answer_lost(Scenario::k44, true), 10);
  breaks("late_drop_not_awaited", answer_lost(Scenario::k44, true), 40);
}

}  // namespace
}  // namespace drover::sim
