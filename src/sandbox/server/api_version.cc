#include "sandbox/server/api_version.h"

#include <algorithm>

#include <fmt/core.h>

namespace drover::sandbox {

namespace {

constexpr int kTypeMismatch = 14;
constexpr int kVersionError = 322, kStrictError = 323, kDeprecationError = 324;

constexpr std::string_view kInVersion1[] = {
    "abortTransaction", "aggregate",   "authenticate", "bulkWrite",     "collMod",         "commitTransaction", "count",
    "create",           "createIndexes", "delete",     "drop",          "dropDatabase",    "dropIndexes",       "endSessions",
    "explain",          "find",        "findAndModify", "getMore",      "hello",           "insert",            "isMaster",
    "killCursors",      "listCollections", "listDatabases", "listIndexes", "ping",         "refreshSessions",   "saslContinue",
    "saslStart",        "testDeprecation", "update"};

constexpr std::string_view kUnstableStages[] = {"$collStats", "$currentOp",  "$indexStats",  "$listCatalog", "$listLocalSessions",
                                                "$listSessions", "$planCacheStats", "$search"};

constexpr struct {
  std::string_view command, field;
} kUnstableFields[] = {
    {"find", "awaitData"},     {"find", "max"},          {"find", "min"},         {"find", "noCursorTimeout"}, {"find", "oplogReplay"},
    {"find", "returnKey"},     {"find", "showRecordId"}, {"find", "tailable"},    {"aggregate", "exchange"},   {"aggregate", "explain"},
    {"create", "autoIndexId"}, {"create", "capped"},     {"create", "indexOptionDefaults"}, {"create", "max"}, {"create", "size"},
    {"create", "storageEngine"}, {"find", "readOnce"},    {"find", "$_requestResumeToken"}, {"find", "$_resumeAfter"}, {"aggregate", "collectionUUID"},
    {"aggregate", "runtimeConstants"}, {"aggregate", "isMapReduceCommand"}};

template <typename Range>
bool contains(const Range& range, std::string_view name) {
  return std::find(std::begin(range), std::end(range), name) != std::end(range);
}

// $collStats may count, which drivers' estimatedDocumentCount does.
Status check_collection_stats(bson::View spec) {
  for (const std::string_view part : {"latencyStats", "storageStats", "queryExecStats"}) {
    if (spec[part]) return server_error(kStrictError, "only the 'count' option to $collStats is supported in API Version 1");
  }
  return {};
}

// Also of the pipelines within.
Status check_stages(bson::View pipeline, const ServerSettings& settings) {
  for (const auto& stage : pipeline) {
    const auto spec = stage.to_document();
    if (!spec) continue;
    const auto name = spec->first().key();
    const auto inner = spec->first().to_document().value_or(bson::View());
    if (name == "$collStats") {
      TRY(check_collection_stats(inner));
    } else if (contains(kUnstableStages, name)) {
      return server_error(kStrictError, fmt::format("{}{} is not allowed with 'apiStrict: true' in API Version 1", settings.at_least(7, 0) ? "" : "stage ", name));
    }
    const bool facet = name == "$facet";
    if (!facet && name != "$lookup" && name != "$unionWith") continue;
    for (const auto& field : inner) {
      const auto stages = facet || field.key() == "pipeline" ? field.to_array() : std::nullopt;
      if (stages) TRY(check_stages(*stages, settings));
    }
  }
  return {};
}

bool writes_documents(std::string_view command) { return command == "insert" || command == "update" || command == "delete" || command == "findAndModify"; }

Status check_strict(const Command& command, bson::View body, const ServerSettings& settings) {
  if (!contains(kInVersion1, command.name)) {
    return server_error(kStrictError,
                        fmt::format("Provided apiStrict:true, but the command {} is not in API Version 1. Information on supported commands "
                                    "and migrations in API Version 1 can be found at https://dochub.mongodb.org/core/manual-versioned-api",
                                    command.name));
  }
  for (const auto& [name, field] : kUnstableFields) {
    if (field == "capped" && !body[field].is_truthy()) continue;
    if (name == command.name && body[field]) {
      return server_error(kStrictError, fmt::format("BSON field '{}.{}' is not allowed with apiStrict:true.", name, field));
    }
  }
  if (writes_documents(command.name) && body.first().to_string_view() == "system.js") {
    return server_error(kStrictError, fmt::format("Provided apiStrict:true, but the command {} attempts to write to system.js", command.name));
  }
  if (command.name == "aggregate" || (command.name == "create" && body["viewOn"])) {
    if (const auto pipeline = body["pipeline"].to_array()) return check_stages(*pipeline, settings);
  }
  return {};
}

Result<bson::Document> nothing(CommandContext&) { return bson::Document(); }

}  // namespace

Status check_api_version(const Command& command, bson::View body, const ServerSettings& settings) {
  const auto version = body["apiVersion"];
  if (!settings.at_least(5, 0)) return {};
  if (!version) {
    if (!body["apiStrict"] && !body["apiDeprecationErrors"]) return {};
    return server_error(4886600, "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion");
  }
  if (!version.is_string()) {
    return server_error(kTypeMismatch, fmt::format("BSON field 'APIParametersFromClient.apiVersion' is the wrong type '{}', expected type 'string'", bson::type_name(version.type())));
  }
  if (version.to_string_view() != "1") return server_error(kVersionError, "API version must be \"1\"");
  for (const std::string_view name : {"apiStrict", "apiDeprecationErrors"}) {
    const auto field = body[name];
    if (!field || field.type() == bson::Type::kBool) continue;
    return server_error(kTypeMismatch, fmt::format("BSON field 'APIParametersFromClient.{}' is the wrong type '{}', expected type 'bool'", name, bson::type_name(field.type())));
  }
  if (body["apiStrict"].is_truthy()) TRY(check_strict(command, body, settings));
  if (body["apiDeprecationErrors"].is_truthy() && command.name == "testDeprecation") {
    return server_error(kDeprecationError, fmt::format("Provided apiDeprecationErrors:true, but the command {} is deprecated in API Version 1. "
                                                       "Information on supported commands and migrations in API Version 1 can be found at "
                                                       "https://dochub.mongodb.org/core/manual-versioned-api",
                                                       command.name));
  }
  return {};
}

void add_api_test_commands(CommandTable& table) {
  static constexpr Command kRows[] = {
      {.name = "testDeprecation", .flags = kTestOnly | kHidden, .resource = ResourceKind::kAuthenticated, .handler = nothing, .help = "deprecated in API version 1, for tests", .since = {5, 0, 0}},
      {.name = "testVersion2", .flags = kTestOnly | kHidden, .resource = ResourceKind::kAuthenticated, .handler = nothing, .help = "not in API version 1, for tests", .since = {5, 0, 0}},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox
