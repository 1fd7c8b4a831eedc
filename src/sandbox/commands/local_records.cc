#include "sandbox/commands/local_records.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <unistd.h>

#include "bson/builder.h"
#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/server_facts.h"
#include "sandbox/commands/support.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

namespace {

constexpr std::int32_t kStartupLogBytes = 10 << 20;

// As durable and as unlike others as a collection that was made with the data.
std::optional<bson::ObjectId> replica_set_id(const Catalog& catalog) {
  const auto versions = catalog.find(Namespace{"admin", "system.version"});
  if (!versions) return std::nullopt;
  bson::ObjectId id;
  std::copy_n(versions->uuid.bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

Result<CollectionPtr> existing_or_new(WriteUnit& unit, const Namespace& ns, bson::View options) {
  const auto collection = unit.catalog().find(ns);
  if (!collection) return unit.create_collection(ns, options, default_id_index(nullptr));
  if (collection->is_view()) return server_error(code::kCommandNotSupportedOnView, fmt::format("{} is a view", ns.to_string()));
  return collection;
}

// "Mon Nov 30 17:33:54.123", as ctime() has it without the year.
std::string local_time(std::int64_t millis) {
  const std::time_t seconds = millis / 1000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%a %b %e %H:%M:%S", &parts);
  return fmt::format("{}.{:03}", text, millis % 1000);
}

Status remove_first(WriteUnit& unit, const CollectionPtr& collection) {
  std::optional<bson::Document> first;
  RecordId id = 0;
  {
    RecordCursor records(unit, *collection);
    if (const auto document = TRY(records.next())) {
      first = bson::Document(*document);
      id = records.id();
    }
  }
  return first ? unit.remove(collection, id, *first) : Status();
}

}  // namespace

Namespace configuration_namespace() { return {"local", "system.replset"}; }
Namespace startup_log_namespace() { return {"local", "startup_log"}; }

bson::Document replica_set_configuration(const Reader& reader, const ServerSettings& settings, std::int64_t term) {
  bson::Builder config;
  config.append("_id", settings.repl_set).append("version", 1).append("term", term);
  {
    auto members = config.open_array("members");
    auto member = members.open_document();
    member.append("_id", 0).append("host", fmt::format("{}:{}", settings.host, settings.port));
    member.append("arbiterOnly", false).append("buildIndexes", true).append("hidden", false).append("priority", 1.0);
    member.open_document("tags");
    member.append(settings.at_least(5, 0) ? "secondaryDelaySecs" : "slaveDelay", std::int64_t{0}).append("votes", 1);
  }
  config.append("protocolVersion", std::int64_t{1}).append("writeConcernMajorityJournalDefault", true);
  {
    auto tuning = config.open_document("settings");
    tuning.append("chainingAllowed", true).append("heartbeatIntervalMillis", 2000).append("heartbeatTimeoutSecs", 10);
    tuning.append("electionTimeoutMillis", 10000).append("catchUpTimeoutMillis", -1).append("catchUpTakeoverDelayMillis", 30000);
    tuning.open_document("getLastErrorModes");
    tuning.open_document("getLastErrorDefaults").append("w", 1).append("wtimeout", 0);
    if (const auto id = replica_set_id(reader.catalog())) tuning.append("replicaSetId", *id);
  }
  return std::move(config).finish();
}

Result<bool> record_configuration(Services& services) {
  const auto unit = begin_own_unit(services.engine);
  if (!unit) return false;
  unit->set_replicated(false);
  const auto collection = TRY(existing_or_new(*unit, configuration_namespace(), bson::View()));
  const auto configuration = replica_set_configuration(*unit, services.settings, services.engine.term());
  if (const auto before = TRY(unit->find_by_id(*collection, configuration["_id"]))) {
    if (before->document == configuration) return true;
    TRY(unit->update(collection, before->id, before->document, configuration, configuration));
  } else {
    TRY(remove_first(*unit, collection));  // the set had another name
    TRY(unit->insert(collection, configuration));
  }
  TRY(unit->commit());
  return true;
}

Status record_start(Services& services) {
  const auto now = wall_millis(services.runtime);
  const auto host = host_name();
  bson::Builder start;
  start.append("_id", fmt::format("{}-{}", host, now)).append("hostname", host).append("startTime", bson::DateTime{now});
  start.append("startTimeLocal", local_time(now)).append("cmdLine", parsed_options(services.settings));
  start.append("pid", static_cast<std::int64_t>(::getpid()));
  {
    auto build = start.open_document("buildinfo");
    append_build_info(build, services.settings.version, services.scripts != nullptr);
  }
  auto unit = services.engine.begin_write();
  unit->set_replicated(false);
  const auto collection = TRY(existing_or_new(*unit, startup_log_namespace(), bson::make_document({{"capped", true}, {"size", kStartupLogBytes}})));
  TRY(unit->insert(collection, std::move(start).finish()));
  return unit->commit().map([](bson::Timestamp) {});
}

}  // namespace drover::sandbox
