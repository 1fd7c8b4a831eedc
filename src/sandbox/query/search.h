// Full-text search is a service beside the server. What a server without it says of its stages and commands.
#pragma once

#include <string_view>

#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

// Refuses $search, $searchMeta, $vectorSearch and $listSearchIndexes where that version knows them; ok for every other stage.
Status check_not_search(std::string_view stage, ServerVersion version);
// createSearchIndexes, updateSearchIndex, dropSearchIndex and listSearchIndexes: always an error.
tl::unexpected<Error> search_command_refused(ServerVersion version);

}  // namespace drover::sandbox::query
