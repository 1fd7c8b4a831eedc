#include "sandbox/commands/views.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox {

namespace {

constexpr int kGraphContainsCycle = 5;
constexpr int kViewDepthLimitExceeded = 165;
constexpr int kOptionNotSupportedOnView = 167;
constexpr std::size_t kMaxViewDepth = 20;

Namespace definitions_of(const std::string& db) { return {db, "system.views"}; }

bson::Document definition(const Namespace& ns, bson::View options) {
  bson::Builder document;
  document.append("_id", ns.to_string()).append_all(options);
  return std::move(document).finish();
}

Result<Record> find_definition(WriteUnit& unit, const CollectionPtr& definitions, const Namespace& ns) {
  const auto id = bson::make_document({{"_id", ns.to_string()}});
  auto record = definitions ? TRY(unit.find_by_id(*definitions, id["_id"])) : std::nullopt;
  if (!record) return server_error(code::kNamespaceNotFound, fmt::format("cannot find the view {}", ns.to_string()));
  return std::move(*record);
}

Result<query::Pipeline> parse_pipeline(CommandContext& context, bson::View stages) {
  query::PipelineContext parsing;
  parsing.evaluation = evaluation_context(context);
  return query::Pipeline::parse(stages, parsing);
}

// Collections that a view reads: the one below it and those that its stages name.
Result<std::vector<Namespace>> reads_of(CommandContext& context, const std::string& db, const std::string& view_on, bson::View stages) {
  std::vector<Namespace> result{{db, view_on}};
  const auto pipeline = TRY(parse_pipeline(context, stages));
  for (const auto& [other, collection] : pipeline.foreign_collections()) result.push_back({other.empty() ? db : other, collection});
  return result;
}

// What a view that is being defined may read: nothing that reads it, and no more than so many views upon each other. Each is looked at once, however
// many ways there are to it.
class Reading {
 public:
  Reading(CommandContext& context, const Catalog& catalog, const Namespace& defined) : context_(context), catalog_(catalog), chain_{defined} {}

  // How many views stand upon each other at most, from `at` down.
  Result<std::size_t> height(const Namespace& at) {
    chain_.push_back(at);
    if (at == chain_.front()) return cycle();
    if (const auto known = heights_.find(at); known != heights_.end()) return leave(known->second);
    const auto view = catalog_.find(at);
    if (!view || !view->is_view()) return leave(0);
    if (chain_.size() > kMaxViewDepth) return too_deep();
    std::size_t highest = 0;
    // A definition that was written to system.views by hand need not parse.
    if (const auto reads = reads_of(context_, at.db, view->view_on, view->view_pipeline)) {
      for (const auto& next : *reads) highest = std::max(highest, TRY(height(next)));
    }
    heights_[at] = highest + 1;
    return leave(highest + 1);
  }

  static tl::unexpected<Error> too_deep() {
    return server_error(kViewDepthLimitExceeded, fmt::format("View depth limit exceeded; maximum depth is {}", kMaxViewDepth));
  }

 private:
  std::size_t leave(std::size_t height) {
    chain_.pop_back();
    return height;
  }
  tl::unexpected<Error> cycle() const {
    std::string way;
    for (const auto& ns : chain_) way += (way.empty() ? "" : " => ") + ns.to_string();
    return server_error(kGraphContainsCycle, "View cycle detected: " + way);
  }

  CommandContext& context_;
  const Catalog& catalog_;
  std::vector<Namespace> chain_;  // the way from the view that is being defined
  std::map<Namespace, std::size_t> heights_;
};

Status check_definition(CommandContext& context, WriteUnit& unit, const Namespace& ns, bson::View options) {
  const std::string on(options["viewOn"].to_string_view().value_or(""));
  if (on.empty()) return server_error(code::kBadValue, "'viewOn' cannot be empty");
  TRY(check_collection_name(context, {ns.db, on}));
  const auto stages = options["pipeline"].to_array().value_or(bson::View());
  const auto pipeline = TRY(parse_pipeline(context, stages));
  if (pipeline.output() || (pipeline.leading() && pipeline.leading()->name == "$changeStream")) {
    return server_error(kOptionNotSupportedOnView,
                        fmt::format("The aggregation stage {} cannot be used in the view definition of {}",
                                    pipeline.output() ? (pipeline.output()->kind == query::PipelineOutput::Kind::kOut ? "$out" : "$merge") : "$changeStream",
                                    ns.to_string()));
  }
  Reading reading(context, unit.catalog(), ns);
  for (const auto& next : TRY(reads_of(context, ns.db, on, stages))) {
    if (TRY(reading.height(next)) >= kMaxViewDepth) return Reading::too_deep();
  }
  const auto below = unit.catalog().find({ns.db, on});
  if (!below || !below->is_view()) return {};
  const auto collator = TRY(effective_collation(options, nullptr));
  const bool same = collator ? collator->same_as(below->collator.get()) : below->collator == nullptr;
  if (!same) {
    return server_error(kOptionNotSupportedOnView,
                        fmt::format("View {} has conflicting collation with view {}", ns.to_string(), below->ns.to_string()));
  }
  return {};
}

}  // namespace

Status create_view(CommandContext& context, WriteUnit& unit, const Namespace& ns, bson::View options) {
  if (unit.catalog().find(ns)) {
    return server_error(code::kNamespaceExists, fmt::format("a view already exists. NS: {}", ns.to_string()));
  }
  TRY(check_definition(context, unit, ns, options));
  auto definitions = unit.catalog().find(definitions_of(ns.db));
  if (!definitions) definitions = TRY(unit.create_collection(definitions_of(ns.db), bson::View(), default_id_index(nullptr)));
  TRY(unit.insert(definitions, definition(ns, options)));
  return {};
}

Status replace_view(CommandContext& context, WriteUnit& unit, const Namespace& ns, bson::View options) {
  TRY(check_definition(context, unit, ns, options));
  const auto definitions = unit.catalog().find(definitions_of(ns.db));
  const auto record = TRY(find_definition(unit, definitions, ns));
  const auto after = definition(ns, options);
  return unit.update(definitions, record.id, record.document, after, after);
}

Status drop_view(WriteUnit& unit, const Namespace& ns) {
  const auto definitions = unit.catalog().find(definitions_of(ns.db));
  const auto record = TRY(find_definition(unit, definitions, ns));
  return unit.remove(definitions, record.id, record.document);
}

}  // namespace drover::sandbox
