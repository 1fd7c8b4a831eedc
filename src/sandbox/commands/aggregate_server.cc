#include "sandbox/commands/aggregate_server.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/activity.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/collection_stats.h"
#include "sandbox/commands/geo_near.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/given_documents.h"

namespace drover::sandbox {

namespace {

using Documents = std::vector<bson::Document>;

std::string host(const CommandContext& context) { return fmt::format("{}:{}", context.settings().host, context.settings().port); }
bson::DateTime now(CommandContext& context) { return {wall_millis(context.services.runtime)}; }
std::int64_t started(CommandContext& context) {
  const auto& services = context.services;
  return wall_millis(services.runtime) - std::chrono::duration_cast<std::chrono::milliseconds>(services.runtime.now() - services.started).count();
}
bson::View spec_of(const query::LeadingStage& stage) { return stage.spec.view().first().to_document().value_or(bson::View()); }

Result<CollectionPtr> existing_collection(const Reader& reader, const Namespace& ns, std::string_view what) {
  auto collection = reader.catalog().find(ns);
  if (!collection) {
    return server_error(code::kNamespaceNotFound, fmt::format("Unable to retrieve {} in $collStats stage :: caused by :: Collection [{}] not found.", what, ns.to_string()));
  }
  return collection;
}

tl::unexpected<Error> wrong_type(std::string_view field, const bson::Element& found, std::string_view expected) {
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}' is the wrong type '{}', expected type '{}'", field, bson::type_name(found.type()), expected));
}

Status check_histograms(const CommandContext& context, bson::View spec) {
  const auto asked = spec["histograms"];
  if (!asked || asked.type() == bson::Type::kBool) return {};
  if (context.settings().at_least(5, 0)) return wrong_type("$collStats.latencyStats.histograms", asked, "bool");
  return server_error(40305, fmt::format("histograms option to latencyStats must be bool, got histograms: {}of type {}", bson::to_shell(asked), bson::type_name(asked.type())));
}

Status check_collection_stats(const CommandContext& context, const bson::Element& stage) {
  if (!stage.is_document()) {
    return server_error(40166, fmt::format("$collStats must take a nested object but found: $collStats: {}", bson::to_shell(stage)));
  }
  const bson::View spec = stage.document_value();
  static constexpr std::pair<std::string_view, int> kOptions[] = {{"latencyStats", 40167}, {"storageStats", 40279}, {"count", 40480}, {"queryExecStats", 31141}};
  for (const auto& option : spec) {
    const auto* const known = std::find_if(std::begin(kOptions), std::end(kOptions), [&](const auto& row) { return row.first == option.key(); });
    if (known == std::end(kOptions) && context.settings().at_least(5, 0)) return server_error(code::kUnknownField, fmt::format("BSON field '$collStats.{}' is an unknown field.", option.key()));
    if (known == std::end(kOptions)) return server_error(40168, fmt::format("unrecognized option to $collStats: {}", option.key()));
    if (!option.is_document() && context.settings().at_least(5, 0)) return wrong_type(fmt::format("$collStats.{}", option.key()), option, "object");
    if (!option.is_document()) {
      return server_error(known->second, fmt::format("{} argument must be an object, but got {}: {} of type {}", option.key(), option.key(), bson::to_shell(option), bson::type_name(option.type())));
    }
  }
  return check_histograms(context, spec["latencyStats"].to_document().value_or(bson::View()));
}

Status check_plan_cache_stats(const bson::Element& stage) {
  if (!stage.is_document()) return server_error(code::kFailedToParse, fmt::format("$planCacheStats value must be an object. Found: {}", bson::type_name(stage.type())));
  if (!stage.document_value().empty()) return server_error(code::kFailedToParse, "$planCacheStats parameters object must be empty. Found: object");
  return {};
}

Status append_latency_stats(CommandContext& context, const Namespace& ns, bson::View spec, bson::Builder& out) {
  if (spec["histograms"].is_truthy()) return server_error(238, "histograms of latencies are not kept by this server");
  auto latency = out.open_document("latencyStats");
  append_latencies(latency, context.services.activity.of(ns).latencies);
  return {};
}

Result<Documents> collection_stats(CommandContext& context, const Namespace& ns, const Reader& reader, const bson::Element& stage) {
  TRY(check_collection_stats(context, stage));
  const bson::View spec = stage.document_value();
  // What is not there has no storage, and everything else.
  if (!spec["storageStats"] && !spec["count"] && !reader.catalog().find(ns)) {
    bson::Builder out;
    out.append("ns", ns.to_string()).append("host", host(context)).append("localTime", now(context));
    if (const auto latency_spec = spec["latencyStats"].to_document()) TRY(append_latency_stats(context, ns, *latency_spec, out));
    Documents all;
    all.push_back(std::move(out).finish());
    return all;
  }
  const auto named = TRY(existing_collection(reader, ns, spec["storageStats"] ? "storageStats" : "count"));
  // Of a view there are latencies alone.
  auto counted = counted_collection(reader.catalog(), named);
  if (!counted && (spec["storageStats"] || spec["count"])) {
    return tl::unexpected(caused_by(fmt::format("Unable to retrieve {} in $collStats stage", spec["storageStats"] ? "storageStats" : "count"), std::move(counted).error()));
  }
  bson::Builder out;
  out.append("ns", ns.to_string()).append("host", host(context)).append("localTime", now(context));
  if (const auto latency_spec = spec["latencyStats"].to_document()) TRY(append_latency_stats(context, ns, *latency_spec, out));
  if (spec["storageStats"]) {
    auto storage = out.open_document("storageStats");
    const auto storage_spec = spec["storageStats"].to_document().value_or(bson::View());
    const auto scale = std::max<std::int64_t>(1, storage_spec["scale"].to_int64().value_or(1));
    append_collection_stats(context, storage, *counted->first, scale, counted->second);
    storage.append("scaleFactor", static_cast<std::int32_t>(scale));
  }
  if (spec["count"]) append_count(out, "count", counters_of(context.engine(), *counted->first).records);
  Documents documents;
  documents.push_back(std::move(out).finish());
  return documents;
}

Result<Documents> index_stats(CommandContext& context, const Namespace& ns, const Reader& reader) {
  auto collection = reader.catalog().find(ns);
  Documents documents;
  if (!collection) return documents;
  // Of a time series: its buckets', as they are of measurements.
  const auto timeseries = collection->is_timeseries() ? std::optional(TimeseriesOptions::of(collection->timeseries)) : std::nullopt;
  if (timeseries) collection = reader.catalog().find({ns.db, collection->view_on});
  if (!collection) return documents;
  for (const auto& index : collection->indexes) {
    if (timeseries && index->is_id()) continue;
    const auto spec = timeseries ? measurement_index(*timeseries, index->spec) : index->spec;
    bson::Builder out;
    out.append("name", index->name).append("key", spec["key"].document_value()).append("host", host(context));
    const auto since = index->uses->since_millis.load();
    out.open_document("accesses").append("ops", index->uses->count.load()).append("since", bson::DateTime{since != 0 ? since : started(context)});
    out.append("spec", spec);
    if (!index->ready) out.append("building", true);
    documents.push_back(std::move(out).finish());
  }
  return documents;
}

Status check_current_operations(const CommandContext& context, const bson::Element& stage) {
  if (!stage.is_document()) {
    return server_error(code::kFailedToParse, fmt::format("$currentOp options must be specified in an object, but found: {}", bson::type_name(stage.type())));
  }
  static constexpr std::string_view kFlags[] = {"allUsers", "idleConnections", "idleSessions", "localOps", "truncateOps", "idleCursors", "backtrace"};
  for (const auto& option : stage.document_value()) {
    const bool known = std::ranges::find(kFlags, option.key()) != std::end(kFlags) || (option.key() == "targetAllNodes" && context.settings().at_least(7, 1));
    if (!known) return server_error(code::kFailedToParse, fmt::format("Unrecognized option '{}' in $currentOp stage.", option.key()));
    if (option.type() == bson::Type::kBool) continue;
    return server_error(code::kFailedToParse, fmt::format("The '{}' parameter of the $currentOp stage must be a boolean value, but found: {}", option.key(),
                                                          bson::type_name(option.type())));
  }
  return {};
}

Result<Documents> current_operations(CommandContext& context, const Namespace& ns, const bson::Element& stage) {
  TRY(check_current_operations(context, stage));
  const bson::View spec = stage.document_value();
  if (ns.db != "admin" || !ns.collection.empty()) {
    return server_error(code::kInvalidNamespace, "$currentOp must be run against the 'admin' database with {aggregate: 1}");
  }
  const bool own = !spec["allUsers"].is_truthy();
  const auto users = own ? user_names(context) : std::vector<std::string>();
  auto documents = context.services.operations.describe(spec["idleConnections"].is_truthy(), users);
  if (!spec["idleSessions"].exists() || spec["idleSessions"].is_truthy()) {
    auto idle = context.services.sessions.describe_idle();
    if (own && context.authorization.enabled()) {
      const auto ours = TRY(session_key(context, bson::make_document({{"id", Uuid()}})));
      std::erase_if(idle, [&](const bson::Document& session) { return !session.view().at_path("lsid.uid").same_value_bytes(ours["uid"]); });
    }
    std::ranges::move(idle, std::back_inserter(documents));
  }
  if (spec["idleCursors"].is_truthy()) {
    for (auto& cursor : context.services.cursors.describe(users)) documents.push_back(std::move(cursor));
  }
  return documents;
}

// One document for each collection and view, as the catalog has them (6.0+).
Documents list_catalog(const Namespace& ns, const Reader& reader) {
  Documents documents;
  for (const auto& collection : reader.catalog().all()) {
    if (!ns.collection.empty() && collection->ns != ns) continue;
    bson::Builder out;
    out.append("db", collection->ns.db).append("name", collection->ns.collection);
    out.append("type", collection->is_view() ? "view" : "collection");
    out.append("ns", collection->ns.to_string());
    if (collection->is_view()) {
      out.append("viewOn", collection->view_on).append("pipeline", bson::ArrayView{collection->view_pipeline});
    } else {
      auto metadata = out.open_document("md");
      metadata.append("ns", collection->ns.to_string());
      {
        auto options = metadata.open_document("options");
        options.append("uuid", collection->uuid).append_all(collection->options);
      }
      auto indexes = metadata.open_array("indexes");
      for (const auto& index : collection->indexes) {
        indexes.open_document().append("spec", index->spec).append("ready", index->ready);
      }
    }
    documents.push_back(std::move(out).finish());
  }
  return documents;
}

// Of the user, of those that are named, or of all.
Status check_sessions_asked(std::string_view name, bson::View spec) {
  for (const auto& option : spec) {
    const auto field = fmt::format("{}.{}", name, option.key());
    if (option.key() == "allUsers" && option.type() != bson::Type::kBool) return wrong_type(field, option, "bool");
    if (option.key() == "users" && !option.is_array()) return wrong_type(field, option, "array");
    if (option.key() != "allUsers" && option.key() != "users" && option.key() != "$_internalPredicate") {
      return server_error(code::kUnknownField, fmt::format("BSON field '{}' is an unknown field.", field));
    }
  }
  for (const auto& user : spec["users"].to_array().value_or(bson::View())) {
    const auto field = fmt::format("{}.users.{}", name, user.key());
    if (!user.is_document()) return wrong_type(field, user, "object");
    for (const std::string_view part : {"user", "db"}) {
      const auto text = user.document_value()[part];
      if (!text) return server_error(code::kMissingField, fmt::format("BSON field '{}.users.{}' is missing but a required field", name, part));
      if (!text.is_string()) return wrong_type(fmt::format("{}.users.{}", name, part), text, "string");
    }
  }
  return {};
}

Result<Documents> list_sessions(CommandContext& context, const Namespace& ns, const query::LeadingStage& stage) {
  if (stage.name == "$listSessions" && ns != Namespace{"config", "system.sessions"}) {
    return server_error(code::kInvalidNamespace, "$listSessions may only be run against config.system.sessions");
  }
  if (stage.name == "$listLocalSessions" && !ns.collection.empty()) {
    return server_error(code::kInvalidNamespace, "$listLocalSessions must be run against the database with {aggregate: 1}, not a collection");
  }
  const auto argument = stage.spec.view().first();
  if (!argument.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("{} options must be specified in an object, but found: {}", stage.name, bson::type_name(argument.type())));
  }
  const auto spec = argument.document_value();
  TRY(check_sessions_asked(stage.name, spec));
  const auto users = spec["users"].to_array();
  const bool all = spec["allUsers"].is_truthy();
  if (all && users && !users->empty()) {
    return server_error(12, fmt::format("{} may not specify {{allUsers:true}} and {{users:[...]}} at the same time", stage.name));
  }
  auto sessions = context.services.sessions.list();
  if (all) return sessions;
  std::vector<std::string> digests;
  for (const auto& user : users.value_or(bson::View())) {
    const auto named = user.to_document().value_or(bson::View());
    digests.push_back(user_digest(fmt::format("{}@{}", named["user"].to_string_view().value_or(""), named["db"].to_string_view().value_or(""))));
  }
  if (digests.empty()) {
    const auto names = user_names(context);
    digests.push_back(user_digest(context.authorization.enabled() && !names.empty() ? names.front() : ""));
  }
  std::erase_if(sessions, [&](const bson::Document& session) {
    const auto uid = session.view().at_path("_id.uid").binary_value().data;
    const std::string_view digest(reinterpret_cast<const char*>(uid.data()), uid.size());
    return std::find(digests.begin(), digests.end(), digest) == digests.end();
  });
  return sessions;
}

