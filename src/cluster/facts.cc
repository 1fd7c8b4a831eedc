// What a deployment is: versions, members, whether it asks for a login. Every command here exists from 4.4 on (`hello` does
// not exist in 4.4.1).
#include "bson/builder.h"
#include "cluster/mongo_deployment_impl.h"

namespace drover::cluster {
namespace {

constexpr int kUnauthorized = 13;
constexpr int kCommandNotFound = 59;

bool is_refused(const Error& error) { return error.server_code == kUnauthorized || error.server_code == kCommandNotFound; }

void read_members(bson::View hello, Facts& facts) {
  facts.set_name = hello["setName"].to_string_view().value_or("");
  facts.primary = hello["primary"].to_string_view().value_or("");
  facts.is_writable_primary = hello["ismaster"].is_truthy();
  facts.is_mongos = hello["msg"].to_string_view() == "isdbgrid";
  if (const auto hosts = hello["hosts"].to_array()) {
    for (const auto& host : *hosts) facts.hosts.emplace_back(host.to_string_view().value_or(""));
  }
}

// How the server was started decides; a user may log in where nobody has to. transitionToAuth lets everybody in.
bool is_enforced(bson::View options) {
  if (options.at_path("parsed.security.transitionToAuth").is_truthy()) return false;
  return options.at_path("parsed.security.authorization").to_string_view() == "enabled" ||
         options.at_path("parsed.security.keyFile").exists() ||
         options.at_path("parsed.security.clusterAuthMode").exists();
}

}  // namespace

Result<Facts> MongoDeployment::facts() {
  Facts facts;
  read_members(TRY(run("admin", bson::make_document({{"isMaster", 1}}), "admin")), facts);
  // The driver looks for the primary, and may not know yet that this one no longer is.
  if (!facts.is_mongos && !facts.set_name.empty() && !facts.is_writable_primary && !pool_->is_direct()) {
    return tl::unexpected(error(ErrorCode::kTemporary, "the member that was the primary is none at this moment, an election perhaps"));
  }
  const auto build = TRY(run("admin", bson::make_document({{"buildInfo", 1}}), "admin"));
  const auto version = ServerVersion::parse(build["version"].to_string_view().value_or(""));
  if (!version) return tl::unexpected(error(side_code(pool_->side()), "buildInfo says no version that can be read"));
  facts.version = *version;

  // A mongos has no feature compatibility version of its own, and needs no privilege to be recognised.
  if (!facts.is_mongos) {
    const auto parameter = run("admin", bson::make_document({{"getParameter", 1}, {"featureCompatibilityVersion", 1}}), "admin");
    // A user who may not ask is named by preflight, with everything else that it lacks.
    if (!parameter && parameter.error().server_code != kUnauthorized) return tl::unexpected(parameter.error());
    const auto fcv = parameter ? parameter->view().at_path("featureCompatibilityVersion.version") : bson::Element();
    facts.fcv = ServerVersion::parse(fcv.to_string_view().value_or("")).value_or(ServerVersion{});
  }
  if (!facts.set_name.empty()) {
    const auto config = run("admin", bson::make_document({{"replSetGetConfig", 1}}), "admin");
    if (config) {
      const auto id = config->view().at_path("config.settings.replicaSetId");
      if (id.type() == bson::Type::kObjectId) facts.replica_set_id = id.object_id_value();
    } else if (!is_refused(config.error())) {
      return tl::unexpected(config.error());
    }
  }
  facts.authorization = TRY(asks_for_login());
  return facts;
}

Result<bool> MongoDeployment::asks_for_login() {
  const auto options = run("admin", bson::make_document({{"getCmdLineOpts", 1}}), "admin");
  if (options) return is_enforced(*options);
  if (options.error().code == ErrorCode::kTemporary) return tl::unexpected(options.error());
  // Hidden from this user, so somebody asks.
  if (options.error().server_code == kUnauthorized) return true;
  const auto status = TRY(run("admin", bson::make_document({{"connectionStatus", 1}}), "admin"));
  const auto users = status.view().at_path("authInfo.authenticatedUsers").to_array();
  return users && !users->empty();
}

}  // namespace drover::cluster
