#include "engine/change_applier.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "engine/server_codes.h"
#include "engine/source_read.h"

namespace drover::engine {
namespace {

inline constexpr std::size_t kMostIdsPerRead = 500;
inline constexpr std::size_t kIdsOfUnknownSize = 8;
inline constexpr std::size_t kStateReadBytes = 1 << 20;
inline constexpr std::size_t kWorthWaiting = 8;     // times as many _ids in one read
inline constexpr std::size_t kLargestReply = 17 << 20;  // 16 MiB of documents and what is about them

// So many of this size are about kStateReadBytes.
std::size_t ids_per_read(std::size_t size) {
  if (size == 0) return kIdsOfUnknownSize;
  return std::clamp<std::size_t>(kStateReadBytes / size, 1, kMostIdsPerRead);
}


}  // namespace

// The net change of one key in a batch.
struct ChangeApplier::KeyChange {
  std::string key;
  bson::Value id;             // as the last event spells it
  const ChangeEvent* last = nullptr;
  ClusterTime newest;
  bool by_state = false;
  bool other_spelling = false;  // its events spell the _id with other types: remove, then insert
  bool exists = false;          // outcome: `document` replaces it; else it is removed
  bson::View document;
  bson::Document state;         // owns `document` when it was read
};

Status ChangeApplier::run(BoundedQueue<LaneEvent>& in, const std::stop_token& stop) {
  std::vector<LaneEvent> batch;
  while (auto first = in.pop(stop)) {
    batch.clear();
    std::size_t bytes = first->change.bytes();
    batch.push_back(std::move(*first));
    while (batch.size() < kLaneBatchEvents && bytes < kLaneBatchBytes) {
      auto more = in.try_pop();
      if (!more) break;
      bytes += more->change.bytes();
      batch.push_back(std::move(*more));
    }
    ++in_flight_;
    std::vector<std::vector<LaneEvent*>> by_collection;  // in the order of their first events
    std::map<Collection*, std::size_t> positions;
    for (auto& event : batch) {
      const auto [at, fresh] = positions.emplace(event.collection.get(), by_collection.size());
      if (fresh) by_collection.emplace_back();
      by_collection[at->second].push_back(&event);
    }
    for (auto& events : by_collection) TRY(apply_collection(events, stop));
    --in_flight_;
    router_.applied(batch);
    batch.clear();  // gives back its share of the budget before it waits for more
  }
  return tl::unexpected(stopped_error());
}

Status ChangeApplier::apply_collection(std::span<LaneEvent*> events, const std::stop_token& stop) {
  Collection& collection = *events.front()->collection;
  auto gate = collection.gate.enter_shared(stop);
  if (!gate) return tl::unexpected(stopped_error());
  if (collection.gone) return {};
  for (const auto* event : events) collection.seen.advance(event->change.ts);
  Changes changes = net(collection, events);
  return write(collection, changes, gate, stop);
}

// Later events of a key replace earlier ones, for each outcome is a whole document or none. One that is older than what was
// absorbed is dropped; one within the absorbing read's interval goes by state.
ChangeApplier::Changes ChangeApplier::net(Collection& collection, std::span<LaneEvent*> events) {
  std::map<std::string_view, std::size_t> positions;
  Changes changes;
  for (const LaneEvent* event : events) {
    bool by_state = event->mode == ApplyMode::kByState || event->change.kind == ChangeKind::kUpdate;
    if (const auto read = collection.absorbed.find(event->key); read && !mutant("absorbed_ignored")) {
      if (event->change.ts <= (mutant("interval_as_point") ? read->until : read->after)) continue;
      if (event->change.ts <= read->until) by_state = true;
    }
    const auto [it, fresh] = positions.emplace(event->key, changes.size());
    if (fresh) {
      changes.emplace_back();
      changes.back().key = event->key;
    }
    KeyChange& change = changes[it->second];
    const bson::Value& id = event->change.key;
    if (!fresh && !id.element().same_value_bytes(change.id.element())) change.other_spelling = true;
    if (!fresh && mutant("netting_reorders")) continue;
    change.id = id;
    change.last = &event->change;
    change.newest = event->change.ts;
    change.by_state = by_state;
  }
  return changes;
}

Status ChangeApplier::write(Collection& collection, Changes& changes, CollectionGate::Hold& gate,
                            const std::stop_token& stop) {
  std::vector<KeyChange*> by_image, by_state, refused;
  for (auto& change : changes) {
    if (change.by_state) {
      by_state.push_back(&change);
      continue;
    }
    change.exists = change.last->kind != ChangeKind::kDelete;
    if (change.exists) {
      change.document = change.last->document.view();
      raise(collection.largest, change.document.size());
    }
    by_image.push_back(&change);
  }
  if (!by_image.empty()) TRY(write_portion(collection, by_image, refused, Admit::kHere, stop));
  for (std::size_t at = 0; at < by_state.size();) {
    // Each document once as it was read, and in the commands that it is sent in. While it is read it is there twice: as the driver
    // received it and as it hands it over, then as that and as taken from it; the reply is gone before a command is made.
    constexpr std::size_t kBytesPerByteRead = 1 + kBytesPerByteSent, kTimesWhileRead = 2;
    // So many as are read lately in one go, where there is room for what they may turn out to be: the read ends with the reply that
    // shows it. Else so many as will do whichever they are, unless these are so few that waiting is better.
    const std::size_t left = by_state.size() - at, largest = collection.largest, lately = collection.lately.bytes();
    const auto at_most = [&](std::size_t count) {
      return kTimesWhileRead * (largest > 0 ? std::min(count * std::max(largest, lately), kLargestReply) : kLargestReply);
    };
    auto count = std::min(ids_per_read(lately > 0 ? lately : largest), left);
    auto grant = budget_.try_admit(at_most(count));
    if (!grant) {
      const auto few = std::min(ids_per_read(std::max(largest, lately)), left);
      if (few * kWorthWaiting > count) count = few;
      grant = budget_.admit(at_most(count), stop);
    }
    if (!grant) return tl::unexpected(stopped_error());
    auto some = std::span(by_state).subspan(at, count);
    const auto read = read_states(collection, some, stop);
    if (!read && read.error().server_code == kServerNamespaceNotFound) return {};  // its drop is on the way
    some = some.first(TRY(read));
    at += some.size();
    std::size_t bytes = 0;
    for (const auto* change : some) bytes += change->state.size();
    grant.resize(kBytesPerByteRead * bytes);
    TRY(write_portion(collection, some, refused, Admit::kDone, stop));
    for (auto* change : some) change->state = {};
  }
  if (!refused.empty()) return resolve(collection, refused, gate, stop);
  return {};
}

// How many were read: these are the first of `changes` now.
Result<std::size_t> ChangeApplier::read_states(Collection& collection, std::span<KeyChange*> changes, const std::stop_token& stop) {
  std::vector<bson::Value> ids;
  std::map<std::string, KeyChange*> by_key;
  ClusterTime after;
  for (auto* change : changes) {
    ids.push_back(change->id);
    by_key[change->key] = change;
    after = std::max(after, change->newest);
  }
  if (mutant("state_read_early")) after = {};
  const auto most = changes.size() > 1 ? kStateReadBytes : cluster::kAllBytes;
  auto read = read_or_gone(source_, runtime_, stop, [&] {
    return retry_temporary(runtime_, stop, [&] { return source_.read_by_ids(collection.info.ns, collection.info.uuid, ids, after, most); });
  });
  if (!read) return tl::unexpected(std::move(read).error().with_context("reading " + collection.info.ns.to_string()));
  std::size_t largest = 0;
  for (auto& document : read->documents) {
    const auto found = by_key.find(collection.key_of(document["_id"]));
    if (found == by_key.end()) continue;
    KeyChange& change = *found->second;
    change.exists = true;
    change.state = std::move(document);
    change.document = change.state.view();
    largest = std::max(largest, change.document.size());
    if (!change.document["_id"].same_value_bytes(change.id.element())) change.other_spelling = true;
  }
  raise(collection.largest, largest);
  collection.lately.note(largest);
  collection.seen.advance(read->operation_time);
  if (!read->complete && !mutant("unread_is_absent")) {
    const auto unread = std::stable_partition(changes.begin(), changes.end(), [](const KeyChange* change) { return change->exists; });
    const auto count = static_cast<std::size_t>(unread - changes.begin());
    if (count == 0) return read_states(collection, changes.first(1), stop);  // that one is read to the end
    changes = changes.first(count);
  }
  for (auto* change : changes) collection.absorbed.absorb(change->key, {after, read->operation_time});
  return changes.size();
}

// Removals, then replacements in commands that fit. Keys that are refused are left in `refused`: by a unique index; by another
// index that the source has dropped meanwhile; or as no insert would be, for nested `$` names before 5.0 (52), dotted names
// (57) or an _id of another numeric type (66).
Status ChangeApplier::write_portion(Collection& collection, std::span<KeyChange*> changes,
                                    std::vector<KeyChange*>& refused, Admit admit, const std::stop_token& stop) {
  const Namespace& ns = collection.info.ns;
  std::vector<bson::Value> removals;
  for (const auto* change : changes) {
    if (!change->exists && change->by_state && mutant("absent_state_ignored")) continue;
    if (!change->exists || change->other_spelling) removals.push_back(change->id);
  }
  const auto failed = [&](Error error) {
    return tl::unexpected(std::move(error).with_context("applying changes to " + ns.to_string()));
  };
  const auto refusal = [&](const cluster::WriteError& error) {
    return failed(Error{ErrorCode::kDestination, error.message, error.code, {}});
  };
  if (!removals.empty()) {
    auto reply = session_.remove(ns, removals, stop);
    if (!reply) return failed(std::move(reply).error());
    if (!reply->errors.empty()) return refusal(reply->errors.front());
  }
  std::size_t at = 0;
  std::vector<KeyChange*> sent;
  std::vector<bson::View> documents;
  while (at < changes.size()) {
    sent.clear();
    documents.clear();
    std::size_t bytes = 0;
    for (; at < changes.size(); ++at) {
      if (!changes[at]->exists) continue;
      const std::size_t size = changes[at]->document.size();
      if (!sent.empty() && bytes + size > kLaneBatchBytes) break;
      bytes += size + 128;
      sent.push_back(changes[at]);
      documents.push_back(changes[at]->document);
    }
    if (sent.empty()) break;
    ByteBudget::Grant grant;
    if (admit == Admit::kHere && !(grant = budget_.admit(kBytesPerByteSent * bytes, stop))) return tl::unexpected(stopped_error());
    auto reply = session_.replace(ns, documents, stop);
    if (!reply) return failed(std::move(reply).error());
    for (const auto& error : reply->errors) refused.push_back(sent[static_cast<std::size_t>(error.index)]);
  }
  return {};
}

Status ChangeApplier::resolve(Collection& collection, std::span<KeyChange*> refused, CollectionGate::Hold& gate,
                              const std::stop_token& stop) {
  gate.release();
  auto alone = collection.gate.enter_exclusive(stop);
  if (!alone) return tl::unexpected(stopped_error());
  if (collection.gone) return {};
  std::vector<bson::Value> ids;
  ClusterTime newest;
  for (const auto* change : refused) {
    // Between the two gates another lane's group may have absorbed it at a later time.
    if (const auto read = collection.absorbed.find(change->key); read && change->newest <= read->after && !change->by_state)
      continue;
    ids.push_back(change->id);
    newest = std::max(newest, change->newest);
  }
  return resolver_.resolve(collection, ids, newest, session_, stop);
}

}  // namespace drover::engine
