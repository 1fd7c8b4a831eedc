#include "sandbox/storage/side_collections.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"

namespace drover::sandbox {

bson::Document plain_id_index() { return bson::make_document({{"v", 2}, {"key", bson::make_document({{"_id", 1}})}, {"name", "_id_"}}); }

Status check_version_document(const Namespace& ns, bson::View before, const bson::View* after, ServerVersion server) {
  constexpr std::string_view kVersions[] = {"4.2", "4.4", "5.0", "6.0", "7.0", "8.0"};
  if (ns.db != "admin" || ns.collection != "system.version" || before["_id"].to_string_view() != std::string_view("featureCompatibilityVersion")) return {};
  if (after == nullptr) return fail(ErrorCode::kFailure, "removing FeatureCompatibilityVersion document is not allowed", 40670);
  const auto version = (*after)["version"].to_string_view().value_or("");
  const auto newest = fmt::format("{}.{}", server.major, server.minor);
  if (std::ranges::find(kVersions, version) != std::end(kVersions) && version <= newest) return {};
  return fail(ErrorCode::kFailure, fmt::format("Invalid value for version, found {}, expected a feature compatibility version up to '{}' in "
                                               "featureCompatibilityVersion document in admin.system.version", version, newest), 2);
}

Status check_session_document(const Namespace& ns, bson::View document, bool within_session) {
  if (ns.db != "config" || ns.collection != "transactions") return {};
  if (within_session) {
    return fail(ErrorCode::kFailure, "Direct writes against config.transactions cannot be performed using a transaction or on a session.", 40528);
  }
  const auto id = document["_id"].to_document();
  if (!id) return fail(ErrorCode::kFailure, "invalid parameter: expected an object (_id)", 10065);
  for (const char* field : {"id", "uid"}) {
    if (!(*id)[field]) return fail(ErrorCode::kFailure, fmt::format("BSON field 'lsid.{}' is missing but a required field", field), 40414);
  }
  return {};
}

Namespace sessions_namespace() { return {"config", "transactions"}; }
Namespace pre_images_namespace() { return {"config", "system.preimages"}; }
Namespace retry_images_namespace() { return {"config", "image_collection"}; }

bson::Document pre_image_id(const Uuid& collection, bson::Timestamp entry, std::int64_t apply_ops_index) {
  bson::Builder out;
  out.append("nsUUID", collection).append("ts", entry).append("applyOpsIndex", apply_ops_index);
  return std::move(out).finish();
}

bson::Document pre_image(const bson::Document& id, bson::DateTime written, bson::View image) {
  bson::Builder out;
  out.append("_id", id).append("operationTime", written).append("preImage", image);
  return std::move(out).finish();
}

bson::Document retry_image(bson::View lsid, std::int64_t txn_number, bson::Timestamp entry, std::string_view kind, bson::View image) {
  bson::Builder out;
  out.append("_id", lsid).append("txnNum", txn_number).append("ts", entry).append("imageKind", kind);
  out.append("image", image).append("invalidated", false);
  return std::move(out).finish();
}

}  // namespace drover::sandbox
