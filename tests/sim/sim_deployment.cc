#include "sim_deployment.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/hash.h"

namespace drover::sim {

using cluster::Facts;
using cluster::WriteBlock;
using std::chrono::milliseconds;
namespace {

bool holds_a_cutover(SimCluster& cluster) {
  const auto* log = cluster.store().find(Namespace{std::string(kStateDatabase), "x_cutover"});
  return log != nullptr && !cluster.store().documents_at(log->info.uuid, cluster.store().last()).empty();
}

}  // namespace

// A request or reply on its way. Usually short, now and then long enough for much else to happen.
void SimDeployment::travel() {
  const auto latency = cluster_.faults().latency.count() * 1000;
  auto& random = cluster_.random();
  auto micros = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(latency) * 2 + 100));
  if (random.below(50) == 0) micros += static_cast<std::int64_t>(random.below(50'000));
  if (random.chance(cluster_.faults().slow)) micros += static_cast<std::int64_t>(random.below(8'000'000));
  scheduler_.sleep_for(std::chrono::microseconds(micros));
}

bool SimDeployment::cut_off(bool& delivered) {
  constexpr milliseconds kSocketTimeout{5'000};
  auto& random = cluster_.random();
  if (scheduler_.now() >= cut_until_) {
    if (!random.chance(cluster_.faults().cut)) return false;
    cut_until_ = scheduler_.now() + milliseconds(random.below(random.coin() ? 500 : 12'000));
    half_open_ = random.coin();
    scheduler_.trace(cluster_.options().name + (half_open_ ? ": half open" : ": cut off"));
  }
  delivered = half_open_;
  scheduler_.sleep_for(kSocketTimeout);
  return true;
}

void SimDeployment::send_late(Kind kind, std::function<void()> execute) {
  ++cluster_.requests_under_way;
  auto* cluster = &cluster_;
  const auto delay = milliseconds(cluster_.random().below(cluster_.random().coin() ? 100 : 10'000));
  scheduler_.spawn("late request to " + cluster_.options().name, nullptr, [cluster, delay, kind, execute = std::move(execute)] {
    cluster->scheduler().sleep_for(delay);
    const bool lost = kind == Kind::kLateCatalog && holds_a_cutover(*cluster);
    cluster->scheduler().trace(lost ? "a late request is lost" : "a late request arrives");
    if (!lost) execute();
    --cluster->requests_under_way;
  });
}

Error SimDeployment::as_side(Error error) const {
  if (error.code == ErrorCode::kFailure) error.code = side_;
  if (error.server_code == 217) scheduler_.fail(error.message);
  return error;
}

Status SimDeployment::catalog_call(std::string_view what, std::function<Status()> execute, Kind kind, bool detached) {
  auto* cluster = &cluster_;
  const Uuid session = detached ? Uuid{} : catalog_session_;
  const auto result = call<bool>(what, kind, [cluster, session, execute = std::move(execute)]() -> Result<bool> {
    TRY(cluster->check_primary());
    const SimCluster::CatalogOperation running(*cluster, session);
    const int term = cluster->term();
    TRY(execute());
    TRY(cluster->await_majority(cluster->store().last(), term));
    return true;
  });
  if (!result) return tl::unexpected(result.error());
  return {};
}

Result<Facts> SimDeployment::facts() {
  return call<Facts>("facts", Kind::kRead, [this]() -> Result<Facts> {
    TRY(cluster_.check_primary());
    Facts facts;
    facts.version = cluster_.options().version;
    facts.fcv = {facts.version.major, facts.version.minor, 0};
    facts.set_name = cluster_.options().name;
    const auto hash = bson::hash64(cluster_.options().name);
    std::memcpy(facts.replica_set_id.bytes.data(), &hash, sizeof hash);
    facts.primary = cluster_.options().name + ":27017";
    facts.is_writable_primary = true;
    facts.authorization = cluster_.options().authorization;
    facts.hosts = {facts.primary};
    return facts;
  });
}

Result<bson::Document> SimDeployment::run_command(const std::string&, bson::View command) {
  return fail(ErrorCode::kUnsupported, fmt::format("the simulator has no command {}", command.first().key()), 59);
}

Result<ClusterTime> SimDeployment::majority_time() {
  return call<ClusterTime>("majority_time", Kind::kRead, [this]() -> Result<ClusterTime> {
    TRY(cluster_.await_readable({}));
    return cluster_.majority();
  });
}

Result<ClusterTime> SimDeployment::append_note(bson::View message) {
  return call<ClusterTime>("append_note", Kind::kRead,
                           [this, note = bson::Document(message)]() -> Result<ClusterTime> {
    TRY(cluster_.check_primary());
    if (cluster_.random().chance(cluster_.faults().note_refused)) {
      return tl::unexpected(temporary("Unable to acquire lock", 107));
    }
    const int term = cluster_.term();
    const auto ts = cluster_.note(note);
    TRY(cluster_.await_majority(ts, term));
    return cluster_.majority();
  });
}

Status SimDeployment::create_collection(const Namespace& ns, bson::View options, const bson::Document* id_index) {
  const auto index = id_index == nullptr ? std::nullopt : std::optional<bson::Document>(*id_index);
  return catalog_call("create " + ns.to_string(), [this, ns, options = bson::Document(options), index] {
    return cluster_.create(ns, options, index ? &*index : nullptr);
  });
}

Status SimDeployment::check_bound(SimCluster& cluster, const Namespace& ns, const Uuid& uuid) {
  const auto* entry = cluster.store().find(ns);
  if (entry != nullptr && entry->info.uuid == uuid) return {};
  return fail(ErrorCode::kFailure, "Collection UUID does not match that specified", 361);
}

// A drop that is bound is done once, whenever it comes.
template <typename F>
Status SimDeployment::bound_call(std::string_view what, const Namespace& ns, const cluster::CatalogCall& call, F execute) {
  const bool bound = is_bound(call);
  const std::string text = std::string(what) + " " + ns.to_string();
  auto checked = [cluster = &cluster_, ns, bound, uuid = call.collection, execute = std::move(execute)]() -> Status {
    if (bound) TRY(check_bound(*cluster, ns, uuid));
    return execute();
  };
  const auto kind = what != "drop" ? Kind::kCatalog : bound ? Kind::kLateCatalog : ns.db == kStateDatabase ? Kind::kStateDrop : Kind::kCatalog;
  return catalog_call(text, checked, kind);
}

Status SimDeployment::drop_collection(const Namespace& ns, const cluster::CatalogCall& call) {
  return bound_call("drop", ns, call, [cluster = &cluster_, ns] {
    auto status = cluster->drop(ns);
    return !status && status.error().server_code == 26 ? Status() : status;
  });
}

Status SimDeployment::rename_collection(const Namespace& from, const Namespace& to, bool drop_target,
                                        const cluster::CatalogCall& call) {
  return bound_call("rename", from, call,
                    [cluster = &cluster_, from, to, drop_target] { return cluster->rename(from, to, drop_target); });
}

// Whoever has the name when it comes gets the indexes, and a collection is made when nobody has.
Status SimDeployment::create_indexes(const Namespace& ns, std::span<const bson::Document> specs,
                                     const cluster::CatalogCall& call) {
  const auto execute = [cluster = &cluster_, ns, specs = std::vector<bson::Document>(specs.begin(), specs.end()),
                        bound = is_bound(call), uuid = call.collection]() -> Status {
    if (bound) TRY(check_bound(*cluster, ns, uuid));
    if (cluster->store().find(ns) == nullptr) TRY(cluster->create(ns, bson::View(), nullptr));
    const Uuid own = cluster->store().find(ns)->info.uuid;
    for (const auto& spec : specs) {
      const auto* entry = cluster->store().find(own);
      if (entry == nullptr) return fail(ErrorCode::kFailure, "collection dropped", 276);
      TRY(cluster->create_index(Namespace(entry->info.ns), spec, false));
    }
    return {};
  };
  return catalog_call("createIndexes " + ns.to_string(), execute, Kind::kLateCatalog, call.detached);
}

Status SimDeployment::drop_index(const Namespace& ns, const std::string& name, const cluster::CatalogCall& call) {
  return bound_call("dropIndexes", ns, call, [cluster = &cluster_, ns, name] {
    auto status = cluster->drop_index(ns, name);
    const bool gone = !status && (status.error().server_code == 26 || status.error().server_code == 27);
    return gone ? Status() : status;
  });
}

Status SimDeployment::coll_mod(const Namespace& ns, bson::View fields, const cluster::CatalogCall& call) {
  return bound_call("collMod", ns, call,
                    [cluster = &cluster_, ns, fields = bson::Document(fields)] { return cluster->coll_mod(ns, fields); });
}

Status SimDeployment::abort_index_builds(const Namespace& ns, const Uuid& collection) {
  return catalog_call("abort index builds of " + ns.to_string(), [cluster = &cluster_, collection]() -> Status {
    cluster->abort_index_builds(collection);
    return {};
  });
}

Result<WriteBlock> SimDeployment::write_block() {
  return call<WriteBlock>("write_block", Kind::kRead, [this]() -> Result<WriteBlock> {
    TRY(cluster_.check_primary());
    return WriteBlock{cluster_.at_least(6), cluster_.write_block_effective(), cluster_.write_block()};
  });
}

Status SimDeployment::set_write_block(bool enabled) {
  return catalog_call(enabled ? "block writes" : "allow writes",
                      [this, enabled] { return cluster_.set_write_block(enabled); }, Kind::kWriteBlock);
}

Result<cluster::RunningWrites> SimDeployment::running_writes() {
  return call<cluster::RunningWrites>("running writes", Kind::kRead, [this]() -> Result<cluster::RunningWrites> {
    TRY(cluster_.check_primary());
    cluster::RunningWrites running;
    running.others = cluster_.user_writes();
    running.block_changes = cluster_.block_changes();
    for (std::size_t i = 0; i < cluster_.open_transactions.size(); ++i)
      running.transactions.push_back({std::to_string(i), std::chrono::duration_cast<std::chrono::microseconds>(cluster_.open_transactions[i])});
    return running;
  });
}

}  // namespace drover::sim
