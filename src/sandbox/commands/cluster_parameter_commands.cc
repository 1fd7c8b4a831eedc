// setClusterParameter, getClusterParameter (6.0+): the one parameter that means something to a replica set by itself is
// changeStreamOptions, how long pre-images are kept. It is a document of config.clusterParameters.
#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/expired_images.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

constexpr int kNoSuchKey = 4;
constexpr std::string_view kChangeStreamOptions = "changeStreamOptions";
const Namespace kClusterParameters{"config", "clusterParameters"};

Result<std::optional<bson::Document>> stored(const Reader& reader) {
  const auto collection = reader.catalog().find(kClusterParameters);
  if (!collection) return std::optional<bson::Document>();
  const auto id = bson::make_document({{"_id", kChangeStreamOptions}});
  auto record = TRY(reader.find_by_id(*collection, id["_id"]));
  return record ? std::optional(std::move(record->document)) : std::nullopt;
}

bson::Document by_default() {
  bson::Builder out;
  out.append("_id", kChangeStreamOptions);
  out.open_document("preAndPostImages").append("expireAfterSeconds", "off");
  return std::move(out).finish();
}

tl::unexpected<Error> unknown(std::string_view name) { return server_error(kNoSuchKey, fmt::format("Unknown server parameter: {}", name)); }

// Every named one exists.
Status check_names(const bson::Element& wanted) {
  const auto check = [](const bson::Element& name) -> Status {
    const auto text = name.to_string_view();
    if (!text) return server_error(code::kTypeMismatch, "the name of a cluster parameter must be a string");
    if (*text != kChangeStreamOptions && *text != "*") return unknown(*text);
    return {};
  };
  if (!wanted.is_array()) return check(wanted);
  if (wanted.document_value().empty()) return server_error(code::kBadValue, "Must supply at least one cluster server parameter name to getClusterParameter");
  for (const auto& name : wanted.document_value()) TRY(check(name));
  return {};
}

Result<bson::Document> get_cluster_parameter(CommandContext& context) {
  TRY(check_names(context.body.first()));
  const auto scope = TRY(read_scope(context));
  const auto found = TRY(stored(*scope.reader));
  bson::Builder out;
  out.open_array("clusterParameters").append(found ? *found : by_default());
  return std::move(out).finish();
}

Status check_expiry(bson::View value) {
  const auto images = value["preAndPostImages"];
  if (value.field_count() != 1 || !images.is_document() || images.document_value().field_count() != 1) {
    return server_error(code::kBadValue, "changeStreamOptions must be {preAndPostImages: {expireAfterSeconds: <seconds or \"off\">}}");
  }
  const auto seconds = images.document_value()["expireAfterSeconds"];
  if (seconds.to_string_view() == "off") return {};
  if (seconds.is_string()) {
    return server_error(code::kBadValue, "Expected string value \"off\" for the change stream option 'preAndPostImages.expireAfterSeconds'");
  }
  if (!seconds.is_number() || seconds.to_int64().value_or(0) <= 0) {
    return server_error(code::kBadValue, "The change stream option 'preAndPostImages.expireAfterSeconds' must be a positive integer");
  }
  return {};
}

Result<bson::Document> set_cluster_parameter(CommandContext& context) {
  const auto spec = context.body.first().to_document();
  if (!spec) return server_error(code::kTypeMismatch, "setClusterParameter expects a document");
  if (spec->field_count() != 1) return server_error(code::kInvalidOptions, "setClusterParameter only supports setting exactly one parameter");
  const auto parameter = spec->first();
  if (parameter.key() != kChangeStreamOptions) return unknown(parameter.key());
  const auto value = parameter.to_document();
  if (!value) return server_error(code::kTypeMismatch, "Cluster parameter value must be a document");
  TRY(check_expiry(*value));
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto collection = TRY(collection_for_write(context, unit, kClusterParameters, true));
    bson::Builder out;
    out.append("_id", kChangeStreamOptions).append("clusterParameterTime", unit.upcoming_time()).append_all(*value);
    const auto after = std::move(out).finish();
    const auto record = TRY(unit.find_by_id(*collection, after["_id"]));
    if (!record) return unit.insert(collection, after).map([](RecordId) {});
    return unit.update(collection, record->id, record->document, after, after);
  }));
  return bson::Document();
}

}  // namespace

Result<std::optional<std::chrono::seconds>> pre_image_lifetime(const Reader& reader) {
  const auto found = TRY(stored(reader));
  const auto seconds = found ? found->view().at_path("preAndPostImages.expireAfterSeconds").to_int64() : std::nullopt;
  constexpr std::int64_t kLongest = std::int64_t{1} << 40;  // that its milliseconds can be computed with
  return seconds ? std::optional(std::chrono::seconds(std::min(*seconds, kLongest))) : std::nullopt;
}

std::span<const Command> cluster_parameter_commands() {
  static constexpr Command kRows[] = {
      {.name = "getClusterParameter", .flags = kAdminOnly, .resource = ResourceKind::kCluster, .action = "getClusterParameter",
       .handler = get_cluster_parameter, .help = "how long pre-images are kept (changeStreamOptions)", .since = {6, 0, 0}},
      {.name = "setClusterParameter", .flags = kAdminOnly | kWrite, .resource = ResourceKind::kCluster, .action = "setClusterParameter",
       .handler = set_cluster_parameter, .help = "sets how long pre-images are kept (changeStreamOptions)", .since = {6, 0, 0}},
  };
  return kRows;
}

}  // namespace drover::sandbox
