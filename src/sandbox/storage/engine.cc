#include "sandbox/storage/engine.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sandbox/storage/engine_impl.h"
#include "sandbox/storage/oplog_entry.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view kFormat = "1";
constexpr Duration kJournalInterval = 100ms;
// While a wait for the writer's lock may be cut short.
constexpr Duration kLookInterval = 20ms;
// Truncation removes this share of the oplog's cap at a time, so that it is rare.
constexpr std::uint64_t kTruncateShare = 16;
constexpr std::uint64_t kMarksOfOplog = 64;
constexpr std::size_t kOplogCounts = 4;  // OplogAmount::stored

std::int64_t stored_int(std::string_view bytes, std::size_t index) {
  return static_cast<std::int64_t>(from_big_endian(bytes.substr(index * 8, 8)));
}

// The oplog's own place in the catalog, made with the store.
bson::Document oplog_options(std::uint64_t bytes) {
  return bson::make_document({{"capped", true}, {"size", static_cast<std::int64_t>(bytes)}, {"autoIndexId", false}});
}

}  // namespace

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() {
  for (auto& thread : impl_->threads) thread->request_stop();
  impl_->threads.clear();
  if (impl_->store) (void)impl_->store->sync();
  // Views hold snapshots of the store.
  impl_->current.reset();
  for (auto& pins : impl_->pins) pins.clear();
}

const EngineOptions& Engine::options() const { return impl_->options; }
Runtime& Engine::runtime() { return impl_->runtime; }
kv::Store& Engine::store() { return *impl_->store; }

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options, Runtime& runtime, Log& log) {
  auto impl = std::make_unique<Impl>(std::move(options), runtime, log);
  impl->store = TRY(kv::Store::open({.path = impl->options.dbpath,
                                     .key_spaces = {"meta", "records", "indexes", "oplog"},
                                     .scanned = {kOplog},
                                     .memory_bytes = impl->options.memory_bytes,
                                     .in_memory = impl->options.in_memory}));
  TRY(impl->recover());
  std::unique_ptr<Engine> engine(new Engine(std::move(impl)));
  TRY(engine->prepare());
  if (engine->impl_->options.background) {
    engine->impl_->threads.push_back(runtime.spawn("journal", [e = engine.get()](std::stop_token stop) { e->impl_->run_journal(stop); }));
    engine->impl_->threads.push_back(
        runtime.spawn("housekeeping", [e = engine.get()](std::stop_token stop) { e->impl_->run_housekeeping(stop); }));
  }
  return engine;
}

// Reads what the store holds. Everything is as the last commit left it: there is nothing to redo.
Status Engine::Impl::recover() {
  if (const auto format = TRY(store->get(kMeta, "format")); format && *format != kFormat) {
    return fail(ErrorCode::kUnsupported, fmt::format("the data in '{}' has format {}, this version reads {}", options.dbpath, *format, kFormat));
  }
  auto fresh = std::make_shared<Catalog>();
  if (const auto value = TRY(store->get(kMeta, "ident"))) next_ident = from_big_endian(*value);
  auto it = store->iterate(kMeta);
  for (it->seek("c"); it->valid() && it->key().starts_with("c"); it->next()) {
    auto collection = TRY(from_stored(view_of(it->value()), options.version));
    if (const auto counters = TRY(store->get(kMeta, meta_key('n', collection->ident)))) {
      collection->counters->with([&](auto& c) { c = {stored_int(*counters, 0), stored_int(*counters, 1)}; });
    }
    for (const auto& index : collection->indexes) {
      if (const auto bits = TRY(store->get(kMeta, meta_key('m', index->ident)))) index->multikey->store(from_big_endian(*bits));
    }
    fresh->put(std::move(collection));
  }
  TRY(it->status());
  catalog = std::move(fresh);
  oplog_max = options.oplog_bytes;
  if (const auto oplog = catalog->find(Namespace{"local", "oplog.rs"})) oplog_max = static_cast<std::uint64_t>(oplog->capped_size);
  if (const auto bytes = TRY(store->get(kMeta, "oplog"))) {
    oplog_written.bytes = static_cast<std::uint64_t>(stored_int(*bytes, 0));
    oplog_removed.bytes = static_cast<std::uint64_t>(stored_int(*bytes, 1));
    oplog_marked = oplog_written.bytes;
    if (bytes->size() >= kOplogCounts * sizeof(std::uint64_t)) {
      oplog_written.entries = static_cast<std::uint64_t>(stored_int(*bytes, 2));
      oplog_removed.entries = static_cast<std::uint64_t>(stored_int(*bytes, 3));
    } else {  // as earlier versions stored it
      auto entries = store->iterate(kOplog);
      for (entries->seek(""); entries->valid(); entries->next()) ++oplog_written.entries;
      TRY(entries->status());
    }
  }
  auto entries = store->iterate(kOplog);
  entries->seek_to_last();
  if (entries->valid()) {
    last_committed = last_time = bson::Timestamp::from_value(from_big_endian(entries->key()));
    term = view_of(entries->value())["t"].to_int64().value_or(kFirstTerm);
  }
  entries->seek("");
  if (entries->valid()) oldest_oplog = bson::Timestamp::from_value(from_big_endian(entries->key()));
  if (oplog_removed.bytes > 0) oplog_removed_to = bson::Timestamp::from_value(oldest_oplog.value() - 1);  // or before: nothing says when
  return entries->status();
}

