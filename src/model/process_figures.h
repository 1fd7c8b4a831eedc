// Figures of a server process and of its databases, as measurements of Cloud Manager and Atlas name them (spec/control-plane.md 6.4), out of what the
// server replies. Nothing of a document is in them. Pure.
#pragma once

#include <string>

#include "base/json.h"
#include "bson/document.h"

namespace drover {

// As they are now, {"CONNECTIONS": 5, …}; of replies to serverStatus (with oplog: 1), replSetGetStatus and collStats of the oplog, each empty where the server gave none.
Json::Object process_metrics(bson::View server_status, bson::View repl_set_status, bson::View oplog_stats = {});
// Those that only grow: rates are made of them.
Json::Object process_counters(bson::View server_status);
// {"name", "dataSize", …} of a reply to dbStats; the sizes of the file system null where the server does not tell them.
Json::Object database_sizes(const std::string& name, bson::View stats);

}  // namespace drover
