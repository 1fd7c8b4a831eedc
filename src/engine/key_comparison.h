// Documents of changed keys, read on both sides and compared byte by byte. Whether a difference is one is not judged here, but by whoever
// knows what has changed meanwhile (verification.h).
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "cluster/deployment.h"
#include "engine/catalog.h"
#include "engine/changed_keys.h"
#include "verifier/report.h"

namespace drover::engine {

inline constexpr std::size_t kKeysReadBytes = 4 << 20;  // of documents on each side in one reading, and what its last reply has more

// Of one collection.
struct KeyReading {
  std::shared_ptr<Collection> collection;
  CollectionInfo source_info, destination_info;
  std::vector<ChangedKeys::Key> keys;    // those to be compared; afterwards those that were
  std::vector<ChangedKeys::Key> unread;  // those that a reply had no room for, first the one whose turn it is
};

struct KeyDifference {
  ChangedKeys::Key key;
  verifier::Mismatch mismatch;  // its detail has no names of fields: it goes to the log
};

// The sides are read at or after these times. Raises `read_until` to what either reading can have seen. After a failure too what was not
// compared is in `keys` and `unread`.
struct ReadFrom {
  ClusterTime source, destination;
};
Result<std::vector<KeyDifference>> compare_keys(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, KeyReading& reading,
                                                const ReadFrom& from, ClusterTime& read_until, const std::stop_token& stop);

// Under a collation one logical key has several documents.
ChangedKeys::Spellings spellings(const Collection& collection);

}  // namespace drover::engine
