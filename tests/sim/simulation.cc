#include "simulation.h"

#include <fmt/format.h>

#include <list>
#include <optional>

#include "bson/hash.h"
#include "checks.h"
#include "engine/migration.h"
#include "sim_deployment.h"
#include "workload.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMostRuns = 80;  // of the engine, until it must have committed

class TraceLog final : public Log {
 public:
  explicit TraceLog(Scheduler& scheduler) : scheduler_(scheduler) {}
  void write(LogLevel, std::string_view message, std::initializer_list<LogField> fields) override {
    if (!scheduler_.tracing()) return;
    std::string line = "log: " + std::string(message);
    for (const auto& field : fields) {
      if (const auto* text = std::get_if<std::string>(&field.value)) line += fmt::format(" {}={}", field.key, *text);
      if (const auto* number = std::get_if<std::int64_t>(&field.value)) line += fmt::format(" {}={}", field.key, *number);
    }
    scheduler_.trace(line);
  }

 private:
  Scheduler& scheduler_;
};

// What befalls the engine's processes.
struct Fate {
  int blows = 0;                  // kills, pauses, rivals and stops in all
  bool can_block = true;          // the source's users are stopped by a write block
  bool stray_writer = false;      // one of them goes on for a moment after the hook has answered
  Duration commit_after{};
  std::uint64_t focus = 0;        // the fail points at which it lingers, and is struck more often
};

// Fail points fall into this many classes by their names; a seed looks closely at one of them, or at none.
constexpr std::uint64_t kFocusClasses = 12;

class Simulation {
 public:
  Simulation(Scheduler& scheduler, const SeedOptions& options);
  void run();
  std::string summary() const;

 private:
  // One process of the engine.
  struct Incarnation {
    Process process;
    std::stop_source stop;  // Ctrl-C
    std::stop_source cut;   // its connections end
    std::unique_ptr<SimRuntime> runtime;
    std::unique_ptr<SimDeployment> source;
    std::unique_ptr<SimDeployment> destination;
    std::optional<Result<engine::Outcome>> result;
    bool ended = false;
    bool left_alone = false;  // the operator no longer looks at it
  };

  Incarnation& start_engine();
  engine::Options engine_options(Incarnation& own);
  void reached(Incarnation& own, std::string_view point);
  void strike(Incarnation& target);
  void strike_at_random();
  void truncate_oplog();
  bool outcome_is_final(const Incarnation& incarnation);
  Status stop_users();
  void stray_write();
  void finish();

  Scheduler& scheduler_;
  Random& random_;
  TraceLog log_;
  Fate fate_;
  engine::Options drawn_;
  std::optional<SimCluster> source_;
  std::optional<SimCluster> destination_;
  std::optional<Workload> workload_;
  std::optional<Checks> checks_;
  std::list<Incarnation> incarnations_;
  Incarnation* current_ = nullptr;
  bool committed_ = false;
  bool over_ = false;
  int helpers_ = 0;
  int strays_ = 0;
};

std::pair<ServerVersion, ServerVersion> draw_versions(Random& random) {
  const std::vector<ServerVersion> versions{{4, 4, 1}, {5, 0, 9}, {6, 0, 8}, {7, 0, 2}, {8, 0, 0}};
  const auto source = random.below(3) == 0 ? 0 : random.below(versions.size());
  const auto destination = random.coin() ? source : source + random.below(versions.size() - source);
  return {versions[source], versions[destination]};
}

