// deployment, host: at a manager site.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

const std::vector<Column> kDeployments{{"ID", "id"}, {"NAME", "clusterName"}, {"TYPE", "typeName"}, {"REPLICA SET", "replicaSetName"}, {"LAST HEARTBEAT", "lastHeartbeat"}, {"LAST ERROR", "lastError"}};
const std::vector<Column> kAlerts{{"ALERT", "eventTypeName"}, {"ABOUT", "hostnameAndPort"}, {"SINCE", "created"}, {"WHAT", "detail"}};
const std::vector<Column> kHosts{{"ID", "id"}, {"HOST", "{hostname}:{port}"}, {"TYPE", "typeName"}, {"STATE", "replicaStateName"}, {"VERSION", "version"}, {"LAST PING", "lastPing"}, {"LAST ERROR", "lastError"}};
const std::vector<Column> kAgents{{"HOST", "hostname"}, {"TYPE", "typeName"}, {"STATE", "stateName"}, {"LAST CONF", "lastConf"}, {"LAST PING", "lastPing"}};

constexpr std::string_view kAboutCredentials =
    "The user needs the role clusterMonitor on admin. The paths of TLS files are on the agent's host. An agent of the project must run (`drover host provision`).";

std::vector<Argument> credentials(std::vector<Argument> first) {
  for (Argument one : {
           Argument{.name = "--auth-mechanism", .help = "How monitoring logs in", .place = "body:authMechanismName",
                    .choices = {"NONE", "SCRAM-SHA-1", "SCRAM-SHA-256", "MONGODB-X509", "PLAIN", "GSSAPI"}},
           Argument{.name = "--username", .help = "Monitoring's user", .place = "body:username"},
           Argument{.name = "--password-file", .help = "the password", .place = "body:password", .kind = Kind::kSecretFile},
           Argument{.name = "--auth-source", .help = "The user's database (admin)", .place = "body:authSource"},
           Argument{.name = "--tls", .help = "The deployment takes TLS connections only", .place = "body:sslEnabled", .kind = Kind::kFlag},
           Argument{.name = "--tls-ca-path", .help = "Authority of its certificates, a file on the agent's host", .place = "body:caCertificatePath"},
           Argument{.name = "--tls-client-certificate-path", .help = "Certificate and key for MONGODB-X509, a file on the agent's host", .place = "body:clientCertificatePath"}})
    first.push_back(std::move(one));
  return first;
}

constexpr std::string_view kAboutSettingCredentials =
    "User, password, mechanism and --auth-source are replaced together: name all that there are. TLS and its authority stay as they are unless --tls, --no-tls or --tls-ca-path is given. "
    "The user needs the role clusterMonitor on admin. The paths of TLS files are on the agent's host.";

std::vector<Verb> deployment_verbs() {
  const Argument deployment{.name = "DEPLOYMENT", .help = "Id or name", .place = "path:clusterId", .required = true, .thing = Thing::kDeployment};
  auto add = credentials({{.name = "MEMBER", .help = "HOST:PORT of one member; the others are found", .place = "body:", .kind = Kind::kHostPort, .required = true},
                          {.name = "--name", .help = "Its name, instead of its replica set's", .place = "body:clusterName"}});
  auto set = credentials({deployment});
  set.push_back({.name = "--no-tls", .help = "The deployment takes connections without TLS", .place = "", .kind = Kind::kFlag});
  add.push_back({.name = "--wait", .help = "Wait until the first sample has come, and show the deployment", .place = "", .kind = Kind::kFlag});
  add.push_back({.name = "--within", .help = "Seconds to wait at most; 0: without end", .place = "", .kind = Kind::kNumber, .low = 0, .high = 100'000'000, .otherwise = 120});
  return {
      {.group = "deployment", .name = "add", .summary = "Monitor a deployment that is there", .about = kAboutCredentials, .site = SiteRole::kManager, .needs = kProjectOwner,
       .method = "POST", .api = Api::kManager, .path = "/groups/{groupId}/hosts", .arguments = std::move(add), .action = add_deployment,
       .examples = {{"drover deployment add db1.shop.local:27017 --auth-mechanism SCRAM-SHA-256 --username monitor --password-file monitor.pw --wait"}}},
      {.group = "deployment", .name = "list", .summary = "Deployments of a project", .site = SiteRole::kManager, .api = Api::kManager, .path = "/groups/{groupId}/clusters",
       .shape = Shape::kList, .columns = kDeployments, .done = "No deployments.", .examples = {{"drover deployment list --project \"Shop (prod)\""}}},
      {.group = "deployment", .name = "show", .summary = "One deployment", .site = SiteRole::kManager, .api = Api::kManager, .path = "/groups/{groupId}/clusters/{clusterId}",
       .arguments = {deployment}, .examples = {{"drover deployment show shopRS"}}},
      {.group = "deployment", .name = "set-credentials", .summary = "Change how monitoring logs in", .about = kAboutSettingCredentials, .site = SiteRole::kManager, .needs = kProjectOwner,
       .method = "PATCH", .api = Api::kManager, .path = "/groups/{groupId}/hosts", .arguments = std::move(set), .action = set_deployment_credentials,
       .examples = {{"drover deployment set-credentials shopRS --auth-mechanism SCRAM-SHA-256 --username monitor --password-file -"}}},
      {.group = "deployment", .name = "remove", .summary = "Stop monitoring a deployment", .about = "The deployment itself is left alone. Refused while a validation or migration needs it.", .site = SiteRole::kManager,
       .needs = kProjectOwner, .method = "DELETE", .api = Api::kManager, .path = "/groups/{groupId}/hosts", .arguments = {deployment},
       .question = "Stop monitoring {DEPLOYMENT}, and forget what was measured?", .action = remove_deployment, .examples = {{"drover deployment remove shopRS --yes"}}},
      {.group = "deployment", .name = "alerts", .summary = "What is wrong now in a project: logins, missing roles, hosts and agents that are down", .site = SiteRole::kManager,
       .api = Api::kManager, .path = "/groups/{groupId}/alerts", .shape = Shape::kList, .columns = kAlerts, .done = "No alerts.", .examples = {{"drover deployment alerts"}}},
  };
}

