// aggregate. Facts: corpus aggregate/*, changestream/*.
#include <limits>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/aggregate.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/explain.h"
#include "sandbox/commands/map_reduce.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

struct Parsed {
  AggregateRequest request;
  std::int64_t batch_size = kDefaultFirstBatch;
  bool change_stream = false;
  bool explain = false;
};

Result<Namespace> parse_namespace(const CommandContext& context) {
  const auto first = context.body.first();
  if (first.is_number()) {
    if (first.to_double() != 1.0) return server_error(code::kFailedToParse, "Invalid command format: the 'aggregate' field must specify a collection name or 1");
    return Namespace{std::string(context.database), ""};
  }
  if (!first.is_string()) return server_error(code::kTypeMismatch, fmt::format("collection name has invalid type: {}", bson::type_name(first.type())));
  if (first.string_value() == "$cmd.aggregate") {
    return server_error(code::kInvalidNamespace, fmt::format("Invalid namespace specified '{}.{}'", context.database, first.string_value()));
  }
  return named_collection(context);
}

Status parse_cursor(const CommandContext& context, const bson::Element& field, Parsed& parsed) {
  const bool idl = context.settings().at_least(5, 0);
  const auto cursor = field.to_document();
  if (!cursor) return server_error(code::kTypeMismatch, "cursor field must be missing or an object");
  for (const auto& option : *cursor) {
    if (option.key() != "batchSize") {
      if (idl) return server_error(code::kUnknownField, fmt::format("BSON field 'cursor.{}' is an unknown field.", option.key()));
      return server_error(code::kBadValue, "cursor object can't contain fields other than batchSize");
    }
    const auto size = option.is_number() ? option.to_int64() : std::nullopt;
    if (!size && idl) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'cursor.batchSize' is the wrong type '{}', expected types '[long, int, decimal, double']",
                                                           bson::type_name(option.type())));
    }
    if (!size) return server_error(code::kTypeMismatch, "cursor.batchSize field must be a number");
    if (*size < 0 && idl) return server_error(51024, fmt::format("BSON field 'batchSize' value must be >= 0, actual value '{}'", *size));
    if (*size < 0) return server_error(code::kBadValue, "cursor.batchSize must not be negative");
    parsed.batch_size = *size;
  }
  return {};
}

Status parse_pipeline(const bson::Element& field, Parsed& parsed) {
  const auto stages = field.to_array();
  if (!stages) return server_error(code::kTypeMismatch, "'pipeline' option must be specified as an array");
  bool first = true;
  for (const auto& stage : *stages) {
    if (!stage.is_document()) return server_error(code::kTypeMismatch, "Each element of the 'pipeline' array must be an object");
    const bool change_stream = stage.document_value().first().key() == "$changeStream";
    if (change_stream && !first) return server_error(40602, "$changeStream is only valid as the first stage in a pipeline.");
    if (change_stream) parsed.change_stream = true;
    first = false;
  }
  parsed.request.pipeline = bson::Document(*stages);
  return {};
}

tl::unexpected<Error> mistyped_object(const bson::Element& field) {
  return server_error(code::kTypeMismatch, fmt::format("BSON field 'aggregate.{}' is the wrong type '{}', expected type 'object'", field.key(),
                                                       bson::type_name(field.type())));
}

