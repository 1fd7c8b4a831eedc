#include "sim_deployment.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/hash.h"

namespace drover::sim {

using cluster::Facts;
using cluster::WriteBlock;
using std::chrono::milliseconds;

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

void SimDeployment::send_late(std::function<void()> execute) {
  ++cluster_.requests_under_way;
  auto* cluster = &cluster_;
  const auto delay = milliseconds(cluster_.random().below(cluster_.random().coin() ? 100 : 10'000));
  scheduler_.spawn("late request to " + cluster_.options().name, nullptr, [cluster, delay, execute = std::move(execute)] {
    cluster->scheduler().sleep_for(delay);
    cluster->scheduler().trace("a late request arrives");
    execute();
    --cluster->requests_under_way;
  });
}

Error SimDeployment::as_side(Error error) const {
  if (error.code == ErrorCode::kFailure) error.code = side_;
  if (error.server_code == 217) scheduler_.fail(error.message);
  return error;
}

Status SimDeployment::catalog_call(std::string_view what, std::function<Status()> execute) {
  const auto result = call<bool>(what, Kind::kCatalog, [this, execute = std::move(execute)]() -> Result<bool> {
    TRY(cluster_.check_primary());
    const SimCluster::CatalogOperation running(cluster_, catalog_session_);
    const int term = cluster_.term();
    TRY(execute());
    TRY(cluster_.await_majority(cluster_.store().last(), term));
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

Status SimDeployment::drop_collection(const Namespace& ns) {
  return catalog_call("drop " + ns.to_string(), [this, ns] {
    auto status = cluster_.drop(ns);
    return !status && status.error().server_code == 26 ? Status() : status;
  });
}

Status SimDeployment::rename_collection(const Namespace& from, const Namespace& to, bool drop_target) {
  return catalog_call("rename " + from.to_string(),
                      [this, from, to, drop_target] { return cluster_.rename(from, to, drop_target); });
}

Status SimDeployment::create_indexes(const Namespace& ns, std::span<const bson::Document> specs) {
  return catalog_call("createIndexes " + ns.to_string(),
                      [this, ns, specs = std::vector<bson::Document>(specs.begin(), specs.end())]() -> Status {
    for (const auto& spec : specs) TRY(cluster_.create_index(ns, spec, false));
    return {};
  });
}

Status SimDeployment::drop_index(const Namespace& ns, const std::string& name) {
  return catalog_call("dropIndexes " + ns.to_string(), [this, ns, name] {
    auto status = cluster_.drop_index(ns, name);
    const bool gone = !status && (status.error().server_code == 26 || status.error().server_code == 27);
    return gone ? Status() : status;
  });
}

Status SimDeployment::coll_mod(const Namespace& ns, bson::View fields) {
  return catalog_call("collMod " + ns.to_string(),
                      [this, ns, fields = bson::Document(fields)] { return cluster_.coll_mod(ns, fields); });
}

Status SimDeployment::drop_state() {
  return catalog_call("drop state", [this]() -> Status {
    cluster_.drop_database(std::string(kStateDatabase));
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
                      [this, enabled] { return cluster_.set_write_block(enabled); });
}

Result<int> SimDeployment::running_user_writes() {
  return call<int>("running_user_writes", Kind::kRead, [this]() -> Result<int> {
    TRY(cluster_.check_primary());
    return cluster_.user_writes();
  });
}

}  // namespace drover::sim
