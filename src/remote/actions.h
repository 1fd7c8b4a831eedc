// Commands that are more than one request (verb.h). Each is called by run() alone.
#pragma once

#include "remote/session.h"

namespace drover::remote {

// actions_manager.cc
Result<Outcome> add_deployment(Session& session);
Result<Outcome> set_deployment_credentials(Session& session);
Result<Outcome> remove_deployment(Session& session);
Result<Outcome> list_hosts(Session& session);
Result<Outcome> provision_host(Session& session);
Result<Outcome> unprovision_host(Session& session);
Result<Outcome> connect_link(Session& session);

// actions_atlas.cc
Result<Outcome> create_project(Session& session);
Result<Outcome> create_cluster(Session& session);
Result<Outcome> list_link_projects(Session& session);
Result<Outcome> list_events(Session& session);
Result<Outcome> show_event(Session& session);

// actions_migration.cc
Result<Outcome> validate_migration(Session& session);
Result<Outcome> start_migration(Session& session);
Result<Outcome> show_validation(Session& session);
Result<Outcome> show_log(Session& session);
Result<Outcome> watch_migration(Session& session);
Result<Outcome> cancel_migration(Session& session);
Result<Outcome> cut_over_migration(Session& session);

// finish() of bodies
Result<Json> with_replication_specs(const Values& values, Json body);
Result<Json> with_roles_and_scopes(const Values& values, Json body);
Result<Json> with_actions_and_roles(const Values& values, Json body);
Result<Json> with_settings(const Values& values, Json body);
Result<Json> with_container_region(const Values& values, Json body);
Result<Json> with_endpoint(const Values& values, Json body);

}  // namespace drover::remote
