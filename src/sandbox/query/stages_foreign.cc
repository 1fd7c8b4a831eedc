// $unionWith and $graphLookup; $lookup is stages_lookup.cc.
#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/foreign.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/projection_tree.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;
using Next = Result<std::optional<Document>>;
using Parsed = Result<std::vector<StagePtr>>;

namespace {

struct UnionStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const UnionStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)) {}
    Next next() override {
      if (!second_) {
        if (auto document = TRY(input_->next())) return document;
        second_ = TRY(open_pipeline(stage_->context, stage_->from, stage_->pipeline.view()));
      }
      auto document = second_->next();
      stage_->context.evaluation->carried_score.reset();
      return document;
    }
    void rest() override { second_ ? second_->rest() : input_->rest(); }

   private:
    std::shared_ptr<const UnionStage> stage_;
    DocumentSourcePtr second_;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const UnionStage>(shared_from_this()), std::move(input));
  }
  void add_foreign(std::vector<std::pair<std::string, std::string>>& names) const override {
    if (!from.documents) names.emplace_back(from.db, from.collection);
  }
  PipelineContext context;
  ForeignQuery from;
  Document pipeline;
};

Parsed parse_union(const Element& argument, const PipelineContext& context) {
  auto stage = std::make_shared<UnionStage>();
  stage->name = "$unionWith";
  stage->context = context;
  bool has_pipeline = false;
  if (argument.is_string()) {
    stage->from.collection = argument.string_value();
  } else if (argument.is_document()) {
    for (const Element& e : argument.document_value()) {
      const bool mistyped = (e.key() == "coll" && !e.is_string()) || (e.key() == "pipeline" && !e.is_array());
      if (mistyped) {
        return bad(code::kTypeMismatch, fmt::format("BSON field '$unionWith.{}' is the wrong type '{}', expected type '{}'", e.key(),
                                                    bson::type_name(e.type()), e.key() == "coll" ? "string" : "array"));
      }
      if (e.key() == "coll" && e.is_string()) {
        stage->from.collection = e.string_value();
      } else if (e.key() == "pipeline" && e.is_array()) {
        stage->pipeline = Document(e.document_value());
        has_pipeline = true;
      } else {
        return bad(40415, fmt::format("BSON field '$unionWith.{}' is an unknown field.", e.key()));
      }
    }
  } else {
    return bad(code::kFailedToParse,
               fmt::format("the $unionWith stage specification must be an object or string, but found {}",
                           bson::type_name(argument.type())));
  }
  if (stage->from.collection.empty() && has_pipeline && may_give_documents(context)) {
    TRY(take_documents("$unionWith", stage->from, stage->pipeline));
    TRY(parse_expression(stage->from.documents->view().first(), Scope(*context.evaluation)));
  }
  if (stage->from.collection.empty() && !stage->from.documents) return bad(40414, "BSON field '$unionWith.coll' is missing but a required field");
  TRY(parse_stage_list(stage->pipeline.view(), context, "$unionWith"));
  return std::vector<StagePtr>{std::move(stage)};
}

