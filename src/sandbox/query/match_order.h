// A filter's tree as the server's planner normalises it, for those that print it: lists of one kind within each other are one, a list of
// one child is the child, and siblings have an order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/query/match_node.h"

namespace drover::sandbox::query {

// "$eq", "$lt", ...
std::string_view operator_name(Comparison op);
// Empty for what stands above fields.
const std::string& path_of(const MatchNode& node);
// What stands for a list that holds it alone; else the node itself.
const MatchNode& single(const MatchNode& node);
// Of a $and, $or or $nor.
std::vector<const MatchNode*> ordered_children(const MatchNode& list);

}  // namespace drover::sandbox::query
