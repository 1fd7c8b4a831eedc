#include "engine/planner.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "bson/builder.h"
#include "engine/catalog_store.h"
#include "engine/mutants.h"
#include "engine/oplog_parser.h"
#include "engine/retry.h"
#include "engine/server_codes.h"

namespace drover::engine {
namespace {
inline constexpr int kMostListings = 1000;
inline constexpr std::int64_t kAllIdsUpTo = 20000;
inline constexpr std::chrono::milliseconds kWindowWait{200};

// Every second bound goes until they fit the plan's document.
void thin_out(std::vector<bson::Value>& bounds) {
  for (;;) {
    std::size_t bytes = 0;
    for (const auto& bound : bounds) bytes += bound.element().size() + 8;
    if (bytes <= kPlanBytes) return;
    std::vector<bson::Value> kept;
    for (std::size_t i = 1; i < bounds.size(); i += 2) kept.push_back(std::move(bounds[i]));
    bounds = std::move(kept);
  }
}

std::vector<CollectionInfo> wanted_of(std::vector<CollectionInfo> all, const NamespaceFilter& filter) {
  std::erase_if(all, [&](const CollectionInfo& info) {
    return is_system_collection(info.ns.collection) || !filter.matches(info.ns);
  });
  for (auto& info : all) info.options = portable_options(info.options);
  return all;
}

}  // namespace

bson::Document portable_options(bson::View options) {
  bson::Builder builder;
  for (const auto& option : options)
    if (option.key() != "temp" && option.key() != "autoIndexId") builder.append_raw(option);
  return std::move(builder).finish();
}

Result<std::vector<CollectionInfo>> list_wanted(cluster::Deployment& deployment, const std::string& db,
                                                const NamespaceFilter& filter) {
  return wanted_of(TRY(deployment.list_collections(db)), filter);
}

Result<std::vector<std::string>> list_wanted_databases(cluster::Deployment& deployment, const NamespaceFilter& filter) {
  auto databases = TRY(deployment.list_databases());
  std::erase_if(databases, [&](const std::string& db) { return is_internal_database(db) || !filter.selects_some_of(db); });
  return databases;
}

// A system collection may have come since the checks were made.
Result<std::vector<CollectionInfo>> Planner::list_source(const std::string& db) {
  auto all = TRY(source_.list_collections(db));
  for (const auto& info : all) {
    if (is_system_collection(info.ns.collection) && filter_.matches(info.ns)) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("listing the source's collections: {} is a system collection, which this version does not carry; drop "
                              "it, or exclude its database",
                              info.ns.to_string()));
    }
  }
  return wanted_of(std::move(all), filter_);
}

Result<Listing> Planner::list(const std::stop_token& stop) {
  Listing listing;
  std::map<std::string, std::vector<CollectionInfo>> by_database;
  std::set<std::string> pending;
  bool first = true;
  for (int round = 0; round < kMostListings; ++round) {
    // Before and after everything that the listing can see, each an entry that a majority has.
    const auto from = TRY(note(stop));
    const auto databases =
        TRY(retry_temporary(runtime_, stop, [&] { return list_wanted_databases(source_, filter_); }));
    for (const auto& db : databases)
      if (first || !by_database.contains(db)) pending.insert(db);
    first = false;
    for (const auto& db : pending)
      by_database[db] = TRY(retry_temporary(runtime_, stop, [&] { return list_source(db); }));
    const auto until = TRY(note(stop));
    auto [changed, elected] = TRY(retry_temporary(runtime_, stop, [&] { return look_at(from, until, stop); }));
    if (elected) changed.insert(pending.begin(), pending.end());
    bool unseen = elected;
    for (const auto& db : changed) unseen |= pending.insert(db).second;
    for (auto it = pending.begin(); it != pending.end();) {
      if (changed.contains(*it)) {
        ++it;
      } else {
        listing.listed_at[*it] = until;
        it = pending.erase(it);
      }
    }
    listing.listed_default = until;
    if (pending.empty() && !unseen) break;
    log_.info(elected ? "the source elected a primary while its catalog was listed; listing again"
                      : "the source's catalog changed while it was listed; listing again",
              {{"databases", static_cast<std::int64_t>(pending.size())}});
  }
  if (!pending.empty()) {
    return fail(ErrorCode::kSource,
                fmt::format("listing the source's collections: the catalog of database {} never stood still for one "
                            "listing; pause what creates and drops collections there for a moment and start again",
                            *pending.begin()));
  }
  for (auto& [db, infos] : by_database) {
    for (auto& info : infos) (info.is_view() ? listing.views : listing.collections).push_back(std::move(info));
  }
  return listing;
}

