#include <algorithm>

#include <fmt/format.h>

#include "preflight/checks.h"

namespace drover::preflight {
namespace {

std::string id_of(Side side, const char* what) { return fmt::format("{}-{}", side_name(side), what); }

bool is_known(const ServerVersion& version) {
  static constexpr ServerVersion kKnown[] = {{4, 4}, {5, 0}, {6, 0}, {7, 0}, {8, 0}};
  return std::any_of(std::begin(kKnown), std::end(kKnown), [&](const ServerVersion& known) {
    return known.major == version.major && known.minor == version.minor;
  });
}

std::string release(const ServerVersion& version) { return fmt::format("{}.{}", version.major, version.minor); }
ServerVersion without_patch(const ServerVersion& version) { return {version.major, version.minor, 0}; }

void check_version(Side side, const cluster::Facts& facts, Findings& findings) {
  if (!is_known(facts.version)) {
    findings.push_back({id_of(side, "version"), side, Severity::kRefuse, ErrorCode::kUnsupported,
                        fmt::format("it runs MongoDB {}, which this version does not know", facts.version.to_string()),
                        "use 4.4, 5.0, 6.0, 7.0 or 8.0"});
  } else if (facts.fcv != ServerVersion{} && without_patch(facts.fcv) != without_patch(facts.version)) {
    findings.push_back({id_of(side, "fcv"), side, Severity::kWarn, ErrorCode::kUnsupported,
                        fmt::format("it runs MongoDB {} with feature compatibility version {}", release(facts.version),
                                    release(facts.fcv)),
                        "finish its upgrade with setFeatureCompatibilityVersion"});
  }
}

bool is_zero(const bson::ObjectId& id) { return id == bson::ObjectId{}; }

// Two sets may have members of one name on different hosts; an id that both have decides.
bool is_same_set(const cluster::Facts& a, const cluster::Facts& b) {
  if (!is_zero(a.replica_set_id) && !is_zero(b.replica_set_id)) return a.replica_set_id == b.replica_set_id;
  if (a.set_name != b.set_name) return false;
  return std::any_of(a.hosts.begin(), a.hosts.end(), [&](const std::string& host) {
    return std::find(b.hosts.begin(), b.hosts.end(), host) != b.hosts.end();
  });
}

}  // namespace

void check_topology(Side side, const cluster::Facts& facts, Findings& findings) {
  if (facts.is_mongos) {
    findings.push_back({id_of(side, "mongos"), side, Severity::kRefuse, ErrorCode::kUnsupported,
                        "it is a mongos: sharded clusters are not supported by this version",
                        "give the connection string of a replica set"});
  } else if (facts.set_name.empty()) {
    findings.push_back({id_of(side, "standalone"), side, Severity::kRefuse, ErrorCode::kUnsupported,
                        "it is a standalone server, without an oplog and without majority",
                        "convert it to a replica set of one member (--replSet and rs.initiate())"});
  } else if (!facts.is_writable_primary) {
    findings.push_back({id_of(side, "not-primary"), side, Severity::kRefuse,
                        side == Side::kSource ? ErrorCode::kSource : ErrorCode::kDestination,
                        "the connection leads to a member that is not the primary",
                        "leave directConnection out of the connection string, or name the primary"});
  }
}

void check_versions(const cluster::Facts& source, const cluster::Facts& destination, Findings& findings) {
  check_version(Side::kSource, source, findings);
  check_version(Side::kDestination, destination, findings);
  if (without_patch(destination.version) < without_patch(source.version)) {
    findings.push_back({"destination-older", Side::kDestination, Severity::kRefuse, ErrorCode::kUnsupported,
                        fmt::format("it runs MongoDB {}, older than the source's {}", release(destination.version),
                                    release(source.version)),
                        "upgrade it to the source's version or a later one"});
  } else if (!source.is_mongos && !destination.is_mongos && destination.fcv != ServerVersion{} && without_patch(destination.fcv) < without_patch(source.fcv)) {
    findings.push_back({"destination-fcv-older", Side::kDestination, Severity::kRefuse, ErrorCode::kUnsupported,
                        fmt::format("its feature compatibility version {} is below the source's {}", release(destination.fcv),
                                    release(source.fcv)),
                        "raise it with setFeatureCompatibilityVersion"});
  }
}

void check_distinct(const cluster::Facts& source, const cluster::Facts& destination, Findings& findings) {
  if (source.set_name.empty() || destination.set_name.empty() || !is_same_set(source, destination)) return;
  findings.push_back({"same-deployment", Side::kDestination, Severity::kRefuse, ErrorCode::kUnsupported,
                      fmt::format("source and destination are the same replica set ({})", source.set_name),
                      "give two different deployments"});
}

}  // namespace drover::preflight
