// $densify: documents where a sequence of numbers or dates has gaps. Facts: MongoDB's document_source_densify.cpp.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/key_string.h"
#include "sandbox/query/date_unit.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/path.h"
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

// The server's internalQueryMaxAllowedDensifyDocs.
constexpr std::size_t kMaxGenerated = 500'000;

int compare(const Datum& a, const Datum& b) { return bson::compare_values(a.element(), b.element()); }

struct Range {
  enum class Kind { kFull, kPartition, kBounds };
  Kind kind = Kind::kFull;
  Datum step;
  std::optional<DateUnit> unit;
  Datum lower, upper;  // kBounds: from lower, below upper

  Result<Datum> after(const Datum& value) const {
    if (!unit) return add_numbers(value, step);
    const auto millis = value.element().date_value().millis;
    return Datum::from(bson::DateTime{TRY(add_units(millis, *unit, whole_number(step).value_or(1)))});
  }
};

struct DensifyStage final : Stage {
  struct Field {
    std::vector<std::string> parts;
    ExpressionPtr value;
  };

  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const DensifyStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)), memory_(stage_->memory) {}

    Next next() override {
      while (true) {
        if (generated_ > kMaxGenerated) {
          return bad(5897900, fmt::format("Generated {} documents in $densify, which is over the limit of {}. Increase the "
                                          "'internalQueryMaxAllowedDensifyDocs' parameter to allow more generated documents",
                                          generated_, kMaxGenerated));
        }
        if (next_) return TRY(generate());
        if (final_) {
          if (compare(final_value_, TRY(range().after(*run_->last))) == 0) run_->last = final_value_;
          return std::exchange(final_, std::nullopt);
        }
        if (!ended_) {
          auto document = TRY(input_->next());
          if (document) {
            const bool passes = TRY(take(*document));
            if (passes) return document;
            final_ = std::move(document);
            continue;
          }
          ended_ = true;
          TRY(begin_finishing());
        }
        if (!TRY(finish_one())) return std::nullopt;
      }
    }

   private:
    // Of one partition: what it has in common, and the last value that is on its step.
    struct Run {
      Document fields;
      std::optional<Datum> last;
    };

    const Range& range() const { return stage_->range; }
    bool partitioned() const { return !stage_->partitions.empty(); }

    // True: the document comes out now. False: what is missing before it comes first.
    Result<bool> take(const Document& document) {
      Variables variables(document, *stage_->context);
      const Datum value = TRY(stage_->field.value->evaluate(variables)).own();
      if (value.nullish()) return true;
      if (!value.is_number() && value.type() != Type::kDateTime) return bad(5733201, "Densify field type must be numeric or a date");
      if (value.is_number() && range().unit) return bad(6053600, "Encountered numeric densify value in collection when step has a date unit.");
      if (!value.is_number() && !range().unit) return bad(6053600, "Encountered date densify value in collection when step does not have a date unit.");
      run_ = &TRY(run_of(document)).get();
      if (range().kind == Range::Kind::kFull) {
        if (least_.missing()) least_ = value;
        greatest_ = value;
      }
      const bool bounded = range().kind == Range::Kind::kBounds;
      if (bounded && compare(value, range().lower) < 0) return true;
      if (!run_->last) {
        const Datum first = bounded ? range().lower : range().kind == Range::Kind::kFull ? least_ : value;
        if (compare(value, first) == 0) {
          run_->last = value;
          return true;
        }
        return fill(first, value);
      }
      Datum first = TRY(range().after(*run_->last));
      const int order = compare(value, first);
      if (order == 0) run_->last = value;
      if (order <= 0) return true;
      if (bounded && compare(first, range().upper) >= 0) return true;
      return fill(std::move(first), value);
    }

    Result<bool> fill(Datum first, const Datum& value) {
      const bool beyond = range().kind == Range::Kind::kBounds && compare(value, range().upper) > 0;
      TRY(begin(std::move(first), beyond ? range().upper : value));
      final_value_ = value;
      return false;
    }

    // At least `first`, then what is below `end`.
    Status begin(Datum first, Datum end) {
      View object = run_->fields;
      const auto& parts = stage_->field.parts;
      for (std::size_t i = 0; i < parts.size(); ++i) {
        const Element field = object[parts[i]];
        if (field.is_array()) return bad(5733307, "$densify cannot generate fields nested inside arrays");
        if (!field.is_document()) {
          if (i + 1 == parts.size() || !field.exists()) break;
          return bad(5733308, "$densify cannot overwrite non-object values with objects");
        }
        object = field.document_value();
      }
      next_ = std::move(first);
      end_ = std::move(end);
      return {};
    }

    Result<Document> generate() {
      run_->last = *next_;
      Document document = with_value_at(run_->fields, stage_->field.parts, *next_);
      ++generated_;
      Datum after = TRY(range().after(*next_));
      next_ = compare(end_, after) <= 0 ? std::nullopt : std::optional(std::move(after));
      return document;
    }

    Result<std::reference_wrapper<Run>> run_of(const Document& document) {
      if (!partitioned()) return std::ref(runs_[""]);
      Document fields;
      Variables variables(document, *stage_->context);
      for (const Field& field : stage_->partitions) {
        const Datum value = TRY(field.value->evaluate(variables));
        if (!value.missing()) fields = with_value_at(fields, field.parts, value);
      }
      const Datum held = Datum::document(fields);
      const auto [found, added] = runs_.try_emplace(bson::key_string(held.element(), stage_->context->collator.get()));
      if (added) {
        bytes_ += found->first.size() + fields.size() + sizeof(Run) + 64;
        if (bytes_ > stage_->max_bytes) return bad(6007200, fmt::format("$densify exceeded memory limit of {}", stage_->max_bytes));
        TRY(memory_.hold(bytes_));
        found->second.fields = std::move(fields);
      }
      return std::ref(found->second);
    }

    Status begin_finishing() {
      finishing_ = runs_.begin();
      if (range().kind == Range::Kind::kPartition || (range().kind == Range::Kind::kFull && !partitioned())) {
        finishing_ = runs_.end();
        return {};
      }
      if (range().kind == Range::Kind::kBounds) {
        if (!partitioned() && runs_.empty()) {
          runs_.try_emplace("");
          finishing_ = runs_.begin();
        }
        finish_end_ = range().upper;
        return {};
      }
      // Up to the greatest of all partitions, which belongs to it.
      finish_end_ = greatest_;
      if (!greatest_.missing() && TRY(is_on_step())) finish_end_ = TRY(range().after(greatest_));
      return {};
    }

    // Whether the greatest value is the least one and some steps. Steps of months and years have no length: they are walked.
    Result<bool> is_on_step() const {
      if (range().unit && months_in(*range().unit) == 0) {
        const std::int64_t length = TRY(range().after(Datum::from(bson::DateTime{0}))).element().date_value().millis;
        return (greatest_.element().date_value().millis - least_.element().date_value().millis) % length == 0;
      }
      if (range().unit) {
        Datum at = least_;
        while (compare(at, greatest_) < 0) at = TRY(range().after(at));
        return compare(at, greatest_) == 0;
      }
      const Datum distance = subtract_numbers(greatest_, least_);
      if (distance.type() == Type::kDecimal128 || range().step.type() == Type::kDecimal128) {
        return bson::decimal_is_zero(bson::decimal_modulo(as_decimal(distance), as_decimal(range().step)));
      }
      return std::fmod(as_double(distance), as_double(range().step)) == 0;
    }

    // The rest of the next partition that lacks some. False: there is none.
    Result<bool> finish_one() {
      for (; finishing_ != runs_.end(); ++finishing_) {
        Run& run = finishing_->second;
        Datum first = run.last ? TRY(range().after(*run.last)) : range().lower;
        if (run.last && compare(first, finish_end_) >= 0) continue;
        run_ = &run;
        ++finishing_;
        TRY(begin(std::move(first), finish_end_));
        return true;
      }
      return false;
    }

    std::shared_ptr<const DensifyStage> stage_;
    StageMemory memory_;
    std::map<std::string, Run> runs_;
    std::map<std::string, Run>::iterator finishing_;
    Run* run_ = nullptr;
    std::optional<Datum> next_;  // the value of the next document that is generated, which stops before end_
    Datum end_, finish_end_;
    std::optional<Document> final_;  // comes after those
    Datum final_value_, least_, greatest_;
    std::size_t generated_ = 0, bytes_ = 0;
    bool ended_ = false;
  };

  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const DensifyStage>(shared_from_this()), std::move(input));
  }

  Field field;
  std::vector<Field> partitions;
  Range range;
  std::shared_ptr<const EvaluationContext> context;
  std::size_t max_bytes = kMaxStageBytes;
  MemoryBudget* memory = nullptr;
};

