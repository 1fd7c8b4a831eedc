// Stages that gather documents into groups: $group, $count, $sortByCount, $bucket, $bucketAuto.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/key_string.h"
#include "sandbox/query/accumulator.h"
#include "sandbox/query/granularity.h"
#include "sandbox/query/projection_tree.h"
#include "sandbox/query/stage.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;
using Next = Result<std::optional<Document>>;
using Parsed = Result<std::vector<StagePtr>>;

namespace {

struct Output {
  std::string name;
  AccumulatorFactory factory;
};

struct Group {
  Datum id;
  std::vector<std::unique_ptr<Accumulator>> accumulators;

  static Result<Group> make(Datum id, const std::vector<Output>& outputs, const EvaluationContext& context) {
    Group group{std::move(id), {}};
    const View fields = group.id.type() == Type::kDocument ? group.id.element().document_value() : View();
    for (const Output& output : outputs) group.accumulators.push_back(TRY(output.factory.make(context, fields)));
    return group;
  }
  // Returns by how many bytes it grew, or shrank.
  Result<std::ptrdiff_t> add(const std::vector<Output>& outputs, Variables& variables) {
    std::ptrdiff_t grown = 0;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Datum value = TRY(outputs[i].factory.operand().evaluate(variables));
      const std::size_t before = accumulators[i]->bytes();
      TRY(accumulators[i]->add(value));
      grown += static_cast<std::ptrdiff_t>(accumulators[i]->bytes()) - static_cast<std::ptrdiff_t>(before);
    }
    return grown;
  }
  // Returns how many bytes it has.
  Result<std::size_t> begin() {
    std::size_t bytes = 0;
    for (const auto& accumulator : accumulators) {
      TRY(accumulator->begin(id));
      bytes += accumulator->bytes();
    }
    return bytes;
  }
  // By how many bytes it is smaller.
  Result<std::size_t> shrink() {
    std::size_t freed = 0;
    for (const auto& accumulator : accumulators) {
      const std::size_t before = accumulator->bytes();
      TRY(accumulator->shrink());
      freed += before - std::min(before, accumulator->bytes());
    }
    return freed;
  }
  Status append_outputs(const std::vector<Output>& outputs, bson::Builder& out) const {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      TRY(accumulators[i]->finish());
      const Datum value = accumulators[i]->result();
      if (value.missing()) {
        out.append(outputs[i].name, bson::Null{});
      } else {
        value.append_to(out, outputs[i].name);
      }
    }
    return {};
  }
};

constexpr std::size_t kWorthShrinking = 1 << 20;

tl::unexpected<Error> too_large(std::size_t limit) {
  return bad(16945,
             fmt::format("Exceeded memory limit for $group ({} bytes); this server does not spill to disk", limit));
}

struct GroupStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const GroupStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)), memory_(stage_->memory) {}
    Next next() override {
      if (!loaded_) TRY(load());
      if (at_ == groups_.size()) return std::nullopt;
      const Group& group = groups_[at_++];
      bson::Builder out;
      group.id.append_to(out, "_id");
      TRY(group.append_outputs(stage_->outputs, out));
      return std::move(out).finish();
    }

   private:
    Status load() {
      loaded_ = true;
      std::unordered_map<std::string, std::size_t> index;
      std::size_t bytes = 0;
      const EvaluationContext& context = *stage_->context;
      while (auto document = TRY(input_->next())) {
        Variables variables(*document, context);
        Datum id = TRY(stage_->id->evaluate(variables));
        if (id.missing()) id = Datum::null();
        std::string key = bson::key_string(id.element(), context.collator.get());
        const auto [found, added] = index.try_emplace(std::move(key), groups_.size());
        if (added) {
          groups_.push_back(TRY(Group::make(id.own(), stage_->outputs, context)));
          bytes += TRY(groups_.back().begin());
          bytes += found->first.size() + groups_.back().id.bytes() + 128 * (1 + stage_->outputs.size());
        }
        bytes += static_cast<std::size_t>(TRY(groups_[found->second].add(stage_->outputs, variables)));
        if (!hold(bytes)) bytes -= TRY(shrink(bytes));
        TRY(hold(bytes));
      }
      if (stage_->sorted) {
        std::stable_sort(groups_.begin(), groups_.end(), [&](const Group& a, const Group& b) {
          return bson::compare_values(a.id.element(), b.id.element(), context.collator.get()) < 0;
        });
      }
      return {};
    }

    Status hold(std::size_t bytes) {
      if (bytes > stage_->max_bytes) return too_large(stage_->max_bytes);
      return memory_.hold(bytes);
    }

    // Not again before it can be worth it.
    Result<std::size_t> shrink(std::size_t bytes) {
      if (bytes < shrunk_ + kWorthShrinking) return std::size_t{0};
      std::size_t freed = 0;
      for (Group& group : groups_) freed += TRY(group.shrink());
      shrunk_ = bytes - std::min(bytes, freed);
      return std::min(bytes, freed);
    }

    std::shared_ptr<const GroupStage> stage_;
    StageMemory memory_;
    std::size_t shrunk_ = 0;  // to so much
    std::vector<Group> groups_;
    std::size_t at_ = 0;
    bool loaded_ = false;
  };

  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const GroupStage>(shared_from_this()), std::move(input));
  }

  ExpressionPtr id;
  std::vector<Output> outputs;
  std::shared_ptr<const EvaluationContext> context;
  std::size_t max_bytes = kMaxStageBytes;
  MemoryBudget* memory = nullptr;
  bool sorted = false;  // by _id, for $bucket
};