std::vector<Verb> host_verbs() {
  const Argument hostname{.name = "HOSTNAME", .help = "How the migration host is called", .place = "", .required = true};
  return {
      {.group = "host", .name = "list", .summary = "Processes that are monitored", .site = SiteRole::kManager, .api = Api::kManager, .path = "/groups/{groupId}/hosts",
       .arguments = {{.name = "--deployment", .help = "Only this deployment's, by id or name", .place = ""}}, .shape = Shape::kList, .columns = kHosts, .done = "No hosts.", .action = list_hosts,
       .examples = {{"drover host list --deployment shopRS"}}},
      {.group = "host", .name = "show", .summary = "One monitored process", .site = SiteRole::kManager, .api = Api::kManager, .path = "/groups/{groupId}/hosts/{hostId}",
       .arguments = {{.name = "HOST", .help = "Id, or host:port", .place = "path:hostId", .required = true, .thing = Thing::kHost}},
       .examples = {{"drover host show db1.shop.local:27017"}}},
      {.group = "host", .name = "agents", .summary = "Agents of a project: who monitors, who is a migration host (AUTOMATION), who is alive", .site = SiteRole::kManager,
       .api = Api::kManager, .path = "/groups/{groupId}/agents", .shape = Shape::kList, .columns = kAgents, .done = "No agents.", .examples = {{"drover host agents"}}},
      {.group = "host", .name = "provision", .summary = "Make the agent's configuration of a migration host",
       .about = "Makes an agent key and prints the configuration file of `drover agent` with it. Take it to the host, with mode 0600, and start the agent there.",
       .site = SiteRole::kManager, .needs = kProjectOwner, .method = "POST", .api = Api::kManager, .path = "/groups/{groupId}/agentapikeys",
       .arguments = {hostname, {.name = "--log-file", .help = "The agent's log on that host (/var/log/mongodb-mms-automation/automation-agent.log)", .place = ""},
                     {.name = "--monitoring-only", .help = "An agent that monitors and is no migration host", .place = "", .kind = Kind::kFlag}},
       .shown_once = "key", .alone = true, .action = provision_host,
       .examples = {{"drover host provision mig01 --out automation-agent.config"},
                    {"drover agent -f automation-agent.config --data /var/lib/drover-agent --hostname mig01", "then, on the host"},
                    {"drover host provision db1 --monitoring-only --out db1.config", "for a machine beside the deployment"}}},
      {.group = "host", .name = "unprovision", .summary = "Lock a migration host out", .about = "Deletes the keys that `drover host provision` made. Refused while a validation or migration needs the host.",
       .site = SiteRole::kManager, .needs = kProjectOwner, .method = "DELETE", .api = Api::kManager, .path = "/groups/{groupId}/agentapikeys",
       .arguments = {hostname, {.name = "--force", .help = "Even while a migration needs it: it stands still until the host is provisioned again", .place = "", .kind = Kind::kFlag}},
       .question = "Lock the agent of {HOSTNAME} out?", .action = unprovision_host, .examples = {{"drover host unprovision mig01 --yes"}}},
  };
}

}  // namespace

std::vector<Verb> manager_verbs() {
  auto all = deployment_verbs();
  for (auto& verb : host_verbs()) all.push_back(std::move(verb));
  return all;
}

}  // namespace drover::remote
