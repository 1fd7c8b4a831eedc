#include "scenario.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/check.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "sample_documents.h"
#include "simulation.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;

constexpr int kMostRuns = 12;
constexpr unsigned kMostSeconds = 300;  // of real time, on a loaded machine

class NoLog final : public Log {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

bson::Document json(std::string_view text) {
  auto document = bson::from_ejson(text);
  CHECK(document.has_value(), "a story's document is no JSON");
  return std::move(*document);
}

// The value of `{v: ...}`.
bson::Value value(std::string_view text) { return bson::Value(json(fmt::format("{{\"v\": {}}}", text))["v"]); }

Namespace parsed(const std::string& ns) { return *Namespace::parse(ns); }

Faults quiet() {
  Faults faults;
  faults.latency = faults.lag = milliseconds(1);
  return faults;
}

}  // namespace

std::string outcome(const Story& story, std::string_view mutant, int seeds) {
  for (int seed = 1; seed <= seeds; ++seed) {
    int ends[2];
    CHECK(pipe(ends) == 0, "no pipe");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      alarm(kMostSeconds);
      set_mutant(mutant);
      Scenario::tell(static_cast<std::uint64_t>(seed), story, [&](const std::string& message) {
        const auto text = message.empty() ? std::string("it failed without words") : message;
        if (write(ends[1], text.data(), text.size()) < 0) _exit(3);
        _exit(1);
      });
      _exit(0);
    }
    close(ends[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(size));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) text += std::string("the process died: ") + strsignal(WTERMSIG(status));
    if (!text.empty()) return fmt::format("seed {}: {}", seed, text);
  }
  return {};
}

void Scenario::tell(std::uint64_t seed, const Story& story, const std::function<void(const std::string&)>& on_failure) {
  Scheduler::Options run;
  run.seed = seed;
  run.on_failure = on_failure;
  run.max_time = std::chrono::minutes(40);
  if (std::getenv("DROVER_SIM_TRACE") != nullptr) {
    run.on_trace = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  }
  Scheduler scheduler(run);
  scheduler.run([&] {
    Scenario scenario(scheduler, k60, k60);
    story(scenario);
    scenario.end();
  });
}

Scenario::Scenario(Scheduler& scheduler, ServerVersion source, ServerVersion destination) : scheduler_(scheduler) {
  options.verification = engine::VerificationMode::kNone;
  options.copiers = 1;
  options.lanes = 2;
  options.checkpoint_every = milliseconds(100);
  versions(source, destination);
}

void Scenario::versions(ServerVersion source, ServerVersion destination) {
  for (auto* cluster : {&source_, &destination_}) {
    if (*cluster) (*cluster)->stop();
  }
  checks_.reset();
  source_.emplace(scheduler_, ClusterOptions{"source", source, true, quiet()});
  destination_.emplace(scheduler_, ClusterOptions{"destination", destination, true, quiet()});
  connect();
  source_->start();
  destination_->start();
}

void Scenario::connect() {
  checks_.emplace(*source_, *destination_, [this](const std::string& message) { scheduler_.fail(message); });
  destination_->on_written = [this](const auto& writes, bool by_user) { checks_->written(writes, by_user); };
  destination_->on_write_block = [this](bool enabled) {
    if (!enabled && !checks_->is_open() && clean_ups_ == 0) checks_->opened("its write block was lifted");
  };
  watch(*source_, before_source_, after_source_);
  watch(*destination_, before_destination_, after_destination_);
}

void Scenario::watch(SimCluster& cluster, std::vector<Cue>& before, std::vector<Cue>& after) {
  cluster.on_request = [this, &before](std::string_view what) { take(before, what, false); };
  cluster.on_reply = [this, &after](std::string_view what) { take(after, what, false); };
}

void Scenario::take(std::vector<Cue>& cues, std::string_view name, bool exactly) {
  const auto given = cues.size();  // further ones, which an act may give, are for later
  for (std::size_t i = 0; i < given; ++i) {
    if (exactly ? name != cues[i].name : !name.starts_with(cues[i].name)) continue;
    if (cues[i].left == 0 || --cues[i].left > 0) continue;
    const Act act = cues[i].act;
    act();
  }
}

void Scenario::at(std::string point, Act act, int nth) { points_.push_back({std::move(point), std::move(act), nth}); }

