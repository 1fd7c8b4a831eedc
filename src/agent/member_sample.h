// What monitoring knows of one member of a deployment at one moment, as the site takes it (docs/design/control-plane.md, protocol
// 2: a host of a sample). Pure functions over the servers' replies.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "bson/document.h"

namespace drover::agent {

// The replies; empty documents where the server gave none.
struct MemberReplies {
  bson::Document is_master, build_info, host_info, server_status, repl_set_status, repl_set_config, options, parameters, connection, oplog, shards,
      shard_map, balancer;
};

// {"typeName","version","community","os","replicaSetName",…,"metrics":{…},"counters":{…}}: chosen fields only. What a server
// was started with may hold secrets, and is not passed on.
Json::Object member_json(const MemberReplies& replies);

// Adds "shardName" to the hosts of a sample that are members of the shards that its mongos name.
void name_shards(Json::Array& hosts);

// "host:port" of the other members and shards that the replies name.
std::vector<std::string> members_named(const MemberReplies& replies);
// Of listShards' and getShardMap's "set/host:port,host:port".
std::vector<std::string> hosts_of_set(std::string_view text);

// Actions of the role clusterMonitor that the connection's user lacks; nothing when there is no authorization.
std::vector<std::string> missing_actions(bson::View connection_status, bool authorization);
bool asks_for_login(bson::View options);

}  // namespace drover::agent
