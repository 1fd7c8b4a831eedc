#include "sandbox/query/search.h"

#include <algorithm>

#include <fmt/core.h>

namespace drover::sandbox::query {

namespace {

constexpr int kSearchNotEnabled = 31082;
constexpr int kCommandNotSupported = 115;
constexpr std::string_view kAdvice =
    "requires additional configuration. Please connect to Atlas or an AtlasCLI local deployment to enable. For more information on how to "
    "connect, see https://dochub.mongodb.org/core/atlas-cli-deploy-local-reqs.";

struct Row {
  std::string_view name;
  ServerVersion since;
};
constexpr Row kStages[] = {
    {"$search", {6, 0, 0}},
    {"$searchMeta", {6, 0, 0}},
    {"$vectorSearch", {7, 0, 0}},
    {"$listSearchIndexes", {7, 0, 0}},
};

tl::unexpected<Error> indexes_refused() {
  return bad(kSearchNotEnabled, fmt::format("Using Atlas Search Database Commands and the $listSearchIndexes aggregation stage {}", kAdvice));
}

}  // namespace

Status check_not_search(std::string_view stage, ServerVersion version) {
  const auto* row = std::ranges::find(kStages, stage, &Row::name);
  if (row == std::end(kStages) || version < row->since) return {};
  if (version < ServerVersion{8, 0, 0}) return bad(6047401, fmt::format("{} stage is only allowed on MongoDB Atlas", stage));
  if (stage == "$listSearchIndexes") return indexes_refused();
  return bad(kSearchNotEnabled, fmt::format("Using $search and $vectorSearch aggregation stages {}", kAdvice));
}

tl::unexpected<Error> search_command_refused(ServerVersion version) {
  if (version >= ServerVersion{8, 0, 0}) return indexes_refused();
  return bad(kCommandNotSupported, "Search index commands are only supported with Atlas.");
}

}  // namespace drover::sandbox::query