Status check_fields(View spec, std::string_view inside, std::initializer_list<std::string_view> known) {
  for (const Element& e : spec) {
    if (std::ranges::find(known, e.key()) == known.end()) return bad(40415, fmt::format("BSON field '{}.{}' is an unknown field.", inside, e.key()));
  }
  return {};
}

Status check_type(const Element& e, std::string_view inside, bool is_it, std::string_view expected) {
  if (is_it) return {};
  return bad(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type '{}'", inside, e.key(), bson::type_name(e.type()), expected));
}

tl::unexpected<Error> lacks(std::string_view field) { return bad(40414, fmt::format("BSON field '$densify.{}' is missing but a required field", field)); }

Status parse_array_bounds(const Element& bounds, Range& range) {
  const View items = bounds.document_value();
  if (items.field_count() != 2) return bad(5733403, "A bounding array in a range statement must have exactly two elements");
  const Element lower = items["0"], upper = items["1"];
  if (bson::compare_values(lower, upper) > 0) return bad(5733402, "A bounding array must be an ascending array of either two dates or two numbers");
  if (lower.is_number()) {
    if (range.unit) return bad(5733409, "Numeric bounds may not have unit parameter");
    if (!upper.is_number()) return bad(5733406, "A bounding array must contain either both dates or both numeric types");
    if (lower.type() != upper.type() || lower.type() != range.step.type()) {
      return bad(5876900, "Upper bound, lower bound, and step must all have the same type");
    }
  } else if (lower.type() == Type::kDateTime) {
    if (upper.type() != Type::kDateTime) return bad(5733405, "A bounding array must contain either both dates or both numeric types");
    if (!range.unit) return bad(5733410, "A bounding array of dates must specify a unit");
  } else {
    return bad(5946800, "Explicit bounds must be numeric or dates");
  }
  range.kind = Range::Kind::kBounds;
  range.lower = Datum::copy(lower);
  range.upper = Datum::copy(upper);
  return {};
}

Result<Range> parse_range(View spec) {
  Range range;
  range.step = Datum::copy(spec["step"]);
  if (!range.step.is_number() || !(as_double(range.step) > 0)) {
    return bad(5733401, "The step parameter in a range statement must be a strictly positive numeric value");
  }
  if (const Element unit = spec["unit"]) {
    if (!whole_number(range.step)) return bad(6586400, "The step parameter in a range statement must be a whole number when densifying a date range");
    range.unit = TRY(parse_date_unit(unit.string_value()));
  }
  const Element bounds = spec["bounds"];
  if (bounds.is_array()) {
    TRY(parse_array_bounds(bounds, range));
  } else if (!bounds.is_string()) {
    return bad(5733404, "The bounds in a range statement must be the string 'full', 'partition', or an ascending array of two numbers or two dates");
  } else if (bounds.string_value() == "partition") {
    range.kind = Range::Kind::kPartition;
  } else if (bounds.string_value() != "full") {
    return bad(5946802, "Bounds string must either be 'full' or 'partition'");
  }
  return range;
}

Result<DensifyStage::Field> parse_field(std::string_view path, const EvaluationContext& context) {
  TRY(check_projection_path(path, context.version));
  bson::Builder text;
  text.append("", "$" + std::string(path));
  const Document held = std::move(text).finish();
  return DensifyStage::Field{split_path(path), TRY(parse_expression(held.view().first(), Scope(context)))};
}

Parsed parse_densify(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document()) {
    return bad(code::kFailedToParse, fmt::format("The $densify stage specification must be an object, found {}", bson::type_name(argument.type())));
  }
  const View spec = argument.document_value();
  TRY(check_fields(spec, "$densify", {"field", "partitionByFields", "range"}));
  const Element field = spec["field"], fields = spec["partitionByFields"], range = spec["range"];
  if (!field) return lacks("field");
  if (!range) return lacks("range");
  TRY(check_type(field, "$densify", field.is_string(), "string"));
  TRY(check_type(range, "$densify", range.is_document(), "object"));
  if (fields) TRY(check_type(fields, "$densify", fields.is_array(), "array"));
  TRY(check_fields(range.document_value(), "$densify.range", {"step", "bounds", "unit"}));
  for (const std::string_view name : {"step", "bounds"}) {
    if (!range.document_value()[name]) return lacks(fmt::format("range.{}", name));
  }
  const Element unit = range.document_value()["unit"];
  if (unit) TRY(check_type(unit, "$densify.range", unit.is_string(), "string"));

  auto stage = std::make_shared<DensifyStage>();
  stage->name = "$densify";
  stage->context = context.evaluation;
  stage->max_bytes = context.max_stage_bytes;
  stage->memory = context.memory;
  stage->range = TRY(parse_range(range.document_value()));
  bson::Builder order;
  if (fields) {
    for (const Element& e : fields.document_value()) {
      TRY(check_type(e, "$densify.partitionByFields", e.is_string(), "string"));
      const std::string_view path = e.string_value();
      if (path == field.string_value() || path.starts_with(std::string(field.string_value()) + ".")) {
        return bad(8993000, "BSON field '$densify.partitionByFields' may not contain the field that is densified");
      }
      stage->partitions.push_back(TRY(parse_field(path, *context.evaluation)));
      if (stage->range.kind != Range::Kind::kFull) order.append(path, 1);
    }
  }
  stage->field = TRY(parse_field(field.string_value(), *context.evaluation));
  if (stage->range.kind == Range::Kind::kPartition && stage->partitions.empty()) {
    return bad(5733408, "One cannot specify the bounds as 'partition' without specifying a non-empty array of partitionByFields. You may have meant "
                        "to specify 'full' bounds.");
  }
  order.append(field.string_value(), 1);
  bson::Builder sort;
  sort.append("", std::move(order).finish());
  const Document held = std::move(sort).finish();
  const Element pattern = held.view().first();
  return std::vector<StagePtr>{make_sort_stage(pattern, TRY(SortPattern::parse(pattern.document_value(), context.evaluation->collator)), context, 0),
                               std::move(stage)};
}

constexpr StageRow kRows[] = {{"$densify", parse_densify, {5, 1, 0}}};

}  // namespace

std::span<const StageRow> densify_stages() { return kRows; }

}  // namespace drover::sandbox::query
