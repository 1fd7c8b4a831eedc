// Commands that the server runs by itself, through the same table and with the same effects (oplog included) as a
// client's, but without authorization or write block. Used for users and roles, which are ordinary documents in admin.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::auth {

// As check_fields, in the words of the parser that these commands had before 5.0.
Status check_arguments(const CommandContext& context, std::initializer_list<std::string_view> known);
// Status of a field that may be missing but else must be of this type.
Status check_type(const CommandContext& context, std::string_view field, bson::Type type);
// The array that such a command cannot do without, and of which it needs something.
Result<bson::View> needed_array(const CommandContext& context, std::string_view field);
// The refusal of an array that createUser and createRole need, empty or not.
tl::unexpected<Error> missing_array(const CommandContext& context, std::string_view field);
// `authenticationRestrictions` of createUser and its kin, checked, as they are stored; nothing when there are none in the command. 13 for who may not set
// them in `db`.
Result<std::optional<bson::Document>> given_restrictions(const CommandContext& context, std::string_view db);
// name: [[{...}, ...], ...]
void append_restrictions(bson::Builder& out, std::string_view name, const std::vector<bson::Document>& all);
// The whole reply; a reply with ok: 0 or with writeErrors is an error.
Result<bson::Document> run_internal(Services& services, std::string_view db, bson::View body);
// Every document that matches, batch by batch. The views are good until the next call.
Status for_each_internal(Services& services, const Namespace& ns, bson::View filter, const std::function<Status(bson::View)>& body);
// All of them at once. For what is few.
Result<std::vector<bson::Document>> find_internal(Services& services, std::string_view db, std::string_view collection,
                                                  bson::View filter);
// Whether there is any.
Result<bool> any_internal(Services& services, const Namespace& ns);

}  // namespace drover::sandbox::auth
