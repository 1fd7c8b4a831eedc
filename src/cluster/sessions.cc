// Shutting out the process that owned a session before us (blueprint, rule 8; corpus engine/session-fence).
#include <limits>

#include "bson/builder.h"
#include "cluster/commands.h"
#include "cluster/mongo_deployment_impl.h"
#include "cluster/server_cursor.h"

namespace drover::cluster {
namespace {

// Higher than any number that is counted up to.
constexpr std::int64_t kFenceNumber = std::numeric_limits<std::int64_t>::max() / 2;
constexpr int kUnauthorized = 13;

}  // namespace

Status MongoDeployment::fence_session(const Uuid& session) {
  const WriteContext context{session, kFenceNumber};
  const Namespace ns{std::string(kStateDatabase), std::string(kFences)};
  // Run twice it is the same write under the same number: answered from the session's record, or done once.
  const auto document = bson::make_document({{"_id", session}});
  const bson::View view = document;
  const auto reply = TRY(write_reply(context, ns, replace_command(context, ns.collection, std::span(&view, 1))));
  if (!reply.errors.empty()) {
    return tl::unexpected(error(side_code(pool_->side()), "fencing a session: " + reply.errors.front().message));
  }
  bson::Builder end;
  {
    auto sessions = end.open_array("endSessions");
    sessions.open_document().append("id", session);
  }
  TRY(run("admin", std::move(end).finish(), "a session"));
  return {};
}

Result<int> MongoDeployment::running_operations(std::span<const Uuid> sessions) {
  if (sessions.empty()) return 0;
  bson::Builder match;
  match.append("active", true);
  {
    auto id = match.open_document("lsid.id");
    auto in = id.open_array("$in");
    for (const auto& session : sessions) in.append(session);
  }
  const auto filter = std::move(match).finish();
  auto found = current_operations(true, false, filter);
  // Without the action inprog a user still sees its own operations, and the sessions are its own.
  if (!found && found.error().server_code == kUnauthorized) found = current_operations(false, false, filter);
  if (!found) return tl::unexpected(std::move(found).error());
  return static_cast<int>(found->size());
}

Result<std::vector<bson::Document>> MongoDeployment::current_operations(bool all_users, bool idle_sessions,
                                                                        bson::View match) {
  bson::Builder command;
  command.append("aggregate", 1);
  {
    auto pipeline = command.open_array("pipeline");
    {
      auto stage = pipeline.open_document();
      stage.open_document("$currentOp").append("allUsers", all_users).append("idleSessions", idle_sessions);
    }
    pipeline.open_document().append("$match", match);
  }
  command.open_document("cursor");
  return read_all(*pool_, std::move(command).finish(), {.db = "admin", .on = "running operations"});
}

}  // namespace drover::cluster
