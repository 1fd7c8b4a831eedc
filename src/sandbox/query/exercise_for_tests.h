// For the fuzzer and the mutation test: one document that says what to do, {q: filter, s: sort, j: projection, u: update,
// f: array filters, p: pipeline, d: document}, done as far as it parses. Nothing may crash, hang or exhaust memory.
#pragma once

#include "base/check.h"
#include "bson/builder.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/query/pipeline.h"
#include "sandbox/query/projection.h"
#include "sandbox/query/sort.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {

inline void exercise_update(bson::View task, bson::View document, const Matcher& matcher, ServerVersion version) {
  UpdateOptions options;
  options.version = version;
  options.array_filters = task["f"].to_array();
  const auto update = Update::parse(task["u"], options);
  if (!update) return;
  MatchDetails details;
  matcher.matches(document, &details);
  const auto applied = update->apply(document, {.details = &details});
  if (applied && applied->modified) {
    const auto again = apply_oplog_update(document, applied->oplog_object);
    CHECK(again.has_value(), "an oplog entry cannot be applied");
    CHECK(again->view().same_bytes(applied->document), "an oplog entry gives another document");
    update_description(applied->oplog_object, {true, true});
  }
  update->upsert_document(matcher, {}, [] { return bson::ObjectId{}; }).has_value();
}

inline void exercise_pipeline(bson::View task, bson::View document, ServerVersion version) {
  constexpr std::size_t kSmallStages = 1024 * 1024;
  constexpr int kEnough = 1000;
  PipelineContext context;
  auto evaluation = std::make_shared<EvaluationContext>();
  evaluation->version = version;
  context.evaluation = evaluation;
  context.max_stage_bytes = kSmallStages;
  context.open_foreign = [&](const ForeignQuery&) -> Result<DocumentSourcePtr> {
    std::vector<bson::Document> documents;
    documents.emplace_back(document);
    return make_vector_source(std::move(documents));
  };
  auto pipeline = Pipeline::parse(*task["p"].to_array(), context);
  if (!pipeline) return;
  std::vector<bson::Document> documents;
  documents.emplace_back(document);
  documents.emplace_back(document);
  auto source = std::move(*pipeline).run(make_vector_source(std::move(documents)));
  for (int i = 0; i < kEnough; ++i) {
    auto next = source->next();
    if (!next || !*next) return;
  }
}

inline void exercise(bson::View task) {
  const bson::View document = task["d"].to_document().value_or(bson::View());
  for (const ServerVersion version : {ServerVersion{4, 4, 0}, ServerVersion{8, 0, 0}}) {
    auto matcher = Matcher::parse(task["q"].to_document().value_or(bson::View()), nullptr, version);
    if (!matcher) matcher = Matcher();
    if (matcher->has_text()) (void)matcher->answer_text_by(bson::make_document({{"weights", bson::make_document({{"$**", 1}})}}));
    matcher->matches(document);
    if (matcher->has_text()) (void)matcher->text_scorer()(document);
    matcher->bounds();
    matcher->equalities();
    if (const auto spec = task["s"].to_document()) {
      const auto sort = SortPattern::parse(*spec);
      if (sort) sort->key(document).has_value();
    }
    if (const auto spec = task["j"].to_document()) {
      const auto projection = Projection::parse(*spec, &*matcher, version);
      if (projection) projection->apply(document).has_value();
    }
    if (task["u"]) exercise_update(task, document, *matcher, version);
    if (task["p"].is_array()) exercise_pipeline(task, document, version);
  }
}

}  // namespace drover::sandbox::query
