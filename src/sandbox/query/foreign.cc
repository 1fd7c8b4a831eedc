#include "sandbox/query/foreign.h"

#include <utility>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/given_documents.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::View;

namespace {

// The caller matches the filter without this pipeline's variables, so one with $expr stays here.
bool mentions_expr(View filter) {
  for (const Element& e : filter) {
    if (e.key() == "$expr") return true;
    if (e.is_document() || e.is_array()) {
      if (mentions_expr(e.document_value())) return true;
    }
  }
  return false;
}

Result<DocumentSourcePtr> open_documents(const PipelineContext& context, const ForeignQuery& query) {
  auto documents = TRY(given_documents(query.documents->view().first(), *context.evaluation));
  const auto filter = TRY(Matcher::parse(query.filter, context.evaluation->collator, context.evaluation->version, context.evaluation));
  std::vector<Document> matching;
  for (auto& document : documents) {
    if (TRY(filter.try_matches(document))) matching.push_back(std::move(document));
  }
  return make_vector_source(std::move(matching));
}

void add_joining_values(View object, std::span<const std::string> path, std::vector<Element>& values) {
  Element value = object[path[0]];
  path = path.subspan(1);
  while (!path.empty() && value.is_array() && is_array_index(path[0])) {
    value = value.document_value()[path[0]];
    path = path.subspan(1);
  }
  if (path.empty() && !value.is_array()) {
    if (value.exists()) values.push_back(value);
    return;
  }
  if (value.is_document()) return add_joining_values(value.document_value(), path, values);
  if (!value.is_array()) return;
  for (const Element& item : value.document_value()) {
    if (path.empty()) values.push_back(item);
    else if (item.is_document()) add_joining_values(item.document_value(), path, values);
  }
}

}  // namespace

Result<DocumentSourcePtr> open_foreign(const PipelineContext& context, ForeignQuery query) {
  if (query.documents) return open_documents(context, query);
  if (!context.open_foreign)
    return bad(code::kBadValue,
               fmt::format("reading collection {} is not possible in this pipeline", query.collection));
  return context.open_foreign(query);
}

Status take_documents(std::string_view stage, ForeignQuery& from, Document& pipeline) {
  const Document given = pipeline;
  const auto first = given.empty() ? View() : given.view().first().to_document().value_or(View());
  if (first.empty() || first.first().key() != "$documents") {
    return bad(code::kFailedToParse, fmt::format("{} stage without explicit collection must have a pipeline with $documents as first stage", stage));
  }
  bson::Builder expression;
  expression.append("", first.first());
  from.documents = std::move(expression).finish();
  bson::ArrayBuilder rest;
  bool leading = true;
  for (const Element& each : given) {
    if (!std::exchange(leading, false)) rest.append(each);
  }
  pipeline = std::move(rest).finish();
  return {};
}

bool may_give_documents(const PipelineContext& context) { return context.evaluation->version >= ServerVersion{5, 1, 0}; }

Result<DocumentSourcePtr> open_pipeline(const PipelineContext& context, const ForeignQuery& from, View pipeline) {
  ForeignQuery query = from;
  std::vector<StagePtr> stages = TRY(parse_stage_list(pipeline, context, "$lookup"));
  if (!stages.empty() && stages.front()->name == "$match") {
    const View filter = stages.front()->spec.view().first().document_value();
    if (!mentions_expr(filter) && query.filter.empty()) {
      query.filter = Document(filter);
      stages.erase(stages.begin());
    }
  }
  return run_stages(stages, TRY(open_foreign(context, std::move(query))));
}

std::vector<Element> joining_values(View document, const FieldPath& path) {
  std::vector<Element> values;
  add_joining_values(document, path.parts(), values);
  return values;
}

}  // namespace drover::sandbox::query
