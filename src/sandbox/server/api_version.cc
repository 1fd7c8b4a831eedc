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

constexpr std::string_view kUnstableStages[] = {"$currentOp",   "$indexStats",      "$listCatalog", "$listLocalSessions",
                                                "$listSessions", "$planCacheStats", "$search"};

constexpr struct {
  std::string_view command, field;
} kUnstableFields[] = {
    {"find", "awaitData"},     {"find", "max"},          {"find", "min"},         {"find", "noCursorTimeout"}, {"find", "oplogReplay"},
    {"find", "returnKey"},     {"find", "showRecordId"}, {"find", "tailable"},    {"find", "readOnce"},        {"find", "$_requestResumeToken"},
    {"find", "$_resumeAfter"},  {"aggregate", "exchange"},   {"aggregate", "explain"}, {"aggregate", "collectionUUID"},
    {"aggregate", "runtimeConstants"}, {"aggregate", "isMapReduceCommand"},
    {"create", "autoIndexId"}, {"create", "indexOptionDefaults"}, {"create", "max"}, {"create", "size"}, {"create", "storageEngine"}};

constexpr std::string_view kWritesDocuments[] = {"insert", "update", "delete", "findAndModify"};

template <typename Range>
bool contains(const Range& range, std::string_view name) {
  return std::find(std::begin(range), std::end(range), name) != std::end(range);
}

tl::unexpected<Error> unstable_field(std::string_view of, std::string_view field) {
  return server_error(kStrictError, fmt::format("BSON field '{}.{}' is not allowed with apiStrict:true.", of, field));
}

Status check_stages(bson::View pipeline, ServerVersion version);

// The pipelines within a stage: of $lookup and $unionWith, and each of $facet's.
Status check_pipelines_within(std::string_view stage, bson::View spec, ServerVersion version) {
  if (stage == "$lookup" || stage == "$unionWith") {
    if (const auto pipeline = spec["pipeline"].to_array()) return check_stages(*pipeline, version);
  } else if (stage == "$facet") {
    for (const auto& field : spec) {
      if (const auto pipeline = field.to_array()) TRY(check_stages(*pipeline, version));
    }
  }
  return {};
}

Status check_stages(bson::View pipeline, ServerVersion version) {
  for (const auto& stage : pipeline) {
    const auto document = stage.to_document();
    if (!document) continue;
    const auto name = document->first().key();
    if (contains(kUnstableStages, name)) {
      return server_error(kStrictError, fmt::format("{}{} is not allowed with 'apiStrict: true' in API Version 1", version < ServerVersion{5, 1, 0} ? "stage " : "", name));
    }
    const auto spec = document->first().to_document();
    if (!spec) continue;
    // Counting is what drivers' estimatedDocumentCount does with $collStats.
    if (name == "$collStats" && ((*spec)["latencyStats"] || (*spec)["storageStats"] || (*spec)["queryExecStats"])) {
      return server_error(kStrictError, "only the 'count' option to $collStats is supported in API Version 1");
    }
    if (name == "$changeStream" && (*spec)["showSystemEvents"]) return unstable_field(name, "showSystemEvents");
    TRY(check_pipelines_within(name, *spec, version));
  }
  return {};
}

Status check_index_kinds(bson::View indexes) {
  for (const auto& index : indexes) {
    const auto spec = index.to_document();
    const auto key = spec ? (*spec)["key"].to_document() : std::nullopt;
    if (!key) continue;
    for (const auto& field : *key) {
      if (field.to_string_view() == "text") return server_error(kStrictError, "text indexes cannot be created with apiStrict: true");
    }
  }
  return {};
}

Status check_contents(const Command& command, bson::View body, ServerVersion version) {
  if (const auto pipeline = body["pipeline"].to_array()) return check_stages(*pipeline, version);
  if (command.name == "createIndexes") {
    if (const auto indexes = body["indexes"].to_array()) return check_index_kinds(*indexes);
  }
  if (command.name == "collMod") {
    const auto index = body["index"].to_document();
    if (index && (*index)["prepareUnique"]) return unstable_field("collMod.index", "prepareUnique");
  }
  if (contains(kWritesDocuments, command.name) && body.first().to_string_view() == "system.js") {
    return server_error(kStrictError, fmt::format("Provided apiStrict:true, but the command {} attempts to write to system.js.", command.name));
  }
  return {};
}

Status check_strict(const Command& command, bson::View body, ServerVersion version) {
  if (!contains(kInVersion1, command.name)) {
    return server_error(kStrictError,
                        fmt::format("Provided apiStrict:true, but the command {} is not in API Version 1. Information on supported commands "
                                    "and migrations in API Version 1 can be found at https://dochub.mongodb.org/core/manual-versioned-api",
                                    command.name));
  }
  // One that is capped without a size is refused for that.
  if (command.name == "create" && body["capped"].is_truthy() && body["size"]) return unstable_field("create", "capped");
  for (const auto& [name, field] : kUnstableFields) {
    if (name == command.name && body[field]) return unstable_field(name, field);
  }
  return check_contents(command, body, version);
}

Result<std::optional<bool>> flag(bson::View body, std::string_view name) {
  const auto value = body[name];
  if (!value) return std::nullopt;
  if (value.type() == bson::Type::kBool) return value.is_truthy();
  return server_error(kTypeMismatch, fmt::format("BSON field 'APIParametersFromClient.{}' is the wrong type '{}', expected type 'bool'", name, bson::type_name(value.type())));
}

Result<bson::Document> nothing(CommandContext&) { return bson::Document(); }

}  // namespace

Result<ApiParameters> check_api_version(const Command& command, bson::View body, const ServerSettings& settings) {
  if (!settings.at_least(5, 0)) return ApiParameters();
  ApiParameters declared{.strict = TRY(flag(body, "apiStrict")), .deprecation_errors = TRY(flag(body, "apiDeprecationErrors"))};
  const auto version = body["apiVersion"];
  if (!version) {
    if (!declared.strict && !declared.deprecation_errors) return declared;
    return server_error(4886600, "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion");
  }
  if (!version.is_string()) {
    return server_error(kTypeMismatch, fmt::format("BSON field 'APIParametersFromClient.apiVersion' is the wrong type '{}', expected type 'string'", bson::type_name(version.type())));
  }
  if (version.to_string_view() != "1") return server_error(kVersionError, "API version must be \"1\"");
  declared.version_1 = true;
  if (declared.is_strict()) TRY(check_strict(command, body, settings.version));
  if (declared.deprecation_errors.value_or(false) && command.name == "testDeprecation") {
    return server_error(kDeprecationError, fmt::format("Provided apiDeprecationErrors:true, but the command {} is deprecated in API Version 1. "
                                                       "Information on supported commands and migrations in API Version 1 can be found at "
                                                       "https://dochub.mongodb.org/core/manual-versioned-api",
                                                       command.name));
  }
  return declared;
}

void add_api_test_commands(CommandTable& table) {
  static constexpr Command kRows[] = {
      {.name = "testDeprecation", .flags = kTestOnly | kHidden, .resource = ResourceKind::kAuthenticated, .handler = nothing, .help = "deprecated in API version 1, for tests", .since = {5, 0, 0}},
      {.name = "testVersion2", .flags = kTestOnly | kHidden, .resource = ResourceKind::kAuthenticated, .handler = nothing, .help = "not in API version 1, for tests", .since = {5, 0, 0}},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox
