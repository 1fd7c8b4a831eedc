// getParameter, setParameter, and the feature compatibility version. Facts: corpus admin/fcv.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/ttl.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

namespace {

const Namespace kVersions{"admin", "system.version"};
constexpr std::string_view kFcv = "featureCompatibilityVersion";

std::string version_text(ServerVersion version) { return fmt::format("{}.{}", version.major, version.minor); }

Result<std::string> stored_fcv(const Reader& reader, ServerVersion version) {
  const auto collection = reader.catalog().find(kVersions);
  if (!collection) return version_text(version);
  const auto id = bson::make_document({{"_id", kFcv}});
  const auto record = TRY(reader.find_by_id(*collection, id["_id"]));
  if (!record) return version_text(version);
  return std::string(record->document["version"].to_string_view().value_or(""));
}

// Parameters that clients read or set. Those that may be set keep what they were set to; of them, the TTL monitor's, the lifetimes of
// transactions and cursors, notablescan and the SCRAM iterations change anything here.
class Parameters {
 public:
  Parameters() {
    add("logLevel", 0, true);
    add("authSchemaVersion", 5, false);  // tools that dump users and roles ask for it
    add("quiet", false, true);
    add("traceExceptions", false, true);
    add("notablescan", false, true);
    add("enableTestCommands", true, false);
    add("transactionLifetimeLimitSeconds", 60, true);
    add("cursorTimeoutMillis", std::int64_t{600000}, true);
    add("localLogicalSessionTimeoutMinutes", 30, false);
    add("ttlMonitorEnabled", true, true);
    add("ttlMonitorSleepSecs", 60, true);
    add("maxTransactionLockRequestTimeoutMillis", 5, true);
    add("internalQueryMaxBlockingSortMemoryUsageBytes", 104857600, true);
    add("internalQueryExecMaxBlockingSortBytes", 104857600, true);
    add("periodicNoopIntervalSecs", 10, false);
    add("minSnapshotHistoryWindowInSeconds", 300, false);
    add("writePeriodicNoops", true, false);
    add("syncdelay", 60.0, true);
    add("journalCommitInterval", 0, true);
    add("scramIterationCount", 10000, true);
    add("scramSHA256IterationCount", 15000, true);
    bson::Builder mechanisms;
    mechanisms.open_array("").append("SCRAM-SHA-1").append("SCRAM-SHA-256");
    values_.emplace("authenticationMechanisms", Entry{std::move(mechanisms).finish(), false});
  }
  struct Entry {
    bson::Document value;
    bool settable;
  };
  template <typename F>
  auto with(F&& f) {
    std::lock_guard lock(mutex_);
    return f(values_);
  }

 private:
  template <typename T>
  void add(std::string name, T value, bool settable) {
    values_.emplace(std::move(name), Entry{bson::make_document({{"", value}}), settable});
  }
  std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> values_;
};

Parameters& parameters() {
  static Parameters instance;
  return instance;
}

bson::Value parameter_value(std::string_view name) {
  return parameters().with([&](const auto& values) { return bson::Value(values.find(name)->second.value.view().first()); });
}

Status append_fcv(CommandContext& context, bson::Builder& out) {
  const auto reader = make_reader(context.engine(), context.engine().view());
  const auto version = TRY(stored_fcv(*reader, context.settings().version));
  out.open_document(kFcv).append("version", version);
  return {};
}

std::optional<std::int64_t> least_value(std::string_view name) {
  if (name == "transactionLifetimeLimitSeconds") return 1;
  if (name == "scramIterationCount" || name == "scramSHA256IterationCount") return 5000;
  return std::nullopt;
}

Result<bson::Document> get_parameter(CommandContext& context) {
  const auto first = context.body.first();
  const bool all = (first.is_string() && first.string_value() == "*") ||
                   (first.is_document() && first.document_value()["allParameters"].is_truthy());
  bson::Builder out;
  bool found = false;
  if (all || context.body[kFcv]) {
    TRY(append_fcv(context, out));
    found = true;
  }
  parameters().with([&](const auto& values) {
    for (const auto& [name, entry] : values) {
      if (!all && !context.body[name]) continue;
      found = true;
      out.append(name, entry.value.view().first());
    }
  });
  if (!found) return server_error(-1, "no option found to get");
  return std::move(out).finish();
}

// A parameter keeps its type, whatever number or truth it is given.
bson::Document converted(const bson::Element& given, bson::Type type) {
  bson::Builder out;
  if (type == bson::Type::kBool) {
    out.append("", given.is_truthy());
  } else if (given.is_number() && type == bson::Type::kInt32) {
    out.append("", static_cast<std::int32_t>(given.to_int64().value_or(0)));
  } else if (given.is_number() && type == bson::Type::kInt64) {
    out.append("", given.to_int64().value_or(0));
  } else if (given.is_number() && type == bson::Type::kDouble) {
    out.append("", given.to_double().value_or(0));
  } else {
    out.append("", given);
  }
  return std::move(out).finish();
}

Result<bson::Document> set_parameter(CommandContext& context) {
  bson::Builder out;
  bool any = false;
  for (const auto& field : context.body) {
    const auto name = field.key();
    if (name == "setParameter" || is_generic_field(name)) continue;
    const auto changed = parameters().with([&](auto& values) -> Result<bson::Document> {
      const auto at = values.find(name);
      if (at == values.end()) {
        return server_error(code::kInvalidOptions, fmt::format("attempted to set unrecognized parameter [{}], use help:true to see options ", name));
      }
      if (const auto least = least_value(name); least && field.to_int64().value_or(0) < *least) {
        return server_error(code::kBadValue, fmt::format("Invalid value for parameter {}: {} is not greater than or equal to {}", name, bson::to_shell(field), *least));
      }
      if (!at->second.settable) return server_error(20, fmt::format("not allowed to change [{}] at runtime", name));
      auto before = at->second.value;
      at->second.value = converted(field, before.view().first().type());
      return before;
    });
    if (!changed) return tl::unexpected(changed.error());
    if (!any) out.append("was", changed->view().first());
    any = true;
  }
  if (!any) return server_error(-1, "no option found to set, use help:true to see options ");
  return std::move(out).finish();
}

Status store_fcv(CommandContext& context, const std::string& version) {
  return in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto collection = TRY(collection_for_write(context, unit, kVersions, true));
    const auto after = bson::make_document({{"_id", kFcv}, {"version", version}});
    const auto record = TRY(unit.find_by_id(*collection, after["_id"]));
    if (!record) return unit.insert(collection, after).map([](RecordId) {});
    return unit.update(collection, record->id, record->document, after, after);
  });
}