Result<ClusterTime> Planner::note(const std::stop_token& stop) {
  const auto message = bson::make_document({{"drover", "listing"}});
  return retry_temporary(runtime_, stop, [&] { return source_.append_note(message); });
}

// Which databases had a catalog change in (from, until], both the times of notes. A database that a listing round finds changed is listed
// again in the next, whose window begins later.
Result<Planner::Window> Planner::look_at(ClusterTime from, ClusterTime until, const std::stop_token& stop) {
  Window window;
  std::optional<std::int64_t> term;
  auto cursor = TRY(source_.tail_oplog(from));
  ClusterTime at = from;
  while (at < until) {
    for (const auto& entry : TRY(cursor->next(kWindowWait, stop))) {
      const auto parsed = TRY(parse_oplog_entry(entry, true));
      at = parsed.ts;
      if (at > until) break;
      const auto its = entry["t"].to_int64().value_or(0);
      window.elected = window.elected || (term ? *term != its : at != from);
      term = its;
      if (at == from) continue;
      for (const auto& event : parsed.events) {
        if (!event.is_ddl() || !filter_.selects_some_of(event.ns.db)) continue;
        window.changed.insert(event.ns.db);
        if (event.kind == ChangeKind::kRename) window.changed.insert(event.target.db);
      }
    }
    if (stop.stop_requested()) return tl::unexpected(stopped_error());
  }
  return window;
}

// Few documents, perhaps large ones: their _ids are read from the index, which costs less than sampling.
Result<std::vector<bson::Value>> Planner::all_ids(const Collection& collection, const std::stop_token& stop) {
  cluster::RangeRead range;
  range.ns = collection.info.ns;
  range.uuid = collection.info.uuid;
  range.at.time = TRY(source_.majority_time());
  range.ids_only = true;
  auto cursor = TRY(source_.read_range(range));
  std::vector<bson::Value> ids;
  for (bool last = false; !last;) {
    const auto batch = TRY(cursor->next(stop));
    last = batch.last;
    for (const auto& item : batch.array) ids.emplace_back(item.document_value()["_id"]);
  }
  return ids;
}

Status Planner::partition(Collection& collection, const std::stop_token& stop) {
  const auto size = TRY(retry_temporary(runtime_, stop, [&] { return source_.size_of(collection.info.ns); }));
  collection.documents_expected = size.documents;
  collection.bytes_expected = size.bytes;
  // Which letters a collation puts first is the server's to say, whose tables are older than ours: what we took for one
  // partition might be read with another.
  const auto wanted = collection.collator ? 1 : std::clamp<std::int64_t>(size.bytes / partition_bytes_, 1, kMostPartitions);
  std::vector<bson::Value> bounds;
  if (wanted > 1 && size.documents > wanted) {
    auto drawn = retry_temporary(runtime_, stop, [&]() -> Result<std::vector<bson::Value>> {
      if (size.documents <= kAllIdsUpTo) return all_ids(collection, stop);
      // Above 5 % of the documents the server's $sample scans and sorts them all.
      const auto samples = std::min<std::int64_t>(wanted * kSamplesPerPartition, size.documents / 21);
      return source_.sample_ids(collection.info.ns, collection.info.uuid, static_cast<int>(samples));
    });
    if (!drawn && drawn.error().server_code != kServerNamespaceNotFound) return tl::unexpected(std::move(drawn).error());
    auto sampled = drawn ? std::move(*drawn) : std::vector<bson::Value>();  // dropped meanwhile: its drop is on the way
    std::vector<std::pair<std::string, bson::Value>> keyed;
    for (auto& id : sampled) keyed.emplace_back(collection.key_of(id.element()), std::move(id));
    std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::int64_t i = 1; i < wanted; ++i) {
      const auto at = static_cast<std::size_t>(i) * keyed.size() / static_cast<std::size_t>(wanted);
      if (at >= keyed.size()) break;
      if (!bounds.empty() && collection.key_of(bounds.back().element()) >= keyed[at].first) continue;
      bounds.push_back(keyed[at].second);
    }
  }
  thin_out(bounds);
  set_partitions(collection, bounds);
  if (mutant("plan_bounds_closed") && !bounds.empty()) collection.partitions.back()->max = bounds.back();
  return {};
}

}  // namespace drover::engine
