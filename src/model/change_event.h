// One change on the source, in the one order that the oplog has. Values own what they hold: an event outlives its batch.
#pragma once

#include <cstdint>
#include <string>

#include "base/uuid.h"
#include "bson/document.h"
#include "bson/types.h"
#include "model/namespace.h"

namespace drover {

using ClusterTime = bson::Timestamp;

enum class ChangeKind {
  kInsert,   // document: the image
  kReplace,  // document: the image
  kUpdate,   // key only: applied by state
  kDelete,   // key only
  kNoop,     // moves the position; a note when `document` holds its message
  // Catalog changes; `document` is the oplog command ({create: ...}, {collMod: ...}, ...), `ns` the collection (or the
  // database for dropDatabase).
  kCreate,
  kDrop,
  kRename,  // to: `target`
  kDropDatabase,
  kCreateIndexes,
  kDropIndexes,
  kCollMod,
  kViewsChanged,  // db.system.views was written
  kUnsupported,   // `document` is the command; the engine refuses it by name if it concerns a migrated namespace
};

struct ChangeEvent {
  ChangeKind kind = ChangeKind::kNoop;
  ClusterTime ts;                // all events of a transaction carry its commit's time
  std::uint32_t txn_index = 0;   // position within it
  bool last_of_ts = true;        // false while more events of the same ts follow
  Namespace ns;
  Namespace target;              // kRename
  Uuid uuid;                     // the collection; nil where the oplog has none
  Uuid drop_target;              // kRename over an existing collection
  bson::Value key;               // documentKey's _id, CRUD kinds
  bson::Document document;

  bool is_crud() const { return kind <= ChangeKind::kDelete; }
  bool is_ddl() const { return kind >= ChangeKind::kCreate; }
  std::size_t bytes() const { return sizeof(ChangeEvent) + document.size() + (key.exists() ? key.element().size() : 0) + 64; }
};

}  // namespace drover