struct GraphStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const GraphStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)) {}
    Next next() override {
      auto document = TRY(input_->next());
      if (!document) return std::nullopt;
      return with_value_at(document->view(), stage_->as, TRY(stage_->reach(document->view())));
    }

   private:
    std::shared_ptr<const GraphStage> stage_;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const GraphStage>(shared_from_this()), std::move(input));
  }
  void add_foreign(std::vector<std::pair<std::string, std::string>>& names) const override {
    names.emplace_back(from.db, from.collection);
  }

  // Breadth first; each document of the other collection once.
  Result<Datum> reach(View document) const {
    Variables variables(document, *context.evaluation);
    const Datum begin = TRY(start->evaluate(variables));
    std::vector<Datum> frontier;
    std::set<std::string> asked, seen;
    const auto ask = [&](const Element& value) {
      if (!value.exists()) return;
      if (asked.insert(bson::key_string(value, context.evaluation->collator.get())).second)
        frontier.push_back(Datum::copy(value));
    };
    if (begin.type() == Type::kArray) {
      for (const Element& item : begin.element().document_value()) ask(item);
    } else {
      ask(begin.element());
    }
    StageMemory memory(context.memory);
    bson::ArrayBuilder found;
    for (std::int64_t depth = 0; !frontier.empty() && (!max_depth || depth <= *max_depth); ++depth) {
      auto source = TRY(open_foreign(context, {from.db, from.collection, level_filter(frontier)}));
      frontier.clear();
      while (auto match = TRY(source->next())) {
        if (!seen.insert(bson::key_string((*match)["_id"])).second) continue;
        for (const Element& value : joining_values(match->view(), connect_from)) ask(value);
        if (depth_field.empty()) {
          found.append(*match);
        } else {
          found.append(with_value_at(match->view(), depth_field, Datum::from(depth)));
        }
        TRY(memory.hold(found.size()));
        if (found.size() > context.max_stage_bytes)
          return bad(40099, "$graphLookup reached maximum memory consumption");
      }
    }
    return Datum::array(std::move(found));
  }

  Document level_filter(const std::vector<Datum>& values) const {
    bson::Builder filter;
    {
      auto list = filter.open_array("$and");
      {
        auto membership = list.open_document();
        auto predicate = membership.open_document(connect_to);
        auto items = predicate.open_array("$in");
        for (const Datum& value : values) items.append(value.element());
      }
      if (!restriction.empty()) list.append(restriction);
    }
    return std::move(filter).finish();
  }

  PipelineContext context;
  ForeignQuery from;
  ExpressionPtr start;
  FieldPath connect_from;
  std::string connect_to;
  std::vector<std::string> as, depth_field;
  std::optional<std::int64_t> max_depth;
  Document restriction;
};

Parsed parse_graph(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document())
    return bad(code::kFailedToParse, fmt::format("the $graphLookup stage specification must be an object, but found {}",
                                  bson::type_name(argument.type())));
  auto stage = std::make_shared<GraphStage>();
  stage->name = "$graphLookup";
  stage->context = context;
  for (const Element& e : argument.document_value()) {
    const std::string_view name = e.key();
    if (name == "startWith") {
      stage->start = TRY(parse_expression(e, Scope(*context.evaluation)));
    } else if (name == "maxDepth") {
      if (!e.is_number())
        return bad(40100, fmt::format("maxDepth must be numeric, found type: {}", bson::type_name(e.type())));
      if (!whole_number(Datum::borrow(e))) return bad(40102, fmt::format("maxDepth could not be represented as a long long: {}", printed(e)));
      stage->max_depth = e.to_int64().value_or(-1);
      if (*stage->max_depth < 0)
        return bad(40101, fmt::format("maxDepth requires a nonnegative argument, found: {}", *stage->max_depth));
    } else if (name == "restrictSearchWithMatch") {
      if (!e.is_document())
        return bad(40185,
                   fmt::format("restrictSearchWithMatch must be an object, found {}", bson::type_name(e.type())));
      TRY(Matcher::parse(e.document_value(), context.evaluation->collator, context.evaluation->version,
                         context.evaluation));
      stage->restriction = Document(e.document_value());
    } else if (name != "from" && name != "as" && name != "connectFromField" && name != "connectToField" && name != "depthField") {
      return bad(40104, fmt::format("Unknown argument to $graphLookup: {}", name));
    } else if (!e.is_string()) {
      return bad(40103, fmt::format("expected string as argument for {}, found: {}", name, bson::to_shell(e)));
    } else if (name == "from") {
      stage->from.collection = e.string_value();
    } else if (name == "as") {
      stage->as = split_path(e.string_value());
    } else if (name == "connectFromField") {
      stage->connect_from = FieldPath(e.string_value());
    } else if (name == "connectToField") {
      stage->connect_to = e.string_value();
    } else {
      stage->depth_field = split_path(e.string_value());
    }
    if (e.is_string() && name != "from" && name != "startWith") TRY(check_projection_path(e.string_value(), context.evaluation->version));
  }
  if (std::max(stage->as.size(), stage->depth_field.size()) > kMaxPathDepth) {
    return bad(code::kOverflow, "FieldPath is too long");
  }
  const bool complete = !stage->from.collection.empty() && !stage->as.empty() && stage->start &&
                        !stage->connect_from.text().empty() && !stage->connect_to.empty();
  if (!complete)
    return bad(
        40105,
        "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified.");
  return std::vector<StagePtr>{std::move(stage)};
}

constexpr StageRow kRows[] = {{"$unionWith", parse_union}, {"$graphLookup", parse_graph}};

}  // namespace

std::span<const StageRow> foreign_stages() { return kRows; }

}  // namespace drover::sandbox::query