void Scenario::before(SimCluster& cluster, std::string request, Act act, int nth) {
  (&cluster == &*source_ ? before_source_ : before_destination_).push_back({std::move(request), std::move(act), nth});
}

void Scenario::after(SimCluster& cluster, std::string request, Act act, int nth) {
  (&cluster == &*source_ ? after_source_ : after_destination_).push_back({std::move(request), std::move(act), nth});
}

// --- the users

Write Scenario::write_of(const std::string& ns, Write::Kind kind, const bson::Element& id) {
  const auto& there = entry(*source_, ns);
  Write write;
  write.kind = kind;
  write.ns = there.info.ns;
  write.uuid = there.info.uuid;
  write.key = logical_key(there, id);
  return write;
}

void Scenario::write(Write write) {
  if (collected_ != nullptr) {
    collected_->push_back(std::move(write));
    return;
  }
  const auto done = source_->write({std::move(write)}, SimCluster::Form::kEach, true, {});
  if (!done) fail("a user's write was refused: " + done.error().message);
}

bson::Document Scenario::current(const std::string& ns, std::string_view id) {
  const auto& there = entry(*source_, ns);
  const auto document = source_->store().latest(there.info.uuid, logical_key(there, value(id).element()));
  if (!document) fail(fmt::format("{} has no document {}", ns, id));
  return *document;
}

void Scenario::create(const std::string& ns, std::string_view options) {
  const auto done = source_->create(parsed(ns), json(options), nullptr);
  if (!done) fail("a user's create was refused: " + done.error().message);
}

void Scenario::insert(const std::string& ns, std::string_view document) {
  if (source_->store().find(parsed(ns)) == nullptr) create(ns);
  const auto image = std::make_shared<const bson::Document>(json(document));
  auto insertion = write_of(ns, Write::Kind::kInsert, (*image)["_id"]);
  insertion.document = image;
  write(std::move(insertion));
}

void Scenario::insert_on_destination(const std::string& ns, std::string_view document) {
  moved_on_ = true;
  const auto& there = entry(*destination_, ns);
  Write insertion;
  insertion.ns = there.info.ns;
  insertion.uuid = there.info.uuid;
  insertion.document = std::make_shared<const bson::Document>(json(document));
  insertion.key = logical_key(there, (*insertion.document)["_id"]);
  const auto done = destination_->write({insertion}, SimCluster::Form::kEach, true, {});
  if (!done) fail("a user's write to the destination was refused: " + done.error().message);
}

void Scenario::alter_on_destination(const std::string& ns, std::string_view document) {
  destination_->on_written = nullptr;
  const auto& there = entry(*destination_, ns);
  Write replacement;
  replacement.kind = Write::Kind::kReplace;
  replacement.ns = there.info.ns;
  replacement.uuid = there.info.uuid;
  replacement.document = std::make_shared<const bson::Document>(json(document));
  replacement.key = logical_key(there, (*replacement.document)["_id"]);
  const auto done = destination_->write({replacement}, SimCluster::Form::kEach, true, {});
  if (!done) fail("a write behind everybody's back was refused: " + done.error().message);
}

void Scenario::insert_many(const std::string& ns, int first, int last, std::string_view fields) {
  for (int id = first; id <= last; ++id) insert(ns, fmt::format("{{\"_id\": {}{}{}}}", id, fields.empty() ? "" : ", ", fields));
}

void Scenario::replace(const std::string& ns, std::string_view document) {
  const auto image = std::make_shared<const bson::Document>(json(document));
  auto replacement = write_of(ns, Write::Kind::kReplace, (*image)["_id"]);
  replacement.document = image;
  write(std::move(replacement));
}

void Scenario::set(const std::string& ns, std::string_view id, std::string_view field, std::string_view text) {
  const auto before = current(ns, id);
  auto update = write_of(ns, Write::Kind::kUpdate, before["_id"]);
  const bson::Value fresh = value(text);
  update.document = std::make_shared<const bson::Document>(with_field(before, field, fresh));
  update.change = set_field_change(source_->options().version, field, fresh.element(), !before[field].exists());
  write(std::move(update));
}

void Scenario::unset(const std::string& ns, std::string_view id, std::string_view field) {
  const auto before = current(ns, id);
  auto update = write_of(ns, Write::Kind::kUpdate, before["_id"]);
  update.document = std::make_shared<const bson::Document>(with_field(before, field, bson::Value()));
  update.change = bson::make_document({{"$v", 2}, {"diff", bson::make_document({{"d", bson::make_document({{field, false}})}})}});
  write(std::move(update));
}

