// Collections of the server's own. Of `config`, those that a member keeps beside the oplog: images of documents, written in the same commit as
// the entries that they belong to and not logged themselves. Sources: MongoDB's change_stream_preimage.idl and
// image_collection_entry.idl. Of `admin`, system.version, whose document `featureCompatibilityVersion` is not anybody's to spoil (fcv_op_observer.cpp).
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/uuid.h"
#include "bson/document.h"
#include "bson/types.h"
#include "model/namespace.h"
#include "model/server_version.h"

namespace drover::sandbox {

// From here on `changeStreamPreAndPostImages` is known, and images are documents of config.system.preimages; before,
// `recordPreImages` puts them into the oplog as no-ops.
inline constexpr ServerVersion kPreImagesSince{6, 0, 0};
// From here on a retryable findAndModify's image is in config.image_collection; before, it is a no-op of the oplog.
inline constexpr ServerVersion kRetryImagesSince{5, 0, 0};

// {v: 2, key: {_id: 1}, name: "_id_"}: what collections of the server's own begin with.
bson::Document plain_id_index();

// Refuses (40670, 2) to remove the document `featureCompatibilityVersion` of admin.system.version or to give it a version that is none of
// this server's. `after`: null for a removal.
Status check_version_document(const Namespace& ns, bson::View before, const bson::View* after, ServerVersion server);

// A client's write of an entry of config.transactions: 40528 from a session with a number, whose own entry it would be, and 10065 or 40414 for what
// no session has as its _id. Facts: session_catalog_mongod.cpp (observeDirectWriteToConfigTransactions).
Status check_session_document(const Namespace& ns, bson::View document, bool within_session);

Namespace sessions_namespace();      // config.transactions
Namespace pre_images_namespace();    // config.system.preimages
Namespace retry_images_namespace();  // config.image_collection

// {nsUUID, ts, applyOpsIndex}: the entry that changed the document, and which of its operations did.
bson::Document pre_image_id(const Uuid& collection, bson::Timestamp entry, std::int64_t apply_ops_index);
bson::Document pre_image(const bson::Document& id, bson::DateTime written, bson::View image);

// One per session: the image of its last findAndModify.
bson::Document retry_image(bson::View lsid, std::int64_t txn_number, bson::Timestamp entry, std::string_view kind, bson::View image);

}  // namespace drover::sandbox
