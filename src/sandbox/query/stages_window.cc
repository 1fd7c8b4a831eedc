// $setWindowFields, and $fill, which is short for it. Facts: MongoDB's document_source_set_window_fields.cpp and
// document_source_fill.cpp.
#include <algorithm>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/key_string.h"
#include "sandbox/query/projection_tree.h"
#include "sandbox/query/stage.h"
#include "sandbox/query/window_function.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;
using Next = Result<std::optional<Document>>;
using Parsed = Result<std::vector<StagePtr>>;

namespace {

tl::unexpected<Error> wrong_type(std::string_view stage, const Element& e, std::string_view expected) {
  return bad(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type '{}'", stage, e.key(), bson::type_name(e.type()), expected));
}

// An expression that is whatever value stands there now.
struct Held final : Expression {
  explicit Held(const Datum* v) : value(v) {}
  Result<Datum> evaluate(Variables&) const override { return *value; }
  const Datum* value;
};

struct WindowStage final : Stage {
  struct Output {
    std::string path;
    std::unique_ptr<const WindowFunctionFactory> factory;
  };
  struct Row {
    std::string partition;  // as a key
    std::string order;
    Document document;
    std::optional<double> score;  // of $text, where it is carried
    std::size_t bytes() const { return partition.size() + order.size() + document.size() + sizeof(Row); }
  };

  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const WindowStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)), memory_(stage_->memory), values_(stage_->outputs.size()) {
      tree_.kind = ProjectionTree::Kind::kComputed;
      for (std::size_t i = 0; i < values_.size(); ++i) {
        auto child = tree_.root.add(stage_->outputs[i].path);
        if (!child) continue;  // parsing found that they do not collide
        (*child)->expression = std::make_unique<Held>(&values_[i]);
        tree_.root.note_computed(stage_->outputs[i].path);
      }
    }

    Next next() override {
      if (!loaded_) TRY(load());
      if (at_ == documents_.size()) return std::nullopt;
      if (at_ == partition_end_) TRY(open_partition());
      const std::size_t index = at_ - partition_begin_;
      std::size_t kept = bytes_;
      for (std::size_t i = 0; i < functions_.size(); ++i) {
        values_[i] = TRY(functions_[i]->at(index));
        kept += functions_[i]->bytes() + values_[i].bytes();
      }
      TRY(check_memory(kept));
      stage_->context->carried_score = scores_[at_];
      const View document = documents_[at_++];
      if (values_.empty()) return Document(document);
      return TRY(tree_.apply(document, *stage_->context));
    }

   private:
    Status check_memory(std::size_t bytes) {
      if (bytes > stage_->max_bytes) {
        return bad(5414201, fmt::format("Exceeded memory limit in DocumentSourceSetWindowFields, used {} bytes but max allowed is {} bytes", bytes, stage_->max_bytes));
      }
      return memory_.hold(bytes);
    }

    Result<std::string> partition_of(const Document& document) const {
      if (!stage_->partition_by) return std::string();
      const EvaluationContext& context = *stage_->context;
      Variables variables(document, context);
      Datum key = TRY(stage_->partition_by->evaluate(variables));
      if (key.type() == Type::kArray) return bad(code::kTypeMismatch, "An expression used to partition cannot evaluate to value of type array");
      if (key.missing()) key = Datum::null();
      return bson::key_string(key.element(), context.collator.get());
    }

