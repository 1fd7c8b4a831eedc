#include "sandbox/storage/side_collections.h"

#include "bson/builder.h"

namespace drover::sandbox {

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