void Scenario::remove(const std::string& ns, std::string_view id) {
  const auto before = current(ns, id);
  auto removal = write_of(ns, Write::Kind::kDelete, before["_id"]);
  removal.change = bson::make_document({{"_id", before["_id"]}});
  write(std::move(removal));
}

void Scenario::transaction(const Act& writes, bool chain) {
  std::vector<Write> all;
  collected_ = &all;
  writes();
  collected_ = nullptr;
  const auto form = chain ? SimCluster::Form::kChain : SimCluster::Form::kTransaction;
  const auto done = source_->write(all, form, true, {});
  if (!done) fail("a user's transaction was refused: " + done.error().message);
}

void Scenario::rename(const std::string& from, const std::string& to, bool drop_target) {
  const auto done = source_->rename(parsed(from), parsed(to), drop_target);
  if (!done) fail("a user's rename was refused: " + done.error().message);
}

void Scenario::drop(const std::string& ns) {
  const auto done = source_->drop(parsed(ns));
  if (!done) fail("a user's drop was refused: " + done.error().message);
}

void Scenario::create_index(const std::string& ns, std::string_view spec) {
  const auto done = source_->create_index(parsed(ns), json(spec), true);
  if (!done) fail("a user's index was refused: " + done.error().message);
}

void Scenario::drop_index(const std::string& ns, const std::string& name) {
  const auto done = source_->drop_index(parsed(ns), name);
  if (!done) fail("dropping a user's index was refused: " + done.error().message);
}

void Scenario::empty_destination(bool state_too) {
  std::vector<Namespace> all;
  for (const auto& [ns, entry] : destination_->store().catalog())
    if (state_too || ns.db != kStateDatabase) all.push_back(ns);
  for (const auto& ns : all) {
    const auto done = destination_->drop(ns);
    if (!done) fail("an administrator's drop was refused: " + done.error().message);
  }
}

// --- the engine

std::vector<std::string> Scenario::state() {
  std::vector<std::string> names;
  for (const auto& [ns, entry] : destination_->store().catalog())
    if (ns.db == kStateDatabase) names.push_back(ns.collection);
  return names;
}

Scenario::Engine& Scenario::start(std::function<void(Engine&)> body) {
  auto& own = engines_.emplace_back();
  own.process.name = fmt::format("engine{}", engines_.size());
  own.runtime = std::make_unique<SimRuntime>(scheduler_, own.process);
  own.runtime->clock_error = clock_error;
  own.runtime->on_reached = [this, &own](std::string_view point) {
    scheduler_.trace("reached " + std::string(point));
    reached_.emplace(point);
    if (point == "start.after_takeover" || point == "cleanup.after_takeover") {
      for (auto& other : engines_) other.process.superseded = other.process.superseded || &other != &own;
    }
    take(points_, point, true);
  };
  own.source = std::make_unique<SimDeployment>(*source_, own.process, ErrorCode::kSource, own.cut.get_token());
  own.destination =
      std::make_unique<SimDeployment>(*destination_, own.process, ErrorCode::kDestination, own.cut.get_token());
  scheduler_.spawn(own.process.name, &own.process, [this, &own, body = std::move(body)] {
    body(own);
    own.ended = true;
    scheduler_.wake(this);
  });
  return own;
}

void Scenario::migrate(Engine& own) {
  {
    engine::Migration migration(*own.source, *own.destination, *own.runtime, log_, options);
    running_ = &migration;
    own.result = migration.run(own.stop.get_token());
    if (!own.process.dead) last_progress_ = migration.progress();
    if (running_ == &migration) running_ = nullptr;
  }
  scheduler_.trace(own.process.name + " ended: " + (*own.result ? "committed" : own.result->error().message));
}

bool Scenario::await_end(Engine& own) {
  while (!own.ended && !own.process.paused && !own.process.dead) scheduler_.block("a process", this);
  return own.ended && !own.process.dead;
}

Result<engine::Outcome> Scenario::run_once() {
  auto& own = start([this](Engine& engine) { migrate(engine); });
  if (!await_end(own)) return drover::fail(ErrorCode::kInterrupted, "killed or paused");
  return *own.result;
}

