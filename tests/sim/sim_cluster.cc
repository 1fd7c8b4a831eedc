#include "sim_cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "bson/builder.h"
#include "bson/ejson.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kEpochSeconds = 1'767'225'600;
constexpr milliseconds kNoopEvery{10'000};  // periodicNoopIntervalSecs

}  // namespace

Error temporary(std::string message, int server_code) {
  return Error{ErrorCode::kTemporary, std::move(message), server_code, {}};
}

std::uint32_t now_seconds(const Scheduler& scheduler) {
  return kEpochSeconds + static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(scheduler.now()).count());
}

SimCluster::SimCluster(Scheduler& scheduler, ClusterOptions options)
    : scheduler_(scheduler), options_(std::move(options)), faults_(options_.faults) {
  note(bson::make_document({{"msg", "initiating set"}}));
  majority_ = known_majority_ = store_.last();
}

SimCluster::~SimCluster() = default;

void SimCluster::start() {
  const auto spawn = [this](const char* name, void (SimCluster::*body)()) {
    ++fibers_;
    scheduler_.spawn(options_.name + "." + name, nullptr, [this, body] {
      (this->*body)();
      --fibers_;
      moved();
    });
  };
  spawn("replication", &SimCluster::replicate);
  if (faults_.election_every.count() > 0) spawn("elections", &SimCluster::hold_elections);
}

void SimCluster::stop() {
  while (requests_under_way > 0) scheduler_.sleep_for(milliseconds(100));  // they need a majority yet
  stop_.request_stop();
  while (fibers_ > 0) scheduler_.block("the cluster's fibers to end", this);
}

Faults SimCluster::quiet(Faults faults) {
  Faults quiet;
  quiet.latency = faults.latency;
  quiet.lag = faults.lag;
  return quiet;
}

Status SimCluster::check_primary() const {
  if (!has_primary_) return tl::unexpected(temporary(options_.name + ": not primary", 10107));
  return {};
}

Status SimCluster::await_majority(ClusterTime ts, int term) {
  while (known_majority_ < ts) {
    if (term_ != term || !has_primary_) return tl::unexpected(temporary(options_.name + ": primary stepped down", 189));
    scheduler_.block("the majority", this);
  }
  // An entry of an older term may be gone although the majority's time is past its own.
  if (term_ != term) return tl::unexpected(temporary(options_.name + ": primary stepped down", 189));
  return {};
}

Status SimCluster::await_readable(ClusterTime after) {
  TRY(check_primary());
  const int term = term_;
  while (known_majority_ < after) {
    if (term_ != term || !has_primary_) return tl::unexpected(temporary(options_.name + ": primary stepped down", 189));
    scheduler_.block("the majority, to read", this);
  }
  return {};
}

void SimCluster::replicate() {
  const auto stopped = stop_.get_token();
  Duration next_noop = scheduler_.now() + kNoopEvery;
  while (!stopped.stop_requested()) {
    if (majority_ == store_.last() && known_majority_ == majority_) {
      scheduler_.block("something to replicate", &store_, next_noop, &stopped);
      if (scheduler_.now() >= next_noop) {
        if (has_primary_) note(bson::make_document({{"msg", "periodic noop"}}));
        next_noop = scheduler_.now() + kNoopEvery;
      }
      continue;
    }
    const auto lag = faults_.lag.count() * 1000;
    const auto pause = random().below(20) == 0 ? lag * 5 : random().below(lag * 2 + 50);
    scheduler_.block("the secondaries", nullptr, scheduler_.now() + std::chrono::microseconds(pause), &stopped);
    if (!has_primary_) continue;
    const auto& oplog = store_.oplog();
    auto behind = std::upper_bound(oplog.begin(), oplog.end(), majority_,
                                   [](ClusterTime ts, const OplogEntry& entry) { return ts < entry.ts; });
    const auto left = oplog.end() - behind;
    if (left > 0) {
      const auto step = random().coin() ? left : static_cast<std::ptrdiff_t>(1 + random().below(left));
      majority_ = (behind + (step - 1))->ts;
    }
    known_majority_ = majority_;
    moved();
  }
}

