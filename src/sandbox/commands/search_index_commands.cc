// Commands about full-text search's indexes (7.0): known, and refused as by every server that has no such service.
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/search.h"

namespace drover::sandbox {

namespace {

Result<bson::Document> refuse(CommandContext& context) {
  TRY(named_collection(context));
  return query::search_command_refused(context.settings().version);
}

constexpr Command row(std::string_view name) {
  return {.name = name, .resource = ResourceKind::kAuthenticated, .handler = refuse,
          .help = "refused: full-text search is a service beside the server", .since = {7, 0, 0}};
}

}  // namespace

std::span<const Command> search_index_commands() {
  static const Command kRows[] = {row("createSearchIndexes"), row("dropSearchIndex"), row("listSearchIndexes"), row("updateSearchIndex")};
  return kRows;
}

}  // namespace drover::sandbox
