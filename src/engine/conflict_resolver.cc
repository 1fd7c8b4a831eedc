#include "engine/conflict_resolver.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "engine/id_text.h"
#include "engine/mutants.h"
#include "engine/server_codes.h"
#include "engine/source_read.h"

namespace drover::engine {
namespace {

// Each round can only add holders that were hidden behind the ones before; a source whose indexes hold has an end.
inline constexpr int kMaxRounds = 50;
// After this many it is worth asking whether the source still has the index.
inline constexpr int kRoundsBeforeDoubt = 3;

// Documents that hold each other's values in a chain are written together; one transaction takes no more than these.
inline constexpr std::size_t kLargestGroup = 10'000;
inline constexpr std::size_t kLargestGroupBytes = 48 << 20;
// Of those that a group begins with, by what documents were like lately.
inline constexpr std::size_t kMostTogether = 64;
inline constexpr std::size_t kTogetherBytes = 4 << 20;
inline constexpr std::size_t kOfUnknownSize = 8;
inline constexpr std::size_t kMostNamed = 10;  // in an error

tl::unexpected<Error> too_large(const Namespace& ns, std::size_t size) {
  return fail(ErrorCode::kFailure,
              fmt::format("{} documents of {} have to be written in one transaction, because each holds a value of a "
                          "unique index that another one needs: more than {}, or {} MiB; start again when fewer of these values move "
                          "at a time",
                          size, ns.to_string(), kLargestGroup, kLargestGroupBytes >> 20));
}

using Group = std::map<std::string, bson::Value>;  // logical key → _id

// One of the same name may have taken an index's place on the source.
bool refuses_alike(bson::View index, bson::View other) {
  for (const auto* field : {"name", "key", "unique", "sparse", "partialFilterExpression"})
    if (index[field].exists() != other[field].exists() || (index[field].exists() && !index[field].same_value_bytes(other[field])))
      return false;
  return true;
}

std::string names(const Group& group) {
  std::string text;
  std::size_t named = 0;
  for (const auto& [key, id] : group) {
    if (named++ == kMostNamed) return fmt::format("{} and {} more", text, group.size() - kMostNamed);
    text += (text.empty() ? "" : ", ") + id_text(id.element());
  }
  return text;
}

// Of documents that are read at once before their size is known. By what they were like lately: one large document does not make all groups of
// its collection small. Where they turn out larger the reading ends, and they are taken one by one.
std::size_t most_together(const Collection& collection) {
  const std::size_t lately = mutant("groups_by_the_largest_ever") ? 0 : collection.lately.bytes();
  const std::size_t size = lately > 0 ? lately : collection.largest.load();
  return size == 0 ? kOfUnknownSize : std::clamp<std::size_t>(kTogetherBytes / size, 1, kMostTogether);
}

}  // namespace

Status ConflictResolver::resolve(Collection& collection, std::span<const bson::Value> refused, ClusterTime after, WriteSession& session,
                                 const std::stop_token& stop) {
  for (std::size_t at = 0, count = 0; at < refused.size(); at += count) {
    count = std::min(most_together(collection), refused.size() - at);
    const auto some = refused.subspan(at, count);
    const Status done = resolve_together(collection, some, after, session, stop);
    if (done) {
      TRY(session.settle(stop));
      continue;
    }
    const auto code = done.error().code;
    const bool may_be_the_groups = (code == ErrorCode::kFailure || code == ErrorCode::kSource || code == ErrorCode::kDestination) &&
                                   done.error().server_code != kServerTransactionTooOld;
    if (some.size() == 1 || !may_be_the_groups || stop.stop_requested()) return done;
    for (std::size_t one = 0; one < some.size(); ++one) {
      TRY(resolve_together(collection, some.subspan(one, 1), after, session, stop));
      TRY(session.settle(stop));
    }
  }
  return {};
}

Status ConflictResolver::resolve_together(Collection& collection, std::span<const bson::Value> refused, ClusterTime after,
                                          WriteSession& session, const std::stop_token& stop) {
  // A holder may be newer on the destination than the refused change.
  if (!mutant("holder_time_ignored")) after = std::max(after, collection.seen.newest());
  const Namespace ns = collection.info.ns;
  const auto unique = unique_indexes(collection.info);
  Group group;
  for (const auto& id : refused) group.emplace(collection.key_of(id.element()), id);
  const SteadyTime begun = runtime_.now();
  Duration pause = kFirstPause;
  Status refusal;
  // The destination stands still meanwhile: whom a document displaces there changes with the document alone.
  std::map<std::string, std::size_t> looked_up;  // logical key → hash of the document whose holders are in the group
  std::vector<bson::Value> found;                // since the last reading
  std::size_t known_bytes = 0;                   // of the group, as far as it was read
  // Several are together because they are few bytes, each with one or two that it displaces: where they are not, each of them is resolved by itself.
  const std::size_t most_bytes = refused.size() > 1 ? 3 * kTogetherBytes : kLargestGroupBytes;
  // Whether it is one of several that is refused for good is not found out by trying them together.
  const int rounds = refused.size() > 1 ? kRoundsBeforeDoubt + 1 : kMaxRounds;
  for (int round = 0; round < rounds; ++round) {
    const bool by_value = !refusal && refusal.error().server_code != kServerDuplicateKey;
    if (round == kRoundsBeforeDoubt || by_value) TRY(drop_indexes_gone_from_source(collection, stop));
    // A chain is followed by reading what is new in it; what is written is read at one time.
    const bool whole = found.empty();
    std::vector<bson::Value> ids;
    if (whole)
      for (const auto& [key, id] : group) ids.push_back(id);
    for (auto left = most_together(collection); left > 0 && !found.empty(); --left) {
      ids.push_back(std::move(found.back()));
      found.pop_back();
    }
    auto read = read_or_gone(source_, runtime_, stop, [&] {
      return retry_temporary(runtime_, stop, [&] { return source_.read_group(ns, collection.info.uuid, ids, after, most_bytes); });
    });
    if (!read && read.error().server_code == kServerNamespaceNotFound) return {};  // its drop is on the way
    if (!read) return tl::unexpected(std::move(read).error().with_context("reading conflicting documents of " + ns.to_string()));

    std::size_t bytes = 0, largest = 0;
    for (const auto& document : read->documents) {
      bytes += document.size();
      largest = std::max(largest, document.size());
    }
    raise(collection.largest, largest);
    collection.lately.note(largest);
    if (!read->complete) return too_large(ns, group.size());
    collection.seen.advance(read->operation_time);
    known_bytes = whole ? bytes : known_bytes + bytes;
    if (known_bytes > most_bytes) return too_large(ns, group.size());
    for (const auto& document : read->documents) {
      const auto& raw = document.bytes();
      const auto hash = std::hash<std::string_view>()({reinterpret_cast<const char*>(raw.data()), raw.size()});
      const auto [known, fresh] = looked_up.try_emplace(collection.key_of(document["_id"]), hash);
      if (!fresh && std::exchange(known->second, hash) == hash) continue;
      for (const auto& index : unique) {
        const auto holders = TRY(retry_temporary(runtime_, stop, [&] {
          return destination_.find_holders(ns, index, document);
        }));
        for (const auto& holder : holders)
          if (group.emplace(collection.key_of(holder.element()), holder).second) found.push_back(holder);
      }
    }
    if (!found.empty() || !whole) {
      if (group.size() > kLargestGroup) return too_large(ns, group.size());
      --round;  // only rounds that end in a refusal count
      continue;
    }

    std::vector<cluster::TransactionStatement> statements;
    for (const auto& [key, id] : group) {
      if (mutant("holder_deleted_blindly") && key == group.begin()->first) continue;
      statements.push_back({cluster::TransactionStatement::Kind::kDelete, ns, id, {}});
    }
    for (auto& document : read->documents)
      statements.push_back({cluster::TransactionStatement::Kind::kInsert, ns, {}, std::move(document)});
    const Status written = session.transaction(statements, stop);
    if (written) {
      for (const auto& [key, id] : group) collection.absorbed.absorb(key, {after, read->operation_time});
      return {};
    }
    if (written.error().code == ErrorCode::kTemporary) {
      // Not a round: a destination that is away for a while says nothing about the source's index.
      if (runtime_.now() - begun > kRetryFor) return written;
      if (!runtime_.sleep(pause, stop)) return tl::unexpected(stopped_error());
      pause = std::min<Duration>(pause * 2, kLongestPause);
      --round;
      continue;
    }
    pause = kFirstPause;
    if (written.error().code != ErrorCode::kDestination || written.error().server_code == kServerTransactionTooOld)
      return written;
    refusal = written;
    if (refusal.error().server_code == kServerDuplicateKey) looked_up.clear();
  }
  if (refusal.error().server_code != kServerDuplicateKey) {
    return tl::unexpected(Error(refusal.error())
                              .with_context(fmt::format("writing to {} what the source holds (_id {}), with the indexes that the "
                                                        "source has",
                                                        ns.to_string(), names(group))));
  }
  return fail(ErrorCode::kSource,
              fmt::format("a unique index of {} refuses documents that the source holds together (_id {}): the source "
                          "itself violates that index; repair the documents or drop the index there, then start again",
                          ns.to_string(), names(group)),
              kServerDuplicateKey);
}

// The source was read at a time when it no longer has the index; the change that drops it is still on its way here. Dropping
// it early does no harm: from that time on nobody is refused by it.
Status ConflictResolver::drop_indexes_gone_from_source(Collection& collection, const std::stop_token& stop) {
  const Namespace ns = collection.info.ns;
  const auto on_source =
      TRY(retry_temporary(runtime_, stop, [&] { return source_.find_collection(ns.db, collection.info.uuid); }));
  if (!on_source) return {};  // its drop is on the way
  const auto here =
      TRY(retry_temporary(runtime_, stop, [&] { return destination_.find_collection(ns.db, collection.destination_uuid); }));
  if (!here) return {};
  const auto wanted = secondary_indexes(*on_source);
  for (const auto& index : secondary_indexes(*here)) {
    if (std::any_of(wanted.begin(), wanted.end(), [&](const auto& other) { return refuses_alike(index, other); })) continue;
    TRY(on_destination_.drop_index(collection, std::string(index["name"].to_string_view().value_or("")), stop));
  }
  return {};
}

}  // namespace drover::engine
