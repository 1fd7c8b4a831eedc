// $unwind, $facet.
#include <algorithm>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
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

void append_at(View source, std::span<const std::string> path, const Datum& value, bson::Builder& out) {
  bool placed = false;
  for (const Element& field : source) {
    if (placed || field.key() != path[0]) {
      out.append_raw(field);
      continue;
    }
    placed = true;
    if (path.size() == 1) {
      if (!value.missing()) value.append_to(out, path[0]);
    } else {
      auto inner = out.open_document(path[0]);
      append_at(field.is_document() ? field.document_value() : View(), path.subspan(1), value, inner);
    }
  }
  if (placed || value.missing()) return;
  if (path.size() == 1) {
    value.append_to(out, path[0]);
  } else {
    auto inner = out.open_document(path[0]);
    append_at(View(), path.subspan(1), value, inner);
  }
}

Element value_at(View document, std::span<const std::string> path) {
  Element value = document[path[0]];
  for (const auto& part : path.subspan(1)) {
    if (!value.is_document()) return {};
    value = value.document_value()[part];
  }
  return value;
}

struct UnwindStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const UnwindStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)) {}
    Next next() override {
      while (true) {
        if (current_ && item_.exists()) return next_item();
        current_ = TRY(input_->next());
        if (!current_) return std::nullopt;
        const Element value = value_at(current_->view(), stage_->path);
        if (value.is_array()) {
          item_ = value.document_value().first();
          index_ = 0;
          if (item_.exists()) continue;
          if (stage_->preserve) return without_items(Datum());
        } else if (!value.exists() || value.is_null() || value.type() == Type::kUndefined) {
          if (stage_->preserve) return without_items(Datum::borrow(value));
        } else {
          return without_items(Datum::borrow(value));
        }
      }
    }

   private:
    Next next_item() {
      Document out = with_value_at(current_->view(), stage_->path, Datum::borrow(item_));
      if (!stage_->index_path.empty()) out = with_value_at(out.view(), stage_->index_path, Datum::from(index_));
      ++index_;
      View::Iterator next(item_.raw().data() + item_.size());
      item_ = next == View::Iterator() ? Element() : *next;
      return out;
    }
    // The document once, its index null.
    Next without_items(const Datum& value) {
      Document out = with_value_at(current_->view(), stage_->path, value);
      if (!stage_->index_path.empty()) out = with_value_at(out.view(), stage_->index_path, Datum::null());
      item_ = Element();
      return out;
    }

    std::shared_ptr<const UnwindStage> stage_;
    std::optional<Document> current_;
    Element item_;  // the next one of the array in current_
    std::int64_t index_ = 0;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const UnwindStage>(shared_from_this()), std::move(input));
  }
  std::vector<std::string> path;
  std::vector<std::string> index_path;
  bool preserve = false;
};

Parsed parse_unwind(const Element& argument, const PipelineContext& context) {
  auto stage = std::make_shared<UnwindStage>();
  stage->name = "$unwind";
  std::optional<std::string_view> path;
  if (argument.is_string()) {
    path = argument.string_value();
  } else if (argument.is_document()) {
    for (const Element& e : argument.document_value()) {
      if (e.key() == "path") {
        if (!e.is_string())
          return bad(28808,
                     fmt::format("expected a string as the path for $unwind stage, got {}", bson::type_name(e.type())));
        path = e.string_value();
      } else if (e.key() == "preserveNullAndEmptyArrays") {
        if (e.type() != Type::kBool) {
          return bad(28809, fmt::format(
                                "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got {}",
                                bson::type_name(e.type())));
        }
        stage->preserve = e.bool_value();
      } else if (e.key() == "includeArrayIndex") {
        const auto name = e.to_string_view();
        if (!name || name->empty()) {
          return bad(
              28810,
              fmt::format("expected a non-empty string for the includeArrayIndex  option to $unwind stage, got {}",
                          bson::type_name(e.type())));
        }
        if (name->starts_with('$')) {
          return bad(
              28822,
              fmt::format("includeArrayIndex option to $unwind stage should not be prefixed with a '$': {}", *name));
        }
        stage->index_path = split_path(*name);
        TRY(check_projection_path(*name, context.evaluation->version));
      } else {
        return bad(28811, fmt::format("unrecognized option to $unwind stage: {}", e.key()));
      }
    }
  } else {
    return bad(15981, fmt::format("expected either a string or an object as specification for $unwind stage, got {}",
                                  bson::type_name(argument.type())));
  }
  if (!path || path->empty()) return bad(28812, "no path specified to $unwind stage");
  if (!path->starts_with('$'))
    return bad(28818, fmt::format("path option to $unwind stage should be prefixed with a '$': {}", *path));
  TRY(check_projection_path(path->substr(1), context.evaluation->version));
  stage->path = split_path(path->substr(1));
  if (std::max(stage->path.size(), stage->index_path.size()) > kMaxPathDepth) {
    return bad(code::kOverflow, "FieldPath is too long");
  }
  return std::vector<StagePtr>{std::move(stage)};
}

