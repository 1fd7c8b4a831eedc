#include "sandbox/commands/find_request.h"

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

constexpr int kBelowLeast = 51024;
constexpr std::string_view kNumbers = "expected types '[long, int, decimal, double']";

// How the fields of find are refused: 4.4 had a parser of its own, 5.0 words it as every command.
class Fields {
 public:
  Fields(const CommandContext& context, bson::View body) : body_(body), idl_(context.settings().at_least(5, 0)) {}
  bool idl() const { return idl_; }

  Result<bson::View> document(const bson::Element& field) const {
    if (const auto document = field.to_document()) return *document;
    if (idl_) return server_error(code::kTypeMismatch, fmt::format("Expected field {}to be of type object", field.key()));
    return mistyped(field, "object");
  }
  Result<std::int64_t> count(const bson::Element& field) const {
    const auto value = field.is_number() ? field.to_int64() : std::nullopt;
    if (idl_ && !value) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'FindCommandRequest.{}' is the wrong type '{}', {}", field.key(),
                                                           bson::type_name(field.type()), kNumbers));
    }
    if (!value) return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}. '{}' field must be numeric.", bson::to_shell(body_), field.key()));
    if (idl_ && *value < 0) return server_error(kBelowLeast, fmt::format("BSON field '{}' value must be >= 0, actual value '{}'", field.key(), *value));
    return *value;
  }
  Result<bool> flag(const bson::Element& field) const {
    if (field.type() == bson::Type::kBool) return field.bool_value();
    if (!idl_) return mistyped(field, "bool");
    if (field.is_null() || field.type() == bson::Type::kUndefined) return false;
    return server_error(code::kTypeMismatch, fmt::format("Field '{}' should be a boolean value, but found: {}", field.key(), bson::type_name(field.type())));
  }
  Result<bson::Element> hint(const bson::Element& field) const {
    if (field.is_string() || field.is_document()) return field;
    return server_error(code::kFailedToParse, idl_ ? "Hint must be a string or an object" : "hint must be either a string or nested object");
  }
  tl::unexpected<Error> unknown(std::string_view name) const {
    if (idl_) return server_error(code::kUnknownField, fmt::format("BSON field 'FindCommandRequest.{}' is an unknown field.", name));
    return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}. Unrecognized field '{}'.", bson::to_shell(body_), name));
  }

 private:
  static tl::unexpected<Error> mistyped(const bson::Element& field, std::string_view type) {
    return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}: {}. '{}' field must be of BSON type {}.", field.key(), bson::to_shell(field),
                                                          field.key(), type));
  }

  bson::View body_;
  const bool idl_;
};

Result<bson::View> let_field(const bson::Element& field) {
  if (field.is_null()) return bson::View();
  if (const auto document = field.to_document()) return *document;
  return server_error(code::kTypeMismatch, fmt::format("BSON field 'FindCommandRequest.let' is the wrong type '{}', expected type 'object'",
                                                       bson::type_name(field.type())));
}

Status check_count(std::optional<std::int64_t> value, std::string_view title) {
  if (value.value_or(0) >= 0) return {};
  return server_error(code::kBadValue, fmt::format("{} value must be non-negative, but received: {}", title, *value));
}

// min and max name the same fields.
bool same_fields(bson::View a, bson::View b) {
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    if (x->key() != y->key()) return false;
  }
  return x == a.end() && y == b.end();
}

bson::Element natural_of(bson::View pattern) { return pattern["$natural"]; }

// {$natural: 1}
bool is_insertion_order(bson::View sort) {
  return sort.field_count() == 1 && sort.first().key() == "$natural" && sort.first().to_double() == 1.0;
}

// Since 7.0 $natural stands alone and is 1 or -1.
Status check_natural_value(bson::View pattern, std::string_view what) {
  const auto natural = natural_of(pattern);
  if (!natural) return {};
  const auto value = natural.is_number() ? natural.to_double().value_or(0) : 0;
  if (pattern.field_count() == 1 && (value == 1 || value == -1)) return {};
  return server_error(code::kBadValue, fmt::format("$natural {} cannot be set to a value other than -1 or 1.", what));
}

// A hint beside a sort by $natural says the same.
Status check_natural(const CommandContext& context, const FindRequest& request) {
  const auto hint = request.hint.to_document().value_or(bson::View());
  if (context.settings().at_least(7, 0)) {
    TRY(check_natural_value(request.sort, "sort"));
    TRY(check_natural_value(hint, "hint"));
  }
  const auto sorted = natural_of(request.sort);
  const bool hinted = request.hint && !(request.hint.is_document() && hint.empty());
  if (!sorted || !hinted) return {};
  const auto natural = natural_of(hint);
  if (!natural) return server_error(code::kBadValue, "index hint not allowed with $natural sort order");
  if (natural.to_int64().value_or(0) == sorted.to_int64().value_or(0)) return {};
  return server_error(code::kBadValue, "$natural hint must be in the same direction as $natural sort order");
}