Status add_output(std::vector<Output>& outputs, const Element& e, const EvaluationContext& context) {
  if (e.key().find('.') != std::string_view::npos)
    return bad(40235, fmt::format("The field name '{}' cannot contain '.'", e.key()));
  if (e.key().starts_with('$'))
    return bad(40236, fmt::format("The field name '{}' cannot be an operator name", e.key()));
  if (!e.is_document()) return bad(40234, fmt::format("The field '{}' must be an accumulator object", e.key()));
  if (e.document_value().field_count() != 1)
    return bad(40238, fmt::format("The field '{}' must specify one accumulator", e.key()));
  outputs.push_back({std::string(e.key()), TRY(AccumulatorFactory::parse(e.document_value().first(), Scope(context)))});
  return {};
}

std::shared_ptr<GroupStage> new_group(const PipelineContext& context) {
  auto stage = std::make_shared<GroupStage>();
  stage->name = "$group";
  stage->context = context.evaluation;
  stage->max_bytes = context.max_stage_bytes;
  stage->memory = context.memory;
  return stage;
}

Parsed parse_group(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document()) return bad(15947, "a group's fields must be specified in an object");
  auto stage = new_group(context);
  for (const Element& e : argument.document_value()) {
    if (e.key() == "_id") {
      if (stage->id) return bad(15948, "a group's _id may only be specified once");
      stage->id = TRY(parse_expression(e, Scope(*context.evaluation)));
    } else {
      TRY(add_output(stage->outputs, e, *context.evaluation));
    }
  }
  if (!stage->id) return bad(15955, "a group specification must include an _id");
  return std::vector<StagePtr>{std::move(stage)};
}

// Stages written as the pipeline they are short for.
Parsed parse_equivalent(const Document& stages, const PipelineContext& context) {
  return parse_stage_list(stages.view(), context, "");
}

Parsed parse_count(const Element& argument, const PipelineContext& context) {
  if (!argument.is_string()) return bad(40156, "the count field must be a non-empty string");
  const std::string_view name = argument.string_value();
  if (name.empty()) return bad(40157, "the count field must be a non-empty string");
  if (name.starts_with('$')) return bad(40158, "the count field cannot be a $-prefixed path");
  if (name.find('\0') != std::string_view::npos) return bad(40159, "the count field cannot contain a null byte");
  if (name.find('.') != std::string_view::npos) return bad(40160, "the count field cannot contain '.'");
  const Document one = bson::make_document({{"$sum", 1}});
  bson::Builder group;
  group.append("_id", bson::Null{}).append(name, one);
  bson::ArrayBuilder stages;
  stages.append(bson::make_document({{"$group", std::move(group).finish()}}));
  stages.append(bson::make_document({{"$project", bson::make_document({{"_id", 0}})}}));
  return parse_equivalent(std::move(stages).finish(), context);
}

