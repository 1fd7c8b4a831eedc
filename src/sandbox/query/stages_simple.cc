// Stages that look at one document at a time, and the sort.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/projection_tree.h"
#include "sandbox/query/stage.h"
#include "sandbox/query/update_pipeline.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;
using Next = Result<std::optional<Document>>;
using Parsed = Result<std::vector<StagePtr>>;

namespace {

template <typename T>
std::vector<StagePtr> single(std::shared_ptr<T> stage, const Element& argument) {
  stage->name = argument.key();
  bson::Builder builder;
  builder.append("", argument);
  stage->spec = std::move(builder).finish();
  return {std::move(stage)};
}

// The common source: pulls from its input and asks its stage what becomes of each document.
template <typename S>
class StageSource final : public MappedSource {
 public:
  StageSource(std::shared_ptr<const S> stage, DocumentSourcePtr input)
      : MappedSource(std::move(input)), stage_(std::move(stage)) {}
  Next next() override {
    while (auto document = TRY(input_->next())) {
      auto result = TRY(stage_->transform(std::move(*document)));
      if (result) return result;
    }
    return std::nullopt;
  }

 private:
  std::shared_ptr<const S> stage_;
};

template <typename S>
struct TransformStage : Stage {
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<StageSource<S>>(std::static_pointer_cast<const S>(shared_from_this()), std::move(input));
  }
};

struct MatchStage final : TransformStage<MatchStage> {
  Next transform(Document document) const {
    if (!TRY(matcher.try_matches(document))) return std::nullopt;
    return document;
  }
  Matcher matcher;
};

Parsed parse_match(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document()) return bad(15959, "the match filter must be an expression in an object");
  auto stage = std::make_shared<MatchStage>();
  const auto& evaluation = context.evaluation;
  stage->matcher = TRY(Matcher::parse(argument.document_value(), evaluation->collator, evaluation->version, evaluation,
                                      {.where = false, .near = false}));
  return single(std::move(stage), argument);
}

struct ProjectStage final : TransformStage<ProjectStage> {
  Next transform(Document document) const { return TRY(tree.apply(document, *context)); }
  ProjectionTree tree;
  std::shared_ptr<const EvaluationContext> context;
};

Parsed parse_projection(const Element& argument, const PipelineContext& context) {
  const std::string_view name = argument.key();
  auto stage = std::make_shared<ProjectStage>();
  stage->context = context.evaluation;
  if (name == "$unset") {
    stage->tree = TRY(parse_unset_stage(argument, name, context.evaluation->version));
    return single(std::move(stage), argument);
  }
  const bool projects = name == "$project";
  if (!argument.is_document()) {
    if (projects) return bad(15969, "$project specification must be an object");
    return bad(40272,
               fmt::format("{} specification stage must be an object, got {}", name, bson::type_name(argument.type())));
  }
  auto tree = projects ? parse_project_stage(argument.document_value(), *context.evaluation)
                       : parse_add_fields_stage(argument.document_value(), *context.evaluation);
  if (!tree)
    return tl::unexpected(std::move(tree).error().with_context(fmt::format("Invalid {} :: caused by :", name)));
  stage->tree = std::move(*tree);
  return single(std::move(stage), argument);
}

struct ReplaceRootStage final : TransformStage<ReplaceRootStage> {
  Next transform(Document document) const { return TRY(replace_root(*new_root, document, *context, name)); }
  ExpressionPtr new_root;
  std::shared_ptr<const EvaluationContext> context;
};

Parsed parse_replace_root(const Element& argument, const PipelineContext& context) {
  auto stage = std::make_shared<ReplaceRootStage>();
  stage->context = context.evaluation;
  stage->new_root = TRY(parse_new_root(argument, *context.evaluation));
  return single(std::move(stage), argument);
}

struct LimitStage final : Stage {
  struct Source final : MappedSource {
    Source(DocumentSourcePtr input, std::int64_t count) : MappedSource(std::move(input)), left(count) {}
    Next next() override {
      if (left == 0) return std::nullopt;
      --left;
      return input_->next();
    }
    std::int64_t left;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::move(input), count);
  }
  std::int64_t count = 0;
};

// Since 5.0 the argument of $limit and $skip is a whole number that is not negative.
Status check_count(const Element& argument, const PipelineContext& context, int failure) {
  if (context.evaluation->version < ServerVersion{5, 0, 0}) return {};
  const auto count = whole_number(argument);
  if (count && *count >= 0) return {};
  const auto why = count ? fmt::format("Expected a non-negative number in: {}: {}", argument.key(), bson::to_shell(argument)) : count.error().message;
  return bad(failure, fmt::format("invalid argument to {} stage: {}", argument.key(), why));
}

Parsed parse_limit(const Element& argument, const PipelineContext& context) {
  TRY(check_count(argument, context, 5107201));
  if (!argument.is_number()) return bad(15957, "the limit must be specified as a number");
  auto stage = std::make_shared<LimitStage>();
  stage->count = argument.to_int64().value_or(0);
  if (stage->count <= 0) return bad(15958, "the limit must be positive");
  return single(std::move(stage), argument);
}

struct SkipStage final : Stage {
  struct Source final : MappedSource {
    Source(DocumentSourcePtr input, std::int64_t count) : MappedSource(std::move(input)), left(count) {}
    Next next() override {
      for (; left > 0; --left) {
        if (!TRY(input_->next())) return std::nullopt;
      }
      return input_->next();
    }
    std::int64_t left;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::move(input), count);
  }
  std::int64_t count = 0;
};

Parsed parse_skip(const Element& argument, const PipelineContext& context) {
  TRY(check_count(argument, context, 5107200));
  if (!argument.is_number())
    return bad(15972, fmt::format("Argument to $skip must be a number not a {}", bson::type_name(argument.type())));
  auto stage = std::make_shared<SkipStage>();
  stage->count = argument.to_int64().value_or(0);
  if (stage->count < 0) return bad(15956, "Argument to $skip cannot be negative");
  return single(std::move(stage), argument);
}

struct SortStage final : Stage {
  struct Keyed {
    std::string key;
    Document document;
    std::optional<double> score;  // of $text, where it is carried
    std::unique_ptr<EvaluationContext::Origin> origin = nullptr;  // where somebody asks for it
    std::size_t bytes() const { return key.size() + document.size() + (origin ? origin->bytes() : 0); }
  };

  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const SortStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)), memory_(stage_->memory) {}
    Next next() override {
      if (!loaded_) TRY(load());
      if (at_ == documents_.size()) return std::nullopt;
      Keyed& next = documents_[at_++];
      if (stage_->carries) stage_->context->carried_score = next.score;
      if (next.origin) stage_->context->origin = std::move(*next.origin);
      return std::move(next.document);
    }

   private:
    static bool before(const Keyed& a, const Keyed& b) { return a.key < b.key; }

    Status load() {
      loaded_ = true;
      std::size_t bytes = 0;
      while (auto document = TRY(input_->next())) {
        std::string key = TRY(stage_->pattern.key(*document));
        documents_.push_back({std::move(key), std::move(*document), stage_->carries ? stage_->context->carried_score : std::nullopt});
        if (stage_->tells_origin && stage_->context->origin_asked.any()) documents_.back().origin = TRY(origin_of(documents_.back().document));
        bytes += documents_.back().bytes();
        if (stage_->limit > 0 && documents_.size() >= 2 * stage_->limit + 64) bytes = cut();
        if (bytes > stage_->max_bytes) {
          return bad(292, fmt::format("Sort exceeded memory limit of {} bytes, but did not opt in to external sorting. Aborting operation. Pass allowDiskUse:true to opt in.",
                                      stage_->max_bytes));
        }
        TRY(memory_.hold(bytes));
      }
      cut();
      return {};
    }

    Result<std::unique_ptr<EvaluationContext::Origin>> origin_of(const Document& document) const {
      auto origin = std::make_unique<EvaluationContext::Origin>(stage_->context->origin);
      if (stage_->context->origin_asked.sort_key) origin->sort_key = TRY(stage_->pattern.values(document));
      return origin;
    }

    // Sorts what is there, keeps what can still come out; its size in bytes.
    std::size_t cut() {
      std::stable_sort(documents_.begin(), documents_.end(), before);
      if (stage_->limit > 0 && documents_.size() > stage_->limit) documents_.resize(stage_->limit);
      std::size_t bytes = 0;
      for (const auto& each : documents_) bytes += each.bytes();
      return bytes;
    }

    std::shared_ptr<const SortStage> stage_;
    StageMemory memory_;
    std::vector<Keyed> documents_;
    std::size_t at_ = 0;
    bool loaded_ = false;
  };

  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const SortStage>(shared_from_this()), std::move(input));
  }
  SortPattern pattern;
  std::shared_ptr<const EvaluationContext> context;
  bool carries = false;  // the score of $text
  bool tells_origin = false;
  std::size_t limit = 0;
  std::size_t max_bytes = kMaxStageBytes;
  MemoryBudget* memory = nullptr;
};

Parsed parse_sort(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document()) return bad(15973, "the $sort key specification must be an object");
  if (argument.document_value().empty()) return bad(15976, "$sort stage must have at least one sort key");
  auto pattern = TRY(SortPattern::parse(argument.document_value(), context.evaluation->collator, context.evaluation->version, context.evaluation));
  return std::vector<StagePtr>{make_sort_stage(argument, std::move(pattern), context, 0)};
}

struct SampleStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const SampleStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)), memory_(stage_->memory) {}
    Next next() override {
      if (!loaded_) TRY(load());
      if (kept_.empty()) return std::nullopt;
      Document last = std::move(kept_.back());
      kept_.pop_back();
      return last;
    }

   private:
    double random() const { return stage_->context->random ? stage_->context->random() : 0.5; }

    // Reservoir sampling: every document is as likely.
    Status load() {
      loaded_ = true;
      if (stage_->size == 0) return {};
      std::size_t seen = 0, bytes = 0;
      while (auto document = TRY(input_->next())) {
        ++seen;
        if (kept_.size() < stage_->size) {
          bytes += document->size();
          kept_.push_back(std::move(*document));
        } else {
          const auto slot = static_cast<std::size_t>(random() * static_cast<double>(seen));
          if (slot >= kept_.size()) continue;
          bytes += document->size() - kept_[slot].size();
          kept_[slot] = std::move(*document);
        }
        if (bytes > stage_->max_bytes) return bad(16819, fmt::format("$sample exceeded the memory limit of {} bytes", stage_->max_bytes));
        TRY(memory_.hold(bytes));
      }
      for (std::size_t i = kept_.size(); i > 1; --i) {
        std::swap(kept_[i - 1], kept_[std::min(i - 1, static_cast<std::size_t>(random() * static_cast<double>(i)))]);
      }
      return {};
    }

    std::shared_ptr<const SampleStage> stage_;
    StageMemory memory_;
    std::vector<Document> kept_;
    bool loaded_ = false;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const SampleStage>(shared_from_this()), std::move(input));
  }
  std::size_t size = 0;
  std::shared_ptr<const EvaluationContext> context;
  std::size_t max_bytes = kMaxStageBytes;
  MemoryBudget* memory = nullptr;
};

Parsed parse_sample(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document()) return bad(28745, "the $sample stage specification must be an object");
  auto stage = std::make_shared<SampleStage>();
  stage->context = context.evaluation;
  stage->max_bytes = context.max_stage_bytes;
  stage->memory = context.memory;
  bool given = false;
  for (const Element& e : argument.document_value()) {
    if (e.key() != "size") return bad(28748, fmt::format("unrecognized option to $sample: {}", e.key()));
    if (!e.is_number()) return bad(28746, "size argument to $sample must be a number");
    if (e.to_double().value_or(-1) < 0) return bad(28747, "size argument to $sample must not be negative");
    stage->size = static_cast<std::size_t>(e.to_int64().value_or(0));
    given = true;
  }
  if (!given) return bad(28749, "$sample stage must specify a size");
  return single(std::move(stage), argument);
}

struct RedactStage final : TransformStage<RedactStage> {
  Next transform(Document document) const {
    bson::Builder out;
    Variables variables(document.view(), *context);
    if (!TRY(redact(variables, document.view(), out))) return std::nullopt;
    return std::move(out).finish();
  }

  // Paths lead from `object`, $$ROOT stays the whole document. False: pruned.
  Result<bool> redact(Variables& variables, View object, bson::Builder& out) const {
    variables.set_slot(current, Datum::document(object));
    const Datum verdict = TRY(expression->evaluate(variables));
    const std::string_view word =
        verdict.type() == Type::kString ? verdict.element().string_value() : std::string_view();
    if (word == "prune") return false;
    if (word == "keep") {
      out.append_all(object);
      return true;
    }
    if (word != "descend") {
      return bad(17053, fmt::format("$redact's expression should not return anything aside from the variables $$KEEP, "
                                    "$$DESCEND, and $$PRUNE, but returned {}",
                                    printed(verdict)));
    }
    for (const Element& field : object) TRY(value(variables, field, field.key(), out));
    return true;
  }

  Status value(Variables& variables, const Element& field, std::string_view key, bson::Builder& out) const {
    if (field.is_document()) {
      bson::Builder inner;
      if (TRY(redact(variables, field.document_value(), inner))) out.append(key, std::move(inner).finish());
    } else if (field.is_array()) {
      bson::ArrayBuilder items;
      for (const Element& item : field.document_value()) {
        bson::Builder one;
        TRY(value(variables, item, "", one));
        if (!one.empty()) items.append(std::move(one).finish().view().first());
      }
      out.append(key, bson::ArrayView{std::move(items).finish().view()});
    } else {
      out.append(key, field);
    }
    return {};
  }
  ExpressionPtr expression;
  std::size_t current = 0;  // the slot of $$CURRENT
  std::shared_ptr<const EvaluationContext> context;
};

Parsed parse_redact(const Element& argument, const PipelineContext& context) {
  auto stage = std::make_shared<RedactStage>();
  stage->context = context.evaluation;
  stage->expression = TRY(parse_expression(argument, Scope(*context.evaluation).with("CURRENT", &stage->current)));
  return single(std::move(stage), argument);
}

constexpr StageRow kRows[] = {
    {"$match", parse_match},
    {"$project", parse_projection},
    {"$addFields", parse_projection},
    {"$set", parse_projection},
    {"$unset", parse_projection},
    {"$replaceRoot", parse_replace_root},
    {"$replaceWith", parse_replace_root},
    {"$limit", parse_limit},
    {"$skip", parse_skip},
    {"$sort", parse_sort},
    {"$sample", parse_sample},
    {"$redact", parse_redact},
};

}  // namespace

StagePtr make_sort_stage(const Element& argument, SortPattern pattern, const PipelineContext& context,
                         std::size_t limit) {
  auto stage = std::make_shared<SortStage>();
  stage->pattern = std::move(pattern);
  stage->context = context.evaluation;
  stage->carries = context.evaluation && context.evaluation->text_score_state == EvaluationContext::TextScore::kCarried;
  stage->tells_origin = context.evaluation && context.evaluation->origin_state == EvaluationContext::OriginState::kKnown;
  stage->limit = limit;
  stage->max_bytes = context.max_stage_bytes;
  stage->memory = context.memory;
  stage->name = "$sort";
  bson::Builder builder;
  builder.append("", argument);
  stage->spec = std::move(builder).finish();
  return stage;
}

StagePtr limited_sort(const Stage& sort, std::size_t limit) {
  constexpr std::size_t kMost = std::size_t{1} << 40;  // more than there can be: as if there were no limit
  auto stage = std::make_shared<SortStage>(static_cast<const SortStage&>(sort));
  stage->limit = limit < kMost ? limit : 0;
  return stage;
}

std::optional<std::int64_t> limit_of(const Stage& stage) {
  if (stage.name != "$limit") return std::nullopt;
  return static_cast<const LimitStage&>(stage).count;
}

std::optional<std::int64_t> skip_of(const Stage& stage) {
  if (stage.name != "$skip") return std::nullopt;
  return static_cast<const SkipStage&>(stage).count;
}

std::span<const StageRow> simple_stages() { return kRows; }

}  // namespace drover::sandbox::query
