#include "api/start_body.h"

#include <fmt/format.h>

#include "api/folded_object.h"
#include "model/namespace_filter.h"

namespace drover::api {
namespace {

tl::unexpected<Error> not_done(std::string_view what, std::string_view remedy) {
  return fail(ErrorCode::kUnsupported, fmt::format("{} is not supported by this version; {}", what, remedy));
}

Result<int> cluster_number(const FoldedObject& body, std::string_view key) {
  const auto name = TRY(body.required_string(key));
  if (name == "cluster0") return 0;
  if (name == "cluster1") return 1;
  return fail(ErrorCode::kUsage, fmt::format("{} must be \"cluster0\" or \"cluster1\", not \"{}\"", key, name));
}

Result<bool> flag(const FoldedObject& body, std::string_view key, bool otherwise) {
  const auto* value = body.find(key);
  if (value == nullptr) return otherwise;
  if (const auto* set = value->as_bool()) return *set;
  return fail(ErrorCode::kUsage, fmt::format("{} must be true or false", body.name_of(key)));
}

// One filter of 8.1: a database by name, with or without a list of collections.
Status add_filter(const Json& value, const std::string& where, std::vector<std::string>& entries) {
  const auto filter = TRY(FoldedObject::of(value, where));
  TRY(filter.only({"database", "databaseRegex", "collections", "collectionsRegex"}));
  for (const auto* regex : {"databaseRegex", "collectionsRegex"})
    if (filter.find(regex) != nullptr) return not_done(filter.name_of(regex), "name databases and collections one by one");
  const auto database = TRY(filter.required_string("database"));
  const auto* collections = filter.find("collections");
  if (collections == nullptr) {
    if (database.find('.') != std::string::npos)
      return fail(ErrorCode::kUsage, fmt::format("{} \"{}\": a database's name cannot hold a dot", filter.name_of("database"), database));
    entries.push_back(database);
    return {};
  }
  const auto* names = collections->as_array();
  if (names == nullptr || names->empty())
    return fail(ErrorCode::kUsage, filter.name_of("collections") + " must be an array of at least one collection's name");
  for (const auto& name : *names) {
    const auto* text = name.as_string();
    if (text == nullptr || text->empty())
      return fail(ErrorCode::kUsage, filter.name_of("collections") + " must hold names of collections");
    entries.push_back(database + "." + *text);
  }
  return {};
}

Status add_filters(const FoldedObject& body, std::string_view key, std::vector<std::string>& entries) {
  const auto* value = body.find(key);
  if (value == nullptr) return {};
  const auto* filters = value->as_array();
  if (filters == nullptr) return fail(ErrorCode::kUsage, fmt::format("{} must be an array", key));
  int index = 0;
  for (const auto& filter : *filters) TRY(add_filter(filter, fmt::format("{}[{}]", key, index++), entries));
  return {};
}

Status check_verification(const FoldedObject& body) {
  for (const auto* key : {"verification", "enableVerifier"}) {
    const auto* value = body.find(key);
    if (value == nullptr) continue;
    bool enabled = false;
    if (const auto* set = value->as_bool()) {
      enabled = *set;
    } else {
      const auto inner = TRY(FoldedObject::of(*value, key));
      TRY(inner.only({"enabled", "enableVerifier"}));
      enabled = TRY(flag(inner, "enabled", TRY(flag(inner, "enableVerifier", true))));
    }
    if (enabled)
      return not_done(fmt::format("{} (the embedded verifier)", key), "leave it out or disable it, and run drover verify");
  }
  return {};
}

// What only asks for what this engine does anyway passes; anything else is named.
Status check_unsupported(const FoldedObject& body) {
  if (const auto* mode = body.find("buildIndexes")) {
    const auto* text = mode->as_string();
    if (text == nullptr) return fail(ErrorCode::kUsage, "buildIndexes must be a string");
    if (*text != "afterDataCopy") {
      for (const auto* known : {"beforeDataCopy", "excludeHashed", "excludeHashedAfterCopy", "never"})
        if (*text == known) return not_done(fmt::format("buildIndexes \"{}\"", *text), "leave it out: indexes are built after the copy");
      return fail(ErrorCode::kUsage, fmt::format("buildIndexes cannot be \"{}\"", *text));
    }
  }
  if (TRY(flag(body, "reversible", false))) return not_done("reversible: true", "leave it out");
  if (TRY(flag(body, "detectRandomId", false)))
    return not_done("detectRandomId: true", "leave it out: collections are copied in the order of _id");
  if (TRY(flag(body, "preExistingDestinationData", false)))
    return not_done("preExistingDestinationData: true", "empty the destination");
  TRY(flag(body, "skipDiskSpaceCheck", false));
  if (body.find("copyInNaturalOrder") != nullptr)
    return not_done("copyInNaturalOrder", "leave it out: collections are copied in the order of _id");
  if (body.find("sharding") != nullptr)
    return fail(ErrorCode::kUsage, "sharding is for a replica set that is migrated to a sharded cluster; both are replica sets");
  for (const auto* beta : {"namespaceRemap", "documentFilter", "destinationDataHandling"})
    if (body.find(beta) != nullptr) return not_done(beta, "leave it out");
  return {};
}

Status read_write_blocking(const FoldedObject& body, StartBody& start) {
  const auto* value = body.find("enableUserWriteBlocking");
  if (value == nullptr) return {};
  std::string mode;
  if (const auto* set = value->as_bool()) mode = *set ? "sourceAndDestination" : "none";
  else if (const auto* text = value->as_string()) mode = *text;
  if (mode != "none" && mode != "destinationOnly" && mode != "sourceAndDestination")
    return fail(ErrorCode::kUsage, "enableUserWriteBlocking must be \"none\", \"destinationOnly\" or \"sourceAndDestination\"");
  start.request.block_destination = mode != "none";
  if (mode != "sourceAndDestination")
    start.warnings.push_back(fmt::format("enableUserWriteBlocking \"{}\": where the source can block writes, they are blocked at "
                                         "the commit all the same, because nothing else proves that none is lost", mode));
  return {};
}

}  // namespace

Result<StartBody> parse_start_body(std::string_view text) {
  const auto json = TRY_WITH(Json::parse(text), "reading the request's body as JSON");
  const auto body = TRY(FoldedObject::of(json, ""));
  TRY(body.only({"source", "destination", "includeNamespaces", "excludeNamespaces", "buildIndexes", "reversible",
                 "verification", "enableVerifier", "detectRandomId", "copyInNaturalOrder", "preExistingDestinationData",
                 "sharding", "enableUserWriteBlocking", "skipDiskSpaceCheck", "namespaceRemap", "documentFilter",
                 "destinationDataHandling"}));
  StartBody start;
  start.request.source = TRY(cluster_number(body, "source"));
  if (TRY(cluster_number(body, "destination")) == start.request.source)
    return fail(ErrorCode::kUsage, "source and destination must be different clusters");
  TRY(check_unsupported(body));
  TRY(check_verification(body));
  TRY(read_write_blocking(body, start));
  TRY(add_filters(body, "includeNamespaces", start.request.includes));
  TRY(add_filters(body, "excludeNamespaces", start.request.excludes));
  TRY_WITH(NamespaceFilter::parse(start.request.includes, start.request.excludes),
           "reading includeNamespaces (--include) and excludeNamespaces (--exclude)");
  return start;
}

}  // namespace drover::api
