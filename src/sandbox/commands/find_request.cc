#include "sandbox/commands/find_request.h"

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

tl::unexpected<Error> mistyped(const bson::Element& field, std::string_view type) {
  return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}: {}. '{}' field must be of BSON type {}.", field.key(), bson::to_shell(field),
                                                        field.key(), type));
}

Result<bson::View> document_field(const bson::Element& field) {
  if (const auto document = field.to_document()) return *document;
  return mistyped(field, "object");
}

Result<std::int64_t> count_field(bson::View body, const bson::Element& field) {
  const auto value = field.is_number() ? field.to_int64() : std::nullopt;
  if (value) return *value;
  return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}. '{}' field must be numeric.", bson::to_shell(body), field.key()));
}

Result<bool> flag_field(const bson::Element& field) {
  if (field.type() == bson::Type::kBool) return field.bool_value();
  return mistyped(field, "bool");
}

Result<bson::Element> hint_field(const bson::Element& field) {
  if (field.is_string() || field.is_document()) return field;
  return server_error(code::kFailedToParse, "hint must be either a string or nested object");
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

Status check(const FindRequest& request) {
  if ((request.min || request.max) && !request.hint) {
    return server_error(51173, "When using min()/max() a hint of which index to use must be provided");
  }
  if (request.min && request.max && !same_fields(*request.min, *request.max)) return server_error(51176, "min and max must have the same field names");
  TRY(check_count(request.limit, "Limit"));
  TRY(check_count(request.batch_size, "BatchSize"));
  TRY(check_count(request.skip, "Skip"));
  if (request.await_data && !request.tailable) return server_error(code::kFailedToParse, "Cannot set awaitData without tailable");
  if (request.tailable && !request.sort.empty() && request.sort.first().key() != "$natural") {
    return server_error(code::kBadValue, "cannot use tailable option with a sort other than {$natural: 1}");
  }
  if (request.tailable && request.single_batch) return server_error(code::kBadValue, "cannot use tailable option with the 'singleBatch' option");
  if (request.tailable && request.skip > 0) return server_error(code::kBadValue, "cannot use tailable option with the 'skip' option");
  return {};
}

}  // namespace

Result<FindRequest> parse_find(const CommandContext& context, bson::View body) {
  FindRequest request;
  const auto first = body.first();
  if (!first.is_string() && !first.to_uuid()) {
    return server_error(code::kFailedToParse, fmt::format("Failed to parse: find: {}. 'find' field must be of BSON type string.", bson::to_shell(first)));
  }
  for (const auto& field : body) {
    const auto key = field.key();
    if (key == "find" || key == "collectionUUID" || is_generic_field(key)) continue;
    if (key == "filter" || key == "query") request.filter = TRY(document_field(field));
    else if (key == "sort") request.sort = TRY(document_field(field));
    else if (key == "projection") request.projection = TRY(document_field(field));
    else if (key == "let" && context.settings().at_least(5, 0)) request.let = TRY(document_field(field));
    else if (key == "hint") request.hint = TRY(hint_field(field));
    else if (key == "collation") TRY(document_field(field));
    else if (key == "allowDiskUse" || key == "allowPartialResults" || key == "oplogReplay" || key == "partialResultsOk") TRY(flag_field(field));
    else if (key == "min") request.min = TRY(document_field(field));
    else if (key == "max") request.max = TRY(document_field(field));
    else if (key == "skip") request.skip = TRY(count_field(body, field));
    else if (key == "limit") request.limit = TRY(count_field(body, field));
    else if (key == "batchSize") request.batch_size = TRY(count_field(body, field));
    else if (key == "singleBatch") request.single_batch = TRY(flag_field(field));
    else if (key == "tailable") request.tailable = TRY(flag_field(field));
    else if (key == "awaitData") request.await_data = TRY(flag_field(field));
    else if (key == "noCursorTimeout") request.no_timeout = TRY(flag_field(field));
    else if (key == "showRecordId") request.show_record_id = TRY(flag_field(field));
    else if (key == "returnKey") request.return_key = TRY(flag_field(field));
    else {
      return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}. Unrecognized field '{}'.", bson::to_shell(body), key));
    }
  }
  if (request.min && request.min->empty()) request.min.reset();
  if (request.max && request.max->empty()) request.max.reset();
  TRY(check(request));
  return request;
}

}  // namespace drover::sandbox
