// What a command needs of its user's privileges: its row in the command table (resource and action), and for those whose need
// depends on what is asked the rules here, which rows name by `also`. Facts: MongoDB's auth_checks.cpp, the commands'
// checkAuthForOperation, and the manual's "Privilege Actions". Rules read the command as it came and leave malformed parts to
// the handler, which refuses them.
#pragma once

#include <string_view>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// 13 with the server's text unless the connection's users may run `command` with this body. Not for kNoAuth commands.
Status authorize_command(CommandContext& context, const Command& command, bson::View body);

// Rules of rows.
Status authorize_insert(CommandContext& context, bson::View body);
Status authorize_update(CommandContext& context, bson::View body);
Status authorize_find_and_modify(CommandContext& context, bson::View body);
Status authorize_create(CommandContext& context, bson::View body);
Status authorize_coll_mod(CommandContext& context, bson::View body);
Status authorize_clone_as_capped(CommandContext& context, bson::View body);
Status authorize_aggregate(CommandContext& context, bson::View body);
Status authorize_map_reduce(CommandContext& context, bson::View body);
Status authorize_explain(CommandContext& context, bson::View body);
Status authorize_rename(CommandContext& context, bson::View body);
Status authorize_profile(CommandContext& context, bson::View body);
Status authorize_kill_cursors(CommandContext& context, bson::View body);
Status authorize_kill_op(CommandContext& context, bson::View body);
Status authorize_list_collections(CommandContext& context, bson::View body);

// Whether one of the connection's users is one of these ("name@db"); or neither has any.
bool is_coauthorized(const CommandContext& context, const std::vector<std::string>& users);
// The connection's users as "name@db".
std::vector<std::string> user_names(const CommandContext& context);

}  // namespace drover::sandbox
