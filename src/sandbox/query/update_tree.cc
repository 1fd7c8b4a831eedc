// Assembles the tree of an update's paths, where conflicts between operators come to light.
#include <fmt/core.h>

#include "sandbox/query/path.h"
#include "sandbox/query/update_node.h"

namespace drover::sandbox::query {

bool PathOrder::operator()(const std::string& a, const std::string& b) const {
  if (numeric && is_array_index(a) && is_array_index(b) && a.size() != b.size()) return a.size() < b.size();
  return a < b;
}

namespace {

tl::unexpected<Error> conflict(const std::string& path, const std::string& at, bool positional) {
  if (positional) return bad(code::kConflictingUpdateOperators, fmt::format("Update created a conflict at '{}'", at));
  return bad(code::kConflictingUpdateOperators,
             fmt::format("Updating the path '{}' would create a conflict at '{}'", path, at));
}

Status insert(UpdateTree& root, const Assignment& assignment, PathOrder order, const std::string* matched) {
  std::vector<std::string> path = assignment.path;
  const bool positional = matched != nullptr;
  for (auto& part : path) {
    if (positional && part == "$") part = *matched;
  }
  UpdateTree* tree = &root;
  std::string at;
  for (std::size_t i = 0; i < path.size(); ++i) {
    // Array filters and field names cannot stand side by side.
    const bool filtered = is_array_filter(path[i]);
    if (!tree->children.empty() && is_array_filter(tree->children.begin()->first) != filtered) {
      return conflict(join_path(path), at, positional);
    }
    at += (at.empty() ? "" : ".") + path[i];
    auto& child = tree->children[path[i]];
    const bool last = i + 1 == path.size();
    if (child && (child->leaf || last)) return conflict(join_path(path), at, positional);
    if (!child) child = std::make_shared<UpdateTree>(order);
    tree = child.get();
  }
  tree->leaf = true;
  tree->modifier = assignment.modifier;
  return {};
}

}  // namespace

Result<std::shared_ptr<UpdateTree>> build_tree(const std::vector<Assignment>& assignments, PathOrder order,
                                               const std::string* matched) {
  auto root = std::make_shared<UpdateTree>(order);
  for (const Assignment& assignment : assignments) TRY(insert(*root, assignment, order, matched));
  return root;
}

}  // namespace drover::sandbox::query
