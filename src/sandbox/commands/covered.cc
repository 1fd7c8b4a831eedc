#include "sandbox/commands/covered.h"

#include <algorithm>

#include "bson/builder.h"

namespace drover::sandbox {

namespace {

bool has_field(const IndexInfo& index, std::string_view path) {
  return std::any_of(index.fields.begin(), index.fields.end(), [&](const IndexField& field) { return field.path == path; });
}

}  // namespace

bool is_counted_by_keys(const Plan& plan, const query::Matcher& filter, const CollectionInfo& collection) {
  if (!plan.index || plan.nothing || !plan.exact || !plan.others.empty() || !plan.index->is_plain() || plan.index->multikey->load() != 0) return false;
  if (plan.index->collator || filter.collator() != nullptr || (collection.is_clustered() && plan.index->is_id())) return false;
  const auto in_ranges = [&](std::string_view path) { return std::ranges::any_of(plan.bounds, [&](const auto& bounds) { return bounds.path == path; }); };
  return filter.is_told_by_bounds() && filter.is_decided_by(in_ranges);
}

std::optional<CoveredProjection> CoveredProjection::of(const Plan& plan, const query::Matcher& filter, const query::SortPattern& sort, const query::Projection& projection) {
  if (!plan.index || !plan.others.empty() || !plan.index->is_plain() || plan.index->collator || plan.index->multikey->load() != 0) return std::nullopt;
  const auto& index = *plan.index;
  const auto wanted = projection.included_paths();
  if (!wanted || !std::all_of(wanted->begin(), wanted->end(), [&](const std::string& path) { return has_field(index, path); })) return std::nullopt;
  // Without a predicate on the first field the index is read as a whole, for a hint or a sort, and what is filtered is fetched.
  if (!filter.matches_everything() && (plan.bounds.empty() || filter.collator() != nullptr)) return std::nullopt;
  if (!filter.is_decided_by([&](std::string_view path) { return has_field(index, path); })) return std::nullopt;
  if (!plan.sorted && !std::all_of(sort.parts().begin(), sort.parts().end(), [&](const auto& part) { return has_field(index, part.path); })) return std::nullopt;
  CoveredProjection covered;
  for (const auto& field : index.fields) {
    if (std::find(wanted->begin(), wanted->end(), field.path) != wanted->end()) add(covered.nodes_, field.path, field.path);
  }
  return covered;
}

void CoveredProjection::add(std::vector<Node>& nodes, std::string_view rest, const std::string& path) {
  const auto dot = rest.find('.');
  const auto name = rest.substr(0, dot);
  auto found = std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) { return node.name == name; });
  if (found == nodes.end()) found = nodes.insert(nodes.end(), Node{std::string(name), {}, {}});
  if (dot == std::string_view::npos) {
    found->path = path;
  } else {
    add(found->children, rest.substr(dot + 1), path);
  }
}

void CoveredProjection::append(const std::vector<Node>& nodes, bson::View document, bson::Builder& out) {
  for (const auto& node : nodes) {
    if (!node.children.empty()) {
      auto inner = out.open_document(node.name);
      append(node.children, document, inner);
      continue;
    }
    const auto value = document.at_path(node.path);
    value ? out.append(node.name, value) : out.append(node.name, bson::Null{});
  }
}

bson::Document CoveredProjection::apply(bson::View document) const {
  bson::Builder out;
  append(nodes_, document, out);
  return std::move(out).finish();
}

}  // namespace drover::sandbox
