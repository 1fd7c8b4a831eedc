#include "engine/count_check.h"

#include <map>
#include <optional>

#include <fmt/format.h>

#include "bson/builder.h"
#include "engine/retry.h"

namespace drover::engine {
namespace {

inline constexpr int kLooks = 3;  // what is inserted or deleted by the million just now may look like a difference once
inline constexpr std::chrono::seconds kBetweenLooks{2};
inline constexpr std::chrono::seconds kCatchUp{30};

struct Short {
  Namespace ns;
  std::int64_t source = 0;
  std::int64_t destination = 0;
};

bool much_less(std::int64_t destination, std::int64_t source) {
  return source - destination > kCountsMayDiffer && destination < source / 2;
}

// nullopt inside: nothing is short.
Result<std::optional<Short>> look(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime,
                                  Catalog& catalog, ChangeRouter& router, bool& caught_up, const std::stop_token& stop) {
  std::vector<Namespace> all;
  {
    MonitorLock lock(router.lock());
    for (const auto& [uuid, collection] : catalog.collections)
      if (!collection->gone) all.push_back(collection->info.ns);
  }
  const auto count = [&](cluster::Deployment& side, const Namespace& ns) {
    return retry_temporary(runtime, stop, [&] { return side.size_of(ns); });
  };
  std::map<Namespace, std::int64_t> on_source;
  for (const auto& ns : all)
    if (const auto documents = TRY(count(source, ns)).documents; documents > kCountsMayDiffer) on_source[ns] = documents;
  // What was counted there is to be here before it is counted here.
  const auto counted = TRY(retry_temporary(runtime, stop, [&] { return source.majority_time(); }));
  const Status arrived = router.await_applied(counted, kCatchUp, stop);
  caught_up = arrived.has_value();
  if (!arrived && arrived.error().code != ErrorCode::kTimedOut) return tl::unexpected(arrived.error());
  if (!arrived) return std::optional<Short>();
  for (const auto& [ns, documents] : on_source) {
    const auto here = TRY(count(destination, ns)).documents;
    if (much_less(here, documents)) return std::optional(Short{ns, documents, here});
  }
  return std::optional<Short>();
}

// After an unclean shutdown a server's books may be wrong for good. So it is asked to count, which takes as long as reading an
// index through; nothing when it cannot.
std::optional<std::int64_t> counted(cluster::Deployment& side, const Namespace& ns) {
  bson::Builder command;
  command.append("aggregate", ns.collection);
  {
    auto pipeline = command.open_array("pipeline");
    auto stage = pipeline.open_document();
    auto group = stage.open_document("$group");
    group.append("_id", bson::Null{});
    group.open_document("n").append("$sum", 1);
  }
  command.open_document("cursor");
  command.append("hint", "_id_");
  const auto reply = side.run_command(ns.db, std::move(command).finish());
  if (!reply) return std::nullopt;
  return reply->view().at_path("cursor.firstBatch.0.n").to_int64().value_or(0);
}

}  // namespace

Result<bool> counts_agree(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Catalog& catalog,
                          ChangeRouter& router, const std::stop_token& stop) {
  std::optional<Short> found;
  for (int i = 0; i < kLooks; ++i) {
    if (i > 0 && !runtime.sleep(kBetweenLooks, stop)) return tl::unexpected(stopped_error());
    bool caught_up = false;
    found = TRY(look(source, destination, runtime, catalog, router, caught_up, stop));
    if (!caught_up) return false;
    if (!found) return true;
  }
  const auto here = counted(destination, found->ns), there = counted(source, found->ns);
  if (here && there && !much_less(*here, *there)) return true;
  return fail(ErrorCode::kSource,
              fmt::format("the copy came up short: the source counts {} documents in {}, but reading it brought only {} to the "
                          "destination, so there is no cutover. If a count is wrong (after an unclean shutdown it can be), run "
                          "validate on that collection on both sides and start the same command again",
                          found->source, found->ns.to_string(), found->destination));
}

}  // namespace drover::engine
