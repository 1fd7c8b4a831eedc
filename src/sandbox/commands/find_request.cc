#include "sandbox/commands/find_request.h"

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

Result<bson::View> document_field(const bson::Element& field) {
  if (const auto document = field.to_document()) return *document;
  return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}. '{}' field must be of BSON type object.",
                                                        bson::to_shell(bson::make_document({{field.key(), bson::Value(field)}})), field.key()));
}

Result<std::int64_t> count_field(const bson::Element& field, std::string_view title) {
  const auto value = field.is_number() ? field.to_int64() : std::nullopt;
  if (!value) {
    return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}: {}. '{}' field must be numeric.", field.key(), bson::to_shell(field), field.key()));
  }
  if (*value < 0) return server_error(code::kBadValue, fmt::format("{} value must be non-negative, but received: {}", title, *value));
  return *value;
}

Result<bool> flag_field(const bson::Element& field) {
  if (field.type() == bson::Type::kBool || field.is_number()) return field.is_truthy();
  return server_error(code::kFailedToParse, fmt::format("Failed to parse: {}: {}. '{}' field must be of BSON type bool.", field.key(), bson::to_shell(field), field.key()));
}

Status check(const FindRequest& request) {
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
    if (key == "find" || key == "collation" || key == "collectionUUID" || key == "allowDiskUse" || key == "allowPartialResults" ||
        key == "oplogReplay" || key == "partialResultsOk" || is_generic_field(key)) continue;
    if (key == "filter" || key == "query") request.filter = TRY(document_field(field));
    else if (key == "sort") request.sort = TRY(document_field(field));
    else if (key == "projection") request.projection = TRY(document_field(field));
    else if (key == "let" && context.settings().at_least(5, 0)) request.let = TRY(document_field(field));
    else if (key == "hint") request.hint = field;
    else if (key == "min") request.min = TRY(document_field(field));
    else if (key == "max") request.max = TRY(document_field(field));
    else if (key == "skip") request.skip = TRY(count_field(field, "Skip"));
    else if (key == "limit") request.limit = TRY(count_field(field, "Limit"));
    else if (key == "batchSize") request.batch_size = TRY(count_field(field, "BatchSize"));
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
