// $push, $addToSet, $pop, $pull, $pullAll.
#pragma once

#include "sandbox/query/update_node.h"

namespace drover::sandbox::query {

Result<std::shared_ptr<const Modifier>> make_push(const bson::Element& argument, const UpdateOptions& options);
Result<std::shared_ptr<const Modifier>> make_add_to_set(const bson::Element& argument, const UpdateOptions& options);
Result<std::shared_ptr<const Modifier>> make_pop(const bson::Element& argument, const UpdateOptions& options);
Result<std::shared_ptr<const Modifier>> make_pull(const bson::Element& argument, const UpdateOptions& options);
Result<std::shared_ptr<const Modifier>> make_pull_all(const bson::Element& argument, const UpdateOptions& options);

}  // namespace drover::sandbox::query