Result<Documents> documents_of(CommandContext& context, const Namespace& ns, const Reader& reader, const query::LeadingStage& stage) {
  if (stage.name == "$collStats") return collection_stats(context, ns, reader, stage.spec.view().first());
  if (stage.name == "$indexStats" && (!stage.spec.view().first().is_document() || !spec_of(stage).empty())) {
    return server_error(28803, "The $indexStats stage specification must be an empty object");
  }
  if (stage.name == "$indexStats") return index_stats(context, ns, reader);
  if (stage.name == "$currentOp") return current_operations(context, ns, stage.spec.view().first());
  if (stage.name == "$listSessions" || stage.name == "$listLocalSessions") return list_sessions(context, ns, stage);
  if (stage.name == "$geoNear") return near_documents(context, ns, reader, stage.spec);
  if (stage.name == "$listCatalog" && (!stage.spec.view().first().is_document() || !spec_of(stage).empty())) {
    return server_error(6200600, "The $listCatalog stage specification must be an empty object");
  }
  if (stage.name == "$listCatalog") return list_catalog(ns, reader);
  if (stage.name == "$documents") return query::given_documents(stage.spec.view().first(), *evaluation_context(context));
  if (stage.name == "$planCacheStats") {
    TRY(check_plan_cache_stats(stage.spec.view().first()));
    return Documents();  // plans are chosen by rules here, none is cached
  }
  return server_error(238, fmt::format("{} is not implemented by this server", stage.name));
}

}  // namespace

Result<query::DocumentSourcePtr> open_server_source(CommandContext& context, const Namespace& ns, const Reader& reader,
                                                    const query::LeadingStage& stage) {
  if (context.transaction && stage.name != "$documents" && stage.name != "$geoNear") {
    return server_error(263, fmt::format("Operation not permitted in transaction :: caused by :: Aggregation stage {} cannot run within a multi-document "
                                         "transaction", stage.name));
  }
  return query::make_vector_source(TRY(documents_of(context, ns, reader, stage)));
}

}  // namespace drover::sandbox