Parsed parse_sort_by_count(const Element& argument, const PipelineContext& context) {
  const bool path = argument.is_string() && argument.string_value().starts_with('$');
  const bool object = argument.is_document() && argument.document_value().first().key().starts_with('$');
  if (argument.is_document() && !object)
    return bad(40147, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object");
  if (argument.is_string() && !path)
    return bad(40148, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object");
  if (!path && !object) return bad(40149, "the sortByCount field must be specified as a string or as an object");
  bson::Builder group;
  group.append("_id", argument).append("count", bson::make_document({{"$sum", 1}}));
  bson::ArrayBuilder stages;
  stages.append(bson::make_document({{"$group", std::move(group).finish()}}));
  stages.append(bson::make_document({{"$sort", bson::make_document({{"count", -1}})}}));
  return parse_equivalent(std::move(stages).finish(), context);
}

struct BucketExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum value = TRY(group_by->evaluate(variables));
    const auto* collator = variables.context().collator.get();
    const auto below = [&](const Datum& boundary) {
      return bson::compare_values(value.element(), boundary.element(), collator) < 0;
    };
    if (below(boundaries.front()) || !below(boundaries.back())) {
      if (!otherwise.missing()) return otherwise;
      return bad(40066, "$switch could not find a matching branch for an input, and no default was specified.");
    }
    const auto next = std::find_if(boundaries.begin(), boundaries.end(), below);
    return *(next - 1);
  }
  ExpressionPtr group_by;
  std::vector<Datum> boundaries;
  Datum otherwise;
};

Result<Datum> constant_value(const Element& e, const EvaluationContext& context, int error_code,
                             std::string_view what) {
  const auto expression = TRY(parse_expression(e, Scope(context)));
  if (const Datum* value = expression->constant()) return *value;
  if (!e.is_document())
    return bad(error_code,
               fmt::format("The $bucket '{}' field must be an array of constant values, but found value: {}", what,
                           bson::type_name(e.type())));
  Variables none{View(), context};
  return expression->evaluate(none);
}

Status parse_outputs(const Element& spec, std::vector<Output>& outputs, const EvaluationContext& context,
                     std::string_view stage) {
  if (!spec.exists()) {
    const Document standard = bson::make_document({{"count", bson::make_document({{"$sum", 1}})}});
    return add_output(outputs, standard.view().first(), context);
  }
  if (!spec.is_document()) {
    return bad(stage == "$bucket" ? 40196 : 40244,
               fmt::format("The {} 'output' field must be an object, but found type: {}.", stage,
                           bson::type_name(spec.type())));
  }
  for (const Element& e : spec.document_value()) TRY(add_output(outputs, e, context));
  return {};
}

bool is_path_or_expression(const Element& e) {
  if (e.is_string()) return e.string_value().starts_with('$');
  return e.is_document() && e.document_value().first().key().starts_with('$');
}

Parsed parse_bucket(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document())
    return bad(40201, fmt::format("Argument to $bucket stage must be an object, but found type: {}.",
                                  bson::type_name(argument.type())));
  auto expression = std::make_unique<BucketExpression>();
  const EvaluationContext& evaluation = *context.evaluation;
  const View object = argument.document_value();
  for (const Element& e : object) {
    if (e.key() == "groupBy") {
      if (!is_path_or_expression(e))
        return bad(
            40202,
            fmt::format(
                "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression, but found: {}.",
                bson::type_name(e.type())));
      expression->group_by = TRY(parse_expression(e, Scope(evaluation)));
    } else if (e.key() == "boundaries") {
      if (!e.is_array())
        return bad(40200, fmt::format("The $bucket 'boundaries' field must be an array, but found type: {}.",
                                      bson::type_name(e.type())));
      for (const Element& item : e.document_value())
        expression->boundaries.push_back(TRY(constant_value(item, evaluation, 40191, "boundaries")));
    } else if (e.key() == "default") {
      expression->otherwise = TRY(constant_value(e, evaluation, 40195, "default"));
    } else if (e.key() != "output") {
      return bad(40197, fmt::format("Unrecognized option to $bucket: {}.", e.key()));
    }
  }
  if (!expression->group_by || !object["boundaries"])
    return bad(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.");
  const auto& boundaries = expression->boundaries;
  if (boundaries.size() < 2) {
    return bad(40192, fmt::format("The $bucket 'boundaries' field must have at least 2 values, but found {} value(s).",
                                  boundaries.size()));
  }
  for (std::size_t i = 1; i < boundaries.size(); ++i) {
    if (bson::canonical_type(boundaries[i].type()) != bson::canonical_type(boundaries[0].type())) {
      return bad(40193, "All values in the the 'boundaries' option to $bucket must have the same type.");
    }
    if (bson::compare_values(boundaries[i - 1].element(), boundaries[i].element()) >= 0) {
      return bad(40194, "The 'boundaries' option to $bucket must be sorted, but elements are not in ascending order.");
    }
  }
  if (!expression->otherwise.missing()) {
    const Element otherwise = expression->otherwise.element();
    const bool below = bson::compare_values(otherwise, boundaries.front().element()) < 0;
    const bool above = bson::compare_values(otherwise, boundaries.back().element()) >= 0;
    if (!below && !above) {
      return bad(40199, "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.");
    }
  }
  auto stage = new_group(context);
  stage->id = std::move(expression);
  stage->sorted = true;
  TRY(parse_outputs(object["output"], stage->outputs, evaluation, "$bucket"));
  return std::vector<StagePtr>{std::move(stage)};
}

