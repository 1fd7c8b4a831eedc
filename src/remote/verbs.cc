#include "remote/verb.h"
#include "remote/verb_tables.h"

namespace drover::remote {

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups{
      {"org", "Organizations of a site", "An organization owns projects, API keys and the link to the other site. The first one, with its owner's key, is made by "
                                         "`drover server --create-organization NAME`; what that prints is a file for --credentials."},
      {"project", "Projects of an organization", "On a manager site a project holds deployments that are monitored and their agents; on an Atlas site clusters and live migrations."},
      {"key", "Programmatic API keys (HTTP digest)", "A key belongs to an organization. Its private key is shown once, when it is made."},
      {"service-account", "Service accounts of an Atlas site (OAuth 2.0)", "A service account logs in with a client id and a secret that expires. A credentials file with clientId and "
                                                                         "clientSecret uses one."},
      {"agent-key", "Keys with which agents register at a manager site", "`drover host provision` makes one for a migration host, with the agent's configuration."},
      {"deployment", "Deployments that a manager site monitors", "Stage 0 of a live migration: the source is monitored, by metadata only, with a user who has the role clusterMonitor."},
      {"host", "Monitored hosts, and migration hosts", "Stage 2 of a live migration: a migration host is a machine that runs `drover agent`, dedicated to migrations."},
      {"link", "The link between an Atlas site and a manager site", "Stages 1 and 2 of a live migration: a link-token is made at the Atlas site, and the manager site connects with it."},
      {"cluster", "Clusters of an Atlas site: destinations", "A destination is a deployment that is there and is registered, or, for rehearsals, one that the site runs on its own machine."},
      {"access-list", "Addresses that may reach a project's clusters", "The external address of the migration host must be in the list of the destination's project, unless it is loopback."},
      {"database-user", "Users who log in to a project's clusters", "They are made so on the clusters that the site runs on its own machine; of registered clusters they are records."},
      {"database-role", "Custom roles of users who log in to a project's clusters", "They are made so as users are. What a role may is said by Atlas's actions, and by roles that it inherits."},
      {"peering", "VPC peering: records that migrations with VPC_PEERING need", "A network is its administrators' to make. They record it here, and tell when it is AVAILABLE; `drover cluster set-private` "
                                                                            "says how a cluster is reached through it."},
      {"private-endpoint", "Private endpoints: records for PRIVATE_LINK", "A network is its administrators' to make. They record its service and endpoints here, and tell when they are AVAILABLE; "
                                                                       "`drover cluster set-private` says how a cluster is reached through them."},
      {"migration", "Live migrations: validate, start, watch, cut over", "Stage 3 of a live migration, at the Atlas site. The project is the destination's; the source is named as `drover link projects` shows it."},
      {"event", "What happened in an organization or a project", "Events are the audit log of a site."},
  };
  return kGroups;
}

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kVerbs = [] {
    std::vector<Verb> all;
    for (auto rows : {identity_verbs(), manager_verbs(), link_verbs(), atlas_verbs(), database_user_verbs(), database_role_verbs(), network_verbs(), migration_verbs(), event_verbs()})
      for (auto& verb : rows) all.push_back(std::move(verb));
    return all;
  }();
  return kVerbs;
}

}  // namespace drover::remote