Simulation::Simulation(Scheduler& scheduler, const SeedOptions& options)
    : scheduler_(scheduler), random_(scheduler.random()), log_(scheduler) {
  scheduler_.set_stickiness(random_.pick(std::vector<int>{0, 30, 70, 95}));
  const auto versions = draw_versions(random_);
  source_.emplace(scheduler_, ClusterOptions{"source", versions.first, random_.below(4) != 0, Faults::draw(random_)});
  destination_.emplace(scheduler_,
                       ClusterOptions{"destination", versions.second, random_.below(4) != 0, Faults::draw(random_)});
  fate_.blows = random_.below(3) == 0 ? 0 : static_cast<int>(random_.below(7));
  fate_.can_block = source_->write_block_effective();
  fate_.stray_writer = !fate_.can_block && random_.below(2) == 0;
  fate_.commit_after = milliseconds(random_.below(15'000));
  fate_.focus = random_.below(2 * kFocusClasses);
  drawn_.copiers = static_cast<int>(random_.between(1, 4));
  drawn_.lanes = static_cast<int>(random_.between(1, 5));
  drawn_.partition_bytes = random_.pick(std::vector<int>{500, 900, 2'000, 64 << 20});
  drawn_.held_memory = random_.pick(std::vector<std::size_t>{0, 600, 16 << 20});
  drawn_.checkpoint_every = milliseconds(random_.pick(std::vector<int>{20, 200, 900}));
  drawn_.cutover_deadline = seconds(random_.pick(std::vector<int>{3, 20, 60}));
  drawn_.commit = engine::CommitPolicy::kManual;
  drawn_.spool_directory = options.spool_directory;
  drawn_.verification = options.verification ? engine::VerificationMode::kDocuments : engine::VerificationMode::kNone;
  workload_.emplace(scheduler_, *source_, *destination_, WorkloadOptions::draw(random_));
  checks_.emplace(*source_, *destination_, [this](const std::string& message) { scheduler_.fail(message); });
  destination_->on_written = [this](const auto& writes, bool by_user) { checks_->written(writes, by_user); };
  destination_->on_write_block = [this](bool enabled) {
    if (enabled || checks_->is_open()) return;
    checks_->opened("its write block was lifted");
    workload_->open_destination();
  };
}

void Simulation::run() {
  source_->start();
  destination_->start();
  workload_->prepare();
  workload_->start();
  scheduler_.sleep_for(milliseconds(random_.below(3'000)));
  ++helpers_;
  scheduler_.spawn("fate", nullptr, [this] { strike_at_random(); --helpers_; scheduler_.wake(this); });
  if (random_.coin()) {
    ++helpers_;
    scheduler_.spawn("oplog cap", nullptr, [this] { truncate_oplog(); --helpers_; scheduler_.wake(this); });
  }
  for (int runs = 0; !committed_; ++runs) {
    if (runs == kMostRuns) scheduler_.fail("the engine does not commit, however often it is started");
    if (runs == kMostRuns / 2) {
      source_->end_faults();
      destination_->end_faults();
    }
    auto& own = start_engine();
    while (!own.ended && !own.left_alone) scheduler_.block("the engine", this);
    for (auto& incarnation : incarnations_) committed_ = committed_ || outcome_is_final(incarnation);
    if (!committed_) scheduler_.sleep_for(milliseconds(random_.below(1'500)));
  }
  finish();
}

Simulation::Incarnation& Simulation::start_engine() {
  auto& own = incarnations_.emplace_back();
  current_ = &own;
  own.process.name = fmt::format("engine{}", incarnations_.size());
  own.runtime = std::make_unique<SimRuntime>(scheduler_, own.process);
  own.runtime->clock_error = seconds(random_.between(-40'000, 40'000));
  own.runtime->on_reached = [this, &own](std::string_view point) { reached(own, point); };
  own.source = std::make_unique<SimDeployment>(*source_, own.process, ErrorCode::kSource, own.cut.get_token());
  own.destination = std::make_unique<SimDeployment>(*destination_, own.process, ErrorCode::kDestination,
                                                    own.cut.get_token());
  scheduler_.trace("starting " + own.process.name);
  scheduler_.spawn(own.process.name, &own.process, [this, &own] {
    {
      engine::Migration migration(*own.source, *own.destination, *own.runtime, log_, engine_options(own));
      own.result = migration.run(own.stop.get_token());
    }
    own.ended = true;
    scheduler_.trace(own.process.name + " ended: " + (*own.result ? "committed" : own.result->error().message));
    scheduler_.wake(this);
  });
  return own;
}

engine::Options Simulation::engine_options(Incarnation& own) {
  engine::Options options = drawn_;
  options.may_commit = [this, &own] {
    // The migration is seen to run: whoever was sent away for a cutover that came to nothing may come back.
    if (&own == current_ && !own.process.dead && random_.below(4) == 0) workload_->return_to_source();
    return scheduler_.now() >= fate_.commit_after;
  };
  options.before_cutover = [this, &own]() -> Status {
    if (fate_.can_block) return {};
    check_no_lock_held(scheduler_, "calls the hook");
    if (own.process.dead || own.process.superseded) return fail(ErrorCode::kInterrupted, "stopped");
    return stop_users();
  };
  return options;
}

Status Simulation::stop_users() {
  workload_->leave_source();
  if (fate_.stray_writer && random_.below(4) != 0) {
    ++strays_;
    ++helpers_;
    scheduler_.spawn("stray writer", nullptr, [this] {
      stray_write();
      --strays_;
      --helpers_;
      scheduler_.wake(this);
    });
  }
  return {};
}

// Writes so often that it cannot rest just while the engine looks, which takes many requests; it ends when the source has no
// primary for a moment, for then it would.
void Simulation::stray_write() {
  constexpr int kMostWrites = 1'000;
  const Duration pause = std::chrono::microseconds(100) + source_->faults().latency / 2;
  const Duration end = scheduler_.now() + milliseconds(random_.pick(std::vector<int>{20, 400, 4'000}));
  for (int i = 0; i < kMostWrites && scheduler_.now() < end && !committed_; ++i) {
    if (!workload_->write_surely(*source_)) return;
    scheduler_.sleep_for(pause);
  }
}

void Simulation::reached(Incarnation& own, std::string_view point) {
  scheduler_.trace("reached " + std::string(point));
  if (point == "start.after_takeover") {
    for (auto& other : incarnations_) {
      if (&other != &own) other.process.superseded = true;
    }
  }
  if (&own != current_ || fate_.blows == 0) return;
  if (bson::hash64(point) % kFocusClasses == fate_.focus) {
    // Slow here, so that every other thread gets to do something in this place's window.
    if (scheduler_.locks_held() == 0 && random_.coin()) scheduler_.sleep_for(milliseconds(random_.below(random_.coin() ? 100 : 2'500)));
    if (random_.below(3) == 0 && fate_.blows > 0) strike(own);
    return;
  }
  const bool rare = point.starts_with("cutover") || point.starts_with("ddl") || point.starts_with("start") ||
                    point.starts_with("migration");
  if (random_.below(rare ? 12 : 60) == 0) strike(own);
}

void Simulation::strike_at_random() {
  while (!over_) {
    scheduler_.sleep_for(milliseconds(random_.below(6'000)));
    if (!over_ && current_ != nullptr && !current_->ended && !current_->left_alone && fate_.blows > 0) strike(*current_);
  }
}

// The source's oplog holds no more than the migration may count on: what is after its checkpoint, and the transactions that
// were open there.
void Simulation::truncate_oplog() {
  constexpr std::uint32_t kLongestTransaction = 4;  // seconds
  while (!over_) {
    scheduler_.sleep_for(milliseconds(random_.below(3'000)));
    const auto checkpoint = checks_->durable_checkpoint();
    if (checkpoint.seconds > kLongestTransaction) source_->truncate_oplog({checkpoint.seconds - kLongestTransaction, 0});
  }
}

void Simulation::strike(Incarnation& target) {
  if (target.left_alone || target.ended) return;
  --fate_.blows;
  target.left_alone = true;
  switch (random_.below(6)) {
    case 0: {  // a long pause; a successor is started meanwhile
      target.process.paused = true;
      ++helpers_;
      const auto pause = milliseconds(random_.below(random_.coin() ? 3'000 : 40'000));
      scheduler_.trace("pausing " + target.process.name);
      scheduler_.spawn("resumer", nullptr, [this, pause, &target] {
        for (const Duration end = scheduler_.now() + pause; scheduler_.now() < end && !over_;) {
          scheduler_.sleep_for(milliseconds(100));
        }
        scheduler_.trace("resuming " + target.process.name);
        target.process.paused = false;
        --helpers_;
        scheduler_.wake(this);
      });
      break;
    }
    case 1:  // a rival is started while it runs
      scheduler_.trace("a rival for " + target.process.name);
      break;
    case 2:  // Ctrl-C
      scheduler_.trace("stopping " + target.process.name);
      target.left_alone = false;
      target.stop.request_stop();
      break;
    default:
      scheduler_.trace("killing " + target.process.name);
      target.process.dead = true;
      target.stop.request_stop();
      target.cut.request_stop();
      break;
  }
  scheduler_.wake(this);
}

// What an operator does about the end of a run: start again where that may help, give up (fail the seed) where not.
bool Simulation::outcome_is_final(const Incarnation& incarnation) {
  if (!incarnation.ended || incarnation.process.dead) return false;
  if (*incarnation.result) return true;
  const auto& error = incarnation.result->error();
  switch (error.code) {
    case ErrorCode::kTemporary:
    case ErrorCode::kInterrupted:
    case ErrorCode::kTimedOut:
    case ErrorCode::kWrongState: return false;
    case ErrorCode::kMismatch: return false;
    default: break;
  }
  if (error.message.find("still being written") != std::string::npos) return false;
  constexpr int kTransactionTooOld = 225;  // another has taken over
  if (incarnation.process.superseded || (error.server_code == kTransactionTooOld && incarnations_.size() > 1)) return false;
  scheduler_.fail(fmt::format("{} failed (code {}): {}", incarnation.process.name, static_cast<int>(error.code), error.message));
}

void Simulation::finish() {
  if (!checks_->is_open()) {
    checks_->opened("the engine has committed");
    workload_->open_destination();
  }
  scheduler_.sleep_for(seconds(2));
  over_ = true;
  for (auto& incarnation : incarnations_) {
    incarnation.process.paused = false;
    incarnation.stop.request_stop();
    incarnation.cut.request_stop();
  }
  const auto all_ended = [this] {
    for (const auto& incarnation : incarnations_) {
      if (!incarnation.ended) return false;
    }
    return helpers_ == 0;
  };
  while (!all_ended()) scheduler_.block("the engine's processes to end", this);
  workload_->stop();
  source_->stop();
  destination_->stop();
}

std::string Simulation::summary() const {
  return fmt::format("{} -> {}, {} runs, {} writes, {} catalog changes, {} checkpoints, {:.1f} s, {} steps",
                     source_->options().version.to_string(), destination_->options().version.to_string(),
                     incarnations_.size(), workload_->writes(), workload_->catalog_changes(),
                     checks_->checkpoints_checked(), std::chrono::duration<double>(scheduler_.now()).count(),
                     scheduler_.steps());
}

}  // namespace

SeedResult simulate(const SeedOptions& options) {
  set_mutant(options.mutant);
  Scheduler::Options run;
  run.seed = options.seed;
  run.on_failure = options.on_failure;
  run.on_trace = options.on_trace;
  Scheduler scheduler(run);
  SeedResult result;
  scheduler.run([&] {
    Simulation simulation(scheduler, options);
    simulation.run();
    result.summary = simulation.summary();
  });
  result.trace_hash = scheduler.trace_hash();
  return result;
}

}  // namespace drover::sim
