#include "sandbox/commands/map_reduce_request.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

using bson::Element;
using bson::View;

namespace {

class Parser {
 public:
  explicit Parser(const CommandContext& context) : context_(context), name_(context.settings().at_least(5, 0) ? "mapReduce" : "MapReduce") {}

  Result<MapReduceRequest> parse() {
    request_.ns = TRY(named_collection(context_));
    for (const Element& field : context_.body) {
      if (field.key() == context_.body.first().key() || is_generic_field(field.key())) continue;
      TRY(parse_field(field));
    }
    for (const std::string_view required : {"map", "reduce", "out"}) {
      if (!context_.body[required]) return server_error(code::kMissingField, fmt::format("BSON field '{}.{}' is missing but a required field", name_, required));
    }
    if (reduces_into_) request_.output->when_matched_pipeline = reducing_pipeline();
    return std::move(request_);
  }

 private:
  Status parse_field(const Element& field) {
    const auto key = field.key();
    static constexpr std::string_view kNoneIfNull[] = {"query", "sort", "collation", "limit", "verbose", "bypassDocumentValidation", "jsMode"};
    if ((field.is_null() || field.type() == bson::Type::kUndefined) && std::ranges::find(kNoneIfNull, key) != std::end(kNoneIfNull)) return {};
    if (key == "map") return function(field).map([&](std::string text) { request_.map = std::move(text); });
    if (key == "reduce") return function(field).map([&](std::string text) { request_.reduce = std::move(text); });
    if (key == "finalize") {
      if (field.is_null()) return {};  // as older Java drivers send it
      return function(field).map([&](std::string text) { request_.finalize = std::move(text); });
    }
    if (key == "query") return object(field).map([&](View view) { request_.query = view; });
    if (key == "sort") return object(field).map([&](View view) { request_.sort = view; });
    if (key == "collation") return object(field).map([&](View view) { request_.collation = view; });
    if (key == "scope") {
      if (!field.is_document()) return server_error(code::kBadValue, "'scope' must be an object");
      request_.scope = field.document_value();
      return {};
    }
    if (key == "limit") {
      const auto number = field.is_number() ? field.to_int64() : std::nullopt;
      if (!number) {
        return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.limit' is the wrong type '{}', expected types '[long, int, decimal, double']", name_,
                                                             bson::type_name(field.type())));
      }
      request_.limit = number;
      return {};
    }
    if (key == "verbose" || key == "bypassDocumentValidation" || key == "jsMode") return boolean(field);
    if (key == "out") return out(field);
    return server_error(code::kUnknownField, fmt::format("BSON field '{}.{}' is an unknown field.", name_, key));
  }

  static Result<std::string> function(const Element& field) {
    if (!field.is_string() && field.type() != bson::Type::kCode) {
      return server_error(code::kBadValue, fmt::format("'{}' must be of string or code type", field.key()));
    }
    return std::string(field.string_value());
  }

  Result<View> object(const Element& field) const {
    if (field.is_document()) return field.document_value();
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type 'object'", name_, field.key(), bson::type_name(field.type())));
  }

  Status boolean(const Element& field) const {
    if (field.type() == bson::Type::kBool) return {};
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type 'bool'", name_, field.key(), bson::type_name(field.type())));
  }

  Status out(const Element& field) {
    if (field.is_string()) return into(field, query::PipelineOutput{.kind = query::PipelineOutput::Kind::kOut});
    if (!field.is_document()) return server_error(code::kBadValue, "'out' must be either a string or an object");
    const View options = field.document_value();
    if (const auto within = options["inline"]) {
      if (options.field_count() != 1) return server_error(code::kInvalidOptions, "'inline' must be specified alone");
      if (within.to_double() != 1.0) return server_error(code::kBadValue, "'inline' takes only numeric '1'");
      return {};
    }
    std::size_t known = 1;
    for (const std::string_view flag : {"sharded", "nonAtomic"}) {
      const auto given = options[flag];
      if (!given) continue;
      ++known;
      if (given.type() != bson::Type::kBool) return server_error(code::kBadValue, fmt::format("{} field value must be boolean", flag));
      if (!given.bool_value()) return server_error(code::kBadValue, fmt::format("{} field value must be true", flag));
    }
    if (const auto replace = options["replace"]) {
      TRY(into(replace, query::PipelineOutput{.kind = query::PipelineOutput::Kind::kOut}));
    } else if (const auto merge = options["merge"]) {
      TRY(into(merge, query::PipelineOutput{.kind = query::PipelineOutput::Kind::kMerge, .when_matched = "replace"}));
    } else if (const auto reduce = options["reduce"]) {
      reduces_into_ = true;
      TRY(into(reduce, query::PipelineOutput{.kind = query::PipelineOutput::Kind::kMerge, .when_matched = "pipeline"}));
    } else {
      return server_error(code::kBadValue, "'out' requires 'replace', 'merge' or 'reduce'");
    }
    if (const auto db = options["db"]) {
      ++known;
      if (!db.is_string()) return server_error(code::kBadValue, "db field value must be string");
      request_.output->db = db.string_value();
      request_.names_database = true;
      const auto& named = request_.output->db;
      if (named == "admin" || named == "config" || named == "local") return server_error(kCommandNotSupported, "cannot target internal database as output");
    }
    if (options.field_count() != known) {
      return server_error(code::kBadValue, "'out' supports only output type with collection name, optional 'sharded' and optional 'db'");
    }
    if (options["sharded"]) return server_error(code::kInvalidOptions, "Cannot use mapReduce to create a new sharded collection. Please create and shard the target collection before proceeding.");
    return {};
  }

