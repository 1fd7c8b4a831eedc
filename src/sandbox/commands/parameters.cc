#include "sandbox/commands/parameters.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

std::optional<std::int64_t> least_value(std::string_view name) {
  if (name == "transactionLifetimeLimitSeconds" || name == "ttlMonitorSleepSecs") return 1;
  if (name == "scramIterationCount" || name == "scramSHA256IterationCount") return 5000;
  return std::nullopt;
}

std::optional<std::int64_t> greatest_value(bson::Type type) {
  if (type == bson::Type::kInt32) return std::numeric_limits<std::int32_t>::max();
  return std::nullopt;
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

}  // namespace

Parameters::Parameters(std::string_view tls_mode) {
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
  add("internalQueryMaxBlockingSortMemoryUsageBytes", 104857600, false);  // it is what sorts may have, and stays so
  add("periodicNoopIntervalSecs", 10, false);
  add("minSnapshotHistoryWindowInSeconds", 300, false);
  add("writePeriodicNoops", true, false);
  add("maxAcceptableLogicalClockDriftSecs", std::int64_t{31536000}, false);
  add("syncdelay", 60.0, true);
  add("journalCommitInterval", 0, true);
  add("scramIterationCount", 10000, true);
  add("scramSHA256IterationCount", 15000, true);
  bson::Builder mechanisms;
  mechanisms.open_array("").append("MONGODB-X509").append("SCRAM-SHA-1").append("SCRAM-SHA-256");
  for (const auto* name : {"tlsMode", "sslMode"}) {
    std::string mode(tls_mode.empty() ? "disabled" : tls_mode);
    if (std::string_view(name) == "sslMode" && mode.ends_with("TLS")) mode.replace(mode.size() - 3, 3, "SSL");
    add(name, mode, false);
  }
  add("clusterAuthMode", std::string("undefined"), false);
  values_.emplace("authenticationMechanisms", Entry{std::move(mechanisms).finish(), false});
}

template <typename T>
void Parameters::add(std::string name, T value, bool settable) {
  auto document = bson::make_document({{"", value}});
  act_by(name, document.view().first());
  values_.emplace(std::move(name), Entry{std::move(document), settable});
}

std::size_t Parameters::append_to(bson::Builder& out, bson::View wanted, bool all) const {
  std::size_t found = 0;
  std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : values_) {
    if (!all && !wanted[name]) continue;
    ++found;
    out.append(name, entry.value.view().first());
  }
  return found;
}

Status Parameters::check_settable(std::string_view name) const {
  const auto at = values_.find(name);
  if (at == values_.end()) {
    return server_error(code::kInvalidOptions, fmt::format("attempted to set unrecognized parameter [{}], use help:true to see options ", name));
  }
  if (!at->second.settable) return server_error(code::kIllegalOperation, fmt::format("not allowed to change [{}] at runtime", name));
  return {};
}

Result<bson::Document> Parameters::set(const bson::Element& parameter) {
  const auto name = parameter.key();
  TRY(check_settable(name));
  std::lock_guard lock(mutex_);
  const auto at = values_.find(name);
  if (const auto least = least_value(name); least && parameter.to_int64().value_or(0) < *least) {
    return server_error(code::kBadValue, fmt::format("Invalid value for parameter {}: {} is not greater than or equal to {}", name, bson::to_shell(parameter), *least));
  }
  if (const auto most = greatest_value(at->second.value.view().first().type()); most && parameter.to_int64().value_or(0) > *most) {
    return server_error(code::kBadValue, fmt::format("Invalid value for parameter {}: {} is not less than or equal to {}", name, bson::to_shell(parameter), *most));
  }
  auto before = std::move(at->second.value);
  at->second.value = converted(parameter, before.view().first().type());
  act_by(name, at->second.value.view().first());
  return before;
}

void Parameters::act_by(std::string_view name, const bson::Element& value) {
  constexpr std::int64_t kLongestMillis = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::hours(24 * 365 * 100)).count();
  const auto number = value.to_int64().value_or(0);
  if (name == "notablescan") no_table_scan_ = value.is_truthy();
  if (name == "ttlMonitorEnabled") ttl_monitor_enabled_ = value.is_truthy();
  if (name == "ttlMonitorSleepSecs") ttl_monitor_sleep_seconds_ = std::max<std::int64_t>(1, number);
  if (name == "transactionLifetimeLimitSeconds") transaction_seconds_ = std::max<std::int64_t>(1, number);
  if (name == "cursorTimeoutMillis") cursor_millis_ = std::clamp<std::int64_t>(number, 0, kLongestMillis);
  if (name == "scramIterationCount") scram_sha1_iterations_ = static_cast<int>(number);
  if (name == "scramSHA256IterationCount") scram_sha256_iterations_ = static_cast<int>(number);
}

}  // namespace drover::sandbox