// What a member finds when it starts: the collections that every replica set has, and no half-built index.
Status Engine::prepare() {
  auto unit = begin_write();
  TRY(unit->refresh_all_views());
  const auto id_index = plain_id_index();
  if (!unit->catalog().find(Namespace{"local", "oplog.rs"})) {
    unit->set_replicated(false);
    kv::IndexedBatch& batch = unit->batch();
    batch.put(kMeta, "format", kFormat);
    TRY(unit->create_collection({"local", "oplog.rs"}, oplog_options(impl_->oplog_max), bson::View()));
    const auto versions = TRY(unit->create_collection({"admin", "system.version"}, bson::View(), id_index));
    const auto fcv = fmt::format("{}.{}", impl_->options.version.major, impl_->options.version.minor);
    TRY(unit->insert(versions, bson::make_document({{"_id", "featureCompatibilityVersion"}, {"version", fcv}})));
    unit->set_replicated(true);
    unit->log_note(bson::make_document({{"msg", "initiating set"}}));
  }
  // Those of the version that runs now, which may not be the one that made the data.
  const auto version = impl_->options.version;
  unit->set_replicated(false);
  if (!unit->catalog().find(sessions_namespace())) TRY(unit->create_collection(sessions_namespace(), bson::View(), id_index));
  if (version >= kRetryImagesSince && !unit->catalog().find(retry_images_namespace())) {
    TRY(unit->create_collection(retry_images_namespace(), bson::View(), id_index));
  }
  if (version >= kPreImagesSince && !unit->catalog().find(pre_images_namespace())) {
    TRY(unit->create_collection(pre_images_namespace(), bson::View(), id_index));
  }
  unit->set_replicated(true);
  TRY(tidy(*unit));
  TRY(unit->commit());
  impl_->elected = last_committed();
  if (const auto oplog = impl_->catalog->find(Namespace{"local", "oplog.rs"})) impl_->largest_entry = oplog->largest_seen;
  return {};
}

ReadViewPtr Engine::Impl::view_locked() {
  if (!current) current = std::make_shared<const ReadView>(ReadView{store->snapshot(), last_committed, catalog});
  return current;
}

// While the batch is written everybody reads `current`, the state before it. So no view ever has a part of a commit, and
// its ts says exactly what it holds.
Status Engine::Impl::write(kv::IndexedBatch& batch, bson::Timestamp first, bson::Timestamp last, CatalogPtr new_catalog,
                           OplogAmount logged) {
  ReadViewPtr before;
  {
    std::lock_guard lock(state);
    before = view_locked();
    const OplogAmount written{oplog_written.bytes + logged.bytes, oplog_written.entries + logged.entries};
    if (logged.entries > 0) batch.put_blind(kMeta, "oplog", written.stored(oplog_removed));
  }
  TRY(store->write(batch, false));
  dirty = true;
  std::lock_guard lock(state);
  if (!last.is_zero()) {
    if (handed_out) {
      auto& kept = pins[static_cast<int>(*handed_out)];
      kept[before->ts] = Pin{before, first, runtime.now()};
      if (kept.size() > kMaxPinnedViews) kept.erase(kept.begin());
    }
    handed_out.reset();
    last_committed = last;
    if (oldest_oplog.is_zero()) oldest_oplog = first;
  }
  oplog_written.bytes += logged.bytes;
  oplog_written.entries += logged.entries;
  if (logged.entries > 0 && oplog_written.bytes - oplog_marked >= oplog_max / kMarksOfOplog) {
    oplog_marks.push_back({last, oplog_written});
    oplog_marked = oplog_written.bytes;
  }
  if (logged.entries > 0 && oplog_overflows()) overflowing.notify_all();
  if (new_catalog) catalog = std::move(new_catalog);
  current.reset();
  changed.notify_all();
  return {};
}