    Status load() {
      loaded_ = true;
      std::vector<Row> rows;
      while (auto document = TRY(input_->next())) {
        Row row{.partition = TRY(partition_of(*document)), .order = {}, .document = {}, .score = stage_->context->carried_score};
        if (stage_->sort_by) row.order = TRY(stage_->sort_by->key(*document));
        row.document = std::move(*document);
        bytes_ += row.bytes();
        rows.push_back(std::move(row));
        TRY(check_memory(bytes_));
      }
      std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
        const int order = a.partition.compare(b.partition);
        return order != 0 ? order < 0 : a.order < b.order;
      });
      partitions_.reserve(rows.size());
      orders_.reserve(rows.size());
      documents_.reserve(rows.size());
      scores_.reserve(rows.size());
      for (Row& row : rows) {
        partitions_.push_back(std::move(row.partition));
        orders_.push_back(std::move(row.order));
        documents_.push_back(std::move(row.document));
        scores_.push_back(row.score);
      }
      return {};
    }

    Status open_partition() {
      partition_begin_ = at_;
      while (partition_end_ < documents_.size() && partitions_[partition_end_] == partitions_[at_]) ++partition_end_;
      functions_.clear();
      const std::size_t count = partition_end_ - partition_begin_;
      partition_.documents = std::span<const Document>(documents_).subspan(partition_begin_, count);
      partition_.sort_keys = std::span<const std::string>(orders_).subspan(partition_begin_, count);
      partition_.context = stage_->context.get();
      partition_.interrupted = &stage_->interrupted;
      bytes_ -= times_bytes_;
      times_bytes_ = 0;
      partition_.times.clear();
      if (stage_->time) {
        partition_.times.reserve(count);
        for (const Document& document : partition_.documents) {
          Variables variables(document, *stage_->context);
          partition_.times.push_back(TRY(stage_->time->evaluate(variables)));
        }
        times_bytes_ = count * sizeof(Datum);
        bytes_ += times_bytes_;
        TRY(check_memory(bytes_));
      }
      for (const Output& output : stage_->outputs) functions_.push_back(output.factory->over(partition_));
      return {};
    }

    std::shared_ptr<const WindowStage> stage_;
    StageMemory memory_;
    ProjectionTree tree_;
    std::vector<Datum> values_;  // of the outputs, for the document that is under way
    std::vector<std::string> partitions_, orders_;
    std::vector<Document> documents_;
    std::vector<std::optional<double>> scores_;
    Partition partition_;
    std::vector<std::unique_ptr<WindowFunction>> functions_;
    std::size_t bytes_ = 0, times_bytes_ = 0;
    std::size_t at_ = 0, partition_begin_ = 0, partition_end_ = 0;
    bool loaded_ = false;
  };

  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const WindowStage>(shared_from_this()), std::move(input));
  }

  ExpressionPtr partition_by;         // null: one partition
  std::optional<SortPattern> sort_by;
  ExpressionPtr time;                 // the sort field's value, when there is one field
  std::vector<Output> outputs;
  std::shared_ptr<const EvaluationContext> context;
  std::size_t max_bytes = kMaxStageBytes;
  MemoryBudget* memory = nullptr;
  std::function<Status()> interrupted;
};

bool collide(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) && (a.size() == b.size() || b[a.size()] == '.');
}

Result<ExpressionPtr> parse_path(std::string_view path, const Scope& scope) {
  bson::Builder text;
  text.append("", "$" + std::string(path));
  const Document held = std::move(text).finish();
  return parse_expression(held.view().first(), scope);
}

Status parse_outputs(WindowStage& stage, View spec, const Scope& scope) {
  for (const Element& e : spec) {
    TRY(check_projection_path(e.key(), scope.context().version));
    for (const auto& other : stage.outputs) {
      if (collide(other.path, e.key())) return bad(6307900, "$setWindowFields 'output' specification contains two conflicting paths");
    }
    auto factory = TRY(parse_window_function(e, stage.sort_by ? &*stage.sort_by : nullptr, scope));
    stage.outputs.push_back({std::string(e.key()), std::move(factory)});
  }
  return {};
}

Parsed parse_window_fields(const Element& argument, const PipelineContext& context) {
  constexpr std::string_view kName = "$setWindowFields";
  if (!argument.is_document()) {
    return bad(code::kFailedToParse, fmt::format("the {} stage specification must be an object, found {}", kName, bson::type_name(argument.type())));
  }
  const View spec = argument.document_value();
  for (const Element& e : spec) {
    if (e.key() == "partitionBy") continue;
    if (e.key() != "sortBy" && e.key() != "output") return bad(40415, fmt::format("BSON field '{}.{}' is an unknown field.", kName, e.key()));
    if (!e.is_document()) return wrong_type(kName, e, "object");
  }
  if (!spec["output"]) return bad(40414, fmt::format("BSON field '{}.output' is missing but a required field", kName));
  auto stage = std::make_shared<WindowStage>();
  stage->name = kName;
  stage->context = context.evaluation;
  stage->max_bytes = context.max_stage_bytes;
  stage->memory = context.memory;
  stage->interrupted = context.interrupted;
  const Scope scope(*context.evaluation);
  if (const Element by = spec["partitionBy"]) {
    stage->partition_by = TRY(parse_expression(by, scope));
    const Datum* value = stage->partition_by->constant();
    if (value && value->type() == Type::kArray) return bad(code::kTypeMismatch, "An expression used to partition cannot evaluate to value of type array");
  }
  if (const Element by = spec["sortBy"]) {
    stage->sort_by = TRY(SortPattern::parse(by.document_value(), context.evaluation->collator, context.evaluation->version));
    if (stage->sort_by->parts().size() == 1) stage->time = TRY(parse_path(stage->sort_by->parts()[0].path, scope));
  }
  // The functions go to and fro among a partition's documents: only what is read of the document itself is there for each.
  auto& score = context.evaluation->text_score_state;
  if (score == EvaluationContext::TextScore::kCarried) score = EvaluationContext::TextScore::kPassed;
  TRY(parse_outputs(*stage, spec["output"].document_value(), scope));
  return std::vector<StagePtr>{std::move(stage)};
}

