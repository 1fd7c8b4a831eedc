#include "sandbox/changestream/event_source.h"

#include <algorithm>

#include <fmt/core.h>

#include "sandbox/commands/command.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox::changestream {

namespace {

// How many entries are read between two looks at the clock.
constexpr int kEntriesPerLook = 256;

bson::Timestamp one_later(bson::Timestamp time) { return bson::Timestamp::from_value(time.value() + 1); }

tl::unexpected<Error> history_lost() {
  Error error{ErrorCode::kFailure, "Resume of change stream was not possible, as the resume point may no longer be in the oplog.", 286, {}};
  error.labels = {"NonResumableChangeStreamError"};
  return tl::unexpected(std::move(error));
}

// Since 6.0: a document of config.system.preimages.
Result<std::optional<bson::Document>> kept_image(Engine& engine, const Operation& operation) {
  const auto view = engine.view();
  const auto images = view->catalog->find(pre_images_namespace());
  if (!images || !operation.uuid) return std::optional<bson::Document>();
  const auto id = bson::make_document({{"_id", pre_image_id(*operation.uuid, operation.entry, operation.entry_index)}});
  const auto found = TRY(make_reader(engine, view)->find_by_id(*images, id["_id"]));
  if (!found) return std::optional<bson::Document>();
  return std::optional(bson::Document(found->document["preImage"].document_value()));
}

// Before: a no-op entry that the operation's points to.
Result<std::optional<bson::Document>> logged_image(Engine& engine, const Operation& operation) {
  if (!operation.pre_image) return std::optional<bson::Document>();
  const auto entry = TRY(oplog_entry_at(engine, *operation.pre_image));
  if (!entry) return std::optional<bson::Document>();
  const auto image = (*entry)["o"].to_document();
  return image ? std::optional(bson::Document(*image)) : std::nullopt;
}

Lookups make_lookups(Engine& engine) {
  Lookups lookups;
  lookups.current_document = [&engine](const Uuid& uuid, const bson::Element& id) -> Result<std::optional<bson::Document>> {
    const auto view = engine.view();
    const auto collection = view->catalog->find(uuid);
    if (!collection) return std::optional<bson::Document>();
    auto found = TRY(make_reader(engine, view)->find_by_id(*collection, id));
    if (!found) return std::optional<bson::Document>();
    return std::optional(std::move(found->document));
  };
  lookups.before = [&engine](const Operation& operation) {
    return engine.options().version >= kPreImagesSince ? kept_image(engine, operation) : logged_image(engine, operation);
  };
  return lookups;
}

bson::Timestamp start_of(Engine& engine, const Options& options) {
  if (options.start_at) return *options.start_at;
  if (!options.resume) return one_later(engine.last_committed());
  // After an invalidation comes what has a later time; an event itself is met again and skipped.
  return options.resume->from_invalidate ? one_later(options.resume->time) : options.resume->time;
}

// Whether the oplog has everything that was ever written: it begins with the set's own beginning.
Result<bool> is_whole(Engine& engine, bson::Timestamp oldest) {
  const auto first = TRY(oplog_entry_at(engine, oldest));
  return first && first->view().at_path("o.msg").to_string_view() == std::string_view("initiating set");
}

}  // namespace

Result<std::unique_ptr<EventSource>> EventSource::open(Engine& engine, Options options) {
  const auto start = start_of(engine, options);
  const auto oldest = engine.oldest_oplog_time();
  const bool asked = options.start_at || options.resume;
  if (asked && !oldest.is_zero() && start < oldest && !TRY(is_whole(engine, oldest))) return history_lost();
  return std::unique_ptr<EventSource>(new EventSource(engine, std::move(options), start));
}

EventSource::EventSource(Engine& engine, Options options, bson::Timestamp start)
    : engine_(engine), options_(std::move(options)), lookups_(make_lookups(engine)), oplog_(engine.oplog(start)), start_(start),
      read_to_(start.is_zero() ? start : bson::Timestamp::from_value(start.value() - 1)) {
  if (options_.resume && options_.resume->is_event && !options_.resume->from_invalidate) {
    auto at = *options_.resume;
    // A fragment's event comes again: whoever splits it leaves out what the client has.
    resume_inside_ = at.fragment.has_value();
    at.fragment.reset();
    resume_at_ = at.to_hex();
  }
}

std::size_t EventSource::kept_bytes() const {
  std::size_t bytes = transaction_ ? transaction_->entry.size() + transaction_->commit.size() : 0;
  for (const auto& event : ready_) bytes += event.document.size();
  return bytes;
}

Result<std::unique_ptr<EventSource>> EventSource::again_after(ResumeToken token) const {
  auto options = options_;
  options.start_at.reset();
  options.resume = std::move(token);
  return open(engine_, std::move(options));
}

ResumeToken EventSource::position() const {
  const bool inside = transaction_ || !ready_.empty();
  if (last_ && (inside || last_->time >= read_to_)) return *last_;
  if (resume_at_ || (options_.resume && read_to_ < options_.resume->time)) return *options_.resume;
  if (last_ && last_->time >= read_to_) return *last_;
  const auto reached = std::max(read_to_, start_);
  return ResumeToken::high_water_mark(reached, options_.token_version_at(reached));
}

