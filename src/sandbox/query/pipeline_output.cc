// $out and $merge as the caller is to execute them.
#include <algorithm>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/stage.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

namespace {

// "coll" or {db, coll}.
// Of $out, and of $merge's `into`.
Status parse_target(const Element& e, PipelineOutput& output) {
  if (e.is_string()) {
    const std::string_view name = e.string_value();
    output.collection = name;
    return {};
  }
  for (const Element& field : e.document_value()) {
    const auto text = field.to_string_view();
    if ((field.key() == "db" || field.key() == "coll") && text) {
      (field.key() == "db" ? output.db : output.collection) = *text;
    } else if (field.key() == "db" || field.key() == "coll") {
      return bad(output.kind == PipelineOutput::Kind::kOut ? 16990 : code::kTypeMismatch,
                 fmt::format("BSON field '{}{}' is the wrong type '{}', expected type 'string'", output.kind == PipelineOutput::Kind::kOut ? "" : "into.", field.key(),
                             bson::type_name(field.type())));
    } else if (output.kind != PipelineOutput::Kind::kOut) {
      return bad(40415, fmt::format("BSON field 'into.{}' is an unknown field.", field.key()));
    } else {
      return bad(16994, fmt::format("If an object is passed to $out it must have exactly 2 fields: 'db' and 'coll'"));
    }
  }
  return {};
}

Result<PipelineOutput> parse_out(const Element& stage) {
  PipelineOutput output;
  if (!stage.is_string() && !stage.is_document()) {
    return bad(16990, fmt::format("$out only supports a string or object argument, but found {}",
                                  bson::type_name(stage.type())));
  }
  TRY(parse_target(stage, output));
  if (stage.is_document() && (output.db.empty() || output.collection.empty())) {
    return bad(16994, "If an object is passed to $out it must have exactly 2 fields: 'db' and 'coll'");
  }
  return output;
}

Status parse_on(const Element& e, PipelineOutput& output) {
  output.on_given = true;
  output.on.clear();
  if (e.is_string()) {
    output.on.emplace_back(e.string_value());
    return {};
  }
  if (!e.is_array())
    return bad(51186, fmt::format("$merge 'on' field  must be either a string or an array of strings, but found {}",
                                  bson::type_name(e.type())));
  for (const Element& item : e.document_value()) {
    if (!item.is_string())
      return bad(51134,
                 fmt::format("$merge 'on' array elements must be strings, but found {}", bson::type_name(item.type())));
    if (std::ranges::find(output.on, item.string_value()) != output.on.end()) {
      return bad(31465, fmt::format("Found a duplicate field '{}'", item.string_value()));
    }
    output.on.emplace_back(item.string_value());
  }
  if (output.on.empty()) return bad(51187, "If explicitly specifying $merge 'on', must include at least one field");
  return {};
}

Status parse_when_matched(const Element& e, PipelineOutput& output) {
  if (e.is_array()) {
    output.when_matched = "pipeline";
    output.when_matched_pipeline = Document(e.document_value());
    return {};
  }
  const auto mode = e.to_string_view();
  static constexpr std::string_view kModes[] = {"replace", "keepExisting", "merge", "fail"};
  if (!mode)
    return bad(51191, fmt::format("$merge 'whenMatched' field  must be either a string or an array, but found {}",
                                  bson::type_name(e.type())));
  if (std::ranges::find(kModes, *mode) == std::end(kModes)) {
    return bad(code::kBadValue,
               fmt::format("Enumeration value '{}' for field 'whenMatched' is not a valid value.", *mode));
  }
  output.when_matched = *mode;
  return {};
}

// Every variable of `let` stands for something.
Status check_when_matched(const Element& stages, const PipelineContext& context, const PipelineOutput& output) {
  UpdateOptions options;
  options.version = context.evaluation->version;
  bson::Builder constants;
  for (const Element& variable : output.let) constants.append(variable.key(), Document());
  const Document held = std::move(constants).finish();
  options.constants = held.view();
  TRY(Update::parse(stages, options));
  return {};
}

Result<PipelineOutput> parse_merge(const Element& stage, const PipelineContext& context) {
  PipelineOutput output;
  output.kind = PipelineOutput::Kind::kMerge;
  output.let = bson::make_document({{"new", "$$ROOT"}});
  if (stage.is_string()) {
    TRY(parse_target(stage, output));
    return output;
  }
  if (!stage.is_document()) {
    return bad(51182, fmt::format("$merge only supports a string or object argument, but found {}",
                                  bson::type_name(stage.type())));
  }
  const View object = stage.document_value();
  for (const Element& e : object) {
    if (e.key() == "into") {
      if (!e.is_string() && !e.is_document()) {
        return bad(51178, fmt::format("$merge 'into' field  must be either a string or an object, but found {}",
                                      bson::type_name(e.type())));
      }
      TRY(parse_target(e, output));
    } else if (e.key() == "on") {
      TRY(parse_on(e, output));
    } else if (e.key() == "let") {
      if (!e.is_document())
        return bad(code::kTypeMismatch, fmt::format("BSON field '$merge.let' is the wrong type '{}', expected type 'object'", bson::type_name(e.type())));
      for (const Element& variable : e.document_value()) TRY(check_variable_name(variable.key()));
      if (const auto given = e.document_value()["new"]; given && given.to_string_view() != std::string_view("$$ROOT")) {
        return bad(51273, "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'");
      }
      bson::Builder let;
      let.append_all(e.document_value());
      if (!e.document_value()["new"]) let.append("new", "$$ROOT");
      output.let = std::move(let).finish();
    } else if (e.key() == "whenMatched") {
      TRY(parse_when_matched(e, output));
    } else if (e.key() == "whenNotMatched") {
      const auto mode = e.to_string_view().value_or("");
      if (mode != "insert" && mode != "discard" && mode != "fail") {
        return bad(code::kBadValue,
                   fmt::format("Enumeration value '{}' for field '$merge.whenNotMatched' is not a valid value.", mode));
      }
      output.when_not_matched = mode;
    } else {
      return bad(40415, fmt::format("BSON field '$merge.{}' is an unknown field.", e.key()));
    }
  }
  if (!object["into"]) return bad(40414, "BSON field '$merge.into' is missing but a required field");
  if (output.collection.empty()) return bad(51178, "Invalid $merge target: the collection name is missing");
  if (object["let"] && output.when_matched != "pipeline") {
    return bad(51199, "Cannot use 'let' variables with a 'whenMatched' mode other than a custom pipeline");
  }
  if ((output.when_matched == "keepExisting" || output.when_matched == "fail") && output.when_not_matched != "insert") {
    return bad(51181, fmt::format("Combination of $merge modes 'whenMatched: {}' and 'whenNotMatched: {}' is not supported", output.when_matched,
                                  output.when_not_matched));
  }
  if (output.when_matched == "pipeline") TRY(check_when_matched(object["whenMatched"], context, output));
  return output;
}

}  // namespace

Result<PipelineOutput> parse_output(const Element& stage, const PipelineContext& context) {
  return stage.key() == "$out" ? parse_out(stage) : parse_merge(stage, context);
}

}  // namespace drover::sandbox::query