struct BucketAutoStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const BucketAutoStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)), memory_(stage_->memory) {}
    Next next() override {
      if (!loaded_) TRY(load());
      if (at_ >= documents_.size()) return std::nullopt;
      const EvaluationContext& context = *stage_->context;
      const auto same = [&](std::size_t a, std::size_t b) {
        return bson::compare_values(documents_[a].first.element(), documents_[b].first.element(),
                                    context.collator.get()) == 0;
      };
      const std::size_t begin = at_;
      std::size_t end = std::min(documents_.size(), begin + size_);
      if (++made_ >= stage_->buckets) end = documents_.size();
      const Boundaries boundaries = granularity() ? rounded(begin, end) : exact(begin, end, same);
      Group group = TRY(Group::make(Datum(), stage_->outputs, context));
      auto grown = static_cast<std::ptrdiff_t>(TRY(group.begin()));
      std::ptrdiff_t shrunk = 0;  // to so much
      const auto hold = [&] { return memory_.hold(bytes_ + static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, grown))); };
      for (std::size_t i = begin; i < end; ++i) {
        Variables variables(documents_[i].second, context);
        grown += TRY(group.add(stage_->outputs, variables));
        if (hold()) continue;
        if (grown >= shrunk + static_cast<std::ptrdiff_t>(kWorthShrinking)) grown = shrunk = grown - static_cast<std::ptrdiff_t>(TRY(group.shrink()));
        TRY(hold());
      }
      at_ = end;
      bson::Builder out;
      {
        auto id = out.open_document("_id");
        boundaries.min.append_to(id, "min");
        boundaries.max.append_to(id, "max");
      }
      TRY(group.append_outputs(stage_->outputs, out));
      return std::move(out).finish();
    }

   private:
    struct Boundaries {
      Datum min, max;
    };
    const std::optional<Granularity>& granularity() const { return stage_->granularity; }

    // What is equal to the bucket's last comes into it; its end is the beginning of the next.
    template <typename Same>
    Boundaries exact(std::size_t begin, std::size_t& end, const Same& same) const {
      while (end < documents_.size() && same(end - 1, end)) ++end;
      return {documents_[begin].first, documents_[end < documents_.size() ? end : end - 1].first};
    }

    // Boundaries are preferred numbers, and what is below the upper one comes into the bucket.
    Boundaries rounded(std::size_t begin, std::size_t& end) {
      const auto compare = [&](const Datum& a, const Datum& b) { return bson::compare_values(a.element(), b.element()); };
      const Datum last = documents_[end - 1].first;
      Datum upper = granularity()->above(last);
      while (end < documents_.size() && (compare(upper, documents_[end].first) > 0 || compare(documents_[end].first, last) == 0)) ++end;
      // Nothing but zeros: the bucket reaches to where the next one begins.
      if (upper.element().to_double() == 0.0 && end < documents_.size()) upper = granularity()->below(documents_[end].first);
      Boundaries result{previous_max_ ? *previous_max_ : granularity()->below(documents_[begin].first), upper};
      previous_max_ = upper;
      return result;
    }

    static Status check_roundable(const Datum& key) {
      if (!key.is_number()) {
        return bad(40258, fmt::format("$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a value with type: {}",
                                      key.missing() ? "missing" : bson::type_name(key.type())));
      }
      const double number = key.element().to_double().value_or(0);
      if (std::isnan(number)) return bad(40259, "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a NaN");
      if (number < 0) return bad(40260, "$bucketAuto can specify a 'granularity' with non-negative numbers only, but found a negative number");
      return {};
    }

    Status load() {
      loaded_ = true;
      while (auto document = TRY(input_->next())) {
        Variables variables(*document, *stage_->context);
        Datum key = TRY(stage_->group_by->evaluate(variables));
        if (granularity()) TRY(check_roundable(key));
        key = key.missing() ? Datum::null() : key.own();
        bytes_ += key.bytes() + document->size();
        if (bytes_ > stage_->max_bytes)
          return bad(16819, fmt::format("$bucketAuto exceeded the memory limit of {} bytes", stage_->max_bytes));
        TRY(memory_.hold(bytes_));
        documents_.emplace_back(std::move(key), std::move(*document));
      }
      const auto* collator = stage_->context->collator.get();
      std::stable_sort(documents_.begin(), documents_.end(), [&](const auto& a, const auto& b) {
        return bson::compare_values(a.first.element(), b.first.element(), collator) < 0;
      });
      const double exact = static_cast<double>(documents_.size()) / static_cast<double>(stage_->buckets);
      size_ = std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(exact)));
      return {};
    }

    std::shared_ptr<const BucketAutoStage> stage_;
    StageMemory memory_;
    std::vector<std::pair<Datum, Document>> documents_;
    std::size_t bytes_ = 0;  // of what documents_ has
    std::size_t at_ = 0, size_ = 1;
    std::int64_t made_ = 0;
    std::optional<Datum> previous_max_;
    bool loaded_ = false;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const BucketAutoStage>(shared_from_this()),
                                    std::move(input));
  }
  ExpressionPtr group_by;
  std::vector<Output> outputs;
  std::int64_t buckets = 1;
  std::optional<Granularity> granularity;
  std::shared_ptr<const EvaluationContext> context;
  std::size_t max_bytes = kMaxStageBytes;
  MemoryBudget* memory = nullptr;
};

