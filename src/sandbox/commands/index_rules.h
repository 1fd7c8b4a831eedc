// What an index definition must be like to be accepted, and what the server says of others. In the server's order: each
// definition by itself first, then its name and expiry, then what the kind of index allows.
#pragma once

#include "sandbox/commands/support.h"

namespace drover::sandbox {

// "2d", "text", "wildcard" and so on; empty for ascending and descending keys.
std::string_view index_plugin(bson::View key);

// Without what no server of this version knows of definitions (ignoreUnknownIndexOptions).
bson::Document known_index_options(const CommandContext& context, bson::View spec);
// The definition as given. Failures begin with "Error in specification {...} :: caused by :: ".
Status check_index_form(const CommandContext& context, bson::View spec);
// Names that are reserved, definitions of the _id index, expireAfterSeconds.
Status check_index_meaning(const CommandContext& context, bson::View spec);
// What `create` is given as the definition of the _id index.
Status check_id_index(const CommandContext& context, bson::View spec);
// The largest expireAfterSeconds of an index: nothing before 1970 in 4.4, 32 bits since 5.0.
std::int64_t longest_expiry(const CommandContext& context);
// What the kind of index allows. `spec` has v, and its collation filled in.
Status check_index_options(const CommandContext& context, bson::View spec);

}  // namespace drover::sandbox
