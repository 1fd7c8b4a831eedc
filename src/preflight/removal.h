// A removal of a migration's state that has begun and not ended. From then on there is only forward: nobody goes on with what is left, and nobody
// begins on it.
//
// x_owner has the field `removing: {job, committed}` from before the first other document goes until it goes itself, last of all (engine/clean_up.h).
// Earlier builds did without: their rest is known by what is there without x_migration, which they removed first.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bson/document.h"

namespace drover::preflight {

using LoadState = std::function<Result<std::vector<bson::Document>>(const std::string& collection)>;

struct Removal {
  std::string job;         // whose the state was; empty: not one of an agent's, or not known any more
  bool committed = false;  // what that one copied may be in use
  bool recorded = false;   // by x_owner; else nothing tells that it was not committed
};

// In x_owner's document; nothing when it has no such field.
std::optional<Removal> removal_in(bson::View owner);
bson::Document to_document(const Removal& removal);

Result<std::optional<Removal>> unfinished_removal(const LoadState& load);

// Whose the state is that is not being removed: the job that x_control names. Empty without one: not one of an agent's.
Result<std::string> job_of_state(const LoadState& load);
std::string job_in(bson::View control);  // x_control's document

}  // namespace drover::preflight
