// $clusterTime: what clients gossip moves the set's clock, and replies carry the clock, signed for whom it matters. Without authorization
// everybody may move it, and signatures are dummies (keyId 0). With it a time is believed for its signature, or for the privilege
// advanceClusterTime; the keys are documents of admin.system.keys, as the server has them: one for now, one for later. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

class Reader;
struct ClientConnection;
struct CollectionInfo;

class ClusterTime {
 public:
  explicit ClusterTime(Services& services) : services_(services) {}

  // Reads the keys, and writes those that are missing, or that time has run out for. Cheap when there is nothing to do. A crash between leaves
  // fewer of them, for the next call.
  Status provide_keys();

  // A command's $clusterTime. 14 and 4 for one of another shape (8.0: 14 and 40414), 211 and 204 for a signature that says nothing, 205 for a time
  // more than a year ahead of the wall clock, 40484 for one that no clock may have.
  Status accept(const ClientConnection& connection, const Command& command, bson::View body);
  // $clusterTime and operationTime of a reply. Nothing where they would have to be signed, and no key could be stored.
  void append(bson::Builder& out, const ClientConnection* connection, bson::Timestamp operation_time);

 private:
  struct Key {
    std::int64_t id = 0;
    std::string bytes;
    bson::Timestamp expires;
  };
  struct Signature {
    std::int64_t key = 0;
    std::string hash = std::string(20, '\0');
  };
  bool may_advance(const ClientConnection* connection) const;
  static Result<std::vector<Key>> stored_keys(const Reader& reader, const CollectionInfo& collection);
  Status check_signature(bson::Timestamp time, const Signature& given);
  // By the first key that lasts beyond `time`; keyId 0 when there is none. `mutex_` is held.
  const Signature& sign(bson::Timestamp time);

  Services& services_;
  std::mutex mutex_;
  std::vector<Key> keys_;         // in the order in which they expire
  bson::Timestamp seen_;          // the newest that was signed or found right: what is older needs no proof
  std::uint64_t signed_range_ = 0;  // what `signature_` is for
  Signature signature_;
};

}  // namespace drover::sandbox