ReadViewPtr Engine::view() {
  std::lock_guard lock(impl_->state);
  return impl_->view_locked();
}

Result<ReadViewPtr> Engine::view_at(bson::Timestamp ts) {
  std::lock_guard lock(impl_->state);
  if (ts >= impl_->last_committed) {
    impl_->handed_out = HandOut::kAskedFor;
    return impl_->view_locked();
  }
  for (auto& pins : impl_->pins) {
    auto it = pins.upper_bound(ts);
    if (it == pins.begin()) continue;
    --it;
    if (ts < it->second.until) return it->second.view;
  }
  return fail(ErrorCode::kFailure,
              fmt::format("Read timestamp Timestamp({}, {}) is older than the oldest available timestamp.", ts.seconds, ts.increment),
              code::kSnapshotTooOld);
}

bson::Timestamp Engine::last_committed() const {
  std::lock_guard lock(impl_->state);
  return impl_->last_committed;
}

bson::Timestamp Engine::cluster_time() const { return std::max(last_committed(), bson::Timestamp::from_value(impl_->heard_time)); }

void Engine::advance_cluster_time(bson::Timestamp heard) {
  auto known = impl_->heard_time.load();
  while (known < heard.value() && !impl_->heard_time.compare_exchange_weak(known, heard.value())) {
  }
}

bson::Timestamp Engine::hand_out_time(HandOut kind) {
  std::lock_guard lock(impl_->state);
  impl_->handed_out = impl_->handed_out ? std::max(*impl_->handed_out, kind) : kind;
  return impl_->last_committed;
}

namespace {
template <typename Ready>
bool wait_until(std::mutex& mutex, std::condition_variable_any& changed, Duration timeout, const std::stop_token& stop, Ready ready) {
  std::unique_lock lock(mutex);
  if (timeout == Duration::zero()) return changed.wait(lock, stop, ready);
  return changed.wait_for(lock, stop, timeout, ready);
}
}  // namespace

bool Engine::wait_for(bson::Timestamp ts, Duration timeout, const std::stop_token& stop) {
  return wait_until(impl_->state, impl_->changed, timeout, stop, [&] { return impl_->last_committed >= ts; });
}

bool Engine::wait_for_oplog(bson::Timestamp position, Duration timeout, const std::stop_token& stop) {
  return wait_until(impl_->state, impl_->changed, timeout, stop, [&] { return impl_->last_committed > position; });
}

std::uint64_t Engine::transactions_ended() const {
  std::lock_guard lock(impl_->state);
  return impl_->transactions_ended;
}

bool Engine::wait_for_transaction_end(std::uint64_t seen, Duration timeout, const std::stop_token& stop) {
  return wait_until(impl_->state, impl_->changed, timeout, stop, [&] { return impl_->transactions_ended != seen; });
}

bson::Timestamp Engine::oldest_oplog_time() const {
  std::lock_guard lock(impl_->state);
  return impl_->oldest_oplog;
}

std::uint64_t Engine::oplog_max_bytes() const {
  std::lock_guard lock(impl_->state);
  return impl_->oplog_max;
}

std::uint64_t Engine::oplog_bytes() const {
  std::lock_guard lock(impl_->state);
  return impl_->oplog_written.bytes - impl_->oplog_removed.bytes;
}

std::int64_t Engine::oplog_entries() const {
  std::lock_guard lock(impl_->state);
  return static_cast<std::int64_t>(impl_->oplog_written.entries - impl_->oplog_removed.entries);
}

Status Engine::resize_oplog(std::uint64_t bytes) {
  auto unit = begin_write();
  unit->set_replicated(false);
  const auto oplog = unit->catalog().find(Namespace{"local", "oplog.rs"});
  TRY(unit->modify_collection(oplog, oplog_options(bytes), {}, bson::View(), bson::View()));
  TRY(unit->commit());
  std::lock_guard lock(impl_->state);
  impl_->oplog_max = bytes;
  return {};
}

Result<bson::Timestamp> Engine::append_note(bson::View note, const Patience& patience) {
  auto unit = TRY(begin_write(patience));
  unit->log_note(note);
  return unit->commit();
}

bool Engine::is_primary() const { return impl_->primary; }
std::int64_t Engine::term() const { return impl_->term; }

void Engine::step_down(const AtOnce& at_once) {
  std::lock_guard writing(impl_->writer);
  const auto change = [&] { impl_->primary = false; };
  at_once ? at_once(change) : change();
}