// The two stages that a $fill stands for.
struct Fill {
  bson::Builder windows, values;
  bool has_windows = false, has_values = false;
};

Status add_fill(Fill& fill, const Element& e) {
  if (!e.is_document()) return bad(6050200, "Each fill output specification must be an object with exactly one field");
  const View spec = e.document_value();
  for (const Element& field : spec) {
    if (field.key() != "method" && field.key() != "value") return bad(40415, fmt::format("BSON field '$fill.{}' is an unknown field.", field.key()));
  }
  const std::string path = "$" + std::string(e.key());
  if (const Element method = spec["method"]) {
    if (!method.is_string()) return wrong_type("$fill", method, "string");
    if (spec["value"]) return bad(6050201, "Each fill output specification must have exactly one of 'method' or 'value' fields, not both");
    const std::string_view name = method.string_value();
    if (name != "locf" && name != "linear") return bad(6050202, "Method must be either locf or linear");
    fill.windows.open_document(e.key()).append(name == "locf" ? "$locf" : "$linearFill", path);
    fill.has_windows = true;
  } else if (const Element value = spec["value"]) {
    auto inner = fill.values.open_document(e.key());
    auto operands = inner.open_array("$ifNull");
    operands.append(path);
    operands.append(value);
    fill.has_values = true;
  }
  return {};
}

Status add_partition(bson::Builder& spec, View fill) {
  const Element by = fill["partitionBy"], fields = fill["partitionByFields"];
  if (by && fields) return bad(6050204, "Maximum one of 'partitionBy' and 'partitionByFields can be specified in '$fill'");
  if (by) {
    if (!by.is_document() && !by.is_string()) {
      return bad(code::kTypeMismatch, fmt::format("BSON field '$fill.partitionBy' is the wrong type '{}', expected types '[object, string]'", bson::type_name(by.type())));
    }
    spec.append("partitionBy", by);
  }
  if (!fields) return {};
  if (!fields.is_array()) return wrong_type("$fill", fields, "array");
  auto partition = spec.open_document("partitionBy");
  for (const Element& field : fields.document_value()) {
    if (!field.is_string()) {
      return bad(code::kTypeMismatch, fmt::format("BSON field '$fill.partitionByFields.{}' is the wrong type '{}', expected type 'string'", field.key(), bson::type_name(field.type())));
    }
    partition.append(field.string_value(), "$" + std::string(field.string_value()));
  }
  return {};
}

Parsed parse_fill(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document()) {
    return bad(code::kFailedToParse, fmt::format("The $fill stage specification must be an object, found {}", bson::type_name(argument.type())));
  }
  const View spec = argument.document_value();
  for (const Element& e : spec) {
    const bool object = e.key() == "sortBy" || e.key() == "output";
    if (!object && e.key() != "partitionBy" && e.key() != "partitionByFields") return bad(40415, fmt::format("BSON field '$fill.{}' is an unknown field.", e.key()));
    if (object && !e.is_document()) return wrong_type("$fill", e, "object");
  }
  if (!spec["output"]) return bad(40414, "BSON field '$fill.output' is missing but a required field");
  if (spec["output"].document_value().empty()) return bad(6050203, "The output field in '$fill' must contain an object with at least one element");
  Fill fill;
  for (const Element& e : spec["output"].document_value()) TRY(add_fill(fill, e));
  bson::Builder windows;
  TRY(add_partition(windows, spec));
  if (spec["sortBy"]) windows.append("sortBy", spec["sortBy"]);
  windows.append("output", std::move(fill.windows).finish());
  bson::ArrayBuilder stages;
  if (fill.has_windows) stages.open_document().append("$setWindowFields", std::move(windows).finish());
  if (fill.has_values) stages.open_document().append("$addFields", std::move(fill.values).finish());
  return parse_stage_list(std::move(stages).finish().view(), context, "$fill");
}

constexpr StageRow kRows[] = {{"$setWindowFields", parse_window_fields, {5, 0, 0}}, {"$fill", parse_fill, {5, 3, 0}}};

}  // namespace

std::span<const StageRow> window_stages() { return kRows; }

}  // namespace drover::sandbox::query