  Status into(const Element& name, query::PipelineOutput output) {
    if (!name.is_string()) return server_error(code::kBadValue, fmt::format("'{}' supports only string consisting of output collection name", name.key()));
    output.collection = name.string_value();
    request_.output = std::move(output);
    return {};
  }

  // What is there already and what comes are reduced once more.
  bson::Document reducing_pipeline() const {
    const auto calling = [](const std::string& body, const bson::Document& arguments) {
      const auto call = bson::make_document({{"body", body}, {"args", bson::ArrayView{arguments.view()}}, {"lang", "js"}});
      const auto expression = bson::make_document({{"$function", call}});
      return bson::make_document({{"$project", bson::make_document({{"value", expression}})}});
    };
    bson::ArrayBuilder both, key_and_both, key_and_value;
    both.append("$value");
    both.append("$$new.value");
    key_and_both.append("$_id");
    key_and_both.append(bson::ArrayView{std::move(both).finish()});
    key_and_value.append("$_id");
    key_and_value.append("$value");
    bson::ArrayBuilder stages;
    stages.append(calling(request_.reduce, std::move(key_and_both).finish()));
    if (request_.finalize) stages.append(calling(*request_.finalize, std::move(key_and_value).finish()));
    return std::move(stages).finish();
  }

  static constexpr int kCommandNotSupported = 115;

  const CommandContext& context_;
  const std::string_view name_;
  MapReduceRequest request_;
  bool reduces_into_ = false;
};

}  // namespace

Result<MapReduceRequest> parse_map_reduce(const CommandContext& context) { return Parser(context).parse(); }

std::vector<bson::Document> map_reduce_stages(const MapReduceRequest& request, std::string_view db) {
  using bson::make_document;
  std::vector<bson::Document> stages;
  const auto emits = make_document({{"$_internalJsEmit", make_document({{"eval", request.map}, {"this", "$$ROOT"}})}});
  stages.push_back(make_document({{"$project", make_document({{"emits", emits}, {"_id", false}})}}));
  stages.push_back(make_document({{"$unwind", make_document({{"path", "$emits"}})}}));
  const auto reduced = make_document({{"$_internalJsReduce", make_document({{"data", "$emits"}, {"eval", request.reduce}})}});
  stages.push_back(make_document({{"$group", make_document({{"_id", "$emits.k"}, {"value", reduced}})}}));
  if (request.finalize) {
    bson::ArrayBuilder arguments;
    arguments.append("$_id");
    arguments.append("$value");
    const auto held = std::move(arguments).finish();
    const auto call = make_document({{"body", *request.finalize}, {"args", bson::ArrayView{held.view()}}, {"lang", "js"}});
    stages.push_back(make_document({{"$project", make_document({{"_id", true}, {"value", make_document({{"$function", call}})}})}}));
  }
  if (!request.output) return stages;
  const auto& output = *request.output;
  const auto target = make_document({{"db", output.db.empty() ? std::string(db) : output.db}, {"coll", output.collection}});
  if (output.kind == query::PipelineOutput::Kind::kOut) {
    stages.push_back(make_document({{"$out", target}}));
    return stages;
  }
  bson::Builder merge;
  merge.append("into", target).append("on", "_id");
  if (output.when_matched == "pipeline") merge.append("whenMatched", bson::ArrayView{output.when_matched_pipeline.view()});
  else merge.append("whenMatched", output.when_matched);
  merge.append("whenNotMatched", output.when_not_matched);
  stages.push_back(make_document({{"$merge", std::move(merge).finish()}}));
  return stages;
}

}  // namespace drover::sandbox