Status Engine::be_elected(const AtOnce& at_once) {
  const auto change_to = [&](bool primary) {
    const auto change = [&, primary] { impl_->primary = primary; };
    at_once ? at_once(change) : change();
  };
  auto unit = begin_write();
  if (impl_->primary) return {};
  if (impl_->write_locks > 0) return fail(ErrorCode::kTemporary, "writes are locked by fsync");
  const auto before = impl_->term.load();
  impl_->term = before + 1;
  impl_->term_starts.emplace(bson::Timestamp(), before);
  impl_->term_starts[unit->upcoming_time()] = before + 1;
  unit->log_note(bson::make_document({{"msg", "new primary"}}));
  const auto elected_at = unit->last_entry();
  if (!unit->catalog().find(sessions_namespace())) TRY(unit->create_collection(sessions_namespace(), bson::View(), plain_id_index()));
  TRY(tidy(*unit));
  change_to(true);
  if (const auto elected = unit->commit(); !elected) {
    change_to(false);
    return tl::unexpected(elected.error());
  }
  std::lock_guard lock(impl_->state);
  impl_->elected = elected_at;
  return {};
}

bson::Timestamp Engine::election_time() const {
  std::lock_guard lock(impl_->state);
  return impl_->elected;
}

std::int64_t Engine::Impl::term_at(bson::Timestamp entry) const {
  const auto after = term_starts.upper_bound(entry);
  return after == term_starts.begin() ? term.load() : std::prev(after)->second;
}

Result<std::unique_lock<std::timed_mutex>> Engine::Impl::lock_writer(const Patience& patience, WriteLocks locks) {
  std::unique_lock lock(writer, std::try_to_lock);
  const bool joins = locks == WriteLocks::kJoined;
  const auto is_mine = [&] { return lock && (joins || write_locks == 0); };
  const auto began = is_mine() ? SteadyTime() : runtime.now();
  while (!is_mine()) {
    if (lock) lock.unlock();
    if (patience.stop.stop_requested()) return fail(ErrorCode::kFailure, "operation was interrupted", code::kInterrupted);
    auto wait = kLookInterval;
    if (patience.timeout != kNoTimeout) wait = std::min(wait, patience.timeout - (runtime.now() - began));
    if (wait <= Duration::zero()) return fail(ErrorCode::kFailure, "operation exceeded time limit", code::kMaxTimeMsExpired);
    if (write_locks > 0 && !joins) runtime.sleep(wait, patience.stop);
    (void)lock.try_lock_for(wait);
  }
  return lock;
}

Result<std::int64_t> Engine::lock_writes(const Patience& patience) {
  // Others may lock while it waits for who commits: theirs are not waited for.
  const auto lock = TRY(impl_->lock_writer(patience, Impl::WriteLocks::kJoined));
  return ++impl_->write_locks;
}

std::optional<std::int64_t> Engine::unlock_writes() {
  for (auto locks = impl_->write_locks.load(); locks > 0;) {
    if (impl_->write_locks.compare_exchange_weak(locks, locks - 1)) return locks - 1;
  }
  return std::nullopt;
}

std::int64_t Engine::write_locks() const { return impl_->write_locks; }

std::unique_ptr<WriteUnit> Engine::begin_write() { return std::unique_ptr<WriteUnit>(new WriteUnit(*this, nullptr, std::unique_lock(impl_->writer))); }

Result<std::unique_ptr<WriteUnit>> Engine::begin_write(const Patience& patience) {
  auto lock = TRY(impl_->lock_writer(patience));
  return std::unique_ptr<WriteUnit>(new WriteUnit(*this, nullptr, std::move(lock)));
}

std::unique_ptr<Transaction> Engine::begin_transaction(ReadViewPtr view) {
  return std::unique_ptr<Transaction>(new Transaction(*this, std::move(view)));
}

// One fsync serves everybody who came before it began.
Status Engine::make_durable() {
  auto& s = *impl_;
  std::unique_lock lock(s.durable);
  const auto mine = ++s.sync_wanted;
  while (s.sync_done < mine) {
    if (s.syncing) {
      s.durable_changed.wait(lock);
      continue;
    }
    s.syncing = true;
    const auto target = s.sync_wanted;
    lock.unlock();
    auto result = s.store->sync();
    lock.lock();
    s.sync_result = std::move(result);
    s.sync_done = target;
    s.syncing = false;
    s.durable_changed.notify_all();
  }
  return s.sync_result;
}

void Engine::Impl::run_journal(const std::stop_token& stop) {
  while (runtime.sleep(kJournalInterval, stop)) {
    if (!dirty.exchange(false)) continue;
    if (const auto result = store->sync(); !result) log.error("writing the journal failed", {{"error", result.error().message}});
  }
}