Result<engine::CleanedUp> Scenario::clean_up(const engine::CleanUp& what) {
  static NoLog log;
  ++clean_ups_;
  auto& own = start([this, what](Engine& cleaner) {
    cleaner.cleaned = engine::clean_up(*cleaner.source, *cleaner.destination, options.destination_user, *cleaner.runtime, log, cleaner.stop.get_token(), what);
    scheduler_.trace(cleaner.process.name + " ended: " + (*cleaner.cleaned ? "cleaned up" : cleaner.cleaned->error().message));
    --clean_ups_;
  });
  if (!await_end(own)) return drover::fail(ErrorCode::kInterrupted, "killed or paused");
  return *own.cleaned;
}

void Scenario::run() {
  for (int runs = 0; runs < kMostRuns; ++runs) {
    const auto result = run_once();
    if (result) return;
    const auto code = result.error().code;
    if (code != ErrorCode::kInterrupted && code != ErrorCode::kTemporary && code != ErrorCode::kTimedOut) {
      fail("the engine failed: " + result.error().message);
    }
  }
  fail("the engine does not commit, however often it is started");
}

void Scenario::kill() {
  auto& own = engines_.back();
  scheduler_.trace("killing " + own.process.name);
  own.process.dead = true;
  own.stop.request_stop();
  own.cut.request_stop();
  scheduler_.wake(this);
}

void Scenario::cut_source(Duration time) { engines_.back().source->cut_for(time); }
void Scenario::cut_destination(Duration time) { engines_.back().destination->cut_for(time); }

void Scenario::stop() { engines_.back().stop.request_stop(); }

void Scenario::pause() {
  paused_ = &engines_.back();
  scheduler_.trace("pausing " + paused_->process.name);
  paused_->process.paused = true;
  scheduler_.wake(this);
  scheduler_.yield();
}

void Scenario::resume(Duration unseen) {
  if (paused_ == nullptr) return;
  paused_->runtime->unseen = unseen;
  paused_->process.paused = false;
}

void Scenario::wait_until(std::string_view what, const std::function<bool()>& ready) {
  constexpr Duration kPatience = std::chrono::minutes(10);
  for (const Duration end = scheduler_.now() + kPatience; !ready();) {
    if (scheduler_.now() > end) fail(fmt::format("waited in vain for {}", what));
    scheduler_.sleep_for(milliseconds(1));
  }
}

void Scenario::in_background(std::string name, Act act) {
  ++helpers_;
  scheduler_.spawn(std::move(name), nullptr, [this, act = std::move(act)] {
    act();
    --helpers_;
    scheduler_.wake(this);
  });
}

void Scenario::user(std::string name, Act act) {
  expect(source_->enter_user_write().has_value(), "a user is not let in");
  in_background(std::move(name), [this, act = std::move(act)] {
    act();
    source_->leave_user_write();
  });
}

// Whatever was told, it ends with equal sides if anything was committed.
void Scenario::end() {
  resume();
  while (helpers_ > 0) scheduler_.block("the script's helpers", this);
  bool committed = false;
  for (auto& own : engines_) {
    own.stop.request_stop();
    own.cut.request_stop();
    while (!own.ended) scheduler_.block("an engine to end", this);
    committed = committed || (own.result && own.result->has_value());
  }
  if (committed && !checks_->is_open()) checks_->opened("the engine has committed");
  if (committed && !moved_on_) checks_->equal_now();
  source_->stop();
  destination_->stop();
}

// --- looking

const CatalogEntry& Scenario::entry(SimCluster& cluster, const std::string& ns) {
  const auto* found = cluster.store().find(parsed(ns));
  if (found == nullptr) fail(cluster.options().name + " has no " + ns);
  return *found;
}

std::size_t Scenario::count(SimCluster& cluster, const std::string& ns) {
  const auto* found = cluster.store().find(parsed(ns));
  return found == nullptr ? 0 : cluster.store().documents_at(found->info.uuid, cluster.store().last()).size();
}

bool Scenario::has(SimCluster& cluster, const std::string& ns, std::string_view id) {
  const auto* found = cluster.store().find(parsed(ns));
  return found != nullptr && cluster.store().latest(found->info.uuid, logical_key(*found, value(id).element())) != nullptr;
}

}  // namespace drover::sim