Result<std::optional<Event>> EventSource::next(SteadyTime scan_until) {
  for (;;) {
    auto event = TRY(next_unfiltered(scan_until));
    if (!event) return event;
    if (resume_at_ && TRY(is_before_resume(*event))) continue;
    last_ = event->token;
    return event;
  }
}

// True while events up to and including the one to resume after go by.
Result<bool> EventSource::is_before_resume(const Event& event) {
  const auto token = event.token.to_hex();
  if (token == *resume_at_) {
    resume_at_.reset();
    if (resume_inside_) return false;
    last_ = event.token;
    return true;
  }
  if (token < *resume_at_) return true;
  Error error{ErrorCode::kFailure,
              fmt::format("cannot resume stream; the resume token was not found. {{ _data: \"{}\" }}", *resume_at_), 280, {}};
  error.labels = {"NonResumableChangeStreamError"};
  return tl::unexpected(std::move(error));
}

Result<std::optional<Event>> EventSource::next_unfiltered(SteadyTime scan_until) {
  int entries = 0;
  for (;;) {
    if (!ready_.empty()) {
      auto event = std::move(ready_.front());
      ready_.pop_front();
      if (event.token.from_invalidate) ended_ = true;
      return std::optional(std::move(event));
    }
    if (ended_) return std::optional<Event>();
    if (transaction_) {
      auto event = TRY(from_transaction());
      if (event) return event;
      continue;
    }
    if (++entries % kEntriesPerLook == 0 && engine_.runtime().now() >= scan_until) return std::optional<Event>();
    if (!TRY(take_entry())) return std::optional<Event>();
  }
}

// Reads one entry of the oplog. False at its end.
Result<bool> EventSource::take_entry() {
  auto entry = oplog_->next();
  if (!entry) {
    if (entry.error().server_code == 136) return history_lost();
    return tl::unexpected(std::move(entry).error());
  }
  if (!*entry) return false;
  const auto view = **entry;
  const auto operation = Operation::parse(view);
  read_to_ = operation.time;
  if (operation.op == "c" && operation.o.first().key() == "applyOps") {
    // Parts of a transaction that is not complete yet are read when its last entry comes. Without a session it is a
    // batch of an administrator, which streams do not show.
    if (!operation.o["partialTxn"].is_truthy() && view["lsid"]) TRY(begin_transaction(view));
    return true;
  }
  auto event = TRY(make_event(options_, operation, lookups_));
  if (event) {
    const bool invalidates = event->invalidates;
    ready_.push_back(std::move(*event));
    if (invalidates) queue_invalidate(ready_.back(), operation);
  }
  return true;
}

void EventSource::queue_invalidate(Event& event, const Operation& operation) {
  ready_.push_back(make_invalidate(options_, event, operation));
}

Status EventSource::begin_transaction(bson::View entry) {
  TransactionState state;
  state.commit = bson::Document(entry);
  state.parts.push_back(*entry["ts"].to_timestamp());
  auto previous = entry.at_path("prevOpTime.ts").to_timestamp().value_or(bson::Timestamp());
  while (!previous.is_zero()) {
    const auto part = TRY(oplog_entry_at(engine_, previous));
    if (!part) return history_lost();
    state.parts.push_back(previous);
    previous = part->view().at_path("prevOpTime.ts").to_timestamp().value_or(bson::Timestamp());
  }
  transaction_ = std::move(state);
  return load_part();
}

Status EventSource::load_part() {
  auto& state = *transaction_;
  const auto time = state.parts.back();
  state.parts.pop_back();
  auto entry = TRY(oplog_entry_at(engine_, time));
  if (!entry) return history_lost();
  state.entry = std::move(*entry);
  state.entry_time = time;
  state.operations.clear();
  state.next = 0;
  if (const auto list = state.entry.view().at_path("o.applyOps").to_array()) {
    for (const auto& item : *list) state.operations.push_back(item.document_value());
  }
  return {};
}

// The transaction's next event, or nothing when an operation was none of the stream's or the transaction is over.
Result<std::optional<Event>> EventSource::from_transaction() {
  auto& state = *transaction_;
  if (state.next == state.operations.size()) {
    if (state.parts.empty()) {
      transaction_.reset();
    } else {
      TRY(load_part());
    }
    return std::optional<Event>();
  }
  auto operation = Operation::parse(state.operations[state.next]);
  operation.entry = state.entry_time;
  operation.entry_index = static_cast<std::int64_t>(state.next++);
  operation.time = *state.commit["ts"].to_timestamp();
  operation.wall = state.commit["wall"];
  operation.txn_index = state.index++;
  operation.lsid = state.commit["lsid"].to_document();
  operation.txn_number = state.commit["txnNumber"].to_int64().value_or(0);
  return make_event(options_, operation, lookups_);
}

}  // namespace drover::sandbox::changestream