// By time, and by what is written: within one interval of time an oplog can be written many times over.
void Engine::Impl::run_housekeeping(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(state);
      overflowing.wait_for(lock, stop, options.housekeeping_interval, [&] { return oplog_overflows(); });
    }
    if (stop.stop_requested()) return;
    drop_old_pins();
    if (const auto result = truncate_oplog(); !result) log.error("truncating the oplog failed", {{"error", result.error().message}});
  }
}

void Engine::Impl::drop_old_pins() {
  std::lock_guard lock(state);
  const auto now = runtime.now();
  const Duration windows[2] = {kCasualSnapshotWindow, kSnapshotWindow};
  for (int kind = 0; kind < 2; ++kind) {
    while (!pins[kind].empty() && now - pins[kind].begin()->second.made > windows[kind]) pins[kind].erase(pins[kind].begin());
  }
}

std::string Engine::Impl::OplogAmount::stored(const OplogAmount& removed) const {
  std::string out = big_endian(bytes);
  for (const auto number : {removed.bytes, entries, removed.entries}) append_big_endian(out, number);
  return out;
}

// `state` is held. It is looked at again after another share of its size only: a single entry may be larger than all of it may be.
bool Engine::Impl::oplog_overflows() const {
  const auto share = oplog_max / kTruncateShare;
  return oplog_written.bytes - oplog_removed.bytes > oplog_max + share && oplog_written.bytes - oplog_looked_at > share;
}

// `state` is held. The first mark behind so much, or the last one there is; those before it are forgotten.
std::optional<Engine::Impl::OplogMark> Engine::Impl::mark_behind(std::uint64_t written, bson::Timestamp newest) {
  while (!oplog_marks.empty() && oplog_marks.front().written.bytes <= oplog_removed.bytes) oplog_marks.pop_front();
  std::optional<OplogMark> found;
  while (!oplog_marks.empty() && oplog_marks.front().last < newest && (!found || found->written.bytes < written)) {
    // A mark is behind all that was written before this start: that is cut piece by piece before it comes to the first of them.
    if (!found && oplog_marks.front().written.bytes - oplog_removed.bytes > 2 * (written - oplog_removed.bytes)) return std::nullopt;
    found = oplog_marks.front();
    oplog_marks.pop_front();
  }
  return found;
}

// From the front, in the store's own batch: this changes no state at any time that a view can have, but for the oplog's
// own beginning, which every server truncates as it likes.
Status Engine::Impl::truncate_oplog() {
  std::uint64_t excess = 0;
  bson::Timestamp newest;
  std::optional<OplogMark> mark;
  OplogAmount removed;
  {
    std::lock_guard lock(state);
    newest = last_committed;
    oplog_looked_at = oplog_written.bytes;
    const auto size = oplog_written.bytes - oplog_removed.bytes;
    if (size <= oplog_max + oplog_max / kTruncateShare) return {};
    excess = size - oplog_max;
    mark = mark_behind(oplog_removed.bytes + excess, newest);
    if (mark) removed = {mark->written.bytes - oplog_removed.bytes, mark->written.entries - oplog_removed.entries};
  }
  auto it = store->iterate(kOplog);
  bson::Timestamp last = mark ? mark->last : bson::Timestamp();
  // What was written before the start has no marks.
  for (it->seek(mark ? big_endian(mark->last.value() + 1) : ""); it->valid() && !mark && removed.bytes < excess; it->next()) {
    const auto time = bson::Timestamp::from_value(from_big_endian(it->key()));
    if (time >= newest) break;
    last = time;
    removed.bytes += it->value().size();
    ++removed.entries;
  }
  if (!it->valid() || removed.entries == 0) return it->status();
  const auto new_oldest = bson::Timestamp::from_value(from_big_endian(it->key()));
  std::lock_guard writing(writer);  // the counters are written by commits too
  {
    std::lock_guard lock(state);
    oldest_oplog = new_oldest;  // readers behind it are refused before the entries go
    oplog_removed_to = last;
    oplog_removed.bytes += removed.bytes;
    oplog_removed.entries += removed.entries;
  }
  kv::Batch batch;
  batch.remove_range(kOplog, "", big_endian(new_oldest.value()));
  batch.put(kMeta, "oplog", oplog_written.stored(oplog_removed));
  auto cut = store->write(batch, false);
  std::lock_guard lock(state);
  if (cut) {
    current.reset();  // it has what was cut
  } else {  // all of it is still there, and is cut another time
    oplog_removed.bytes -= removed.bytes;
    oplog_removed.entries -= removed.entries;
  }
  return cut;
}

}  // namespace drover::sandbox
