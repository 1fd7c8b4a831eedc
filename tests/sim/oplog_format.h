// Oplog entries as servers 4.4 to 8.0 write them: the fields that a reader of the oplog may look at, in the server's
// order. Facts: corpus oplog/crud, server's oplog_entry.idl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bson/document.h"
#include "model/server_version.h"
#include "store.h"

namespace drover::sim {

struct EntryContext {
  ServerVersion version;
  std::int64_t term = 1;
  std::int64_t wall_millis = 0;
};

// Whose statement an entry is: a retryable write's or a transaction's.
struct EntrySession {
  Uuid id;
  std::int64_t txn_number = 0;
};

// `image`: the entry that keeps the document before the write, or zero.
bson::Document write_entry(const EntryContext& context, ClusterTime ts, const Write& write,
                           const std::optional<EntrySession>& session, ClusterTime image = {});
// `previous`: the entry before in a transaction of several, zero for its first. `total`: operations in all, when last of
// several; 0 otherwise.
bson::Document transaction_entry(const EntryContext& context, ClusterTime ts, const std::vector<Write>& writes,
                                 const EntrySession& session, ClusterTime previous, bool partial, int total);
// A prepared transaction: its operations, and later whether they happened.
bson::Document prepare_entry(const EntryContext& context, ClusterTime ts, const std::vector<Write>& writes,
                             const EntrySession& session);
bson::Document decision_entry(const EntryContext& context, ClusterTime ts, const EntrySession& session,
                              ClusterTime prepared, bool commit);
// The no-op that keeps a document for the repetition of a findAndModify (before 7.0's config.image_collection).
bson::Document image_entry(const EntryContext& context, ClusterTime ts, const Write& write, bson::View image,
                           const EntrySession& session);
// An applyOps outside a transaction, as 6.1+ writes batched deletes.
bson::Document batch_entry(const EntryContext& context, ClusterTime ts, const std::vector<Write>& writes);
bson::Document command_entry(const EntryContext& context, ClusterTime ts, const std::string& db, const Uuid& uuid,
                             bson::View command);
bson::Document note_entry(const EntryContext& context, ClusterTime ts, bson::View message);
// The `o` of an update that sets one field.
bson::Document set_field_change(const ServerVersion& version, std::string_view field, const bson::Element& value,
                                bool is_new);

}  // namespace drover::sim