Result<bson::Document> set_fcv(CommandContext& context) {
  const auto wanted = context.body.first().to_string_view();
  if (!wanted) return server_error(code::kTypeMismatch, "Command argument must be of type String");
  const auto version = context.settings().version;
  static const std::map<std::string, std::string, std::less<>> kPrevious = {
      {"4.4", "4.2"}, {"5.0", "4.4"}, {"6.0", "5.0"}, {"7.0", "6.0"}, {"8.0", "7.0"}};
  const auto own = version_text(version);
  const auto previous = kPrevious.find(own);
  if (*wanted != own && (previous == kPrevious.end() || *wanted != previous->second)) {
    return server_error(code::kBadValue, fmt::format("Invalid command argument. Expected '{}' or '{}', found {}", own,
                                                     previous == kPrevious.end() ? own : previous->second, bson::to_shell(context.body)));
  }
  if (version >= ServerVersion{7, 0, 0} && !context.body["confirm"].is_truthy()) {
    const auto reader = make_reader(context.engine(), context.engine().view());
    const bool upgrade = *wanted > TRY(stored_fcv(*reader, version));
    return server_error(7369100, upgrade ? "Once you have upgraded to " + std::string(*wanted) +
                                               ", you will not be able to downgrade FCV and binary version without support assistance. Please re-run "
                                               "this command with 'confirm: true' to acknowledge this and continue with the FCV upgrade."
                                         : "Once you have downgraded the FCV, if you choose to downgrade the binary version, it will require support "
                                           "assistance. Please re-run this command with 'confirm: true' to acknowledge this and continue with the FCV "
                                           "downgrade.");
  }
  TRY(store_fcv(context, std::string(*wanted)));
  return bson::Document();
}

constexpr auto kCluster = ResourceKind::kCluster;
constexpr Command kRows[] = {
    {.name = "getParameter", .flags = kAdminOnly, .resource = kCluster, .action = "getParameter", .handler = get_parameter,
     .help = "server parameters"},
    {.name = "setParameter", .flags = kAdminOnly, .resource = kCluster, .action = "setParameter", .handler = set_parameter,
     .help = "changes a server parameter"},
    {.name = "setFeatureCompatibilityVersion", .flags = kAdminOnly | kWrite, .resource = kCluster,
     .action = "setFeatureCompatibilityVersion", .handler = set_fcv, .help = "changes the feature compatibility version"},
};

}  // namespace

int scram_iterations(bool sha256) {
  return static_cast<int>(parameter_value(sha256 ? "scramSHA256IterationCount" : "scramIterationCount").element().to_int64().value_or(15000));
}
Duration cursor_timeout() {
  constexpr std::int64_t kNever = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::hours(24 * 365 * 100)).count();
  return std::chrono::milliseconds(std::clamp<std::int64_t>(parameter_value("cursorTimeoutMillis").element().to_int64().value_or(600000), 0, kNever));
}
bool refuses_table_scans() { return parameter_value("notablescan").element().is_truthy(); }
bool ttl_monitor_enabled() { return parameter_value("ttlMonitorEnabled").element().is_truthy(); }
Duration transaction_lifetime() {
  return std::chrono::seconds(std::max<std::int64_t>(1, parameter_value("transactionLifetimeLimitSeconds").element().to_int64().value_or(60)));
}
Duration ttl_monitor_sleep() {
  return std::chrono::seconds(std::max<std::int64_t>(1, parameter_value("ttlMonitorSleepSecs").element().to_int64().value_or(60)));
}

std::span<const Command> parameter_commands() { return kRows; }

}  // namespace drover::sandbox