Status check(const CommandContext& context, const FindRequest& request) {
  if ((request.min || request.max) && !request.hint) {
    return server_error(51173, "When using min()/max() a hint of which index to use must be provided");
  }
  if (request.min && request.max && !same_fields(*request.min, *request.max)) return server_error(51176, "min and max must have the same field names");
  TRY(check_count(request.limit, "Limit"));
  TRY(check_count(request.batch_size, "BatchSize"));
  TRY(check_count(request.skip, "Skip"));
  TRY(check_natural(context, request));
  if (request.await_data && !request.tailable) return server_error(code::kFailedToParse, "Cannot set awaitData without tailable");
  if (request.tailable && !request.sort.empty() && !is_insertion_order(request.sort)) {
    return server_error(code::kBadValue, "cannot use tailable option with a sort other than {$natural: 1}");
  }
  if (request.tailable && request.single_batch) return server_error(code::kBadValue, "cannot use tailable option with the 'singleBatch' option");
  return {};
}

bool is_forward_natural(bson::View order) { return order.field_count() == 1 && order.first().key() == "$natural" && order.first().is_number() && order.first().to_double() == 1.0; }

Status check_resume(FindRequest& request, bson::View after) {
  if (!request.request_resume_token) {
    if (after.empty()) return {};
    return server_error(code::kBadValue, "'requestResumeToken' must be true if 'resumeAfter' is specified");
  }
  if (!is_forward_natural(request.hint.to_document().value_or(bson::View()))) return server_error(code::kBadValue, "hint must be {$natural:1} if 'requestResumeToken' is enabled");
  if (!request.sort.empty() && !is_forward_natural(request.sort)) return server_error(code::kBadValue, "sort must be unset or {$natural:1} if 'requestResumeToken' is enabled");
  if (after.empty()) return {};
  const auto record = after["$recordId"];
  if (after.field_count() != 1 || record.type() != bson::Type::kInt64) {
    return server_error(code::kBadValue, "Malformed resume token: the '_resumeAfter' object must contain exactly one field named '$recordId', of type NumberLong.");
  }
  request.resume_after = record.int64_value();
  return {};
}

}  // namespace

Result<FindRequest> parse_find(const CommandContext& context, bson::View body) {
  FindRequest request;
  const Fields fields(context, body);
  bson::View resume_after;
  const auto first = body.first();
  if (!first.is_string() && !first.to_uuid()) {
    if (fields.idl()) return server_error(context.settings().at_least(7, 0) ? code::kInvalidNamespace : code::kBadValue, fmt::format("collection name has invalid type {}", bson::type_name(first.type())));
    return server_error(code::kFailedToParse, fmt::format("Failed to parse: find: {}. 'find' field must be of BSON type string.", bson::to_shell(first)));
  }
  for (const auto& field : body) {
    const auto key = field.key();
    if (key == "find" || (key == "collectionUUID" && context.settings().at_least(6, 0)) || is_generic_field(key)) continue;
    if (key == "filter" || (key == "query" && !fields.idl())) request.filter = TRY(fields.document(field));
    else if (key == "sort") request.sort = TRY(fields.document(field));
    else if (key == "projection") request.projection = TRY(fields.document(field));
    else if (key == "let" && fields.idl()) request.let = TRY(let_field(field));
    else if (key == "hint") request.hint = TRY(fields.hint(field));
    else if (key == "collation") {
      TRY(fields.document(field));
      TRY(check_collation_fields(context, field));
    }
    else if (key == "allowDiskUse" || key == "allowPartialResults" || key == "oplogReplay" || key == "partialResultsOk" || key == "readOnce") TRY(fields.flag(field));
    else if (key == "min") request.min = TRY(fields.document(field));
    else if (key == "max") request.max = TRY(fields.document(field));
    else if (key == "skip") request.skip = TRY(fields.count(field));
    else if (key == "limit") request.limit = TRY(fields.count(field));
    else if (key == "batchSize") request.batch_size = TRY(fields.count(field));
    else if (key == "singleBatch") request.single_batch = TRY(fields.flag(field));
    else if (key == "tailable") request.tailable = TRY(fields.flag(field));
    else if (key == "awaitData") request.await_data = TRY(fields.flag(field));
    else if (key == "noCursorTimeout") request.no_timeout = TRY(fields.flag(field));
    else if (key == "showRecordId") request.show_record_id = TRY(fields.flag(field));
    else if (key == "returnKey") request.return_key = TRY(fields.flag(field));
    else if (key == "$_requestResumeToken") request.request_resume_token = TRY(fields.flag(field));
    else if (key == "$_resumeAfter") resume_after = TRY(fields.document(field));
    else return fields.unknown(key);
  }
  if (request.min && request.min->empty()) request.min.reset();
  if (request.max && request.max->empty()) request.max.reset();
  TRY(check(context, request));
  TRY(check_resume(request, resume_after));
  return request;
}

Status check_aggregable(const CommandContext& context, const FindRequest& request) {
  const auto refused = [](std::string_view what) { return server_error(code::kInvalidPipelineOperator, fmt::format("{} not supported in aggregation.", what)); };
  if (request.min) return refused("Option min");
  if (request.max) return refused("Option max");
  if (request.return_key) return refused("Option returnKey");
  if (request.show_record_id) return refused("Option showRecordId");
  if (request.request_resume_token) return refused("Option requestResumeToken");
  if (request.tailable) return server_error(code::kInvalidPipelineOperator, "Tailable cursors are not supported in aggregation.");
  if (request.no_timeout) return refused("Option noCursorTimeout");
  if (context.body["allowPartialResults"].is_truthy()) return refused("Option allowPartialResults");
  if (!request.sort.empty() && request.sort["$natural"]) return refused("Sort option $natural");
  if (request.single_batch && request.limit != 1) return refused("Option singleBatch");
  return {};
}

}  // namespace drover::sandbox
