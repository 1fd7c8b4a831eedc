// A scripted interleaving: the real engine between two simulated deployments that do nothing by chance but choose who runs
// next, and a script that acts at chosen places: when the engine comes by a fail point, when a request of it is about to be
// executed, or when its reply leaves. What the script does there, it does on the engine's own thread, which waits meanwhile.
//
// A story is told in a process of its own, once for each of several seeds. It fails by the checks of the simulation, by
// `fail`, or by never coming to an end.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checks.h"
#include "engine/clean_up.h"
#include "engine/migration.h"
#include "sim_deployment.h"

namespace drover::sim {

class Scenario;
using Story = std::function<void(Scenario&)>;

// Empty when the story holds for all of `seeds`; otherwise what broke first. `mutant`: the fault that the engine has.
std::string outcome(const Story& story, std::string_view mutant = {}, int seeds = 3);

inline void holds(const Story& story, int seeds = 3) { EXPECT_EQ(outcome(story, {}, seeds), ""); }
// Some of the seeds are enough: a fault is met only when the threads take turns in a certain way.
inline void breaks(const char* mutant, const Story& story, int seeds = 20) {
  EXPECT_NE(outcome(story, mutant, seeds), "") << "nothing notices the fault " << mutant;
}

class Scenario {
 public:
  using Act = std::function<void()>;

  Scenario(Scheduler& scheduler, ServerVersion source, ServerVersion destination);
  static void tell(std::uint64_t seed, const Story& story, const std::function<void(const std::string&)>& on_failure);

  // --- the set; before the first run
  engine::Options options;  // one copier, two lanes, whole collections; commits when ready
  static constexpr ServerVersion k44{4, 4, 1}, k60{6, 0, 8}, k80{8, 0, 0};
  // Other servers than 6.0 on both sides; nothing may have been done yet.
  void versions(ServerVersion source, ServerVersion destination);
  SimCluster& source() { return *source_; }
  SimCluster& destination() { return *destination_; }
  Scheduler& scheduler() { return scheduler_; }
  std::chrono::seconds clock_error{0};  // of the engine's host

  // --- the users of the source: each happens at once
  void create(const std::string& ns, std::string_view options = "{}");
  void insert(const std::string& ns, std::string_view document);
  void insert_many(const std::string& ns, int first, int last, std::string_view fields = "");
  void replace(const std::string& ns, std::string_view document);
  void set(const std::string& ns, std::string_view id, std::string_view field, std::string_view value);
  void unset(const std::string& ns, std::string_view id, std::string_view field);
  void remove(const std::string& ns, std::string_view id);
  // Once users have been let in there; the sides are no longer compared at the end.
  void insert_on_destination(const std::string& ns, std::string_view document);
  // Behind everybody's back: the document there becomes this one. What the engine writes is no longer checked step by step.
  void alter_on_destination(const std::string& ns, std::string_view document);
  // What is written by `writes` becomes one transaction, in several oplog entries when `chain`.
  void transaction(const Act& writes, bool chain = false);
  void rename(const std::string& from, const std::string& to, bool drop_target = false);
  void drop(const std::string& ns);
  void create_index(const std::string& ns, std::string_view spec);
  void drop_index(const std::string& ns, const std::string& name);
  // An administrator empties the destination, the migration's state included, or but that.
  void empty_destination(bool state_too = true);

  // --- cues. Each is taken once, the n-th time that the engine comes by.
  void at(std::string point, Act act, int nth = 1);
  // `request` begins with this: "insert app.c", "find app.c", "getMore oplog", "save state x_checkpoint" ...
  void before(SimCluster& cluster, std::string request, Act act, int nth = 1);
  void after(SimCluster& cluster, std::string request, Act act, int nth = 1);

  // --- directions
  void wait_until(std::string_view what, const std::function<bool()>& ready);
  void pass(std::chrono::milliseconds time) { scheduler_.sleep_for(time); }
  void in_background(std::string name, Act act);
  // The same for a user's writes: let in now, before any later block.
  void user(std::string name, Act act);
  void kill();                          // the engine that runs now; run() starts it again
  void stop();                          // Ctrl-C
  void cut_source(Duration time);       // of the engine that was started last: nothing arrives on either way
  void cut_destination(Duration time);
  void pause();                         // and whoever calls it stands still with it
  void resume(Duration unseen = {});    // the one that was paused; `unseen` is what its steady clock has missed
  // Starts the engine, again after each end that an operator would answer so, until it has committed.
  void run();
  // One run, whatever its end.
  Result<engine::Outcome> run_once();
  // `drover migrate --cleanup` once it is confirmed, in a process of its own that kill() means from now on. Whatever its end.
  Result<engine::CleanedUp> clean_up(const engine::CleanUp& what = {});
  // Collections of the migration's state on the destination.
  std::vector<std::string> state();
  engine::Migration* migration() { return running_; }
  const engine::Progress& last_progress() const { return last_progress_; }  // of the last run that has ended
  // What migrations have logged, as JSON lines.
  const std::vector<std::string>& logged() const { return log_.lines; }
  [[noreturn]] void fail(const std::string& message) { scheduler_.fail(message); }
  void expect(bool claim, const std::string& words) { if (!claim) fail(words); }

  const CatalogEntry& entry(SimCluster& cluster, const std::string& ns);
  std::size_t count(SimCluster& cluster, const std::string& ns);
  bool has(SimCluster& cluster, const std::string& ns, std::string_view id);
  Checks& checks() { return *checks_; }
  const std::set<std::string>& reached() const { return reached_; }
  int runs() const { return static_cast<int>(engines_.size()); }

 private:
  struct Cue {
    std::string name;
    Act act;
    int left;
  };
  struct Engine {
    Process process;
    std::stop_source stop;  // Ctrl-C
    std::stop_source cut;   // its connections end
    std::unique_ptr<SimRuntime> runtime;
    std::unique_ptr<SimDeployment> source;
    std::unique_ptr<SimDeployment> destination;
    std::optional<Result<engine::Outcome>> result;  // of a migration
    std::optional<Result<engine::CleanedUp>> cleaned;
    bool ended = false;
  };

  class Lines final : public Log {
   public:
    std::vector<std::string> lines;
    void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
      lines.push_back(log_line(level, message, "", std::span(fields.begin(), fields.size())));
    }
  };

  void connect();
  void watch(SimCluster& cluster, std::vector<Cue>& before, std::vector<Cue>& after);
  void take(std::vector<Cue>& cues, std::string_view name, bool exactly);
  Engine& start(std::function<void(Engine&)> body);
  void migrate(Engine& own);
  bool await_end(Engine& own);  // false: it was killed or paused
  void write(Write write);
  Write write_of(const std::string& ns, Write::Kind kind, const bson::Element& id);
  bson::Document current(const std::string& ns, std::string_view id);
  void end();

  Scheduler& scheduler_;
  Lines log_;
  std::optional<SimCluster> source_, destination_;
  std::optional<Checks> checks_;
  std::vector<Cue> points_, before_source_, after_source_, before_destination_, after_destination_;
  std::list<Engine> engines_;
  Engine* paused_ = nullptr;
  engine::Migration* running_ = nullptr;
  engine::Progress last_progress_;
  std::vector<Write>* collected_ = nullptr;  // of a transaction
  std::set<std::string> reached_;
  bool moved_on_ = false;  // users write to the destination
  int clean_ups_ = 0;      // that run: they give the destination's block up
  int helpers_ = 0;
};

}  // namespace drover::sim
