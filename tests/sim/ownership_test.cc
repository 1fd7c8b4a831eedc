// Two processes at one migration: only the one that took over last may write. Each a story (scenario.h).
#include <gtest/gtest.h>

#include <functional>

#include "engine/state_store.h"
#include "scenario.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// The destination keeps the sessions of one id apart by user: those of another are beyond reach, so their owner is given the
// time to notice that it has been replaced.
TEST(Ownership, TheProcessOfAnotherUserIsWaitedFor) {
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

TEST(Ownership, WhoStoodStillForLongAsksWhoOwnsTheMigration) {
  const Story story = [](Scenario& s) { stands_still_with_an_old_state(s, [&s] { s.resume(); }); };
  holds(story, 10);
  breaks("owner_not_asked", story);
}

TEST(Ownership, WhoseStateWasRemovedDoesNotOutrankWhoeverBeginsAnew) {
  const Story story = [](Scenario& s) {
    stands_still_with_an_old_state(s, [&s] { s.resume(); }, [&s] { s.empty_destination(); });
  };
  holds(story, 10);
  breaks("epochs_begin_anew", story);
}

// The clock of a virtual machine that was suspended need not have gone on, but its connections are gone.
TEST(Ownership, WhoMustRepeatAWriteAsksWhoOwnsTheMigration) {
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

}  // namespace
}  // namespace drover::sim