void SimCluster::hold_elections() {
  const auto stopped = stop_.get_token();
  while (!stopped.stop_requested() && faults_.election_every.count() > 0) {
    const auto pause = milliseconds(1 + random().below(2 * faults_.election_every.count()));
    scheduler_.block("an election", nullptr, scheduler_.now() + pause, &stopped);
    if (!stopped.stop_requested() && faults_.election_every.count() > 0) elect();
  }
}

void SimCluster::elect() {
  has_primary_ = false;
  ++term_;
  moved();
  scheduler_.trace(options_.name + ": the primary is lost");
  scheduler_.sleep_for(milliseconds(random().between(50, 3'000)));
  const ClusterTime lowest = std::max(majority_, store_.last_ddl());
  std::vector<ClusterTime> points{lowest};
  for (const auto& entry : store_.oplog()) {
    if (entry.ts > lowest) points.push_back(entry.ts);
  }
  const ClusterTime point = random().coin() ? lowest : random().pick(points);
  scheduler_.trace(fmt::format("{}: new primary, rolled back to {} from {}, majority {}", options_.name, point.to_string(),
                               store_.last().to_string(), majority_.to_string()));
  store_.roll_back(point);
  sessions_.roll_back(point);
  // The new primary knows an older majority point until its own first entry is committed.
  const auto& oplog = store_.oplog();
  for (auto at = oplog.rbegin(); at != oplog.rend() && random().below(4) != 0; ++at) {
    if (at->ts <= majority_) known_majority_ = at->ts;
  }
  has_primary_ = true;
  note(bson::make_document({{"msg", "new primary"}}));
}

EntryContext SimCluster::entry_context() const {
  return {options_.version, term_, static_cast<std::int64_t>(now_seconds(scheduler_)) * 1000};
}

std::vector<ClusterTime> SimCluster::reserve(int count) { return store_.reserve(now_seconds(scheduler_), count); }

Uuid SimCluster::new_uuid() {
  Uuid uuid;
  for (auto& byte : uuid.bytes) byte = static_cast<std::uint8_t>(random().next());
  uuid.bytes[6] = (uuid.bytes[6] & 0x0f) | 0x40;
  uuid.bytes[8] = (uuid.bytes[8] & 0x3f) | 0x80;
  return uuid;
}

ClusterTime SimCluster::note(bson::View message) {
  const auto ts = reserve(1).front();
  store_.append(ts, note_entry(entry_context(), ts, message));
  scheduler_.wake(&store_);
  return ts;
}

Result<ClusterTime> SimCluster::write(const std::vector<Write>& writes, Form form, bool by_user,
                                      const std::optional<EntrySession>& session, int* refused) {
  const bool single = form == Form::kTransaction || form == Form::kBatch;
  int entries = single ? 1 : static_cast<int>(writes.size());
  if (form == Form::kChain) entries = 1 + static_cast<int>(random().below(std::min<std::size_t>(writes.size(), 4)));
  bool image = false;  // kept for the repetition of a findAndModify
  if (form == Form::kEach) {
    CHECK(writes.size() == 1, "each write is made by itself");
    image = by_user && session && writes[0].kind != Write::Kind::kInsert && random().below(4) == 0;
  }
  const auto times = reserve(entries + (image ? 1 : 0));
  const auto before = image ? store_.latest(writes[0].uuid, writes[0].key) : nullptr;
  TRY(store_.apply(writes, times.back(), by_user, refused));
  if (form == Form::kEach) {
    if (before) store_.append(times[0], image_entry(entry_context(), times[0], writes[0], *before, *session));
    store_.append(times.back(), write_entry(entry_context(), times.back(), writes[0], session, before ? times[0] : ClusterTime{}));
  } else {
    TRY(log_transaction(writes, form, times, session));
  }
  scheduler_.record(times.back().value());
  scheduler_.wake(&store_);
  if (scheduler_.tracing()) trace_writes(writes, times.back());
  if (on_written) on_written(writes, by_user);
  return times.back();
}

void SimCluster::trace_writes(const std::vector<Write>& writes, ClusterTime ts) {
  static constexpr const char* kVerbs[] = {"insert", "update", "replace", "delete"};
  for (const auto& write : writes) {
    const auto shown = write.document ? bson::to_relaxed_ejson(*write.document) : bson::to_relaxed_ejson(write.change);
    scheduler_.trace(fmt::format("{}: {} {} {} {}", options_.name, ts.to_string(), kVerbs[static_cast<int>(write.kind)],
                                 write.ns.to_string(), shown));
  }
}

Status SimCluster::log_transaction(const std::vector<Write>& writes, Form form, const std::vector<ClusterTime>& times,
                                   const std::optional<EntrySession>& session) {
  const auto context = entry_context();
  if (form == Form::kBatch) {
    store_.append(times[0], batch_entry(context, times[0], writes));
    return {};
  }
  const EntrySession owner = session.value_or(EntrySession{new_uuid(), 1});
  const std::size_t parts = times.size();
  std::size_t done = 0;
  ClusterTime previous;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t left = parts - part - 1;
    const std::size_t most = writes.size() - done - left;
    const std::size_t take = left == 0 ? most : 1 + random().below(most);
    const std::vector<Write> own(writes.begin() + done, writes.begin() + done + take);
    done += take;
    const int total = left == 0 && parts > 1 ? static_cast<int>(writes.size()) : 0;
    store_.append(times[part], transaction_entry(context, times[part], own, owner, previous, left > 0, total));
    previous = times[part];
  }
  return {};
}

Status SimCluster::write_prepared(const std::vector<Write>& writes, const EntrySession& session) {
  const auto prepared = reserve(1).front();
  std::vector<DocumentPtr> before;
  for (const auto& write : writes) before.push_back(store_.latest(write.uuid, write.key));
  store_.append(prepared, prepare_entry(entry_context(), prepared, writes, session));
  scheduler_.wake(&store_);
  const int term = term_;
  scheduler_.sleep_for(milliseconds(random().below(random().coin() ? 10 : 1'500)));
  // An election leaves a prepared transaction to its client, who gives it up here.
  if (!has_primary_) return check_primary();
  bool fits = term_ == term;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    fits = fits && store_.find(writes[i].uuid) != nullptr && store_.find(writes[i].uuid)->info.ns == writes[i].ns &&
           store_.latest(writes[i].uuid, writes[i].key) == before[i];
  }
  const auto ts = reserve(1).front();
  fits = fits && store_.apply(writes, ts, true).has_value();
  store_.append(ts, decision_entry(entry_context(), ts, session, prepared, fits));
  scheduler_.record(ts.value());
  scheduler_.wake(&store_);
  if (!fits) return {};
  if (scheduler_.tracing()) trace_writes(writes, ts);
  if (on_written) on_written(writes, true);
  return {};
}

Status SimCluster::enter_user_write() {
  TRY(check_primary());
  if (write_block_ && write_block_effective()) {
    return fail(ErrorCode::kFailure, "User writes blocked", 371);
  }
  ++user_writes_;
  return {};
}

Status SimCluster::set_write_block(bool enabled) {
  if (!at_least(6)) return fail(ErrorCode::kUnsupported, "no such command: 'setUserWriteBlockMode'", 59);
  ++block_changes_;
  if (enabled && lock_held.count() > 0) scheduler_.sleep_for(lock_held);
  --block_changes_;
  write_block_ = enabled;
  note(bson::make_document({{"msg", "write block"}}));
  if (on_write_block) on_write_block(enabled);
  return {};
}

void SimCluster::enter_session(const Uuid& session) {
  while (busy_.contains(session)) scheduler_.block("the session", &busy_);
  busy_.insert(session);
}

void SimCluster::leave_session(const Uuid& session) {
  busy_.erase(session);
  scheduler_.wake(&busy_);
}

}  // namespace drover::sim