Parsed parse_bucket_auto(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document())
    return bad(40240, fmt::format("The argument to $bucketAuto must be an object, but found type: {}.",
                                  bson::type_name(argument.type())));
  auto stage = std::make_shared<BucketAutoStage>();
  stage->name = "$bucketAuto";
  stage->context = context.evaluation;
  stage->max_bytes = context.max_stage_bytes;
  stage->memory = context.memory;
  const View object = argument.document_value();
  for (const Element& e : object) {
    if (e.key() == "groupBy") {
      if (!is_path_or_expression(e))
        return bad(40239, fmt::format("The $bucketAuto 'groupBy' field must be defined as a $-prefixed path or an "
                                      "expression object, but found: {}",
                                      bson::type_name(e.type())));
      stage->group_by = TRY(parse_expression(e, Scope(*context.evaluation)));
    } else if (e.key() == "buckets") {
      if (!e.is_number())
        return bad(40241, fmt::format("The $bucketAuto 'buckets' field must be a numeric value, but found type: {}",
                                      bson::type_name(e.type())));
      const auto whole = e.to_int64();
      if (!whole || *whole != static_cast<std::int32_t>(*whole) || static_cast<double>(*whole) != e.to_double())
        return bad(40242, fmt::format("The $bucketAuto 'buckets' field must be representable as a 32-bit integer, but found {}", bson::to_shell(e)));
      if (*whole <= 0)
        return bad(40243, fmt::format("The $bucketAuto 'buckets' field must be greater than 0, but found: {}", *whole));
      stage->buckets = *whole;
    } else if (e.key() == "granularity") {
      if (!e.is_string()) {
        return bad(40261, fmt::format("The $bucketAuto 'granularity' field must be a string, but found type: {}", bson::type_name(e.type())));
      }
      stage->granularity = TRY(Granularity::find(e.string_value()));
    } else if (e.key() != "output") {
      return bad(40245, fmt::format("Unrecognized option to $bucketAuto: {}.", e.key()));
    }
  }
  if (!stage->group_by || !object["buckets"])
    return bad(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified");
  TRY(parse_outputs(object["output"], stage->outputs, *context.evaluation, "$bucketAuto"));
  return std::vector<StagePtr>{std::move(stage)};
}

constexpr StageRow kRows[] = {
    {"$group", parse_group},
    {"$count", parse_count},
    {"$sortByCount", parse_sort_by_count},
    {"$bucket", parse_bucket},
    {"$bucketAuto", parse_bucket_auto},
};

}  // namespace

std::span<const StageRow> group_stages() { return kRows; }

}  // namespace drover::sandbox::query