struct FacetStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const FacetStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)) {}
    Next next() override {
      if (done_) return std::nullopt;
      done_ = true;
      StageMemory memory(stage_->memory);
      std::vector<Scored> documents;
      std::size_t bytes = 0;
      while (auto document = TRY(input_->next())) {
        bytes += document->size() + sizeof(Scored);
        if (bytes > stage_->max_bytes) return too_large();
        TRY(memory.hold(bytes));
        documents.push_back({std::move(*document), stage_->context->carried_score});
      }
      bson::Builder out;
      for (const auto& [name, stages] : stage_->facets) {
        auto source = run_stages(stages, std::make_unique<Again>(documents, *stage_->context));
        auto results = out.open_array(name);
        while (auto document = TRY(source->next())) {
          results.append(*document);
          if (results.size() > stage_->max_bytes) return too_large();
          TRY(memory.hold(bytes + results.size()));
        }
      }
      return std::move(out).finish();
    }

   private:
    struct Scored {
      Document document;
      std::optional<double> score;  // of $text, where it is carried
    };
    // The same documents for each of the pipelines.
    class Again final : public DocumentSource {
     public:
      Again(const std::vector<Scored>& documents, const EvaluationContext& context) : documents_(documents), context_(context) {}
      Next next() override {
        if (at_ == documents_.size()) return std::nullopt;
        const auto& next = documents_[at_++];
        context_.carried_score = next.score;
        return next.document;
      }

     private:
      const std::vector<Scored>& documents_;
      const EvaluationContext& context_;
      std::size_t at_ = 0;
    };

    tl::unexpected<Error> too_large() const {
      return bad(16819, fmt::format("$facet exceeded the memory limit of {} bytes", stage_->max_bytes));
    }
    std::shared_ptr<const FacetStage> stage_;
    bool done_ = false;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const FacetStage>(shared_from_this()), std::move(input));
  }
  void add_foreign(std::vector<std::pair<std::string, std::string>>& names) const override {
    for (const auto& [name, stages] : facets) {
      for (const auto& stage : stages) stage->add_foreign(names);
    }
  }
  std::vector<std::pair<std::string, std::vector<StagePtr>>> facets;
  std::shared_ptr<const EvaluationContext> context;
  std::size_t max_bytes = kMaxStageBytes;
  MemoryBudget* memory = nullptr;
};

Status check_facet_name(std::string_view name, ServerVersion version) {
  if (name.empty()) return bad(15998, "FieldPath field names may not be empty strings.");
  if (name.starts_with('$')) return bad_dollar_name(version);
  if (name.find('.') != std::string_view::npos) return bad(16412, "FieldPath field names may not contain '.'.");
  return {};
}

Parsed parse_facet(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document() || argument.document_value().empty()) {
    return bad(40169, fmt::format("the $facet specification must be a non-empty object, but found: $facet: {}", bson::to_shell(argument)));
  }
  auto stage = std::make_shared<FacetStage>();
  stage->name = "$facet";
  stage->context = context.evaluation;
  stage->max_bytes = context.max_stage_bytes;
  stage->memory = context.memory;
  const auto score = context.evaluation->text_score_state;  // that each begins with
  for (const Element& e : argument.document_value()) {
    if (!e.is_array())
      return bad(40170,
                 fmt::format("arguments to $facet must be arrays, {} is type {}", e.key(), bson::type_name(e.type())));
    TRY(check_facet_name(e.key(), context.evaluation->version));
    for (const Element& item : e.document_value()) {
      if (item.is_document()) continue;
      return bad(40171, fmt::format("elements of arrays in $facet spec must be non-empty objects, {} argument contained an element of type {}: {}: {}",
                                    e.key(), bson::type_name(item.type()), item.key(), bson::to_shell(item)));
    }
    context.evaluation->text_score_state = score;
    stage->facets.emplace_back(std::string(e.key()), TRY(parse_stage_list(e.document_value(), context, "$facet")));
  }
  return std::vector<StagePtr>{std::move(stage)};
}

constexpr StageRow kRows[] = {{"$unwind", parse_unwind}, {"$facet", parse_facet}};

}  // namespace

Document with_value_at(View document, std::span<const std::string> path, const Datum& value) {
  bson::Builder out;
  append_at(document, path, value, out);
  return std::move(out).finish();
}

std::span<const StageRow> array_stages() { return kRows; }

}  // namespace drover::sandbox::query