Result<Parsed> parse(const CommandContext& context) {
  Parsed parsed;
  parsed.request.ns = TRY(parse_namespace(context));
  parsed.request.statement = context.body;
  const bool idl = context.settings().at_least(5, 0);  // fields are refused as those of every command
  bool cursor = false, pipeline = false;
  for (const auto& field : context.body) {
    const auto key = field.key();
    if (key == "aggregate" || is_generic_field(key)) continue;
    if (key == "pipeline") {
      TRY(parse_pipeline(field, parsed));
      pipeline = true;
    } else if (key == "cursor") {
      TRY(parse_cursor(context, field, parsed));
      cursor = true;
    } else if (key == "explain") {
      if (field.type() != bson::Type::kBool && !context.settings().at_least(5, 0)) {
        return server_error(code::kTypeMismatch, fmt::format("explain must be a boolean, not a {}", bson::type_name(field.type())));
      }
      parsed.explain = field.is_truthy();
    } else if (key == "hint") {
      if (!field.is_string() && !field.is_document()) {
        return server_error(code::kFailedToParse, idl ? "Hint must be a string or an object"
                                                       : "hint must be specified as a string representing an index name, or an object representing an index's key pattern");
      }
      parsed.request.hint = field;
    } else if (key == "allowDiskUse") {
      if (field.type() != bson::Type::kBool) {
        return server_error(code::kTypeMismatch, fmt::format(fmt::runtime(idl ? "Field 'allowDiskUse' should be a boolean value, but found: {}"
                                                                              : "allowDiskUse must be a boolean, not a {}"), bson::type_name(field.type())));
      }
    } else if (key == "bypassDocumentValidation" && idl) {
      TRY(bool_field(context, key));
    } else if (key == "let" && context.settings().at_least(5, 0)) {
      const auto let = field.is_null() ? std::optional(bson::View()) : field.to_document();
      if (!let) return mistyped_object(field);
      parsed.request.let = *let;
    } else if (key != "bypassDocumentValidation" && key != "collation" && (key != "collectionUUID" || !context.settings().at_least(6, 0)) &&
               key != "fromMongos" && key != "needsMerge" && key != "exchange" && key != "isMapReduceCommand") {
      if (idl) return server_error(code::kUnknownField, fmt::format("BSON field 'aggregate.{}' is an unknown field.", key));
      return server_error(code::kFailedToParse, fmt::format("unrecognized field '{}'", key));
    } else if (key == "collation" && !field.is_document() && !(idl && field.is_null())) {
      if (idl) return mistyped_object(field);
      return server_error(code::kTypeMismatch, fmt::format("\"collation\" had the wrong type. Expected object, found {}", bson::type_name(field.type())));
    }
    if (key == "collation") TRY(check_collation_fields(context, field));
  }
  if (!pipeline && !context.settings().at_least(5, 0)) return server_error(code::kTypeMismatch, "'pipeline' option must be specified as an array");
  if (!pipeline) return server_error(code::kMissingField, "BSON field 'aggregate.pipeline' is missing but a required field");
  if (!cursor && !parsed.explain) {
    return server_error(code::kFailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument");
  }
  if (parsed.explain && context.body["writeConcern"]) {
    return server_error(code::kFailedToParse, "Aggregation explain does not support the 'writeConcern' option");
  }
  return parsed;
}

Namespace reply_namespace(const Namespace& ns) { return ns.collection.empty() ? Namespace{ns.db, "$cmd.aggregate"} : ns; }

Result<bson::Document> aggregate(CommandContext& context) {
  auto parsed = TRY(parse(context));
  if (parsed.explain) return explain_command(context, context.body, ExplainVerbosity::kPlan);
  if (context.body["collectionUUID"]) {
    const auto scope = TRY(read_scope(context));
    TRY(check_collection_uuid(context, scope.reader->catalog(), parsed.request.ns, scope.reader->catalog().find(parsed.request.ns).get()));
  }
  CursorReplyOptions options;
  options.request.max_documents = parsed.batch_size;
  options.request.stop = context.stop;
  const auto ns = reply_namespace(parsed.request.ns);
  options.failing = failing_aggregate(context, ns);
  if (parsed.change_stream) {
    context.reads_change_stream = true;
    auto stream = TRY(context.services.open_change_stream(context, parsed.request.ns, parsed.request.pipeline));
    return first_batch_reply(context, std::move(stream), ns, options);
  }
  auto opened = TRY(open_aggregate(context, std::move(parsed.request)));
  options.at_cluster_time = opened.at;
  return first_batch_reply(context, std::move(opened.cursor), ns, options);
}

}  // namespace

std::span<const Command> aggregate_commands() {
  static const Command kRows[] = {
      {.name = "mapReduce", .flags = kReadConcern | kWriteConcern, .resource = ResourceKind::kCollection, .action = "find", .also = authorize_map_reduce, .handler = map_reduce,
       .help = "what functions make of a collection's documents, by key", .alias = "mapreduce"},
      {.name = "aggregate", .flags = kInTransaction | kReadConcern | kSnapshotRead | kWriteConcern, .resource = ResourceKind::kCustom, .also = authorize_aggregate, .handler = aggregate,
       .help = "documents that go through a pipeline; change streams"},
  };
  return kRows;
}

}  // namespace drover::sandbox
