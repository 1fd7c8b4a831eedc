// Commands that the server runs by itself, through the same table and with the same effects (oplog included) as a
// client's, but without authorization or write block. Used for users and roles, which are ordinary documents in admin.
#pragma once

#include <string_view>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::auth {

// As check_fields, in the words of the parser that these commands had before 5.0.
Status check_arguments(const CommandContext& context, std::initializer_list<std::string_view> known);
// The whole reply; a reply with ok: 0 or with writeErrors is an error.
Result<bson::Document> run_internal(Services& services, std::string_view db, bson::View body);
// Every document that matches, in one batch. For small collections.
Result<std::vector<bson::Document>> find_internal(Services& services, std::string_view db, std::string_view collection,
                                                  bson::View filter);

}  // namespace drover::sandbox::auth
