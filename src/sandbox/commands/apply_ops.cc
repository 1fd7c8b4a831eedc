// applyOps: entries of an oplog, applied to this server, as mongorestore --oplogReplay sends them. Facts: the server's apply_ops.cpp as of 4.4.
// Until 6.x entries that are about documents alone are done all together or not at all; others one by one.
#include <fmt/format.h>

#include "sandbox/commands/apply_ops_entry.h"
#include "sandbox/commands/error_codes.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/write_support.h"

namespace drover::sandbox {

namespace {

constexpr int kUnknownError = 8;
constexpr int kUpdateOperationFailed = 218;

std::string_view op_of(const bson::Element& item) { return item.document_value()["op"].to_string_view().value_or(""); }

// {applied, code, codeName, errmsg, results, ok: 0}: the entry that failed is among the applied.
bson::Document stopped(std::int32_t applied, const Error& error, const std::vector<bool>& results) {
  const int code = error.server_code == 0 ? 1 : error.server_code;
  bson::Builder out;
  out.append("applied", applied).append("code", code).append("codeName", error_code_name(code)).append("errmsg", error.message);
  {
    auto list = out.open_array("results");
    for (const bool result : results) list.append(result);
  }
  out.append("ok", 0.0);
  return std::move(out).finish();
}

bson::Document finished(const std::vector<bool>& results) {
  bson::Builder out;
  out.append("applied", static_cast<std::int32_t>(results.size()));
  {
    auto list = out.open_array("results");
    for (const bool result : results) list.append(result);
  }
  if (std::find(results.begin(), results.end(), false) != results.end()) {
    out.append("ok", 0.0).append("errmsg", "applyOps had one or more errors applying ops").append("code", kUnknownError).append("codeName", "UnknownError");
  }
  return std::move(out).finish();
}

// Nothing when a collection is missing that has to be there: then it is tried one by one.
Result<std::optional<bson::Document>> apply_together(CommandContext& context, bson::View operations, const ApplyOptions& options) {
  std::int32_t applied = 0;
  bool one_by_one = false;
  auto done = in_write_unit(context, [&](WriteUnit& unit) -> Status {
    applied = 0;
    for (const auto& item : operations) {
      if (op_of(item) == "n") continue;
      ++applied;
      auto result = apply_crud(context, unit, item.document_value(), options);
      one_by_one = !result && result.error().server_code == code::kNamespaceNotFound;
      if (!result) return result;
    }
    return {};
  });
  if (one_by_one) return std::optional<bson::Document>();
  if (!done && is_interruption(done.error())) return tl::unexpected(done.error());
  if (!done) return std::optional(stopped(applied, done.error(), std::vector<bool>(static_cast<std::size_t>(applied), false)));
  return std::optional(finished(std::vector<bool>(static_cast<std::size_t>(applied), true)));
}

// A refused change of a document does not keep the rest from being tried; anything else does.
bool goes_on(const Error& error) { return error.server_code == kUpdateOperationFailed || error.server_code == code::kDuplicateKey || error.server_code == code::kDocumentValidationFailure; }

Result<bson::Document> apply_each(CommandContext& context, bson::View operations, const ApplyOptions& options) {
  std::vector<bool> results;
  for (const auto& item : operations) {
    if (op_of(item) == "n") continue;
    TRY(check_interrupt(context));
    const auto entry = item.document_value();
    const auto done = op_of(item) == "c" ? apply_command(context, entry, options)
                                         : in_write_unit(context, [&](WriteUnit& unit) { return apply_crud(context, unit, entry, options); });
    results.push_back(done.has_value());
    if (!done && (op_of(item) == "c" || !goes_on(done.error()))) return stopped(static_cast<std::int32_t>(results.size()), done.error(), results);
  }
  return finished(results);
}

Result<bson::Document> apply_ops(CommandContext& context) {
  const auto& body = context.body;
  TRY(check_fields(context, {"alwaysUpsert", "allowAtomic", "bypassDocumentValidation", "oplogApplicationMode", "preCondition", "prepare", "partialTxn", "count"}));
  TRY(authorize_apply_ops(context, body));
  TRY(check_operations(body.first()));
  if (body["preCondition"]) return server_error(code::kInvalidOptions, "applyOps with preCondition is not supported by this server");
  if (body["prepare"]) return server_error(code::kBadValue, "applyOps command can't have 'prepare' field");
  if (body["partialTxn"]) return server_error(31056, "applyOps command can't have 'partialTxn' field.");
  if (body["count"]) return server_error(31240, "applyOps command can't have 'count' field.");
  if (const auto mode = body["oplogApplicationMode"].to_string_view(); mode && *mode != "ApplyOps" && *mode != "InitialSync" && *mode != "Secondary") {
    return server_error(code::kFailedToParse, fmt::format("Could not parse oplogApplicationMode :: caused by :: Invalid oplog application mode provided: {}", *mode));
  }
  const auto operations = *body.first().to_array();
  const bool together = TRY(bool_field(context, "allowAtomic", true)) && !context.settings().at_least(7, 0) && are_crud_only(operations);
  const ApplyOptions options{.always_upsert = TRY(bool_field(context, "alwaysUpsert", true)) && !context.settings().at_least(7, 0), .depth = context.apply_depth};
  auto reply = std::optional<bson::Document>();
  if (together) reply = TRY(apply_together(context, operations, options));
  if (!reply) reply = TRY(apply_each(context, operations, options));
  for (const auto& item : operations) {
    if (const auto ns = Namespace::parse(item.document_value()["ns"].to_string_view().value_or(""))) note_system_write(context, *ns);
  }
  return *reply;
}

}  // namespace

std::span<const Command> apply_ops_commands() {
  static const Command kRows[] = {
      {.name = "applyOps", .flags = kWrite, .resource = ResourceKind::kCustom, .also = authorize_apply_ops, .handler = apply_ops,
       .help = "applies entries of an oplog"},
  };
  return kRows;
}

}  // namespace drover::sandbox
