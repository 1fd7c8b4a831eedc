#include "sandbox/commands/geo_near.h"

#include <algorithm>

#include <fmt/format.h>

#include "sandbox/commands/scan.h"
#include "sandbox/commands/support.h"
#include "sandbox/query/geometry.h"
#include "sandbox/query/path.h"

namespace drover::sandbox {

namespace {

// As the server's sorts.
constexpr std::size_t kMaxBytes = 104857600;
constexpr std::int64_t kCheckEvery = 256;

struct Request {
  bson::Element near;
  std::vector<std::string> distance_field, locs_field;
  bson::View query;
  bool spherical = false;
  double multiplier = 1;
  std::optional<double> min, max;
  std::string key;
};

// A distance or a factor: nothing where it is not given.
Result<std::optional<double>> nonnegative(bson::View spec, std::string_view name) {
  const auto given = spec[name];
  if (!given) return std::optional<double>();
  if (!given.is_number()) return server_error(code::kTypeMismatch, fmt::format("{} must be a number", name));
  const double value = given.to_double().value_or(0);
  if (!(value >= 0)) return server_error(code::kBadValue, fmt::format("{} must be nonnegative", name));
  return std::optional(value);
}

// Facts: MongoDB's DocumentSourceGeoNear::parseOptions. What it does not name is passed over there too.
Result<Request> parse(bson::View spec) {
  if (spec["collation"]) {
    return server_error(40227, "$geoNear does not accept the 'collation' parameter. Instead, specify a collation for the entire aggregation command.");
  }
  if (spec["limit"]) return server_error(50858, "$geoNear no longer supports the 'limit' parameter. Use a $limit stage instead.");
  if (spec["num"]) return server_error(50857, "$geoNear no longer supports the 'num' parameter. Use a $limit stage instead.");
  if (spec["start"]) return server_error(50856, "$geoNear no longer supports the 'start' argument.");
  Request request{.near = spec["near"]};
  if (!request.near.is_array() && !request.near.is_document()) return server_error(16605, "$geoNear requires a 'near' option as an Array");
  const auto distance = spec["distanceField"].to_string_view();
  if (!distance) return server_error(16606, "$geoNear requires a 'distanceField' option as a String");
  request.distance_field = query::split_path(*distance);
  request.max = TRY(nonnegative(spec, "maxDistance"));
  request.min = TRY(nonnegative(spec, "minDistance"));
  request.multiplier = TRY(nonnegative(spec, "distanceMultiplier")).value_or(1);
  if (const auto filter = spec["query"]) {
    if (!filter.is_document()) return server_error(code::kTypeMismatch, "query must be an object");
    request.query = filter.document_value();
  }
  request.spherical = spec["spherical"].is_truthy();
  if (const auto locs = spec["includeLocs"]) {
    if (!locs.is_string()) return server_error(16607, "$geoNear requires that 'includeLocs' option is a String");
    request.locs_field = query::split_path(locs.string_value());
  }
  if (const auto key = spec["key"]) {
    if (!key.is_string()) {
      return server_error(code::kTypeMismatch, fmt::format("$geoNear parameter 'key' must be of type string but found type: {}", bson::type_name(key.type())));
    }
    if (key.string_value().empty()) return server_error(code::kBadValue, "$geoNear parameter 'key' cannot be the empty string");
    request.key = key.string_value();
  }
  return request;
}

// The field that the collection's only geo index is about: of a 2d index, if there is one, else of a 2dsphere index.
Result<std::string> field_of(const CollectionInfo& collection, const Request& request) {
  for (const std::string_view kind : {"2d", "2dsphere"}) {
    std::vector<std::string> paths;
    for (const auto& index : collection.indexes) {
      for (const auto& field : index->fields) {
        if (index->ready && field.kind == kind && (request.key.empty() || field.path == request.key)) paths.push_back(field.path);
      }
    }
    if (paths.size() > 1 && request.key.empty()) {
      return server_error(code::kIndexNotFound, fmt::format("There is more than one {} index on {}; unsure which to use for $geoNear", kind, collection.ns.to_string()));
    }
    if (!paths.empty()) return paths.front();
  }
  if (!request.key.empty()) {
    return server_error(code::kIndexNotFound, fmt::format("$geoNear requires a 2d or 2dsphere index on the field '{}', but none were found", request.key));
  }
  return server_error(code::kIndexNotFound, "$geoNear requires a 2d or 2dsphere index, but none were found");
}

Result<query::NearPoint> point_of(const Request& request) {
  bson::Builder operators;
  operators.append(request.spherical ? "$nearSphere" : "$near", request.near);
  if (request.min) operators.append("$minDistance", *request.min);
  if (request.max) operators.append("$maxDistance", *request.max);
  return query::NearPoint::parse(std::move(operators).finish());
}

struct Place {
  double distance = 0;
  bson::Value location;
  bson::Document document;
};

// The nearest of the places that the field leads to.
Result<std::optional<std::pair<double, bson::Element>>> nearest(const query::NearPoint& point, const query::FieldPath& path, bson::View document) {
  std::optional<std::pair<double, bson::Element>> best;
  Status failed;
  query::visit_path(document, path.parts(), query::LeafArrays::kTraverse, [&](const bson::Element& value, const bson::Element&) {
    auto distance = point.distance(value);
    if (!distance) {
      failed = tl::unexpected(std::move(distance).error());
      return true;
    }
    if (*distance && (!best || **distance < best->first)) best.emplace(**distance, value);
    return false;
  });
  TRY(failed);
  return best;
}

}  // namespace

Result<std::vector<bson::Document>> near_documents(CommandContext& context, const Namespace& ns, const Reader& reader, bson::View stage) {
  const auto spec = stage.first().to_document();
  if (!spec) return server_error(10065, "invalid parameter: expected an object ($geoNear)");
  const auto request = TRY(parse(*spec));
  const auto point = TRY(point_of(request));
  const auto collection = reader.catalog().find(ns);
  if (!collection) return std::vector<bson::Document>();
  if (collection->is_view()) return server_error(40602, "$geoNear is only valid as the first stage in a pipeline.");
  const query::FieldPath path(TRY(field_of(*collection, request)));
  const auto collator = TRY(effective_collation(context.body, collection.get()));
  auto filter = TRY(query::Matcher::parse(request.query, collator, context.settings().version, evaluation_context(context, {}, collator),
                                          {.text = false, .where = false, .near = false}));
  auto plan = TRY(make_plan(*collection, {.filter = &filter, .collator = collator}));
  // The reader outlives the scan; it is not shared further.
  Scan scan(std::shared_ptr<const Reader>(std::shared_ptr<void>(), &reader), collection, std::move(plan), std::move(filter), context.services.memory.work);
  MemoryShare memory(&context.services.memory.work);
  std::vector<Place> places;
  std::size_t bytes = 0;
  for (std::int64_t n = 1; const auto document = TRY(scan.next()); ++n) {
    if (n % kCheckEvery == 0) TRY(check_interrupt(context));
    const auto place = TRY(nearest(point, path, *document));
    if (!place) continue;
    bytes += document->size() + sizeof(Place);
    if (bytes > kMaxBytes || !memory.try_grow_to(bytes + bytes / 2)) {
      return server_error(292, fmt::format("$geoNear has more to sort than the {} bytes that are allowed, or than there is memory for. Limit it by maxDistance or query.", kMaxBytes));
    }
    places.push_back({place->first, bson::Value(place->second), bson::Document(*document)});
  }
  std::ranges::stable_sort(places, {}, &Place::distance);
  std::vector<bson::Document> out;
  for (auto& place : places) {
    auto shown = query::with_value_at(place.document, request.distance_field, query::Datum::from(place.distance * request.multiplier));
    if (!request.locs_field.empty()) shown = query::with_value_at(shown, request.locs_field, query::Datum::copy(place.location.element()));
    place.document = bson::Document();
    out.push_back(std::move(shown));
  }
  return out;
}

}  // namespace drover::sandbox
